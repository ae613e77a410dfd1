"""AlexNet: the network that won ILSVRC 2012 and made everybody convolve.

============================  ==========  =============  ==========================================================
Network                       Parameters  Multiply-adds  Convolutions
============================  ==========  =============  ==========================================================
alexnet2012                   60,965,224    724,406,816  96@11x11/4, 256@5x5, 384@3x3, 384@3x3, 256@3x3; the second,
                                                         fourth and fifth in two groups, one for each of two GPUs
alexnet2012, ``groups=1``     62,378,344  1,135,256,096  the same, every map seeing all maps
alexnet                       61,100,840    714,188,480  64@11x11/4, 192@5x5, 384@3x3, 256@3x3, 256@3x3
============================  ==========  =============  ==========================================================

Multiply-adds are those of one image of 227x227, for alexnet 224x224. Pooling windows of 3x3 in steps of 2 follow the
first, second and fifth convolution; linear layers of 4096, 4096 and num_classes end the network. That of 2012
normalises each map by its neighbours (local response normalisation) before the first two poolings.

Sources: Krizhevsky, Sutskever and Hinton, ImageNet classification with deep convolutional neural networks, 2012;
Krizhevsky, One weird trick for parallelizing convolutional neural networks, 2014 (alexnet). State names are
torchvision's for alexnet, Caffe's layer names for alexnet2012: ``conv1 ... conv5 fc6 fc7 fc8``.
"""

from __future__ import annotations

from typing import Any

from pyconv import nn
from pyconv.models.registry import register
from pyconv.nn.arguments import whole

__all__ = ["AlexNet", "AlexNet2012", "alexnet", "alexnet2012"]


class AlexNet(nn.Module):
    """The single-column network of 2014 on (N, in_channels, 224, 224); at least 63x63. See `alexnet`."""

    def __init__(self, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> None:
        super().__init__()
        num_classes = whole("AlexNet", "num_classes", num_classes, 1)
        self.input_size = (in_channels, 224, 224)
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 64, 11, stride=4, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
            nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2))
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.flatten = nn.Flatten()
        self.classifier = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(256 * 6 * 6, 4096), nn.ReLU(inplace=True),
            nn.Dropout(dropout), nn.Linear(4096, 4096), nn.ReLU(inplace=True),
            nn.Linear(4096, num_classes))

    def forward(self, x: Any) -> Any:
        """(N, in_channels, H, W) to scores (N, num_classes)."""
        return self.classifier(self.flatten(self.avgpool(self.features(x))))


class AlexNet2012(nn.Module):
    """The network of 2012 on (N, in_channels, 227, 227); see `alexnet2012`."""

    def __init__(self, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5, groups: int = 2,
                 lrn: str = "paper") -> None:
        super().__init__()
        num_classes = whole("AlexNet2012", "num_classes", num_classes, 1)
        if groups not in (1, 2):
            raise ValueError(f"[AlexNet2012] groups is {groups!r}, expected 2, as in the paper, or 1")
        if lrn not in ("paper", "caffe"):
            raise ValueError(f"[AlexNet2012] lrn is {lrn!r}, expected 'paper' or 'caffe'")
        mode: dict[str, Any] = {"k": 2.0, "alpha_mode": "paper"} if lrn == "paper" else {}
        self.input_size = (in_channels, 227, 227)
        self.conv1 = nn.Conv2d(in_channels, 96, 11, stride=4)
        self.norm1 = nn.LocalResponseNorm(5, **mode)
        self.conv2 = nn.Conv2d(96, 256, 5, padding=2, groups=groups)
        self.norm2 = nn.LocalResponseNorm(5, **mode)
        self.conv3 = nn.Conv2d(256, 384, 3, padding=1)
        self.conv4 = nn.Conv2d(384, 384, 3, padding=1, groups=groups)
        self.conv5 = nn.Conv2d(384, 256, 3, padding=1, groups=groups)
        self.pool = nn.MaxPool2d(3, 2)
        self.relu = nn.ReLU(inplace=True)
        self.flatten = nn.Flatten()
        self.fc6 = nn.Linear(256 * 6 * 6, 4096)
        self.fc7 = nn.Linear(4096, 4096)
        self.fc8 = nn.Linear(4096, num_classes)
        self.dropout = nn.Dropout(dropout)
        for name, module in self.named_children():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.normal_(module.weight, 0, 0.01)
                # A bias of 1 lets these layers' relus see something from the start.
                nn.init.constant_(module.bias, 1 if name in ("conv2", "conv4", "conv5", "fc6", "fc7") else 0)

    def forward(self, x: Any) -> Any:
        """(N, in_channels, 227, 227) to scores (N, num_classes)."""
        x = self.pool(self.norm1(self.relu(self.conv1(x))))
        x = self.pool(self.norm2(self.relu(self.conv2(x))))
        x = self.relu(self.conv4(self.relu(self.conv3(x))))
        x = self.flatten(self.pool(self.relu(self.conv5(x))))
        x = self.dropout(self.relu(self.fc6(x)))
        x = self.dropout(self.relu(self.fc7(x)))
        return self.fc8(x)


@register
def alexnet(num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> AlexNet:
    """The AlexNet that torchvision has: one column, no normalisation, 224x224.

    ``dropout`` is the probability in front of the first two linear layers. Raises TypeError and ValueError for
    arguments that can never work.

    >>> import pyconv
    >>> with pyconv.device("meta"):
    ...     model = alexnet(num_classes=10)
    >>> model(pyconv.zeros(1, 3, 224, 224, device="meta")).shape
    (1, 10)
    """
    return AlexNet(num_classes, in_channels, dropout)


@register
def alexnet2012(num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5, groups: int = 2,
                lrn: str = "paper") -> AlexNet2012:
    """The AlexNet of the paper: two groups, local response normalisation, 227x227.

    Args:
        num_classes, in_channels: at least 1.
        dropout: probability behind the first two linear layers.
        groups: 2, as in the paper, or 1: every map sees all maps.
        lrn: "paper": ``x / (2 + 1e-4 * sum of squares over 5 maps)^0.75``; "caffe": ``x / (1 + 1e-4 * their
            mean)^0.75``, with which Caffe's bvlc_alexnet was trained.

    Weights are drawn from N(0, 0.01^2); biases are 1 in the second, fourth and fifth convolution and in fc6 and fc7,
    else 0. Raises TypeError and ValueError for arguments that can never work.

    >>> import pyconv
    >>> with pyconv.device("meta"):
    ...     [sum(p.numel() for p in alexnet2012(groups=g).parameters()) for g in (2, 1)]
    [60965224, 62378344]
    """
    return AlexNet2012(num_classes, in_channels, dropout, groups, lrn)
