"""Anchors: the boxes that a detector starts from, the same ones around every place of a feature map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pyconv.errors import ShapeError
from pyconv.nn.module import Module
from pyconv.tensor import Array, Tensor


class ImageList(NamedTuple):
    """A batch of pictures of different sizes: padded to one size, and what their own (height, width) were."""

    tensors: Any
    image_sizes: list[tuple[int, int]]


class AnchorGenerator(Module):
    """Anchors for the maps of a batch of pictures, as torchvision's.

    Args:
        sizes: per map, the sizes (square roots of the areas, in pixels of the picture) of its anchors; one number per
            map will do.
        aspect_ratios: per map, heights over widths; one tuple for all maps will do.
        cell_anchors: per map, the anchors (A, 4) around the corner of the picture, instead of the two above: see
            `paper_anchors`.

    Raises:
        ValueError: no maps, or different numbers of them; ShapeError, TypeError.

    Source: Ren et al., Faster R-CNN, 2015, section 3.1.1.

    >>> AnchorGenerator(((32,),), ((0.5, 1.0, 2.0),)).cell_anchors[0].tolist()
    [[-23.0, -11.0, 23.0, 11.0], [-16.0, -16.0, 16.0, 16.0], [-11.0, -23.0, 11.0, 23.0]]
    """

    def __init__(self, sizes: Sequence[Any] = ((128, 256, 512),), aspect_ratios: Sequence[Any] = ((0.5, 1.0, 2.0),), *,
                 cell_anchors: Sequence[Any] | None = None) -> None:
        super().__init__()
        if cell_anchors is not None:
            self.cell_anchors = [_cells(a, i) for i, a in enumerate(cell_anchors)]
            return
        if not len(sizes) or not len(aspect_ratios):
            raise ValueError("[anchor_generator] sizes or aspect_ratios is empty, expected one tuple per map")
        if not isinstance(sizes[0], (list, tuple)):
            sizes = tuple((s,) for s in sizes)
        if not isinstance(aspect_ratios[0], (list, tuple)):
            aspect_ratios = (aspect_ratios,) * len(sizes)
        if len(sizes) != len(aspect_ratios):
            raise ValueError(f"[anchor_generator] sizes has {len(sizes)} maps, aspect_ratios {len(aspect_ratios)}")
        self.sizes = sizes
        self.aspect_ratios = aspect_ratios
        self.cell_anchors = [self.generate_anchors(s, a) for s, a in zip(sizes, aspect_ratios, strict=True)]

    @staticmethod
    def generate_anchors(scales: Sequence[float], aspect_ratios: Sequence[float]) -> Array:
        """(ratios * scales, 4), float32: around 0, rounded to whole pixels, the ratio changing slowest."""
        _positive("anchor_generator", sizes=scales, aspect_ratios=aspect_ratios)
        heights = np.sqrt(np.array(aspect_ratios, np.float32))
        size = np.array(scales, np.float32)
        w, h = ((r[:, None] * size[None]).reshape(-1) for r in (1 / heights, heights))
        corners: Array = np.stack([-w, -h, w, h], 1)
        return (corners * np.float32(0.5)).round()

    def num_anchors_per_location(self) -> list[int]:
        """Per map."""
        return [len(a) for a in self.cell_anchors]

    def grid_anchors(self, grid_sizes: Sequence[Sequence[int]], strides: Sequence[Sequence[int]]) -> list[Array]:
        """Per map, (rows * columns * anchors, 4): the cell's anchors at each place, ``strides`` pixels apart.

        >>> AnchorGenerator((2,), (1.0,)).grid_anchors([(1, 2)], [(16, 16)])[0].tolist()
        [[-1.0, -1.0, 1.0, 1.0], [15.0, -1.0, 17.0, 1.0]]
        """
        if not len(grid_sizes) == len(strides) == len(self.cell_anchors):
            raise ValueError(f"[anchor_generator] got {len(grid_sizes)} maps and {len(strides)} strides, expected "
                             f"{len(self.cell_anchors)}")
        found = []
        for (rows, columns), (down, right), cell in zip(grid_sizes, strides, self.cell_anchors, strict=True):
            shifts = np.zeros((rows, columns, 1, 4), np.float32)
            shifts[..., 0::2] = (np.arange(columns) * right)[None, :, None, None]
            shifts[..., 1::2] = (np.arange(rows) * down)[:, None, None, None]
            found.append((shifts + cell).reshape(-1, 4))
        return found

    def forward(self, image_list: Any, feature_maps: Sequence[Any]) -> list[Any]:
        """Per picture of an `ImageList`, the anchors of all maps (N, C, rows, columns) one after the other.

        They are Tensors of the maps' dtype. A map's stride is the padded size of the pictures over its own, rounded
        down.
        """
        for m in feature_maps:
            if len(m.shape) != 4 or min(m.shape[2:]) < 1:
                raise ShapeError(f"[anchor_generator] a map has shape {tuple(m.shape)}, expected (N, C, rows, columns)")
        height, width = image_list.tensors.shape[-2:]
        grids = [(m.shape[2], m.shape[3]) for m in feature_maps]
        anchors = np.concatenate(self.grid_anchors(grids, [(height // r, width // c) for r, c in grids]))
        return [Tensor(anchors.astype(feature_maps[0].dtype)) for _ in image_list.image_sizes]


def _positive(op: str, **numbers: Sequence[float]) -> None:
    for argument, values in numbers.items():
        if not all(isinstance(v, (int, float)) and 0 < v <= 2**30 for v in values):
            raise ValueError(f"[{op}] {argument} is {tuple(values)}, expected numbers above 0 and at most 2^30")


def _cells(anchors: Any, number: int) -> Array:
    array = np.asarray(anchors.array if isinstance(anchors, Tensor) else anchors, np.float32)
    if array.ndim != 2 or array.shape[1] != 4 or not np.isfinite(array).all():
        raise ShapeError(f"[anchor_generator] cell_anchors[{number}] has shape {array.shape}, expected finite (anchors, 4)")
    return array


def paper_anchors(base_size: int = 16, ratios: Sequence[float] = (0.5, 1, 2), scales: Sequence[float] = (8, 16, 32)) -> Array:
    """The anchors of Faster R-CNN's own implementation, float32, (ratios * scales, 4): what its weights were made with.

    They lie around the centre of the first cell of ``base_size`` x ``base_size`` pixels, whose sides are first rounded
    for each ratio, and end on pixels: a box of w pixels goes from x to x + w - 1.

    Raises ValueError for sizes, ratios or scales that are not above 0.

    Source: Ren et al., Faster R-CNN, 2015.

    >>> paper_anchors()[[0, 4]].tolist()
    [[-84.0, -40.0, 99.0, 55.0], [-120.0, -120.0, 135.0, 135.0]]
    """
    _positive("paper_anchors", base_size=(base_size,), ratios=ratios, scales=scales)
    centre, rows = (base_size - 1) / 2, []
    for ratio in ratios:
        width = round((base_size * base_size / ratio) ** 0.5)
        height = round(width * ratio)
        for scale in scales:
            w, h = (width * scale - 1) / 2, (height * scale - 1) / 2
            rows.append([centre - w, centre - h, centre + w, centre + h])
    return np.array(rows, np.float32).reshape(-1, 4)
