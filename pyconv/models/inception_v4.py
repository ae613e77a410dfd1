"""Inception-v4: the same few blocks again and again, without shortcuts.

============  ==========  ==============  ========================================================
Network       Parameters  Multiply-adds   Blocks
============  ==========  ==============  ========================================================
inception_v4  42,679,816  12,253,974,624  stem, 4 A on 35x35, 7 B on 17x17, 3 C on 8x8, reductions
============  ==========  ==============  ========================================================

Multiply-adds are those of one 299x299 image. All numbers of filters are in the blocks below, which are the paper's
figures 3 to 9. Means at the border are those of the pixels that there are.

Source: Szegedy, Ioffe, Vanhoucke and Alemi, Inception-v4, Inception-ResNet and the impact of residual connections on
learning, 2017. State names are timm's: ``features.{0..21}`` and ``last_linear``.
"""

from __future__ import annotations

from typing import Any

from pyconv import nn
from pyconv.models.inception_pieces import ConvNorm, column, joined, row
from pyconv.models.registry import register
from pyconv.nn.arguments import whole

__all__ = ["InceptionV4", "inception_v4"]


def _mean_then_1x1(c: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.AvgPool2d(3, 1, 1, count_include_pad=False), ConvNorm(c, out, 1))


class _Mixed3a(nn.Module):
    """Pooling beside a convolution, both with stride 2: 64 channels to 160 (figure 3, first junction)."""

    def __init__(self) -> None:
        super().__init__()
        self.maxpool = nn.MaxPool2d(3, 2)
        self.conv = ConvNorm(64, 96, 3, 2)

    def forward(self, x: Any) -> Any:
        return joined(self.maxpool(x), self.conv(x))


class _Mixed5a(nn.Module):
    """A convolution beside a pooling, both with stride 2: 192 channels to 384 (figure 3, third junction)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = ConvNorm(192, 192, 3, 2)
        self.maxpool = nn.MaxPool2d(3, 2)

    def forward(self, x: Any) -> Any:
        return joined(self.conv(x), self.maxpool(x))


class _Branches(nn.Module):
    """``branch0``, ``branch1``, ... side by side, joined along the channels."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        for i, branch in enumerate(branches):
            self.add_module(f"branch{i}", branch)

    def forward(self, x: Any) -> Any:
        return joined(*(branch(x) for branch in self.children()))


class _Mixed4a(_Branches):
    """160 channels to 192, without padding (figure 3, second junction)."""

    def __init__(self) -> None:
        super().__init__(
            nn.Sequential(ConvNorm(160, 64, 1), ConvNorm(64, 96, 3)),
            nn.Sequential(ConvNorm(160, 64, 1), row(64, 64, 7), column(64, 64, 7), ConvNorm(64, 96, 3)))


class _InceptionA(_Branches):
    """384 channels to 384 (figure 4)."""

    def __init__(self) -> None:
        super().__init__(
            ConvNorm(384, 96, 1),
            nn.Sequential(ConvNorm(384, 64, 1), ConvNorm(64, 96, 3, padding=1)),
            nn.Sequential(ConvNorm(384, 64, 1), ConvNorm(64, 96, 3, padding=1), ConvNorm(96, 96, 3, padding=1)),
            _mean_then_1x1(384, 96))


class _ReductionA(_Branches):
    """384 channels to 1024, with stride 2 (figure 7)."""

    def __init__(self) -> None:
        super().__init__(
            ConvNorm(384, 384, 3, 2),
            nn.Sequential(ConvNorm(384, 192, 1), ConvNorm(192, 224, 3, padding=1), ConvNorm(224, 256, 3, 2)),
            nn.MaxPool2d(3, 2))


class _InceptionB(_Branches):
    """1024 channels to 1024 (figure 5)."""

    def __init__(self) -> None:
        super().__init__(
            ConvNorm(1024, 384, 1),
            nn.Sequential(ConvNorm(1024, 192, 1), row(192, 224, 7), column(224, 256, 7)),
            nn.Sequential(ConvNorm(1024, 192, 1), column(192, 192, 7), row(192, 224, 7), column(224, 224, 7),
                          row(224, 256, 7)),
            _mean_then_1x1(1024, 128))


class _ReductionB(_Branches):
    """1024 channels to 1536, with stride 2 (figure 8)."""

    def __init__(self) -> None:
        super().__init__(
            nn.Sequential(ConvNorm(1024, 192, 1), ConvNorm(192, 192, 3, 2)),
            nn.Sequential(ConvNorm(1024, 256, 1), row(256, 256, 7), column(256, 320, 7), ConvNorm(320, 320, 3, 2)),
            nn.MaxPool2d(3, 2))


class _InceptionC(nn.Module):
    """1536 channels to 1536; two branches fan out (figure 6)."""

    def __init__(self) -> None:
        super().__init__()
        self.branch0 = ConvNorm(1536, 256, 1)
        self.branch1_0 = ConvNorm(1536, 384, 1)
        self.branch1_1a = row(384, 256, 3)
        self.branch1_1b = column(384, 256, 3)
        self.branch2_0 = ConvNorm(1536, 384, 1)
        self.branch2_1 = column(384, 448, 3)
        self.branch2_2 = row(448, 512, 3)
        self.branch2_3a = row(512, 256, 3)
        self.branch2_3b = column(512, 256, 3)
        self.branch3 = _mean_then_1x1(1536, 256)

    def forward(self, x: Any) -> Any:
        short = self.branch1_0(x)
        long = self.branch2_2(self.branch2_1(self.branch2_0(x)))
        return joined(self.branch0(x), self.branch1_1a(short), self.branch1_1b(short), self.branch2_3a(long),
                      self.branch2_3b(long), self.branch3(x))


class InceptionV4(nn.Module):
    """Inception-v4 on (N, in_channels, H, W), made for 299x299; see `inception_v4`."""

    def __init__(self, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.0) -> None:
        super().__init__()
        num_classes = whole("InceptionV4", "num_classes", num_classes, 1)
        self.input_size = (in_channels, 299, 299)
        self.features = nn.Sequential(
            ConvNorm(in_channels, 32, 3, 2), ConvNorm(32, 32, 3), ConvNorm(32, 64, 3, padding=1),
            _Mixed3a(), _Mixed4a(), _Mixed5a(),
            *(_InceptionA() for _ in range(4)), _ReductionA(),
            *(_InceptionB() for _ in range(7)), _ReductionB(),
            *(_InceptionC() for _ in range(3)))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout)
        self.last_linear = nn.Linear(1536, num_classes)

    def forward(self, x: Any) -> Any:
        """(N, in_channels, H, W) to scores (N, num_classes)."""
        return self.last_linear(self.dropout(self.flatten(self.avgpool(self.features(x)))))


@register
def inception_v4(num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.0) -> InceptionV4:
    """Inception-v4 for 299x299 images; at least 75x75.

    ``dropout`` is the probability in front of the last linear layer; the paper has 0.2. Raises TypeError and
    ValueError for arguments that can never work, ShapeError when called with an image that does not fit.

    >>> import pyconv
    >>> with pyconv.device("meta"):
    ...     model = inception_v4()
    >>> model.features(pyconv.zeros(1, 3, 299, 299, device="meta")).shape
    (1, 1536, 8, 8)
    """
    return InceptionV4(num_classes, in_channels, dropout)
