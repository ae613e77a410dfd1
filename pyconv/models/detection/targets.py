"""What an image is said to show: one dictionary per image with ``boxes`` and ``labels``."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyconv.errors import ShapeError
from pyconv.tensor import FLOATS, raw


def check_boxes(op: str, name: str, value: Any) -> np.ndarray:
    """Boxes (K, 4), two corners (x1, y1, x2, y2) in pixels, float32 or float64, as an array; K may be 0.

    Raises TypeError, ShapeError, and ValueError for a box without an area or with a coordinate that is not finite.
    """
    boxes = raw(value, op, name)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ShapeError(f"[{op}] {name} has shape {boxes.shape}, expected (boxes, 4)")
    if boxes.dtype not in FLOATS:
        raise TypeError(f"[{op}] {name} has dtype {boxes.dtype}, expected float32 or float64")
    good = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]) & np.isfinite(boxes).all(1)
    if not good.all():
        worst = int(np.argmin(good))
        raise ValueError(f"[{op}] {name}[{worst}] is {[float(v) for v in boxes[worst]]}, expected (x1, y1, x2, y2) with "
                         "x1 < x2 and y1 < y2")
    return boxes


def check_targets(op: str, targets: Any, images: int, labels: range) -> list[tuple[np.ndarray, np.ndarray]]:
    """The boxes (K, 4) and labels (K,) of every image as arrays, K may be 0.

    ``boxes`` are checked by `check_boxes`, ``labels`` are whole numbers within the range. Raises TypeError, ValueError,
    KeyError and ShapeError for targets of another form, IndexError for a label out of range; each names the image and box.
    """
    if not isinstance(targets, (list, tuple)):
        raise TypeError(f"[{op}] targets is {type(targets).__name__}, expected a list with a dictionary per image")
    if len(targets) != images:
        raise ValueError(f"[{op}] targets has {len(targets)} entries, expected one per image, {images}")
    return [_check_one(op, f"targets[{i}]", target, labels) for i, target in enumerate(targets)]


def _check_one(op: str, name: str, target: Any, labels: range) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(target, dict):
        raise TypeError(f"[{op}] {name} is {type(target).__name__}, expected a dictionary")
    for key in ("boxes", "labels"):
        if key not in target:
            raise KeyError(f"[{op}] {name} has no {key!r}, expected 'boxes' and 'labels'")
    boxes = check_boxes(op, f"{name}['boxes']", target["boxes"])
    classes = raw(target["labels"], op, f"{name}['labels']")
    if classes.shape != boxes.shape[:1]:
        raise ShapeError(f"[{op}] {name}['labels'] has shape {classes.shape}, expected one label per box, "
                         f"{boxes.shape[:1]}")
    if classes.dtype.kind not in "iu":
        raise TypeError(f"[{op}] {name}['labels'] has dtype {classes.dtype}, expected whole numbers")
    known = (classes >= labels.start) & (classes < labels.stop)
    if not known.all():
        worst = int(np.argmin(known))
        hint = "; 0 is the background" if labels.start else ""
        raise IndexError(f"[{op}] {name}['labels'][{worst}] is {int(classes[worst])}, expected {labels.start} to "
                         f"{labels.stop - 1}{hint}")
    return boxes, classes.astype(np.int64, copy=False)


def centred(op: str, boxes: list[np.ndarray], height: int, width: int) -> list[np.ndarray]:
    """Boxes in pixels as (centre x, centre y, width, height) in units of the image, float64.

    Raises ValueError for a box whose centre lies outside: there is no cell of a grid that could find it.
    """
    found = []
    for i, two_corners in enumerate(boxes):
        corners = two_corners.astype(np.float64) / (width, height, width, height)
        middle = (corners[:, :2] + corners[:, 2:]) / 2
        inside = ((middle >= 0) & (middle < 1)).all(1)
        if not inside.all():
            worst = int(np.argmin(inside))
            raise ValueError(f"[{op}] targets[{i}]['boxes'][{worst}] is {[float(v) for v in two_corners[worst]]}, "
                             f"expected its centre within the image of {width}x{height} pixels")
        found.append(np.concatenate([middle, corners[:, 2:] - corners[:, :2]], axis=1))
    return found
