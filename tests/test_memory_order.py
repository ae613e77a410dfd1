"""The table of memory orders (pyconv/ops/shape.py), row by row, and that conversions are counted."""

from __future__ import annotations

import numpy as np
import pytest

import pyconv as pc
from pyconv import runtime

RANKS = [(2, 3, 4, 5), (2, 3, 4, 5, 6)]
AMBIGUOUS = [(2, 1, 4, 5), (2, 3, 1, 1), (1, 1, 1, 1), (2, 1, 1, 5), (2, 3, 1, 4, 1)]


def channels_last_strides(shape):
    _n, c, *space = shape
    strides, step = [1], c
    for size in reversed(space):
        strides.insert(1, step)
        step *= size
    return (step, *strides[:1], *strides[1:])


def has_order(x, channels_last):
    """By the rule, strides of axes of size 1 included: the ones an allocation of this shape has."""
    a = x.array if isinstance(x, pc.Tensor) else x
    expected = channels_last_strides(a.shape) if channels_last else np.empty(a.shape).strides
    scale = a.itemsize if channels_last else a.itemsize / 8
    return a.strides == tuple(int(s * scale) for s in expected)


def c_order(shape):
    return pc.from_numpy(np.arange(np.prod(shape), dtype=np.float32).reshape(shape))


@pytest.fixture
def copies():
    """How many conversions of memory order happened since."""
    before = runtime.memory()["copies"]
    return lambda: runtime.memory()["copies"] - before


@pytest.mark.parametrize("shape", RANKS + AMBIGUOUS)
@pytest.mark.parametrize("function", [
    lambda x: x + 1, lambda x: x * x, lambda x: x.relu(), lambda x: x.clone(), lambda x: x.double(),
    lambda x: pc.cat([x, x], 1), lambda x: pc.ops.join.pad(x, (1, 1)), lambda x: x.sum(1, keepdim=True),
    lambda x: x[:, [0, 0]], lambda x: pc.where(x > 0, x, 0), lambda x: pc.zeros(x.shape), lambda x: pc.randn(x.shape),
    lambda x: pc.tensor(x.numpy()), lambda x: pc.ones_like(x), lambda x: pc.ops.random.dropout(x, 0.5),
])
def test_results_of_rank_4_and_5_are_channels_last(shape, function):
    for x in (c_order(shape), c_order(shape).clone(), c_order(shape[::-1]).permute(*range(len(shape))[::-1])):
        assert has_order(function(x), channels_last=True)


@pytest.mark.parametrize("shape", [(3, 4, 5), (4, 5), (5,), ()])
def test_other_ranks_are_c_order(shape):
    """An unbatched image is rank 3."""
    x = c_order(shape)
    for y in (x + 1, x.clone(), pc.zeros(shape), pc.tensor(x.numpy())):
        assert has_order(y, channels_last=False)


@pytest.mark.parametrize("shape", RANKS + AMBIGUOUS)
def test_gradients_are_channels_last(shape):
    x = c_order(shape).requires_grad_()
    (x * 2).sum().backward()
    assert has_order(x.grad, channels_last=True)


def test_view_shares_memory_where_strides_allow(copies):
    x = pc.ones(2, 6, 4, 4)
    for y in (x.view(2, 2, 3, 4, 4), x.view(2, 6, 16), x.reshape(1, 2, 6, 4, 4), x.flatten(2)):
        assert np.shares_memory(y.array, x.array)
    assert copies() == 0


def test_view_copies_where_strides_demand_it(copies):
    x = pc.randn(2, 6, 4, 4)
    y = x.view(2, -1)
    assert copies() == 1
    assert not np.shares_memory(y.array, x.array)
    assert has_order(y, channels_last=False)
    np.testing.assert_array_equal(y.numpy(), x.numpy().reshape(2, -1))


@pytest.mark.parametrize(("shape", "count"), [((2, 6, 4, 4), 1), ((2, 6, 1, 1), 0), ((2, 1, 4, 4), 0), ((2, 6), 0)])
def test_flatten_copies_only_maps_of_several_channels_and_pixels(shape, count, copies):
    x = pc.randn(*shape)
    y = x.flatten(1)
    assert copies() == count
    np.testing.assert_array_equal(y.numpy(), x.numpy().reshape(shape[0], -1))


