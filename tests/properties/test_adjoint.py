"""<A x, y> = <x, A* y> for every linear operation: the transposed one, and the backward pass of each."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from geometry import Conv, arrays, bound, convolutions, inner

from pyconv.nn import functional as F
from pyconv.tensor import Tensor

DTYPES = st.sampled_from([np.float32, np.float64])


@given(convolutions(), DTYPES)
def test_transposed_convolution(case: Conv, dtype):
    """conv_transpose with what the last window leaves over is the adjoint of conv."""
    axes = len(case.sizes)
    x, w, y = arrays(case.seed, dtype, case.x_shape, case.w_shape, (case.batch, case.groups * case.filters, *case.out))
    conv, transposed = getattr(F, f"conv{axes}d"), getattr(F, f"conv_transpose{axes}d")
    if any(left >= max(s, d) for left, s, d in zip(case.left_over, case.stride, case.dilation, strict=True)):
        return  # not an output_padding
    there, back = conv(x, w, **case.options), transposed(y, w, output_padding=case.left_over, **case.options)
    assert there.shape == y.shape
    assert back.shape == x.shape
    size = inner(conv(abs(x), abs(w), **case.options), abs(y))
    assert abs(inner(there, y) - inner(x, back)) <= bound(dtype, case.terms, size)


@given(convolutions(), DTYPES)
def test_backward_of_a_convolution(case: Conv, dtype):
    """In x and in w: both inner products are that of y and conv(x, w)."""
    x, w, y = arrays(case.seed, dtype, case.x_shape, case.w_shape, (case.batch, case.groups * case.filters, *case.out))
    conv = getattr(F, f"conv{len(case.sizes)}d")
    xt, wt = Tensor(x, requires_grad=True), Tensor(w, requires_grad=True)
    out = conv(xt, wt, **case.options)
    out.backward(Tensor(y))
    expected = inner(out.array, y)
    size = inner(conv(abs(x), abs(w), **case.options), abs(y))
    terms = case.terms + case.batch * math.prod(case.out)
    assert abs(inner(x, xt.grad.array) - expected) <= bound(dtype, terms, size)
    assert abs(inner(w, wt.grad.array) - expected) <= bound(dtype, terms, size)


def check_adjoint(function, x: np.ndarray, seed: int, terms: int) -> None:
    """The backward pass of a linear function is its adjoint."""
    tensor = Tensor(x, requires_grad=True)
    out = function(tensor)
    (y,) = arrays(seed + 1, x.dtype.type, out.shape)
    out.backward(Tensor(y))
    gradient = tensor.grad.array
    # |A| |x| |y| is at most the sum over all pairs: the norms bound it.
    size = float(np.linalg.norm(out.array) * np.linalg.norm(y) + np.linalg.norm(x) * np.linalg.norm(gradient))
    assert abs(inner(out.array, y) - inner(x, gradient)) <= bound(x.dtype.type, terms, size)


shapes = st.integers(1, 3).flatmap(lambda axes: st.tuples(st.integers(1, 2), st.integers(1, 4), *[st.integers(2, 7)] * axes))
seeds = st.integers(0, 2**32 - 2)


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
@given(shapes, st.lists(st.integers(-1, 3), min_size=6, max_size=6), seeds, DTYPES)
def test_pad(mode, shape, amounts, seed, dtype):
    sizes = list(reversed(shape[2:]))
    pads = [max(0, min(a, sizes[i // 2] - 1)) if mode != "constant" else a for i, a in enumerate(amounts[: 2 * len(sizes)])]
    if any(sizes[i] + pads[2 * i] + pads[2 * i + 1] < 1 for i in range(len(sizes))):
        return
    (x,) = arrays(seed, dtype, shape)
    check_adjoint(lambda t: F.pad(t, pads, mode), x, seed, terms=64)


@given(convolutions(axes=2), DTYPES)
def test_unfold_and_fold(case: Conv, dtype):
    """fold is the adjoint of unfold, and each is the backward pass of the other."""
    options = {"kernel_size": case.kernel, "stride": case.stride, "padding": case.padding, "dilation": case.dilation}
    windows = (case.batch, case.groups * case.channels * math.prod(case.kernel), math.prod(case.out))
    x, y = arrays(case.seed, dtype, case.x_shape, windows)
    columns, image = F.unfold(x, **options), F.fold(y, case.sizes, **options)
    assert columns.shape == y.shape
    assert image.shape == x.shape
    size = inner(abs(columns), abs(y))
    assert abs(inner(columns, y) - inner(x, image)) <= bound(dtype, math.prod(case.kernel), size)
    tensor = Tensor(x, requires_grad=True)
    F.unfold(tensor, **options).backward(Tensor(y))
    np.testing.assert_array_equal(tensor.grad.array, image)
    tensor = Tensor(y, requires_grad=True)
    F.fold(tensor, case.sizes, **options).backward(Tensor(x))
    np.testing.assert_array_equal(tensor.grad.array, columns)


MODES = {1: ("nearest", "linear", "nearest-exact"), 2: ("nearest", "bilinear", "bicubic", "nearest-exact", "area"),
         3: ("nearest", "trilinear")}


@given(shapes, st.tuples(*[st.integers(1, 12)] * 3), st.data(), seeds, DTYPES)
def test_interpolate(shape, out, data, seed, dtype):
    axes = len(shape) - 2
    mode = data.draw(st.sampled_from(MODES[axes]))
    smooth = mode.endswith("linear") or mode == "bicubic"
    align = data.draw(st.sampled_from([None, False, True])) if smooth else None
    (x,) = arrays(seed, dtype, shape)
    check_adjoint(lambda t: F.interpolate(t, out[:axes], mode=mode, align_corners=align), x, seed, terms=12**axes)


@given(shapes, st.integers(1, 3), st.integers(1, 3), st.booleans(), st.booleans(), seeds, DTYPES)
def test_avg_pool(shape, kernel, stride, ceil, count, seed, dtype):
    axes = len(shape) - 2
    kernel = min(kernel, *shape[2:])
    (x,) = arrays(seed, dtype, shape)
    check_adjoint(lambda t: getattr(F, f"avg_pool{axes}d")(t, kernel, stride, kernel // 2, ceil, count), x, seed, terms=kernel**axes * 3)


@given(shapes, st.integers(1, 9), seeds, DTYPES)
def test_adaptive_avg_pool(shape, out, seed, dtype):
    axes = len(shape) - 2
    (x,) = arrays(seed, dtype, shape)
    check_adjoint(lambda t: getattr(F, f"adaptive_avg_pool{axes}d")(t, out), x, seed, terms=9**axes)


def test_the_check_notices():
    """A gradient that is no adjoint."""
    with pytest.raises(AssertionError):
        check_adjoint(lambda t: F.pad(t, (1, 1)) * t.detach().sum().item() + F.pad(t, (1, 1)).detach(), np.ones((1, 1, 3)), 0, 8)
