"""Initialisers with a structure, and truncated draws."""

from __future__ import annotations

import math

import numpy as np
import pytest

import pyconv
from pyconv import nn
from pyconv.nn import functional as F
from pyconv.nn import init
from pyconv.nn.init_matrices import orthonormal


@pytest.fixture(autouse=True)
def seed():
    pyconv.manual_seed(5)


# --- structure ------------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", [(3, 3), (2, 5), (5, 2)])
def test_eye_as_in_torch(shape, torch):
    np.testing.assert_array_equal(init.eye_(pyconv.empty(*shape)).array, torch.nn.init.eye_(torch.empty(*shape)))


@pytest.mark.parametrize(("shape", "groups"), [((4, 4, 3), 1), ((6, 4, 3, 3), 1), ((4, 6, 4, 5), 1), ((6, 2, 3, 3), 3),
                                               ((4, 3, 2, 3, 4), 2), ((3, 2, 1, 1), 1)])
def test_dirac_as_in_torch(shape, groups, torch):
    expected = torch.nn.init.dirac_(torch.empty(*shape), groups).numpy()
    np.testing.assert_array_equal(init.dirac_(pyconv.empty(*shape), groups).array, expected)


def test_dirac_passes_channels_through():
    layer = nn.Conv2d(4, 4, 3, padding=1, groups=2, bias=False)
    init.dirac_(layer.weight, 2)
    x = pyconv.randn(2, 4, 5, 6)
    np.testing.assert_array_equal(layer(x).array, x.array)
    assert layer.weight.requires_grad
    assert layer.weight.is_leaf


@pytest.mark.parametrize(("taps", "stride"), [(4, 2), (3, 2), (8, 4), (6, 3), (5, 3)])
@pytest.mark.parametrize("groups", [1, 3])
def test_bilinear_upsamples_each_channel(taps, stride, groups, torch):
    layer = nn.ConvTranspose2d(3, 3, taps, stride=stride, padding=stride // 2 if taps % 2 == 0 else stride - 1,
                               groups=groups, bias=False, dtype="float64")
    init.bilinear_(layer.weight)
    x = np.random.default_rng(0).standard_normal((1, 3, 6, 7))
    got = layer(pyconv.tensor(x)).array
    if taps % 2:  # aligned corners
        expected = torch.nn.functional.interpolate(torch.from_numpy(x), got.shape[2:], mode="bilinear",
                                                   align_corners=True).numpy()
        np.testing.assert_allclose(got, expected, atol=1e-12)
    elif stride % 2 == 0:  # corners not aligned; the border fades to 0
        expected = torch.nn.functional.interpolate(torch.from_numpy(x), scale_factor=stride, mode="bilinear").numpy()
        np.testing.assert_allclose(got[..., stride:-stride, stride:-stride],
                                   expected[..., stride:-stride, stride:-stride], atol=1e-12)
    else:
        ones = layer(pyconv.tensor(np.ones((1, 3, 6, 7)))).array
        np.testing.assert_allclose(ones[..., stride:-stride, stride:-stride], 1)


