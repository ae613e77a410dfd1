"""VGG."""

from __future__ import annotations

import pytest
from peers import torchvision
from zoo import draw, same_as_torch, step_lowers_loss

import pyconv
from pyconv import models, nn
from pyconv.nn import functional as F

NAMES = ["vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn"]


def narrow(lib, make, **options):
    """A network whose linear layers are 64 wide: the convolutions are what is compared, in little memory."""
    with lib.device("meta"):
        model = make(num_classes=7, dropout=0.0, **options)
    with lib.device("cpu"):
        model.avgpool = lib.nn.AdaptiveAvgPool2d((2, 2))
        model.classifier[0], model.classifier[3] = lib.nn.Linear(2048, 64), lib.nn.Linear(64, 64)
        model.classifier[6] = lib.nn.Linear(64, 7)
    model.features.to_empty(device="cpu")
    return model


@pytest.mark.parametrize("name", [
    name if name in ("vgg11", "vgg11_bn") else pytest.param(name, marks=pytest.mark.full) for name in NAMES])
def test_convolutions_are_the_same_in_torch(name, torch):
    torch.manual_seed(0)
    theirs = narrow(torch, getattr(torchvision().models, name), init_weights=False)
    for layer in theirs.features:
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    same_as_torch(narrow(pyconv, getattr(models, name)), theirs, draw(3, 3, 32, 48), 7,
                  double=name.endswith("_bn"))


@pytest.mark.full
@pytest.mark.parametrize("name", ["vgg11", "vgg16", "vgg16_bn", "vgg19"])
def test_same_as_torch(name, torch):
    torch.manual_seed(1)
    theirs = getattr(torchvision().models, name)(dropout=0.0, init_weights=False)
    same_as_torch(models.create_model(name, dropout=0.0), theirs, draw(2, 3, 64, 64), double=name.endswith("_bn"))


def test_a_step_lowers_the_loss():
    pyconv.manual_seed(0)
    model = narrow(pyconv, models.vgg11_bn)
    for layer in model.features:
        if isinstance(layer, (nn.Conv2d, nn.BatchNorm2d)):
            layer.reset_parameters()
    x, y = pyconv.from_numpy(draw(4, 3, 32, 32)), pyconv.tensor([0, 1, 2, 3])
    step_lowers_loss(model, lambda: F.cross_entropy(model(x), y))


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: models.vgg16(num_classes=0), ValueError, r"\[VGG\] num_classes is 0, expected at least 1"),
        (lambda: models.vgg16(dropout=2), ValueError, r"\[Dropout\] p is 2"),
        (lambda: models.vgg16(width=3), TypeError, r"width"),
        (lambda: models.vgg16()(pyconv.zeros(1, 4, 64, 64)), ValueError,
         r"features.0 \(Conv2d\): .*expected 3 channels, got 4"),
        (lambda: models.vgg16()(pyconv.zeros(1, 3, 16, 16)), ValueError, r"features.30 \(MaxPool2d\)"),
    ],
)
def test_misuse(call, error, match):
    with pyconv.device("meta"), pytest.raises(error, match=match):
        call()
