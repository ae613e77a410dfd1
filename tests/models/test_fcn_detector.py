"""The fully convolutional detector."""

from __future__ import annotations

import numpy as np
import pytest
from zoo import counts, draw, step_lowers_loss

import pyconv
from pyconv import models
from pyconv.nn import functional as F


def test_counts():
    filters = [(3, 32), (32, 64), (64, 128), (128, 256)]
    parameters = sum(9 * i * o + o for i, o in filters) + 257
    sides = (126, 61, 28, 12)  # 128 pixels, less 2 for the filters, halved three times
    macs = sum(9 * i * o * n * n for (i, o), n in zip(filters, sides, strict=True)) + 256 * 12 * 12
    assert counts("fcn_detector") == (parameters, macs) == (388_673, 182_609_280)


def test_a_cell_is_the_classifier_on_its_window():
    model = models.fcn_detector(num_classes=2).eval()
    x = draw(1, 3, 38 + 8 * 2 + 5, 38 + 8 + 7)
    with pyconv.no_grad():
        heat = model(pyconv.from_numpy(x)).numpy()
        assert heat.shape == (1, 2, 3, 2)
        for i in range(3):
            for j in range(2):
                window = np.ascontiguousarray(x[:, :, 8 * i:8 * i + 38, 8 * j:8 * j + 38])
                alone = model(pyconv.from_numpy(window)).numpy()
                np.testing.assert_allclose(heat[:, :, i:i + 1, j:j + 1], alone, rtol=1e-4, atol=1e-5 * np.abs(heat).max())


@pytest.mark.parametrize(("size", "cells"), [((38, 45), (1, 1)), ((46, 53), (2, 2)), ((128, 54), (12, 3))])
def test_sizes(size, cells):
    model = models.fcn_detector()
    assert model(pyconv.zeros(2, 3, *size)).shape == (2, 1, *cells)
    assert model.targets([[], []], size).shape == (2, 1, *cells)
    assert pyconv.summary(model, (1, 3, 128, 128)).rows[-1].receptive_field == (38, 38)


def test_targets_are_highest_at_the_nearest_cell():
    maps = models.fcn_detector(num_classes=2).targets([[(18.5 + 16, 18.5 + 8, 1), (18.5, 18.5, 1)], []], (70, 70)).numpy()
    assert maps.shape == (2, 2, 5, 5)
    assert maps[0, 1, 1, 2] == maps[0, 1, 0, 0] == 1
    assert not maps[0, 0].any()
    assert not maps[1].any()
    np.testing.assert_allclose(maps[0, 1, 1, 3], np.exp(-0.5), rtol=1e-6)
    np.testing.assert_allclose(maps[0, 1, 2, 3], np.exp(-1), rtol=1e-6)


class Drawn(models.FCNDetector):
    """A detector whose heat map is given."""

    def forward(self, x):
        return x


def logit(p):
    return pyconv.from_numpy(np.log(p / (1 - p)).astype(np.float32))


def test_peaks():
    p = np.full((2, 2, 5, 6), 0.01)
    p[0, 0, 1, 1:3] = 0.9  # equal neighbours: one object, between the two
    p[0, 0, 4, 5] = 0.6  # in a corner
    p[0, 1, 2, 2] = 0.8
    p[0, 1, 3, 3] = 0.7  # beside a surer one
    p[1, 0, 0, 0] = 0.4  # not sure enough
    found = Drawn(num_classes=2).detect(logit(p))
    assert [f.shape for f in found] == [(3, 4), (0, 4)]
    np.testing.assert_array_equal(found[0][:, 2], [0, 1, 0])
    np.testing.assert_allclose(found[0][:, 3], [0.9, 0.8, 0.6], rtol=1e-5)
    assert 18.5 + 8 < found[0][0, 0] < 18.5 + 16  # x
    assert abs(found[0][0, 1] - 18.5 - 8) < 0.1  # y
    weights = np.array([[0.01, 0.01], [0.01, 0.6]])
    expected = 18.5 + 8 * (4 + weights.sum(0)[1] / weights.sum())
    np.testing.assert_allclose(found[0][2, 0], expected, rtol=1e-5)
    assert len(Drawn().detect(logit(p[1:, :1]), threshold=0.3)[0]) == 1


def pictures(count, size, seed):
    """One bright disc on noise in each, and where it is."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 0.3, (count, 1, size, size)).astype(np.float32)
    centers = rng.uniform(22, size - 22, (count, 2))
    rows, columns = np.indices((size, size))
    for picture, (cx, cy) in zip(x, centers, strict=True):
        picture[0] += (rows - cy) ** 2 + (columns - cx) ** 2 < 49
    return pyconv.from_numpy(x), centers


def test_it_learns_to_find_discs():
    model = models.fcn_detector(in_channels=1)
    optimizer = pyconv.optim.Adam(model.parameters(), lr=1e-3)
    for step in range(40):
        x, centers = pictures(8, 70, step)
        target = model.targets([[(cx, cy, 0)] for cx, cy in centers], (70, 70))
        loss = F.binary_cross_entropy_with_logits(model(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    x, centers = pictures(40, 94, 1000)  # larger than what it has seen
    found = model.detect(x, 0.3)
    distance = [np.sqrt(((f[0, :2] - c) ** 2).sum()) if len(f) else np.inf for f, c in zip(found, centers, strict=True)]
    assert np.mean(np.array(distance) < 6) > 0.9
    assert sum(len(f) for f in found) <= 44  # and little else


def test_a_step_lowers_the_loss():
    model, x = models.fcn_detector(), pyconv.from_numpy(draw(2, 3, 54, 46))
    target = model.targets([[(20, 20, 0)], [(25, 30, 0)]], (54, 46))
    step_lowers_loss(model, lambda: F.binary_cross_entropy_with_logits(model(x), target))


def test_names_of_the_state():
    assert list(models.fcn_detector().state_dict())[::2] == [*(f"conv{i}.weight" for i in range(1, 5)), "score.weight"]


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: models.fcn_detector()(pyconv.zeros(1, 3, 37, 64)), ValueError,
     r"\[fcn_detector\] x has 37 x 64 pixels, expected at least 38 x 38"),
    (lambda: models.fcn_detector()(pyconv.zeros(1, 1, 64, 64)), ValueError, r"\[fcn_detector\] x has shape \(1, 1, 64, 64\)"),
    (lambda: models.fcn_detector(num_classes=0), ValueError, r"\[fcn_detector\] num_classes is 0"),
    (lambda: models.fcn_detector(in_channels=True), TypeError, r"\[fcn_detector\] in_channels is True"),
    (lambda: models.fcn_detector().targets([[(5, 5, 1)]], (64, 64)), IndexError,
     r"\[fcn_detector.targets\] class is 1, expected 0 to 0"),
    (lambda: models.fcn_detector().targets([[]], (64, 64), sigma=0), ValueError, r"sigma is 0"),
    (lambda: models.fcn_detector().detect(pyconv.zeros(1, 3, 64, 64), threshold=2), ValueError,
     r"\[fcn_detector.detect\] threshold is 2.0, expected a number from 0 to 1"),
])
def test_misuse(call, error, match):
    with pytest.raises(error, match=match):
        call()
