"""Convolution is linear in x and in w, and moves with its input."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from geometry import Conv, arrays, bound, convolutions

from pyconv.nn import functional as F

DTYPES = st.sampled_from([np.float32, np.float64])
factors = st.sampled_from([0.0, 1.0, -1.0, 0.5, -3.0, 1e3])


def convolve(case: Conv):
    conv = getattr(F, f"conv{len(case.sizes)}d")
    return lambda x, w: conv(x, w, **case.options)


@given(convolutions(), factors, factors, DTYPES)
def test_linear_in_x(case: Conv, a, b, dtype):
    x1, x2, w = arrays(case.seed, dtype, case.x_shape, case.x_shape, case.w_shape)
    conv = convolve(case)
    a, b = dtype(a), dtype(b)
    left, right = conv(a * x1 + b * x2, w), a * conv(x1, w) + b * conv(x2, w)
    size = conv(abs(a * x1) + abs(b * x2), abs(w))
    check(left, right, size, case, dtype)


@given(convolutions(), factors, factors, DTYPES)
def test_linear_in_w(case: Conv, a, b, dtype):
    x, w1, w2 = arrays(case.seed, dtype, case.x_shape, case.w_shape, case.w_shape)
    conv = convolve(case)
    a, b = dtype(a), dtype(b)
    left, right = conv(x, a * w1 + b * w2), a * conv(x, w1) + b * conv(x, w2)
    size = conv(abs(x), abs(a * w1) + abs(b * w2))
    check(left, right, size, case, dtype)


def check(left: np.ndarray, right: np.ndarray, size: np.ndarray, case: Conv, dtype: type) -> None:
    """``size``: the sums of magnitudes. The largest counts for all, as tiles are transformed together."""
    assert left.shape == right.shape
    assert abs(left.astype(np.float64) - right).max(initial=0) <= 3 * bound(dtype, case.terms, float(size.max(initial=0)))


@given(convolutions(), st.lists(st.integers(-4, 4), min_size=3, max_size=3), DTYPES)
def test_moves_with_its_input(case: Conv, steps, dtype):
    """On a circle of a multiple of the stride: an input moved by strides gives the output moved by as many places."""
    axes = len(case.sizes)
    sizes = tuple((8 if axes < 3 else 4) * s for s in case.stride)
    reach = [(k - 1) * d for k, d in zip(case.kernel, case.dilation, strict=True)]
    if any(r > n for r, n in zip(reach, sizes, strict=True)):
        return
    x, w = arrays(case.seed, dtype, (*case.x_shape[:2], *sizes), case.w_shape)
    where = tuple(range(2, axes + 2))
    pads = [v for r in reversed(reach) for v in (0, r)]
    conv = getattr(F, f"conv{axes}d")

    def circular(x: np.ndarray, w: np.ndarray) -> np.ndarray:
        return conv(F.pad(x, pads, "circular"), w, stride=case.stride, dilation=case.dilation, groups=case.groups)

    moved = np.roll(x, [n * s for n, s in zip(steps, case.stride, strict=False)], where)
    check(circular(moved, w), np.roll(circular(x, w), steps[:axes], where), circular(abs(x), abs(w)), case, dtype)
    # A maximum rounds nothing: exactly equal.
    pool = getattr(F, f"max_pool{axes}d")
    left = pool(F.pad(moved, pads, "circular"), case.kernel, case.stride, 0, case.dilation)
    right = np.roll(pool(F.pad(x, pads, "circular"), case.kernel, case.stride, 0, case.dilation), steps[:axes], where)
    np.testing.assert_array_equal(left, right)
