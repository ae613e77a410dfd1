"""Sampling at points: GridSample and AffineGrid."""

from __future__ import annotations

from typing import Any

from pyconv.interop.onnx.registry import Call, operator
from pyconv.ops import grid_sample as G

_MODES = {"bilinear": "bilinear", "linear": "bilinear", "nearest": "nearest", "bicubic": "bicubic", "cubic": "bicubic"}


@operator("GridSample")
def grid_sample(at: Call, x: Any, grid: Any) -> Any:
    """The values of x at the points of a grid."""
    if x.ndim not in (4, 5) or 0 in x.shape:
        at.error(f"X has shape {tuple(x.shape)}, expected 4 or 5 axes and no empty one")
    if grid.ndim != x.ndim or grid.shape[-1] != x.ndim - 2:
        at.error(f"grid has shape {tuple(grid.shape)}, expected {x.ndim} axes, the last of size {x.ndim - 2}")
    at.bound((*x.shape[:2], *grid.shape[1:-1]), x.dtype)
    points = grid if grid.dtype == x.dtype else grid.to(x.dtype)
    return G.grid_sample(x, points, _MODES[at.choice("mode", *_MODES)],
                         at.choice("padding_mode", "zeros", "border", "reflection"), at.flag("align_corners"))


@operator("AffineGrid", settings=(1,))
def affine_grid(at: Call, theta: Any, size: Any) -> Any:
    """A grid for GridSample from affine maps."""
    sizes = at.ints(size, "size")
    if len(sizes) not in (4, 5) or min(sizes) < 1:
        at.error(f"size is {sizes}, expected 4 or 5 positive numbers")
    at.bound((sizes[0], *sizes[2:], len(sizes) - 1), "float64")
    return G.affine_grid(theta, sizes, at.flag("align_corners"))
