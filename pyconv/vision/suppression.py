"""Non-maximum suppression: of boxes that overlap, the best stays."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyconv._backend import core
from pyconv.tensor import Array, Tensor, raw


def _threshold(value: Any, op: str) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"[{op}] iou_threshold is {value!r}, expected a number")
    return float(value)


def _suppressed(op: str, boxes: Any, scores: Any, idxs: Array | None, threshold: Any) -> Any:
    kept = core.nms(op, raw(boxes, op, "boxes"), raw(scores, op, "scores"), idxs, _threshold(threshold, op))
    return Tensor(kept) if isinstance(boxes, Tensor) or isinstance(scores, Tensor) else kept


def nms(boxes: Any, scores: Any, iou_threshold: float) -> Any:
    """Numbers of the boxes that stay, the highest score first.

    From the best box to the worst: a box stays unless one that stays has an intersection over union with it of more
    than ``iou_threshold``. The bits do not depend on the number of threads.

    Args:
        boxes: (N, 4), two corners each, float32 or float64.
        scores: (N), of the same dtype. Of equal ones the first box goes first; NaN is above all numbers.
        iou_threshold: from 0 to 1.

    Returns:
        int64, (boxes that stay). A box without area, with infinite area or with a NaN overlaps nothing.

    Raises:
        ShapeError, TypeError, ValueError: arguments that do not fit.

    >>> boxes = np.float32([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10]])
    >>> nms(boxes, np.float32([0.8, 0.9, 0.7]), 0.5).tolist()
    [1, 2]
    """
    return _suppressed("nms", boxes, scores, None, iou_threshold)


def batched_nms(boxes: Any, scores: Any, idxs: Any, iou_threshold: float) -> Any:
    """`nms` within each category: boxes of different ones do not suppress each other.

    ``idxs`` (N) are the categories, any whole numbers (an integer dtype); the other arguments, the result and what is
    raised are as in `nms`. The result is the highest score first over all categories.

    >>> boxes = np.float32([[0, 0, 10, 10], [1, 0, 11, 10], [2, 0, 12, 10]])
    >>> batched_nms(boxes, np.float32([0.8, 0.9, 0.7]), np.array([5, 5, 6]), 0.5).tolist()
    [1, 2]
    """
    categories = raw(idxs, "batched_nms", "idxs")
    if categories.dtype.kind not in "iu":
        raise TypeError(f"[batched_nms] idxs has dtype {categories.dtype}, expected whole numbers")
    return _suppressed("batched_nms", boxes, scores, categories.astype(np.int64), iou_threshold)
