"""R-CNN: regions with CNN features, the first detector whose features were learnt.

=======  ======================================================  ==========================================================
Part     Numbers (20 classes)                                    What it does
=======  ======================================================  ==========================================================
network  56,954,261 parameters, 720,396,832 multiply-adds per    AlexNet of 2012 with 21 scores: 20 classes, background
         region of 227x227 (times about 2,000 regions)
SVMs     20 of 4,097                                             one class against all else, on fc7
boxes    20 x 4 x 9,217                                          where the object really is, on pool5
=======  ======================================================  ==========================================================

Three things are trained, one after the other. The network, which comes from ImageNet, learns to tell regions of the
classes from background (`RCNN.training_regions`); linear SVMs learn from its fc7, with the negatives that they get wrong
(`RCNN.fit`); ridge regressions learn from pool5 how boxes have to change. To detect: propose about 2,000 regions
(`pyconv.vision.selective_search`), warp each to 227x227, score its features with the SVMs, suppress what overlaps a better
one of its class, and correct the boxes that are left.

Source: Girshick, Donahue, Darrell and Malik, Rich feature hierarchies for accurate object detection and semantic
segmentation, CVPR 2014. State names: the network's, ``network.conv1 ... network.fc8``; SVMs and boxes are buffers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pyconv import nn, vision
from pyconv.errors import ShapeError
from pyconv.grad_mode import no_grad
from pyconv.models.alexnet import alexnet2012
from pyconv.models.detection.targets import check_boxes, check_targets
from pyconv.models.registry import register
from pyconv.nn.arguments import whole
from pyconv.ops.creation import zeros
from pyconv.tensor import Array, Tensor, raw

__all__ = ["RCNN", "rcnn"]

_SIZE, _CONTEXT = 227, 16  # of a warped region, and how much of it on each side is context
_BATCH = 64  # regions at a time
_NORM = 20.0  # that fc7 has on average after scaling: the SVMs' constants are made for it


class RCNN(nn.Module):
    """R-CNN on AlexNet; see `rcnn`."""

    def __init__(self, num_classes: int = 20, in_channels: int = 3, score_thresh: float = 0.0, nms_thresh: float = 0.3) -> None:
        super().__init__()
        self.num_classes = whole("rcnn", "num_classes", num_classes, 1)
        self.input_size = (in_channels, _SIZE, _SIZE)
        self.score_thresh, self.nms_thresh = score_thresh, nms_thresh
        self.network = alexnet2012(num_classes + 1, in_channels)
        self.coder = vision.BoxCoder((1, 1, 1, 1))
        fc7, pool5 = self.network.fc7.out_features, self.network.fc6.in_features
        for name, shape in (("feature_scale", ()), ("svm_weight", (num_classes, fc7)), ("svm_bias", (num_classes,)),
                            ("box_weight", (num_classes, 4, pool5)), ("box_bias", (num_classes, 4))):
            self.register_buffer(name, zeros(*shape))

    def forward(self, x: Any) -> Any:
        """Warped regions (N, in_channels, 227, 227) to the network's scores (N, num_classes + 1), 0 the background."""
        return self.network(x)

    def warp(self, image: Any, boxes: Any) -> Tensor:
        """Regions (L, in_channels, 227, 227) of an image (in_channels, H, W) whose zero is the mean.

        A box fills the 195 x 195 pixels in the middle, whatever its shape; around it is what surrounds it in the image,
        zeros beyond the border. Pixels are averaged where the region shrinks, interpolated where it grows.
        """
        picture, corners = self._checked(image, boxes)
        middle, half = (corners[:, :2] + corners[:, 2:]) / 2, (corners[:, 2:] - corners[:, :2]) / 2
        half = half * np.float32(_SIZE / (_SIZE - 2 * _CONTEXT))
        rows = np.concatenate([np.zeros((len(corners), 1)), middle - half, middle + half], 1).astype(picture.dtype)
        return vision.roi_align(Tensor(picture[None]), Tensor(rows), _SIZE, 1.0, -1, aligned=True)

    def features(self, image: Any, boxes: Any) -> tuple[Array, Array]:
        """pool5 (L, 9216) and fc7 (L, 4096), both after their ReLU, of the regions of one image; dropout is off."""
        n, found = self.network, []
        training = n.training
        n.eval()
        try:
            with no_grad():
                for at in range(0, len(boxes), _BATCH):
                    x = self.warp(image, boxes[at:at + _BATCH])
                    x = n.pool(n.norm1(n.relu(n.conv1(x))))
                    x = n.pool(n.norm2(n.relu(n.conv2(x))))
                    x = n.relu(n.conv4(n.relu(n.conv3(x))))
                    pool5 = n.flatten(n.pool(n.relu(n.conv5(x))))
                    found.append((pool5.array, n.relu(n.fc7(n.relu(n.fc6(pool5)))).array))
        finally:
            n.train(training)
        if not found:
            return np.zeros((0, n.fc6.in_features), np.float32), np.zeros((0, n.fc7.out_features), np.float32)
        return np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found])

    def training_regions(self, images: Sequence[Any], proposals: Sequence[Any], targets: Sequence[dict[str, Any]],
                         count: int = 128) -> tuple[Tensor, Tensor]:
        """A batch that the network learns from: regions (count, in_channels, 227, 227) and labels, 0 the background.

        Per image equally many; a quarter of them overlap an object by at least one half, the others less. Draws come
        from pyconv's generator.
        """
        checked = self._checked_all(images, proposals, targets)
        sampler = vision.BalancedPositiveNegativeSampler(whole("rcnn", "count", count, 1) // max(1, len(checked)), 0.25)
        regions, labels = [], []
        for image, boxes, objects, classes in checked:
            overlap, best = _best(objects, boxes)
            label = np.where(overlap >= 0.5, classes[best], 0) if len(objects) else best
            positive, negative = sampler([label])
            drawn = np.flatnonzero(positive[0] | negative[0])
            regions.append(self.warp(image, boxes[drawn]).array)
            labels.append(label[drawn])
        return Tensor(np.concatenate(regions)), Tensor(np.concatenate(labels))

    def fit(self, images: Sequence[Any], proposals: Sequence[Any], targets: Sequence[dict[str, Any]], *, C: float = 1e-3,
            ridge: float = 1000.0, rounds: int = 2) -> RCNN:
        """Train the SVMs and the box regressions on the network's features; returns self. Needs scikit-learn.

        Args:
            images: (in_channels, H, W), float32, whose zero is the mean.
            proposals: per image (L, 4), two corners each in pixels; the objects' own boxes are added.
            targets: per image ``boxes`` (K, 4) and ``labels`` (K), from 1 to num_classes.
            C: of the SVMs (hinge loss); positives count twice.
            ridge: weight of the regressions' squared coefficients.
            rounds: how often negatives inside the margin are added before the last fit. The first negatives are those
                of one image out of ten.

        SVMs take an object's own box as positive, regions that overlap every object of the class by less than 0.3 as
        negative. Regressions learn from regions that overlap an object of the class by more than 0.6. A class that no
        image shows never fires. Raises as the detector does, ImportError without scikit-learn.
        """
        svm, linear = _sklearn()
        checked = self._checked_all(images, proposals, targets)
        regions = []
        for image, boxes, objects, classes in checked:
            every = np.concatenate([boxes, objects])
            regions.append((every, *self.features(image, every), objects, classes))
        scale = _NORM / max(float(np.mean([np.sqrt((r[2] ** 2).sum(1)).mean() for r in regions if len(r[0])] or [1.0])), 1e-12)
        state = {name: np.zeros(tuple(b.shape), np.float32) for name, b in self.named_buffers(recurse=False)}
        state["feature_scale"] += np.float32(scale)
        for c in range(self.num_classes):
            state["svm_weight"][c], state["svm_bias"][c] = _svm(svm, regions, c + 1, scale, C, rounds)
            pool5, codes = self._box_pairs(regions, c + 1)
            if len(codes):
                # Features as they are: scaling them would be another penalty.
                solved = linear.Ridge(alpha=ridge, solver="cholesky").fit(pool5, codes)
                state["box_weight"][c], state["box_bias"][c] = solved.coef_, solved.intercept_
        for name, values in state.items():
            self.get_buffer(name).copy_(Tensor(values))
        return self

    def _box_pairs(self, regions: Sequence[Any], label: int) -> tuple[Array, Array]:
        """pool5 and the corrections that its regions need, of all that overlap an object of a class by more than 0.6."""
        features, codes = [], []
        for boxes, pool5, _, objects, classes in regions:
            own = objects[classes == label]
            overlap, best = _best(own, boxes)
            near = overlap > 0.6
            if near.any():
                features.append(pool5[near])
                codes.append(self.coder.encode_single(own[best[near]], boxes[near]))
        return (np.concatenate(features), np.concatenate(codes)) if features else (np.zeros((0, 1)), np.zeros((0, 4)))

    def detect(self, image: Any, proposals: Any) -> dict[str, Tensor]:
        """``boxes`` (D, 4), ``labels`` from 1 and ``scores``, the best first, of an image (in_channels, H, W).

        Of each class regions whose SVM says more than ``score_thresh`` compete; boxes of those that are left are
        corrected and cut off at the image's border.
        """
        picture, boxes = self._checked(image, proposals)
        pool5, fc7 = self.features(picture, boxes)
        svm, svm_bias, box, box_bias, scale = (self.get_buffer(name).array for name in (
            "svm_weight", "svm_bias", "box_weight", "box_bias", "feature_scale"))
        scores = nn.functional.linear(fc7 * scale, svm, svm_bias)
        region, label = np.nonzero(scores > self.score_thresh)
        kept = vision.batched_nms(boxes[region], scores[region, label], label, self.nms_thresh)
        region, label = region[kept], label[kept]
        found = np.zeros((len(region), 4), np.float32)
        for c in np.unique(label):
            own = label == c
            codes = nn.functional.linear(pool5[region[own]], box[c], box_bias[c])
            found[own] = self.coder.decode_single(codes, boxes[region[own]])
        found = vision.clip_boxes_to_image(found, picture.shape[1:])
        return {"boxes": Tensor(found), "labels": Tensor(label + 1), "scores": Tensor(scores[region, label])}

    # --- what comes in ------------------------------------------------------------------------------
    def _checked(self, image: Any, boxes: Any, what: str = "proposals") -> tuple[Array, Array]:
        picture = raw(image, "rcnn", "image")
        if picture.ndim != 3 or picture.shape[0] != self.input_size[0] or 0 in picture.shape:
            raise ShapeError(f"[rcnn] image has shape {picture.shape}, expected ({self.input_size[0]}, H, W)")
        if picture.dtype != np.float32:
            raise TypeError(f"[rcnn] image has dtype {picture.dtype}, expected float32, its mean taken off")
        return picture, check_boxes("rcnn", what, boxes).astype(np.float32)

    def _checked_all(self, images: Any, proposals: Any, targets: Any) -> list[tuple[Array, Array, Array, Array]]:
        for name, value in (("images", images), ("proposals", proposals)):
            if not isinstance(value, (list, tuple)):
                raise TypeError(f"[rcnn] {name} is {type(value).__name__}, expected a list, one entry per image")
        if not images or len(images) != len(proposals):
            raise ValueError(f"[rcnn] got {len(images)} images and {len(proposals)} proposals, expected as many, at least one")
        objects = check_targets("rcnn", targets, len(images), range(1, self.num_classes + 1))
        return [(*self._checked(image, boxes, f"proposals[{i}]"), own.astype(np.float32), labels)
                for i, (image, boxes, (own, labels)) in enumerate(zip(images, proposals, objects, strict=True))]


def _best(objects: Array, boxes: Array) -> tuple[Array, Array]:
    """Per box the largest overlap with an object, and that object's number; 0 and 0 without any."""
    if not len(objects) or not len(boxes):
        return np.zeros(len(boxes), np.float32), np.zeros(len(boxes), np.int64)
    overlaps = vision.box_iou(objects, boxes)
    return overlaps.max(0), overlaps.argmax(0)


def _svm(svm: Any, regions: Sequence[Any], label: int, scale: float, C: float, rounds: int) -> tuple[Array | float, float]:
    """Weights and bias of one class against all else, with the negatives that it got wrong."""
    positive, negative = [], []
    for boxes, _, fc7, objects, classes in regions:
        own = classes == label
        positive.append(fc7[len(boxes) - len(objects):][own] * scale)  # the objects' own boxes stand last
        negative.append(fc7[_best(objects[own], boxes)[0] < 0.3] * scale)
    found = np.concatenate(positive)
    if not len(found) or not sum(map(len, negative)):
        return 0.0, -1.0
    chosen = [np.full(len(n), i % 10 == 0) for i, n in enumerate(negative)]
    if not any(c.any() for c in chosen):
        chosen = [np.full(len(n), True) for n in negative]
    for step in range(rounds + 1):
        against = np.concatenate([n[c] for n, c in zip(negative, chosen, strict=True)])
        model = svm.LinearSVC(C=C, loss="hinge", intercept_scaling=10.0, class_weight={1: 2.0, -1: 1.0}, max_iter=20_000,
                              random_state=0)
        model.fit(np.concatenate([found, against]), np.repeat([1, -1], [len(found), len(against)]))
        if step < rounds:
            chosen = [c | (model.decision_function(n) > -1) if len(n) else c for n, c in zip(negative, chosen, strict=True)]
    return model.coef_[0], float(model.intercept_[0])


def _sklearn() -> tuple[Any, Any]:
    try:
        from sklearn import linear_model, svm
    except ImportError:
        raise ImportError("[rcnn] fit needs scikit-learn: pip install pyconv[demo]") from None
    return svm, linear_model


@register
def rcnn(num_classes: int = 20, in_channels: int = 3, score_thresh: float = 0.0, nms_thresh: float = 0.3) -> RCNN:
    """R-CNN on AlexNet for the 20 objects of Pascal VOC: 56,954,261 parameters, 20 SVMs, 80 box regressions.

    Args:
        num_classes: without the background, at least 1.
        in_channels: of the images.
        score_thresh: what an SVM has to say more than; 0 is its decision.
        nms_thresh: the largest overlap of two detections of a class.

    Called with warped regions the module is the network that is fine-tuned. `RCNN.fit` trains SVMs and box regressions,
    `RCNN.detect` uses them; `RCNN.warp` and `RCNN.features` are the steps on the way. All of it is in the ``state_dict``.
    Begin from a trained AlexNet by ``model.network.load_state_dict(state, strict=False)`` without its ``fc8``.

    >>> import pyconv
    >>> with pyconv.device("meta"):
    ...     print(sum(p.numel() for p in rcnn().parameters()))
    56954261
    """
    return RCNN(num_classes, in_channels, score_thresh, nms_thresh)
