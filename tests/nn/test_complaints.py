"""What goes wrong most often in a network: the message names the layer, the cause and the likely fix."""

from __future__ import annotations

import numpy as np
import pytest

import pyconv
from pyconv import nn
from pyconv.errors import ShapeError
from pyconv.nn import functional as F


class Net(nn.Module):
    def __init__(self, *features):
        super().__init__()
        self.features = nn.Sequential(*features)

    def forward(self, x):
        return self.features(x)


class Log(nn.Module):
    def forward(self, x):
        return x.log()


class Root(nn.Module):
    def forward(self, x):
        return x.sqrt()


# --- shapes ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(("layer", "shape", "match"), [
    (nn.Conv2d(64, 8, 3), (1, 32, 9, 9), r"features\.1 \(Conv2d\): .*weight has 64 .*: expected 64 channels, got 32$"),
    (nn.Conv2d(8, 8, 3, groups=2), (1, 6, 9, 9), r"x has 6 in 2 groups of 3 .*: expected 8 channels, got 6$"),
    (nn.Conv1d(4, 8, 3), (1, 5, 9), r"\(Conv1d\): .*: expected 4 channels, got 5$"),
    (nn.ConvTranspose2d(6, 8, 3), (1, 5, 9, 9), r"\(ConvTranspose2d\): .*: expected 6 channels, got 5$"),
])
def test_wrong_number_of_channels(layer, shape, match):
    with pytest.raises(ShapeError, match=match):
        Net(nn.Identity(), layer)(pyconv.zeros(*shape))


@pytest.mark.parametrize(("x", "layer", "match"), [
    (pyconv.zeros(2, 7200), nn.Linear(1000, 10),
     r"^features\.1 \(Linear\): \[linear\] input has 7200 features, expected 1000 .*; Linear\(7200, 10\) would fit$"),
    (pyconv.zeros(2, 32, 15, 15), nn.Linear(7200, 10),
     r"input has 15 features, expected 7200 .*; flattened it has 7200: put Flatten\(\) before this layer$"),
    (pyconv.zeros(2, 32, 15, 15), nn.Linear(1000, 10),
     r"input has 15 features.*; is a Flatten\(\) missing\? Then it would be Linear\(7200, 10\)$"),
])
def test_linear_that_does_not_fit(x, layer, match):
    with pytest.raises(ShapeError, match=match):
        Net(nn.Identity(), layer)(x)


@pytest.mark.parametrize(("x", "layer", "match"), [
    (pyconv.zeros(2, 32, 32, 3), nn.Conv2d(3, 8, 3), r"x\.permute\(0, 3, 1, 2\)"),
    (pyconv.zeros(32, 32, 3), nn.Conv2d(3, 8, 3), r"or x\.permute\(2, 0, 1\) without a batch$"),
    (pyconv.zeros(2, 32, 32, 4), nn.Conv2d(4, 8, 3, groups=2), r"x\.permute\(0, 3, 1, 2\)"),
    (pyconv.zeros(2, 33, 33, 4), nn.Conv2d(4, 8, 3, groups=2), r"x\.permute\(0, 3, 1, 2\)"),
    (pyconv.zeros(2, 9, 3), nn.Conv1d(3, 8, 3), r"x\.permute\(0, 2, 1\)"),
    (pyconv.zeros(2, 5, 9, 9, 3), nn.Conv3d(3, 8, 3), r"x\.permute\(0, 4, 1, 2, 3\)"),
    (pyconv.zeros(2, 32, 32, 3), nn.ConvTranspose2d(3, 8, 3), r"x\.permute\(0, 3, 1, 2\)"),
])
def test_channels_last_pictures_are_recognised(x, layer, match):
    with pytest.raises(ShapeError, match=r"^features\.0 .*are the channels last\? Here they come second: .*" + match):
        Net(layer)(x)
    with pytest.raises(ShapeError) as caught:
        Net(layer)(pyconv.zeros(*x.shape[:-1], 7))
    assert "channels last" not in str(caught.value)


# --- labels ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(("target", "match"), [
    ([0, 3], r"target\[1\] is 3, expected 0 to 2 .*: sample 1, 3 classes; do labels count from 1\? Else the last layer "
             r"needs 4 outputs$"),
    ([9, 0], r"target\[0\] is 9, .*: sample 0, 3 classes; the last layer needs 10 outputs for it$"),
    ([0, -1], r"target\[1\] is -1, expected 0 to 2 \(or ignore_index -100\): sample 1, 3 classes$"),
    ([0, 2**63 - 1], r"sample 1, 3 classes$"),
])
def test_labels_out_of_range(target, match):
    for loss in (nn.CrossEntropyLoss(), nn.NLLLoss()):
        with pytest.raises(IndexError, match=match):
            loss(pyconv.zeros(2, 3), pyconv.tensor(target))


def test_labels_of_maps_name_the_sample():
    target = np.zeros((4, 2, 5), np.int64)
    target[2, 1, 3] = 8
    with pytest.raises(IndexError, match=r"target\[2, 1, 3\] is 8, .*: sample 2, 3 classes"):
        F.cross_entropy(pyconv.zeros(4, 3, 2, 5), target)
    with pytest.raises(IndexError, match=r"target is 1, expected 0 to 0 \(or ignore_index -100\): 1 class; do labels"):
        F.cross_entropy(pyconv.zeros(1), np.array(1))


# --- NaN and Inf ----------------------------------------------------------------------------------
def test_anomaly_names_the_layer_of_a_forward_pass():
    text = r"^features\.1 \(Log\): \[detect_anomaly\] log: its output 0 holds NaN at \(0, 1\); its inputs were finite$"
    with pyconv.detect_anomaly(), pytest.raises(RuntimeError, match=text):
        Net(nn.Identity(), Log(), nn.ReLU())(pyconv.tensor([[1.0, -1.0]]))


def test_anomaly_names_the_layer_of_a_backward_pass():
    x = pyconv.tensor([0.0, 1.0], requires_grad=True)
    text = (r"^features\.2 \(Root\): \[detect_anomaly\] sqrt: the gradient of its input 0 holds Inf at \(0,\); "
            r"the forward call was at .*test_complaints\.py:\d+$")
    with pyconv.detect_anomaly():
        y = Net(nn.Identity(), nn.Identity(), Root(), nn.Identity())(x)
        with pytest.raises(RuntimeError, match=text):
            y.sum().backward()
        y = Root()(x)
        with pytest.raises(RuntimeError, match=r"^Root: \[detect_anomaly\] sqrt: the gradient"):
            y.sum().backward()


def test_anomaly_finds_the_first_layer_of_several():
    model = Net(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 3), nn.Flatten(), nn.Linear(2, 2))
    model.features[0].weight.array[:] = 1
    model.features[2].weight.array[:] = 3e38
    with pyconv.detect_anomaly(), pytest.raises(RuntimeError, match=r"^features\.2 \(Conv2d\): .* conv: its output 0"):
        model(pyconv.full((1, 1, 5, 5), 1e3))
    model(pyconv.zeros(1, 1, 5, 5))


def test_a_failed_call_leaves_no_trace():
    model = Net(Log())
    with pyconv.detect_anomaly(), pytest.raises(RuntimeError):
        model(pyconv.tensor([-1.0]))
    x = pyconv.tensor([0.0], requires_grad=True)
    with pyconv.detect_anomaly(), pytest.raises(RuntimeError, match=r"^\[detect_anomaly\] sqrt"):  # no layer
        x.sqrt().sum().backward()
