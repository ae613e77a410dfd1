"""Fast R-CNN: the convolutions see the picture once, and every proposed region is cut out of their last map.

=========  ===========  ==============================  ======================================================
Network    Parameters   Multiply-adds                   Layers
=========  ===========  ==============================  ======================================================
fast_rcnn  134,690,729  183,869,263,872 (600 x 1000)    VGG-16 up to conv5_3, maxima of each region in 7x7 bins,
                        and 119,967,744 per region      linear 25088-4096-4096; scores of 21 classes (0 is the
                                                        background), and four numbers of a box for each class
=========  ===========  ==============================  ======================================================

Where R-CNN runs a network on each of 2,000 regions and then trains SVMs and box regressions on what it stored, this is
one network with one loss: cross-entropy of the class, plus, for regions that hold an object, the smooth L1 distance of
the four numbers of its class. Regions come from elsewhere, such as `pyconv.vision.selective_search`.

Source: Girshick, Fast R-CNN, ICCV 2015. State names are Caffe's layer names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pyconv import nn, vision
from pyconv.models.detection.targets import check_boxes, check_targets
from pyconv.models.registry import register
from pyconv.models.sizes import at_least
from pyconv.nn import functional as F
from pyconv.nn.arguments import whole
from pyconv.tensor import Array, Tensor

__all__ = ["FastRCNN", "fast_rcnn"]

_STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # channels and convolutions between the poolings
_HIDDEN = 4096  # of fc6 and fc7
_BINS, _SCALE = 7, 1 / 16
_POSITIVE_FRACTION, _OBJECT, _BACKGROUND = 0.25, 0.5, 0.1  # of the regions that are learnt from; overlaps


class FastRCNN(nn.Module):
    """Fast R-CNN on VGG-16; see `fast_rcnn`."""

    def __init__(self, num_classes: int = 21, in_channels: int = 3, box_weights: Sequence[float] = (10, 10, 5, 5),
                 rois_per_image: int = 64, score_thresh: float = 0.05, nms_thresh: float = 0.3,
                 detections_per_image: int = 100) -> None:
        super().__init__()
        self.num_classes = whole("fast_rcnn", "num_classes", num_classes, 2)
        self.input_size = (whole("fast_rcnn", "in_channels", in_channels, 1), 600, 1000)
        self.coder = vision.BoxCoder(box_weights)
        self.matcher = vision.Matcher(_OBJECT, _BACKGROUND)
        self.sampler = vision.BalancedPositiveNegativeSampler(rois_per_image, _POSITIVE_FRACTION)
        self.score_thresh, self.nms_thresh = score_thresh, nms_thresh
        self.detections_per_image = whole("fast_rcnn", "detections_per_image", detections_per_image, 1)
        before = in_channels
        for stage, (width, count) in enumerate(_STAGES, 1):
            for i in range(1, count + 1):
                self.add_module(f"conv{stage}_{i}", nn.Conv2d(before, width, 3, padding=1))
                before = width
        self.roi_pool5 = vision.RoIPool(_BINS, _SCALE)
        self.fc6, self.fc7 = nn.Linear(before * _BINS**2, _HIDDEN), nn.Linear(_HIDDEN, _HIDDEN)
        self.cls_score = nn.Linear(_HIDDEN, num_classes)
        self.bbox_pred = nn.Linear(_HIDDEN, 4 * num_classes)
        self.relu, self.pool, self.dropout = nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True), nn.Dropout(0.5)
        for name, module in self.named_modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.001 if name == "bbox_pred" else 0.01)
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.zeros_(module.bias)

    def features(self, images: Any) -> Any:
        """(N, in_channels, H, W) to the map (N, 512, H / 16, W / 16), rounded up."""
        at_least("fast_rcnn", images, self.input_size[0], 1)
        x = images
        for stage, (_, count) in enumerate(_STAGES, 1):
            x = self.pool(x) if stage > 1 else x
            for i in range(1, count + 1):
                x = self.relu(getattr(self, f"conv{stage}_{i}")(x))
        return x

    def scores(self, images: Any, rois: Any) -> tuple[Any, Any]:
        """Scores (K, num_classes) and box corrections (K, 4 * num_classes) of regions, as `roi_pool` takes them."""
        x = self.roi_pool5(self.features(images), rois).flatten(1)
        x = self.dropout(self.relu(self.fc6(x)))
        x = self.dropout(self.relu(self.fc7(x)))
        return self.cls_score(x), self.bbox_pred(x)

    def forward(self, images: Any, proposals: Sequence[Any] | None = None,
                targets: Sequence[dict[str, Any]] | None = None) -> Any:
        """In training the two losses, a dict; in evaluation a dict of ``boxes``, ``labels`` and ``scores`` per image."""
        at_least("fast_rcnn", images, self.input_size[0], 1)
        boxes = _check_proposals(proposals, images)
        if self.training:
            if targets is None:
                raise ValueError("[fast_rcnn] targets is None, expected one dictionary per image in training")
            return self._losses(images, boxes, targets)
        scores, codes = self.scores(images, [Tensor(b) for b in boxes])
        return self._detections(images.shape[2:], boxes, scores.softmax(1).array, codes.array)

    def _losses(self, images: Any, proposals: list[Array], targets: Sequence[dict[str, Any]]) -> dict[str, Any]:
        checked = check_targets("fast_rcnn", targets, len(proposals), range(1, self.num_classes))
        drawn = [self._draw(boxes, objects.astype(boxes.dtype), labels)
                 for boxes, (objects, labels) in zip(proposals, checked, strict=True)]
        rois, labels, codes = (list(column) for column in zip(*drawn, strict=True))
        count = sum(len(r) for r in rois)
        if not count:
            raise ValueError("[fast_rcnn] proposals holds no region to learn from in any image")
        scores, found = self.scores(images, [Tensor(r) for r in rois])
        classes = np.concatenate(labels)
        numbers = np.flatnonzero(classes)
        own = found.reshape(count, self.num_classes, 4)[Tensor(numbers), Tensor(classes[numbers])]
        wanted = Tensor(np.concatenate(codes)[numbers])
        return {"loss_classifier": F.cross_entropy(scores, Tensor(classes)),
                "loss_box_reg": F.smooth_l1_loss(own, wanted, reduction="sum") * (1 / count)}

    def _draw(self, boxes: Array, objects: Array, labels: Array) -> tuple[Array, Array, Array]:
        """Regions to learn from, objects' own boxes among them, their classes, and the corrections that they need."""
        boxes = np.concatenate([boxes, objects])
        classes = np.zeros(len(boxes), np.int64)
        goals = boxes.copy()
        if len(objects):
            match = self.matcher(vision.box_iou(objects, boxes))
            held = match >= 0
            classes[held], goals[held] = labels[match[held]], objects[match[held]]
            # Between the two thresholds lies what is hard to tell from an object: the background to learn from.
            classes[match == self.matcher.BELOW_LOW_THRESHOLD] = -1
        positive, negative = self.sampler([classes])
        numbers = np.flatnonzero(positive[0] | negative[0])
        return boxes[numbers], classes[numbers], self.coder.encode_single(goals[numbers], boxes[numbers])

    def _detections(self, size: tuple[int, ...], proposals: list[Array], scores: Array, codes: Array) -> list[Any]:
        found, at = [], 0
        for boxes in proposals:
            part = slice(at, at + len(boxes))
            at += len(boxes)
            decoded = vision.clip_boxes_to_image(self.coder.decode(codes[part], [boxes]), (size[0], size[1]))
            region, label = np.nonzero(scores[part] > self.score_thresh)
            region, label = region[label > 0], label[label > 0]
            candidates, values = decoded[region, label], scores[part][region, label]
            inside = vision.remove_small_boxes(candidates, 0.01)
            candidates, values, label = candidates[inside], values[inside], label[inside]
            kept = vision.batched_nms(candidates, values, label, self.nms_thresh)[:self.detections_per_image]
            found.append({"boxes": Tensor(candidates[kept]), "labels": Tensor(label[kept]), "scores": Tensor(values[kept])})
        return found

    def load_vgg16(self, state: Mapping[str, Any]) -> None:
        """Begin from a VGG-16 that was trained to classify: its ``state_dict``, whose last layer is left out.

        Raises ValueError for another network's state, StateDictError for shapes that do not fit.
        """
        own = [name.removesuffix(".weight") for name in self.state_dict() if name.startswith("conv") and name.endswith("weight")]
        theirs = [name.removesuffix(".weight") for name in state if name.startswith("features.") and name.endswith("weight")]
        theirs.sort(key=lambda name: int(name.split(".")[1]))
        if len(own) != len(theirs) or not {"classifier.0.weight", "classifier.3.weight"} <= {*state}:
            raise ValueError(f"[fast_rcnn] state has {len(theirs)} layers features.N.weight, expected VGG-16's {len(own)} "
                             "without batch norm, and classifier.0 and classifier.3")
        names = {**dict(zip(own, theirs, strict=True)), "fc6": "classifier.0", "fc7": "classifier.3"}
        self.load_state_dict({f"{name}.{kind}": state[f"{source}.{kind}"] for name, source in names.items()
                              for kind in ("weight", "bias")}, strict=False)