@pytest.mark.parametrize("shape", [(40, 40), (70, 150), (150, 70), (8, 3, 3, 3), (33, 2, 4), (1, 7), (7, 1), (96, 96)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_orthogonal(shape, dtype):
    weight = init.orthogonal_(pyconv.empty(*shape, dtype=dtype), gain=2)
    matrix = weight.array.reshape(shape[0], -1).astype(np.float64) / 2
    gram = matrix @ matrix.T if len(matrix) <= matrix.shape[1] else matrix.T @ matrix
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=16 * eps * math.sqrt(max(matrix.shape)))


def test_orthogonal_is_the_q_of_the_draw():
    draw = np.random.default_rng(0).standard_normal((90, 70))
    q, r = np.linalg.qr(draw)
    np.testing.assert_allclose(orthonormal(draw.T).T, q * np.sign(np.diag(r)), atol=1e-12)


def test_orthogonal_matrices_are_drawn_evenly():
    """The first entry of such a matrix of size n has mean 0 and variance 1 / n."""
    first = np.array([init.orthogonal_(pyconv.empty(4, 4)).array[0, 0] for _ in range(2000)])
    assert abs(first.mean()) < 5 * 0.5 / math.sqrt(2000)
    assert abs((first**2).mean() - 0.25) < 5 * 0.25 / math.sqrt(2000)


def test_sparse():
    weight = init.sparse_(pyconv.empty(100, 200), 0.305, std=3).array
    assert ((weight == 0).sum(0) == 31).all()
    assert len(np.unique((weight == 0).argmax(0))) > 3  # not the same rows in every column
    kept = weight[weight != 0]
    assert abs(kept.std() - 3) < 5 * 3 / math.sqrt(2 * kept.size)
    assert not init.sparse_(pyconv.empty(5, 5), 1.0).array.any()


# --- truncated draws ------------------------------------------------------------------------------
@pytest.mark.parametrize(("mean", "std", "a", "b"), [(0, 1, -2, 2), (0.5, 0.1, 0.4, 0.9), (0, 1, 3, 5), (0, 2, -0.1, 0.3),
                                                     (1, 1, -7, -4)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_truncated_normal_has_the_right_moments(mean, std, a, b, dtype):
    from scipy.stats import truncnorm

    values = init.trunc_normal_(pyconv.empty(200, 300, dtype=dtype), mean, std, a, b).array.astype(np.float64)
    assert values.min() >= np.array(a, dtype)
    assert values.max() <= np.array(b, dtype)
    law = truncnorm((a - mean) / std, (b - mean) / std, mean, std)
    n = values.size
    assert abs(values.mean() - law.mean()) < 5 * law.std() / math.sqrt(n)
    fourth = float(law.stats("k")) + 3
    assert abs(values.std() - law.std()) < 5 * law.std() * math.sqrt((fourth - 1) / (4 * n))


def test_seeds_decide(threads):
    def draws():
        pyconv.manual_seed(9)
        return [f(pyconv.empty(20, 30)).array for f in (
            init.orthogonal_, init.trunc_normal_, lambda t: init.sparse_(t, 0.5))]

    for first, second in zip(draws(), draws(), strict=True):
        np.testing.assert_array_equal(first, second)
    generator = pyconv.Generator()
    generator.manual_seed(3)
    one = init.trunc_normal_(pyconv.empty(5), generator=generator).array
    generator.manual_seed(3)
    np.testing.assert_array_equal(init.trunc_normal_(pyconv.empty(5), generator=generator).array, one)


def test_meta_and_empty_tensors_are_left_alone():
    for fill in (init.eye_, init.orthogonal_, init.trunc_normal_, lambda t: init.sparse_(t, 0.5)):
        assert fill(pyconv.empty(4, 3, device="meta")).is_meta
    for fill in (init.dirac_, init.bilinear_):
        assert fill(pyconv.empty(3, 1, 3, device="meta")).is_meta
    assert init.orthogonal_(pyconv.empty(0, 3)).shape == (0, 3)
    assert init.trunc_normal_(pyconv.empty(0)).shape == (0,)
    assert init.dirac_(pyconv.empty(2, 2, 0)).shape == (2, 2, 0)


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: init.eye_(pyconv.zeros(3)), ValueError, r"\[eye_\] tensor has shape \(3,\), expected 2 axes"),
    (lambda: init.dirac_(pyconv.zeros(3, 3)), ValueError, r"\[dirac_\] .*expected 3 to 5 axes"),
    (lambda: init.dirac_(pyconv.zeros(3, 3, 3), 2), ValueError, r"groups is 2, expected a divisor of 3"),
    (lambda: init.bilinear_(pyconv.zeros(4, 3, 3, 3)), ValueError, r"expected as many channels on both sides"),
    (lambda: init.orthogonal_(pyconv.zeros(3)), ValueError, r"\[orthogonal_\] .*expected 2 to 8 axes"),
    (lambda: init.orthogonal_(pyconv.zeros(3, 3, dtype="int64")), TypeError, r"has dtype int64, expected float"),
    (lambda: init.sparse_(pyconv.zeros(3, 3, 3), 0.5), ValueError, r"\[sparse_\] .*expected 2 axes"),
    (lambda: init.sparse_(pyconv.zeros(3, 3), 1.5), ValueError, r"sparsity is 1.5, expected a number from 0 to 1"),
    (lambda: init.trunc_normal_(pyconv.zeros(3), std=0), ValueError, r"std is 0 and the interval from -2.0 to 2.0"),
    (lambda: init.trunc_normal_(pyconv.zeros(3), a=2, b=2), ValueError, r"expected std above 0 and a below b"),
    (lambda: init.trunc_normal_(pyconv.zeros(3), a=float("nan")), ValueError, r"a is nan, expected a finite number"),
    (lambda: init.trunc_normal_(pyconv.zeros(3), a=1e6, b=2e6), ValueError, r"1e\+06 standard deviations away"),
    (lambda: init.trunc_normal_(np.zeros(3)), TypeError, r"tensor is ndarray, expected a Tensor"),
])
def test_misuse(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_interpolation_of_the_lecture():
    x = np.array([[[[4.0, 2, 4], [6, 4, 6], [2, 12, 2]]]])
    weight = init.bilinear_(pyconv.empty(1, 1, 3, 3, dtype="float64"))
    got = F.conv_transpose2d(pyconv.tensor(x), weight, stride=2, padding=1)
    assert got.array[0, 0, 0].tolist() == [4, 3, 2, 3, 4]
