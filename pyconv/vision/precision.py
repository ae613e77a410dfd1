"""Average precision: of a ranking, and of the boxes that a detector found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pyconv.errors import ShapeError
from pyconv.nn.arguments import positive
from pyconv.ops.arguments import whole
from pyconv.tensor import Array, raw
from pyconv.vision.accuracy import labels_of, scores_of
from pyconv.vision.boxes import box_iou

_METHODS = ("steps", "area", "11 points")


def _method(op: str, method: Any) -> str:
    if method not in _METHODS:
        raise ValueError(f"[{op}] method is {method!r}, expected 'steps', 'area' or '11 points'")
    return str(method)


def average_precision(input: Any, target: Any, num_positives: int | None = None, method: str = "steps") -> float:
    """Precision averaged over recall, of things in the order of their scores: 1 where all that is sought comes first.

    Args:
        input: scores (N,), a higher one for what is more likely sought. NaN is an error.
        target: (N,), True or 1 for what is sought, False or 0 for the rest.
        num_positives: how many are sought, where some are not among the N, as objects that a detector missed; None: all are.
        method: "steps", the sum of precision times gain in recall, scikit-learn's; "area", the same with each precision raised to the
            highest at this recall or a higher one, Pascal VOC's since 2010; "11 points", the mean of that at recalls 0, 0.1 ... 1,
            VOC's of 2007. What has equal scores is found at once.

    Returns a number from 0 to 1; NaN where nothing is sought. Raises ShapeError and TypeError for other shapes and dtypes,
    ValueError for NaN, targets that are neither 0 nor 1, another method, and fewer ``num_positives`` than there are.

    >>> average_precision(np.array([0.9, 0.8, 0.7]), np.array([1, 0, 1]))
    0.8333333333333333
    """
    op = "average_precision"
    scores = scores_of(op, "input", input, "(N,)")
    sought = raw(target, op, "target")
    if sought.dtype != bool:
        labels_of(op, "target", sought)
    if sought.shape != scores.shape:
        raise ShapeError(f"[{op}] target has shape {sought.shape}, expected the input's, {scores.shape}")
    if np.isnan(scores).any():
        raise ValueError(f"[{op}] input has NaN, expected numbers")
    wrong = sought[(sought != 0) & (sought != 1)]
    if wrong.size:
        raise ValueError(f"[{op}] target has {wrong[0]}, expected 0 and 1")
    there = int(np.count_nonzero(sought))
    total = there if num_positives is None else whole(num_positives, op, "num_positives")
    if total < there:
        raise ValueError(f"[{op}] num_positives is {total}, expected at least the {there} of the target")
    return _average(scores, sought.astype(bool), total, _method(op, method))


def _average(scores: Array, sought: Array, total: int, method: str) -> float:
    if total == 0:
        return float("nan")
    if not len(scores):
        return 0.0
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)  # of those with equal scores
    found = np.cumsum(sought[order])[last]
    precision = found / (np.flatnonzero(last) + 1)
    recall = found / total
    if method == "steps":
        return float((np.diff(recall, prepend=0.0) * precision).sum())
    best = np.maximum.accumulate(precision[::-1])[::-1]
    if method == "area":
        return float((np.diff(recall, prepend=0.0) * best).sum())
    # 10 found >= i total, in whole numbers: a recall of 0.3 is not lost to rounding.
    points = [best[10 * found >= i * total] for i in range(11)]
    return float(np.mean([p[0] if len(p) else 0.0 for p in points]))


def detection_average_precision(predictions: Sequence[Mapping[str, Any]], targets: Sequence[Mapping[str, Any]],
                                iou_threshold: float = 0.5, method: str = "area") -> dict[int, float]:
    """`average_precision` of a detector for each class, as Pascal VOC has it: {label: precision}; their mean is the mAP.

    Detections of a class are taken in the order of their scores over all images. One is right if the object of its class and image
    that it overlaps most reaches ``iou_threshold`` and was not taken before; objects marked as difficult are not sought, and what
    finds them is neither right nor wrong.

    Args:
        predictions: one dict per image, as the detectors of `pyconv.models` return them: ``boxes`` (K, 4) with two corners,
            ``scores`` (K,), ``labels`` (K,).
        targets: one dict per image: ``boxes`` (M, 4), ``labels`` (M,), and if wanted ``difficult`` (M,), True or 1 for some.
        iou_threshold: above 0, up to 1.
        method: as for `average_precision`.

    Classes are those of the targets that are sought; a class that only predictions have has no precision. Raises ShapeError and
    TypeError for other shapes and dtypes, KeyError for a missing entry, ValueError for another threshold or method and NaN scores.

    >>> box = np.array([[0.0, 0, 10, 10]])
    >>> found = {"boxes": box + 1, "scores": np.array([0.9]), "labels": np.array([3])}
    >>> detection_average_precision([found], [{"boxes": box, "labels": np.array([3])}])
    {3: 1.0}
    """
    op = "detection_average_precision"
    if len(predictions) != len(targets):
        raise ShapeError(f"[{op}] predictions are of {len(predictions)} images, expected {len(targets)}, as targets")
    positive(op, "iou_threshold", iou_threshold, 1)
    _method(op, method)
    scores: dict[int, list[float]] = {}
    right: dict[int, list[bool]] = {}
    sought: dict[int, int] = {}
    for i, (prediction, target) in enumerate(zip(predictions, targets, strict=True)):
        true, labels = _boxes(op, f"targets[{i}]", target)
        found, guesses = _boxes(op, f"predictions[{i}]", prediction)
        likely = scores_of(op, f"predictions[{i}]['scores']", prediction["scores"], "(N,)")
        if likely.shape != guesses.shape:
            raise ShapeError(f"[{op}] predictions[{i}]['scores'] has shape {likely.shape}, expected {guesses.shape}")
        if np.isnan(likely).any():
            raise ValueError(f"[{op}] predictions[{i}]['scores'] has NaN, expected numbers")
        hard = raw(target["difficult"], op, "difficult").astype(bool) if "difficult" in target else np.zeros(len(labels), bool)
        if hard.shape != labels.shape:
            raise ShapeError(f"[{op}] targets[{i}]['difficult'] has shape {hard.shape}, expected {labels.shape}")
        for label in np.unique(np.concatenate([labels, guesses])).tolist():
            objects, those = labels == label, guesses == label
            sought[label] = sought.get(label, 0) + int((objects & ~hard).sum())
            marks = _marks(found[those], likely[those], true[objects], hard[objects], iou_threshold)
            scores.setdefault(label, []).extend(score for score, _ in marks)
            right.setdefault(label, []).extend(hit for _, hit in marks)
    return {label: _average(np.array(scores[label]), np.array(right[label], bool), total, method)
            for label, total in sorted(sought.items()) if total}


def _boxes(op: str, argument: str, entry: Mapping[str, Any]) -> tuple[Array, Array]:
    boxes = scores_of(op, f"{argument}['boxes']", entry["boxes"], "(N, 4)")
    if boxes.shape[1] != 4:
        raise ShapeError(f"[{op}] {argument}['boxes'] has shape {boxes.shape}, expected (N, 4)")
    return boxes.astype(np.float64), labels_of(op, f"{argument}['labels']", entry["labels"], boxes.shape[:1])


def _marks(found: Array, scores: Array, true: Array, hard: Array, threshold: float) -> list[tuple[float, bool]]:
    """Score and verdict of each detection of one class in one image; those of difficult objects are left out."""
    order = np.argsort(-scores, kind="stable")
    if not len(true):
        return [(float(scores[i]), False) for i in order]
    overlap = np.nan_to_num(np.asarray(box_iou(found, true)), nan=0.0)
    taken = np.zeros(len(true), bool)
    marks = []
    for i in order:
        best = int(overlap[i].argmax())
        reached = overlap[i, best] >= threshold
        if reached and hard[best]:
            continue
        marks.append((float(scores[i]), bool(reached and not taken[best])))
        taken[best] |= reached
    return marks
