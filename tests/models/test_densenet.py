"""DenseNet."""

from __future__ import annotations

import numpy as np
import pytest
from peers import torchvision
from zoo import draw, same_as_torch, step_lowers_loss

import pyconv
from pyconv import models, runtime
from pyconv.nn import functional as F


def test_small_network_same_as_torch(torch):
    torch.manual_seed(0)
    options = {"growth_rate": 8, "block_config": (2, 1, 3, 1), "num_init_features": 12, "bn_size": 3, "num_classes": 9}
    theirs = torchvision().models.DenseNet(**options)
    same_as_torch(models.DenseNet(**options), theirs, draw(2, 3, 64, 64), 9, double=True)


@pytest.mark.full
@pytest.mark.parametrize("name", ["densenet121", "densenet169", "densenet201", "densenet161"])
def test_same_as_torch(name, torch):
    torch.manual_seed(0)
    theirs = getattr(torchvision().models, name)(num_classes=9)
    same_as_torch(models.create_model(name, num_classes=9), theirs, draw(3, 3, 64, 64), 9, double=True)


def torch_cifar(torch, depth, growth, bc):
    """With the bottlenecks and the transition of torchvision; the layer without a bottleneck written down once more."""
    nn, peer = torch.nn, torchvision().models.densenet

    class Layer(nn.Module):
        def __init__(self, c):
            super().__init__()
            self.norm1, self.conv1 = nn.BatchNorm2d(c), nn.Conv2d(c, growth, 3, padding=1, bias=False)

        def forward(self, x):
            return torch.cat([x, self.conv1(self.norm1(x).relu())], 1)

    features, c, n = nn.Sequential(), 2 * growth if bc else 16, (depth - 4) // (6 if bc else 3)
    features.add_module("conv0", nn.Conv2d(3, c, 3, padding=1, bias=False))
    for b in (1, 2, 3):
        if bc:
            block = peer._DenseBlock(n, c, 4, growth, 0.0)
        else:
            block = nn.Sequential()
            for i in range(n):
                block.add_module(f"denselayer{i + 1}", Layer(c + growth * i))
        features.add_module(f"denseblock{b}", block)
        c += n * growth
        if b < 3:
            features.add_module(f"transition{b}", peer._Transition(c, c // 2 if bc else c))
            c = c // 2 if bc else c
    features.add_module("norm_final", nn.BatchNorm2d(c))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.features, self.classifier = features, nn.Linear(c, 10)

        def forward(self, x):
            return self.classifier(self.features(x).relu().mean((2, 3)))

    return Net()


@pytest.mark.parametrize("arguments", [
    (13, 8, False), (22, 8, True),
    *(pytest.param(full, marks=pytest.mark.full) for full in ((40, 12, False), (100, 12, True), (190, 40, True)))])
def test_cifar_same_as_torch(arguments, torch):
    torch.manual_seed(0)
    same_as_torch(models.DenseNetCifar(*arguments), torch_cifar(torch, *arguments), draw(3, 3, 8, 8), 10, double=True)


@pytest.mark.parametrize(("make", "size"), [
    (lambda: models.densenet121(4, drop_rate=0.0), 64), (lambda: models.densenet40_12_cifar(4), 32),
    (lambda: models.densenet100_12_bc_cifar(4), 16)])
def test_a_step_lowers_the_loss(make, size):
    pyconv.manual_seed(0)
    model = make()
    x, y = pyconv.from_numpy(draw(4, 3, size, size)), pyconv.arange(4)
    step_lowers_loss(model, lambda: F.cross_entropy(model(x), y))


def test_the_same_bits_in_less_memory():
    found = []
    for efficient in (False, True):
        pyconv.manual_seed(0)
        model = models.DenseNet(8, (12, 16), 16, 4, 0.1, 5, memory_efficient=efficient)
        x, y = pyconv.from_numpy(draw(4, 3, 96, 96)), pyconv.arange(4)
        runtime.reset_peak()
        before = runtime.memory()["current_bytes"]
        F.cross_entropy(model(x), y).backward()
        peak = runtime.memory()["peak_bytes"] - before
        found.append((peak, [p.grad.numpy() for p in model.parameters()] + [b.numpy() for b in model.buffers()]))
    (much, expected), (little, got) = found
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_array_equal(a, b)
    assert little < 0.75 * much


def test_dropout_in_training_only():
    pyconv.manual_seed(0)
    model = models.DenseNetCifar(10, 4, drop_rate=0.5)
    x = pyconv.from_numpy(draw(2, 3, 8, 8))
    assert (model.eval()(x).detach().array == model(x).detach().array).all()
    model.train()
    assert not (model(x).detach().array == model(x).detach().array).all()


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: models.DenseNetCifar(41, 12), ValueError, r"\[DenseNetCifar\] depth is 41, expected 3n \+ 4"),
        (lambda: models.DenseNetCifar(40, 12, bc=False)(pyconv.zeros(1, 1, 32, 32)), ValueError,
         r"features.conv0 \(Conv2d\)"),
        (lambda: models.DenseNetCifar(99, 12, bc=True), ValueError, r"\[DenseNetCifar\] depth is 99, expected 6n \+ 4"),
        (lambda: models.DenseNetCifar(40, 0), ValueError, r"\[DenseNetCifar\] growth_rate is 0"),
        (lambda: models.DenseNetCifar(40, 12, bc="yes"), TypeError, r"\[DenseNetCifar\] bc is 'yes'"),
        (lambda: models.densenet121(num_classes=0), ValueError, r"\[DenseNet\] num_classes is 0"),
        (lambda: models.densenet40_12_cifar(num_classes=0), ValueError, r"\[DenseNetCifar\] num_classes is 0"),
        (lambda: models.densenet121(drop_rate=1.5), ValueError, r"\[DenseNet\] drop_rate is 1.5"),
        (lambda: models.DenseNet(bn_size=0), ValueError, r"\[DenseNet\] bn_size is 0"),
        (lambda: models.DenseNet(memory_efficient=1), TypeError, r"\[DenseNet\] memory_efficient is 1, expected True or False"),
    ],
)
def test_misuse(call, error, match):
    with pyconv.device("meta"), pytest.raises(error, match=match):
        call()
