"""What the sample table cannot say of batch normalisation: accuracy, running statistics, memory."""

from __future__ import annotations

import numpy as np
import pytest

import pyconv
from pyconv.ops.norm import BatchNorm, batch_norm
from pyconv.tensor import Tensor

EPS32 = float(np.finfo(np.float32).eps)


@pytest.mark.parametrize("shape", [(4, 3, 33, 35), (2, 64, 57, 19), (1000, 5), (2, 300, 40)])
@pytest.mark.parametrize("offset", [0.0, 1000.0, -1e5])
def test_variance_is_accurate_far_from_zero(rng_float32, shape, offset, isa):
    """Channels with mean/std = 1000 and more: the squares of the values themselves would lose 1 %."""
    x = rng_float32(shape, offset)
    mean, var = np.zeros(shape[1], np.float32), np.zeros(shape[1], np.float32)
    y = batch_norm(x, mean, var, training=True, momentum=1.0, eps=1e-12)
    axes = tuple(i for i in range(x.ndim) if i != 1)
    exact = x.astype(np.float64)
    # Sums of at most 64 values are rounded in float: up to 8 standard deviations large, by half an eps each time.
    np.testing.assert_allclose(mean, exact.mean(axes), rtol=EPS32, atol=4 * EPS32)
    np.testing.assert_allclose(var, exact.var(axes, ddof=1), rtol=16 * EPS32)
    column = (1, -1) + (1,) * (x.ndim - 2)
    expected = (exact - exact.mean(axes).reshape(column)) / np.sqrt(exact.var(axes).reshape(column))
    # x itself is exact, so its distance from the mean is: no error grows with the offset.
    np.testing.assert_allclose(y, expected, rtol=16 * EPS32, atol=16 * EPS32)


@pytest.mark.parametrize("shape", [(4, 64, 96, 88), (3, 80, 131, 67), (5, 150, 7, 9)],
                         ids=["past-the-caches", "many-rows", "cut-along-channels"])
def test_every_way_of_cutting_agrees_with_float64(rng_float32, shape, isa, keep_threads):
    c = shape[1]
    arrays = [rng_float32(shape, 0.5), rng_float32((c,), 0.0), rng_float32((c,), 0.0)]
    gradient = rng_float32(shape, 0.1)

    def step(dtype):
        leaves = [Tensor(a.astype(dtype), requires_grad=True) for a in arrays]
        y = batch_norm(leaves[0], None, None, *leaves[1:], training=True)
        y.backward(Tensor(gradient.astype(dtype)))
        return [y.detach().numpy(), *(t.grad.numpy() for t in leaves)]

    results = []
    for threads in (1, 2, 3, 4, 7):
        pyconv.runtime.set_num_threads(threads)
        results.append(step(np.float32))
    for other in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], other, strict=True))
    for got, expected in zip(results[0], step(np.float64), strict=True):
        # Values of a few units; gradients of the vectors are sums over the rows, whose errors walk at random.
        bound = 16 * EPS32 * (1 if got.ndim > 1 else np.sqrt(arrays[0].size / c))
        np.testing.assert_allclose(got, expected, rtol=16 * EPS32, atol=bound)


@pytest.fixture
def rng_float32():
    rng = np.random.default_rng(7)
    return lambda shape, offset: (rng.standard_normal(shape) + offset).astype(np.float32)


def test_variance_withstands_an_outlier_in_the_first_row(rng_float32):
    x = rng_float32((2000, 4), 1000.0)
    x[0] = 0.0
    var = np.zeros(4, np.float32)
    batch_norm(x, np.zeros(4, np.float32), var, training=True, momentum=1.0)
    np.testing.assert_allclose(var, x.astype(np.float64).var(0, ddof=1), rtol=1e-5)


def test_constant_channels_give_the_bias(rng_float32):
    x = np.full((4, 3, 5, 5), 0.1, np.float32)
    y = batch_norm(x, None, None, None, np.array([1, 2, 3], np.float32), training=True)
    np.testing.assert_allclose(y, np.broadcast_to(np.array([1, 2, 3], np.float32)[:, None, None], x.shape),
                               atol=2 * EPS32 / np.sqrt(1e-5))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("momentum", [0.1, 0.0, 1.0])
