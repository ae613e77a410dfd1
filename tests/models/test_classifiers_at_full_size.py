"""Networks that classify, forward and backward at the sizes that they were made for, and a step of training."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from zoo import draw

import pyconv
from pyconv import models
from pyconv.nn import functional as F

NAMES = [
    "alexnet", "alexnet2012", "densenet100_12_bc_cifar", "densenet121", "densenet161", "densenet169",
    "densenet190_40_bc_cifar", "densenet201", "densenet40_12_cifar", "googlenet", "googlenet2014", "inception_v3",
    "inception_v4", "lenet1", "lenet5", "lenet_caffe", "mlp", "resnet101", "resnet110_cifar", "resnet152", "resnet18",
    "resnet20_cifar", "resnet32_cifar", "resnet34", "resnet44_cifar", "resnet50", "resnet56_cifar", "resnext101_32x8d",
    "resnext101_64x4d", "resnext29_16x64d", "resnext29_8x64d", "resnext50_32x4d", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn",
    "vgg16", "vgg16_bn", "vgg19", "vgg19_bn", "wide_resnet101_2", "wide_resnet50_2", "zfnet"]


@pytest.mark.full
@pytest.mark.parametrize("name", NAMES)
def test_a_step_lowers_the_loss(name):
    options = {"dropout": 0.0, "aux_logits": False}  # one and the same loss before and after
    known = inspect.signature(getattr(models, name)).parameters
    model = models.create_model(name, **{key: value for key, value in options.items() if key in known})
    x, labels = pyconv.from_numpy(draw(2, *model.input_size)), pyconv.tensor([3, 7])
    loss = F.cross_entropy(model(x), labels)
    loss.backward()
    gradients = [p.grad.numpy() for p in model.parameters()]
    assert all(np.isfinite(g).all() for g in gradients)
    # So long a step that the loss would fall by a thousandth, were it a plane.
    lr = 1e-3 * loss.item() / sum(float((g.astype(np.float64) ** 2).sum()) for g in gradients)
    del gradients
    pyconv.optim.SGD(model.parameters(), lr=lr).step()
    with pyconv.no_grad():
        after = F.cross_entropy(model(x), labels).item()
    assert loss.item() * 0.9985 < after < loss.item() * 0.9995
