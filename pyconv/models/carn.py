"""CARN: super-resolution by cascading residual blocks, and CARN-M, its light form.

================  ==========  ===============================
Network           Parameters  Multiply-adds (720 x 1280 out)
================  ==========  ===============================
carn, all scales   1,591,939  90,873,446,400 at x4
carn, x4 only      1,111,875  the same
carn_m, all          414,787  32,480,870,400 at x4
================  ==========  ===============================

The paper's 412 thousand for CARN-M leave out its 2,755 biases.

Unlike SRCNN and VDSR the network works on the small picture and enlarges at the end, by pixel shuffling. Cascading: each
block sees everything before it, at two levels. Within a block three residual units (conv, relu, conv, plus the input,
relu) alternate with 1x1 convolutions on all results so far; in the network three such blocks do the same. CARN-M's unit has
two convolutions in four groups and a 1x1 one, and the three units of a block are one and the same.

Source: Ahn, Kang and Sohn, Fast, accurate, and lightweight super-resolution with cascading residual network, 2018.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pyconv import nn
from pyconv.models.registry import register
from pyconv.models.sizes import image
from pyconv.nn.arguments import allocate
from pyconv.ops.join import cat

__all__ = ["CARN", "carn", "carn_m"]

_MEAN = (0.4488, 0.4371, 0.4040)  # of the DIV2K pictures, red, green, blue from 0 to 1
_WIDTH = 64


class _Shifter(nn.Module):
    """A 1x1 layer that is not trained: its weight is diagonal, one factor per colour, and the mean its bias."""

    def __init__(self, sign: int) -> None:
        super().__init__()
        for name, shape in (("weight", (3, 3, 1, 1)), ("bias", (3,))):
            self.register_buffer(name, allocate("CARN", shape, None, None))
        nn.init.dirac_(self.weight)
        if not self.bias.is_meta:
            self.bias.copy_(np.array(_MEAN, np.float32) * sign)

    def forward(self, x: Any) -> Any:
        return x * self.weight.reshape(9)[::4].reshape(3, 1, 1) + self.bias.reshape(3, 1, 1)


class _MeanShift(nn.Module):
    """A fixed colour added to every pixel."""

    def __init__(self, sign: int) -> None:
        super().__init__()
        self.shifter = _Shifter(sign)

    def forward(self, x: Any) -> Any:
        return self.shifter(x)


class _ConvReLU(nn.Module):
    """conv 1x1 that brings a cascade back to the width, relu."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(in_channels, _WIDTH, 1), nn.ReLU())

    def forward(self, x: Any) -> Any:
        return self.body(x)


class _Residual(nn.Module):
    """relu(x + convolutions of x): two 3x3; with groups two grouped 3x3 and a 1x1."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1, groups=groups), nn.ReLU(),
                                   nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1, groups=groups)]
        if groups > 1:
            layers += [nn.ReLU(), nn.Conv2d(_WIDTH, _WIDTH, 1)]
        self.body = nn.Sequential(*layers)
        self.relu = nn.ReLU()

    def forward(self, x: Any) -> Any:
        return self.relu(self.body(x) + x)


class _Cascade(nn.Module):
    """y = c_k(x, b_1(x), ..., b_k(y of k - 1)), k = 1, 2, 3; joins are along channels."""

    def __init__(self, units: list[nn.Module]) -> None:
        super().__init__()
        self.b1 = units[0]
        if len(units) == 3:  # otherwise b1 stands for all three
            self.b2, self.b3 = units[1:]
        self.c1, self.c2, self.c3 = (_ConvReLU(n * _WIDTH) for n in (2, 3, 4))

    def cascade(self, x: Any) -> Any:
        shared = "b2" not in self._modules
        joined = y = x
        for unit, merge in (("b1", self.c1), ("b2", self.c2), ("b3", self.c3)):
            joined = cat([joined, getattr(self, "b1" if shared else unit)(y)], 1)
            y = merge(joined)
        return y

    def forward(self, x: Any) -> Any:
        return self.cascade(x)


class _Enlarge(nn.Module):
    """Pixel shuffles: by 3 at once, by 4 as 2 and 2."""

    def __init__(self, scale: int, groups: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for step in (2, 2) if scale == 4 else (scale,):
            layers += [nn.Conv2d(_WIDTH, _WIDTH * step**2, 3, padding=1, groups=groups), nn.ReLU(), nn.PixelShuffle(step)]
        self.body = nn.Sequential(*layers)

    def forward(self, x: Any) -> Any:
        return self.body(x)


class _Upsample(nn.Module):
    """One way up, or one per scale."""

    def __init__(self, scale: int | None, groups: int) -> None:
        super().__init__()
        if scale is None:
            self.up2, self.up3, self.up4 = (_Enlarge(s, groups) for s in (2, 3, 4))
        else:
            self.up = _Enlarge(scale, groups)

    def forward(self, x: Any, scale: int) -> Any:
        return getattr(self, "up" if "up" in self._modules else f"up{scale}")(x)


class CARN(_Cascade):
    """CARN on (N, 3, H, W); see `carn` and `carn_m`."""

    def __init__(self, scale: int | None = None, groups: int = 1, name: str = "carn") -> None:
        if scale not in (None, 2, 3, 4):
            raise ValueError(f"[{name}] scale is {scale!r}, expected 2, 3, 4, or None for all of them")
        super().__init__([_Cascade([_Residual(groups) for _ in range(3 if groups == 1 else 1)]) for _ in range(3)])
        self.name, self.scale = name, scale
        self.input_size = (3, 64, 64)
        self.sub_mean, self.add_mean = _MeanShift(-1), _MeanShift(1)
        self.entry = nn.Conv2d(3, _WIDTH, 3, padding=1)
        self.upsample = _Upsample(scale, groups)
        self.exit = nn.Conv2d(_WIDTH, 3, 3, padding=1)

    def forward(self, x: Any, scale: int | None = None) -> Any:
        """(N, 3, H, W) to (N, 3, scale H, scale W); ``scale`` None is the network's only one, or 4."""
        image(self.name, x, 3)
        if scale not in ((None, 2, 3, 4) if self.scale is None else (None, self.scale)):
            raise ValueError(f"[{self.name}] scale is {scale!r}, expected {self.scale or '2, 3 or 4'}")
        y = self.cascade(self.entry(self.sub_mean(x)))
        return self.add_mean(self.exit(self.upsample(y, scale or self.scale or 4)))


@register
def carn(scale: int | None = None) -> CARN:
    """CARN: 1,591,939 parameters for all scales, called as ``model(x, 3)``; 1,111,875 for ``scale`` 4 alone.

    Pictures are red, green and blue from 0 to 1. State names: ``sub_mean.shifter``, ``entry``, ``b1.b1.body.0`` to
    ``b3.b3.body.2``, ``b1.c1.body.0``, ``c1.body.0``, ``upsample.up2.body.0`` (``upsample.up`` for one scale), ``exit``,
    ``add_mean.shifter``. Raises ValueError for another scale.

    >>> import pyconv
    >>> carn()(pyconv.zeros(1, 3, 8, 10), 3).shape
    (1, 3, 24, 30)
    """
    return CARN(scale)


@register
def carn_m(scale: int | None = None) -> CARN:
    """CARN-M: 414,787 parameters; four groups and shared units; otherwise as `carn`.

    State names: as `carn`'s with ``b1.b1.body.0``, ``.2`` and ``.4`` in place of a block's three units.

    >>> import pyconv
    >>> carn_m(scale=2)(pyconv.zeros(1, 3, 8, 10)).shape
    (1, 3, 16, 20)
    """
    return CARN(scale, 4, "carn_m")
