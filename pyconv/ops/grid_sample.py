"""Sampling a map at the points of a grid: spatial transformers, warps, differentiable cropping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pyconv._backend import core
from pyconv.errors import ShapeError
from pyconv.ops.arguments import wholes
from pyconv.ops.creation import from_numpy
from pyconv.ops.gemm import linear
from pyconv.ops.shape import clone
from pyconv.tensor import FLOATS, Array, Context, Op, Record, Shape, Tensor, apply, raw


class GridSample(Op):
    """y[n, :, p] = Σ_t w_t(grid[n, p]) · x[n, :, t]: a few pixels around each point."""

    name = "grid_sample"

    @staticmethod
    def infer(shapes: Sequence[Shape | None], *, mode: str, padding_mode: str, align_corners: bool) -> Record:
        """Validate, and give the output's shape."""
        record = core.grid_shape(shapes[0] or (), shapes[1] or (), mode, padding_mode, align_corners)
        return Record((record.output_shape,), core=record)

    @staticmethod
    def forward(ctx: Context, x: Array, grid: Array, **_: Any) -> Array:
        """Gather."""
        ctx.save(x, grid)
        return core.grid_sample_forward(ctx.record.core, x, grid, ctx.channels_last)

    @staticmethod
    def backward(ctx: Context, gy: Array) -> tuple[Any, ...]:
        """gx is a scatter in the order of the points, the grid's gradient Σ_c gy · Σ_t dw_t · x."""
        x, grid = ctx.saved or ()
        shape = ctx.record.core
        return (core.grid_sample_grad_input(shape, gy, grid) if ctx.needs[0] else None,
                core.grid_sample_grad_grid(shape, gy, x, grid) if ctx.needs[1] else None)


def _flag(value: Any, op: str) -> bool:
    if value is not None and not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"[{op}] align_corners is {value!r}, expected True, False or None")
    return bool(value)


def _word(value: Any, argument: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"[grid_sample] {argument} is {value!r}, expected a name")
    return value


def grid_sample(input: Any, grid: Any, mode: str = "bilinear", padding_mode: str = "zeros",
                align_corners: bool | None = None) -> Any:
    """The values of ``input`` at the points of ``grid``; both may have gradients.

    Args:
        input: (N, C, H, W) or (N, C, D, H, W), float32 (fast) or float64 (the reference path).
        grid: (N, OH, OW, 2) with coordinates (x, y), or (N, OD, OH, OW, 3) with (x, y, z); x runs along the last axis
            of ``input``, and -1 to 1 spans the input. NaN is read as -1; any number is safe.
        mode: ``bilinear`` (for volumes, too), ``nearest`` or ``bicubic`` (two axes only; a = -0.75).
        padding_mode: what lies outside: ``zeros``, ``border`` (the nearest pixel) or ``reflection``.
        align_corners: True: -1 and 1 are the centers of the outermost pixels; False (the default): their outer edges.

    Returns:
        (N, C, OH, OW) or (N, C, OD, OH, OW).

    Raises:
        ShapeError: shapes that do not fit; TypeError: dtypes; ValueError: other bad arguments.

    Source: Jaderberg et al., Spatial transformer networks, 2015.

    >>> import numpy as np
    >>> x = np.float32([[[[0, 1], [2, 3]]]])
    >>> grid_sample(x, np.float32([[[[0, 0], [1, -1]]]]), align_corners=True).tolist()
    [[[[1.5, 1.0]]]]
    """
    for value, argument in ((input, "input"), (grid, "grid")):
        if not isinstance(value, Tensor):
            raw(value, "grid_sample", argument)
    return apply(GridSample, input, grid, mode=_word(mode, "mode"), padding_mode=_word(padding_mode, "padding_mode"),
                 align_corners=_flag(align_corners, "grid_sample"))


def _centers(size: int, align_corners: bool) -> list[float]:
    """Where the pixels of an axis lie between -1 and 1."""
    if align_corners:
        return [0.0] if size == 1 else [2 * i / (size - 1) - 1 for i in range(size)]
    return [(2 * i + 1) / size - 1 for i in range(size)]


def affine_grid(theta: Any, size: Any, align_corners: bool | None = None) -> Any:
    """A grid for `grid_sample` from affine maps: the point of output pixel p is theta[n] · (p, 1).

    Args:
        theta: (N, 2, 3) for images or (N, 3, 4) for volumes, float32 or float64.
        size: the output's shape (N, C, H, W) or (N, C, D, H, W); C has no say.
        align_corners: as in `grid_sample`.

    Returns:
        (N, H, W, 2) or (N, D, H, W, 3).

    Raises:
        ShapeError: shapes that do not fit; TypeError: dtypes.

    >>> import numpy as np
    >>> affine_grid(np.float32([[[1, 0, 0], [0, 1, 0]]]), (1, 1, 1, 2)).tolist()
    [[[[-0.5, 0.0], [0.5, 0.0]]]]
    """
    if not isinstance(theta, Tensor):
        raw(theta, "affine_grid", "theta")
    if theta.dtype not in FLOATS:
        raise TypeError(f"[affine_grid] theta has dtype {theta.dtype}, expected float32 or float64")
    if not isinstance(size, (tuple, list)):
        raise TypeError(f"[affine_grid] size is {size!r}, expected the output's shape")
    sizes = wholes([size], "affine_grid", "size")
    if len(sizes) not in (4, 5) or min(sizes) < 1:
        raise ShapeError(f"[affine_grid] size is {sizes}, expected 4 or 5 sizes of at least 1")
    axes = len(sizes) - 2
    n, pixels = sizes[0], sizes[2:]
    if tuple(theta.shape) != (n, axes, axes + 1):
        raise ShapeError(f"[affine_grid] theta has shape {tuple(theta.shape)}, expected {(n, axes, axes + 1)} for size "
                         f"{sizes}")
    count = 1
    for s in pixels:
        count *= s
    if max(pixels) >= 2**31 or count * n * (axes + 1) * 8 >= 2**47:
        raise ShapeError(f"[affine_grid] size is {sizes}, which needs more than 2^47 bytes")
    # The points (x, y, 1), one row per pixel; the maps of all images are the rows of one matrix.
    points = np.ones((*pixels, axes + 1), theta.dtype)
    aligned = _flag(align_corners, "affine_grid")
    for i, s in enumerate(pixels):
        points[..., axes - 1 - i] = np.asarray(_centers(s, aligned)).reshape((-1,) + (1,) * (axes - 1 - i))
    rows = points.reshape(count, axes + 1)
    moved = linear(from_numpy(rows) if isinstance(theta, Tensor) else rows, theta.reshape(n * axes, axes + 1))
    grid = moved.reshape(*pixels, n, axes)
    order = (axes, *range(axes), axes + 1)
    return clone(grid.permute(*order)) if isinstance(grid, Tensor) else np.ascontiguousarray(grid.transpose(order))
