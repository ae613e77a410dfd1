"""The second half of the R-CNN family: what is in the proposals, and where exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pyconv import nn
from pyconv.models.detection.keypoints import heatmaps_to_keypoints, keypoint_loss
from pyconv.models.detection.masks import mask_loss, select_masks
from pyconv.nn import functional as F
from pyconv.ops.softmax import softmax
from pyconv.tensor import Tensor
from pyconv.vision import (
    BalancedPositiveNegativeSampler,
    BoxCoder,
    Matcher,
    batched_nms,
    box_iou,
    clip_boxes_to_image,
    remove_small_boxes,
)

Boxes = list[np.ndarray]  # per image (K, 4), two corners
Size = tuple[int, int]


def fastrcnn_loss(logits: Any, deltas: Any, labels: Sequence[np.ndarray], targets: Sequence[np.ndarray]) -> tuple[Any, Any]:
    """Cross-entropy of the classes (K, C) of all boxes, 0 is the background; smooth L1 (beta 1/9) of the four numbers
    (K, 4 * C), of the true class alone and of boxes with an object, over the number of all boxes.

    Source: Girshick, Fast R-CNN, 2015, section 2.3.
    """
    classes, wanted = np.concatenate(labels), np.concatenate(targets)
    if not len(classes):  # no proposals and no objects at all
        return logits.sum() * 0, deltas.sum() * 0
    positive = np.flatnonzero(classes > 0)
    predicted = deltas.reshape(len(classes), -1, 4)[positive, classes[positive]]
    box_loss = F.smooth_l1_loss(predicted, Tensor(wanted[positive]), beta=1 / 9, reduction="sum")
    return F.cross_entropy(logits, classes), box_loss / len(classes)


class RoIHeads(nn.Module):
    """Pool the features of each proposal, classify and refine it; masks and keypoints of what was found.

    Each task has a pool (features, boxes and image sizes to (K, C, h, w)), a head and a predictor; those of masks and
    keypoints may be None.

    Args:
        fg_iou_thresh, bg_iou_thresh: a proposal that overlaps an object by the first is that object, below the second
            it is background.
        batch_size_per_image, positive_fraction: proposals per image that training samples, and how many of them at most
            are objects.
        bbox_reg_weights: `BoxCoder`'s; None is (10, 10, 5, 5).
        score_thresh: detections need a higher probability.
        nms_thresh: overlap with a better detection of the same class that removes one.
        detections_per_img: at most.
    """

    def __init__(self, box_roi_pool: nn.Module, box_head: nn.Module, box_predictor: nn.Module, fg_iou_thresh: float,
                 bg_iou_thresh: float, batch_size_per_image: int, positive_fraction: float,
                 bbox_reg_weights: Sequence[float] | None, score_thresh: float, nms_thresh: float,
                 detections_per_img: int, mask_roi_pool: Any = None, mask_head: Any = None, mask_predictor: Any = None,
                 keypoint_roi_pool: Any = None, keypoint_head: Any = None, keypoint_predictor: Any = None) -> None:
        super().__init__()
        self.proposal_matcher = Matcher(fg_iou_thresh, bg_iou_thresh)
        self.fg_bg_sampler = BalancedPositiveNegativeSampler(batch_size_per_image, positive_fraction)
        self.box_coder = BoxCoder(bbox_reg_weights or (10.0, 10.0, 5.0, 5.0))
        self.score_thresh, self.nms_thresh, self.detections_per_img = score_thresh, nms_thresh, detections_per_img
        self.box_roi_pool, self.box_head, self.box_predictor = box_roi_pool, box_head, box_predictor
        self.mask_roi_pool, self.mask_head, self.mask_predictor = mask_roi_pool, mask_head, mask_predictor
        self.keypoint_roi_pool, self.keypoint_head = keypoint_roi_pool, keypoint_head
        self.keypoint_predictor = keypoint_predictor

    def has_mask(self) -> bool:
        """Whether masks are predicted."""
        return None not in (self.mask_roi_pool, self.mask_head, self.mask_predictor)

    def has_keypoint(self) -> bool:
        """Whether keypoints are predicted."""
        return None not in (self.keypoint_roi_pool, self.keypoint_head, self.keypoint_predictor)

    def forward(self, features: Mapping[str, Any], proposals: Boxes, image_shapes: Sequence[Size],
                targets: Sequence[dict] | None = None) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """In evaluation a dictionary of arrays per image, in training the losses; the other one is empty."""
        if not self.training:
            return self._detections(features, proposals, image_shapes), {}
        if targets is None:
            raise ValueError("[RoIHeads] targets is None, expected a list in training")
        proposals, matched, labels = self._sampled(proposals, targets)
        logits, deltas = self.box_predictor(self.box_head(self.box_roi_pool(features, proposals, image_shapes)))
        wanted = [self._regression_targets(box, match, target["boxes"])
                  for box, match, target in zip(proposals, matched, targets, strict=True)]
        losses = dict(zip(("loss_classifier", "loss_box_reg"), fastrcnn_loss(logits, deltas, labels, wanted), strict=True))
        # Masks and keypoints are learnt on the boxes with an object alone.
        objects = [np.flatnonzero(label > 0) for label in labels]
        boxes = [box[rows] for box, rows in zip(proposals, objects, strict=True)]
        matched = [match[rows] for match, rows in zip(matched, objects, strict=True)]
        if self.has_mask():
            masks = self.mask_predictor(self.mask_head(self.mask_roi_pool(features, boxes, image_shapes)))
            losses["loss_mask"] = mask_loss(
                masks, boxes, [t["masks"] for t in targets], [t["labels"] for t in targets], matched)
        if self.has_keypoint():
            maps = self.keypoint_predictor(self.keypoint_head(self.keypoint_roi_pool(features, boxes, image_shapes)))
            losses["loss_keypoint"] = keypoint_loss(maps, boxes, [t["keypoints"] for t in targets], matched)
        return [], losses

    def _regression_targets(self, boxes: np.ndarray, matched: np.ndarray, truth: np.ndarray) -> np.ndarray:
        # Without an object in the image there is no target that anything would read.
        return self.box_coder.encode_single(truth[matched], boxes) if len(truth) else np.zeros_like(boxes)

    def _sampled(self, proposals: Boxes, targets: Sequence[dict]) -> tuple[Boxes, Boxes, Boxes]:
        """Proposals and true boxes that are learnt from, which object each is matched with, and its class or 0."""
        found: tuple[Boxes, Boxes, Boxes] = ([], [], [])
        for proposal, target in zip(proposals, targets, strict=True):
            boxes = np.concatenate([proposal, target["boxes"]])
            matched = labels = np.zeros(len(boxes), np.int64)
            if len(target["boxes"]):
                match = self.proposal_matcher(box_iou(target["boxes"], boxes))
                matched = np.maximum(match, 0)
                labels = np.select([match >= 0, match == Matcher.BELOW_LOW_THRESHOLD], [target["labels"][matched], 0], -1)
            positive, negative = self.fg_bg_sampler([labels])
            rows = np.flatnonzero(positive[0] | negative[0])
            for kept, values in zip(found, (boxes, matched, labels), strict=True):
                kept.append(values[rows])
        return found

    def _detections(self, features: Mapping[str, Any], proposals: Boxes, shapes: Sequence[Size]) -> list[dict[str, Any]]:
        logits, deltas = self.box_predictor(self.box_head(self.box_roi_pool(features, proposals, shapes)))
        if logits.is_meta:  # shapes alone: as many as there can be
            found = [{"boxes": np.zeros((self.detections_per_img, 4), np.float32)} for _ in shapes]
        else:
            found = self._selected(logits, deltas, proposals, shapes)
        boxes = [image["boxes"] for image in found]
        if self.has_mask():
            logits = self.mask_predictor(self.mask_head(self.mask_roi_pool(features, boxes, shapes)))
            if not logits.is_meta:
                masks = select_masks(logits.detach(), [image["labels"] for image in found])
                for image, mask in zip(found, masks, strict=True):
                    image["masks"] = mask
        if self.has_keypoint():
            maps = self.keypoint_predictor(self.keypoint_head(self.keypoint_roi_pool(features, boxes, shapes)))
            if not maps.is_meta:
                parts = np.split(maps.detach().array, np.cumsum([len(b) for b in boxes])[:-1])
                for image, part in zip(found, parts, strict=True):
                    image["keypoints"], image["keypoints_scores"] = heatmaps_to_keypoints(part, image["boxes"])
        return found

    def _selected(self, logits: Any, deltas: Any, proposals: Boxes, shapes: Sequence[Size]) -> list[dict[str, Any]]:
        """The boxes of every class but the background that are probable enough and the best at their place."""
        every = softmax(logits.detach(), -1).array
        count = every.shape[1]
        boxes = self.box_coder.decode(deltas.detach().array, proposals)
        cuts, found = np.cumsum([len(p) for p in proposals])[:-1], []
        for box, score, shape in zip(np.split(boxes, cuts), np.split(every, cuts), shapes, strict=True):
            box = clip_boxes_to_image(box, shape)[:, 1:].reshape(-1, 4)
            score, label = score[:, 1:].reshape(-1), np.tile(np.arange(1, count), len(score))
            probable = np.flatnonzero(score > self.score_thresh)
            box, score, label = box[probable], score[probable], label[probable]
            large = remove_small_boxes(box, 1e-2)
            box, score, label = box[large], score[large], label[large]
            kept = batched_nms(box, score, label, self.nms_thresh)[:self.detections_per_img]
            found.append({"boxes": box[kept], "labels": label[kept], "scores": score[kept]})
        return found
