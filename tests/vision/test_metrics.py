"""Measures against scikit-learn and SciPy, against counting by hand, and misuse."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import pyconv
from pyconv import vision
from pyconv.errors import ShapeError


# --- classes and joints -------------------------------------------------------------------------------
@pytest.mark.parametrize("classes", [2, 3, 10])
def test_top_k_as_in_scikit_learn(classes):
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(classes)
    scores, labels = rng.standard_normal((50, classes)), rng.integers(0, classes, 50)
    assert vision.top_k_accuracy(scores, labels) == (scores.argmax(1) == labels).mean()
    for k in range(1, classes if classes > 2 else 1):
        expected = metrics.top_k_accuracy_score(labels, scores, k=k, labels=np.arange(classes))
        assert vision.top_k_accuracy(pyconv.from_numpy(scores), pyconv.tensor(labels), k) == pytest.approx(expected, abs=1e-15)
    assert vision.top_k_accuracy(scores, labels, classes) == 1


def test_top_k_with_equal_scores_is_argmax_and_nan_is_wrong():
    rng = np.random.default_rng(0)
    scores, labels = rng.integers(0, 3, (200, 4)).astype(np.float32), rng.integers(0, 4, 200)
    assert vision.top_k_accuracy(scores, labels) == (scores.argmax(1) == labels).mean()
    order = np.argsort(-scores, axis=1, kind="stable")
    for k in (2, 3):
        by_hand = np.mean([label in row[:k] for label, row in zip(labels, order, strict=True)])
        assert vision.top_k_accuracy(scores, labels, k) == by_hand
    scores[:50, 0] = np.nan
    assert vision.top_k_accuracy(scores, labels, 4) == 0.75
    assert vision.top_k_accuracy(np.full((3, 2), np.inf), np.array([0, 0, 1])) == pytest.approx(2 / 3)


def test_confusion_and_iou_as_in_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(1)
    guess, label = rng.integers(0, 5, (2, 2, 9, 7)).astype(np.uint8)
    label[0, :2] = 255
    counted = label != 255
    np.testing.assert_array_equal(vision.confusion_matrix(guess, label, 6, 255),
                                  metrics.confusion_matrix(label[counted], guess[counted], labels=range(6)))
    expected = metrics.jaccard_score(label[counted], guess[counted], average="macro")  # of the classes that there are
    assert vision.mean_iou(guess, label, 6, ignore_index=255) == pytest.approx(expected, abs=1e-15)
    m = sum(vision.confusion_matrix(guess[i], label[i], 5, 255) for i in range(2))
    np.testing.assert_allclose(vision.mean_iou(guess, label, 5, 255), np.mean(m.diagonal() / (m.sum(0) + m.sum(1) - m.diagonal())),
                               rtol=1e-15)


def test_iou_of_worked_maps():
    label = np.array([[0, 0, 1], [2, 2, 1]])
    assert vision.mean_iou(label, label, 4) == 1  # class 3 is nowhere and counts for nothing
    assert vision.mean_iou(np.array([[0, 0, 3], [2, 2, 3]]), label, 4) == 0.5  # a class that only the guess has counts
    assert vision.mean_iou(label + 1, label, 4) == 0


def test_pck_by_hand():
    rng = np.random.default_rng(2)
    found, true, head = rng.uniform(0, 20, (6, 5, 3)), rng.uniform(0, 20, (6, 5, 2)), rng.uniform(5, 15, 6)
    found[0, 0], true[1, 2], true[1, 3, 1] = np.nan, np.nan, np.nan
    for threshold in (0.2, 0.5, 1):
        right = counted = 0
        for i, j in np.ndindex(6, 5):
            if not np.isnan(true[i, j]).any():
                counted += 1
                right += math.dist(found[i, j, :2], true[i, j]) <= threshold * head[i]
        assert 0 < right < counted == 28
        assert vision.pck(found, true, head, threshold) == right / counted
    on_it = np.array([[[5.0, 0]]])
    assert vision.pck(on_it, 0 * on_it, np.array([10.0])) == 1  # at the threshold is correct
    assert vision.pck(np.nextafter(on_it, 6), 0 * on_it, np.array([10.0])) == 0


# --- pictures -----------------------------------------------------------------------------------------
def ssim_by_hand(x, y, peak):
    offsets = np.arange(11) - 5
    window = np.exp(-(offsets[:, None] ** 2 + offsets**2) / 4.5)
    window /= window.sum()
    values = []
    for i, j in np.ndindex(x.shape[0] - 10, x.shape[1] - 10):
        a, b = x[i:i + 11, j:j + 11], y[i:i + 11, j:j + 11]
        m, n = (window * a).sum(), (window * b).sum()
        var, other, cov = (window * (a - m) ** 2).sum(), (window * (b - n) ** 2).sum(), (window * (a - m) * (b - n)).sum()
        c, d = (0.01 * peak) ** 2, (0.03 * peak) ** 2
        values.append((2 * m * n + c) * (2 * cov + d) / ((m * m + n * n + c) * (var + other + d)))
    return np.mean(values)


@pytest.mark.parametrize(("size", "peak"), [((11, 11), 1.0), ((13, 18), 1), ((12, 16), 255.0)])
def test_ssim_by_hand(size, peak):
    rng = np.random.default_rng(3)
    x = rng.uniform(0, peak, (2, 3, *size))
    y = np.clip(x + rng.normal(0, 0.1 * peak, x.shape), 0, peak)
    expected = np.mean([ssim_by_hand(x[i], y[i], peak) for i in np.ndindex(2, 3)])
    assert vision.ssim(x, y, peak) == pytest.approx(expected, abs=1e-12)
    assert vision.ssim(pyconv.from_numpy(x[0, 0]), pyconv.from_numpy(y[0, 0]), peak) == pytest.approx(
        ssim_by_hand(x[0, 0], y[0, 0], peak), abs=1e-12)
    assert vision.ssim(x, x, peak) == pytest.approx(1, abs=1e-15)
    assert vision.ssim(y, x, peak) == vision.ssim(x, y, peak)


def test_ssim_with_the_windows_of_scipy():
    smooth = pytest.importorskip("scipy.ndimage").gaussian_filter
    rng = np.random.default_rng(4)
    x, y = rng.random((2, 40, 30))

    def mean(a):
        return smooth(a, 1.5, truncate=3.5)[5:-5, 5:-5]

    m, n = mean(x), mean(y)
    var, other, cov = mean(x * x) - m * m, mean(y * y) - n * n, mean(x * y) - m * n
    expected = (2 * m * n + 1e-4) * (2 * cov + 9e-4) / ((m * m + n * n + 1e-4) * (var + other + 9e-4))
    assert vision.ssim(x, y) == pytest.approx(expected.mean(), abs=1e-12)


# --- rankings and boxes -------------------------------------------------------------------------------
def area_by_hand(scores, sought, total, points=None):
    """Precision over recall step by step; ``points``: the recalls at which the highest precision is averaged."""
    curve = []
    for cut in sorted(set(scores), reverse=True):
        hits = int(sought[scores >= cut].sum())
        curve.append((hits / total, hits / int((scores >= cut).sum())))
    if points is not None:
        return np.mean([max([p for r, p in curve if r >= point - 1e-12], default=0) for point in points])
    recalls = [0.0, *(r for r, _ in curve)]
    return sum((b - a) * max(p for r, p in curve if r >= b) for a, b in itertools.pairwise(recalls) if b > a)


@pytest.mark.parametrize("levels", [3, 1000])
def test_average_precision(levels):
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(levels)
    scores, sought = rng.integers(0, levels, 60) / 10, rng.random(60) < 0.3
    expected = metrics.average_precision_score(sought, scores)
    assert vision.average_precision(scores, sought) == pytest.approx(expected, abs=1e-12)
    assert vision.average_precision(pyconv.from_numpy(scores), pyconv.tensor(sought.astype(np.int64))) == pytest.approx(expected)
    for total in (int(sought.sum()), 40):
        assert vision.average_precision(scores, sought, total, "area") == pytest.approx(
            area_by_hand(scores, sought, total), abs=1e-12)
        assert vision.average_precision(scores, sought, total, "11 points") == pytest.approx(
            area_by_hand(scores, sought, total, np.arange(11) / 10), abs=1e-12)


def test_average_precision_at_its_ends():
    scores = np.array([3.0, 2, 1])
    for method in ("steps", "area", "11 points"):
        assert vision.average_precision(scores, np.array([1, 1, 0]), method=method) == 1
        assert vision.average_precision(scores, np.zeros(3, bool), 4, method=method) == 0
        assert math.isnan(vision.average_precision(scores, np.zeros(3, bool), method=method))
        assert vision.average_precision(scores[:0], np.zeros(0, bool), 2, method=method) == 0
    # a recall of exactly 3/10 reaches the point 0.3: four points of eleven
    assert vision.average_precision(scores, np.ones(3, bool), 10, "11 points") == pytest.approx(4 / 11)


def picture(*rows):
    """Boxes of 10 x 10 at x, with label and the rest."""
    rows = np.array(rows, float).reshape(-1, 3)
    boxes = np.stack([rows[:, 0], 0 * rows[:, 0], rows[:, 0] + 10, 0 * rows[:, 0] + 10], 1)
    return boxes, rows[:, 1].astype(int), rows[:, 2]


def found(*rows):
    boxes, labels, scores = picture(*rows)
    return {"boxes": boxes, "labels": labels, "scores": scores}


def objects(*rows):
    boxes, labels, difficult = picture(*rows)
    return {"boxes": boxes, "labels": labels, "difficult": difficult}


def test_average_precision_of_boxes():
    measure = vision.detection_average_precision
    true = [objects((0, 1, 0), (50, 1, 0), (100, 2, 0)), objects((0, 1, 0))]
    perfect = [found((0, 1, 0.9), (50, 1, 0.8), (100, 2, 0.3)), found((0, 1, 0.1))]
    assert measure(perfect, true) == {1: 1, 2: 1}
    # Found twice: the second is wrong, and stands before the third object: 1/3 (1 + 3/4 + 3/4), all steps raised.
    twice = [found((1, 1, 0.9), (0, 1, 0.95), (50, 1, 0.6)), found((0, 1, 0.5))]
    assert measure(twice, true) == {1: pytest.approx((1 + 0.75 + 0.75) / 3), 2: 0}
    assert measure(twice, true, method="steps")[1] == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    # The right place in the wrong image or of the wrong class is wrong.
    assert measure([found((100, 1, 0.5)), found((100, 2, 0.5))], true) == {1: 0, 2: 0}
    # An overlap of 5/15 counts from a threshold of a third on; the threshold itself is reached.
    assert measure([found((105, 2, 0.5)), found()], true, 1 / 3)[2] == 1
    assert measure([found((105, 2, 0.5)), found()], true, 0.34)[2] == 0
    # Difficult objects are not sought, and finding them is not wrong, ever so often.
    hard = [objects((0, 1, 1), (50, 1, 0))]
    assert measure([found((0, 1, 0.9), (1, 1, 0.8), (50, 1, 0.7))], hard) == {1: 1}
    assert measure([found((0, 1, 0.9))], [objects((0, 1, 1))]) == {}
    assert measure([], []) == {}


def test_average_precision_of_random_boxes_by_hand():
    rng = np.random.default_rng(5)
    predictions, targets, rows = [], [], []
    for image in range(8):
        true = rng.uniform(0, 60, 3)
        guesses, scores = true.repeat(2) + rng.normal(0, 4, 6), rng.permutation(6) + 10.0 * image
        targets.append(objects(*((x, 7, 0) for x in true)))
        predictions.append(found(*((x, 7, s) for x, s in zip(guesses, scores, strict=True))))
        taken = set()
        for score, x in sorted(zip(scores, guesses, strict=True), reverse=True):
            overlaps = [max(0, 10 - abs(x - t)) / (20 - max(0, 10 - abs(x - t))) for t in true]
            best = int(np.argmax(overlaps))
            rows.append((score, overlaps[best] >= 0.5 and best not in taken))
            taken |= {best} if overlaps[best] >= 0.5 else set()
    scores, right = (np.array(column) for column in zip(*rows, strict=True))
    got = vision.detection_average_precision(predictions, targets)
    assert got == {7: pytest.approx(area_by_hand(scores, right, 24), abs=1e-12)}
    assert 0.2 < got[7] < 0.9


PAIR, SCORES, LABELS = np.zeros((2, 3, 2)), np.ones((2, 3)), np.array([0, 2])
ONE, TRUE = found((0, 1, 0.5)), objects((0, 1, 0))


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: vision.top_k_accuracy(LABELS, LABELS), TypeError, r"\[top_k_accuracy\] input has dtype int64, expected float32"),
    (lambda: vision.top_k_accuracy([[1.0]], LABELS), TypeError, r"input is list, expected a Tensor or a numpy array"),
    (lambda: vision.top_k_accuracy(np.ones(3), LABELS), ShapeError, r"input has shape \(3,\), expected \(N, classes\)"),
    (lambda: vision.top_k_accuracy(SCORES, LABELS[:1]), ShapeError, r"target has shape \(1,\), expected \(2,\)"),
    (lambda: vision.top_k_accuracy(SCORES, SCORES), TypeError, r"target has dtype float64, expected whole numbers"),
    (lambda: vision.top_k_accuracy(SCORES, LABELS + 1), IndexError, r"target has the label 3, expected 0 to 2"),
    (lambda: vision.top_k_accuracy(SCORES, LABELS, 4), ValueError, r"k is 4, expected 1 to 3"),
    (lambda: vision.top_k_accuracy(SCORES, LABELS, True), TypeError, r"k is True, expected a whole number"),
    (lambda: vision.top_k_accuracy(SCORES[:0], LABELS[:0]), ValueError, r"expected one row or more"),
    (lambda: vision.mean_iou(SCORES, LABELS, 3), TypeError, r"\[mean_iou\] input has dtype float64, expected whole"),
    (lambda: vision.mean_iou(LABELS, LABELS[:1], 3), ShapeError, r"target has shape \(1,\), expected \(2,\)"),
    (lambda: vision.mean_iou(LABELS, LABELS, 2), IndexError, r"input has the label 2, expected 0 to 1"),
    (lambda: vision.mean_iou(LABELS, LABELS - 1, 3), IndexError, r"target has the label -1, expected 0 to 2"),
    (lambda: vision.mean_iou(0 * LABELS, 0 * LABELS, 1, 0), ValueError, r"target has nothing that counts"),
    (lambda: vision.confusion_matrix(LABELS, LABELS, 0), ValueError, r"\[confusion_matrix\] num_classes is 0, expected 1"),
    (lambda: vision.confusion_matrix(LABELS, LABELS, 10**9), ValueError, r"num_classes is 1000000000, expected 1 to 16384"),
    (lambda: vision.pck(PAIR, PAIR[:, :2], np.ones(2)), ShapeError, r"\[pck\] input has shape \(2, 3, 2\), expected the target"),
    (lambda: vision.pck(PAIR, PAIR[..., :1], np.ones(2)), ShapeError, r"target has shape \(2, 3, 1\), expected \(N, joints, 2"),
    (lambda: vision.pck(PAIR, PAIR, np.ones(3)), ShapeError, r"length has shape \(3,\), expected \(2,\)"),
    (lambda: vision.pck(PAIR, PAIR, np.zeros(2)), ValueError, r"length has 0.0, expected numbers above 0"),
    (lambda: vision.pck(PAIR, PAIR, np.full(2, np.nan)), ValueError, r"length has nan"),
    (lambda: vision.pck(PAIR, PAIR, np.ones(2), 0), ValueError, r"threshold is 0.0, expected a number above 0, up to 1e"),
    (lambda: vision.pck(PAIR, PAIR * np.nan, np.ones(2)), ValueError, r"target has no joint that counts"),
    (lambda: vision.ssim(np.ones((10, 20)), np.ones((10, 20))), ShapeError, r"\[ssim\] input has shape \(10, 20\), expected"),
    (lambda: vision.ssim(np.ones((0, 11, 11)), np.ones((0, 11, 11))), ShapeError, r"input has shape \(0, 11, 11\), expected"),
    (lambda: vision.ssim(np.ones((11, 11)), np.ones((11, 12))), ShapeError, r"target has shape \(11, 12\), expected the input"),
    (lambda: vision.ssim(np.ones((11, 11), int), np.ones((11, 11))), TypeError, r"input has dtype int64"),
    (lambda: vision.ssim(np.ones((11, 11)), np.ones((11, 11)), -1), ValueError, r"data_range is -1.0, expected a number above"),
    (lambda: vision.average_precision(np.ones(2), np.ones(3, bool)), ShapeError, r"target has shape \(3,\), expected the input"),
    (lambda: vision.average_precision(np.ones(2), np.array([0, 2])), ValueError, r"target has 2, expected 0 and 1"),
    (lambda: vision.average_precision(np.ones(2), np.ones(2)), TypeError, r"target has dtype float64, expected whole"),
    (lambda: vision.average_precision(np.array([1, np.nan]), np.ones(2, bool)), ValueError, r"input has NaN, expected numbers"),
    (lambda: vision.average_precision(np.ones(2), np.ones(2, bool), 1), ValueError, r"num_positives is 1, expected at least the 2"),
    (lambda: vision.average_precision(np.ones(2), np.ones(2, bool), method="voc"), ValueError, r"method is 'voc', expected 'steps'"),
    (lambda: vision.detection_average_precision([ONE], []), ShapeError, r"predictions are of 1 images, expected 0"),
    (lambda: vision.detection_average_precision([ONE], [TRUE], 0), ValueError, r"iou_threshold is 0.0, expected a number above 0, up to 1"),
    (lambda: vision.detection_average_precision([ONE], [TRUE], method=""), ValueError, r"method is '', expected 'steps'"),
    (lambda: vision.detection_average_precision([{**ONE, "scores": np.ones(2)}], [TRUE]), ShapeError,
     r"predictions\[0\]\['scores'\] has shape \(2,\), expected \(1,\)"),
    (lambda: vision.detection_average_precision([{**ONE, "scores": np.array([np.nan])}], [TRUE]), ValueError, r"has NaN"),
    (lambda: vision.detection_average_precision([ONE], [{**TRUE, "boxes": np.ones((1, 5))}]), ShapeError,
     r"targets\[0\]\['boxes'\] has shape \(1, 5\), expected \(N, 4\)"),
    (lambda: vision.detection_average_precision([ONE], [{**TRUE, "difficult": np.ones(2)}]), ShapeError,
     r"targets\[0\]\['difficult'\] has shape \(2,\), expected \(1,\)"),
])
def test_misuse(call, error, match):
    with pytest.raises(error, match=match):
        call()
