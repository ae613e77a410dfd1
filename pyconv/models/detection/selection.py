"""From the boxes of every cell of a grid to the few that are shown."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyconv.tensor import Tensor
from pyconv.vision import batched_nms, clip_boxes_to_image, remove_small_boxes


def select(boxes: np.ndarray, scores: np.ndarray, size: tuple[int, int], score_threshold: float, nms_threshold: float,
           limit: int) -> dict[str, Any]:
    """Of boxes (A, 4) in an image of (height, width) with scores (A, C) of every class: those to show.

    A box may stand for several classes. Boxes are cut at the image's borders; a box that overlaps a better one of its
    class by more than nms_threshold is dropped. Returns ``boxes`` (K, 4), ``labels`` (K,) and ``scores`` (K,), the
    best first, at most ``limit``.
    """
    box, label = np.nonzero(scores > score_threshold)
    corners, score = clip_boxes_to_image(boxes[box], size), scores[box, label]
    large = remove_small_boxes(corners, 1e-2)
    corners, label, score = corners[large], label[large], score[large]
    kept = batched_nms(corners, score, label, nms_threshold)[:limit]
    return {"boxes": Tensor(corners[kept]), "labels": Tensor(label[kept]), "scores": Tensor(score[kept])}
