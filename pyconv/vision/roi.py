"""Pooling of regions: a feature map of a fixed size for every box, whatever the box's size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pyconv._backend import core
from pyconv.errors import ShapeError
from pyconv.nn.module import Module
from pyconv.ops.arguments import whole
from pyconv.tensor import Array, Context, Op, Record, Shape, Tensor, apply, raw


def _record(op: str, shapes: Sequence[Shape | None], output_size: tuple[int, int], scale: float, sampling: int,
            aligned: bool) -> Record:
    core_record = core.roi_shape(op, shapes[0] or (), shapes[1] or (), output_size, scale, sampling, aligned)
    return Record((core_record.output_shape,), core=core_record)


class RoiAlignOp(Op):
    """y[k, :, bin] = mean over the bin's samples of the map, interpolated linearly; see `roi_align`."""

    name = "roi_align"

    @staticmethod
    def infer(shapes: Sequence[Shape | None], **attrs: Any) -> Record:
        """Validate, and give the output's shape."""
        return _record("roi_align", shapes, **attrs)

    @staticmethod
    def forward(ctx: Context, x: Array, boxes: Array, **_: Any) -> Array:
        """Gather."""
        ctx.save(boxes)
        return core.roi_align_forward(ctx.record.core, x, boxes, ctx.channels_last)

    @staticmethod
    def backward(ctx: Context, gy: Array) -> tuple[Array, None]:
        """gx is a scatter in the order of the regions; boxes have no gradient."""
        assert ctx.saved
        return core.roi_align_backward(ctx.record.core, gy, ctx.saved[0]), None


class RoiPoolOp(Op):
    """y[k, c, bin] = max over the bin of the map; the winners are kept for the gradient."""

    name = "roi_pool"

    @staticmethod
    def infer(shapes: Sequence[Shape | None], **attrs: Any) -> Record:
        """Validate, and give the output's shape."""
        return _record("roi_pool", shapes, sampling=0, aligned=False, **attrs)

    @staticmethod
    def forward(ctx: Context, x: Array, boxes: Array, **_: Any) -> Array:
        """The maxima."""
        y, winners = core.roi_pool_forward(ctx.record.core, x, boxes, ctx.needs[0], ctx.channels_last)
        ctx.save(boxes, winners)
        return y

    @staticmethod
    def backward(ctx: Context, gy: Array) -> tuple[Array, None]:
        """gx = sum of gy over the bins that x won, in the order of the regions."""
        assert ctx.saved
        return core.roi_pool_backward(ctx.record.core, gy, *ctx.saved), None


def _sizes(value: Any, op: str) -> tuple[int, int]:
    if not isinstance(value, (tuple, list)):
        return (whole(value, op, "output_size"),) * 2
    if len(value) != 2:
        raise ShapeError(f"[{op}] output_size has {len(value)} entries, expected 1 or 2")
    return whole(value[0], op, "output_size"), whole(value[1], op, "output_size")


def _number(value: Any, op: str, argument: str) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"[{op}] {argument} is {value!r}, expected a number")
    return float(value)


def _flag(value: Any, op: str, argument: str) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"[{op}] {argument} is {value!r}, expected True or False")
    return bool(value)


def boxes_with_images(boxes: Any, op: str) -> Any:
    """(K, 5) rows of image and corners, from one array (L, 4) per image; (K, 5) itself is passed on."""
    if not isinstance(boxes, (list, tuple)):
        if not isinstance(boxes, Tensor):
            raw(boxes, op, "boxes")
        return boxes
    if not boxes:
        raise ShapeError(f"[{op}] boxes is empty, expected one array (boxes, 4) per image")
    arrays = [raw(b, op, f"boxes[{i}]") for i, b in enumerate(boxes)]
    for i, a in enumerate(arrays):
        if a.ndim != 2 or a.shape[1] != 4:
            raise ShapeError(f"[{op}] boxes[{i}] has shape {a.shape}, expected (boxes, 4)")
        if a.dtype != arrays[0].dtype:
            raise TypeError(f"[{op}] boxes[{i}] has dtype {a.dtype} but boxes[0] has {arrays[0].dtype}")
    if len(arrays) > 2**24:
        raise ShapeError(f"[{op}] boxes has {len(arrays)} images, expected at most 2^24")
    rows = np.empty((sum(len(a) for a in arrays), 5), arrays[0].dtype)
    at = 0
    for i, a in enumerate(arrays):
        rows[at:at + len(a), 0] = i
        rows[at:at + len(a), 1:] = a
        at += len(a)
    return rows


