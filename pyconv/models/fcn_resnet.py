"""FCN on ResNet: one class per pixel, from maps that dilation keeps at an eighth of the picture's size.

=============  ==========  ====================  =====================================
Network        Parameters  Multiply-adds (520²)  Layers
=============  ==========  ====================  =====================================
fcn_resnet50   32,957,013       142,725,772,800  ResNet-50, conv 512@3x3, conv 21@1x1
fcn_resnet101  51,949,141       222,746,867,200  ResNet-101, conv 512@3x3, conv 21@1x1
=============  ==========  ====================  =====================================

With the second head, which reads the third stage and helps in training, 35,322,218 parameters and 152,716,512,000
multiply-adds, 54,314,346 and 232,737,606,400.

The last two stages of the ResNet keep their input's size: where they would go in steps of 2, their filters' taps spread
2 and 4 pixels apart instead, so that the weights of a classifier still fit. The head scores the maps, and bilinear
interpolation brings the scores to the size of the picture.

Sources: Long, Shelhamer and Darrell, Fully convolutional networks for semantic segmentation, 2015; He, Zhang, Ren and
Sun, Deep residual learning for image recognition, 2016; Yu and Koltun, Multi-scale context aggregation by dilated
convolutions, 2016. State names are torchvision's.
"""

from __future__ import annotations

from typing import Any

from pyconv import nn
from pyconv.models.registry import register
from pyconv.models.resnet import resnet50, resnet101
from pyconv.models.sizes import at_least
from pyconv.nn import functional as F
from pyconv.nn.arguments import flag, whole

__all__ = ["FCNResNet", "fcn_resnet50", "fcn_resnet101"]


def _head(channels: int, num_classes: int) -> nn.Sequential:
    """conv 3x3 to a quarter of the channels, batch norm, relu, dropout, scores."""
    return nn.Sequential(nn.Conv2d(channels, channels // 4, 3, padding=1, bias=False), nn.BatchNorm2d(channels // 4),
                         nn.ReLU(), nn.Dropout(0.1), nn.Conv2d(channels // 4, num_classes, 1))


class FCNResNet(nn.Module):
    """FCN on a ResNet of bottlenecks, (N, in_channels, H, W) to a dict of scores; see `fcn_resnet50`."""

    def __init__(self, backbone: nn.Module, num_classes: int, in_channels: int, aux_loss: bool, name: str) -> None:
        super().__init__()
        self.name = name
        self.input_size = (in_channels, 520, 520)
        for unused in ("avgpool", "flatten", "fc"):
            delattr(backbone, unused)
        self.backbone = backbone
        self.classifier = _head(2048, num_classes)
        self.aux_classifier = _head(1024, num_classes) if aux_loss else None

    def forward(self, x: Any) -> dict[str, Any]:
        """(N, in_channels, H, W) to {"out": (N, num_classes, H, W)}, and "aux" of the same shape where there is a second head."""
        size = at_least(self.name, x, self.input_size[0], 1)
        net = self.backbone
        x = net.layer2(net.layer1(net.maxpool(net.relu(net.bn1(net.conv1(x))))))
        third = net.layer3(x)
        scores = {"out": self.classifier(net.layer4(third))}
        if self.aux_classifier is not None:
            scores["aux"] = self.aux_classifier(third)
        return {key: F.interpolate(y, size, mode="bilinear", align_corners=False) for key, y in scores.items()}


def _fcn(name: str, resnet: Any, num_classes: int, in_channels: int, aux_loss: bool | None) -> FCNResNet:
    whole(name, "num_classes", num_classes, 1)
    whole(name, "in_channels", in_channels, 1)
    aux = aux_loss is not None and flag(name, "aux_loss", aux_loss)
    backbone = resnet(1, in_channels, replace_stride_with_dilation=(False, True, True))
    return FCNResNet(backbone, num_classes, in_channels, aux, name)


@register
def fcn_resnet50(num_classes: int = 21, in_channels: int = 3, aux_loss: bool | None = None) -> FCNResNet:
    """FCN on ResNet-50: 32,957,013 parameters, 35,322,218 with ``aux_loss``, the second head.

    Returns a dict: "out" holds the scores, "aux" those of the second head. State names: ``backbone.conv1`` ...
    ``backbone.layer4.2.bn3``, ``classifier.0``, ``aux_classifier.0``.

    >>> import pyconv
    >>> with pyconv.device("meta"):
    ...     model = fcn_resnet50(aux_loss=True)
    >>> {key: y.shape for key, y in model(pyconv.zeros(1, 3, 65, 80, device="meta")).items()}
    {'out': (1, 21, 65, 80), 'aux': (1, 21, 65, 80)}
    """
    return _fcn("fcn_resnet50", resnet50, num_classes, in_channels, aux_loss)


@register
def fcn_resnet101(num_classes: int = 21, in_channels: int = 3, aux_loss: bool | None = None) -> FCNResNet:
    """FCN on ResNet-101: 51,949,141 parameters, 54,314,346 with ``aux_loss``; as `fcn_resnet50`."""
    return _fcn("fcn_resnet101", resnet101, num_classes, in_channels, aux_loss)
