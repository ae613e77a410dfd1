"""LeNet-5 as it was published: partly connected maps, trained subsampling, an output of distances.

=======  ======================================================  ============  ==========  ===========
Layer    What                                                    Output        Parameters  Connections
=======  ======================================================  ============  ==========  ===========
C1       conv 6@5x5                                              6 x 28 x 28          156      122,304
S2       sums of 2x2, times a coefficient, plus a bias, per map  6 x 14 x 14           12        5,880
C3       conv 16@5x5, each of 3, 4 or 6 of the maps below        16 x 10 x 10       1,516      151,600
S4       as S2                                                   16 x 5 x 5            32        2,000
C5       conv 120@5x5                                            120 x 1 x 1       48,120       48,120
F6       linear                                                  84                10,164       10,164
Output   squared distance to each class's code                   10                     0          840
=======  ======================================================  ============  ==========  ===========

60,000 parameters, 340,908 connections (products and biases), 325,680 multiply-adds of convolutions and F6 alone.

After each of C1 to F6 comes 1.7159 tanh(2/3 a), which is 1 at 1 and -1 at -1. F6 draws a picture of 7 x 12 pixels, each
-1 or 1; the classes' codes are such pictures of the ten digits (drawn here anew), so that digits which look alike have
codes that look alike. Pictures are 32 x 32, with -0.1 for the ground and 1.175 for ink: mean 0, variance about 1.

Source: LeCun, Bottou, Bengio and Haffner, Gradient-based learning applied to document recognition, 1998.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyconv import nn
from pyconv.models.registry import register
from pyconv.models.sizes import exactly
from pyconv.nn import functional as F
from pyconv.nn.arguments import allocate, parameter
from pyconv.ops.join import cat

__all__ = ["LeNet5From1998", "lenet5_1998"]

#: Table I of the paper: which of S2's maps each of C3's maps sees.
TABLE = (
    *[tuple(sorted((i + k) % 6 for k in range(3))) for i in range(6)],  # neighbours in a ring
    *[tuple(sorted((i + k) % 6 for k in range(4))) for i in range(6)],
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5),  # two pairs
    (0, 1, 2, 3, 4, 5),
)
#: The classes' codes: 7 x 12 pixels for each digit, row by row.
_DIGITS = (
    ("..###..", ".#...#.", "#.....#", "#.....#", "#.....#", "#.....#", "#.....#", "#.....#", "#.....#", "#.....#", ".#...#.",
     "..###.."),
    ("...#...", "..##...", ".#.#...", "...#...", "...#...", "...#...", "...#...", "...#...", "...#...", "...#...", "...#...",
     ".#####."),
    (".#####.", "#.....#", "......#", "......#", "......#", ".....#.", "....#..", "...#...", "..#....", ".#.....", "#......",
     "#######"),
    (".#####.", "#.....#", "......#", "......#", "......#", "..####.", "......#", "......#", "......#", "......#", "#.....#",
     ".#####."),
    (".....#.", "....##.", "...#.#.", "..#..#.", ".#...#.", "#....#.", "#######", ".....#.", ".....#.", ".....#.", ".....#.",
     ".....#."),
    ("#######", "#......", "#......", "#......", "######.", "......#", "......#", "......#", "......#", "......#", "#.....#",
     ".#####."),
    ("..####.", ".#.....", "#......", "#......", "#......", "######.", "#.....#", "#.....#", "#.....#", "#.....#", "#.....#",
     ".#####."),
    ("#######", "......#", "......#", ".....#.", ".....#.", "....#..", "....#..", "...#...", "...#...", "..#....", "..#....",
     "..#...."),
    (".#####.", "#.....#", "#.....#", "#.....#", "#.....#", ".#####.", "#.....#", "#.....#", "#.....#", "#.....#", "#.....#",
     ".#####."),
    (".#####.", "#.....#", "#.....#", "#.....#", "#.....#", "#.....#", ".######", "......#", "......#", "......#", ".....#.",
     ".####.."),
)


def _squash(x: Any) -> Any:
    return 1.7159 * F.tanh(x * (2 / 3))


class _Subsample(nn.Module):
    """squash(coefficient * sum of 2x2 + bias), a coefficient and a bias for each map."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.weight, self.bias = (parameter("lenet5_1998", (maps,), None, None) for _ in range(2))

    def forward(self, x: Any) -> Any:
        sums = F.avg_pool2d(x, 2, divisor_override=1)
        return _squash(sums * self.weight.reshape(-1, 1, 1) + self.bias.reshape(-1, 1, 1))


