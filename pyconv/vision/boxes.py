"""Rectangles: areas, overlaps, formats, and the targets that box regression learns."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyconv.errors import ShapeError
from pyconv.ops import elementwise as e
from pyconv.ops.arguments import axis_of, whole
from pyconv.ops.join import stack
from pyconv.tensor import FLOATS, Tensor, raw

_FORMATS = ("xyxy", "xywh", "cxcywh")


def _checked(op: str, argument: str, boxes: Any) -> Any:
    if not isinstance(boxes, (Tensor, np.ndarray)):
        raise TypeError(f"[{op}] {argument} is {type(boxes).__name__}, expected a Tensor or a numpy array")
    if boxes.dtype not in FLOATS:
        raise TypeError(f"[{op}] {argument} has dtype {boxes.dtype}, expected float32 or float64")
    if len(boxes.shape) < 1 or boxes.shape[-1] != 4:
        raise ShapeError(f"[{op}] {argument} has shape {tuple(boxes.shape)}, expected (..., 4)")
    return boxes


def _split(boxes: Any) -> tuple[Any, Any, Any, Any]:
    return boxes[..., 0], boxes[..., 1], boxes[..., 2], boxes[..., 3]


def _joined(op: str, *columns: Any) -> Any:
    return stack(columns, axis_of(-1, len(columns[0].shape) + 1, op))


def box_convert(boxes: Any, in_fmt: str, out_fmt: str) -> Any:
    """Boxes (..., 4) from one of "xyxy" (two corners), "xywh" (corner and size), "cxcywh" (centre and size) to another.

    Raises ValueError for another format, else as `box_area`.

    >>> box_convert(np.array([10.0, 20, 30, 60]), "xyxy", "cxcywh").tolist()
    [20.0, 40.0, 20.0, 40.0]
    """
    op = "box_convert"
    for argument, value in (("in_fmt", in_fmt), ("out_fmt", out_fmt)):
        if value not in _FORMATS:
            raise ValueError(f"[{op}] {argument} is {value!r}, expected 'xyxy', 'xywh' or 'cxcywh'")
    a, b, c, d = _split(_checked(op, "boxes", boxes))
    if in_fmt == out_fmt:
        return boxes
    if in_fmt == "xyxy":
        x, y, w, h = a, b, e.sub(c, a), e.sub(d, b)
    elif in_fmt == "xywh":
        x, y, w, h = a, b, c, d
    else:
        x, y, w, h = e.sub(a, e.mul(c, 0.5)), e.sub(b, e.mul(d, 0.5)), c, d
    if out_fmt == "xyxy":
        return _joined(op, x, y, e.add(x, w), e.add(y, h))
    if out_fmt == "xywh":
        return _joined(op, x, y, w, h)
    return _joined(op, e.add(x, e.mul(w, 0.5)), e.add(y, e.mul(h, 0.5)), w, h)


def _corners(op: str, argument: str, boxes: Any, fmt: str) -> Any:
    if fmt not in _FORMATS:
        raise ValueError(f"[{op}] fmt is {fmt!r}, expected 'xyxy', 'xywh' or 'cxcywh'")
    return box_convert(_checked(op, argument, boxes), fmt, "xyxy")


def box_area(boxes: Any, fmt: str = "xyxy") -> Any:
    """``(x2 - x1) * (y2 - y1)`` of boxes (..., 4), given by two corners or in another format of `box_convert`.

    >>> box_area(np.array([[0.0, 0, 10, 5]])).tolist()
    [50.0]
    """
    x1, y1, x2, y2 = _split(_corners("box_area", "boxes", boxes, fmt))
    return e.mul(e.sub(x2, x1), e.sub(y2, y1))


def _common_and_union(op: str, boxes1: Any, boxes2: Any, fmt: str) -> tuple[Any, Any, Any, Any]:
    """Both as corners, (N, 1, 4) and (1, M, 4), and the areas (N, M) of what they share and cover."""
    for argument, boxes in (("boxes1", boxes1), ("boxes2", boxes2)):
        if len(_checked(op, argument, boxes).shape) != 2:
            raise ShapeError(f"[{op}] {argument} has shape {tuple(boxes.shape)}, expected (boxes, 4)")
    a, b = _corners(op, "boxes1", boxes1, fmt)[:, None], _corners(op, "boxes2", boxes2, fmt)[None]
    common = _spanned(e.maximum(a[..., :2], b[..., :2]), e.minimum(a[..., 2:], b[..., 2:]))
    return a, b, common, e.sub(e.add(box_area(a), box_area(b)), common)


def _spanned(low: Any, high: Any) -> Any:
    sides = e.clamp(e.sub(high, low), min=0)
    return e.mul(sides[..., 0], sides[..., 1])


def box_iou(boxes1: Any, boxes2: Any, fmt: str = "xyxy") -> Any:
    """Intersection over union of every pair: (N, 4) and (M, 4), two corners each, to (N, M).

    Boxes that do not meet have 0; two empty ones 0 / 0, which is NaN. ``fmt`` is a format of `box_convert`. Raises
    ShapeError, TypeError and ValueError.

    >>> box_iou(np.array([[0.0, 0, 10, 10]]), np.array([[5.0, 5, 15, 15], [20.0, 20, 30, 30]])).round(4).tolist()
    [[0.1429, 0.0]]
    """
    _, _, common, union = _common_and_union("box_iou", boxes1, boxes2, fmt)
    return e.div(common, union)


def generalized_box_iou(boxes1: Any, boxes2: Any) -> Any:
    """`box_iou` less the share of the smallest rectangle around both that neither covers: -1 to 1, (N, M).

    Source: Rezatofighi et al., Generalized intersection over union, 2019.

    >>> generalized_box_iou(np.array([[0.0, 0, 1, 1]]), np.array([[1.0, 0, 2, 1], [3.0, 0, 4, 1]])).tolist()
    [[0.0, -0.5]]
    """
    a, b, common, union = _common_and_union("generalized_box_iou", boxes1, boxes2, "xyxy")
    around = _spanned(e.minimum(a[..., :2], b[..., :2]), e.maximum(a[..., 2:], b[..., 2:]))
    return e.sub(e.div(common, union), e.div(e.sub(around, union), around))


def clip_boxes_to_image(boxes: Any, size: tuple[int, int]) -> Any:
    """Boxes (..., 4), two corners each, cut off at the borders of a picture of ``size`` (height, width).

    >>> clip_boxes_to_image(np.array([[-5.0, 2, 30, 8]]), (6, 20)).tolist()
    [[0.0, 2.0, 20.0, 6.0]]
    """
    op = "clip_boxes_to_image"
    if not isinstance(size, (tuple, list)) or len(size) != 2:
        raise TypeError(f"[{op}] size is {size!r}, expected (height, width)")
    height, width = (whole(v, op, "size") for v in size)
    if height < 0 or width < 0:
        raise ValueError(f"[{op}] size is {tuple(size)}, expected sizes of at least 0")
    x1, y1, x2, y2 = _split(_checked(op, "boxes", boxes))
    return _joined(op, e.clamp(x1, 0, width), e.clamp(y1, 0, height), e.clamp(x2, 0, width), e.clamp(y2, 0, height))


def remove_small_boxes(boxes: Any, min_size: float) -> Any:
    """Numbers (int64) of the boxes (N, 4), two corners each, whose width and height are at least ``min_size``.

    >>> remove_small_boxes(np.array([[0.0, 0, 5, 5], [0, 0, 5, 1]]), 2).tolist()
    [0]
    """
    op = "remove_small_boxes"
    if len(_checked(op, "boxes", boxes).shape) != 2:
        raise ShapeError(f"[{op}] boxes has shape {tuple(boxes.shape)}, expected (boxes, 4)")
    x1, y1, x2, y2 = _split(raw(boxes, op, "boxes"))
    found = np.flatnonzero((x2 - x1 >= min_size) & (y2 - y1 >= min_size))
    return Tensor(found) if isinstance(boxes, Tensor) else found


def masks_to_boxes(masks: Any) -> Any:
    """The boxes (x of the first column, y of the first row, of the last column, of the last row) around masks.

    ``masks`` is (N, H, W) of any dtype, what is not zero belongs to the mask; the result is float32, (N, 4), zeros for
    an empty mask.

    >>> masks_to_boxes(np.array([[[0, 0, 0], [0, 1, 1]]])).tolist()
    [[1.0, 1.0, 2.0, 1.0]]
    """
    op = "masks_to_boxes"
    array = raw(masks, op, "masks")
    if array.ndim != 3:
        raise ShapeError(f"[{op}] masks has shape {array.shape}, expected (masks, height, width)")
    boxes = np.zeros((len(array), 4), np.float32)
    for box, mask in zip(boxes, array != 0, strict=True):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if len(rows):
            box[:] = columns[0], rows[0], columns[-1], rows[-1]
    return Tensor(boxes) if isinstance(masks, Tensor) else boxes


def encode_boxes(boxes: Any, proposals: Any) -> Any:
    """The regression targets of proposals: ((gx − px) / pw, (gy − py) / ph, log(gw / pw), log(gh / ph)).

    Both (..., 4), as two corners; p and g are the centres and sizes of a proposal and of the box that it stands for.
    Raises ShapeError and TypeError. Source: Girshick et al., Rich feature hierarchies, 2014, appendix C.

    >>> encode_boxes(np.array([[-5.0, -35, 35, 45]]), np.array([[0.0, -10, 20, 30]])).round(3).tolist()
    [[0.25, -0.125, 0.693, 0.693]]
    """
    op = "encode_boxes"
    gx, gy, gw, gh = _split(box_convert(_checked(op, "boxes", boxes), "xyxy", "cxcywh"))
    px, py, pw, ph = _split(box_convert(_checked(op, "proposals", proposals), "xyxy", "cxcywh"))
    return _joined(op, e.div(e.sub(gx, px), pw), e.div(e.sub(gy, py), ph), e.log(e.div(gw, pw)), e.log(e.div(gh, ph)))


def decode_boxes(targets: Any, proposals: Any) -> Any:
    """The boxes that regression outputs mean: the inverse of `encode_boxes`, as two corners.

    >>> decode_boxes(np.array([[0.25, -0.125, np.log(2), np.log(2)]]), np.array([[0.0, -10, 20, 30]])).round(3).tolist()
    [[-5.0, -35.0, 35.0, 45.0]]
    """
    op = "decode_boxes"
    tx, ty, tw, th = _split(_checked(op, "targets", targets))
    px, py, pw, ph = _split(box_convert(_checked(op, "proposals", proposals), "xyxy", "cxcywh"))
    centred = _joined(op, e.add(px, e.mul(tx, pw)), e.add(py, e.mul(ty, ph)), e.mul(pw, e.exp(tw)),
                      e.mul(ph, e.exp(th)))
    return box_convert(centred, "cxcywh", "xyxy")
