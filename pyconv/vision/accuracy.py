"""How often a network is right: about classes, about the class of every pixel, about joints of a body."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from pyconv.errors import ShapeError
from pyconv.nn.arguments import positive
from pyconv.ops.arguments import whole
from pyconv.tensor import FLOATS, Array, raw


def scores_of(op: str, argument: str, value: Any, shape: str) -> Array:
    """An array of floats with the axes that ``shape`` names, such as "(N, classes)"; their lengths are the caller's to check."""
    found = raw(value, op, argument)
    if found.dtype not in FLOATS:
        raise TypeError(f"[{op}] {argument} has dtype {found.dtype}, expected float32 or float64")
    if found.ndim != len(re.findall(r"\w+", shape)):
        raise ShapeError(f"[{op}] {argument} has shape {found.shape}, expected {shape}")
    return found


def labels_of(op: str, argument: str, value: Any, shape: tuple[int, ...] | None = None) -> Array:
    """An array of whole numbers, of a given shape."""
    found = raw(value, op, argument)
    if found.dtype.kind not in "iu":
        raise TypeError(f"[{op}] {argument} has dtype {found.dtype}, expected whole numbers")
    if shape is not None and found.shape != shape:
        raise ShapeError(f"[{op}] {argument} has shape {found.shape}, expected {shape}")
    return found


def _within(op: str, argument: str, labels: Array, classes: int) -> None:
    wrong = labels[(labels < 0) | (labels >= classes)]
    if wrong.size:
        raise IndexError(f"[{op}] {argument} has the label {wrong[0]}, expected 0 to {classes - 1}")


def top_k_accuracy(input: Any, target: Any, k: int = 1) -> float:
    """Share of rows whose label is among the ``k`` classes of highest score; 1 less the top-k error of ImageNet's tables.

    Args:
        input: scores (N, classes), of any scale.
        target: the labels (N,), whole numbers from 0 to classes - 1.
        k: from 1 to classes. Of equal scores the lower class comes first, as for ``argmax``; a row with NaN is not right.

    Raises ShapeError and TypeError for other shapes and dtypes, IndexError for a label that is no class, ValueError
    for another ``k`` and where there are no rows.

    >>> scores = np.array([[0.1, 0.2, 0.7], [0.5, 0.3, 0.2]])
    >>> top_k_accuracy(scores, np.array([2, 1])), top_k_accuracy(scores, np.array([2, 1]), k=2)
    (0.5, 1.0)
    """
    op = "top_k_accuracy"
    scores = scores_of(op, "input", input, "(N, classes)")
    labels = labels_of(op, "target", target, scores.shape[:1])
    classes = scores.shape[1]
    k = whole(k, op, "k")
    if not len(labels):
        raise ValueError(f"[{op}] input has shape {scores.shape}, expected one row or more")
    if not 1 <= k <= classes:
        raise ValueError(f"[{op}] k is {k}, expected 1 to {classes}")
    _within(op, "target", labels, classes)
    own = np.take_along_axis(scores, labels[:, None].astype(np.int64), 1)
    earlier = np.arange(classes) < labels[:, None]
    before = ((scores > own) | ((scores == own) & earlier)).sum(1)
    return float(((before < k) & ~np.isnan(scores).any(1)).mean())


