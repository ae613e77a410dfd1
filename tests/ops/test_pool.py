"""What the sample table cannot say of pooling: special windows, stored bytes, round trips."""

from __future__ import annotations

import numpy as np
import pytest

import pyconv
from pyconv import nn
from pyconv._backend import core
from pyconv.ops.pool import adaptive_avg_pool2d, adaptive_max_pool2d, avg_pool2d, max_pool1d, max_pool2d, max_unpool2d
from pyconv.tensor import Tensor


def random(*shape, dtype=np.float32):
    return np.random.default_rng(3).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize(("kernel", "dtype"), [(16, np.uint8), (17, np.int32)])
def test_winners_are_kept_in_one_byte_up_to_256_taps(kernel, dtype):
    shape = core.pool_shape("op", (1, 3, 20, 20), (kernel, kernel), (1, 1), (0, 0), (1, 1), False)
    _, taps = core.max_pool_forward("op", shape, random(1, 3, 20, 20), True, True)
    assert taps.dtype == dtype
    assert core.max_pool_forward("op", shape, random(1, 3, 20, 20), False, True)[1] is None


def test_nothing_is_kept_without_a_gradient():
    y = max_pool2d(Tensor(random(1, 3, 8, 8)), 2)
    assert not y.requires_grad


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_window_between_the_taps_of_its_dilation_is_minus_infinity(isa, dtype):
    """Taps at -2 and 2 of an input of one pixel: nothing wins, nothing gets a gradient."""
    t = Tensor(np.ones((1, 3, 1), dtype), requires_grad=True)
    y, indices = max_pool1d(t, 2, 1, padding=2, dilation=4, return_indices=True)
    assert y.array.ravel().tolist() == [-np.inf] * 3
    assert indices.array.ravel().tolist() == [-1] * 3
    y.backward(np.ones(y.shape, dtype))
    assert t.grad.array.ravel().tolist() == [0.0] * 3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_window_of_minus_infinity_has_its_first_pixel_as_position(isa, dtype):
    x = np.full((1, 17, 4, 4), -np.inf, dtype)
    y, indices = max_pool2d(x, 2, return_indices=True)
    assert (y == -np.inf).all()
    np.testing.assert_array_equal(indices[0], np.broadcast_to([[0, 2], [8, 10]], (17, 2, 2)))


def test_huge_windows_are_clipped_before_the_work():
    """2^31 - 1 taps, nearly all of them in the padding."""
    y = max_pool1d(random(1, 2, 4), 2**31 - 1, 1, padding=2**30 - 1)
    assert y.shape == (1, 2, 4)


@pytest.mark.parametrize("channels_last", [False, True])
def test_unpooling_puts_the_maxima_back(channels_last):
    x = random(2, 19, 6, 8)
    x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1) if channels_last else x
    y, indices = max_pool2d(x, 2, return_indices=True)
    back = max_unpool2d(y, indices, 2)
    np.testing.assert_array_equal(back, np.where(back == x, x, 0))
    assert np.count_nonzero(back) == y.size


def test_equal_indices_keep_the_last_value(threads):
    x = np.arange(1, 5, dtype=np.float32).reshape(1, 1, 2, 2)
    y = max_unpool2d(x, np.zeros((1, 1, 2, 2), np.int64), 2)
    assert y[0, 0, 0, 0] == 4.0
    assert np.count_nonzero(y) == 1


def test_indices_are_checked_again_before_a_gradient():
    indices = np.zeros((1, 1, 2, 2), np.int64)
    x = Tensor(random(1, 1, 2, 2), requires_grad=True)
    y = max_unpool2d(x, indices, 2)
    indices[0, 0, 1, 1] = 2**40
    with pytest.raises(IndexError, match=r"\[max_unpool2d\] indices holds 1099511627776, expected 0 to 15"):
        y.backward(random(1, 1, 4, 4))


def test_the_sum_of_a_large_plane_is_accurate(isa):
    """64 taps, 32 of such sums, 128 of those: roundings add up like sqrt(64) + sqrt(32) + sqrt(128) halves of eps."""
    x = np.random.default_rng(0).uniform(1, 2, (1, 3, 512, 512)).astype(np.float32)
    y = adaptive_avg_pool2d(x, 1)
    np.testing.assert_allclose(y[0, :, 0, 0], x.mean((0, 2, 3), dtype=np.float64), rtol=13 * np.finfo(np.float32).eps)


def test_bits_do_not_depend_on_the_vector_width():
    """Lanes are channels: the order of a sum is the same on every instruction set with fused multiply-adds."""
    x, results = random(2, 37, 13, 11), set()
    before = core.isa()
    try:
        for isa in core.available_isas():
            core.use_isa(isa)
            results.add(b"".join(f(x).tobytes() for f in (lambda a: max_pool2d(a, 3, 2, 1),
                                                          lambda a: avg_pool2d(a, 3, 2, 1),
                                                          lambda a: adaptive_avg_pool2d(a, 1))))
    finally:
        core.use_isa(before)
    assert len(results) == 1


def test_meta_tensors_have_shapes_only():
    x = Tensor(None, meta=((1024, 512, 2048, 2048), np.dtype("float32")))
    y, indices = max_pool2d(x, 2, return_indices=True)
    assert y.shape == indices.shape == (1024, 512, 1024, 1024)
    assert (y.dtype, indices.dtype) == (np.float32, np.int64)
    assert adaptive_avg_pool2d(x, 1).shape == (1024, 512, 1, 1)


def test_numpy_and_tensor_results_agree_in_every_memory_order():
    x = random(2, 6, 7, 5)
    last = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    expected = adaptive_max_pool2d(x, (3, 2))
    assert expected.flags.c_contiguous
    for a in (x, last, x[..., ::-1][..., ::-1]):
        got = adaptive_max_pool2d(Tensor(a), (3, 2)).array
        assert np.moveaxis(got, 1, -1).flags.c_contiguous
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("layer", [nn.MaxPool2d(3, 2, 1), nn.AvgPool2d(2)], ids=["max", "average"])
def test_large_gradients_agree_with_float64(layer, isa):
    """They are written past the caches."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((3, 64, 120, 100), np.float32)
    found = []
    for dtype in (np.float32, np.float64):
        x = pyconv.tensor(values.astype(dtype), requires_grad=True)
        y = layer(x)
        y.backward(y.detach())
        found.append(x.grad.numpy())
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6, atol=1e-6)
