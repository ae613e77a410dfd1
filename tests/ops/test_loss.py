"""Losses of an input and a target: worked numbers, kinks and ends."""

from __future__ import annotations

import numpy as np
import pytest

from pyconv._backend import core
from pyconv.errors import ShapeError
from pyconv.ops import loss as L
from pyconv.tensor import Tensor


def leaf(values, dtype=np.float64):
    return Tensor(np.array(values, dtype), requires_grad=True)


def gradient(function, x, t, **kwargs):
    """d sum / dx."""
    x = leaf(x)
    function(x, np.array(t, np.float64), reduction="sum", **kwargs).backward()
    return x.grad.array


def test_worked_numbers():
    x, t = np.array([1.0, 2.0, 4.0]), np.array([1.0, 0.0, 7.0])
    assert L.mse_loss(x, t) == pytest.approx(13 / 3)
    assert L.l1_loss(x, t) == pytest.approx(5 / 3)
    np.testing.assert_allclose(L.smooth_l1_loss(x, t, reduction="none"), [0, 1.5, 2.5])
    np.testing.assert_allclose(L.huber_loss(x, t, "none", 2.0), [0, 2.0, 4.0])
    assert L.binary_cross_entropy_with_logits(np.zeros(3), np.array([0.0, 1.0, 0.5])) == pytest.approx(np.log(2))
    assert L.binary_cross_entropy(np.array([0.25]), np.array([1.0])) == pytest.approx(np.log(4))
    assert L.kl_div(np.log(np.array([0.5, 0.5])), np.array([1.0, 0.0]), reduction="sum") == pytest.approx(np.log(2))


def test_gradients_at_the_kinks():
    np.testing.assert_array_equal(gradient(L.l1_loss, [0.0, 1.0, -1.0], [0.0, 0.0, 0.0]), [0, 1, -1])
    np.testing.assert_array_equal(gradient(L.smooth_l1_loss, [0.0, 0.5, 2.0, -2.0], [0.0] * 4), [0, 0.5, 1, -1])
    np.testing.assert_array_equal(gradient(L.huber_loss, [0.0, 0.5, 8.0, -8.0], [0.0] * 4, delta=2.0), [0, 0.5, 2, -2])
    np.testing.assert_array_equal(gradient(L.binary_cross_entropy_with_logits, [0.0, 0.0], [0.0, 1.0]), [0.5, -0.5])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_logits_do_not_overflow(dtype, isa):
    x, t = np.array([1000, -1000, 1000, -1000], dtype), np.array([0, 1, 1, 0], dtype)
    np.testing.assert_array_equal(L.binary_cross_entropy_with_logits(x, t, reduction="none"), [1000, 1000, 0, 0])


def test_probabilities_0_and_1_cost_at_most_100():
    x, t = np.array([0.0, 1.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0, 1.0])
    np.testing.assert_array_equal(L.binary_cross_entropy(x, t, reduction="none"), [100, 100, 0, 0])
    assert np.isfinite(gradient(L.binary_cross_entropy, x, t)).all()


def test_losses_of_nothing():
    x = np.zeros((0, 3))
    assert L.mse_loss(x, x, reduction="sum") == 0
    assert np.isnan(L.mse_loss(x, x))
    assert L.binary_cross_entropy(x, x, reduction="none").shape == (0, 3)


def test_both_sides_get_gradients():
    x, t = leaf([1.0, 2.0]), leaf([0.0, 5.0])
    L.mse_loss(x, t, reduction="sum").backward()
    np.testing.assert_array_equal(x.grad.array, [2, -6])
    np.testing.assert_array_equal(t.grad.array, [-2, 6])


FUSED = {
    "mse_loss": {}, "l1_loss": {}, "smooth_l1_loss": {"beta": 0.7}, "huber_loss": {"delta": 0.7},
    "binary_cross_entropy": {}, "binary_cross_entropy_with_logits": {},
}


@pytest.mark.parametrize("name", FUSED)
@pytest.mark.parametrize("size", [2047, 2049, 32768, 32769, 100_003])
def test_sums_of_many_blocks(name, size, threads):
    rng = np.random.default_rng(size)
    x, t = (rng.uniform(0.05, 0.95, size).astype(np.float32) for _ in range(2))
    function = getattr(L, name)
    losses = function(x, t, reduction="none", **FUSED[name])
    assert losses.dtype == np.float32
    total = losses.astype(np.float64).sum()
    assert float(function(x, t, reduction="sum", **FUSED[name])) == pytest.approx(total, rel=1e-6)
    assert float(function(x, t, **FUSED[name])) == pytest.approx(total / size, rel=1e-6)
    leaf = Tensor(x, requires_grad=True)
    function(leaf, t, **FUSED[name]).backward()
    one = Tensor(x, requires_grad=True)
    function(one, t, reduction="none", **FUSED[name]).backward(np.full(size, 1 / size, np.float32))
    np.testing.assert_allclose(leaf.grad.array, one.grad.array, rtol=1e-6)


@pytest.mark.parametrize("name", [n for n in FUSED if n != "binary_cross_entropy"])  # which refuses a NaN
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_goes_through(name, dtype, isa):
    function = getattr(L, name)
    x, t = np.zeros(40, dtype), np.zeros(40, dtype)
    x[7], t[20] = np.nan, np.nan
    expected = np.isin(np.arange(40), (7, 20))
    np.testing.assert_array_equal(np.isnan(function(x, t, reduction="none", **FUSED[name])), expected)
    assert np.isnan(function(x, t, **FUSED[name]))
    leaf = Tensor(x, requires_grad=True)
    function(leaf, t, reduction="sum", **FUSED[name]).backward()
    np.testing.assert_array_equal(np.isnan(leaf.grad.array), expected)


def test_a_mean_of_large_losses_is_accurate():
    x = np.full(1_000_001, 1000.1, np.float32)
    exact = float(np.float32(1000.1)) ** 2
    assert float(L.mse_loss(x, np.zeros_like(x))) == pytest.approx(exact, rel=2e-7)


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda x: core.pointwise_loss_forward("cubic", x, x, [], True), ValueError,
     r"\[pointwise_loss\] name is 'cubic', expected one of square, absolute, huber, bce, bce_logits"),
    (lambda x: core.pointwise_loss_sum("square", x, x, [1.0, 2.0, 3.0]), ValueError,
     r"\[pointwise_loss\] params has 3 numbers, expected at most 2"),
    (lambda x: core.pointwise_loss_sum("square", x, x[:2], []), ShapeError,
     r"\[square\] target has shape 2, expected the input's, 3"),
    (lambda x: core.pointwise_loss_sum("square", x.astype(int), x, []), TypeError, r"\[square\] input has dtype int64"),
    (lambda x: core.pointwise_loss_sum("square", x, x.astype("float32"), []), TypeError, r"\[square\] target"),
    (lambda x: core.pointwise_loss_backward("square", x[:1], 1.0, x, x, []), ShapeError,
     r"\[square\] gradient has shape 1, expected 3"),
])
def test_misuse_of_the_core(call, error, match):
    with pytest.raises(error, match=match):
        call(np.ones(3))
