"""VGG: nothing but 3x3 convolutions, 11 to 19 layers with weights.

=========  ===========  ==============  ===================================================  ==============
Network    Parameters   Multiply-adds   Convolutions at 1/1, 1/2, 1/4, 1/8, 1/16 of 224x224  With batch norm
=========  ===========  ==============  ===================================================  ==============
vgg11      132,863,336   7,609,090,048  1, 1, 2, 2, 2                                        132,868,840
vgg13      133,047,848  11,308,466,176  2, 2, 2, 2, 2                                        133,053,736
vgg16      138,357,544  15,470,264,320  2, 2, 3, 3, 3                                        138,365,992
vgg19      143,667,240  19,632,062,464  2, 2, 4, 4, 4                                        143,678,248
=========  ===========  ==============  ===================================================  ==============

The five sizes have 64, 128, 256, 512 and 512 channels, a pooling of 2x2 ends each. Three linear layers of 4096, 4096
and num_classes hold nine tenths of the parameters.

Source: Simonyan and Zisserman, Very deep convolutional networks for large-scale image recognition, 2015
(configurations A, B, D, E); batch norm came later: Ioffe and Szegedy, 2015. State names are torchvision's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyconv import nn
from pyconv.models.registry import register
from pyconv.nn.arguments import whole

__all__ = ["VGG", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn"]

_WIDTHS = (64, 128, 256, 512, 512)


class VGG(nn.Module):
    """A VGG network on (N, in_channels, H, W), made for 224x224; at least 32x32.

    Args:
        depths: convolutions at each of the five sizes.
        batch_norm: whether one follows each convolution.
        num_classes: scores per image, at least 1.
        in_channels: of the image, at least 1.
        dropout: probability, behind the first two linear layers.

    Convolutions are drawn from He's normal distribution (fan out), linear weights from N(0, 0.01^2), biases are 0.
    Raises TypeError and ValueError for arguments that can never work, ShapeError when called with an image that does
    not fit.
    """

    def __init__(self, depths: Sequence[int], batch_norm: bool = False, num_classes: int = 1000, in_channels: int = 3,
                 dropout: float = 0.5) -> None:
        super().__init__()
        num_classes = whole("VGG", "num_classes", num_classes, 1)
        self.input_size = (in_channels, 224, 224)
        layers: list[nn.Module] = []
        c = in_channels
        for depth, width in zip(depths, _WIDTHS, strict=True):
            for _ in range(depth):
                layers.append(nn.Conv2d(c, width, 3, padding=1))
                layers += [nn.BatchNorm2d(width)] if batch_norm else []
                layers.append(nn.ReLU(inplace=True))
                c = width
            layers.append(nn.MaxPool2d(2, 2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.flatten = nn.Flatten()
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096), nn.ReLU(inplace=True), nn.Dropout(dropout),
            nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Dropout(dropout),
            nn.Linear(4096, num_classes))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
                nn.init.zeros_(module.bias)

    def forward(self, x: Any) -> Any:
        """(N, in_channels, H, W) to scores (N, num_classes)."""
        return self.classifier(self.flatten(self.avgpool(self.features(x))))


@register
def vgg11(num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> VGG:
    """VGG-11, configuration A; arguments as `VGG`."""
    return VGG((1, 1, 2, 2, 2), False, num_classes, in_channels, dropout)


@register
def vgg11_bn(num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> VGG:
    """VGG-11 with batch norm; arguments as `VGG`."""
    return VGG((1, 1, 2, 2, 2), True, num_classes, in_channels, dropout)


@register
def vgg13(num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> VGG:
    """VGG-13, configuration B; arguments as `VGG`."""
    return VGG((2, 2, 2, 2, 2), False, num_classes, in_channels, dropout)


@register
def vgg13_bn(num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> VGG:
    """VGG-13 with batch norm; arguments as `VGG`."""
    return VGG((2, 2, 2, 2, 2), True, num_classes, in_channels, dropout)


@register
def vgg16(num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> VGG:
    """VGG-16, configuration D; arguments as `VGG`.

    >>> import pyconv
    >>> with pyconv.device("meta"):  # 138 million parameters, no memory
    ...     model = vgg16()
    >>> model(pyconv.zeros(1, 3, 224, 224, device="meta")).shape
    (1, 1000)
    """
    return VGG((2, 2, 3, 3, 3), False, num_classes, in_channels, dropout)


@register
def vgg16_bn(num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> VGG:
    """VGG-16 with batch norm; arguments as `VGG`."""
    return VGG((2, 2, 3, 3, 3), True, num_classes, in_channels, dropout)


@register
def vgg19(num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> VGG:
    """VGG-19, configuration E; arguments as `VGG`."""
    return VGG((2, 2, 4, 4, 4), False, num_classes, in_channels, dropout)


@register
def vgg19_bn(num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> VGG:
    """VGG-19 with batch norm; arguments as `VGG`."""
    return VGG((2, 2, 4, 4, 4), True, num_classes, in_channels, dropout)
