"""Inception-v3: large filters taken apart into small and into one-dimensional ones.

====================  ==========  =============  ===============================================
Network               Parameters  Multiply-adds  Heads
====================  ==========  =============  ===============================================
inception_v3          27,161,264  5,713,216,096  one, and an auxiliary one for training
``aux_logits=False``  23,834,568  5,713,216,096  one
====================  ==========  =============  ===============================================

Multiply-adds are those of one 299x299 image in evaluation. Behind five convolutions and two poolings come, on 35x35
maps, three blocks with 5x5 and two 3x3 (A), on 17x17 four with 7x1 and 1x7 (C), on 8x8 two that fan out into 1x3 and
3x1 (E); B and D halve the size, by a convolution beside a pooling. Convolutions have no padding unless they keep
the size, so that 299 becomes 149, 147, 73, 71, 35.

Source: Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, Rethinking the Inception architecture for computer vision, 2016.
State names are torchvision's.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pyconv import nn
from pyconv.models.inception_pieces import ConvNorm, centred, column, for_colours, joined, row
from pyconv.models.registry import register
from pyconv.nn import functional as F
from pyconv.nn.arguments import flag, whole

__all__ = ["Inception3", "InceptionOutputs", "inception_v3"]


class InceptionOutputs(NamedTuple):
    """What an Inception-v3 with an auxiliary head returns in training: two scores (N, num_classes)."""

    logits: Any
    aux_logits: Any


class _InceptionA(nn.Module):
    """1x1; 5x5; two 3x3; pooling: (N, c, H, W) to (N, 224 + pool, H, W)."""

    def __init__(self, c: int, pool: int) -> None:
        super().__init__()
        self.branch1x1 = ConvNorm(c, 64, 1)
        self.branch5x5_1 = ConvNorm(c, 48, 1)
        self.branch5x5_2 = ConvNorm(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = ConvNorm(c, 64, 1)
        self.branch3x3dbl_2 = ConvNorm(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = ConvNorm(96, 96, 3, padding=1)
        self.branch_pool = ConvNorm(c, pool, 1)

    def forward(self, x: Any) -> Any:
        five = self.branch5x5_2(self.branch5x5_1(x))
        threes = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        pool = self.branch_pool(F.avg_pool2d(x, 3, 1, 1))
        return joined(self.branch1x1(x), five, threes, pool)


class _InceptionB(nn.Module):
    """3x3 and two 3x3, the last with stride 2; pooling: (N, c, H, W) to (N, 480 + c, H / 2, W / 2)."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.branch3x3 = ConvNorm(c, 384, 3, 2)
        self.branch3x3dbl_1 = ConvNorm(c, 64, 1)
        self.branch3x3dbl_2 = ConvNorm(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = ConvNorm(96, 96, 3, 2)

    def forward(self, x: Any) -> Any:
        threes = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return joined(self.branch3x3(x), threes, F.max_pool2d(x, 3, 2))


class _InceptionC(nn.Module):
    """1x1; 1x7 and 7x1; these twice; pooling: (N, c, H, W) to (N, 768, H, W)."""

    def __init__(self, c: int, width: int) -> None:
        super().__init__()
        self.branch1x1 = ConvNorm(c, 192, 1)
        self.branch7x7_1 = ConvNorm(c, width, 1)
        self.branch7x7_2 = row(width, width, 7)
        self.branch7x7_3 = column(width, 192, 7)
        self.branch7x7dbl_1 = ConvNorm(c, width, 1)
        self.branch7x7dbl_2 = column(width, width, 7)
        self.branch7x7dbl_3 = row(width, width, 7)
        self.branch7x7dbl_4 = column(width, width, 7)
        self.branch7x7dbl_5 = row(width, 192, 7)
        self.branch_pool = ConvNorm(c, 192, 1)

    def forward(self, x: Any) -> Any:
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        sevens = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        sevens = self.branch7x7dbl_5(self.branch7x7dbl_4(sevens))
        pool = self.branch_pool(F.avg_pool2d(x, 3, 1, 1))
        return joined(self.branch1x1(x), seven, sevens, pool)


class _InceptionD(nn.Module):
    """3x3; 1x7, 7x1 and 3x3, the last with stride 2; pooling: (N, c, H, W) to (N, 512 + c, H / 2, W / 2)."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.branch3x3_1 = ConvNorm(c, 192, 1)
        self.branch3x3_2 = ConvNorm(192, 320, 3, 2)
        self.branch7x7x3_1 = ConvNorm(c, 192, 1)
        self.branch7x7x3_2 = row(192, 192, 7)
        self.branch7x7x3_3 = column(192, 192, 7)
        self.branch7x7x3_4 = ConvNorm(192, 192, 3, 2)

    def forward(self, x: Any) -> Any:
        seven = self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x)))
        return joined(self.branch3x3_2(self.branch3x3_1(x)), self.branch7x7x3_4(seven), F.max_pool2d(x, 3, 2))


class _InceptionE(nn.Module):
    """1x1; 1x3 beside 3x1; a 3x3 and the same; pooling: (N, c, H, W) to (N, 2048, H, W)."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.branch1x1 = ConvNorm(c, 320, 1)
        self.branch3x3_1 = ConvNorm(c, 384, 1)
        self.branch3x3_2a = row(384, 384, 3)
        self.branch3x3_2b = column(384, 384, 3)
        self.branch3x3dbl_1 = ConvNorm(c, 448, 1)
        self.branch3x3dbl_2 = ConvNorm(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = row(384, 384, 3)
        self.branch3x3dbl_3b = column(384, 384, 3)
        self.branch_pool = ConvNorm(c, 192, 1)

    def forward(self, x: Any) -> Any:
        three = self.branch3x3_1(x)
        threes = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        pool = self.branch_pool(F.avg_pool2d(x, 3, 1, 1))
        return joined(self.branch1x1(x), self.branch3x3_2a(three), self.branch3x3_2b(three),
                      self.branch3x3dbl_3a(threes), self.branch3x3dbl_3b(threes), pool)


class _Auxiliary(nn.Module):
    """The head for training: (N, c, 17, 17) to (N, num_classes)."""

    def __init__(self, c: int, num_classes: int) -> None:
        super().__init__()
        self.conv0 = ConvNorm(c, 128, 1)
        self.conv1 = ConvNorm(128, 768, 5)
        self.fc = nn.Linear(768, num_classes)

    def forward(self, x: Any) -> Any:
        x = self.conv1(self.conv0(F.avg_pool2d(x, 5, 3)))
        return self.fc(F.adaptive_avg_pool2d(x, (1, 1)).flatten(1))


class Inception3(nn.Module):
    """Inception-v3 on (N, in_channels, H, W), made for 299x299; see `inception_v3`."""

    def __init__(self, num_classes: int = 1000, aux_logits: bool = True, transform_input: bool = False,
                 dropout: float = 0.5, in_channels: int = 3) -> None:
        super().__init__()
        num_classes = whole("Inception3", "num_classes", num_classes, 1)
        self.aux_logits = flag("Inception3", "aux_logits", aux_logits)
        self.transform_input = for_colours("Inception3", transform_input, in_channels)
        self.input_size = (in_channels, 299, 299)
        self.Conv2d_1a_3x3 = ConvNorm(in_channels, 32, 3, 2)
        self.Conv2d_2a_3x3 = ConvNorm(32, 32, 3)
        self.Conv2d_2b_3x3 = ConvNorm(32, 64, 3, padding=1)
        self.maxpool1 = nn.MaxPool2d(3, 2)
        self.Conv2d_3b_1x1 = ConvNorm(64, 80, 1)
        self.Conv2d_4a_3x3 = ConvNorm(80, 192, 3)
        self.maxpool2 = nn.MaxPool2d(3, 2)
        self.Mixed_5b = _InceptionA(192, 32)
        self.Mixed_5c = _InceptionA(256, 64)
        self.Mixed_5d = _InceptionA(288, 64)
        self.Mixed_6a = _InceptionB(288)
        self.Mixed_6b = _InceptionC(768, 128)
        self.Mixed_6c = _InceptionC(768, 160)
        self.Mixed_6d = _InceptionC(768, 160)
        self.Mixed_6e = _InceptionC(768, 192)
        self.AuxLogits: Any = _Auxiliary(768, num_classes) if aux_logits else None
        self.Mixed_7a = _InceptionD(768)
        self.Mixed_7b = _InceptionE(1280)
        self.Mixed_7c = _InceptionE(2048)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(dropout)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(2048, num_classes)
        spread = {"AuxLogits.conv1.conv": 0.01, "AuxLogits.fc": 0.001}
        for path, module in self.named_modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.trunc_normal_(module.weight, std=spread.get(path, 0.1), a=-2, b=2)

    def forward(self, x: Any) -> Any:
        """(N, in_channels, H, W) to scores (N, num_classes), in training with an auxiliary head `InceptionOutputs`."""
        x = centred(x) if self.transform_input else x
        x = self.maxpool1(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))))
        x = self.maxpool2(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x)))
        x = self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))
        x = self.Mixed_6e(self.Mixed_6d(x))
        aux = self.AuxLogits(x) if self.training and self.aux_logits else None
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        x = self.fc(self.flatten(self.dropout(self.avgpool(x))))
        return x if aux is None else InceptionOutputs(x, aux)


@register
def inception_v3(num_classes: int = 1000, in_channels: int = 3, aux_logits: bool = True,
                 transform_input: bool = False, dropout: float = 0.5) -> Inception3:
    """Inception-v3 for 299x299 images; at least 75x75.

    Args:
        num_classes, in_channels: at least 1.
        aux_logits: whether there is an auxiliary head; then training returns `InceptionOutputs`, and takes images of
            about 299x299 or more.
        transform_input: take images normalised by ImageNet's statistics, as the other networks do, to what Google's
            weights were trained on.
        dropout: probability in front of the last linear layer.

    Weights are drawn from N(0, 0.1^2), but not beyond 2; narrower in the auxiliary head. Raises TypeError and
    ValueError for arguments that can never work, ShapeError when called with an image that does not fit.

    >>> import pyconv
    >>> with pyconv.device("meta"):
    ...     model = inception_v3(num_classes=10)
    >>> x = pyconv.zeros(2, 3, 299, 299, device="meta")
    >>> model.eval()(x).shape, model.train()(x).aux_logits.shape
    ((2, 10), (2, 10))
    """
    return Inception3(num_classes, aux_logits, transform_input, dropout, in_channels)
