"""Boxes and measures: worked numbers, PyTorch's neighbours where they are defined, gradients, misuse."""

from __future__ import annotations

import math

import numpy as np
import pytest

import pyconv
from pyconv import vision
from pyconv.errors import ShapeError
from pyconv.tensor import Tensor


def boxes(rng, n):
    low = rng.uniform(-20, 20, (n, 2))
    return np.concatenate([low, low + rng.uniform(1, 15, (n, 2))], 1)


def test_iou_against_counted_pixels():
    rng = np.random.default_rng(0)
    a, b = (np.round(boxes(rng, n)) for n in (5, 7))
    got = vision.box_iou(a, b)
    assert got.shape == (5, 7)

    def cells(box):
        return {(x, y) for x in range(int(box[0]), int(box[2])) for y in range(int(box[1]), int(box[3]))}

    for i, j in np.ndindex(5, 7):
        first, second = cells(a[i]), cells(b[j])
        assert got[i, j] == pytest.approx(len(first & second) / len(first | second), abs=1e-12)
    assert got.max() > 0
    assert got.min() == 0
    tensors = vision.box_iou(Tensor(a), Tensor(b))
    np.testing.assert_array_equal(tensors.array, got)


def test_formats_and_regression_targets_are_inverse():
    rng = np.random.default_rng(1)
    corners, proposals = boxes(rng, 6), boxes(rng, 6)
    for fmt in ("xyxy", "xywh", "cxcywh"):
        for other in ("xyxy", "xywh", "cxcywh"):
            there = vision.box_convert(vision.box_convert(corners, "xyxy", fmt), fmt, other)
            np.testing.assert_allclose(vision.box_convert(there, other, "xyxy"), corners, rtol=1e-12)
    np.testing.assert_array_equal(vision.box_convert(np.array([1.0, 2, 5, 8]), "xyxy", "xywh"), [1, 2, 4, 6])
    targets = vision.encode_boxes(corners, proposals)
    np.testing.assert_allclose(vision.decode_boxes(targets, proposals), corners, rtol=1e-12, atol=1e-12)
    assert pyconv.autograd.gradcheck(vision.decode_boxes, (Tensor(targets, requires_grad=True), Tensor(proposals)))


def test_psnr():
    x = np.random.default_rng(2).random((1, 3, 8, 8))
    assert vision.psnr(x, x) == math.inf
    assert vision.psnr(x, x + 0.1) == pytest.approx(20)
    assert vision.psnr(Tensor(255 * x), Tensor(255 * x + 10), 255) == pytest.approx(28.1308036087)


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: vision.box_iou([[0, 0, 1, 1]], np.ones((1, 4))), TypeError, r"\[box_iou\] boxes1 is list"),
    (lambda: vision.box_iou(np.ones((1, 4)), np.ones((1, 4), int)), TypeError, r"boxes2 has dtype int64"),
    (lambda: vision.box_iou(np.ones((1, 4)), np.ones((4, 3))), ShapeError, r"boxes2 has shape \(4, 3\), expected"),
    (lambda: vision.box_iou(np.ones(4), np.ones((1, 4))), ShapeError, r"boxes1 has shape \(4,\), expected \(boxes, 4"),
    (lambda: vision.box_convert(np.ones(4), "xyxy", "xyyx"), ValueError, r"out_fmt is 'xyyx', expected 'xyxy'"),
    (lambda: vision.encode_boxes(np.ones(4), np.ones(3)), ShapeError, r"\[encode_boxes\] proposals has shape \(3,\)"),
    (lambda: vision.decode_boxes(np.ones(3), np.ones(4)), ShapeError, r"\[decode_boxes\] targets has shape \(3,\)"),
    (lambda: vision.psnr(np.ones(3), np.ones(3), 0), ValueError, r"\[psnr\] data_range is 0, expected a number above"),
    (lambda: vision.psnr(np.ones(3), np.ones(4)), ShapeError, r"target has shape 4"),
])
def test_misuse(call, error, match):
    with pytest.raises(error, match=match):
        call()
