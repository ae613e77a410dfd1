"""DenseNet: each layer sees the maps of all layers before it, and adds a few of its own.

=======================  ==========  ==============  ======================  ==========
Network                  Parameters  Multiply-adds   Layers per dense block  Maps added
=======================  ==========  ==============  ======================  ==========
densenet121               7,978,856   2,834,161,664  6, 12, 24, 16                   32
densenet169              14,149,480   3,359,843,328  6, 12, 32, 32                   32
densenet201              20,013,928   4,291,365,888  6, 12, 48, 32                   32
densenet161              28,681,000   7,727,907,072  6, 12, 36, 24                   48
densenet40_12_cifar       1,019,722     264,812,928  12, 12, 12                      12
densenet100_12_bc_cifar     769,162     287,929,692  16, 16, 16                      12
densenet190_40_bc_cifar  25,624,430   9,301,945,740  31, 31, 31                      40
=======================  ==========  ==============  ======================  ==========

Multiply-adds are those of one image of 224x224 or, for CIFAR, 32x32. A layer is norm, relu, convolution 3x3; with a
bottleneck ("B") a norm, relu, convolution 1x1 to four times the maps added comes before. Between dense blocks a
transition of norm, relu, convolution 1x1 and a mean over 2x2 halves the size and, with compression ("C"), the number
of maps. The networks for 224x224 have both.

Source: Huang, Liu, van der Maaten and Weinberger, Densely connected convolutional networks, 2017. State names are
torchvision's, for CIFAR the same with ``features.norm_final`` at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyconv import nn
from pyconv.autograd import checkpoint
from pyconv.models.registry import register
from pyconv.nn import functional as F
from pyconv.nn.arguments import flag, number, whole
from pyconv.ops.join import cat

__all__ = [
    "DenseNet",
    "DenseNetCifar",
    "densenet40_12_cifar",
    "densenet100_12_bc_cifar",
    "densenet121",
    "densenet161",
    "densenet169",
    "densenet190_40_bc_cifar",
    "densenet201",
]


class _DenseLayer(nn.Module):
    """(N, C, H, W) to (N, C + growth, H, W): what it got, and its own maps behind. ``bn_size`` 0: no bottleneck."""

    memory_efficient = False

    def __init__(self, c: int, growth: int, bn_size: int, drop_rate: float) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(c)
        self.relu1 = nn.ReLU(inplace=True)
        if bn_size:
            self.conv1 = nn.Conv2d(c, bn_size * growth, 1, bias=False)
            self.norm2 = nn.BatchNorm2d(bn_size * growth)
            self.relu2 = nn.ReLU(inplace=True)
            self.conv2 = nn.Conv2d(bn_size * growth, growth, 3, padding=1, bias=False)
        else:
            self.conv1 = nn.Conv2d(c, growth, 3, padding=1, bias=False)
        self.bottleneck, self.drop_rate = bool(bn_size), drop_rate

    def narrowed(self, x: Any) -> Any:
        """What reads all maps: (N, C, H, W) to the width of the first convolution."""
        return self.conv1(self.relu1(self.norm1(x)))

    def forward(self, x: Any) -> Any:
        y = checkpoint(self.narrowed, x) if self.memory_efficient else self.narrowed(x)
        if self.bottleneck:
            y = self.conv2(self.relu2(self.norm2(y)))
        if self.drop_rate:
            y = F.dropout(y, self.drop_rate, self.training)
        return cat((x, y), 1)


def _add_blocks(features: nn.Sequential, c: int, growth: int, depths: Sequence[int], bn_size: int, drop_rate: float,
                compress: bool) -> int:
    """Append dense blocks and the transitions between them; returns how many maps come out."""
    for i, depth in enumerate(depths):
        if i:
            out = c // 2 if compress else c
            features.add_module(f"transition{i}", nn.Sequential({
                "norm": nn.BatchNorm2d(c), "relu": nn.ReLU(inplace=True), "conv": nn.Conv2d(c, out, 1, bias=False),
                "pool": nn.AvgPool2d(2, 2)}))
            c = out
        features.add_module(f"denseblock{i + 1}", nn.Sequential({
            f"denselayer{j + 1}": _DenseLayer(c + j * growth, growth, bn_size, drop_rate) for j in range(depth)}))
        c += depth * growth
    return c


def _initialise(model: nn.Module) -> None:
    """He's normal distribution (fan in) for convolutions, no bias at first."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)


class DenseNet(nn.Module):
    """A DenseNet-BC on (N, in_channels, H, W), made for 224x224.

    Args:
        growth_rate: maps that each layer adds.
        block_config: layers in each dense block.
        num_init_features: maps of the first convolution.
        bn_size: the bottleneck is this many times growth_rate wide.
        drop_rate: probability of dropout behind each layer.
        num_classes: scores per image, at least 1.
        in_channels: of the image, at least 1.
        memory_efficient: do not keep what the first norm of each layer makes of all maps so far, but compute it once more in
            the backward pass (`autograd.checkpoint`): the same bits, a third less memory in training.

    Raises TypeError and ValueError for arguments that can never work, ShapeError when called with an image that does
    not fit.
    """

    def __init__(self, growth_rate: int = 32, block_config: Sequence[int] = (6, 12, 24, 16),
                 num_init_features: int = 64, bn_size: int = 4, drop_rate: float = 0.0, num_classes: int = 1000,
                 in_channels: int = 3, memory_efficient: bool = False) -> None:
        super().__init__()
        whole("DenseNet", "growth_rate", growth_rate, 1)
        self.input_size = (in_channels, 224, 224)
        self.features = nn.Sequential({
            "conv0": nn.Conv2d(in_channels, num_init_features, 7, 2, 3, bias=False),
            "norm0": nn.BatchNorm2d(num_init_features), "relu0": nn.ReLU(inplace=True),
            "pool0": nn.MaxPool2d(3, 2, 1)})
        c = _add_blocks(self.features, num_init_features, growth_rate, block_config,
                        whole("DenseNet", "bn_size", bn_size, 1), number("DenseNet", "drop_rate", drop_rate, 0, 1), True)
        if flag("DenseNet", "memory_efficient", memory_efficient):
            for module in self.features.modules():
                if isinstance(module, _DenseLayer):
                    module.memory_efficient = True
        self.features.add_module("norm5", nn.BatchNorm2d(c))
        self.relu = nn.ReLU(inplace=True)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(c, whole("DenseNet", "num_classes", num_classes, 1))
        _initialise(self)

    def forward(self, x: Any) -> Any:
        """(N, in_channels, H, W) to scores (N, num_classes)."""
        return self.classifier(self.flatten(self.avgpool(self.relu(self.features(x)))))


