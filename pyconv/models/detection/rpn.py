"""The region proposal network: at every point, for every anchor, whether there is an object, and its box."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pyconv import nn
from pyconv.models.detection.fpn import conv_block
from pyconv.nn import functional as F
from pyconv.ops import elementwise as e
from pyconv.ops.join import cat
from pyconv.tensor import Tensor
from pyconv.vision import (
    AnchorGenerator,
    BalancedPositiveNegativeSampler,
    BoxCoder,
    ImageList,
    Matcher,
    batched_nms,
    box_iou,
    clip_boxes_to_image,
    remove_small_boxes,
)


class RPNHead(nn.Module):
    """3x3 convolution, then two of 1x1: objectness (a logit) and four numbers of the box, per anchor.

    State: ``conv.{i}.0``, ``cls_logits``, ``bbox_pred``.
    """

    def __init__(self, in_channels: int, num_anchors: int, conv_depth: int = 1) -> None:
        super().__init__()
        self.conv = nn.Sequential(*[conv_block(in_channels, in_channels) for _ in range(conv_depth)])
        self.cls_logits = nn.Conv2d(in_channels, num_anchors, 1)
        self.bbox_pred = nn.Conv2d(in_channels, num_anchors * 4, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.01)
                nn.init.zeros_(module.bias)

    def forward(self, x: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Maps (N, C, H, W) to objectness (N, A, H, W) and boxes (N, 4 * A, H, W) of each."""
        hidden = [self.conv(feature) for feature in x]
        return [self.cls_logits(h) for h in hidden], [self.bbox_pred(h) for h in hidden]


