"""Keypoints of objects: heat-maps per box, from and to places in the picture."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyconv.nn import functional as F


def keypoints_to_heatmap(keypoints: np.ndarray, boxes: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints (K, P, 3), (x, y, visible), in boxes (K, 4): the number of the cell of a size x size map over the box
    that holds each, and whether there is one: it is visible and in the box. Both (K, P).

    Points on the right or lower edge belong to the last column or row. What is not valid has the number 0.
    """
    x1, y1, x2, y2 = (boxes[:, i, None] for i in range(4))
    x = np.floor((keypoints[..., 0] - x1) * (size / (x2 - x1)))
    y = np.floor((keypoints[..., 1] - y1) * (size / (y2 - y1)))
    x, y = np.where(keypoints[..., 0] == x2, size - 1, x), np.where(keypoints[..., 1] == y2, size - 1, y)
    valid = (x >= 0) & (y >= 0) & (x < size) & (y < size) & (keypoints[..., 2] > 0)
    return np.where(valid, y * size + x, 0).astype(np.int64), valid


def keypoint_loss(logits: Any, boxes: list[np.ndarray], keypoints: list[np.ndarray], matched: list[np.ndarray]) -> Any:
    """Cross-entropy over the cells of each valid keypoint's map (boxes, P, M, M), averaged.

    Per image: boxes (K, 4), the objects' keypoints (G, P, 3), and which object each box belongs to (K,). Source: He et
    al., 2017, section 5.
    """
    pairs = [keypoints_to_heatmap(points[match], box, logits.shape[-1])
             for points, box, match in zip(keypoints, boxes, matched, strict=True)]
    cells, valid = (np.concatenate([pair[i].reshape(-1) for pair in pairs]) for i in (0, 1))
    chosen = np.flatnonzero(valid)
    if not len(chosen):
        return logits.sum() * 0
    rows = logits.reshape(logits.shape[0] * logits.shape[1], -1)
    return F.cross_entropy(rows[chosen], cells[chosen])


def heatmaps_to_keypoints(maps: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Maps (K, P, M, M) over boxes (K, 4) to keypoints (K, P, 3), (x, y, 1), and their scores (K, P).

    Each map is enlarged to its box's pixels, cubically; its largest value is the score, the middle of that pixel the
    place.
    """
    found, scores = np.ones((*maps.shape[:2], 3), np.float32), np.zeros(maps.shape[:2], np.float32)
    sizes = np.maximum(boxes[:, 2:] - boxes[:, :2], 1)
    for k, (w, h) in enumerate(sizes):
        columns, rows = int(np.ceil(w)), int(np.ceil(h))
        large = F.interpolate(maps[k][:, None], size=(rows, columns), mode="bicubic", align_corners=False)
        flat = large.reshape(maps.shape[1], -1)
        best = flat.argmax(1)
        scores[k] = flat[np.arange(len(best)), best]
        found[k, :, 0] = (best % columns + np.float32(0.5)) * (w / np.float32(columns)) + boxes[k, 0]
        found[k, :, 1] = (best // columns + np.float32(0.5)) * (h / np.float32(rows)) + boxes[k, 1]
    return found, scores
