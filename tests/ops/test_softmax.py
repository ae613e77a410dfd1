"""Softmax and the losses over classes: worked numbers, special values, special gradients."""

from __future__ import annotations

import numpy as np
import pytest

from pyconv.ops.softmax import cross_entropy, log_softmax, nll_loss, softmax
from pyconv.tensor import Tensor

FLOATS = [np.float32, np.float64]


def leaf(values, dtype=np.float64):
    return Tensor(np.array(values, dtype), requires_grad=True)


def test_worked_numbers():
    """Ten decimals are given; float64 has more."""
    x = leaf([[2.0, 1.0, 0.1]])
    np.testing.assert_allclose(softmax(x, 1).array, [[0.6590011389, 0.2424329707, 0.0985658904]], atol=5.1e-11)
    loss = cross_entropy(x, np.array([0]))
    assert float(loss.array) == pytest.approx(0.4170300163, abs=5.1e-11)
    loss.backward()
    np.testing.assert_allclose(x.grad.array, [[-0.3409988611, 0.2424329707, 0.0985658904]], atol=5.1e-11)
    np.testing.assert_allclose(
        softmax(np.array([1.0, 2.0, 3.0]), 0), [0.0900305732, 0.2447284711, 0.6652409558], atol=5.1e-11
    )


def test_cross_entropy_of_two_distributions():
    """H([1, 0, 0], [0.7, 0.2, 0.1]): the logits are logarithms of probabilities."""
    q, logits = np.array([1.0, 0.0, 0.0]), np.log(np.array([0.7, 0.2, 0.1]))
    assert float(cross_entropy(logits, q)) == pytest.approx(0.3566749439, abs=5.1e-11)


@pytest.mark.parametrize("dtype", FLOATS)
def test_large_logits_are_exact(dtype, isa):
    assert float(cross_entropy(np.array([[1000, 0]], dtype), np.array([1]))) == 1000.0
    assert float(cross_entropy(np.array([[-1000, 0]], dtype), np.array([1]))) == 0.0
    np.testing.assert_array_equal(softmax(np.array([1000, 0], dtype), 0), [1, 0])
    np.testing.assert_array_equal(log_softmax(np.array([1000, 0], dtype), 0), [0, -1000])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("axis", [0, 1])
def test_rows_without_a_finite_number(dtype, axis, isa):
    """All -inf gives nan, one +inf gives nan, a -inf among numbers gives probability 0; nan spreads over its row."""
    inf, nan = np.inf, np.nan
    x = np.array([[-inf, -inf, -inf], [inf, 0, 0], [-inf, 0, 0], [nan, 0, 0], [0, 0, nan]], dtype)
    x = x if axis else np.ascontiguousarray(x.T)
    got = softmax(x, axis) if axis else softmax(x, axis).T
    logs = log_softmax(x, axis) if axis else log_softmax(x, axis).T
    for row in (0, 1, 3, 4):
        assert np.isnan(got[row]).all()
        assert np.isnan(logs[row]).all()
    np.testing.assert_array_equal(got[2], [0, 0.5, 0.5])
    np.testing.assert_allclose(logs[2], [-inf, -np.log(2), -np.log(2)], rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_masked_class_costs_nothing(dtype, isa):
    x = leaf([[0.0, -np.inf, 0.0]], dtype)
    loss = cross_entropy(x, np.array([0]))
    assert float(loss.array) == pytest.approx(np.log(2), rel=4 * float(np.finfo(dtype).eps))
    loss.backward()
    np.testing.assert_allclose(x.grad.array, [[-0.5, 0, 0.5]], atol=2 * np.finfo(dtype).eps)


@pytest.mark.parametrize("function", [cross_entropy, nll_loss])
@pytest.mark.parametrize("dtype", FLOATS)
def test_nothing_but_ignored_labels(function, dtype):
    """The mean of nothing is nan, the sum 0; the gradient is 0."""
    target = np.full(3, -100)
    for reduction, value in (("mean", np.nan), ("sum", 0.0), ("none", np.zeros(3))):
        x = leaf(np.ones((3, 4)), dtype)
        loss = function(x, target, reduction=reduction)
        np.testing.assert_array_equal(loss.array, np.asarray(value, dtype))
        loss.backward(np.ones(loss.shape, dtype))
        np.testing.assert_array_equal(x.grad.array, 0)


@pytest.mark.parametrize("function", [cross_entropy, nll_loss])
def test_an_empty_batch(function):
    x, target = np.zeros((0, 4), np.float32), np.zeros(0, np.int64)
    assert np.isnan(function(x, target))
    assert function(x, target, reduction="sum") == 0
    assert function(x, target, reduction="none").shape == (0,)


def test_ignored_rows_get_no_gradient_and_the_mean_does_not_count_them():
    x = leaf(np.random.default_rng(0).standard_normal((4, 3)))
    few = leaf(x.array[[0, 2]])
    target = np.array([1, 7, 2, 7])
    whole, part = cross_entropy(x, target, ignore_index=7), cross_entropy(few, target[[0, 2]])
    assert float(whole.array) == float(part.array)
    whole.backward()
    part.backward()
    np.testing.assert_array_equal(x.grad.array[[1, 3]], 0)
    np.testing.assert_array_equal(x.grad.array[[0, 2]], few.grad.array)


def test_an_ignore_index_within_the_classes_ignores_that_class():
    x = np.zeros((2, 3), np.float32)
    np.testing.assert_array_equal(cross_entropy(x, np.array([1, 1]), ignore_index=1, reduction="none"), 0)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8])
def test_labels_of_each_integer_type(dtype):
    x = np.random.default_rng(1).standard_normal((5, 7)).astype(np.float32)
    labels = np.arange(5)
    assert cross_entropy(x, labels.astype(dtype)) == cross_entropy(x, labels)


def test_cross_entropy_is_nll_of_log_softmax():
    rng = np.random.default_rng(2)
    x, t, w = rng.standard_normal((4, 5, 3)), rng.integers(0, 5, (4, 3)), rng.random(5)
    assert float(cross_entropy(x, t, w)) == pytest.approx(float(nll_loss(log_softmax(x, 1), t, w)), rel=1e-14)


def test_one_hot_probabilities_are_labels():
    x, labels = np.random.default_rng(3).standard_normal((6, 4)), np.array([0, 1, 2, 3, 0, 1])
    for smoothing in (0.0, 0.2):
        assert float(cross_entropy(x, np.eye(4)[labels], label_smoothing=smoothing)) == pytest.approx(
            float(cross_entropy(x, labels, label_smoothing=smoothing)), rel=1e-14
        )


def test_the_graph_may_be_walked_twice():
    x = leaf([[1.0, 2.0]])
    loss = cross_entropy(x, np.array([0]))
    loss.backward(retain_graph=True)
    once = x.grad.array.copy()
    x.grad.array[...] = 99.0  # must not reach what the operation keeps
    x.grad = None
    loss.backward()
    np.testing.assert_array_equal(x.grad.array, once)


def test_methods_of_tensor():
    x = Tensor(np.array([[1.0, 2.0], [3.0, 5.0]]))
    np.testing.assert_array_equal(x.softmax(0).array, softmax(x, 0).array)
    np.testing.assert_array_equal(x.log_softmax(dim=-1).array, log_softmax(x, 1).array)
