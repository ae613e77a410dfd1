"""Stacked hourglasses: one heat map per joint of a body, refined stack by stack.

======  ==========  =====================
Stacks  Parameters  Multiply-adds (256²)
======  ==========  =====================
1        3,586,960   5,804,654,592
2        6,730,912   8,988,917,760
8       25,594,624  28,094,496,768
======  ==========  =====================

An hourglass halves its map four times by max pooling and enlarges it again by repeating pixels; at every size the map
before pooling, sent through a residual block of its own, is added on the way up. So it sees the whole body and keeps each
pixel's place. A 7x7 convolution of stride 2 and a pooling come first: 256 x 256 pixels give maps of 64 x 64. Each stack
predicts maps, is trained on them, and hands features and maps on to the next.

Residual blocks are those that normalise first: batch norm, relu, conv 1x1 to 128, batch norm, relu, conv 3x3, batch
norm, relu, conv 1x1 to 256, plus the input.

Source: Newell, Yang and Deng, Stacked hourglass networks for human pose estimation, 2016.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pyconv import nn
from pyconv.errors import ShapeError
from pyconv.models.registry import register
from pyconv.models.sizes import multiples
from pyconv.nn import functional as F
from pyconv.nn.arguments import positive, whole
from pyconv.tensor import Tensor, raw

__all__ = ["Hourglass", "hourglass"]

_DEPTH = 4  # times that an hourglass halves its map
_STEP = 4  # pixels per cell of the maps
_WIDTH = 128  # of the 3x3 convolutions; 256 between blocks


class _Residual(nn.Module):
    """x + conv(norm(conv(norm(conv(norm(x)))))); a 1x1 convolution of x where the channels change."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, width, 1)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.bn3 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 2 * width, 1)
        self.relu = nn.ReLU()
        if in_channels != 2 * width:
            self.downsample = nn.Sequential(nn.Conv2d(in_channels, 2 * width, 1))

    def forward(self, x: Any) -> Any:
        y = self.conv1(self.relu(self.bn1(x)))
        y = self.conv2(self.relu(self.bn2(y)))
        y = self.conv3(self.relu(self.bn3(y)))
        return y + (self.downsample(x) if "downsample" in self._modules else x)


def _residuals(count: int) -> nn.Sequential:
    return nn.Sequential(*[_Residual(2 * _WIDTH, _WIDTH) for _ in range(count)])


class _Glass(nn.Module):
    """One hourglass: ``hg[level]`` holds the blocks beside, before and behind what is smaller, level 0 the bottom, too."""

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.hg = nn.ModuleList([nn.ModuleList([_residuals(blocks) for _ in range(4 if level == 0 else 3)])
                                 for level in range(_DEPTH)])

    def forward(self, x: Any, level: int = _DEPTH - 1) -> Any:
        beside, before, behind, *bottom = self.hg[level]
        y = before(F.max_pool2d(x, 2))
        y = bottom[0](y) if bottom else self.forward(y, level - 1)
        return beside(x) + F.interpolate(behind(y), scale_factor=2)


