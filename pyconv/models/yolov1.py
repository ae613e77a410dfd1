"""YOLO, the first version: detection as one regression from an image to a grid of boxes.

A grid of 7x7 cells lies over the image. A cell whose area holds the centre of an object is to find it: it says how
likely each class is and proposes a few boxes, each with the confidence that it holds an object.

===============  ===========  ===============  =========================================================================
Network          Parameters   Multiply-adds    Layers (convolutions pad by half their filter; 448x448 images)
===============  ===========  ===============  =========================================================================
yolov1           271,703,550   20,285,153,280  conv 64@7x7/2, pool, conv 192@3x3, pool, conv 128@1x1 256@3x3 256@1x1
                                               512@3x3, pool, 4 x (256@1x1 512@3x3), 512@1x1 1024@3x3, pool,
                                               2 x (512@1x1 1024@3x3), 1024@3x3, 1024@3x3/2, 2 x 1024@3x3,
                                               linear 50176-4096, dropout, linear 4096-1470
yolov1_darknet   197,301,875   20,210,729,728  the same convolutions with batch norm, locally connected 256@3x3,
                                               dropout, linear 12544-1715
===============  ===========  ===============  =========================================================================

Source: Redmon, Divvala, Girshick and Farhadi, You only look once: unified, real-time object detection, CVPR 2016;
`yolov1_darknet` is Darknet's file ``yolov1.cfg``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pyconv import nn
from pyconv.errors import ShapeError
from pyconv.models.darknet import DarknetConv
from pyconv.models.detection.selection import select
from pyconv.models.detection.targets import centred, check_targets
from pyconv.models.registry import register
from pyconv.models.sizes import exactly
from pyconv.nn import functional as F
from pyconv.nn.arguments import whole
from pyconv.ops.join import cat
from pyconv.tensor import Tensor
from pyconv.vision import box_convert, box_iou

__all__ = ["YOLOv1", "yolov1", "yolov1_darknet"]

#: Channels, filter size, stride of the 24 convolutions; None is a 2x2 max pool.
_LAYERS: list[tuple[int, int, int] | None] = [
    (64, 7, 2), None, (192, 3, 1), None, (128, 1, 1), (256, 3, 1), (256, 1, 1), (512, 3, 1), None,
    *[(256, 1, 1), (512, 3, 1)] * 4, (512, 1, 1), (1024, 3, 1), None,
    *[(512, 1, 1), (1024, 3, 1)] * 2, (1024, 3, 1), (1024, 3, 2), (1024, 3, 1), (1024, 3, 1)]


class YOLOv1(nn.Module):
    """YOLO on (N, in_channels, image_size, image_size); see `yolov1`. ``side`` is the number of cells per axis."""

    def __init__(self, num_classes: int = 20, in_channels: int = 3, image_size: int = 448, boxes: int = 2,
                 darknet: bool = False) -> None:
        super().__init__()
        self.num_classes = whole("yolov1", "num_classes", num_classes, 1)
        self.boxes = whole("yolov1", "boxes", boxes, 1)
        image_size = whole("yolov1", "image_size", image_size, 64)
        if image_size % 64:
            raise ValueError(f"[yolov1] image_size is {image_size}, expected a multiple of 64, the size of a cell")
        self.input_size = (in_channels, image_size, image_size)
        self.side = image_size // 64
        features: list[nn.Module] = []
        for layer in _LAYERS:
            if layer is None:
                features.append(nn.MaxPool2d(2))
            else:
                features.append(DarknetConv(in_channels, *layer, batch_norm=darknet))
                in_channels = layer[0]
        self.features = nn.Sequential(*features)
        cells, outputs = self.side**2, self.num_classes + 5 * self.boxes
        if darknet:
            self.head = nn.Sequential(
                nn.LocallyConnected2d(1024, 256, input_size=self.side, kernel_size=3, padding=1), nn.LeakyReLU(0.1),
                nn.Flatten(), nn.Dropout(), nn.Linear(256 * cells, cells * outputs))
        else:
            self.head = nn.Sequential(
                nn.Flatten(), nn.Linear(1024 * cells, 4096), nn.LeakyReLU(0.1), nn.Dropout(),
                nn.Linear(4096, cells * outputs))

    def forward(self, x: Any) -> Any:
        """(N, in_channels, image_size, image_size) to a grid (N, side, side, num_classes + boxes + 4 * boxes).

        The last axis holds the probability of each class if there is an object, the confidence of each box, and
        (x, y, sqrt w, sqrt h) of each box: the centre within the cell, from 0 to 1, and the size in units of the image.
        """
        exactly("yolov1", x, *self.input_size[:2])
        flat = self.head(self.features(x))
        side, boxes = self.side, self.boxes
        # Darknet's order is all classes of all cells, then all confidences, then all boxes.
        parts = flat.split([side**2 * n for n in (self.num_classes, boxes, 4 * boxes)], 1)
        return cat([part.reshape(-1, side, side, part.shape[1] // side**2) for part in parts], 3)

    def _split(self, outputs: Any) -> tuple[Any, Any, Any]:
        """Per cell: classes (N, cells, num_classes), confidences (N, cells, boxes), boxes (N, cells, boxes * 4)."""
        expected = (self.side, self.side, self.num_classes + 5 * self.boxes)
        if tuple(outputs.shape[1:]) != expected:
            raise ShapeError(f"[yolov1] outputs has shape {tuple(outputs.shape)}, expected (N, "
                             f"{', '.join(map(str, expected))})")
        flat = outputs.reshape(outputs.shape[0], self.side**2, expected[2])
        return flat.split([self.num_classes, self.boxes, 4 * self.boxes], 2)

    def _corners(self, boxes: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """Predicted boxes (..., 4) of cells (...) as two corners in units of the image."""
        middle = (boxes[..., :2] + np.stack([cells % self.side, cells // self.side], -1)) / self.side
        return box_convert(np.concatenate([middle, boxes[..., 2:] ** 2], -1), "cxcywh", "xyxy")

    def loss(self, outputs: Any, targets: Any, coord_scale: float = 5.0, noobject_scale: float = 0.5) -> dict[str, Any]:
        """The three terms of the loss; what is minimised is their sum, per image of the batch.

        The box of a cell that overlaps an object best is responsible for it:

        - ``loss_box``: coord_scale times the squares of the errors of x, y, sqrt w, sqrt h of responsible boxes;
        - ``loss_confidence``: squares of the errors of the confidences. A responsible box's should equal its overlap
          (IoU) with the object, any other's 0; these count noobject_scale;
        - ``loss_classes``: squares of the errors of the class probabilities in cells with an object.

        Where two objects have their centres in one cell the first is learnt. If no box of the cell overlaps the object,
        the one with the smallest squared distance of (x, y, w, h) is responsible.

        Args:
            outputs: what the network returns for N images.
            targets: N dictionaries with ``boxes`` (K, 4), two corners in pixels, and ``labels`` (K,) from 0; K may be 0.

        Raises TypeError, ValueError, KeyError, ShapeError and IndexError for targets that cannot be meant. Source: the
        paper's equation 3.
        """
        classes, confidences, boxes = self._split(outputs)
        images, dtype = outputs.shape[0], outputs.dtype
        checked = check_targets("yolov1", targets, images, range(self.num_classes))
        truths = centred("yolov1", [b for b, _ in checked], *self.input_size[1:])
        found: dict[tuple[int, int], tuple[np.ndarray, int]] = {}
        for i, (known, (_, labels)) in enumerate(zip(truths, checked, strict=True)):
            for box, label in zip(known, labels, strict=True):
                column, row = (box[:2] * self.side).astype(int)
                found.setdefault((i, int(row * self.side + column)), (box, int(label)))
        image, cell = (np.array([key[i] for key in found], np.int64) for i in (0, 1))
        truth = np.array([known for known, _ in found.values()]).reshape(-1, 4)
        candidates = boxes.detach().array[image, cell].reshape(-1, self.boxes, 4).astype(np.float64)
        best, overlap = self._responsible(candidates, cell, truth)

        wanted, weight = np.zeros(confidences.shape, dtype), np.full(confidences.shape, noobject_scale, dtype)
        wanted[image, cell, best], weight[image, cell, best] = overlap, 1
        one_hot = np.zeros((len(found), self.num_classes), dtype)
        one_hot[np.arange(len(found)), [label for _, label in found.values()]] = 1
        place = truth[:, :2] * self.side - np.stack([cell % self.side, cell // self.side], 1)
        wanted_box = np.concatenate([place, np.sqrt(truth[:, 2:])], 1).astype(dtype)
        predicted = boxes.reshape(images, -1, self.boxes, 4)[image, cell, best]
        return {
            "loss_box": coord_scale / images * F.mse_loss(predicted, Tensor(wanted_box), reduction="sum"),
            "loss_confidence": F.mse_loss(confidences, Tensor(wanted), reduction="sum", weight=Tensor(weight)) / images,
            "loss_classes": F.mse_loss(classes[image, cell], Tensor(one_hot), reduction="sum") / images,
        }

    def detect(self, outputs: Any, score_threshold: float = 0.2, nms_threshold: float = 0.4,
               limit: int = 100) -> list[dict[str, Any]]:
        """The objects in each of N images, from what the network returned (in evaluation) for them.

        A box's score for a class is its confidence times the cell's probability of the class.

        Args:
            score_threshold: scores of an object are higher.
            nms_threshold: overlap (IoU) with a better box of the same class that removes one.
            limit: objects per image, at most.

        Returns:
            Per image ``boxes`` (K, 4), two corners in pixels, ``labels`` (K,) from 0, ``scores`` (K,), the best first.
        """
        classes, confidences, boxes = (part.detach().array for part in self._split(outputs))
        numbers = boxes.reshape(len(boxes), -1, self.boxes, 4)
        corners = self._corners(numbers, np.arange(self.side**2)[:, None]) * np.float32(self.input_size[1])
        scores = confidences[..., None] * classes[:, :, None]
        return [select(box.reshape(-1, 4).astype(scores.dtype), score.reshape(-1, self.num_classes), self.input_size[1:],
                       score_threshold, nms_threshold, limit) for box, score in zip(corners, scores, strict=True)]

    def _responsible(self, boxes: np.ndarray, cell: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of (K, boxes, 4) predictions of K cells with one true box each: which one stands for it, and its IoU."""
        corners = self._corners(boxes, cell[:, None])
        true = box_convert(truth, "cxcywh", "xyxy")
        pairs = [box_iou(c, t[None])[:, 0] for c, t in zip(corners, true, strict=True)]
        overlaps = np.array(pairs).reshape(-1, self.boxes)
        distances = ((box_convert(corners, "xyxy", "cxcywh") - truth[:, None]) ** 2).sum(-1)
        best = np.where((overlaps > 0).any(1), overlaps.argmax(1), distances.argmin(1))
        return best, overlaps[np.arange(len(best)), best]