def roi_align(input: Any, boxes: Any, output_size: int | Sequence[int], spatial_scale: float = 1.0,
              sampling_ratio: int = -1, aligned: bool = False) -> Any:
    """Averages of a map over the bins of regions, sampled between its pixels.

    Args:
        input: (N, C, H, W), float32 or float64.
        boxes: (K, 5), rows (image, x1, y1, x2, y2), of the same dtype; or a list with one (L, 4) per image.
        output_size: bins per region, a number or (rows, columns).
        spatial_scale: pixels of the map per unit of a box: 1/16 for a map of a sixteenth of the picture's size.
        sampling_ratio: samples per bin and axis, at most 1024; 0 or below: as many as the bin has pixels (rounded up).
        aligned: True: coordinates mean the pixels' corners (half a pixel is taken off, as it should be); False: their
            centres, and a region has at least one pixel: as in the first implementations.

    Returns:
        (K, C, rows, columns). Samples more than a pixel outside the map are zero, those nearer read its border.
        Coordinates on the map are cut at plus and minus 2^30; samples that cannot lie inside are not visited. Boxes
        have no gradient.

    Raises:
        IndexError: an image that is no whole number in [0, N); ValueError: a coordinate that is not finite, and other
        bad arguments; ShapeError, TypeError.

    Source: He et al., Mask R-CNN, 2017, section 3.

    >>> x = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    >>> roi_align(x, np.float32([[0, 0, 0, 4, 4]]), 2, aligned=True).tolist()
    [[[[2.5, 4.5], [10.5, 12.5]]]]
    """
    op = "roi_align"
    if not isinstance(input, Tensor):
        raw(input, op, "input")
    return apply(RoiAlignOp, input, boxes_with_images(boxes, op), output_size=_sizes(output_size, op),
                 scale=_number(spatial_scale, op, "spatial_scale"),
                 sampling=max(-1, min(whole(sampling_ratio, op, "sampling_ratio"), 2**62)),
                 aligned=_flag(aligned, op, "aligned"))


def roi_pool(input: Any, boxes: Any, output_size: int | Sequence[int], spatial_scale: float = 1.0) -> Any:
    """Maxima of a map over the bins of regions, rounded to whole pixels.

    The corners are multiplied with ``spatial_scale`` and rounded (halves away from zero); both belong to the region,
    which so has a size of x2 - x1 + 1, at least 1. Bin i of n reads from floor(i size / n) to ceil((i + 1) size / n),
    as far as this lies on the map: an empty bin is 0, and a NaN in a bin is its maximum. Arguments, errors and the
    shape of the result are as in `roi_align`.

    Source: Girshick, Fast R-CNN, 2015, section 2.1.

    >>> x = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    >>> roi_pool(x, np.float32([[0, 0, 0, 3, 3]]), 2).tolist()
    [[[[5.0, 7.0], [13.0, 15.0]]]]
    """
    op = "roi_pool"
    if not isinstance(input, Tensor):
        raw(input, op, "input")
    return apply(RoiPoolOp, input, boxes_with_images(boxes, op), output_size=_sizes(output_size, op),
                 scale=_number(spatial_scale, op, "spatial_scale"))


class RoIAlign(Module):
    """`roi_align` as a layer.

    >>> layer = RoIAlign(7, spatial_scale=1 / 16, sampling_ratio=2, aligned=True)
    >>> layer(np.zeros((1, 8, 20, 30), np.float32), [np.float32([[0, 0, 64, 64]])]).shape
    (1, 8, 7, 7)
    """

    def __init__(self, output_size: int | Sequence[int], spatial_scale: float, sampling_ratio: int,
                 aligned: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale
        self.sampling_ratio = sampling_ratio
        self.aligned = aligned

    def forward(self, input: Any, rois: Any) -> Any:
        """(N, C, H, W) and boxes to (K, C, rows, columns)."""
        return roi_align(input, rois, self.output_size, self.spatial_scale, self.sampling_ratio, self.aligned)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return (f"output_size={self.output_size}, spatial_scale={self.spatial_scale}, "
                f"sampling_ratio={self.sampling_ratio}, aligned={self.aligned}")


class RoIPool(Module):
    """`roi_pool` as a layer.

    >>> RoIPool(7, 1 / 16)(np.zeros((1, 8, 20, 30), np.float32), np.float32([[0, 0, 0, 64, 64]])).shape
    (1, 8, 7, 7)
    """

    def __init__(self, output_size: int | Sequence[int], spatial_scale: float) -> None:
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale

    def forward(self, input: Any, rois: Any) -> Any:
        """(N, C, H, W) and boxes to (K, C, rows, columns)."""
        return roi_pool(input, rois, self.output_size, self.spatial_scale)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"output_size={self.output_size}, spatial_scale={self.spatial_scale}"
