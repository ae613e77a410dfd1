"""Sizes of outputs: of numpy's results and of meta Tensors, against windows that are placed one by one."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from geometry import Conv, convolutions

import pyconv
from pyconv import ShapeError
from pyconv.nn import functional as F

small = st.integers(1, 4)


def starts(size: int, span: int, stride: int, padding: int, ceil: bool) -> int:
    """Windows that lie in the padded input. Rounding up, the last may overhang by less than a stride, if it starts in
    the input or the padding before it."""
    count, overhang = 0, stride - 1 if ceil else 0
    while count * stride + span <= size + 2 * padding + overhang:
        count += 1
    return count - 1 if ceil and count and (count - 1) * stride >= size + padding else count


def both(function, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of the result, which is that on meta Tensors, too."""
    plain = function(*(np.zeros(s, np.float32) for s in shapes)).shape
    meta = tuple(function(*(pyconv.empty(s, device="meta") for s in shapes)).shape)
    assert plain == meta
    return plain


@given(convolutions())
def test_convolution(case: Conv):
    conv = getattr(F, f"conv{len(case.sizes)}d")
    shape = both(lambda x, w: conv(x, w, **case.options), case.x_shape, case.w_shape)
    assert shape == (case.batch, case.groups * case.filters, *case.out)


@given(convolutions(), st.lists(st.integers(0, 2), min_size=3, max_size=3))
def test_transposed_convolution(case: Conv, extra):
    """The span of all windows, without the padding at both ends: every output is reached by the placing of one."""
    axes = len(case.sizes)
    extra = [min(e, max(s, d) - 1) for e, s, d in zip(extra, case.stride, case.dilation, strict=False)]
    expected = []
    for n, k, s, p, d, e in zip(case.out, case.kernel, case.stride, case.padding, case.dilation, extra, strict=True):
        reached = {i * s + j * d for i in range(n) for j in range(k)}
        expected.append(max(reached) + 1 - 2 * p + e)
    shapes = (case.batch, case.groups * case.filters, *case.out), case.w_shape

    def transposed(y, w):
        return getattr(F, f"conv_transpose{axes}d")(y, w, output_padding=extra, **case.options)

    if min(expected) < 1:
        with pytest.raises(ShapeError, match=rf"\[conv_transpose{axes}d\]"):
            both(transposed, *shapes)
    else:
        assert both(transposed, *shapes) == (case.batch, case.groups * case.channels, *expected)


@pytest.mark.parametrize("kind", ["max_pool", "avg_pool", "lp_pool"])
@given(st.integers(1, 3), st.data())
def test_pools(kind, axes, data):
    per_axis = st.lists(small, min_size=axes, max_size=axes)
    kernel, stride = data.draw(per_axis), data.draw(per_axis)
    padding = [0] * axes if kind == "lp_pool" else [data.draw(st.integers(0, k // 2)) for k in kernel]
    dilation = data.draw(per_axis) if kind == "max_pool" else [1] * axes
    sizes = data.draw(st.lists(st.integers(1, 9), min_size=axes, max_size=axes))
    ceil = data.draw(st.booleans())
    expected = [starts(n, (k - 1) * d + 1, s, p, ceil) for n, k, s, p, d in zip(sizes, kernel, stride, padding, dilation, strict=True)]
    pool = getattr(F, f"{kind}{axes}d")
    options = {"max_pool": (padding, dilation, ceil), "avg_pool": (padding, ceil), "lp_pool": (ceil,)}[kind]
    norm = (2.0,) if kind == "lp_pool" else ()

    def run(x):
        return pool(x, *norm, kernel, stride, *options)

    if min(expected) < 1:
        with pytest.raises(ShapeError, match=rf"_pool{axes}d\] the window spans"):
            both(run, (2, 3, *sizes))
    else:
        assert both(run, (2, 3, *sizes)) == (2, 3, *expected)


@pytest.mark.parametrize("kind", ["max", "avg"])
@given(st.integers(1, 3), st.data())
def test_adaptive_pools(kind, axes, data):
    sizes, out = (data.draw(st.lists(st.integers(1, 9), min_size=axes, max_size=axes)) for _ in range(2))
    pool = getattr(F, f"adaptive_{kind}_pool{axes}d")
    assert both(lambda x: pool(x, out), (2, 3, *sizes)) == (2, 3, *out)


def test_the_counting():
    """PyTorch's rule for rounding up: the last window must start inside."""
    assert starts(5, 2, 2, 0, ceil=False) == 2
    assert starts(5, 2, 2, 0, ceil=True) == 3
    assert starts(4, 1, 3, 0, ceil=True) == 2
    assert starts(3, 1, 3, 0, ceil=True) == 1  # a second one would start behind the end