class TwoScoreRPNHead(RPNHead):
    """As the first implementation has it: two scores per anchor, background and object, and a softmax.

    The logit of two scores' softmax is their difference. Channels: the background of all anchors, then their objects.
    """

    def __init__(self, in_channels: int, num_anchors: int) -> None:
        super().__init__(in_channels, num_anchors)
        self.cls_logits = nn.Conv2d(in_channels, 2 * num_anchors, 1)
        nn.init.normal_(self.cls_logits.weight, std=0.01)
        nn.init.zeros_(self.cls_logits.bias)

    def forward(self, x: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Maps (N, C, H, W) to objectness (N, A, H, W) and boxes (N, 4 * A, H, W) of each."""
        scores, boxes = super().forward(x)
        pairs = [score.chunk(2, 1) for score in scores]
        return [present - absent for absent, present in pairs], boxes


def _rows(maps: Any, numbers: int) -> Any:
    """(N, A * numbers, H, W) to (N, H * W * A, numbers): in the order of the anchors."""
    return maps.permute(0, 2, 3, 1).reshape(maps.shape[0], -1, numbers)


class RegionProposalNetwork(nn.Module):
    """Proposals, class-agnostic boxes that may hold an object, and in training the loss that makes them better.

    Args:
        anchor_generator, head: what the predictions start from, and what predicts.
        fg_iou_thresh, bg_iou_thresh: an anchor is positive from the first on, negative below the second; the best of
            each object is positive in any case.
        batch_size_per_image, positive_fraction: anchors per image that the loss samples, and how many of them at most
            are positive.
        pre_nms_top_n, post_nms_top_n: {"training": n, "testing": n}: proposals per map before non-maximum suppression,
            and per image afterwards.
        nms_thresh: overlap with a better proposal of the same map that removes one.
        score_thresh: proposals of a lower probability are removed.

    Source: Ren et al., Faster R-CNN, 2015, section 3.
    """

    def __init__(self, anchor_generator: AnchorGenerator, head: nn.Module, fg_iou_thresh: float, bg_iou_thresh: float,
                 batch_size_per_image: int, positive_fraction: float, pre_nms_top_n: Mapping[str, int],
                 post_nms_top_n: Mapping[str, int], nms_thresh: float, score_thresh: float = 0.0) -> None:
        super().__init__()
        self.anchor_generator, self.head = anchor_generator, head
        self.box_coder = BoxCoder((1.0, 1.0, 1.0, 1.0))
        self.proposal_matcher = Matcher(fg_iou_thresh, bg_iou_thresh, allow_low_quality_matches=True)
        self.fg_bg_sampler = BalancedPositiveNegativeSampler(batch_size_per_image, positive_fraction)
        self._pre_nms_top_n, self._post_nms_top_n = pre_nms_top_n, post_nms_top_n
        self.nms_thresh, self.score_thresh, self.min_size = nms_thresh, score_thresh, 1e-3

    def forward(self, images: ImageList, features: Mapping[str, Any],
                targets: Sequence[dict] | None = None) -> tuple[list[np.ndarray], dict[str, Any]]:
        """Proposals per image, (P, 4), the best first, and in training the losses."""
        maps = list(features.values())
        objectness, deltas = self.head(maps)
        logits = cat([_rows(m, 1) for m in objectness], 1)[..., 0]
        deltas = cat([_rows(m, 4) for m in deltas], 1)
        if logits.is_meta:  # shapes alone: as many as there can be
            return [np.zeros((self._count(self._post_nms_top_n), 4), np.float32) for _ in images.image_sizes], {}
        anchors = self.anchor_generator(images, maps)[0].array  # every image has the same
        proposals = self._filtered(deltas.detach().array, logits.detach().array, anchors,
                                   [m.shape[1] * m.shape[2] * m.shape[3] for m in objectness], images.image_sizes)
        if not self.training:
            return proposals, {}
        if targets is None:
            raise ValueError("[RegionProposalNetwork] targets is None, expected a list in training")
        return proposals, self._losses(logits, deltas, anchors, targets)

    def _count(self, numbers: Mapping[str, int]) -> int:
        return numbers["training" if self.training else "testing"]

    def _filtered(self, deltas: np.ndarray, logits: np.ndarray, anchors: np.ndarray, counts: list[int],
                  sizes: Sequence[tuple[int, int]]) -> list[np.ndarray]:
        """Of the boxes of all anchors, ``counts`` on each map, those that stay, per image."""
        ends, found = np.cumsum(counts), []
        for delta, logit, size in zip(deltas, logits, sizes, strict=True):
            best = [end - count + np.argsort(-logit[end - count:end], kind="stable")[
                :self._count(self._pre_nms_top_n)] for count, end in zip(counts, ends, strict=True)]
            level = np.repeat(np.arange(len(best)), [len(b) for b in best])
            chosen = np.concatenate(best)
            boxes = self.box_coder.decode_single(delta[chosen], anchors[chosen])
            boxes, scores = clip_boxes_to_image(boxes, size), e.sigmoid(logit[chosen])
            kept = remove_small_boxes(boxes, self.min_size)
            kept = kept[scores[kept] >= self.score_thresh]
            boxes, scores, level = boxes[kept], scores[kept], level[kept]
            kept = batched_nms(boxes, scores, level, self.nms_thresh)[:self._count(self._post_nms_top_n)]
            found.append(boxes[kept])
        return found

    def assign_targets_to_anchors(self, anchors: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of an image with boxes (G, 4): per anchor 1 (object), 0 (background) or -1 (neither), and its box (A, 4)."""
        if not len(boxes):
            return np.zeros(len(anchors), anchors.dtype), np.zeros_like(anchors)
        match = self.proposal_matcher(box_iou(boxes, anchors))
        labels = np.select([match >= 0, match == Matcher.BELOW_LOW_THRESHOLD], [1, 0], -1)
        return labels.astype(anchors.dtype), boxes[np.maximum(match, 0)]

    def _losses(self, logits: Any, deltas: Any, anchors: np.ndarray, targets: Sequence[dict]) -> dict[str, Any]:
        """Cross-entropy of the sampled anchors' objectness, smooth L1 (beta 1/9) of the positive ones' boxes."""
        positives, rows, wanted, labels = [], [], [], []
        for i, target in enumerate(targets):
            label, box = self.assign_targets_to_anchors(anchors, target["boxes"])
            positive, negative = (np.flatnonzero(drawn[0]) for drawn in self.fg_bg_sampler([label]))
            positives.append(positive + i * len(anchors))
            wanted.append(self.box_coder.encode_single(box[positive], anchors[positive]))
            rows += [positive + i * len(anchors), negative + i * len(anchors)]
            labels += [label[positive], label[negative]]
        chosen, positive = np.concatenate(rows), np.concatenate(positives)
        boxes = F.smooth_l1_loss(deltas.reshape(-1, 4)[positive], Tensor(np.concatenate(wanted)), beta=1 / 9,
                                 reduction="sum")
        return {
            "loss_objectness": F.binary_cross_entropy_with_logits(
                logits.reshape(-1)[chosen], Tensor(np.concatenate(labels))),
            "loss_rpn_box_reg": boxes / len(chosen),
        }
