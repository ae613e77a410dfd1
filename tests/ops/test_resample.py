"""Resampling and grid sampling beyond the sample table: worked numbers, identities, special values."""

from __future__ import annotations

import numpy as np
import pytest

import pyconv
from pyconv.nn import functional as F

MODES = [("linear", 3), ("bilinear", 4), ("bicubic", 4), ("trilinear", 5), ("nearest", 4), ("nearest-exact", 4)]
#: The lecture's figure: a transposed convolution with stride 2 is bilinear interpolation.
X = np.float32([[4, 2, 4], [6, 4, 6], [2, 12, 2]])
DOUBLED = np.float32([[4, 3, 2, 3, 4], [5, 4, 3, 4, 5], [6, 5, 4, 5, 6], [4, 6, 8, 6, 4], [2, 7, 12, 7, 2]])


def test_three_ways_to_double_a_map():
    weight = np.float32([[0.25, 0.5, 0.25], [0.5, 1, 0.5], [0.25, 0.5, 0.25]])[None, None]
    x = X[None, None]
    np.testing.assert_array_equal(F.conv_transpose2d(x, weight, stride=2, padding=1)[0, 0], DOUBLED)
    np.testing.assert_array_equal(F.interpolate(x, size=5, mode="bilinear", align_corners=True)[0, 0], DOUBLED)
    grid = F.affine_grid(np.float32([[[1, 0, 0], [0, 1, 0]]]), (1, 1, 5, 5), align_corners=True)
    np.testing.assert_array_equal(F.grid_sample(x, grid, align_corners=True)[0, 0], DOUBLED)


@pytest.mark.parametrize(("mode", "rank"), MODES)
def test_constants_stay_constant(mode: str, rank: int, isa: str):
    x = np.full((2, 3, 5, 4, 6)[:rank], 3.25, np.float32)
    for options in ({"size": 9}, {"scale_factor": 0.6}, {"scale_factor": 2.4}):
        np.testing.assert_allclose(F.interpolate(x, mode=mode, **options), 3.25, rtol=1e-6)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_antialias_of_a_step_of_four(mode: str):
    """A row of alternating values is grey from afar, but not for a filter that looks at a few pixels only."""
    x = np.tile(np.float32([0, 1]), 40)[None, None, None].repeat(8, 2)
    plain = F.interpolate(x, size=(8, 16), mode=mode)
    smooth = F.interpolate(x, size=(8, 16), mode=mode, antialias=True)[..., 2:-2]
    assert np.abs(smooth - 0.5).max() < 0.05
    assert np.abs(plain - 0.5).max() > 0.2


def test_antialias_with_one_column():
    """As wide images do: each column on its own. (PyTorch 2.13 returns the first row everywhere.)"""
    x = np.random.default_rng(3).standard_normal((2, 3, 7, 1)).astype(np.float32)
    wide = F.interpolate(x.repeat(2, -1), size=(18, 2), mode="bilinear", antialias=True)
    np.testing.assert_array_equal(F.interpolate(x, size=(18, 1), mode="bilinear", antialias=True), wide[..., :1])


def test_a_weight_of_zero_hides_infinity():
    x = np.float32([[[1, np.inf, 2]]])
    assert F.interpolate(x, size=5, mode="linear", align_corners=True).tolist() == [[[1, np.inf, np.inf, np.inf, 2]]]
    assert np.isnan(F.interpolate(np.float32([[[1, np.nan, 2]]]), size=5, mode="linear", align_corners=True)[0, 0, 1])


def test_the_gradient_is_the_adjoint(isa: str):
    """<A x, g> = <x, A' g>, in float32 on every instruction set."""
    rng = np.random.default_rng(1)
    for mode, rank in MODES:
        x = pyconv.Tensor(rng.standard_normal((2, 5, 6, 4, 5)[:rank]).astype(np.float32), requires_grad=True)
        y = F.interpolate(x, size=7, mode=mode)
        g = rng.standard_normal(y.shape).astype(np.float32)
        y.backward(pyconv.Tensor(g))
        left, right = (y.array * g).sum(dtype=np.float64), (x.grad.array * x.array).sum(dtype=np.float64)
        assert abs(left - right) < 1e-4 * np.abs(y.array * g).sum()


HOSTILE_POINTS = np.float32([np.nan, np.inf, -np.inf, 3.4e38, -3.4e38, 1e20, -1e20, 2**31, -(2**31), 1e-45])


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_any_point_is_safe(mode: str, padding: str, align: bool, dtype: type, isa: str):
    points = HOSTILE_POINTS.astype(dtype) if dtype == np.float32 else np.append(HOSTILE_POINTS, [1e308, -1e308])
    grid = np.stack(np.meshgrid(points, points), -1)[None].astype(dtype)
    x = pyconv.Tensor(1 + np.arange(24, dtype=dtype).reshape(1, 2, 3, 4), requires_grad=True)
    g = pyconv.Tensor(grid, requires_grad=True)
    y = F.grid_sample(x, g, mode, padding, align)
    y.backward(pyconv.ones_like(y))
    assert np.isfinite(y.array).all()
    assert np.isfinite(x.grad.array).all()
    assert np.isfinite(g.grad.array).all()
    slack = 0.3 if mode == "bicubic" else 0.0  # of the range: it overshoots
    assert y.array.min() >= (0 if padding == "zeros" else 1) - 24 * slack
    assert y.array.max() <= 24 * (1 + slack)


def test_nan_is_read_as_minus_one():
    x = np.arange(12, dtype=np.float32).reshape(1, 1, 3, 4)
    for padding in ("zeros", "border", "reflection"):
        got, want = (F.grid_sample(x, np.full((1, 1, 1, 2), v, np.float32), padding_mode=padding) for v in (np.nan, -1))
        np.testing.assert_array_equal(got, want)


def test_grid_sample_of_the_identity():
    x = np.random.default_rng(2).standard_normal((2, 5, 6, 7)).astype(np.float32)
    theta = np.float32([[[1, 0, 0], [0, 1, 0]]] * 2)
    for align in (True, False):
        grid = F.affine_grid(theta, x.shape, align)
        for mode in ("bilinear", "nearest", "bicubic"):
            np.testing.assert_allclose(F.grid_sample(x, grid, mode, "border", align), x, atol=2e-6)


def test_only_the_gradients_asked_for(monkeypatch):
    x = pyconv.Tensor(np.ones((1, 2, 3, 4), np.float32))
    grid = pyconv.Tensor(np.zeros((1, 2, 2, 2), np.float32), requires_grad=True)
    F.grid_sample(x, grid).sum().backward()
    assert x.grad is None
    assert grid.grad.shape == grid.shape
