"""safetensors: round trips, both directions with the official package, malformed and hostile files."""

from __future__ import annotations

import json
import os
import tracemalloc

import numpy as np
import pytest
from malformed_safetensors import MALFORMED, UNUSUAL, file, one

from pyconv import nn
from pyconv.io import load, load_safetensors, safetensors_metadata, save, save_safetensors
from pyconv.io.safetensors_header import HeaderError, parse
from pyconv.tensor import Tensor

WRITTEN = ("float64", "float32", "int64", "int32", "uint8", "bool")


def arrays():
    rng = np.random.default_rng(0)
    state = {f"a.{d}": (rng.standard_normal((2, 3)) * 50).astype(d) for d in WRITTEN}
    state |= {"scalar": np.array(7, np.int64), "empty": np.zeros((0, 3), np.float32), "": np.zeros(1, np.uint8)}
    state["channels_last"] = rng.standard_normal((2, 5, 4, 3)).astype(np.float32).transpose(0, 3, 1, 2)
    state["reversed"] = np.arange(6, dtype=np.float64)[::-2]
    state["é🙂"] = np.ones(3, bool)
    return state


def check_equal(got, expected):
    assert list(got) == list(expected)
    for name, value in expected.items():
        array = got[name].array if isinstance(got[name], Tensor) else got[name]
        assert array.dtype == value.dtype, name
        assert array.shape == value.shape, name
        np.testing.assert_array_equal(array, value)


def test_round_trip(tmp_path):
    path = tmp_path / "w.safetensors"
    save(arrays(), path)
    loaded = load(path)
    check_equal(loaded, arrays())
    assert loaded["channels_last"].array.flags.c_contiguous
    assert all(t.array.flags.writeable and t.array.flags.aligned for t in loaded.values())
    assert safetensors_metadata(path) == {}
    save_safetensors({}, path, {"arch": "lenet5", "é": ""})
    assert load(str(path)) == {}
    assert safetensors_metadata(path) == {"arch": "lenet5", "é": ""}


def test_a_big_endian_array_is_written_as_the_format_wants(tmp_path):
    save({"w": np.arange(3, dtype=">f4")}, tmp_path / "w")
    check_equal(load(tmp_path / "w"), {"w": np.arange(3, dtype=np.float32)})


def test_state_dict_round_trip(tmp_path):
    layer = nn.Sequential(nn.Identity(), nn.Module())
    layer[1].weight = nn.Parameter(np.arange(6, dtype=np.float32).reshape(2, 3))
    layer[1].register_buffer("count", Tensor(np.array(5)))
    save(layer.state_dict(), tmp_path / "w")
    layer[1].weight.array[:] = 0
    layer.load_state_dict(load(tmp_path / "w"))
    assert layer[1].weight.array[1, 2] == 5


def test_saving_over_the_file_that_was_loaded(tmp_path):
    path = tmp_path / "w.safetensors"
    save(arrays(), path)
    loaded = load(path)
    save(loaded, path)
    check_equal(load(path), arrays())


def test_the_official_package_reads_ours(tmp_path):
    official = pytest.importorskip("safetensors.numpy", reason="the safetensors package is not installed")
    from safetensors import safe_open

    save_safetensors(arrays(), tmp_path / "w", {"format": "pt"})
    got = official.load_file(tmp_path / "w")
    check_equal({name: got[name] for name in arrays()}, arrays())
    with safe_open(tmp_path / "w", framework="numpy") as opened:
        assert opened.metadata() == {"format": "pt"}


def test_we_read_the_official_packages(tmp_path):
    official = pytest.importorskip("safetensors.numpy", reason="the safetensors package is not installed")
    expected = {name: np.ascontiguousarray(value) for name, value in arrays().items()}
    expected["scalar"] = expected["scalar"].reshape(())
    official.save_file(expected, tmp_path / "w", {"a": "b"})
    got = load(tmp_path / "w")
    check_equal({name: got[name] for name in expected}, expected)
    assert safetensors_metadata(tmp_path / "w") == {"a": "b"}


@pytest.mark.parametrize(
    ("dtype", "stored", "expected"),
    [
        ("F16", np.array([1.5, -0.0, np.inf, 6e-8], np.float16), np.float32),
        ("BF16", np.array([0x3FC0, 0xBF80, 0x7F80, 0x0001], np.uint16), np.float32),
        ("I16", np.array([-(2**15), 7], np.int16), np.int32),
        ("I8", np.array([-128, 7], np.int8), np.int32),
        ("U16", np.array([2**16 - 1, 7], np.uint16), np.int32),
        ("U32", np.array([2**32 - 1, 7], np.uint32), np.int64),
        ("U64", np.array([2**63 - 1, 7], np.uint64), np.int64),
    ],
)
def test_types_that_are_only_read(tmp_path, dtype, stored, expected):
    data = stored.tobytes()
    (tmp_path / "w").write_bytes(one(dtype=dtype, shape=stored.shape, offsets=(0, len(data)), data=data))
    got = load(tmp_path / "w")["w"].array
    assert got.dtype == expected
    if dtype == "BF16":
        np.testing.assert_array_equal(got, np.array([1.5, -1.0, np.inf, 2.0**-133], np.float32))
    else:
        np.testing.assert_array_equal(got, stored.astype(expected))


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(tmp_path, name):
    content, match = MALFORMED[name]
    (tmp_path / "w").write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=match) as caught:
            load(tmp_path / "w")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert str(caught.value).startswith(f"[load] {tmp_path / 'w'}")
    assert len(str(caught.value)) < 1000
    assert peak <= 2 * len(content) + 2**26


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_but_valid(tmp_path, name):
    (tmp_path / "w").write_bytes(UNUSUAL[name])
    loaded = load(tmp_path / "w")
    official = pytest.importorskip("safetensors.numpy", reason="the safetensors package is not installed")
    assert set(official.load_file(tmp_path / "w")) == set(loaded)


