"""Losses of an input and a target: worked numbers, kinks and ends."""

from __future__ import annotations

import numpy as np
import pytest

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