class DenseNetCifar(nn.Module):
    """A DenseNet of three dense blocks on (N, in_channels, 32, 32).

    Args:
        depth: layers with weights: 3n + 4 for n layers per dense block, 6n + 4 with bottlenecks.
        growth_rate: maps that each layer adds.
        bc: bottlenecks and compression; the first convolution then has 2 * growth_rate maps instead of 16.
        num_classes: scores per image, at least 1.
        in_channels: of the image, at least 1.
        drop_rate: probability of dropout behind each layer; the paper has 0.2 for training without augmentation.

    Raises TypeError and ValueError for arguments that can never work.
    """

    def __init__(self, depth: int, growth_rate: int, bc: bool = False, num_classes: int = 10, in_channels: int = 3,
                 drop_rate: float = 0.0) -> None:
        super().__init__()
        step = 6 if flag("DenseNetCifar", "bc", bc) else 3
        if whole("DenseNetCifar", "depth", depth, step + 4) % step != 4 % step:
            raise ValueError(f"[DenseNetCifar] depth is {depth}, expected {step}n + 4 for n layers per dense block")
        whole("DenseNetCifar", "growth_rate", growth_rate, 1)
        c = 2 * growth_rate if bc else 16
        self.input_size = (in_channels, 32, 32)
        self.features = nn.Sequential({"conv0": nn.Conv2d(in_channels, c, 3, padding=1, bias=False)})
        c = _add_blocks(self.features, c, growth_rate, [(depth - 4) // step] * 3, 4 if bc else 0,
                        number("DenseNetCifar", "drop_rate", drop_rate, 0, 1), bc)
        self.features.add_module("norm_final", nn.BatchNorm2d(c))
        self.relu = nn.ReLU(inplace=True)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(c, whole("DenseNetCifar", "num_classes", num_classes, 1))
        _initialise(self)

    def forward(self, x: Any) -> Any:
        """(N, in_channels, 32, 32) to scores (N, num_classes)."""
        return self.classifier(self.flatten(self.avgpool(self.relu(self.features(x)))))


@register
def densenet121(num_classes: int = 1000, in_channels: int = 3, drop_rate: float = 0.0,
                memory_efficient: bool = False) -> DenseNet:
    """DenseNet-121; arguments as `DenseNet`.

    >>> sum(p.numel() for p in densenet121().parameters())
    7978856
    """
    return DenseNet(32, (6, 12, 24, 16), 64, 4, drop_rate, num_classes, in_channels, memory_efficient)


@register
def densenet169(num_classes: int = 1000, in_channels: int = 3, drop_rate: float = 0.0,
                memory_efficient: bool = False) -> DenseNet:
    """DenseNet-169; arguments as `DenseNet`."""
    return DenseNet(32, (6, 12, 32, 32), 64, 4, drop_rate, num_classes, in_channels, memory_efficient)


@register
def densenet201(num_classes: int = 1000, in_channels: int = 3, drop_rate: float = 0.0,
                memory_efficient: bool = False) -> DenseNet:
    """DenseNet-201; arguments as `DenseNet`."""
    return DenseNet(32, (6, 12, 48, 32), 64, 4, drop_rate, num_classes, in_channels, memory_efficient)


@register
def densenet161(num_classes: int = 1000, in_channels: int = 3, drop_rate: float = 0.0,
                memory_efficient: bool = False) -> DenseNet:
    """DenseNet-161, the wide one; arguments as `DenseNet`."""
    return DenseNet(48, (6, 12, 36, 24), 96, 4, drop_rate, num_classes, in_channels, memory_efficient)


@register
def densenet40_12_cifar(num_classes: int = 10, in_channels: int = 3, drop_rate: float = 0.0) -> DenseNetCifar:
    """DenseNet of 40 layers for CIFAR, 12 maps from each; arguments as `DenseNetCifar`.

    >>> sum(p.numel() for p in densenet40_12_cifar().parameters())
    1019722
    """
    return DenseNetCifar(40, 12, False, num_classes, in_channels, drop_rate)


@register
def densenet100_12_bc_cifar(num_classes: int = 10, in_channels: int = 3, drop_rate: float = 0.0) -> DenseNetCifar:
    """DenseNet-BC of 100 layers for CIFAR, 12 maps from each; arguments as `DenseNetCifar`."""
    return DenseNetCifar(100, 12, True, num_classes, in_channels, drop_rate)


@register
def densenet190_40_bc_cifar(num_classes: int = 10, in_channels: int = 3, drop_rate: float = 0.0) -> DenseNetCifar:
    """DenseNet-BC of 190 layers for CIFAR, 40 maps from each; arguments as `DenseNetCifar`."""
    return DenseNetCifar(190, 40, True, num_classes, in_channels, drop_rate)
