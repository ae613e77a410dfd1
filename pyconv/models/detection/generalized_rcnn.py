"""What all detectors of the R-CNN family do with a list of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pyconv import nn
from pyconv.errors import ShapeError
from pyconv.models.detection.targets import check_targets
from pyconv.models.detection.transform import GeneralizedRCNNTransform
from pyconv.tensor import Tensor, raw


def image_statistics(in_channels: int) -> dict[str, list[float]]:
    """``image_mean`` and ``image_std`` of ImageNet's images; of other than 3 channels, the average of theirs for each."""
    if in_channels == 3:
        return {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
    return {"image_mean": [0.449] * in_channels, "image_std": [0.226] * in_channels}


class GeneralizedRCNN(nn.Module):
    """transform, backbone, rpn and roi_heads, one after the other.

    Call it with images, a list of (C, H, W) from 0 to 1 of any sizes or one (N, C, H, W), and in training with targets,
    a dictionary per image:

    - ``boxes`` (K, 4), two corners (x1, y1, x2, y2) in pixels, K may be 0; ``labels`` (K,), whole numbers from 1 (0 is
      the background);
    - for masks ``masks`` (K, H, W), not zero where the object is; for keypoints ``keypoints`` (K, P, 3), (x, y,
      visible).

    Training returns a dictionary of losses, evaluation a dictionary per image with ``boxes``, ``labels`` and ``scores``
    from the most to the least probable, and ``masks`` (K, 1, H, W), probabilities, or ``keypoints`` (K, P, 3) and
    ``keypoints_scores`` (K, P). Raises TypeError, ValueError, KeyError, ShapeError and IndexError, which name the image
    and the box, for what cannot be meant.
    """

    def __init__(self, backbone: nn.Module, rpn: nn.Module, roi_heads: Any, transform: GeneralizedRCNNTransform) -> None:
        super().__init__()
        self.transform = transform
        self.backbone = backbone
        self.rpn = rpn
        self.roi_heads = roi_heads
        side = max(transform.min_size)
        self.input_size = (len(transform.image_mean), side, side)

    def forward(self, images: Any, targets: Sequence[dict] | None = None) -> Any:
        """See the class."""
        if not isinstance(images, (list, tuple, Tensor, np.ndarray)):
            raise TypeError(f"[detector] images is {type(images).__name__}, expected a list of images")
        images = list(images)
        if not images:
            raise ValueError("[detector] images is empty, expected at least one image")
        checked = None
        if self.training:
            if targets is None:
                raise ValueError("[detector] targets is None, expected a list in training; for detections call eval() first")
            checked = self._checked(images, targets)
        originals = [tuple(image.shape[-2:]) if hasattr(image, "shape") else () for image in images]
        batch, checked = self.transform(images, checked)
        features = self.backbone(batch.tensors)
        if isinstance(features, Tensor):
            features = {"0": features}
        proposals, losses = self.rpn(batch, features, checked)
        detections, more = self.roi_heads(features, proposals, batch.image_sizes, checked)
        if self.training:
            return {**more, **losses}
        return self.transform.postprocess(detections, batch.image_sizes, originals)

    def _checked(self, images: list[Any], targets: Any) -> list[dict[str, np.ndarray]]:
        """The targets as arrays: boxes of the images' type, labels int64, masks uint8, keypoints float32."""
        op = "detector"
        score = getattr(self.roi_heads.box_predictor, "cls_score", None)
        classes = score.out_features if isinstance(score, nn.Linear) else 2**31
        dtype = getattr(images[0], "dtype", np.float32)
        found = []
        for i, (boxes, labels) in enumerate(check_targets(op, targets, len(images), range(1, classes))):
            found.append({"boxes": boxes.astype(dtype), "labels": labels})
            size = tuple(images[i].shape[-2:]) if hasattr(images[i], "shape") else ()
            if self.roi_heads.has_mask():
                masks = self._part(op, targets[i], i, "masks")
                if masks.shape != (len(boxes), *size):
                    raise ShapeError(f"[{op}] targets[{i}]['masks'] has shape {masks.shape}, expected (boxes, height, "
                                     f"width) = {(len(boxes), *size)}")
                found[i]["masks"] = masks.astype(np.uint8)
            if self.roi_heads.has_keypoint():
                points = self._part(op, targets[i], i, "keypoints")
                wanted = getattr(self.roi_heads.keypoint_predictor, "out_channels", points.shape[1:2])
                if points.shape != (len(boxes), wanted, 3):
                    raise ShapeError(f"[{op}] targets[{i}]['keypoints'] has shape {points.shape}, expected (boxes, points, "
                                     f"3) = {(len(boxes), wanted, 3)}")
                found[i]["keypoints"] = points.astype(np.float32)
        return found

    @staticmethod
    def _part(op: str, target: dict, i: int, key: str) -> np.ndarray:
        if key not in target:
            raise KeyError(f"[{op}] targets[{i}] has no {key!r}")
        return raw(target[key], op, f"targets[{i}]['{key}']")
