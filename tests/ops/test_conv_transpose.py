"""Transposed convolution beyond the table: worked numbers, the adjoint, the reference path, checks of the record."""

from __future__ import annotations

import numpy as np
import pytest

import pyconv
from pyconv._backend import core
from pyconv.errors import ShapeError
from pyconv.nn import functional as F


def test_worked_numbers(isa):
    x, w = np.float32([[[[1, 2], [3, 4]]]]), np.float32([[[[1, 2], [3, 4]]]])
    apart = F.conv_transpose2d(x, w, np.float32([10]), stride=2)[0, 0]
    assert apart.tolist() == [[11, 12, 12, 14], [13, 14, 16, 18], [13, 16, 14, 18], [19, 22, 22, 26]]
    assert F.conv_transpose2d(x, w)[0, 0].tolist() == [[1, 4, 4], [6, 20, 16], [9, 24, 16]]
    assert F.conv_transpose2d(x, w, padding=1)[0, 0].tolist() == [[20]]
    gaps = F.conv_transpose1d(np.float32([[[1, 2]]]), np.float32([[[1]]]), np.float32([5]), stride=3, output_padding=2)
    assert gaps.tolist() == [[[6, 5, 5, 7, 5, 5]]]


@pytest.mark.parametrize(("stride", "padding", "dilation"), [(1, 0, 1), (2, 1, 1), (3, 2, 2)])
def test_it_is_the_adjoint_of_a_convolution(stride, padding, dilation):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 3, 11, 12)), rng.standard_normal((4, 3, 3, 3))
    y = F.conv2d(x, w, None, stride, padding, dilation)
    g = rng.standard_normal(y.shape)
    small = F.conv_transpose2d(g, w, None, stride, padding, dilation=dilation).shape
    extra = tuple(a - b for a, b in zip(x.shape[2:], small[2:], strict=True))
    back = F.conv_transpose2d(g, w, None, stride, padding, extra, dilation=dilation)
    assert (y * g).sum() == pytest.approx((x * back).sum(), rel=1e-10)


def test_shapes_that_no_strip_fits_take_the_reference():
    rng = np.random.default_rng(0)
    x, w, b = rng.standard_normal((1, 2, 4, 4)), rng.standard_normal((2, 3, 3, 3)), rng.standard_normal(3)
    far = 2**24
    shape = core.conv_transpose_shape("t", x.shape, w.shape, (1, 1), (far, far), (0, 0), (far, far), 1)
    assert shape.plan("grad_input")["algorithm"] == "reference"
    got = F.conv_transpose2d(x.astype("f"), w.astype("f"), b.astype("f"), padding=far, dilation=far)
    # Every tap but the one in the middle falls outside.
    assert np.allclose(got, np.einsum("nchw,ck->nkhw", x, w[:, :, 1, 1]) + b[:, None, None], rtol=1e-5, atol=1e-5)


def test_an_activation_in_place_may_follow():
    x = pyconv.tensor(np.float32([[[[1, -2]]]]), requires_grad=True)
    w = pyconv.tensor(np.ones((1, 1, 2, 2), np.float32), requires_grad=True)
    y = F.relu(F.conv_transpose2d(x, w, stride=2), inplace=True)
    assert y.tolist() == [[[[1, 1, 0, 0], [1, 1, 0, 0]]]]
    y.sum().backward()
    assert x.grad.tolist() == [[[[4, 0]]]]


@pytest.mark.parametrize(("call", "match"), [
    (lambda s, x, w: core.conv_transpose_forward("up", s, x[:, :2], w), r"\[up\] input has shape 2x2x5x5, expected 2x3"),
    (lambda s, x, w: core.conv_transpose_forward("up", s, x, w[:2]), r"\[up\] weight has shape 2x4x3x3, expected 3x4"),
    (lambda s, x, w: core.conv_transpose_forward("up", s, x, w, np.ones(3, "f")), r"\[up\] bias has shape 3, expected 4"),
])
def test_arrays_are_checked_against_the_record(call, match):
    x, w = np.ones((2, 3, 5, 5), "f"), np.ones((3, 4, 3, 3), "f")
    shape = core.conv_transpose_shape("up", x.shape, w.shape, (1, 1), (0, 0), (0, 0), (1, 1), 1)
    with pytest.raises(ShapeError, match=match):
        call(shape, x, w)