class _PartialConv(nn.Module):
    """`TABLE` as grouped convolutions: the six maps that see three, the nine that see four, the one that sees all."""

    def __init__(self) -> None:
        super().__init__()
        self.three = nn.Conv2d(6 * 3, 6, 5, groups=6)
        self.four = nn.Conv2d(9 * 4, 9, 5, groups=9)
        self.six = nn.Conv2d(6, 1, 5)

    def forward(self, x: Any) -> Any:
        seen = [[i for maps in rows for i in maps] for rows in (TABLE[:6], TABLE[6:15])]
        return cat([self.three(x[:, seen[0]]), self.four(x[:, seen[1]]), self.six(x)], 1)


class _Distances(nn.Module):
    """Minus the squared distance to each code: the nearest code has the largest score."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("codes", allocate("lenet5_1998", (84, 10), None, None))
        if not self.codes.is_meta:
            pixels = np.array([list("".join(rows)) for rows in _DIGITS]) == "#"
            self.codes.copy_(np.where(pixels.T, 1, -1).astype(np.float32))

    def forward(self, x: Any) -> Any:
        return -((x.unsqueeze(2) - self.codes) ** 2).sum(1)


class LeNet5From1998(nn.Module):
    """LeNet-5 of 1998 on (N, 1, 32, 32); see `lenet5_1998`."""

    def __init__(self) -> None:
        super().__init__()
        self.input_size = (1, 32, 32)
        self.c1 = nn.Conv2d(1, 6, 5)
        self.s2 = _Subsample(6)
        self.c3 = _PartialConv()
        self.s4 = _Subsample(16)
        self.c5 = nn.Conv2d(16, 120, 5)
        self.f6 = nn.Linear(120, 84)
        self.rbf = _Distances()
        for module in self.modules():  # U(-2.4 / n, 2.4 / n), n the inputs of a unit
            if isinstance(module, (nn.Conv2d, nn.Linear, _Subsample)):
                inputs = 4 if isinstance(module, _Subsample) else math.prod(module.weight.shape[1:])
                for p in module.parameters():
                    nn.init.uniform_(p, -2.4 / inputs, 2.4 / inputs)

    def forward(self, x: Any) -> Any:
        """(N, 1, 32, 32) to minus the distances, (N, 10)."""
        exactly("lenet5_1998", x, 1, 32)
        x = self.s2(_squash(self.c1(x)))
        x = self.s4(_squash(self.c3(x)))
        x = _squash(self.c5(x)).flatten(1)
        return self.rbf(_squash(self.f6(x)))


@register
def lenet5_1998() -> LeNet5From1998:
    """LeNet-5 of 1998, for the ten digits: 60,000 parameters.

    The output is minus the squared distance to each class's code, so that, as everywhere, the largest is the answer and
    `functional.cross_entropy` trains it: that is the paper's equation 9, the "rubbish class" left out. State names:
    ``c1``, ``s2``, ``c3.three``, ``c3.four``, ``c3.six``, ``s4``, ``c5``, ``f6`` and the fixed buffer ``rbf.codes`` (84, 10).

    >>> sum(p.numel() for p in lenet5_1998().parameters())
    60000
    """
    return LeNet5From1998()
