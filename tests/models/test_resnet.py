"""ResNet and ResNeXt."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from peers import torchvision
from zoo import draw, same_as_torch, step_lowers_loss

import pyconv
from pyconv import models, nn
from pyconv.nn import functional as F

NAMES = ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d",
         "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2"]


@pytest.mark.parametrize("name", [
    name if name == "resnet18" else pytest.param(name, marks=pytest.mark.full) for name in NAMES])
def test_same_as_torch(name, torch):
    torch.manual_seed(0)
    theirs = getattr(torchvision().models, name)(num_classes=11)
    same_as_torch(models.create_model(name, num_classes=11), theirs, draw(2, 3, 64, 64), 11,
                  double=name != "resnet18")


@pytest.mark.parametrize("options", [
    {"groups": 8, "width_per_group": 4, "replace_stride_with_dilation": [False, True, True]},
    {"width_per_group": 32, "replace_stride_with_dilation": [True, False, True],
     "norm_layer": lambda nn, c: nn.GroupNorm(4, c)}])
def test_a_few_bottlenecks_same_as_torch(options, torch):
    """Every option of the class, on two blocks at most per stage."""
    torch.manual_seed(2)
    peer = torchvision().models.resnet

    def build(nn, network, block):
        norm = {"norm_layer": functools.partial(options["norm_layer"], nn)} if "norm_layer" in options else {}
        return network(block, [1, 2, 1, 1], 3, **{**options, **norm})

    same_as_torch(build(nn, models.ResNet, models.Bottleneck), build(torch.nn, peer.ResNet, peer.Bottleneck),
                  draw(3, 3, 32, 24), 3, double=True)


@pytest.mark.full
@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnext50_32x4d"])
def test_same_as_torch_at_full_size(name, torch):
    torch.manual_seed(1)
    theirs = getattr(torchvision().models, name)()
    same_as_torch(models.create_model(name), theirs, draw(2, 3, 224, 224), double=True)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_blocks_that_begin_as_their_shortcut(name):
    model = models.create_model(name, num_classes=3, in_channels=1, zero_init_residual=True)
    last = model.layer3[1].bn2 if name == "resnet18" else model.layer3[1].bn3
    assert not last.weight.array.any()
    x = pyconv.from_numpy(np.abs(draw(1, model.inplanes // 2, 4, 4)))
    np.testing.assert_array_equal(model.eval().layer3[1](x.clone()).detach().array, x.array)


def test_a_step_lowers_the_loss():
    pyconv.manual_seed(0)
    model = models.resnet18(num_classes=4)
    x, y = pyconv.from_numpy(draw(4, 3, 64, 64)), pyconv.tensor([0, 1, 2, 3])
    step_lowers_loss(model, lambda: F.cross_entropy(model(x), y))


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: models.resnet18(num_classes=0), ValueError, r"\[ResNet\] num_classes is 0, expected at least 1"),
        (lambda: models.resnet18(num_classes=2.5), TypeError, r"\[ResNet\] num_classes is 2.5, expected a whole"),
        (lambda: models.resnet18(in_channels=0), ValueError, r"\[Conv2d\] in_channels is 0"),
        (lambda: models.resnet18(depth=18), TypeError, r"depth"),
        (lambda: models.resnet50(replace_stride_with_dilation=[True]), ValueError,
         r"\[ResNet\] replace_stride_with_dilation is \[True\], expected None or three bools"),
        (lambda: models.resnet50(replace_stride_with_dilation=[1, 0, 0]), TypeError,
         r"replace_stride_with_dilation\[0\] is 1, expected True or False"),
        (lambda: models.resnet18(replace_stride_with_dilation=[False, False, True]), ValueError,
         r"\[BasicBlock\] .*dilation 2.*bottlenecks, such as resnet50"),
        (lambda: models.resnet18()(pyconv.zeros(1, 1, 64, 64)), ValueError, r"conv1 \(Conv2d\): .*expected 3 channels"),
        (lambda: models.resnet18()(pyconv.zeros(3, 64)), ValueError, r"conv1 \(Conv2d\)"),
    ],
)
def test_misuse(call, error, match):
    with pyconv.device("meta"), pytest.raises(error, match=match):
        call()
