"""Calls with corner values never crash, hang, take all memory or give a result of a wrong shape.

Each call is made in a worker process from its target's name and a seed (the first line of a failure says how to make it
alone). It has to raise an exception of a normal type, or to return the same bits twice, of the shape that a formula gives.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from worker import TESTS, Workers

sys.path.insert(0, str(Path(__file__).parent))
import expected
import generate

SCRIPT = str(TESTS / "security" / "call_worker.py")
SEED = int(os.environ.get("PYCONV_TEST_SEED", "0"))
SECONDS = 10.0
PER_TARGET = {"op": 16, "tensor": 8, "call": 8, "module": 16}
FULL = 8  # times as many in the long tier


def failures(targets: list[str], calls: int) -> tuple[list[str], Counter[str]]:
    found, outcomes = [], Counter()
    with Workers(SCRIPT, seconds=SECONDS) as workers:
        for target in targets:
            for seed in range(SEED, SEED + calls):
                answer = workers.ask(f"{target} {seed}")
                outcomes[next(iter(answer))] += 1
                if not answer.keys() & {"raised", "returned"}:
                    found.append(f"python tests/security/call_worker.py {target} {seed}\n{generate.make(target, seed)}: {answer}")
    return found, outcomes


@pytest.mark.parametrize("kind", PER_TARGET)
def test_calls(kind: str, request):
    calls = PER_TARGET[kind] * (FULL if request.config.getoption("--full") else 1)
    targets = [t for t in generate.TARGETS if t.startswith(f"{kind}:")]
    print(f"seed {SEED} (PYCONV_TEST_SEED), {calls} calls of each of {len(targets)} targets")
    found, outcomes = failures(targets, calls)
    print(dict(outcomes))
    assert not found, f"{len(found)} of {sum(outcomes.values())} calls, seed {SEED}:\n" + "\n".join(found[:40])
    # The generator is worth something only while calls reach the code behind the checks, and the checks.
    assert min(outcomes["raised"], outcomes["returned"]) > sum(outcomes.values()) / 20, outcomes


def test_every_public_function_is_called():
    from pyconv import nn
    from pyconv.nn import functional

    named = {t.split(":")[1].split(".")[-1] for t in generate.TARGETS}
    assert set(functional.__all__) <= named
    assert {n for n in nn.__all__ if isinstance(getattr(nn, n), type)} - {"Module", "Parameter"} <= named


def test_the_shape_formulas_notice():
    from pyconv.nn import functional

    call = generate.Call(functional.max_pool2d, [np.zeros((1, 2, 7, 7), np.float32), 3], {})
    assert expected.wrong("op:max_pool2d", call, np.zeros((1, 2, 2, 3))) == "shape (1, 2, 2, 3), expected (1, 2, 2, 2)"
    assert expected.wrong("op:max_pool2d", call, np.zeros((1, 2, 2, 2))) is None
