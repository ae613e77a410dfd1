"""Malformed files of weights: a ValueError that says what is wrong; no code runs, memory and time stay bounded.

They are loaded by a worker process with a limit on its memory, which is started again when it dies or hangs.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from malformed_weights import MALFORMED
from weight_files import GOOD_CAFFE, GOOD_LEGACY, GOOD_NPY, GOOD_NPZ, GOOD_ZIP, darknet
from worker import Workers

from pyconv.io import load, recognise

WORKER = Path(__file__).parent / "weights_worker.py"


@pytest.fixture(scope="module")
def workers():
    with Workers(str(WORKER), seconds=30) as found:
        yield found


def test_there_are_enough():
    assert len(MALFORMED) >= 150


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(workers, tmp_path, name):
    content, match = MALFORMED[name]
    path = tmp_path / "weights"
    path.write_bytes(content)
    found = workers.ask(str(path))
    assert "error" in found, found
    assert found["error"] == "ValueError"
    assert found["text"].startswith(f"[load] {path}"), found["text"]
    assert re.search(match, found["text"]), found["text"]
    assert len(found["text"]) < 1000
    assert found["executed"] == []
    assert not [m for m in found["imported"] if m.split(".")[0] not in ("encodings", "pyconv", "numpy")], found["imported"]
    assert found["peak"] <= 2 * len(content) + 2**26
    # a second per megabyte; tracing memory makes everything several times slower
    assert found["seconds"] <= 10 + 10 * len(content) / 2**20


@pytest.mark.parametrize(("content", "kind", "names"), [
    (GOOD_ZIP, "pth", ["w"]), (GOOD_LEGACY, "legacy pth", ["w"]), (GOOD_NPY, "npy", ["tensor"]), (GOOD_NPZ, "npz", ["w", "v"]),
    (GOOD_CAFFE, "caffemodel", ["conv1.weight", "conv1.bias"]), (darknet(), "darknet", ["darknet"]),
], ids=["zip", "legacy", "npy", "npz", "caffe", "darknet"])
def test_the_good_files_that_they_were_made_from(workers, tmp_path, content, kind, names):
    path = tmp_path / "weights.of no matter what name"
    path.write_bytes(content)
    assert recognise(path) == kind
    found = load(path)
    assert list(found) == names
    assert all(np.isfinite(value.array).all() for value in found.values())
    assert list(workers.ask(str(path))["loaded"]) == names


@pytest.mark.parametrize("seed", [GOOD_ZIP, GOOD_LEGACY, GOOD_NPY, GOOD_NPZ, GOOD_CAFFE, darknet()],
                         ids=["zip", "legacy", "npy", "npz", "caffe", "darknet"])
def test_mutated(tmp_path, seed):
    """Bytes changed, flipped, removed and doubled: tensors that the file has room for, or a ValueError about this file."""
    rng, path, errors, accepted = np.random.default_rng(5), tmp_path / "w", [], 0
    for _ in range(500):
        content = bytearray(seed)
        for _ in range(rng.integers(1, 5)):
            at, kind, length = int(rng.integers(len(content))), rng.integers(4), int(rng.integers(1, 9))
            if kind == 0:
                content[at] = rng.choice([0, 1, 127, 128, 255, rng.integers(256)])
            elif kind == 1:
                content[at] ^= 1 << int(rng.integers(8))
            elif kind == 2:
                del content[at:at + min(length, len(content) - 1)]
            else:
                content[at:at] = content[at:at + length]
        path.write_bytes(content)
        try:
            found = load(path)
        except ValueError as error:
            errors.append(str(error))
            continue
        accepted += 1
        assert sum(value.array.nbytes for value in found.values()) <= 4 * len(content)
    assert accepted > 3
    assert all(text.startswith(f"[load] {path}") for text in errors)


def test_the_worker_notices_what_it_looks_for(workers):
    found = workers.ask("do something bad")
    assert found["executed"] == ["os.system"]
    assert found["imported"] == ["made up"]
    assert "MemoryError" in found["wrong"]


@pytest.mark.parametrize(("name", "kind"), [("GLOBAL os.system", "pth"), ("a billion laughs of lists", "pth"),
                                            ("npz bomb", "npz"), ("a pickle of True", "legacy pth")])
def test_formats_are_recognised_without_reading_them(tmp_path, name, kind):
    (tmp_path / "w").write_bytes(MALFORMED[name][0])
    assert recognise(tmp_path / "w") == kind
