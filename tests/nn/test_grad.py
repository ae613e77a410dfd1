"""The gradients of convolutions as functions: equal to those of the tape, and named as in PyTorch."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import pyconv as pc
from pyconv.nn import functional as F
from pyconv.nn import grad

CASES = {
    "1d": (1, (2, 3, 9), (4, 3, 3), {"stride": 2, "padding": 1}),
    "2d": (2, (2, 4, 7, 8), (6, 2, 3, 3), {"padding": (1, 2), "groups": 2}),
    "2d-same": (2, (1, 2, 6, 6), (3, 2, 4, 3), {"padding": "same"}),
    "2d-dilated": (2, (2, 2, 9, 9), (3, 2, 3, 3), {"dilation": 2, "stride": (2, 1)}),
    "2d-winograd": (2, (2, 16, 20, 20), (32, 16, 3, 3), {"padding": 1}),
    "2d-empty": (2, (0, 2, 6, 6), (3, 2, 3, 3), {}),
    "3d": (3, (1, 2, 4, 5, 6), (3, 2, 2, 3, 3), {"padding": 1}),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CASES)
def test_equal_to_the_tape(name, dtype):
    axes, x_size, w_size, options = CASES[name]
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(size).astype(dtype) for size in (x_size, w_size))
    tx, tw = (pc.tensor(a, requires_grad=True) for a in (x, w))
    y = getattr(F, f"conv{axes}d")(tx, tw, **options)
    gy = rng.standard_normal(y.shape).astype(dtype)
    y.backward(pc.from_numpy(gy))
    gx = getattr(grad, f"conv{axes}d_input")(x_size, w, gy, **options)
    gw = getattr(grad, f"conv{axes}d_weight")(x, w_size, gy, **options)
    for got, want in ((gx, tx.grad), (gw, tw.grad)):
        assert type(got) is np.ndarray
        assert got.flags.c_contiguous
        np.testing.assert_array_equal(got, want.numpy())
    tensors = (getattr(grad, f"conv{axes}d_input")(x_size, tw, gy, **options),
               getattr(grad, f"conv{axes}d_weight")(x, list(w_size), pc.from_numpy(gy), **options))
    for got, want in zip(tensors, (gx, gw), strict=True):
        assert isinstance(got, pc.Tensor)
        assert not got.requires_grad
        np.testing.assert_array_equal(got.numpy(), want)


@pytest.mark.parametrize("name", grad.__all__)
def test_signatures_as_in_torch(torch, name):
    def arguments(f):
        return [(p.name, p.default) for p in inspect.signature(f).parameters.values()]
    assert arguments(getattr(grad, name)) == arguments(getattr(torch.nn.grad, name))


X, W, G = (np.ones(s, np.float32) for s in ((1, 2, 5, 5), (3, 2, 3, 3), (1, 3, 3, 3)))


@pytest.mark.parametrize(("call", "error", "text"), [
    (lambda: grad.conv2d_input((1, 2, 5, 5), W, G[:, :2]), pc.ShapeError,
     r"\[conv2d_input\] grad_output has shape \(1, 2, 3, 3\), expected \(1, 3, 3, 3\)"),
    (lambda: grad.conv2d_weight(X, (3, 2, 3, 2), G), pc.ShapeError, r"\[conv2d_weight\] grad_output has shape"),
    (lambda: grad.conv2d_weight(X, (3, 4, 3, 3), G), pc.ShapeError, r"\[conv2d_weight\] weight has 4 input channels"),
    (lambda: grad.conv2d_weight(X, (3, 2, 3), G), pc.ShapeError, r"weight has shape \(3, 2, 3\), expected 4 axes"),
    (lambda: grad.conv2d_input((2, 5, 5), W, G), pc.ShapeError, r"input has shape \(2, 5, 5\), expected 4 axes"),
    (lambda: grad.conv1d_input((1, 2, 5), W, G), pc.ShapeError, r"\[conv1d_input\] weight has shape .* expected 3 axes"),
    (lambda: grad.conv2d_input((1, 2.5, 5, 5), W, G), TypeError, r"\[conv2d_input\] input_size is 2.5"),
    (lambda: grad.conv2d_input(None, W, G), TypeError, r"\[conv2d_input\] input_size is None"),
    (lambda: grad.conv2d_input((1, 2, 5, 5), W.tolist(), G), TypeError, r"\[conv2d_input\] weight is list"),
    (lambda: grad.conv2d_weight(X, W.shape, None), TypeError, r"\[conv2d_weight\] grad_output is NoneType"),
    (lambda: grad.conv2d_weight(X, W.shape, G.astype(np.float64)), TypeError,
     r"\[conv2d_weight\] grad_output has dtype float64 and input float32, expected"),
    (lambda: grad.conv2d_weight(X.astype(int), W.shape, G.astype(int)), TypeError, "expected float32 or float64"),
    (lambda: grad.conv2d_input((1, 2, 5, 5), W, G, stride=0), ValueError, r"\[conv2d_input\] stride"),
    (lambda: grad.conv2d_weight(X, (1 << 40, 2, 3, 3), G), (ValueError, MemoryError), r"\[conv2d_weight\]"),
])
def test_bad_arguments(call, error, text):
    with pytest.raises(error, match=text):
        call()
