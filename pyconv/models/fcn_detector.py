"""A fully convolutional detector: a classifier of 38 x 38 pixels that looks everywhere at once.

============  ==========  ====================  =============================================================
Network       Parameters  Multiply-adds (128²)  Layers
============  ==========  ====================  =============================================================
fcn_detector     388,673           182,609,280  conv 32, pool, conv 64, pool, conv 128, pool, conv 256, score
============  ==========  ====================  =============================================================

Convolutions are 3x3 with ReLU, without padding, poolings take the largest of 2x2, the score is a 1x1 convolution. On 38 x
38 pixels there is one score per class: an object of that class lies in the middle, or not. On a larger picture the same
filters give a map of scores, the heat map, whose cells are what the classifier says of the windows in steps of 8 pixels,
at a fraction of the work: windows overlap, and what they share is computed once. Objects are the peaks of the map.

Sources: Sermanet et al., OverFeat: integrated recognition, localization and detection using convolutional networks,
2014; Long, Shelhamer and Darrell, Fully convolutional networks for semantic segmentation, 2015.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pyconv import nn
from pyconv.grad_mode import no_grad
from pyconv.models.registry import register
from pyconv.models.sizes import at_least
from pyconv.nn import functional as F
from pyconv.nn.arguments import number, positive, whole
from pyconv.tensor import Tensor

__all__ = ["FCNDetector", "fcn_detector"]

_WINDOW = 38  # pixels that a cell of the heat map sees
_STEP = 8  # pixels between cells


class FCNDetector(nn.Module):
    """Heat maps of objects' centres, one per class, on (N, in_channels, H, W); see `fcn_detector`."""

    def __init__(self, num_classes: int = 1, in_channels: int = 3) -> None:
        super().__init__()
        self.num_classes = whole("fcn_detector", "num_classes", num_classes, 1)
        self.input_size = (whole("fcn_detector", "in_channels", in_channels, 1), 128, 128)
        self.conv1 = nn.Conv2d(in_channels, 32, 3)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.conv3 = nn.Conv2d(64, 128, 3)
        self.conv4 = nn.Conv2d(128, 256, 3)
        self.score = nn.Conv2d(256, num_classes, 1)
        self.relu, self.pool = nn.ReLU(), nn.MaxPool2d(2)
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            nn.init.zeros_(conv.bias)

    def forward(self, x: Any) -> Any:
        """(N, in_channels, H, W) to scores (N, num_classes, (H - 38) // 8 + 1, (W - 38) // 8 + 1); above 0 means yes."""
        at_least("fcn_detector", x, self.input_size[0], _WINDOW)
        for conv in (self.conv1, self.conv2, self.conv3):
            x = self.pool(self.relu(conv(x)))
        return self.score(self.relu(self.conv4(x)))

    def targets(self, centers: Sequence[Sequence[tuple[float, float, int]]], size: tuple[int, int],
                sigma: float = _STEP) -> Tensor:
        """The heat maps to train on, with `functional.binary_cross_entropy_with_logits`.

        Args:
            centers: for each picture its objects (x, y, class), in pixels; (0, 0) is the middle of the first pixel.
            size: (H, W) of the pictures.
            sigma: how far a cell may lie from an object and still say yes, in pixels.

        Returns:
            float32 (N, num_classes, H', W'), exp(-distance² / (2 sigma²)) to the nearest object of the class.

        >>> fcn_detector().targets([[(18.5, 18.5, 0)]], (46, 38)).array.round(2).tolist()
        [[[[1.0], [0.6100000143051147]]]]
        """
        positive("fcn_detector.targets", "sigma", sigma, 1e6)
        rows, columns = (_STEP * np.arange(_cells(n)) + (_WINDOW - 1) / 2 for n in size)
        maps = np.zeros((len(centers), self.num_classes, len(rows), len(columns)), np.float32)
        for picture, objects in zip(maps, centers, strict=True):
            for x, y, label in objects:
                if not 0 <= label < self.num_classes:
                    raise IndexError(f"[fcn_detector.targets] class is {label}, expected 0 to {self.num_classes - 1}")
                near = np.exp(-((rows[:, None] - y) ** 2 + (columns - x) ** 2) / (2 * sigma**2))
                picture[label] = np.maximum(picture[label], near)
        return Tensor(maps)

    def detect(self, x: Any, threshold: float = 0.5) -> list[np.ndarray]:
        """The objects of each picture: rows (x, y, class, probability), the surest first.

        A cell is an object if it says yes with at least this probability and none of its eight neighbours says so more
        surely. Its place is the mean of the nine cells' places, weighted by their probabilities.
        """
        number("fcn_detector.detect", "threshold", threshold, 0, 1)
        with no_grad():
            heat = F.sigmoid(self(x))
            _, largest = F.max_pool2d(heat, 3, 1, 1, return_indices=True)
        own = np.arange(heat.shape[2] * heat.shape[3]).reshape(heat.shape[2:])  # of equal neighbours the first is the peak
        found = []
        for maps, is_peak in zip(heat.numpy(), (largest.numpy() == own) & (heat.numpy() >= threshold), strict=True):
            peaks = [(*_place(maps[c], i, j), c, maps[c, i, j]) for c, i, j in np.argwhere(is_peak)]
            found.append(np.array(sorted(peaks, key=lambda p: -p[3]), np.float32).reshape(-1, 4))
        return found


def _cells(pixels: int) -> int:
    return max(0, (whole("fcn_detector.targets", "size", pixels, 0) - _WINDOW) // _STEP + 1)


def _place(heat: np.ndarray, i: int, j: int) -> tuple[float, float]:
    """x and y in pixels of the mean of a cell and its neighbours."""
    top, left = max(0, i - 1), max(0, j - 1)
    near = heat[top:i + 2, left:j + 2].astype(np.float64)
    rows, columns = np.indices(near.shape)
    total = near.sum()
    return tuple(_STEP * (first + (near * n).sum() / total) + (_WINDOW - 1) / 2 for first, n in ((left, columns), (top, rows)))


@register
def fcn_detector(num_classes: int = 1, in_channels: int = 3) -> FCNDetector:
    """A detector with 32, 64, 128 and 256 filters: 388,673 parameters; pictures of any size from 38 x 38.

    Train it on pieces of 38 x 38 or on whole pictures with `FCNDetector.targets`; `FCNDetector.detect` finds the objects.
    State names: ``conv1`` to ``conv4``, ``score``.

    >>> import pyconv
    >>> fcn_detector()(pyconv.zeros(1, 3, 64, 80)).shape
    (1, 1, 4, 6)
    """
    return FCNDetector(num_classes, in_channels)