def _check_proposals(proposals: Any, images: Any) -> list[Array]:
    """Arrays (L, 4) of the images' dtype, one per image; None: the whole image."""
    op = "fast_rcnn"
    if proposals is None:
        height, width = images.shape[2:]
        return [np.array([[0, 0, width, height]], images.dtype)] * images.shape[0]
    if not isinstance(proposals, (list, tuple)):
        raise TypeError(f"[{op}] proposals is {type(proposals).__name__}, expected a list with an array (boxes, 4) per image")
    if len(proposals) != images.shape[0]:
        raise ValueError(f"[{op}] proposals has {len(proposals)} entries, expected one per image, {images.shape[0]}")
    return [check_boxes(op, f"proposals[{i}]", value).astype(images.dtype, copy=False) for i, value in enumerate(proposals)]


@register
def fast_rcnn(num_classes: int = 21, in_channels: int = 3, box_weights: Sequence[float] = (10, 10, 5, 5),
              rois_per_image: int = 64, score_thresh: float = 0.05, nms_thresh: float = 0.3,
              detections_per_image: int = 100) -> FastRCNN:
    """Fast R-CNN on VGG-16 for the 20 objects of Pascal VOC and the background: 134,690,729 parameters.

    Args:
        num_classes: with the background, at least 2.
        in_channels: of the images.
        box_weights: what box corrections are multiplied with before they are learnt; Caffe's published weights have
            them divided out already: (1, 1, 1, 1).
        rois_per_image: regions that are drawn per image in training, a quarter of them of objects if there are so many.
        score_thresh, nms_thresh, detections_per_image: what is reported in evaluation.

    The module is called with images (N, in_channels, H, W), all of one size, with a list of proposals (L, 4) per image,
    two corners each in pixels (None: the whole image, as its only region), and in training with targets, a dictionary
    of ``boxes`` (K, 4) and ``labels`` (K), from 1 to num_classes - 1, per image. Regions that overlap an object by at
    least one half stand for it, those between 0.1 and one half for the background. Training returns
    ``loss_classifier`` and ``loss_box_reg``, which are added; evaluation, per image, ``boxes`` (D, 4), ``labels`` and
    ``scores``, the best first.

    The paper begins from a trained VGG-16 (`FastRCNN.load_vgg16`) and leaves the first four convolutions as they are
    (``models.freeze(model, "conv2_2")``). New layers begin with N(0, 0.01^2), the boxes' with N(0, 0.001^2).
    Caffe's weights take pixels 0 to 255 in the order blue, green, red less (102.9801, 115.9465, 122.7717).

    Raises TypeError, ValueError, ShapeError, IndexError (labels), KeyError (targets) for what does not fit.

    >>> import pyconv
    >>> with pyconv.device("meta"):
    ...     print(sum(p.numel() for p in fast_rcnn().parameters()))
    134690729
    """
    return FastRCNN(num_classes, in_channels, box_weights, rois_per_image, score_thresh, nms_thresh, detections_per_image)
