"""What the maps of YOLOv2 and YOLOv3 mean: their boxes, and the loss that teaches them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pyconv import nn
from pyconv.errors import ShapeError
from pyconv.models.detection.selection import select
from pyconv.models.detection.targets import centred, check_targets
from pyconv.nn import functional as F
from pyconv.nn.arguments import whole
from pyconv.ops import elementwise as e
from pyconv.ops.softmax import softmax
from pyconv.tensor import Tensor
from pyconv.vision import box_convert, box_iou


class YOLOHead:
    """Boxes relative to anchors, on maps (N, A * (5 + C), H, W), one per scale, for A anchors and C classes.

    The channels of an anchor (w, h) at column i, row j of a map are numbers tx, ty, tw, th, to and one per class. They
    mean a box with the centre ((sigmoid(tx) + i) * stride, (sigmoid(ty) + j) * stride), the size (w exp(tw), h exp(th)),
    in pixels, the probability sigmoid(to) that there is an object, and independent probabilities of the classes,
    sigmoids as well.

    Args:
        classes: C.
        anchors: (width, height) in pixels, of all scales.
        masks: per scale, which of the anchors it has.
        strides: per scale, pixels from one point of its map to the next.
        ignore: a prediction that overlaps an object by more than this IoU is not taught to be background.
    """

    def __init__(self, classes: int, anchors: Sequence[tuple[float, float]], masks: Sequence[Sequence[int]],
                 strides: Sequence[int], ignore: float = 0.7) -> None:
        self.classes, self.ignore = classes, ignore
        self.anchors = np.array(anchors, np.float64)
        self.masks, self.strides = masks, strides

    def _rows(self, outputs: Any) -> list[Any]:
        """Per scale the predictions as (N, H * W * A, 5 + C): by row, column, anchor. No copy is made."""
        if not isinstance(outputs, (tuple, list)) or len(outputs) != len(self.masks):
            raise TypeError(f"[yolo] outputs is no tuple of {len(self.masks)} maps, which the network returns")
        rows = []
        for i, (maps, mask) in enumerate(zip(outputs, self.masks, strict=True)):
            channels = len(mask) * (5 + self.classes)
            if len(maps.shape) != 4 or maps.shape[1] != channels:
                raise ShapeError(f"[yolo] outputs[{i}] has shape {tuple(maps.shape)}, expected (N, {channels}, H, W)")
            rows.append(maps.permute(0, 2, 3, 1).reshape(maps.shape[0], -1, 5 + self.classes))
        return rows

    def _grid(self, scale: int, height: int, width: int) -> np.ndarray:
        """Column, row, anchor width and height of every prediction of a scale: (H * W * A, 4)."""
        mask = self.masks[scale]
        row, column, anchor = np.meshgrid(np.arange(height), np.arange(width), mask, indexing="ij")
        sizes = self.anchors[anchor.ravel()]
        return np.concatenate([column.reshape(-1, 1), row.reshape(-1, 1), sizes], 1).astype(np.float32)

    def boxes(self, outputs: Any) -> list[np.ndarray]:
        """Per scale the boxes that the maps mean: (N, H * W * A, 4), two corners in pixels; no gradient passes."""
        found = []
        for scale, (maps, rows) in enumerate(zip(outputs, self._rows(outputs), strict=True)):
            grid = self._grid(scale, *maps.shape[2:])
            numbers = rows.detach().array[..., :4]
            middle = (e.sigmoid(numbers[..., :2]) + grid[:, :2]) * np.float32(self.strides[scale])
            sizes = e.exp(numbers[..., 2:]) * grid[:, 2:]
            found.append(box_convert(np.concatenate([middle, sizes], -1), "cxcywh", "xyxy"))
        return found

    def detect(self, outputs: Any, score_threshold: float = 0.5, nms_threshold: float = 0.45,
               limit: int = 100) -> list[dict[str, Any]]:
        """The objects in each of N images, from what the network returned (in evaluation) for them.

        A box's score for a class is the probability that there is an object times that of the class.

        Args:
            score_threshold: scores of an object are higher.
            nms_threshold: overlap (IoU) with a better box of the same class that removes one.
            limit: objects per image, at most.

        Returns:
            Per image ``boxes`` (K, 4), two corners in pixels, ``labels`` (K,) from 0, ``scores`` (K,), the best first.
        """
        boxes = np.concatenate(self.boxes(outputs), 1)
        logits = np.concatenate([rows.detach().array[..., 4:] for rows in self._rows(outputs)], 1)
        scores = e.sigmoid(logits[..., :1]) * self._chances(logits[..., 1:])
        size = tuple(n * self.strides[0] for n in outputs[0].shape[2:])
        return [select(box, score, size, score_threshold, nms_threshold, limit)
                for box, score in zip(boxes, scores, strict=True)]

    def loss(self, outputs: Any, targets: Any) -> dict[str, Any]:
        """The three terms of the loss, whose sum is minimised, per image of the batch.

        Every object is assigned to the anchor, of all scales, whose shape overlaps its own best, at the point of that
        scale's map that holds its centre. With the object's own (tx, ty, tw, th) as targets:

        - ``loss_box``: cross-entropy of the sigmoids of tx and ty, half the squared errors of tw and th; times
          2 - w h, of the object's size in units of the image, so that small ones count more;
        - ``loss_objectness``: cross-entropy with 1 where an object was assigned and 0 elsewhere, except where the box
          overlaps an object by more than ``ignore``;
        - ``loss_classes``: cross-entropy of every class where an object was assigned.

        Its gradient is the target minus the prediction everywhere, as in Darknet. Two objects with one anchor and one
        point: the box of the last one, the classes of both.

        Args:
            outputs: what the network returns for N images.
            targets: N dictionaries with ``boxes`` (K, 4), two corners in pixels, and ``labels`` (K,) from 0; K may be 0.

        Raises TypeError, ValueError, KeyError, ShapeError and IndexError for targets that cannot be meant. Source:
        Redmon and Farhadi, 2018, section 2.1.
        """
        rows = self._rows(outputs)
        images, dtype = rows[0].shape[0], rows[0].dtype
        height, width = (n * self.strides[0] for n in outputs[0].shape[2:])
        checked = check_targets("yolo", targets, images, range(self.classes))
        assigned = self._assign(centred("yolo", [b for b, _ in checked], height, width),
                                [labels for _, labels in checked], height, width)
        terms: dict[str, Any] = {"loss_box": 0, "loss_objectness": 0, "loss_classes": 0}
        for scale, (row, boxes) in enumerate(zip(rows, self.boxes(outputs), strict=True)):
            found = assigned[scale]
            image, place = (np.array([key[i] for key in found], np.int64) for i in (0, 1))
            present, weight = np.zeros(row.shape[:2], dtype), np.ones(row.shape[:2], dtype)
            for i, (truth, _) in enumerate(checked):
                if len(truth):
                    overlap = box_iou(boxes[i], truth.astype(boxes[i].dtype)).max(1)
                    weight[i, overlap > self.ignore] = 0
            if found:
                true = np.array([box for _, _, _, box in found.values()], boxes.dtype)
                present[image, place] = self._wanted_objectness(boxes[image, place], true)
                weight[image, place] = self.object_scale
            terms["loss_objectness"] += F.binary_cross_entropy_with_logits(
                row[..., 4], Tensor(present), Tensor(weight), reduction="sum") / images
            if not found:
                continue
            chosen = row[image, place]
            numbers = np.array([numbers for numbers, _, _, _ in found.values()], dtype)
            factor = np.array([[factor] for _, factor, _, _ in found.values()], dtype)
            terms["loss_box"] += (F.binary_cross_entropy_with_logits(
                chosen[:, :2], Tensor(numbers[:, :2]), Tensor(factor), reduction="sum") + 0.5 * F.mse_loss(
                chosen[:, 2:4], Tensor(numbers[:, 2:]), reduction="sum",
                weight=Tensor(np.repeat(factor, 2, 1)))) / images
            terms["loss_classes"] += self._class_loss(
                chosen[:, 5:], [labels for _, _, labels, _ in found.values()]) / images
        return terms

    def _assign(self, truths: list[np.ndarray], labels: list[np.ndarray], height: int, width: int) -> list[dict]:
        """Per scale: (image, place in the rows) to the target (tx, ty, tw, th), its weight, its classes in the order of the
        objects, and its two corners in pixels."""
        found: list[dict] = [{} for _ in self.masks]
        for image, (boxes, classes) in enumerate(zip(truths, labels, strict=True)):
            for (x, y, w, h), label in zip(boxes, classes, strict=True):
                size = np.array([w * width, h * height])
                common = np.minimum(self.anchors, size).prod(1)
                anchor = int(np.argmax(common / (self.anchors.prod(1) + size.prod() - common)))
                scale = next(i for i, mask in enumerate(self.masks) if anchor in mask)
                stride, mask = self.strides[scale], self.masks[scale]
                columns, rows = width // stride, height // stride
                i, j = int(x * columns), int(y * rows)
                key = (image, (j * columns + i) * len(mask) + list(mask).index(anchor))
                earlier = found[scale][key][2] if key in found[scale] else []
                found[scale][key] = (
                    (x * columns - i, y * rows - j, *np.log(size / self.anchors[anchor])), 2 - w * h,
                    [*earlier, int(label)],
                    ((x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height))
        return found

    # --- what YOLOv2 does differently ---------------------------------------------------------------
    object_scale = 1.0

    def _chances(self, logits: np.ndarray) -> np.ndarray:
        """Logits (..., C) to the probabilities of the classes if there is an object."""
        return e.sigmoid(logits)

    def _wanted_objectness(self, predicted: np.ndarray, true: np.ndarray) -> Any:
        """What the objectness of (K, 4) boxes with an object should be."""
        return 1

    def _class_loss(self, logits: Any, labels: list[list[int]]) -> Any:
        """The loss of logits (K, C) and the classes that were found at each place, summed."""
        wanted = np.zeros(logits.shape, logits.dtype)
        for row, classes in zip(wanted, labels, strict=True):
            row[classes] = 1
        return F.binary_cross_entropy_with_logits(logits, Tensor(wanted), reduction="sum")


class RegionHead(YOLOHead):
    """As `YOLOHead`, but one class per object, by a softmax, and the objectness of a box is its overlap with the object.

    Where an object was assigned, the objectness's cross-entropy counts five times, its target is the IoU of the predicted
    box and the object's; of two objects with one anchor and one point the last one is learnt.
    """

    object_scale = 5.0

    def _chances(self, logits: np.ndarray) -> np.ndarray:
        return softmax(logits, -1)

    def _wanted_objectness(self, predicted: np.ndarray, true: np.ndarray) -> Any:
        return np.array([box_iou(one[None], other[None])[0, 0] for one, other in zip(predicted, true, strict=True)])

    def _class_loss(self, logits: Any, labels: list[list[int]]) -> Any:
        return F.cross_entropy(logits, np.array([classes[-1] for classes in labels]), reduction="sum")


class YOLO(nn.Module):
    """What the networks have in common: the loss and the boxes of their outputs."""

    head: YOLOHead

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.num_classes = whole("yolo", "num_classes", num_classes, 1)
        self.input_size = (whole("yolo", "in_channels", in_channels, 1), 416, 416)

    def loss(self, outputs: Any, targets: Any) -> dict[str, Any]:
        """`YOLOHead.loss` of what the network returned: ``loss_box``, ``loss_objectness`` and ``loss_classes``."""
        return self.head.loss(outputs, targets)

    def detect(self, outputs: Any, score_threshold: float = 0.5, nms_threshold: float = 0.45,
               limit: int = 100) -> list[dict[str, Any]]:
        """`YOLOHead.detect` of what the network returned: per image ``boxes``, ``labels`` and ``scores``."""
        return self.head.detect(outputs, score_threshold, nms_threshold, limit)