def test_a_copy_to_rank_4_is_channels_last():
    x = pc.randn(4, 36).T
    y = x.reshape(4, 6, 2, 3)
    assert has_order(y, channels_last=True)
    np.testing.assert_array_equal(y.numpy(), x.numpy().reshape(4, 6, 2, 3))


def test_views_always_share_memory(copies):
    x = pc.randn(2, 6, 4, 4)
    for y in (x.permute(3, 1, 0, 2), x.transpose(0, 3), x.T, x.unsqueeze(2), x[:1].squeeze(),
              x[:, :, :1].expand(2, 6, 9, 4), *x.chunk(3, 1), *x.split([1, 5], 1), x[0], x[..., 1:3], x[:, None],
              x.detach(), x.data):
        assert np.shares_memory(y.array, x.array)
    assert copies() == 0


def test_contiguous_is_c_order_as_in_torch(copies):
    x = pc.randn(2, 3, 4, 5)
    y = x.contiguous()
    assert copies() == 1
    assert has_order(y, channels_last=False)
    assert y.is_contiguous()
    assert not x.is_contiguous()
    assert y.contiguous() is y
    assert copies() == 1


def test_contiguous_channels_last(copies):
    x = c_order((2, 3, 4, 5))
    y = x.contiguous(memory_format=pc.channels_last)
    assert copies() == 1
    assert has_order(y, channels_last=True)
    assert y.is_contiguous(memory_format=pc.channels_last)
    assert y.contiguous(memory_format=pc.channels_last) is y
    assert c_order((1, 2, 3, 4, 5)).contiguous(memory_format=pc.channels_last_3d).array.strides[1] == 4


@pytest.mark.parametrize("shape", AMBIGUOUS)
def test_ambiguous_strides_need_no_conversion(shape, copies):
    """C = 1 or 1x1 maps in C order are channels-last already, but for the strides of axes of size 1."""
    a = np.zeros(shape, np.float32)
    moved = a.transpose(0, *range(2, a.ndim), 1).flags.c_contiguous
    x = pc.from_numpy(a)
    assert (x.contiguous(memory_format=pc.channels_last if a.ndim == 4 else pc.channels_last_3d) is x) == moved
    assert copies() == (0 if moved else 1)


def test_cat_takes_any_order():
    a, b = c_order((2, 3, 4, 5)), c_order((2, 2, 4, 5)).clone()
    y = pc.cat([a, b], 1)
    assert has_order(y, channels_last=True)
    np.testing.assert_array_equal(y.numpy(), np.concatenate([a.numpy(), b.numpy()], 1))


def test_numpy_in_and_out_share_memory(copies):
    a = np.zeros((2, 3, 4, 5), np.float32)
    x = pc.from_numpy(a)
    assert x.numpy() is a
    assert np.asarray(x) is a
    y = pc.randn(2, 3, 4, 5)
    assert np.shares_memory(y.numpy(), y.array)
    assert y.numpy().transpose(0, 2, 3, 1).flags.c_contiguous
    assert copies() == 0


def test_numpy_calls_give_c_order():
    a = np.ones((2, 3, 4, 5), np.float32)
    for y in (pc.cat([a, a], 1), pc.ops.join.pad(a, (1, 1)), pc.exp(a), pc.ops.random.dropout(a, 0.5), pc.clone(a)):
        assert type(y) is np.ndarray
        assert y.flags.c_contiguous


def test_copied_bytes_are_counted():
    x, before = pc.randn(2, 3, 4, 5), runtime.memory()["copied_bytes"]
    x.contiguous()
    assert runtime.memory()["copied_bytes"] - before == 2 * 3 * 4 * 5 * 4


def test_clone_in_the_order_it_has_counts_nothing(copies):
    pc.randn(2, 3, 4, 5).clone()
    pc.randn(7, 3).clone()
    assert copies() == 0