class Hourglass(nn.Module):
    """Stacked hourglasses on (N, in_channels, H, W); see `hourglass`."""

    def __init__(self, num_classes: int = 16, in_channels: int = 3, stacks: int = 8, blocks: int = 1) -> None:
        super().__init__()
        for name, value in (("num_classes", num_classes), ("in_channels", in_channels), ("stacks", stacks), ("blocks", blocks)):
            whole("hourglass", name, value, 1)
        width = 2 * _WIDTH
        self.input_size = (in_channels, 256, 256)
        self.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.layer1 = nn.Sequential(_Residual(64, 64))
        self.layer2 = nn.Sequential(_Residual(128, 128))
        self.layer3 = nn.Sequential(_Residual(256, 128))
        self.maxpool = nn.MaxPool2d(2)
        self.hg = nn.ModuleList([_Glass(blocks) for _ in range(stacks)])
        self.res = nn.ModuleList([_residuals(blocks) for _ in range(stacks)])
        self.fc = nn.ModuleList([nn.Sequential(nn.Conv2d(width, width, 1), nn.BatchNorm2d(width), nn.ReLU())
                                 for _ in range(stacks)])
        self.score = nn.ModuleList([nn.Conv2d(width, num_classes, 1) for _ in range(stacks)])
        self.fc_ = nn.ModuleList([nn.Conv2d(width, width, 1) for _ in range(stacks - 1)])
        self.score_ = nn.ModuleList([nn.Conv2d(num_classes, width, 1) for _ in range(stacks - 1)])

    def forward(self, x: Any) -> list[Any]:
        """(N, in_channels, H, W) to a list of maps (N, num_classes, H / 4, W / 4), one entry per stack."""
        multiples("hourglass", x, self.input_size[0], _STEP * 2**_DEPTH)
        x = self.layer1(self.relu(self.bn1(self.conv1(x))))
        x = self.layer3(self.layer2(self.maxpool(x)))
        maps = []
        for i, (glass, res, fc, score) in enumerate(zip(self.hg, self.res, self.fc, self.score, strict=True)):
            y = fc(res(glass(x)))
            maps.append(score(y))
            if i + 1 < len(self.hg):
                x = x + self.fc_[i](y) + self.score_[i](maps[-1])
        return maps

    def targets(self, points: Any, size: tuple[int, int], sigma: float = 1.0) -> Tensor:
        """The maps to train on, with `functional.mse_loss` for every stack.

        Args:
            points: (N, joints, 2), x and y of each joint in pixels, (0, 0) the middle of the first; NaN for one that is not
                seen, whose map is zero.
            size: (H, W) of the pictures.
            sigma: of the spot around a joint, in cells of the map.

        Returns:
            float32 (N, joints, H / 4, W / 4), exp(-distance² / (2 sigma²)).
        """
        where = np.asarray(points, np.float64)
        if where.ndim != 3 or where.shape[2] != 2:
            raise ShapeError(f"[hourglass.targets] points have shape {where.shape}, expected (N, joints, 2)")
        positive("hourglass.targets", "sigma", sigma, 1e6)
        cells = (where - (_STEP - 1) / 2) / _STEP
        rows, columns = (np.arange(whole("hourglass.targets", "size", n, 1) // _STEP) for n in size)
        x, y = (cells[:, :, i, None, None] for i in (0, 1))
        maps = np.exp(-((columns - x) ** 2 + (rows[:, None] - y) ** 2) / (2 * sigma**2))
        return Tensor(np.nan_to_num(maps, nan=0.0).astype(np.float32))

    def joints(self, maps: Any) -> np.ndarray:
        """Maps (N, joints, H, W) to (N, joints, 3): x and y in pixels, and the map's largest value.

        The place is that of the largest value, a quarter of a cell towards the larger neighbour along each axis.
        """
        heat = raw(maps, "hourglass.joints", "maps")
        if heat.ndim != 4 or 0 in heat.shape:
            raise ShapeError(f"[hourglass.joints] maps have shape {heat.shape}, expected (N, joints, H, W)")
        found = np.zeros((*heat.shape[:2], 3), np.float32)
        for n, joint in np.ndindex(*heat.shape[:2]):
            one = np.pad(heat[n, joint], 1, mode="reflect")  # at the border neither neighbour is larger
            i, j = np.unravel_index(heat[n, joint].argmax(), heat.shape[2:])
            x = j + 0.25 * np.sign(one[i + 1, j + 2] - one[i + 1, j])
            y = i + 0.25 * np.sign(one[i + 2, j + 1] - one[i, j + 1])
            found[n, joint] = _STEP * x + (_STEP - 1) / 2, _STEP * y + (_STEP - 1) / 2, heat[n, joint, i, j]
        return found


@register
def hourglass(num_classes: int = 16, in_channels: int = 3, stacks: int = 8, blocks: int = 1) -> Hourglass:
    """Stacked hourglasses: 25,594,624 parameters with 8 ``stacks``, 6,730,912 with 2, 3,586,960 with 1.

    ``num_classes`` is the number of joints, ``blocks`` that of residual blocks in a row. Sides are multiples of 64. The
    output is a list with the maps of every stack, to be trained with the squared error of each, on `Hourglass.targets`; the
    last is the answer, from which `Hourglass.joints` reads the places.
    State names: ``conv1 bn1 layer1.0.bn1 hg.0.hg.0.0.0.bn1 res.0.0.bn1 fc.0.0 score.0 fc_.0 score_.0``. Raises
    ShapeError for other sides.

    >>> import pyconv
    >>> [maps.shape for maps in hourglass(stacks=2)(pyconv.zeros(1, 3, 64, 128))]
    [(1, 16, 16, 32), (1, 16, 16, 32)]
    """
    return Hourglass(num_classes, in_channels, stacks, blocks)