@register
def yolov1(num_classes: int = 20, in_channels: int = 3, image_size: int = 448) -> YOLOv1:
    """YOLO with 24 convolutions and two linear layers, for Pascal VOC: 271,703,550 parameters, two boxes per cell.

    ``image_size`` is a multiple of 64: there is one cell per 64 pixels, 7x7 for the paper's 448. Call the network for
    its grid, then `YOLOv1.loss` to train or `YOLOv1.detect` for boxes. State names: ``features.{i}.conv``,
    ``head.{1,4}``. Raises ValueError and TypeError for sizes that make no network.

    >>> import pyconv
    >>> with pyconv.device("meta"):
    ...     print(yolov1()(pyconv.zeros(1, 3, 448, 448)).shape)
    (1, 7, 7, 30)
    """
    return YOLOv1(num_classes, in_channels, image_size)


@register
def yolov1_darknet(num_classes: int = 20, in_channels: int = 3, image_size: int = 448) -> YOLOv1:
    """`yolov1` as Darknet's ``yolov1.cfg`` has it: 197,301,875 parameters, three boxes per cell.

    Batch norm after every convolution, and a locally connected layer in place of the first linear one. State names:
    ``features.{i}.{conv,bn}``, ``head.{0,4}``; `pyconv.models.darknet_layers` gives the order of a ``.weights`` file.

    >>> import pyconv
    >>> with pyconv.device("meta"):
    ...     print(yolov1_darknet()(pyconv.zeros(1, 3, 448, 448)).shape)
    (1, 7, 7, 35)
    """
    return YOLOv1(num_classes, in_channels, image_size, boxes=3, darknet=True)
