"""ResNet and ResNeXt for 32x32 images."""

from __future__ import annotations

import numpy as np
import pytest
from peers import torchvision
from zoo import draw, same_as_torch, step_lowers_loss

import pyconv
from pyconv import models, runtime
from pyconv.nn import functional as F


def torch_resnet(torch, blocks, plain):
    """Written down once more, with PyTorch."""
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self, c, k):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(c, k, 3, k // c, 1, bias=False), nn.BatchNorm2d(k)
            self.conv2, self.bn2 = nn.Conv2d(k, k, 3, 1, 1, bias=False), nn.BatchNorm2d(k)

        def forward(self, x):
            y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
            if plain:
                return y.relu()
            if y.shape == x.shape:
                return (y + x).relu()
            zeros = torch.zeros_like(x[:, ::2, ::2, ::2])  # half as many channels, of half the size
            return (y + torch.cat([zeros, x[:, :, ::2, ::2], zeros], 1)).relu()

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
            for i, (c, k) in enumerate([(16, 16), (16, 32), (32, 64)], 1):
                setattr(self, f"layer{i}", nn.Sequential(Block(c, k), *(Block(k, k) for _ in range(blocks - 1))))
            self.linear = nn.Linear(64, 10)

        def forward(self, x):
            x = self.layer3(self.layer2(self.layer1(self.bn1(self.conv1(x)).relu())))
            return self.linear(x.mean((2, 3)))

    return Net()


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("depth", [20, pytest.param(56, marks=pytest.mark.full)])
def test_resnet_same_as_torch(depth, plain, torch):
    torch.manual_seed(0)
    theirs = torch_resnet(torch, depth // 6, plain)
    same_as_torch(models.create_model(f"resnet{depth}_cifar", plain=plain), theirs, draw(3, 3, 16, 16), 10, double=True)


@pytest.mark.parametrize(("groups", "width"), [
    (4, 16), pytest.param(8, 64, marks=pytest.mark.full), pytest.param(16, 64, marks=pytest.mark.full)])
def test_resnext_same_as_torch(groups, width, torch):
    nn, Bottleneck = torch.nn, torchvision().models.resnet.Bottleneck

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64)
            for i, (c, k) in enumerate([(64, 64), (256, 128), (512, 256)], 1):
                stride = 1 if i == 1 else 2
                down = nn.Sequential(nn.Conv2d(c, 4 * k, 1, stride, bias=False), nn.BatchNorm2d(4 * k))
                setattr(self, f"layer{i}", nn.Sequential(
                    Bottleneck(c, k, stride, down, groups, width), Bottleneck(4 * k, k, 1, None, groups, width),
                    Bottleneck(4 * k, k, 1, None, groups, width)))
            self.fc = nn.Linear(1024, 10)

        def forward(self, x):
            x = self.layer3(self.layer2(self.layer1(self.bn1(self.conv1(x)).relu())))
            return self.fc(x.mean((2, 3)))

    torch.manual_seed(0)
    same_as_torch(models.ResNeXtCifar(groups, width), Net(), draw(2, 3, 8, 8), 10, double=True)


@pytest.mark.parametrize("plain", [False, True])
def test_a_step_lowers_the_loss(plain):
    pyconv.manual_seed(0)
    model = models.resnet20_cifar(plain=plain)
    x, y = pyconv.from_numpy(draw(8, 3, 32, 32)), pyconv.arange(8)
    step_lowers_loss(model, lambda: F.cross_entropy(model(x), y), 1e-2)


def test_a_step_of_resnext_lowers_the_loss():
    pyconv.manual_seed(0)
    model = models.resnext29_8x64d(num_classes=4)
    x, y = pyconv.from_numpy(draw(4, 3, 8, 8)), pyconv.arange(4)
    step_lowers_loss(model, lambda: F.cross_entropy(model(x), y))


def test_1202_layers_learn():
    pyconv.manual_seed(0)
    model = models.resnet1202_cifar()
    assert sum(1 for m in model.modules() if isinstance(m, pyconv.nn.Conv2d)) == 1201
    x, y = pyconv.from_numpy(draw(2, 3, 8, 8)), pyconv.tensor([3, 7])
    step_lowers_loss(model, lambda: F.cross_entropy(model(x), y), 1e-5)


def test_a_shortcut_without_parameters():
    model = models.resnet20_cifar()
    x = draw(1, 16, 4, 4)
    found = model.layer2[0].smaller(pyconv.from_numpy(x)).array
    assert found.shape == (1, 32, 2, 2)
    np.testing.assert_array_equal(found[:, 8:24], x[:, :, ::2, ::2])
    assert not found[:, :8].any()
    assert not found[:, 24:].any()


def gradients_and_peak(depth, segments, n):
    """Of one training step: gradients and running statistics, and the most memory that was in use."""
    pyconv.manual_seed(0)
    model = models.ResNetCifar(depth, segments=segments)
    x, y = pyconv.from_numpy(draw(n, 3, 32, 32)), pyconv.arange(n)
    runtime.reset_peak()
    before = runtime.memory()["current_bytes"]
    F.cross_entropy(model(x), y).backward()
    peak = runtime.memory()["peak_bytes"] - before
    return [p.grad.array for p in model.parameters()] + [b.array for b in model.buffers()], peak


@pytest.mark.parametrize(("depth", "segments"), [(44, 3), (32, 5), pytest.param(1202, 14, marks=pytest.mark.full)])
def test_segments_give_the_same_bits_in_less_memory(depth, segments):
    expected, much = gradients_and_peak(depth, 1, 4)
    found, less = gradients_and_peak(depth, segments, 4)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)
    assert less < 0.7 * much


@pytest.mark.full
def test_memory_of_1202_layers_per_image():
    """As the documentation has it, above that of parameters and gradients."""
    for segments, megabytes in ((1, 90), (14, 9)):
        one, eight = (gradients_and_peak(1202, segments, n)[1] for n in (1, 8))
        assert eight - one < 7 * megabytes * 1e6


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: models.ResNetCifar(21), ValueError, r"\[ResNetCifar\] depth is 21, expected 6n \+ 2"),
        (lambda: models.ResNetCifar(2), ValueError, r"\[ResNetCifar\] depth is 2, expected at least 8"),
        (lambda: models.resnet20_cifar(num_classes=0), ValueError, r"\[ResNetCifar\] num_classes is 0"),
        (lambda: models.resnet20_cifar(plain=1), TypeError, r"\[ResNetCifar\] plain is 1, expected True or False"),
        (lambda: models.resnet1202_cifar(segments=0), ValueError, r"\[ResNetCifar\] segments is 0, expected at least 1"),
        (lambda: models.resnet1202_cifar(segments=201), ValueError,
         r"\[ResNetCifar\] segments is 201, expected 1 to 200"),
        (lambda: models.resnet20_cifar(shortcut="B"), TypeError, r"shortcut"),
        (lambda: models.resnet20_cifar()(pyconv.zeros(1, 1, 32, 32)), ValueError, r"conv1 \(Conv2d\)"),
        (lambda: models.ResNeXtCifar(groups=0), ValueError, r"\[ResNeXtCifar\] groups is 0"),
        (lambda: models.resnext29_8x64d(num_classes=0), ValueError, r"\[ResNeXtCifar\] num_classes is 0"),
    ],
)
def test_misuse(call, error, match):
    with pyconv.device("meta"), pytest.raises(error, match=match):
        call()
