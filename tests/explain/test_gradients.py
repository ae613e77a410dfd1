"""Saliency maps, the fast gradient sign method, and the losses of style transfer."""

from __future__ import annotations

import numpy as np
import pytest

import pyconv
from pyconv import explain, nn
from pyconv.errors import ShapeError
from pyconv.nn import functional as F
from pyconv.tensor import Tensor


@pytest.fixture
def model():
    pyconv.manual_seed(1)
    return nn.Sequential(nn.Conv2d(3, 4, 3, dtype="float64"), nn.Tanh(), nn.Flatten(),
                         nn.Linear(4 * 9, 5, dtype="float64")).eval()


@pytest.fixture
def x():
    return np.random.default_rng(0).standard_normal((2, 3, 5, 5))


def test_saliency_is_the_largest_slope_over_the_channels(model, x):
    got = explain.saliency(model, x, [4, 1])
    assert got.shape == (2, 5, 5)
    for sample, label, row, column in ((0, 4, 2, 3), (1, 1, 0, 0)):
        slopes = []
        for channel in range(3):
            ends = []
            for step in (1e-6, -1e-6):
                moved = x.copy()
                moved[sample, channel, row, column] += step
                ends.append(model(Tensor(moved)).array[sample, label])
            slopes.append(abs(ends[0] - ends[1]) / 2e-6)
        assert got.array[sample, row, column] == pytest.approx(max(slopes), rel=1e-6)
    assert all(p.grad is None for p in model.parameters())
    with pyconv.no_grad():
        np.testing.assert_array_equal(explain.saliency(model, x, [4, 1]).array, got.array)


def test_fgsm_moves_every_pixel_and_the_score_the_right_way(model, x):
    labels = model(Tensor(x)).array.argmax(1)
    loss = F.cross_entropy(model(Tensor(x)), Tensor(labels)).item()
    away = explain.fgsm(model, x, labels, 0.05)
    np.testing.assert_allclose(np.abs(away.array - x), 0.05)
    assert F.cross_entropy(model(away), Tensor(labels)).item() > loss
    towards = explain.fgsm(model, Tensor(x), 3, 0.05, targeted=True)
    assert (model(towards).array[:, 3] > model(Tensor(x)).array[:, 3]).all()
    assert not towards.requires_grad


def test_style_losses_have_gradients():
    rng = np.random.default_rng(3)
    f = Tensor(rng.standard_normal((1, 3, 2, 4)), requires_grad=True)
    style, content = rng.standard_normal((1, 3, 5, 5)), rng.standard_normal((1, 3, 2, 4))
    assert pyconv.autograd.gradcheck(lambda f: explain.style_loss(f, Tensor(style)), f)
    assert pyconv.autograd.gradcheck(lambda f: explain.content_loss(f, Tensor(content)), f)
    ratio = explain.style_loss(f, Tensor(style), "slide").item() / explain.style_loss(f, Tensor(style)).item()
    assert ratio == pytest.approx(2 * 3**2 * 8**2)


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda m, x: explain.saliency(m, [1.0], 0), TypeError, r"\[saliency\] input is list"),
    (lambda m, x: explain.saliency(m, x[0, 0, 0], 0), ShapeError, r"input has shape \(5,\), expected a batch"),
    (lambda m, x: explain.saliency(m, x, 5), IndexError, r"\[saliency\] target is 5, expected 0 to 4"),
    (lambda m, x: explain.fgsm(m, x, [0, -1], 0.1), IndexError, r"\[fgsm\] target is -1, expected 0 to 4"),
    (lambda m, x: explain.saliency(m, x, [0, 1, 2]), TypeError, r"expected a class number or one per sample \(2\)"),
    (lambda m, x: explain.saliency(m, x, 0.5), TypeError, r"target is 0.5, expected a class number"),
    (lambda m, x: explain.saliency(lambda x: x, x, 0), ShapeError, r"model returned \(2, 3, 5, 5\), expected scores"),
    (lambda m, x: explain.gram_matrix(x), ShapeError, r"\[gram_matrix\] features has shape \(2, 3, 5, 5\), expected"),
    (lambda m, x: explain.style_loss(x[0], x[0, :2]), ShapeError, r"features has 3 maps and style 2"),
    (lambda m, x: explain.style_loss(x[0], x[0], "sum"), ValueError, r"normalization is 'sum', expected 'paper' or"),
    (lambda m, x: explain.content_loss(x[0], x[0, :2]), ShapeError, r"expected the same"),
])
def test_misuse(model, x, call, error, match):
    with pytest.raises(error, match=match):
        call(model, x)