def confusion_matrix(input: Any, target: Any, num_classes: int, ignore_index: int | None = None) -> Array:
    """How often each class was taken for each: int64 (num_classes, num_classes), a row for each label, a column for each guess.

    Args:
        input: guessed classes of any shape, whole numbers, such as ``scores.argmax(1)``.
        target: the labels, of that shape.
        ignore_index: where the target has this, such as 255 on the borders of Pascal VOC's objects, nothing counts.

    Matrices of several batches add up. Raises ShapeError and TypeError for other shapes and dtypes, IndexError for what is
    no class, ValueError for less than one class.

    >>> confusion_matrix(np.array([0, 1, 1]), np.array([0, 0, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    return _confusion("confusion_matrix", input, target, num_classes, ignore_index)


def _confusion(op: str, input: Any, target: Any, num_classes: Any, ignore_index: Any) -> Array:
    classes = whole(num_classes, op, "num_classes")
    if not 1 <= classes <= 16384:  # then the matrix has 2 GiB
        raise ValueError(f"[{op}] num_classes is {classes}, expected 1 to 16384")
    guesses = labels_of(op, "input", input)
    labels = labels_of(op, "target", target, guesses.shape).ravel()
    guesses = guesses.ravel()
    if ignore_index is not None:
        counted = labels != whole(ignore_index, op, "ignore_index")
        guesses, labels = guesses[counted], labels[counted]
    _within(op, "input", guesses, classes)
    _within(op, "target", labels, classes)
    pairs = labels.astype(np.int64) * classes + guesses
    return np.bincount(pairs, minlength=classes**2).astype(np.int64, copy=False).reshape(classes, classes)


def mean_iou(input: Any, target: Any, num_classes: int, ignore_index: int | None = None) -> float:
    """Intersection over union of a class's pixels in the guess and in the label, averaged over the classes.

    Everingham et al., The Pascal visual object classes challenge, 2010. The arguments are those of `confusion_matrix`, and what is
    given at once counts as one picture. Over many pictures add up their matrices ``m``: the measure is the mean of
    ``m.diagonal() / (m.sum(0) + m.sum(1) - m.diagonal())``. A class that is in neither counts for nothing.

    Raises as `confusion_matrix`, and ValueError where nothing is left to count.

    >>> mean_iou(np.array([[0, 1], [1, 1]]), np.array([[0, 0], [1, 1]]), num_classes=3)
    0.5833333333333333
    """
    counts = _confusion("mean_iou", input, target, num_classes, ignore_index)
    both = counts.diagonal()
    either = counts.sum(0) + counts.sum(1) - both
    if not either.any():
        raise ValueError("[mean_iou] target has nothing that counts, expected one label or more")
    return float((both[either > 0] / either[either > 0]).mean())


def pck(input: Any, target: Any, length: Any, threshold: float = 0.5) -> float:
    """Percentage of correct keypoints, as a share: joints no further than ``threshold * length`` from where they are.

    Andriluka, Pishchulin, Gehler and Schiele, 2D human pose estimation, 2014: ``length`` is the head's and the threshold
    0.5 (PCKh). On FLIC it is the torso's and 0.2 (Sapp and Taskar, MODEC, 2013).

    Args:
        input: found points (N, joints, 2), or more columns, which are not looked at; NaN for a joint that was not found.
        target: (N, joints, 2), x and y in the same unit; NaN for a joint that does not count.
        length: one number per person (N,), in that unit, above 0.
        threshold: a number above 0.

    Raises ShapeError and TypeError for other shapes and dtypes, ValueError for lengths and thresholds that are not above 0
    and where no joint counts.

    >>> found, true = np.array([[[3.0, 4.0], [9.0, 9.0]]]), np.array([[[0.0, 0.0], [9.0, 8.0]]])
    >>> pck(found, true, np.array([8.0]))
    0.5
    """
    op = "pck"
    where = scores_of(op, "target", target, "(N, joints, 2)")
    found = scores_of(op, "input", input, "(N, joints, 2)")
    unit = scores_of(op, "length", length, "(N,)")
    if where.shape[2] != 2:
        raise ShapeError(f"[{op}] target has shape {where.shape}, expected (N, joints, 2)")
    if found.shape[:2] != where.shape[:2] or found.shape[2] < 2:
        raise ShapeError(f"[{op}] input has shape {found.shape}, expected the target's, {where.shape}")
    if len(unit) != len(where):
        raise ShapeError(f"[{op}] length has shape {unit.shape}, expected ({len(where)},)")
    if not (unit > 0).all():
        raise ValueError(f"[{op}] length has {unit[~(unit > 0)][0]}, expected numbers above 0")
    positive(op, "threshold", threshold, 1e30)
    counted = ~np.isnan(where).any(2)
    if not counted.any():
        raise ValueError(f"[{op}] target has no joint that counts, expected one or more")
    offset = found[..., :2].astype(np.float64) - where
    right = np.hypot(offset[..., 0], offset[..., 1]) <= threshold * unit[:, None].astype(np.float64)
    return float(right[counted].mean())
