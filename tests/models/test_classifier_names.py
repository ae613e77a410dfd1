"""Names and shapes in the state of the networks that torchvision and timm have, and theirs."""

from __future__ import annotations

import pytest
from peers import timm, torchvision

import pyconv
from pyconv import models

NAMES = [
    "alexnet", "densenet121", "densenet161", "densenet169", "densenet201", "googlenet", "inception_v3", "resnet18",
    "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d", "vgg11",
    "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn", "wide_resnet50_2", "wide_resnet101_2"]


def state(model):
    return [(name, tuple(value.shape)) for name, value in model.state_dict().items()]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_those_of_torchvision(name, torch):
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    with torch.device("meta"):
        theirs = getattr(torchvision().models, name)(**options)
    with pyconv.device("meta"):
        ours = models.create_model(name)
    assert sorted(state(ours)) == sorted(state(theirs))


def test_names_are_those_of_timm_for_torch(torch):
    with torch.device("meta"):
        theirs = timm().create_model("inception_v4")
    with pyconv.device("meta"):
        assert state(models.inception_v4()) == state(theirs)
