"""ResNeXt for 32x32 images: bottlenecks whose 3x3 convolution has many groups.

=================  ==========  ==============  =========================  ===========================================
Network            Parameters  Multiply-adds   Groups, first stage        Error on CIFAR-10 in the paper, in percent
=================  ==========  ==============  =========================  ===========================================
resnext29_8x64d    34,426,698   5,387,266,048  8 of 64 channels           3.65
resnext29_16x64d   68,155,210  10,688,866,304  16 of 64 channels          3.58
=================  ==========  ==============  =========================  ===========================================

A 3x3 convolution, three stages of three bottlenecks with 256, 512 and 1024 channels between them, on 32x32, 16x16 and
8x8 pixels, the mean of the maps, a linear layer. Groups double their width from stage to stage.

Source: Xie, Girshick, Dollár, Tu and He, Aggregated residual transformations for deep neural networks, 2017, section
5.3. State names are those of `pyconv.models.resnet`: ``conv1 bn1 layer{1-3}.{i}... fc``.
"""

from __future__ import annotations

from typing import Any

from pyconv import nn
from pyconv.models.registry import register
from pyconv.models.resnet import Bottleneck, stage
from pyconv.nn.arguments import whole

__all__ = ["ResNeXtCifar", "resnext29_8x64d", "resnext29_16x64d"]


class ResNeXtCifar(nn.Module):
    """A 29-layer ResNeXt on (N, in_channels, 32, 32).

    Args:
        groups: of the 3x3 convolutions, at least 1.
        width_per_group: channels of each group in the first stage.
        num_classes: scores per image, at least 1.
        in_channels: of the image, at least 1.

    Convolutions are drawn from He's normal distribution (fan out). Raises TypeError and ValueError for arguments that
    can never work.
    """

    def __init__(self, groups: int = 8, width_per_group: int = 64, num_classes: int = 10,
                 in_channels: int = 3) -> None:
        super().__init__()
        self.input_size = (in_channels, 32, 32)
        sizes: dict[str, Any] = {"groups": whole("ResNeXtCifar", "groups", groups, 1),
                                 "base_width": whole("ResNeXtCifar", "width_per_group", width_per_group, 1)}
        self.conv1 = nn.Conv2d(in_channels, 64, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = stage(Bottleneck, 3, 64, 64, 1, **sizes)
        self.layer2 = stage(Bottleneck, 3, 256, 128, 2, **sizes)
        self.layer3 = stage(Bottleneck, 3, 512, 256, 2, **sizes)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(1024, whole("ResNeXtCifar", "num_classes", num_classes, 1))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Any) -> Any:
        """(N, in_channels, 32, 32) to scores (N, num_classes)."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(self.flatten(self.avgpool(x)))


@register
def resnext29_8x64d(num_classes: int = 10, in_channels: int = 3) -> ResNeXtCifar:
    """ResNeXt-29 of 8 groups for CIFAR.

    >>> import pyconv
    >>> with pyconv.device("meta"):
    ...     resnext29_8x64d().layer1[0].conv2.weight.shape
    (512, 64, 3, 3)
    """
    return ResNeXtCifar(8, 64, num_classes, in_channels)


@register
def resnext29_16x64d(num_classes: int = 10, in_channels: int = 3) -> ResNeXtCifar:
    """ResNeXt-29 of 16 groups for CIFAR."""
    return ResNeXtCifar(16, 64, num_classes, in_channels)
