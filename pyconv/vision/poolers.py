"""Pooling of regions from the level of a feature pyramid that fits their size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pyconv.errors import ShapeError
from pyconv.nn.module import Module
from pyconv.ops.indexing import index_select
from pyconv.ops.join import cat
from pyconv.tensor import Array, Tensor
from pyconv.vision.roi import _sizes, boxes_with_images, roi_align


class MultiScaleRoIAlign(Module):
    """`roi_align` with ``aligned=False`` on one of several maps, which one depends on the box's size.

    A box of w x h pixels is read from level floor(canonical_level + log2(sqrt(w h) / canonical_scale)) of the pyramid,
    level l having pixels of 2^l of the picture's. The maps' levels follow from their sizes and the largest picture's,
    rounded to a power of two, at the first call (as in torchvision), and stay.

    Args:
        featmap_names: which maps take part, from the finest to the coarsest.
        output_size: bins per region, a number or (rows, columns).
        sampling_ratio: as in `roi_align`.
        canonical_scale, canonical_level: a box of that size is read from that level.

    Source: Lin et al., Feature pyramid networks for object detection, 2017, equation 1.

    >>> maps = {"0": np.zeros((1, 5, 64, 64), np.float32), "1": np.zeros((1, 5, 32, 32), np.float32)}
    >>> pool = MultiScaleRoIAlign(["0", "1"], output_size=3, sampling_ratio=2)
    >>> pool(maps, [np.float32([[0, 0, 30, 40], [10, 10, 250, 250]])], [(256, 256)]).shape
    (2, 5, 3, 3)
    """

    def __init__(self, featmap_names: Sequence[str], output_size: int | Sequence[int], sampling_ratio: int, *,
                 canonical_scale: int = 224, canonical_level: int = 4) -> None:
        super().__init__()
        self.featmap_names = list(featmap_names)
        self.output_size = _sizes(output_size, "multi_scale_roi_align")
        self.sampling_ratio = sampling_ratio
        self.canonical_scale = canonical_scale
        self.canonical_level = canonical_level
        self.scales: list[float] | None = None

    def forward(self, x: Mapping[str, Any], boxes: Sequence[Any], image_shapes: Sequence[tuple[int, int]]) -> Any:
        """Maps by name, boxes (L, 4) per picture, the pictures' (height, width) to (boxes, C, rows, columns)."""
        op = "multi_scale_roi_align"
        maps = [m for name, m in x.items() if name in self.featmap_names]
        if not maps:
            raise ValueError(f"[{op}] x has {', '.join(map(str, x)) or 'nothing'}, expected any of "
                             f"{', '.join(map(str, self.featmap_names))}")
        if self.scales is None:
            self.scales = _scales(maps, image_shapes, op)
        if len(maps) != len(self.scales):
            raise ValueError(f"[{op}] x has {len(maps)} of the maps, expected {len(self.scales)} as at the first call")
        rows = boxes_with_images(list(boxes), op)
        if len(maps) == 1:
            return roi_align(maps[0], rows, self.output_size, self.scales[0], self.sampling_ratio)
        levels = self._levels(rows)
        order = [np.flatnonzero(levels == i) for i in range(len(maps))]
        pooled = [roi_align(m, rows[numbers], self.output_size, scale, self.sampling_ratio)
                  for m, numbers, scale in zip(maps, order, self.scales, strict=True)]
        back = np.argsort(np.concatenate(order), kind="stable")
        joined = cat(pooled, 0)
        return index_select(joined, 0, Tensor(back)) if isinstance(joined, Tensor) else joined[back]

    def _levels(self, rows: Array) -> Array:
        """The number of each box's map."""
        assert self.scales is not None
        sizes = np.sqrt((rows[:, 3] - rows[:, 1]) * (rows[:, 4] - rows[:, 2]))
        low, high = (int(-math.log2(self.scales[i])) for i in (0, -1))
        with np.errstate(divide="ignore", invalid="ignore"):
            levels = np.floor(self.canonical_level + np.log2(sizes / self.canonical_scale) + rows.dtype.type(1e-6))
        # A box without a size, or with a negative one, is the smallest there is.
        return (np.clip(np.nan_to_num(levels, nan=-np.inf), low, high) - low).astype(np.int64)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return (f"featmap_names={self.featmap_names}, output_size={self.output_size}, "
                f"sampling_ratio={self.sampling_ratio}")


def _scales(maps: Sequence[Any], image_shapes: Sequence[tuple[int, int]], op: str) -> list[float]:
    """Pixels of each map per pixel of the largest picture's height, to the nearest power of two."""
    if not image_shapes:
        raise ValueError(f"[{op}] image_shapes is empty, expected one (height, width) per picture")
    height = max(shape[0] for shape in image_shapes)
    for m in maps:
        if len(m.shape) != 4 or m.shape[2] < 1 or height < 1:
            raise ShapeError(f"[{op}] a map has shape {tuple(m.shape)} for pictures of height {height}, expected "
                             "(N, C, H, W)")
    return [2.0 ** round(math.log2(m.shape[2] / height)) for m in maps]
