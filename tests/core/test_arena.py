"""The arena: reuse, accounts, poison, and memory that outlives its makers."""

from __future__ import annotations

import gc
import os
import subprocess
import sys

import numpy as np
import pytest

from pyconv._backend import core
from pyconv.errors import ShapeError

F32 = np.dtype("float32")
plain_malloc = pytest.mark.skipif(bool(core.sanitizers), reason="sanitizer builds take plain malloc")


def allocate(count: int) -> np.ndarray:
    return core.empty((count,), F32, False)


@plain_malloc
@pytest.mark.parametrize("count", [1, 1000, 100_000, 5_000_000])
def test_memory_is_reused(count: int):
    address = allocate(count).ctypes.data
    assert allocate(count).ctypes.data == address


@pytest.mark.parametrize("count", [0, 1, 3, 17, 1000, 123_457, 3_000_001])
def test_alignment(count: int):
    assert allocate(count).ctypes.data % 64 == 0


def test_accounts():
    gc.collect()
    before = core.memory_stats()["current_bytes"]
    core.reset_peak()
    x = allocate(1 << 20)
    held = core.memory_stats()["current_bytes"] - before
    assert 4 << 20 <= held <= 5 << 20
    y = allocate(1 << 20)
    del x, y
    assert core.memory_stats()["current_bytes"] == before
    assert core.memory_stats()["peak_bytes"] - before == 2 * held
    core.reset_peak()
    assert core.memory_stats()["peak_bytes"] == before


@plain_malloc
def test_empty_cache():
    del_me = allocate(4 << 20)
    del del_me
    cached = core.memory_stats()["cached_bytes"]
    assert cached >= 16 << 20
    core.empty_cache()
    assert core.memory_stats()["cached_bytes"] <= cached - (16 << 20)


def test_views_keep_the_memory():
    view = allocate(1000)[10:20]
    view[:] = 3
    others = [allocate(1000) for _ in range(10)]
    for o in others:
        o[:] = 5
    assert view.tolist() == [3.0] * 10


def test_poison():
    assert core.poison(), "the suite runs with poison on"
    assert np.isnan(allocate(1000)).all()
    assert np.isnan(core.empty((10,), np.dtype("float64"), False)).all()


def test_poison_by_environment():
    code = ("import numpy as np; from pyconv._backend import core; "
            "print(core.poison(), bool(np.isnan(core.empty((9,), np.dtype('float32'), False)).all()))")
    for value, expected in (("1", "True True\n"), ("0", "False"), ("", "False")):
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60,
                                env={**os.environ, "PYCONV_POISON": value})
        assert result.stdout.startswith(expected), result.stderr


def test_arrays_may_outlive_the_interpreter_s_modules():
    code = ("import sys, atexit, numpy as np; from pyconv._backend import core\n"
            "sys.kept = [core.empty((n,), np.dtype('float32'), False) for n in (1, 1000, 1 << 22)]\n"
            "class Late:\n"
            "    def __init__(self): self.array = core.empty((5,), np.dtype('float32'), False)\n"
            "    def __del__(self): self.array = None\n"
            "sys.late = Late()\n")
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize(("shape", "error", "match"), [
    ((-1,), ShapeError, "-1"),
    ((1 << 40, 1 << 40), ShapeError, r"\[allocate\]"),
    ((1 << 62,), ShapeError, r"\[allocate\]"),
    ((1 << 64,), ValueError, r"\[empty\] shape is \d+, which does not fit 64 bits"),
    ((2.5,), TypeError, r"\[empty\] shape holds 2.5, expected whole numbers"),
    (7, TypeError, r"\[empty\] shape is int, expected a sequence of whole numbers"),
    ((1,) * 9, ShapeError, r"\[empty\] shape has 9 entries, expected at most 8"),
])
def test_impossible_sizes(shape, error, match):
    with pytest.raises(error, match=match):
        core.empty(shape, F32, False)


def test_unknown_dtype():
    with pytest.raises(TypeError, match=r"\[empty\] dtype has dtype complex64, expected float32, float64"):
        core.empty((2,), np.dtype("complex64"), False)
