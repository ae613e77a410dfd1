"""Group, instance, layer, RMS, local response and local contrast norm beyond the tables."""

from __future__ import annotations

import numpy as np
import pytest

import pyconv
from pyconv import nn
from pyconv._backend import core
from pyconv.errors import ShapeError
from pyconv.nn import functional as F
from pyconv.tensor import Tensor


def test_worked_numbers_of_local_response_norm():
    """n = 5, k = 2, alpha = 1e-4, beta = 0.75 on channels 1 ... 6; ten decimals are given."""
    x = np.arange(1.0, 7.0).reshape(1, 6, 1, 1)
    paper = [0.5942915817, 1.1878710105, 1.7801403936, 2.3704185590, 2.9634657383, 3.5573544195]
    caffe = [0.5945411318, 1.1889396136, 1.7830752045, 2.3768100636, 2.9711016329, 3.5655624308]
    got = nn.LocalResponseNorm(5, k=2, alpha_mode="paper")(x)
    np.testing.assert_allclose(got.ravel(), paper, atol=5.1e-11)
    np.testing.assert_allclose(nn.LocalResponseNorm(5, k=2)(x).ravel(), caffe, atol=5.1e-11)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_the_window_of_local_response_norm(size: int):
    """size // 2 channels before and (size - 1) // 2 after: seen in which outputs one channel dampens."""
    x = np.full((1, 9, 1, 1), 1e-6)
    x[0, 4] = 1.0
    y = F.local_response_norm(x, size, alpha=size, beta=1.0).ravel()
    dampened = [c for c in range(9) if y[c] < 0.75 * x[0, c, 0, 0]]
    assert dampened == list(range(4 - (size - 1) // 2, 4 + size // 2 + 1))


@pytest.mark.parametrize("mean", [0.0, 1e3, -1e5])
@pytest.mark.parametrize("name", ["group", "instance", "layer", "long"])
def test_a_large_mean_costs_no_accuracy(name: str, mean: float, isa: str):
    """Values with standard deviation 1 around ``mean``: statistics are exact to float32's own spacing there."""
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((2, 64, 40, 40)) + mean).astype(np.float32)
    call = {"group": lambda v: F.group_norm(v, 8), "instance": F.instance_norm,
            "layer": lambda v: F.layer_norm(v.reshape(-1, 64), (64,)),
            "long": lambda v: F.layer_norm(v, (64, 40, 40))}[name]
    # An input's rounding is not ours: both start from the float32 values. y is off by one rounding of x - mean.
    np.testing.assert_allclose(call(x), call(x.astype(np.float64)), atol=4e-6)


def test_running_statistics_as_in_torch(torch):
    ours = nn.InstanceNorm2d(4, affine=True, track_running_stats=True, momentum=0.3)
    theirs = torch.nn.InstanceNorm2d(4, affine=True, track_running_stats=True, momentum=0.3)
    rng = np.random.default_rng(0)
    for i in range(3):
        x = (rng.standard_normal((3, 4, 5, 6)) * (1 + i) + i).astype(np.float32)
        np.testing.assert_allclose(ours(pyconv.tensor(x)).array, theirs(torch.tensor(x)).detach().numpy(), atol=2e-6)
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        np.testing.assert_allclose(getattr(ours, name).array, getattr(theirs, name).numpy(), rtol=1e-6, err_msg=name)
    ours.eval()
    theirs.eval()
    np.testing.assert_allclose(ours(pyconv.tensor(x)).array, theirs(torch.tensor(x)).detach().numpy(), atol=2e-6)
    kept = ours.running_mean.array.copy()
    ours(pyconv.zeros(0, 4, 5, 6))
    np.testing.assert_array_equal(ours.running_mean.array, kept)


def test_running_statistics_of_arrays_and_of_nothing():
    mean, var = np.zeros(2), np.ones(2)
    x = np.array([[[1.0, 3.0], [2.0, 6.0]], [[5.0, 5.0], [0.0, 0.0]]])
    F.instance_norm(x, mean, var, momentum=0.5)
    np.testing.assert_allclose(mean, [0.5 * (2 + 5) / 2, 0.5 * (4 + 0) / 2])
    np.testing.assert_allclose(var, [0.5 + 0.5 * (2 + 0) / 2, 0.5 + 0.5 * (8 + 0) / 2])
    before = mean.copy()
    F.instance_norm(x[:0], mean, var, momentum=0.5)
    np.testing.assert_array_equal(mean, before)


def test_a_changed_running_vector_is_noticed():
    layer = nn.InstanceNorm1d(2, track_running_stats=True)
    layer.train()
    before = layer.running_mean._version[0]
    layer(pyconv.ones(1, 2, 3))
    assert layer.running_mean._version[0] == before + 1


def test_instance_norm_without_a_batch():
    x = np.random.default_rng(0).standard_normal((4, 5, 6)).astype(np.float32)
    layer = nn.InstanceNorm2d(4)
    alone = layer(pyconv.tensor(x))
    assert alone.shape == (4, 5, 6)
    np.testing.assert_array_equal(alone.array, layer(pyconv.tensor(x[None])).array[0])
    assert nn.InstanceNorm1d(4)(pyconv.tensor(x[..., 0])).shape == (4, 5)
    assert nn.InstanceNorm3d(4)(pyconv.zeros(4, 2, 3, 4)).shape == (4, 2, 3, 4)


def test_group_norm_is_instance_and_layer_norm_at_its_ends():
    x = np.random.default_rng(0).standard_normal((2, 8, 5, 6)).astype(np.float32)
    np.testing.assert_array_equal(F.group_norm(x, 8), F.instance_norm(x))
    np.testing.assert_allclose(F.group_norm(x, 1), F.layer_norm(x, (8, 5, 6)), atol=1e-6)


def test_layer_norm_over_one_axis_keeps_its_rows():
    """C order: channels-last data seen as (N, H, W, C) goes through without a copy."""
    data = pyconv.randn(2, 6, 4, 5)  # channels-last in memory
    x = data.permute(0, 2, 3, 1)
    assert x.array.flags.c_contiguous
    before = pyconv.runtime.memory()["copied_bytes"]
    y = nn.LayerNorm(6)(x)
    assert y.array.flags.c_contiguous
    assert pyconv.runtime.memory()["copied_bytes"] == before
    back = y.permute(0, 3, 1, 2)
    assert np.moveaxis(back.array, 1, -1).flags.c_contiguous
    over_all = nn.LayerNorm((6, 4, 5))(data)
    assert np.moveaxis(over_all.array, 1, -1).flags.c_contiguous


@pytest.mark.parametrize("channels", [16, 24])
def test_large_results_have_the_bits_of_small_ones(channels: int, isa: str):
    """They are written past the caches."""
    rng = np.random.default_rng(0)
    x, g = (rng.standard_normal((7, channels, 160, 161)).astype(np.float32) for _ in range(2))
    leaf = Tensor(x, requires_grad=True)
    y = F.group_norm(leaf, 4)
    y.backward(Tensor(g))
    for i in (0, 6):
        one = Tensor(x[i:i + 1].copy(), requires_grad=True)
        z = F.group_norm(one, 4)
        z.backward(Tensor(g[i:i + 1].copy()))
        np.testing.assert_array_equal(z.array, y.array[i:i + 1])
        np.testing.assert_array_equal(one.grad.array, leaf.grad.array[i:i + 1])


def test_nan_stays_in_its_group():
    x = np.random.default_rng(0).standard_normal((2, 4, 3, 3)).astype(np.float32)
    x[0, 1, 2, 2] = np.nan
    y = F.group_norm(x, 2)
    assert np.isnan(y[0, :2]).all()
    assert np.isfinite(y[0, 2:]).all()
    assert np.isfinite(y[1]).all()


def test_layers_on_shapes_alone():
    for layer, shape in ((nn.GroupNorm(2, 4), (2, 4, 5, 5)), (nn.InstanceNorm2d(4, affine=True), (2, 4, 5, 5)),
                         (nn.LayerNorm(5), (2, 4, 5, 5)), (nn.RMSNorm([5, 5]), (2, 4, 5, 5)),
                         (nn.LocalResponseNorm(5), (2, 4, 5, 5)), (nn.LocalContrastNorm(5), (2, 4, 5, 5))):
        assert pyconv.summary(layer, shape).rows[0].output_shape == shape
    assert nn.GroupNorm(2, 4, device="meta").weight.is_meta
    assert nn.LayerNorm(4, dtype="float64").bias.dtype == np.float64


def test_what_the_core_checks():
    x = np.zeros((2, 4, 3), np.float32)
    shape = core.group_norm_shape("group_norm", x.shape, 2, None, None)
    assert (shape.rows, shape.length, shape.input_shape) == (4, 6, (2, 4, 3))
    _, statistics = core.group_norm_forward("group_norm", shape, x, None, None, 1e-5, True, False)
    with pytest.raises(ShapeError, match=r"\[group_norm\] input has shape 2x4x2, expected 2x4x3"):
        core.group_norm_forward("group_norm", shape, x[:, :, :2], None, None, 1e-5, True, False)
    with pytest.raises(ShapeError, match=r"\[group_norm\] gradient has shape 4x3, expected 2x4x3"):
        core.group_norm_backward("group_norm", shape, x, x[0], statistics, None, True, True, False)
    with pytest.raises(ShapeError, match=r"\[group_norm\] statistics has shape 2x4, expected 3x4"):
        core.group_norm_backward("group_norm", shape, x, x, statistics[:2], None, True, True, False)
    with pytest.raises(ValueError, match=r"\[group_norm\] statistics is not contiguous"):
        core.group_norm_backward("group_norm", shape, x, x, statistics[:, ::-1], None, True, True, False)
    window = core.lrn_shape((1, 4, 3), 3)
    with pytest.raises(ShapeError, match=r"\[local_response_norm\] gradient has shape 2x4x3, expected 1x4x3"):
        core.lrn_backward(window, x[:1], x, 1.0, 0.75, 1.0, False)
    with pytest.raises(TypeError, match=r"\[local_response_norm\] gradient has dtype float64, expected float32"):
        core.lrn_backward(window, x[:1], np.zeros((1, 4, 3)), 1.0, 0.75, 1.0, False)


# --- local contrast -------------------------------------------------------------------------------


def test_local_contrast_norm_does_not_see_brightness_and_contrast():
    """A factor and an offset leave the result: what is left are the local differences."""
    x = np.random.default_rng(0).standard_normal((1, 3, 16, 16))
    plain = F.local_contrast_norm(x)
    np.testing.assert_allclose(F.local_contrast_norm(3 * x + 5), plain, atol=1e-9)
    assert np.abs(plain).max() < 10


def test_local_contrast_norm_of_a_flat_image_and_its_gradient():
    x = Tensor(np.full((2, 2, 6, 7), 3.0), requires_grad=True)
    y = nn.LocalContrastNorm(5)(x)
    y.sum().backward()
    assert np.abs(y.array).max() < 1e-9
    assert np.isfinite(x.grad.array).all()


def test_local_contrast_norm_evens_out_lighting():
    """A texture of which one half lies in the shadow: local means differ by 4 before, by nothing afterwards."""
    lit = np.random.default_rng(0).standard_normal((1, 1, 40, 40))
    lit[..., 20:] += 4
    y = F.local_contrast_norm(lit, 5)[0, 0]
    assert abs(y[:, 26:].mean() - y[:, :14].mean()) < 0.05
    np.testing.assert_allclose(y[:, 26:].std(), y[:, :14].std(), rtol=0.1)


# --- normalize ------------------------------------------------------------------------------------


def test_the_gradient_of_normalize_at_zero_is_finite():
    for p in (1, 2, 3.0, 4, np.inf):
        x = Tensor(np.zeros((2, 3), np.float32), requires_grad=True)
        F.normalize(x, p).sum().backward()
        assert np.isfinite(x.grad.array).all(), p
    x = Tensor(np.zeros((1, 3), np.float32), requires_grad=True)
    F.normalize(x, eps=0.5).sum().backward()
    np.testing.assert_array_equal(x.grad.array, [[2, 2, 2]])
