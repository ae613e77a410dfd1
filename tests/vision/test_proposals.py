"""Segments and selective search against their definitions in plain loops; pictures whose answer is known; misuse."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from pyconv import vision
from pyconv.errors import ShapeError
from pyconv.tensor import Tensor

proposals = importlib.import_module("pyconv.vision.proposals")


def blobs(seed=0, height=40, width=50):
    """Rectangles of random colours, one over the other, and a little noise."""
    rng = np.random.default_rng(seed)
    picture = np.full((3, height, width), 90.0)
    for _ in range(7):
        y, x = rng.integers(0, height - 8), rng.integers(0, width - 8)
        picture[:, y:y + rng.integers(6, 20), x:x + rng.integers(6, 20)] = rng.uniform(0, 255, (3, 1, 1))
    return np.clip(picture + rng.normal(0, 3, picture.shape), 0, 255).astype(np.uint8)


def segments_in_loops(picture, scale, min_size):
    height, width = picture.shape[1:]
    edges = []
    for y in range(height):
        for x in range(width):
            for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
                if y + dy < height and 0 <= x + dx < width:
                    d = picture[:, y, x].astype(float) - picture[:, y + dy, x + dx]
                    edges.append((np.float32(np.sqrt((d * d).sum())), (y, x), (y + dy, x + dx)))
    edges.sort(key=lambda e: e[0])
    where = {(y, x): y * width + x for y in range(height) for x in range(width)}
    members = {i: [pixel] for pixel, i in where.items()}
    inside = dict.fromkeys(members, 0.0)

    def join(a, b, weight):
        for pixel in members[b]:
            where[pixel] = a
        members[a] += members.pop(b)
        inside[a] = weight

    for weight, p, q in edges:
        a, b = where[p], where[q]
        if a != b and weight <= min(inside[i] + scale / len(members[i]) for i in (a, b)):
            join(a, b, float(weight))
    for weight, p, q in edges:
        a, b = where[p], where[q]
        if a != b and min(len(members[a]), len(members[b])) < min_size:
            join(a, b, float(weight))
    numbers: dict[int, int] = {}
    return [[numbers.setdefault(where[y, x], len(numbers)) for x in range(width)] for y in range(height)]


@pytest.mark.parametrize(("scale", "min_size"), [(0, 1), (30, 1), (300, 1), (100, 12), (100, 10**6), (1e6, 1)])
def test_segments_as_in_loops(scale, min_size):
    picture = blobs(1, 19, 23)
    got = vision.segment(picture, scale, 0, min_size)
    assert got.dtype == np.int32
    assert got.tolist() == segments_in_loops(picture, scale, min_size)
    if min_size > 1:
        assert np.bincount(got.reshape(-1)).min() >= min(min_size, got.size)


def test_segments_of_floats_tensors_and_one_channel():
    picture = blobs(2)
    labels = vision.segment(picture)
    assert 1 < labels.max() < 40
    np.testing.assert_array_equal(vision.segment((picture / 255).astype(np.float64)), labels)
    assert isinstance(vision.segment(Tensor(picture)), Tensor)
    assert vision.segment(picture[:1]).shape == (40, 50)
    assert vision.segment(np.zeros((1, 1, 1), np.uint8)).tolist() == [[0]]


def test_smoothing_is_scipys():
    ndimage = pytest.importorskip("scipy.ndimage")
    picture = blobs(3).transpose(1, 2, 0).astype(np.float32)
    got = proposals._smoothed(picture, 0.8)
    want = ndimage.gaussian_filter(picture, 0.8, mode="nearest", truncate=5, axes=(0, 1))
    np.testing.assert_allclose(got, want, atol=2e-2)


def test_colour_spaces_of_known_colours():
    colours = np.float32([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0], [128, 128, 0]]])
    hsv, lab = proposals._hsv(colours)[0], proposals._lab(colours)[0]
    np.testing.assert_allclose(hsv, [[0, 255, 255], [85, 255, 255], [170, 255, 255], [0, 0, 255], [0, 0, 0], [42.5, 255, 128]], atol=1e-3)
    lightness = lab[:, 0] / 2.55
    np.testing.assert_allclose(lightness, [53.24, 87.73, 32.30, 100, 0, 51.87], atol=0.02)
    np.testing.assert_allclose(lab[:, 1:] - 128, [[80.09, 67.20], [-86.18, 83.18], [79.19, -107.86], [0, 0], [0, 0], [-12.93, 56.68]],
                               atol=0.02)


def test_hue_as_in_the_standard_library():
    import colorsys

    rgb = np.random.default_rng(4).integers(0, 256, (1, 200, 3)).astype(np.float32)
    want = [colorsys.rgb_to_hsv(*pixel) for pixel in rgb[0] / 255]
    np.testing.assert_allclose(proposals._hsv(rgb)[0], np.array(want) * 255, atol=1e-3)


def regions_in_loops(picture, labels, parts):
    """Everything is computed again from the pixels for every pair in every round."""
    edges = proposals._edges(picture)
    low, high = edges.min((0, 1)), edges.max((0, 1))
    masks = {i: labels == i for i in range(labels.max() + 1)}

    def histogram(values, mask, bins, low, high):
        found = [np.histogram(values[..., c][mask], bins, (low[c], high[c]))[0] for c in range(values.shape[2])]
        return np.concatenate(found) / (mask.sum() * values.shape[2])

    def box(mask):
        y, x = np.nonzero(mask)
        return (x.min(), y.min(), x.max() + 1, y.max() + 1)

    def touch(a, b):
        return any((a[s] & b[t]).any() for s, t in ((np.s_[1:], np.s_[:-1]), (np.s_[:-1], np.s_[1:]), (np.s_[:, 1:], np.s_[:, :-1]),
                                                    (np.s_[:, :-1], np.s_[:, 1:])))

    def alike(a, b):
        sizes, union = (a.sum() + b.sum()) / a.size, box(a | b)
        total = 1 - sizes
        if "C" in parts:
            total += np.minimum(*(histogram(picture, m, 25, [0] * 3, [255] * 3) for m in (a, b))).sum()
        if "T" in parts:
            total += np.minimum(*(histogram(edges, m, 10, low, high) for m in (a, b))).sum()
        if "F" in parts:
            total += 1 - ((union[2] - union[0]) * (union[3] - union[1]) / a.size - sizes)
        return total

    boxes = [box(m) for m in masks.values()]
    while len(masks) > 1:
        pairs = [(i, j) for i in masks for j in masks if i < j and touch(masks[i], masks[j])]
        i, j = max(pairs, key=lambda p: alike(masks[p[0]], masks[p[1]]))
        masks[len(boxes)] = masks.pop(i) | masks.pop(j)
        boxes.append(box(masks[len(boxes)]))
    return boxes


@pytest.mark.parametrize("parts", ["CTSF", "TSF", "S"])
def test_regions_are_joined_as_in_loops(parts):
    picture = blobs(5).transpose(1, 2, 0).astype(np.float32)
    labels = np.asarray(vision.segment(blobs(5), 60, 0.5, 15))
    assert 8 <= labels.max() < 40
    got = proposals._Regions(picture, labels, labels.max() + 1).joined(parts)
    assert got == regions_in_loops(picture, labels, parts)
    assert got[-1] == (0, 0, 50, 40)


def test_objects_are_among_the_proposals():
    picture = np.full((3, 90, 120), 200, np.uint8)
    picture[:, 20:70, 15:50] = np.uint8([20, 60, 200])[:, None, None]  # an object of two parts
    picture[:, 35:50, 25:40] = np.uint8([40, 80, 180])[:, None, None]
    picture[:, 30:60, 70:110] = np.uint8([210, 30, 30])[:, None, None]
    boxes = vision.selective_search(picture, sigma=0.3)
    iou = vision.box_iou(np.float32([[15, 20, 50, 70], [70, 30, 110, 60]]), boxes)
    assert (iou.max(1) > 0.95).all()
    assert boxes.dtype == np.float32
    assert boxes[0].tolist() == [0, 0, 120, 90]
    assert len(np.unique(boxes, axis=0)) == len(boxes)
    assert (np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]) >= 20).all()
    np.testing.assert_array_equal(vision.selective_search(Tensor(picture), sigma=0.3, count=3).array, boxes[:3])
    fewer = vision.selective_search(picture, "single", sigma=0.3)
    assert 0 < len(fewer) <= len(boxes)
    assert vision.selective_search(picture, min_side=121).shape == (0, 4)
    assert vision.selective_search(np.zeros((3, 1, 1), np.uint8), min_side=0).tolist() == [[0, 0, 1, 1]]


GREY = np.zeros((3, 8, 8), np.uint8)


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: vision.segment(GREY[0]), ShapeError, r"\[segment\] image has shape \(8, 8\), expected \(C, H, W\)"),
    (lambda: vision.segment(np.zeros((3, 0, 4), np.uint8)), ShapeError, r"image has shape \(3, 0, 4\)"),
    (lambda: vision.segment(GREY.astype(int)), TypeError, "image has dtype int64, expected uint8, float32 or float64"),
    (lambda: vision.segment(GREY + np.float32(2)), ValueError, r"image has values from 2.0 to 2.0, expected 0 to 1"),
    (lambda: vision.segment(GREY * np.float32("nan")), ValueError, "image has values from nan"),
    (lambda: vision.segment([1]), TypeError, "image is list"),
    (lambda: vision.segment(GREY, -1), ValueError, r"scale is -1, expected a finite number from 0"),
    (lambda: vision.segment(GREY, float("inf")), ValueError, "scale is inf"),
    (lambda: vision.segment(GREY, "a"), TypeError, "scale is 'a', expected a number"),
    (lambda: vision.segment(GREY, 1, 1e9), ValueError, "sigma is 1000000000.0, expected a finite number from 0 to 100"),
    (lambda: vision.segment(GREY, 1, float("nan")), ValueError, "sigma is nan"),
    (lambda: vision.segment(GREY, 1, 1, 1.5), TypeError, "min_size is 1.5, expected a whole number"),
    (lambda: vision.selective_search(GREY, "best"), ValueError, r"\[selective_search\] mode is 'best', expected 'fast' or 'single'"),
    (lambda: vision.selective_search(GREY[:2]), ShapeError, r"image has shape \(2, 8, 8\), expected \(3, H, W\)"),
    (lambda: vision.selective_search(GREY, min_side=-1), ValueError, "min_side is -1, count None, expected at least 0"),
    (lambda: vision.selective_search(GREY, count=-1), ValueError, "count -1, expected at least 0"),
    (lambda: vision.selective_search(np.broadcast_to(GREY[:, :1, :1], (3, 2**13, 2**12))), ShapeError, "expected at most 16777216 pixels"),
    (lambda: vision.selective_search(np.random.default_rng(0).integers(0, 256, (3, 160, 160)).astype(np.uint8), sigma=0, min_size=1),
     ValueError, "segments to begin with, expected at most 20000: take a larger min_size"),
])
def test_misuse(call, error, match):
    with pytest.raises(error, match=match):
        call()