def test_mutated_files_load_or_raise_and_we_accept_no_more_than_the_official_package(tmp_path):
    official = pytest.importorskip("safetensors", reason="the safetensors package is not installed")
    rng = np.random.default_rng(7)
    seeds = [MALFORMED["overlap"][0], UNUSUAL["offsets not in the order of the header"], UNUSUAL["unaligned"],
             file({"w": {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]}, "__metadata__": {"a": "b"}},
                  bytes(8))]
    interesting = b'{}[]",:0123456789-.eE\\ \x00\xffFUI'
    path, accepted = tmp_path / "w", 0
    for _ in range(3000):
        content = bytearray(seeds[rng.integers(len(seeds))])
        for _ in range(rng.integers(1, 4)):
            at = int(rng.integers(len(content)))
            kind = rng.integers(3)
            if kind == 0:
                content[at] = interesting[rng.integers(len(interesting))]
            elif kind == 1:
                del content[at : at + int(rng.integers(1, 9))]
            else:
                content[at:at] = content[at : at + int(rng.integers(1, 9))]
            if not content:
                content = bytearray(b"x")
        path.write_bytes(content)
        try:
            load_safetensors(path)
        except ValueError:
            continue
        accepted += 1
        official.deserialize(bytes(content))
    assert accepted > 20


def test_places_that_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path, tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(ValueError, match=r"is not a regular file"):
            load(place)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "missing")
    save({"w": np.ones(2)}, tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert load(tmp_path / "link")["w"].shape == (2,)


def test_a_file_that_shrinks_while_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "w"
    save({"w": np.ones(1_000_000, np.float32)}, path)

    def parse_then_shrink(*args):
        os.truncate(path, 1000)
        return parse(*args)

    monkeypatch.setattr("pyconv.io.safetensors.parse", parse_then_shrink)
    with pytest.raises(ValueError, match=r"tensor 'w' ends after \d+ of 4000000 bytes: the file shrank"):
        load(path)


@pytest.mark.parametrize(
    ("state", "metadata", "error", "match"),
    [
        ([1], None, TypeError, r"state_dict is list, expected a mapping"),
        ({3: np.ones(1)}, None, TypeError, r"name is int, expected a str"),
        ({"__metadata__": np.ones(1)}, None, ValueError, r"cannot be called '__metadata__'"),
        ({"\ud800": np.ones(1)}, None, ValueError, r"name '\\ud800' is no valid Unicode"),
        ({"w": "text"}, None, TypeError, r"'w' is str, expected a Tensor or a numpy array"),
        ({"w": np.ones(1, np.float16)}, None, TypeError, r"'w' has dtype float16, expected one of float64"),
        ({"w": np.ones(1, object)}, None, TypeError, r"'w' has dtype object"),
        ({"w": Tensor(None, meta=((3,), np.dtype("f4")))}, None, ValueError, r"'w' is a meta tensor of shape \(3,\)"),
        ({}, [1], TypeError, r"metadata is list, expected a mapping"),
        ({}, {"a": 1}, TypeError, r"metadata 'a': 1, expected text"),
        ({}, {"a": "\ud800"}, ValueError, r"is no valid Unicode"),
        ({}, {"a": "x" * 100_000_000}, ValueError, r"the header would take \d+ bytes, the format allows 100000000"),
    ],
    ids=lambda value: None if isinstance(value, dict) else str(value)[:30],
)
def test_what_cannot_be_saved(tmp_path, state, metadata, error, match):
    save({"w": np.ones(2)}, tmp_path / "w")
    with pytest.raises(error, match=match):
        save_safetensors(state, tmp_path / "w", metadata)
    assert os.listdir(tmp_path) == ["w"]
    assert load(tmp_path / "w")["w"].shape == (2,)


def test_too_many_tensors(monkeypatch):
    monkeypatch.setattr("pyconv.io.safetensors_header.MAX_TENSORS", 3)
    text = json.dumps({str(i): {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]} for i in range(4)}).encode()
    with pytest.raises(HeaderError, match=r"more than 3 tensors"):
        parse(text, 0)
    monkeypatch.setattr("pyconv.io.safetensors_header.MAX_TENSORS", 4)
    assert len(parse(text, 0)[0]) == 4
