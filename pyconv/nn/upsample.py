"""Layers that change the size of maps."""

from __future__ import annotations

from typing import Any

from pyconv.nn import functional
from pyconv.nn.arguments import flag, number, whole
from pyconv.nn.module import Module
from pyconv.ops.resample import MODES


class Upsample(Module):
    """Maps of another size: `functional.interpolate` as a layer.

    Args:
        size: the output's spatial size, one number or one per axis; or
        scale_factor: outputs per input, one number or one per axis.
        mode: "nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear" or "area".
        align_corners: for the linear and cubic modes: whether the centers of the outermost pixels are aligned.
        recompute_scale_factor: whether the step is that between the rounded sizes.

    Raises TypeError and ValueError for arguments that can never work.

    >>> import pyconv
    >>> from pyconv import nn
    >>> nn.Upsample(scale_factor=2, mode="bilinear")
    Upsample(scale_factor=2.0, mode='bilinear')
    >>> nn.Upsample(scale_factor=2)(pyconv.zeros(1, 3, 4, 5)).shape
    (1, 3, 8, 10)
    """

    def __init__(self, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
                 align_corners: bool | None = None, recompute_scale_factor: bool | None = None) -> None:
        super().__init__()
        layer = self._get_name()
        sizes = size if isinstance(size, (tuple, list)) else (size,)
        if size is not None:
            for n in sizes:
                whole(layer, "size", n, 1)
        self.size = size
        self.scale_factor: Any
        if isinstance(scale_factor, (tuple, list)):
            self.scale_factor = tuple([_factor(layer, f) for f in scale_factor])
        else:
            self.scale_factor = None if scale_factor is None else _factor(layer, scale_factor)
        if mode not in MODES:
            raise ValueError(f"[{layer}] mode is {mode!r}, expected one of {', '.join(MODES)}")
        self.mode = mode
        for name, value in (("align_corners", align_corners), ("recompute_scale_factor", recompute_scale_factor)):
            if value is not None:
                flag(layer, name, value)
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Any) -> Any:
        """(N, C, ...) to (N, C, ...')."""
        return functional.interpolate(input, self.size, self.scale_factor, self.mode, self.align_corners,
                                      self.recompute_scale_factor)

    def extra_repr(self) -> str:
        """The size or the factor, and the mode."""
        size = f"size={self.size!r}" if self.scale_factor is None else f"scale_factor={self.scale_factor!r}"
        return f"{size}, mode={self.mode!r}"


def _factor(layer: str, value: Any) -> float:
    factor = number(layer, "scale_factor", value, 0, 2.0**31)
    if factor == 0:
        raise ValueError(f"[{layer}] scale_factor is 0, expected a positive number")
    return factor


class UpsamplingNearest2d(Upsample):
    """`Upsample` of images by nearest neighbours.

    >>> from pyconv import nn
    >>> nn.UpsamplingNearest2d(scale_factor=2)
    UpsamplingNearest2d(scale_factor=2.0, mode='nearest')
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """`Upsample` of images by bilinear interpolation with aligned corners.

    >>> from pyconv import nn
    >>> nn.UpsamplingBilinear2d(size=(4, 6))
    UpsamplingBilinear2d(size=(4, 6), mode='bilinear')
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
