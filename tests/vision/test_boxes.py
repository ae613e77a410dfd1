"""Boxes and measures: worked numbers, PyTorch's neighbours where they are defined, gradients, misuse."""

from __future__ import annotations

import math

import numpy as np
import peers
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
    (lambda: vision.psnr(np.ones(3), np.ones(3), 0), ValueError, r"\[psnr\] data_range is 0.0, expected a number above"),
    (lambda: vision.psnr(np.ones(3), np.ones(4)), ShapeError, r"target has shape 4"),
])
def test_misuse(call, error, match):
    with pytest.raises(error, match=match):
        call()


# --- torchvision's Python ---------------------------------------------------------------------------
def test_functions_on_boxes_as_in_torchvision(torch):
    theirs = peers.torchvision().ops
    rng = np.random.default_rng(3)
    a, b = boxes(rng, 6), boxes(rng, 4)
    ta, tb = torch.tensor(a), torch.tensor(b)
    for got, want in [
        (vision.generalized_box_iou(a, b), theirs.generalized_box_iou(ta, tb)),
        (vision.box_iou(a, b), theirs.box_iou(ta, tb)),
        (vision.clip_boxes_to_image(a, (7, 9)), theirs.clip_boxes_to_image(ta, (7, 9))),
        (vision.remove_small_boxes(a, 6), theirs.remove_small_boxes(ta, 6)),
        (vision.box_area(a), theirs.box_area(ta)),
        *((vision.box_convert(a, "xyxy", f), theirs.box_convert(ta, "xyxy", f)) for f in ("xywh", "cxcywh")),
        *((vision.box_area(vision.box_convert(a, "xyxy", f), f), theirs.box_area(ta)) for f in ("xywh", "cxcywh")),
        *((vision.box_iou(vision.box_convert(a, "xyxy", f), vision.box_convert(b, "xyxy", f), f), theirs.box_iou(ta, tb))
          for f in ("xywh", "cxcywh")),
    ]:
        np.testing.assert_allclose(got, want.numpy(), rtol=1e-12, atol=1e-14)
    assert 0 < len(vision.remove_small_boxes(a, 6)) < 6
    masks = rng.random((5, 8, 9)) < [[[0.5]], [[0.02]], [[0]], [[1]], [[0.1]]]
    np.testing.assert_array_equal(vision.masks_to_boxes(masks), theirs.masks_to_boxes(torch.tensor(masks)).numpy())
    assert vision.masks_to_boxes(Tensor(masks.astype(np.uint8))).dtype == np.float32
    assert vision.masks_to_boxes(np.zeros((0, 3, 3))).shape == (0, 4)


def test_gradients_of_overlaps_and_clipping():
    rng = np.random.default_rng(4)
    a, b = Tensor(boxes(rng, 3), requires_grad=True), Tensor(boxes(rng, 2), requires_grad=True)
    assert pyconv.autograd.gradcheck(vision.generalized_box_iou, (a, b))
    assert pyconv.autograd.gradcheck(lambda x: vision.clip_boxes_to_image(x, (9, 8)), (a,))
    assert isinstance(vision.remove_small_boxes(a, 1), Tensor)


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: vision.box_area(np.ones(4), "xyyx"), ValueError, r"\[box_area\] fmt is 'xyyx', expected 'xyxy', 'xywh'"),
    (lambda: vision.box_iou(np.ones((1, 4)), np.ones((1, 4)), "a"), ValueError, r"\[box_iou\] fmt is 'a'"),
    (lambda: vision.generalized_box_iou(np.ones((1, 4)), np.ones(4)), ShapeError, r"\[generalized_box_iou\] boxes2 has shape"),
    (lambda: vision.clip_boxes_to_image(np.ones(4), 5), TypeError, r"size is 5, expected \(height, width\)"),
    (lambda: vision.clip_boxes_to_image(np.ones(4), (5, -1)), ValueError, r"size is \(5, -1\), expected sizes of at least 0"),
    (lambda: vision.clip_boxes_to_image(np.ones(4), (5, 0.5)), TypeError, "size is 0.5, expected a whole number"),
    (lambda: vision.remove_small_boxes(np.ones(4), 1), ShapeError, r"boxes has shape \(4,\), expected \(boxes, 4\)"),
    (lambda: vision.masks_to_boxes(np.ones((2, 2))), ShapeError, r"masks has shape \(2, 2\), expected \(masks, height, w"),
    (lambda: vision.masks_to_boxes([1]), TypeError, r"\[masks_to_boxes\] masks is list"),
])
def test_misuse_of_the_others(call, error, match):
    with pytest.raises(error, match=match):
        call()
