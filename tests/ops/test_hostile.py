"""Every hostile call raises the promised exception, and its text names op and argument.

The calls run in a worker process, which is started again when it dies or hangs: then only that call has failed.
"""

from __future__ import annotations

import re
from collections import Counter

import pytest
import support
from samples import Hostile
from worker import TESTS, Worker, Workers

CASES = support.all_hostile()
SECONDS = 5.0
SCRIPT = str(TESTS / "ops" / "hostile_worker.py")


def workers() -> Workers:
    return Workers(SCRIPT, seconds=SECONDS)


@pytest.fixture(scope="module")
def ask():
    with workers() as asked:
        yield lambda index: asked.ask(str(index))


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


def test_the_worker_reports_a_crash_and_a_hang():
    """The harness itself: a dead and a silent worker are told apart from an exception."""
    worker = Worker([SCRIPT], SECONDS, 60.0)
    assert worker.ready == {"ready": len(CASES)}
    worker.kill()
    assert "died" in worker.read(SECONDS)
    worker = Worker([SCRIPT], SECONDS, 60.0)
    assert "hung" in worker.read(0.1)
    assert not worker.alive
