"""SRCNN: the first convolutional network for super-resolution, three layers.

=========  ==========  =============================  ===================================================
Filters    Parameters  Multiply-adds (720 x 1280)     Layers
=========  ==========  =============================  ===================================================
9-1-5           8,129                  7,402,291,200  conv 64@9x9, conv 32@1x1, conv 1@5x5
9-3-5          24,513                 22,501,785,600  conv 64@9x9, conv 32@3x3, conv 1@5x5
9-5-5          57,281                 52,700,774,400  conv 64@9x9, conv 32@5x5, conv 1@5x5
=========  ==========  =============================  ===================================================

The picture is enlarged by bicubic interpolation first; the network then sharpens it: patches become feature vectors
(9x9), feature vectors of the blurred picture become those of the sharp one (1x1, 3x3 or 5x5), and these become pixels
(5x5). Padding keeps the size. Pictures are luminance, one channel, from 0 to 1.

Source: Dong, Loy, He and Tang, Learning a deep convolutional network for image super-resolution, 2014; Image
super-resolution using deep convolutional networks, 2015 (9-3-5, 9-5-5).
"""

from __future__ import annotations

from typing import Any

from pyconv import nn
from pyconv.models.registry import register
from pyconv.models.sizes import image
from pyconv.nn.arguments import whole

__all__ = ["SRCNN", "srcnn"]

_FILTERS = {"9-1-5": (9, 1, 5), "9-3-5": (9, 3, 5), "9-5-5": (9, 5, 5)}


class SRCNN(nn.Module):
    """SRCNN on (N, in_channels, H, W), already enlarged; see `srcnn`."""

    def __init__(self, in_channels: int = 1, filters: str = "9-1-5") -> None:
        super().__init__()
        whole("srcnn", "in_channels", in_channels, 1)
        if not isinstance(filters, str) or filters not in _FILTERS:
            raise ValueError(f"[srcnn] filters is {filters!r}, expected one of {', '.join(_FILTERS)}")
        first, second, third = _FILTERS[filters]
        self.input_size = (in_channels, 33, 33)
        self.conv1 = nn.Conv2d(in_channels, 64, first, padding=first // 2)
        self.conv2 = nn.Conv2d(64, 32, second, padding=second // 2)
        self.conv3 = nn.Conv2d(32, in_channels, third, padding=third // 2)
        self.relu = nn.ReLU()
        for conv in (self.conv1, self.conv2, self.conv3):
            nn.init.normal_(conv.weight, std=0.001)
            nn.init.zeros_(conv.bias)

    def forward(self, x: Any) -> Any:
        """(N, in_channels, H, W) to the same size."""
        image("srcnn", x, self.input_size[0])
        return self.conv3(self.relu(self.conv2(self.relu(self.conv1(x)))))


@register
def srcnn(in_channels: int = 1, filters: str = "9-1-5") -> SRCNN:
    """SRCNN: 8,129 parameters; ``filters`` "9-1-5", "9-3-5" or "9-5-5" are the sizes of its three layers' filters.

    Weights are drawn from N(0, 0.001^2), as in the paper; it was trained on pieces of 33x33. State names: ``conv1 conv2
    conv3``. Raises ValueError for other filters.

    >>> import pyconv
    >>> srcnn()(pyconv.zeros(1, 1, 20, 24)).shape
    (1, 1, 20, 24)
    """
    return SRCNN(in_channels, filters)
