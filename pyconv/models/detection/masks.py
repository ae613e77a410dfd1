"""Masks of objects: from a small map per box to the picture, the targets, and the loss."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyconv.nn import functional as F
from pyconv.ops.join import pad
from pyconv.tensor import Tensor
from pyconv.vision import roi_align


def select_masks(logits: Any, labels: list[np.ndarray]) -> list[np.ndarray]:
    """Logits (boxes of all images, classes, M, M) to the probabilities (K, 1, M, M) of each image's own labels."""
    every = np.concatenate(labels)
    probabilities = logits[np.arange(len(every)), every].sigmoid().array[:, None]
    return np.split(probabilities, np.cumsum([len(v) for v in labels])[:-1])


def mask_loss(logits: Any, boxes: list[np.ndarray], masks: list[np.ndarray], labels: list[np.ndarray],
              matched: list[np.ndarray]) -> Any:
    """Cross-entropy of the masks (boxes, classes, M, M), of each box's true class alone, averaged.

    Per image: boxes (K, 4) that overlap an object, the objects' masks (G, H, W) and labels (G,), and which object each
    box belongs to (K,). A box's target is its part of the mask, resampled to M x M. Source: He et al., 2017, section 3.
    """
    size = logits.shape[-1]
    classes = np.concatenate([label[match] for label, match in zip(labels, matched, strict=True)])
    if not len(classes):
        return logits.sum() * 0
    wanted = []
    for mask, box, match in zip(masks, boxes, matched, strict=True):
        if len(box):
            rows = np.concatenate([match[:, None].astype(box.dtype), box], 1)
            wanted.append(roi_align(mask[:, None].astype(box.dtype), rows, size, 1.0)[:, 0])
    return F.binary_cross_entropy_with_logits(logits[np.arange(len(classes)), classes], Tensor(np.concatenate(wanted)))


def paste_masks_in_image(masks: np.ndarray, boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Masks (K, 1, M, M), stretched over their boxes (K, 4), as pictures (K, 1, height, width); 0 elsewhere.

    A border of one pixel of zeros is put around the small mask first, and the box grows with it.
    """
    height, width = size
    result = np.zeros((len(masks), 1, height, width), masks.dtype)
    if not len(masks):
        return result
    growth = (masks.shape[-1] + 2) / masks.shape[-1]
    padded = pad(masks, (1, 1, 1, 1))
    half = (boxes[:, 2:] - boxes[:, :2]) * np.array(0.5, boxes.dtype) * np.array(growth, boxes.dtype)
    middle = (boxes[:, 2:] + boxes[:, :2]) * np.array(0.5, boxes.dtype)
    corners = np.concatenate([middle - half, middle + half], 1).astype(np.int64)  # towards zero
    for picture, mask, (x1, y1, x2, y2) in zip(result[:, 0], padded, corners.tolist(), strict=True):
        w, h = max(x2 - x1 + 1, 1), max(y2 - y1 + 1, 1)
        large = F.interpolate(mask[None], size=(h, w), mode="bilinear", align_corners=False)[0, 0]
        left, top, right, bottom = max(x1, 0), max(y1, 0), min(x2 + 1, width), min(y2 + 1, height)
        picture[top:bottom, left:right] = large[top - y1:bottom - y1, left - x1:right - x1]
    return result
