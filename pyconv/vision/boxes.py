"""Rectangles: areas, overlaps, formats, and the targets that box regression learns."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyconv.errors import ShapeError
from pyconv.ops import elementwise as e
from pyconv.ops.arguments import axis_of
from pyconv.ops.join import stack
from pyconv.tensor import FLOATS, Tensor

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


def box_area(boxes: Any) -> Any:
    """``(x2 - x1) * (y2 - y1)`` of boxes (..., 4) given by two corners.

    >>> box_area(np.array([[0.0, 0, 10, 5]])).tolist()
    [50.0]
    """
    x1, y1, x2, y2 = _split(_checked("box_area", "boxes", boxes))
    return e.mul(e.sub(x2, x1), e.sub(y2, y1))


def box_iou(boxes1: Any, boxes2: Any) -> Any:
    """Intersection over union of every pair: (N, 4) and (M, 4), two corners each, to (N, M).

    Boxes that do not meet have 0; two empty ones 0 / 0, which is NaN. Raises ShapeError and TypeError.

    >>> box_iou(np.array([[0.0, 0, 10, 10]]), np.array([[5.0, 5, 15, 15], [20.0, 20, 30, 30]])).round(4).tolist()
    [[0.1429, 0.0]]
    """
    op = "box_iou"
    for argument, boxes in (("boxes1", boxes1), ("boxes2", boxes2)):
        if len(_checked(op, argument, boxes).shape) != 2:
            raise ShapeError(f"[{op}] {argument} has shape {tuple(boxes.shape)}, expected (boxes, 4)")
    a, b = boxes1[:, None], boxes2[None]
    low, high = e.maximum(a[..., :2], b[..., :2]), e.minimum(a[..., 2:], b[..., 2:])
    sides = e.clamp(e.sub(high, low), min=0)
    common = e.mul(sides[..., 0], sides[..., 1])
    return e.div(common, e.sub(e.add(box_area(a), box_area(b)), common))


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
