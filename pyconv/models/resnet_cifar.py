"""ResNet for 32x32 images: the experiment that shows what shortcuts are for.

================  ==========  ===============  ================  ===========================================
Network           Parameters  Multiply-adds    Blocks per stage  Error on CIFAR-10 in the paper, in percent
================  ==========  ===============  ================  ===========================================
resnet20_cifar       269,722       40,551,040  3, 3, 3           8.75
resnet32_cifar       464,154       68,862,592  5, 5, 5           7.51
resnet44_cifar       658,586       97,174,144  7, 7, 7           7.17
resnet56_cifar       853,018      125,485,696  9, 9, 9           6.97
resnet110_cifar    1,727,962      252,887,680  18, 18, 18        6.43
resnet1202_cifar  19,421,274    2,829,238,912  200, 200, 200     7.93 (it overfits)
================  ==========  ===============  ================  ===========================================

A 3x3 convolution, three stages of 16, 32 and 64 channels on 32x32, 16x16 and 8x8 pixels, the mean of the maps, a linear
layer: 6n + 2 layers for n blocks per stage. Where the size halves the shortcut takes every second pixel and fills the
new channels with zeros ("option A"), so that it has no parameters, and a plain network has exactly as many.

With ``plain=True`` the shortcuts are gone. Plain networks get worse with depth, on the images that they are trained on,
too: the degradation that residual learning removes (section 4.2 of the paper).

Source: He, Zhang, Ren and Sun, Deep residual learning for image recognition, 2016. State names: ``conv1 bn1
layer{1-3}.{i}.{conv1,bn1,conv2,bn2} linear``.
"""

from __future__ import annotations

from typing import Any

from pyconv import nn
from pyconv.autograd import checkpoint_sequential
from pyconv.models.registry import register
from pyconv.nn import functional as F
from pyconv.nn.arguments import flag, whole

__all__ = [
    "ResNetCifar", "resnet20_cifar", "resnet32_cifar", "resnet44_cifar", "resnet56_cifar", "resnet110_cifar",
    "resnet1202_cifar",
]


class _Block(nn.Module):
    """Two 3x3 convolutions and, unless plain, a shortcut without parameters."""

    def __init__(self, inplanes: int, planes: int, stride: int, plain: bool) -> None:
        super().__init__()
        self.stride, self.new, self.plain = stride, planes - inplanes, plain
        self.conv1 = nn.Conv2d(inplanes, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)

    def forward(self, x: Any) -> Any:
        """(N, inplanes, H, W) to (N, planes, H / stride, W / stride)."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if not self.plain:
            y += x if not self.new else self.smaller(x)
        return self.relu(y)

    def smaller(self, x: Any) -> Any:
        """Every second pixel, between as many channels of zeros before as after."""
        x = x[:, :, ::self.stride, ::self.stride]
        return F.pad(x, (0, 0, 0, 0, self.new // 2, self.new - self.new // 2))


class ResNetCifar(nn.Module):
    """A residual network on (N, in_channels, 32, 32).

    Args:
        depth: layers with weights, 6n + 2 for n blocks per stage.
        num_classes: scores per image, at least 1.
        in_channels: of the image, at least 1.
        plain: leave the shortcuts out.
        segments: cut each stage into this many parts, of which training keeps the input only and computes the rest
            once more in the backward pass (`pyconv.autograd.checkpoint_sequential`): the same gradients in less memory.

    All weights are drawn from He's normal distribution (fan in). Raises TypeError and ValueError for arguments that
    can never work.
    """

    def __init__(self, depth: int, num_classes: int = 10, in_channels: int = 3, plain: bool = False,
                 segments: int = 1) -> None:
        super().__init__()
        if whole("ResNetCifar", "depth", depth, 8) % 6 != 2:
            raise ValueError(f"[ResNetCifar] depth is {depth}, expected 6n + 2 for n blocks per stage: 8, 14, 20, ...")
        plain = flag("ResNetCifar", "plain", plain)
        self.input_size = (in_channels, 32, 32)
        self.conv1 = nn.Conv2d(in_channels, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU(inplace=True)
        count = depth // 6
        self.segments = whole("ResNetCifar", "segments", segments, 1)
        if segments > count:
            raise ValueError(f"[ResNetCifar] segments is {segments}, expected 1 to {count}, the blocks of a stage")
        self.layer1 = nn.Sequential(*(_Block(16, 16, 1, plain) for _ in range(count)))
        self.layer2 = nn.Sequential(_Block(16, 32, 2, plain), *(_Block(32, 32, 1, plain) for _ in range(count - 1)))
        self.layer3 = nn.Sequential(_Block(32, 64, 2, plain), *(_Block(64, 64, 1, plain) for _ in range(count - 1)))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.flatten = nn.Flatten()
        self.linear = nn.Linear(64, whole("ResNetCifar", "num_classes", num_classes, 1))
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: Any) -> Any:
        """(N, in_channels, 32, 32) to scores (N, num_classes)."""
        x = self.relu(self.bn1(self.conv1(x)))
        for blocks in (self.layer1, self.layer2, self.layer3):
            x = checkpoint_sequential(blocks, self.segments, x) if self.segments > 1 else blocks(x)
        return self.linear(self.flatten(self.avgpool(x)))


@register
def resnet20_cifar(num_classes: int = 10, in_channels: int = 3, plain: bool = False) -> ResNetCifar:
    """ResNet-20 for CIFAR; arguments as `ResNetCifar`.

    >>> sum(p.numel() for p in resnet20_cifar().parameters())
    269722
    """
    return ResNetCifar(20, num_classes, in_channels, plain)


@register
def resnet32_cifar(num_classes: int = 10, in_channels: int = 3, plain: bool = False) -> ResNetCifar:
    """ResNet-32 for CIFAR; arguments as `ResNetCifar`."""
    return ResNetCifar(32, num_classes, in_channels, plain)


@register
def resnet44_cifar(num_classes: int = 10, in_channels: int = 3, plain: bool = False) -> ResNetCifar:
    """ResNet-44 for CIFAR; arguments as `ResNetCifar`."""
    return ResNetCifar(44, num_classes, in_channels, plain)


@register
def resnet56_cifar(num_classes: int = 10, in_channels: int = 3, plain: bool = False) -> ResNetCifar:
    """ResNet-56 for CIFAR; arguments as `ResNetCifar`."""
    return ResNetCifar(56, num_classes, in_channels, plain)


@register
def resnet110_cifar(num_classes: int = 10, in_channels: int = 3, plain: bool = False) -> ResNetCifar:
    """ResNet-110 for CIFAR; arguments as `ResNetCifar`."""
    return ResNetCifar(110, num_classes, in_channels, plain)


@register
def resnet1202_cifar(num_classes: int = 10, in_channels: int = 3, plain: bool = False,
                     segments: int = 1) -> ResNetCifar:
    """ResNet-1202 for CIFAR; arguments as `ResNetCifar`.

    A training step keeps about 80 MB per 32x32 image, with ``segments=14`` about 8 MB, for one more forward pass.
    """
    return ResNetCifar(1202, num_classes, in_channels, plain, segments)
