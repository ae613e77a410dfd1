"""Maps of another size: nearest neighbours, linear and cubic interpolation, averages over areas."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pyconv._backend import core
from pyconv.errors import ShapeError
from pyconv.ops.arguments import whole
from pyconv.ops.out import takes_out_in_order
from pyconv.ops.pool import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d
from pyconv.tensor import Array, Context, Op, Record, Shape, Tensor, apply, raw

#: Modes with weights: how many spatial axes they are for, and the kernels' name.
_LINEAR = {"linear": (1, "linear"), "bilinear": (2, "linear"), "trilinear": (3, "linear"), "bicubic": (2, "cubic")}
_AREA = {1: adaptive_avg_pool1d, 2: adaptive_avg_pool2d, 3: adaptive_avg_pool3d}
MODES = ("nearest", "nearest-exact", *_LINEAR, "area")


class Resample(Op):
    """y[o] = Σ_i w[o, i] · x[i] per channel, w a product over the axes of a few weights each."""

    name = "interpolate"

    @staticmethod
    def infer(shapes: Sequence[Shape | None], *, size: tuple[int, ...], mode: str, align_corners: bool,
              antialias: bool, factors: tuple[float, ...]) -> Record:
        """Validate, and give the output's shape."""
        record = core.resample_shape("interpolate", shapes[0] or (), size, mode, align_corners, antialias, factors)
        return Record((record.output_shape,), core=record)

    @staticmethod
    def forward(ctx: Context, x: Array, **_: Any) -> Array:
        """Gather."""
        return core.resample_forward("interpolate", ctx.record.core, x, ctx.channels_last)

    @staticmethod
    def backward(ctx: Context, gy: Array) -> tuple[Array]:
        """gx = wᵀ gy: a gather, too, with the tables of the outputs that each input went to."""
        return (core.resample_backward("interpolate", ctx.record.core, gy, True),)


def _factor(value: Any) -> float:
    if isinstance(value, (bool, str, Tensor, np.ndarray)) or not hasattr(value, "__float__"):
        raise TypeError(f"[interpolate] scale_factor is {value!r}, expected a number")
    factor = float(value)
    if not 0 < factor < math.inf:
        raise ValueError(f"[interpolate] scale_factor is {factor}, expected a positive number")
    return factor


def _per_axis(value: Any, axes: int, argument: str) -> list[Any]:
    if not isinstance(value, (tuple, list)):
        return [value] * axes
    if len(value) != axes:
        raise ShapeError(f"[interpolate] {argument} has {len(value)} entries, expected one number or {axes}")
    return list(value)


def _sizes(shape: Shape, size: Any, scale_factor: Any) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """The output's spatial sizes, and the factors if these have made them."""
    axes = len(shape) - 2
    if (size is None) == (scale_factor is None):
        raise ValueError(f"[interpolate] size is {size} and scale_factor {scale_factor}, expected one of the two")
    if size is not None:
        sizes = tuple([whole(n, "interpolate", "size") for n in _per_axis(size, axes, "size")])
        if min(sizes) < 1:
            raise ValueError(f"[interpolate] size is {size}, expected at least 1")
        return sizes, ()
    factors = tuple([_factor(f) for f in _per_axis(scale_factor, axes, "scale_factor")])
    scaled = [n * f for n, f in zip(shape[2:], factors, strict=True)]
    if min(scaled) < 1 or max(scaled) >= 2**31:
        raise ValueError(f"[interpolate] scale_factor is {scale_factor}, which makes sizes of {scaled} from "
                         f"{tuple(shape[2:])}, expected 1 to {2**31 - 1}")
    return tuple([int(n) for n in scaled]), factors


def _flag(value: Any, argument: str) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"[interpolate] {argument} is {value!r}, expected True, False or None")
    return bool(value)


@takes_out_in_order
def interpolate(input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
                align_corners: bool | None = None, recompute_scale_factor: bool | None = None,
                antialias: bool = False) -> Any:
    """Maps of another size.

    Args:
        input: (N, C, L), (N, C, H, W) or (N, C, D, H, W), float32 (fast) or float64 (the reference path).
        size: the output's spatial size, one number or one per axis; or
        scale_factor: outputs per input, one number or one per axis; the size is rounded down.
        mode: ``nearest`` (the input below, input floor(o · in / out)), ``nearest-exact`` (the input whose center is
            nearest), ``linear`` (one axis), ``bilinear`` (two), ``trilinear`` (three), ``bicubic`` (two; a = -0.75) or
            ``area`` (averages, `adaptive_avg_pool2d`).
        align_corners: for the linear and cubic modes: True puts the centers of the outermost outputs on those of the
            outermost inputs, step (in - 1) / (out - 1); False (the default) aligns the outer edges of the pixels,
            output o lies at (o + 0.5) · in / out - 0.5.
        recompute_scale_factor: True takes the step from the rounded sizes rather than from ``scale_factor``.
        antialias: for ``bilinear`` and ``bicubic`` (a = -0.5): widen the filter where the output is smaller.

    Returns:
        A map per map, in the input's type: channels-last, or C order for an array.

    Raises:
        ShapeError: axes or sizes that do not fit the mode; ValueError, TypeError: other bad arguments.

    Source: Keys, Cubic convolution interpolation for digital image processing, 1981.

    >>> import numpy as np
    >>> x = np.float32([[[[4, 2, 4], [6, 4, 6], [2, 12, 2]]]])
    >>> interpolate(x, size=5, mode="bilinear", align_corners=True)[0, 0]
    array([[ 4.,  3.,  2.,  3.,  4.],
           [ 5.,  4.,  3.,  4.,  5.],
           [ 6.,  5.,  4.,  5.,  6.],
           [ 4.,  6.,  8.,  6.,  4.],
           [ 2.,  7., 12.,  7.,  2.]], dtype=float32)
    """
    shape = raw(input, "interpolate", "input").shape if not isinstance(input, Tensor) else input.shape
    axes = len(shape) - 2
    if not 1 <= axes <= 3:
        raise ShapeError(f"[interpolate] input has {len(shape)} axes {tuple(shape)}, expected 3, 4 or 5")
    if mode not in MODES:
        raise ValueError(f"[interpolate] mode is {mode!r}, expected one of {', '.join(MODES)}")
    if align_corners is not None and mode not in _LINEAR:
        raise ValueError(f"[interpolate] align_corners is {align_corners!r}, which mode {mode!r} has no use for")
    if mode in _LINEAR and axes != _LINEAR[mode][0]:
        raise ShapeError(f"[interpolate] input has {axes} spatial axes {tuple(shape)}, mode {mode!r} is for "
                         f"{_LINEAR[mode][0]}")
    smooth = _flag(antialias, "antialias")
    if smooth and mode not in ("bilinear", "bicubic"):
        raise ValueError(f"[interpolate] antialias is for the modes bilinear and bicubic, mode is {mode!r}")
    sizes, factors = _sizes(shape, size, scale_factor)
    if recompute_scale_factor is not None and _flag(recompute_scale_factor, "recompute_scale_factor"):
        if size is not None:
            raise ValueError("[interpolate] recompute_scale_factor is True, which needs scale_factor, not size")
        factors = ()
    if mode == "area":
        return _AREA[axes](input, sizes)
    return apply(Resample, input, size=sizes, mode=_LINEAR[mode][1] if mode in _LINEAR else mode,
                 align_corners=align_corners is not None and _flag(align_corners, "align_corners"), antialias=smooth,
                 factors=factors)
