"""FCN on ResNet, beside torchvision's."""

from __future__ import annotations

import numpy as np
import peers
import pytest
from zoo import counts, draw, same_maps_as_torch, step_lowers_loss

import pyconv
from pyconv import models
from pyconv.nn import functional as F


@pytest.mark.parametrize(("name", "aux", "parameters", "macs"), [
    ("fcn_resnet50", True, 35_322_218, 152_716_512_000), ("fcn_resnet50", None, 32_957_013, 142_725_772_800),
    ("fcn_resnet101", True, 54_314_346, 232_737_606_400), ("fcn_resnet101", False, 51_949_141, 222_746_867_200)])
def test_counts(name, aux, parameters, macs):
    assert counts(name, (3, 520, 520), aux_loss=aux) == (parameters, macs)


@pytest.mark.parametrize("name", ["fcn_resnet50", "fcn_resnet101"])
@pytest.mark.parametrize("aux", [False, True])
def test_names_of_the_state(name, aux):
    torch, vision = pytest.importorskip("torch", reason="PyTorch is not installed"), peers.torchvision()
    with torch.device("meta"):
        theirs = getattr(vision.models.segmentation, name)(weights=None, weights_backbone=None, aux_loss=aux)
    with pyconv.device("meta"):
        ours = models.create_model(name, aux_loss=aux)
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: tuple(v.shape) for k, v in theirs.state_dict().items()}


@pytest.mark.parametrize(("training", "x"), [
    (False, draw(1, 3, 35, 50)), pytest.param(True, draw(2, 3, 37, 34).astype(np.float64), marks=pytest.mark.full)],
    ids=["float32", "float64"])
def test_fcn_resnet50_is_torchvisions(training, x):
    torch, vision = pytest.importorskip("torch", reason="PyTorch is not installed"), peers.torchvision()
    torch.manual_seed(0)
    theirs = vision.models.segmentation.fcn_resnet50(weights=None, weights_backbone=None, aux_loss=True)
    ours = models.fcn_resnet50(aux_loss=True)
    for dropout in (ours.classifier[3], ours.aux_classifier[3], theirs.classifier[3], theirs.aux_classifier[3]):
        assert dropout.p == 0.1
        dropout.p = 0.0
    same_maps_as_torch(ours, theirs, x, training)
    with torch.no_grad():
        assert list(ours.eval()(pyconv.from_numpy(x))) == list(theirs.eval()(torch.from_numpy(x))) == ["out", "aux"]


@pytest.mark.full
def test_fcn_resnet101_is_torchvisions():
    torch, vision = pytest.importorskip("torch", reason="PyTorch is not installed"), peers.torchvision()
    torch.manual_seed(0)
    theirs = vision.models.segmentation.fcn_resnet101(weights=None, weights_backbone=None)
    same_maps_as_torch(models.fcn_resnet101(), theirs, draw(1, 3, 128, 96), training=False)


def test_a_step_lowers_the_loss():
    model = models.fcn_resnet50(num_classes=3, aux_loss=True)
    for head in (model.classifier, model.aux_classifier):
        head[3].p = 0.0
    x, labels = pyconv.from_numpy(draw(2, 3, 48, 48)), pyconv.tensor(np.random.default_rng(0).integers(0, 3, (2, 48, 48)))

    def loss():
        scores = model(x)
        return F.cross_entropy(scores["out"], labels) + 0.5 * F.cross_entropy(scores["aux"], labels)

    step_lowers_loss(model, loss, 1e-3)


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: models.fcn_resnet50(num_classes=0), ValueError, r"\[fcn_resnet50\] num_classes is 0, expected at least 1"),
    (lambda: models.fcn_resnet101(in_channels=0.5), TypeError, r"\[fcn_resnet101\] in_channels is 0.5, expected a whole"),
    (lambda: models.fcn_resnet50(aux_loss="yes"), TypeError, r"\[fcn_resnet50\] aux_loss is 'yes', expected True or False"),
    (lambda: models.fcn_resnet50()(pyconv.zeros(1, 1, 20, 20)), ValueError,
     r"\[fcn_resnet50\] x has shape \(1, 1, 20, 20\), expected \(N, 3, H, W\)"),
])
def test_misuse(call, error, match):
    with pyconv.device("meta"), pytest.raises(error, match=match):
        call()
