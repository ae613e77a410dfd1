"""Every hostile call raises the promised exception, and its text names op and argument.

The calls run in a worker process, which is started again when it dies or hangs: then only that call has failed.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest
import support
from samples import Hostile

CASES = support.all_hostile()
SECONDS = 5.0
START_SECONDS = 60.0
TESTS = Path(__file__).parent.parent


class Worker:
    """The process, and one question at a time to it."""

    def __init__(self) -> None:
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the process)
        self._process = subprocess.Popen(
            [sys.executable, str(TESTS / "ops" / "hostile_worker.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._stderr, env={**os.environ, "PYTHONPATH": str(TESTS)}, cwd=TESTS.anchor)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._process.stdout, selectors.EVENT_READ)
        ready = self._read(START_SECONDS)
        assert ready.get("cases") == len(CASES), ready

    def ask(self, index: int) -> dict:
        self._process.stdin.write(b"%d\n" % index)
        self._process.stdin.flush()
        return self._read(SECONDS)

    def _read(self, seconds: float) -> dict:
        if not self._selector.select(seconds):
            self.stop()
            return {"hung": f"no answer within {seconds:g} s"}
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        status = self._process.wait()
        self._stderr.seek(0)
        tail = self._stderr.read().decode(errors="replace")[-2000:]
        self.stop()
        return {"died": f"exit status {status}\n{tail}"}

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._selector.close()
        self._process.stdin.close()
        self._process.stdout.close()
        self._stderr.close()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None


@pytest.fixture(scope="module")
def ask():
    workers: list[Worker] = []

    def ask(index: int) -> dict:
        if not workers or not workers[-1].alive:
            workers.append(Worker())
        return workers[-1].ask(index)

    yield ask
    for worker in workers:
        if worker.alive:
            worker.stop()


@pytest.mark.parametrize("index", range(len(CASES)), ids=[c.id for c in CASES])
def test_raises(index: int, ask):
    case: Hostile = CASES[index]
    answer = ask(index)
    again = f"reproduce with: {case.call}"
    assert "hung" not in answer, f"{answer['hung']}; {again}"
    assert "died" not in answer, f"the process died: {answer['died']}; {again}"
    assert "returned" not in answer, f"no exception, it returned {answer['returned']}; {again}"
    what = f"{answer['raised']}: {answer['text']}"
    assert answer["expected"], f"raised {what}; expected {[t.__name__ for t in case.raises]}; {again}"
    assert re.search(case.match, answer["text"]), f"{what} does not match {case.match!r}; {again}"
    if answer["raised"] != "MemoryError":
        assert re.search(r"\[[\w. ]+\] ", answer["text"]), f"{what} names no op; {again}"


def test_ids_are_unique():
    assert not [name for name, n in Counter(c.id for c in CASES).items() if n > 1]


@pytest.mark.parametrize("op", ["conv2d", "matmul", "linear", "max_pool2d", "avg_pool2d", "adaptive_avg_pool2d",
                                "adaptive_max_pool2d", "batch_norm", "softmax", "cross_entropy", "dropout", "index"])
def test_at_least_twenty_of_each(op: str):
    assert sum(case.op == op for case in CASES) >= 20


def test_the_worker_reports_a_crash_and_a_hang(monkeypatch):
    """The harness itself: a dead and a silent worker are told apart from an exception."""
    worker = Worker()
    worker._process.kill()
    assert "died" in worker._read(SECONDS)
    worker = Worker()
    assert "hung" in worker._read(0.1)
    assert not worker.alive
