"""GoogLeNet with batch norm, as torchvision has it: blocks that look at several sizes at once.

===========================  ==========  =============  ========================================
Network                      Parameters  Multiply-adds  Heads
===========================  ==========  =============  ========================================
googlenet                    13,004,888  1,498,376,192  one, and two auxiliary ones for training
``aux_logits=False``          6,624,904  1,498,376,192  one
===========================  ==========  =============  ========================================

Multiply-adds are those of one 224x224 image in evaluation. Nine inception blocks, each of four branches joined along
the channels: a 1x1 convolution; 1x1 then 3x3; 1x1 then 3x3 (5x5 in the paper: see `pyconv.models.googlenet2014` for the
network as published); a max pooling then 1x1. The mean of the last block's maps feeds the only linear layer. In
training two heads in the middle give the early layers a gradient of their own.

Sources: Szegedy et al., Going deeper with convolutions, 2015; batch norm: Ioffe and Szegedy, 2015. State names are
torchvision's.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pyconv import nn
from pyconv.models.inception_pieces import ConvNorm, centred, for_colours, joined
from pyconv.models.registry import register
from pyconv.nn.arguments import flag, whole

__all__ = ["GoogLeNet", "GoogLeNetOutputs", "googlenet"]

#: Of each block: channels of its input, then of 1x1, 3x3 reduction, 3x3, 5x5 reduction, 5x5, pool projection (table 1).
BLOCKS = {
    "inception3a": (192, 64, 96, 128, 16, 32, 32),
    "inception3b": (256, 128, 128, 192, 32, 96, 64),
    "inception4a": (480, 192, 96, 208, 16, 48, 64),
    "inception4b": (512, 160, 112, 224, 24, 64, 64),
    "inception4c": (512, 128, 128, 256, 24, 64, 64),
    "inception4d": (512, 112, 144, 288, 32, 64, 64),
    "inception4e": (528, 256, 160, 320, 32, 128, 128),
    "inception5a": (832, 256, 160, 320, 32, 128, 128),
    "inception5b": (832, 384, 192, 384, 48, 128, 128),
}


class GoogLeNetOutputs(NamedTuple):
    """What a GoogLeNet with auxiliary heads returns in training: three scores (N, num_classes).

    The paper's loss is that of ``logits`` plus 0.3 times those of the other two.
    """

    logits: Any
    aux_logits2: Any
    aux_logits1: Any


class _Inception(nn.Module):
    def __init__(self, c: int, one: int, reduce3: int, three: int, reduce5: int, five: int, pool: int) -> None:
        super().__init__()
        self.branch1 = ConvNorm(c, one, 1)
        self.branch2 = nn.Sequential(ConvNorm(c, reduce3, 1), ConvNorm(reduce3, three, 3, padding=1))
        self.branch3 = nn.Sequential(ConvNorm(c, reduce5, 1), ConvNorm(reduce5, five, 3, padding=1))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1, ceil_mode=True), ConvNorm(c, pool, 1))

    def forward(self, x: Any) -> Any:
        return joined(self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x))


class _Auxiliary(nn.Module):
    def __init__(self, c: int, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d((4, 4))
        self.conv = ConvNorm(c, 128, 1)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(2048, 1024)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(dropout)
        self.fc2 = nn.Linear(1024, num_classes)

    def forward(self, x: Any) -> Any:
        x = self.flatten(self.conv(self.avgpool(x)))
        return self.fc2(self.dropout(self.relu(self.fc1(x))))


class GoogLeNet(nn.Module):
    """GoogLeNet with batch norm on (N, in_channels, H, W), made for 224x224; see `googlenet`."""

    def __init__(self, num_classes: int = 1000, aux_logits: bool = True, transform_input: bool = False,
                 dropout: float = 0.2, dropout_aux: float = 0.7, in_channels: int = 3) -> None:
        super().__init__()
        num_classes = whole("GoogLeNet", "num_classes", num_classes, 1)
        self.aux_logits = flag("GoogLeNet", "aux_logits", aux_logits)
        self.transform_input = for_colours("GoogLeNet", transform_input, in_channels)
        self.input_size = (in_channels, 224, 224)
        self.conv1 = ConvNorm(in_channels, 64, 7, 2, 3)
        self.maxpool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2 = ConvNorm(64, 64, 1)
        self.conv3 = ConvNorm(64, 192, 3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        for name, channels in BLOCKS.items():
            self.add_module(name, _Inception(*channels))
        self.maxpool3 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.maxpool4 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.aux1: Any = _Auxiliary(512, num_classes, dropout_aux) if aux_logits else None
        self.aux2: Any = _Auxiliary(528, num_classes, dropout_aux) if aux_logits else None
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(1024, num_classes)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.trunc_normal_(module.weight, std=0.01, a=-2, b=2)

    def forward(self, x: Any) -> Any:
        """(N, in_channels, H, W) to scores (N, num_classes), in training with auxiliary heads `GoogLeNetOutputs`."""
        heads = self.training and self.aux_logits
        x = centred(x) if self.transform_input else x
        x = self.conv3(self.conv2(self.maxpool1(self.conv1(x))))
        x = self.inception3b(self.inception3a(self.maxpool2(x)))
        x = self.inception4a(self.maxpool3(x))
        first = self.aux1(x) if heads else None
        x = self.inception4d(self.inception4c(self.inception4b(x)))
        second = self.aux2(x) if heads else None
        x = self.maxpool4(self.inception4e(x))
        x = self.inception5b(self.inception5a(x))
        x = self.fc(self.dropout(self.flatten(self.avgpool(x))))
        return GoogLeNetOutputs(x, second, first) if heads else x


@register
def googlenet(num_classes: int = 1000, in_channels: int = 3, aux_logits: bool = True, transform_input: bool = False,
              dropout: float = 0.2, dropout_aux: float = 0.7) -> GoogLeNet:
    """GoogLeNet with batch norm.

    Args:
        num_classes, in_channels: at least 1.
        aux_logits: whether there are auxiliary heads; then training returns `GoogLeNetOutputs`.
        transform_input: take images normalised by ImageNet's statistics, as the other networks do, to what Google's
            weights were trained on.
        dropout, dropout_aux: probability in front of the last linear layer of the head, of the auxiliary heads.

    Weights are drawn from N(0, 0.01^2), but not beyond 2. Raises TypeError and ValueError for arguments that can
    never work, ShapeError when called with an image that does not fit.

    >>> import pyconv
    >>> with pyconv.device("meta"):
    ...     model = googlenet(num_classes=10)
    >>> x = pyconv.zeros(2, 3, 224, 224, device="meta")
    >>> model.eval()(x).shape, model.train()(x).aux_logits1.shape
    ((2, 10), (2, 10))
    """
    return GoogLeNet(num_classes, aux_logits, transform_input, dropout, dropout_aux, in_channels)
