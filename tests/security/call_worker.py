"""Makes generated calls, one per line of input (``TARGET SEED``); one line of JSON out. Its memory is limited.

``python tests/security/call_worker.py TARGET SEED`` shows one of them.
"""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import sys
import tempfile
import warnings
from pathlib import Path
from random import Random

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

import corners  # noqa: E402
import expected  # noqa: E402
import generate  # noqa: E402
import numpy as np  # noqa: E402

import pyconv  # noqa: E402
from pyconv._backend import core  # noqa: E402
from pyconv.tensor import Tensor  # noqa: E402

EXTRA_BYTES = 1 << 30  # address space beyond what the imports took: a greedy call fails soon
NORMAL = (ValueError, TypeError, IndexError, RuntimeError, MemoryError, OSError, KeyError, BufferError)
BESIDE = (RecursionError,)  # a RuntimeError, but no answer


def limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if core.sanitizers:
        return  # their shadow memory needs the whole address space
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + EXTRA_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def arrays_of(value: object) -> list[np.ndarray]:
    if isinstance(value, (tuple, list)):
        return [a for v in value for a in arrays_of(v)]
    if isinstance(value, Tensor):
        return [] if value.is_meta else [value.array]
    return [value] if isinstance(value, np.ndarray) else []


def perform(target: str, seed: int, poison: bool) -> tuple[generate.Call, object, list[np.ndarray]]:
    """The call, its result, and the arrays of the result and of the gradients."""
    core.set_poison(poison)
    pyconv.manual_seed(0)
    call = generate.make(target, seed)
    value = call.function(*call.args, **call.kwargs)
    found = [a.copy() for a in arrays_of(value)]
    rng = Random(seed)
    if isinstance(value, Tensor) and value.requires_grad and not value.is_meta:
        plain = np.ones(value.shape, value.dtype)
        value.backward(Tensor(plain) if rng.random() < 0.7 else corners.operand(rng, plain))
        found += [a.grad.array for a in call.args if isinstance(a, Tensor) and a.is_leaf and a.grad is not None]
    return call, value, found


def run(target: str, seed: int) -> dict[str, object]:
    try:
        call, value, found = perform(target, seed, poison=True)
    except NORMAL as error:
        if not isinstance(error, BESIDE):
            return {"raised": type(error).__name__, "text": str(error)[:500]}
        return {"odd": type(error).__name__}
    except BaseException as error:
        return {"odd": f"{type(error).__name__}: {str(error)[:500]}"}
    wrong = expected.wrong(target, call, value)
    if wrong is None and deterministic(target):
        again = perform(target, seed, poison=False)[2]
        same = len(found) == len(again) and all(
            a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in zip(found, again, strict=True)
            if not a.dtype.hasobject)
        wrong = None if same else "the second call gives other bits"
    return {"wrong": wrong} if wrong else {"returned": generate.elements(value)}


def deterministic(target: str) -> bool:
    """Not ``empty``, and not what draws from operating system's randomness."""
    return target.split(".")[-1] not in ("empty", "empty_like", "Generator")


def main() -> None:
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    if len(sys.argv) > 1:
        print(generate.make(sys.argv[1], int(sys.argv[2])))
        limit_memory()
        print(run(sys.argv[1], int(sys.argv[2])))
        return
    faulthandler.enable()
    os.chdir(tempfile.mkdtemp(prefix="pyconv-calls-"))  # what `save` writes under a generated name lands here
    limit_memory()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a call prints is not an answer
    questions = os.fdopen(os.dup(0))
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    print(json.dumps({"ready": len(generate.TARGETS)}), file=answers, flush=True)
    for line in questions:
        target, seed = line.split()
        print(json.dumps(run(target, int(seed))), file=answers, flush=True)


if __name__ == "__main__":
    main()