def test_running_statistics_are_those_of_torch(torch, dtype, momentum):
    rng = np.random.default_rng(0)
    mean, var = rng.standard_normal(17).astype(dtype), rng.uniform(0.5, 2, 17).astype(dtype)
    theirs = torch.tensor(mean), torch.tensor(var)
    for _ in range(3):
        x = rng.standard_normal((3, 17, 5, 4)).astype(dtype)
        batch_norm(Tensor(x), mean, var, training=True, momentum=momentum)
        torch.nn.functional.batch_norm(torch.tensor(x), *theirs, training=True, momentum=momentum)
    for ours, other in zip((mean, var), theirs, strict=True):
        np.testing.assert_allclose(ours, other.numpy(), rtol=60 * np.finfo(dtype).eps, atol=60 * np.finfo(dtype).eps)


def test_running_statistics_may_be_strided_views():
    memory = np.zeros((2, 6), np.float32)
    memory[1] = 1.0
    x = np.random.default_rng(0).standard_normal((8, 3)).astype(np.float32)
    batch_norm(x, memory[0, ::2], memory[1, ::-2], training=True, momentum=1.0)
    np.testing.assert_allclose(memory[0, ::2], x.mean(0, dtype=np.float64), atol=EPS32)
    np.testing.assert_allclose(memory[1, ::-2], x.var(0, ddof=1, dtype=np.float64), rtol=16 * EPS32)
    assert not memory[0, 1::2].any()


def test_running_statistics_have_the_same_bits_for_every_number_of_threads(keep_threads):
    from pyconv._backend import core

    x = np.random.default_rng(0).standard_normal((3, 70, 40, 41)).astype(np.float32)
    seen = set()
    for n in (1, 2, 3, 4, 7):
        core.set_num_threads(n)
        mean, var = np.zeros(70, np.float32), np.ones(70, np.float32)
        batch_norm(x, mean, var, training=True)
        seen.add(mean.tobytes() + var.tobytes())
    assert len(seen) == 1


def test_an_empty_batch_changes_no_statistics():
    mean, var = np.full(3, 5.0, np.float32), np.full(3, 7.0, np.float32)
    assert batch_norm(np.zeros((0, 3, 2, 2), np.float32), mean, var, training=True).shape == (0, 3, 2, 2)
    assert mean.tolist() == [5.0] * 3
    assert var.tolist() == [7.0] * 3


def test_evaluation_changes_nothing_and_accepts_read_only_statistics():
    mean, var = np.zeros(3, np.float32), np.ones(3, np.float32)
    mean.flags.writeable = var.flags.writeable = False
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 4)).astype(np.float32)
    np.testing.assert_allclose(batch_norm(x, mean, var, eps=0.0), x)


def test_a_later_update_does_not_change_an_earlier_gradient():
    """Evaluation keeps its own copy of the statistics."""
    mean, var = pyconv.zeros(3), pyconv.ones(3)
    x = Tensor(np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32), requires_grad=True)
    y = batch_norm(x, mean, var, eps=0.0)
    before = mean._version[0]
    batch_norm(x, mean, var, training=True)
    assert mean._version[0] == before + 1
    y.backward(np.ones((4, 3), np.float32))
    assert x.grad.tolist() == [[1.0] * 3] * 4


def test_infinite_values_in_evaluation_leave_the_gradient_finite():
    x = np.ones((2, 3), np.float32)
    x[0, 0] = np.inf
    t = Tensor(x, requires_grad=True)
    batch_norm(t, pyconv.zeros(3), pyconv.ones(3), eps=0.0).backward(np.ones((2, 3), np.float32))
    assert t.grad.tolist() == [[1.0] * 3] * 2


def test_meta_tensors_have_shapes_only():
    x = Tensor(None, meta=((2**20, 64, 224, 224), np.dtype("float32")))
    y = batch_norm(x, pyconv.zeros(64), pyconv.ones(64), training=True)
    assert y.is_meta
    assert y.shape == x.shape


def test_effects_are_declared():
    assert BatchNorm.effects == ("running_stats",)
