"""The sparse matrix of a convolution, and the flipped convolution."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import pyconv
from pyconv.errors import ShapeError
from pyconv.nn import functional as F
from pyconv.tensor import Tensor

IMAGE = np.array([[1.0, 2, 3, 0], [0, 1, 2, 3], [3, 0, 1, 2], [2, 3, 0, 1]])
FILTER = np.array([[2.0, 0, 1], [0, 1, 2], [1, 0, 2]])

GEOMETRIES = [
    ((1, 4, 4), (1, 1, 3, 3), {}),
    ((3, 7, 6), (4, 3, 3, 2), {"stride": 2}),
    ((3, 7, 6), (4, 3, 3, 2), {"stride": (2, 3), "padding": (1, 0)}),
    ((2, 9, 8), (5, 2, 2, 3), {"dilation": (2, 3), "padding": 2}),
    ((4, 5, 6), (6, 2, 3, 3), {"groups": 2, "padding": "same"}),
    ((3, 5, 5), (3, 1, 5, 1), {"groups": 3, "padding": ((4, 1), (0, 2)), "stride": (1, 2)}),
    ((2, 3, 3), (2, 2, 1, 1), {"padding": 3}),  # outputs that see padding alone
]


@pytest.mark.parametrize(("image", "filters", "kwargs"), GEOMETRIES)
def test_matrix_is_the_convolution_and_its_transpose_the_transposed_one(image, filters, kwargs):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal(image), rng.standard_normal(filters)
    matrix = F.conv_matrix(w, image, **kwargs)
    expected = F.conv2d(x[None], w, **kwargs)[0]
    assert matrix.shape == (expected.size, x.size)
    np.testing.assert_allclose(matrix @ x.ravel(), expected.ravel(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(matrix.toarray() @ x.ravel(), expected.ravel(), rtol=1e-12, atol=1e-12)
    # The gradient of <conv(x), y> is the transposed convolution of y, and F.T y.
    y = rng.standard_normal(expected.shape)
    leaf = Tensor(x[None].copy(), requires_grad=True)
    F.conv2d(leaf, w, **kwargs).backward(y[None])
    np.testing.assert_allclose(matrix.T @ y.ravel(), leaf.grad.array.ravel(), rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(matrix.T.toarray(), matrix.toarray().T)
    rows = np.diff(matrix.indptr)
    assert rows.sum() == matrix.nnz == len(matrix.indices)
    for i in range(matrix.shape[0]):
        assert (np.diff(matrix.indices[matrix.indptr[i] : matrix.indptr[i + 1]]) > 0).all()


def test_transposed_matrix_is_conv_transpose():
    rng = np.random.default_rng(1)
    w, y = rng.standard_normal((4, 3, 3, 2)), rng.standard_normal((1, 4, 5, 4))
    expected = F.conv_transpose2d(y, w, stride=2, padding=1)
    matrix = F.conv_matrix(w, expected.shape[1:], stride=2, padding=1)
    np.testing.assert_allclose(matrix.T @ y.ravel(), expected.ravel(), rtol=1e-12, atol=1e-12)


def test_float32_stays_float32():
    matrix = F.conv_matrix(np.ones((1, 1, 2, 2), np.float32), (1, 3, 3))
    assert matrix.dtype == np.float32
    assert (matrix @ pyconv.ones(9)).dtype == np.float32


def test_scipy_is_optional(monkeypatch):
    matrix = F.conv_matrix(FILTER[None, None], (1, 4, 4))
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "scipy.sparse", None)
        with pytest.raises(ImportError, match=r"pip install pyconv\[demo\]"):
            matrix.toscipy()
    pytest.importorskip("scipy")
    sparse = matrix.toscipy()
    assert sparse.nnz == 36
    np.testing.assert_array_equal(sparse.toarray(), matrix.toarray())


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: F.conv_matrix([[1.0]], (1, 4, 4)), TypeError, r"\[conv_matrix\] weight is list"),
    (lambda: F.conv_matrix(np.ones((1, 1, 2, 2), int), (1, 4, 4)), TypeError, r"weight has dtype int64"),
    (lambda: F.conv_matrix(FILTER, (1, 4, 4)), ShapeError, r"weight has shape \(3, 3\), expected 4 axes"),
    (lambda: F.conv_matrix(FILTER[None, None], (4, 4)), ValueError, r"input_size is \(4, 4\), expected \(channels"),
    (lambda: F.conv_matrix(FILTER[None, None], (1, 4, 4.0)), TypeError, r"input_size is 4.0, expected a whole number"),
    (lambda: F.conv_matrix(FILTER[None, None], (2, 4, 4)), ShapeError, r"weight has 1 input channels but x has 2"),
    (lambda: F.conv_matrix(FILTER[None, None], (1, 2, 4)), ShapeError, r"the filter spans 3 in height"),
    (lambda: F.conv_matrix(FILTER[None, None], (1, 4, 4), stride=0), ValueError, r"\[conv_matrix\] stride"),
    (lambda: F.conv_matrix(FILTER[None, None], (1, 9000, 9000)), ValueError, r"the matrix would have \d+ entries"),
    (lambda: F.conv_matrix(FILTER[None, None], (1, 4, 4)) @ np.ones(15), ShapeError,
     r"vector has shape \(15,\), expected \(16,\)"),
    (lambda: F.convolve2d([[1.0]], FILTER), TypeError, r"\[convolve2d\] input is list"),
    (lambda: F.convolve2d(IMAGE, FILTER, "wrap"), ValueError, r"mode is 'wrap', expected 'full', 'same' or 'valid'"),
    (lambda: F.convolve2d(IMAGE, FILTER[None, None]), ShapeError, r"expected 2 axes each, or 3 or 4 and 4"),
    (lambda: F.convolve2d(IMAGE, np.ones((5, 5)), "valid"), ShapeError, r"the filter spans 5"),
    (lambda: F.convolve2d(IMAGE, np.ones((0, 3))), ShapeError, r"empty filter"),
])
def test_refusals(call, error, match):
    with pytest.raises(error, match=match):
        call()


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("sizes", [((4, 4), (3, 3)), ((7, 5), (2, 4)), ((6, 6), (1, 5)), ((5, 8), (4, 4))])
def test_convolve2d_is_scipys(mode, sizes):
    signal = pytest.importorskip("scipy.signal")
    rng = np.random.default_rng(2)
    x, w = rng.standard_normal(sizes[0]), rng.standard_normal(sizes[1])
    expected = signal.convolve2d(x, w, mode)
    np.testing.assert_allclose(F.convolve2d(x, w, mode), expected, rtol=1e-12, atol=1e-12)
    got = F.convolve2d(Tensor(x[None, None]), Tensor(w[None, None]), mode)
    np.testing.assert_allclose(got.array[0, 0], expected, rtol=1e-12, atol=1e-12)


def test_convolve2d_has_gradients():
    rng = np.random.default_rng(3)
    x, w = (Tensor(rng.standard_normal(s), requires_grad=True) for s in ((2, 2, 4, 5), (3, 2, 3, 2)))
    assert pyconv.autograd.gradcheck(lambda x, w: F.convolve2d(x, w, "same"), (x, w))
    x, w = (Tensor(rng.standard_normal(s), requires_grad=True) for s in ((4, 5), (3, 2)))
    assert pyconv.autograd.gradcheck(F.convolve2d, (x, w))
