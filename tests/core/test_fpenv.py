"""Denormal numbers count as zero inside our work, and keep their meaning outside."""

from __future__ import annotations

import numpy as np
import pytest

from pyconv._backend import core
from pyconv.errors import ShapeError

TINY = np.float32(1e-40)


def denormals_work() -> bool:
    return bool(np.full(1, TINY) * np.full(1, 1.0, np.float32) != 0)


def test_denormals_are_flushed(isa: str, threads: int):
    x = np.full((4, 1 << 16), TINY)
    assert not core.binary("mul", x, x + np.float32(1), True).any()
    a, b = np.full((64, 64), TINY), np.ones((64, 64), np.float32)
    assert not core.gemm(a, b, False, False).any()


def test_the_state_is_restored(threads: int):
    assert denormals_work()
    x = np.full((4, 1 << 16), TINY)
    core.binary("mul", x, x, True)
    assert denormals_work()


def test_the_state_is_restored_after_an_error():
    with pytest.raises(ShapeError):
        core.gemm(np.ones((2, 3), np.float32), np.ones((2, 3), np.float32), False, False)
    assert denormals_work()
