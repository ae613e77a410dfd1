"""Malformed models: every one is an `OnnxError` that says what is wrong; nothing crashes, hangs or takes all memory.

They run in a worker process, which is started again when it dies or hangs: then only that model has failed.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the package onnx is not installed: pip install pyconv[onnx]")

sys.path.insert(0, str(Path(__file__).parent))
import onnx_corpus

from pyconv.interop.onnx import load

HERE = Path(__file__).parent
SECONDS = 20.0
START_SECONDS = 120.0


class Worker:
    """The process, and one question at a time to it."""

    def __init__(self) -> None:
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the process)
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "onnx_worker.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.errors, env={**os.environ, "PYTHONPATH": str(HERE), "PYTHONSAFEPATH": "1"}, cwd=HERE.anchor)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)
        self.ready = self.read(START_SECONDS)
        assert self.ready.get("cases") == len(onnx_corpus.CASES), self.ready

    def ask(self, question: str) -> dict:
        self.process.stdin.write(question.encode() + b"\n")
        self.process.stdin.flush()
        return self.read(SECONDS)

    def read(self, seconds: float) -> dict:
        if not self.selector.select(seconds):
            self.stop()
            return {"hung": f"no answer within {seconds:g} s"}
        line = self.process.stdout.readline()
        if line:
            return json.loads(line)
        status = self.process.wait()
        self.errors.seek(0)
        tail = self.errors.read().decode(errors="replace")[-2000:]
        self.stop()
        return {"died": f"exit status {status}\n{tail}"}

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.selector.close()
        self.process.stdin.close()
        self.process.stdout.close()
        self.errors.close()

    @property
    def alive(self) -> bool:
        return self.process.poll() is None


@pytest.fixture(scope="module")
def worker():
    """A function that gives a living worker."""
    workers: list[Worker] = []

    def living() -> Worker:
        if not workers or not workers[-1].alive:
            workers.append(Worker())
        return workers[-1]

    yield living
    for one in workers:
        if one.alive:
            one.stop()


@pytest.mark.parametrize("name", onnx_corpus.CASES)
def test_malformed(name, worker):
    answer = worker().ask(f"case {name}")
    assert answer.get("expected"), answer
    assert re.search(onnx_corpus.CASES[name].match, answer["text"]), answer
    assert answer["text"].startswith("[onnx] "), answer


def test_there_are_enough():
    assert len(onnx_corpus.CASES) >= 300


def _none_harmful(worker, questions) -> list[str]:
    """What neither returned nor raised OnnxError."""
    bad = []
    for question in questions:
        answer = worker().ask(question)
        if not answer.get("returned") and not answer.get("expected"):
            bad.append(f"{question}: {answer}")
    return bad


def test_numbers_of_operators(worker):
    """A part of all changes: every ninth."""
    total = worker().ready["sweep"]
    assert total > 5000
    assert _none_harmful(worker, [f"sweep {i}" for i in range(0, total, 9)]) == []


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_every_number_of_every_operator(worker):
    assert _none_harmful(worker, [f"sweep {i}" for i in range(worker().ready["sweep"])]) == []


def test_changed_bytes(worker):
    assert _none_harmful(worker, [f"flip {seed}" for seed in range(600)]) == []


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_changed_bytes_at_length(worker):
    assert _none_harmful(worker, [f"flip {seed}" for seed in range(600, 100_000)]) == []


def test_external_data_in_the_folder(tmp_path):
    """What is allowed works."""
    case = onnx_corpus.GOOD_EXTERNAL
    np.testing.assert_array_equal(load(case.model(tmp_path), external_data=True).state_dict()["w"].array, [0, 0])


def test_more_memory_on_request():
    proto, inputs = onnx_corpus.single("ConstantOfShape", np.array([2**10], np.int64))
    with pytest.raises(ValueError, match="4096 bytes; 0 are in use and 1000 allowed"):
        load(proto, max_bytes=1000)(*inputs)
    assert load(proto, max_bytes=5000)(*inputs).shape == (1024,)
    for bad in (0, -1, 1.5, True):
        with pytest.raises(ValueError, match="max_bytes is"):
            load(proto, max_bytes=bad)


def test_the_worker_reports_a_crash_and_a_hang():
    one = Worker()
    one.process.kill()
    assert "died" in one.read(SECONDS)
    one = Worker()
    assert "hung" in one.read(0.1)
    assert not one.alive
