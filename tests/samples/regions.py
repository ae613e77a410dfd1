"""Samples of what detectors do with boxes: roi_align, roi_pool, nms, batched_nms."""

from __future__ import annotations

import math

import numpy as np

from pyconv.errors import ShapeError
from pyconv.vision import batched_nms, nms, roi_align, roi_pool
from samples import Hostile, Sample


# --- the definitions, sample by sample, bin by bin ------------------------------------------------
def _pair(size):
    return (size, size) if isinstance(size, int) else size


def _interpolated(plane, y, x):
    """The map (C, H, W) at a point: zero more than a pixel outside."""
    height, width = plane.shape[1:]
    if y < -1 or y > height or x < -1 or x > width:
        return 0 * plane[:, 0, 0]
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = int(y), int(x)
    down, right = min(top + 1, height - 1), min(left + 1, width - 1)
    v, u = y - top, x - left
    return ((1 - v) * (1 - u) * plane[:, top, left] + (1 - v) * u * plane[:, top, right]
            + v * (1 - u) * plane[:, down, left] + v * u * plane[:, down, right])


def _torch_align(x, rois, output_size, spatial_scale=1.0, sampling_ratio=-1, aligned=False):
    import torch

    rows, columns = _pair(output_size)
    out = []
    for image, *corners in rois.tolist():
        x1, y1, x2, y2 = (c * spatial_scale - (0.5 if aligned else 0) for c in corners)
        height, width = y2 - y1, x2 - x1
        if not aligned:
            height, width = max(height, 1), max(width, 1)
        bin_h, bin_w = height / rows, width / columns
        samples_h = sampling_ratio if sampling_ratio > 0 else math.ceil(bin_h)
        samples_w = sampling_ratio if sampling_ratio > 0 else math.ceil(bin_w)
        for p in range(rows):
            for q in range(columns):
                total = 0 * x[int(image), :, 0, 0]
                for i in range(samples_h):
                    for j in range(samples_w):
                        total = total + _interpolated(x[int(image)], y1 + p * bin_h + (i + 0.5) * bin_h / samples_h,
                                                      x1 + q * bin_w + (j + 0.5) * bin_w / samples_w)
                out.append(total / max(1, samples_h * samples_w))
    if not out:
        return x.new_zeros(0, x.shape[1], rows, columns) + 0 * x.sum()
    return torch.stack(out).reshape(len(rois), rows, columns, -1).permute(0, 3, 1, 2)


def _torch_pool(x, rois, output_size, spatial_scale=1.0):
    import torch

    rows, columns = _pair(output_size)
    out = []
    for image, *corners in rois.tolist():
        x1, y1, x2, y2 = (int(math.copysign(math.floor(abs(c * spatial_scale) + 0.5), c)) for c in corners)
        height, width = max(y2 - y1 + 1, 1), max(x2 - x1 + 1, 1)
        for p in range(rows):
            for q in range(columns):
                ys = slice(max(y1 + p * height // rows, 0), max(y1 - (-(p + 1) * height // rows), 0))
                xs = slice(max(x1 + q * width // columns, 0), max(x1 - (-(q + 1) * width // columns), 0))
                window = x[int(image), :, ys, xs].flatten(1)
                out.append(window.max(1).values if window.shape[1] else 0 * x[int(image), :, 0, 0])
    if not out:
        return x.new_zeros(0, x.shape[1], rows, columns) + 0 * x.sum()
    return torch.stack(out).reshape(len(rois), rows, columns, -1).permute(0, 3, 1, 2)


def _torch_nms(boxes, scores, iou_threshold):
    import torch

    return torch.tensor(_kept(boxes.numpy(), scores.numpy(), np.zeros(len(boxes)), iou_threshold), dtype=torch.int64)


def _torch_batched_nms(boxes, scores, idxs, iou_threshold):
    import torch

    return torch.tensor(_kept(boxes.numpy(), scores.numpy(), idxs.numpy(), iou_threshold), dtype=torch.int64)


def _kept(boxes, scores, categories, threshold):
    kept = []
    for i in sorted(range(len(boxes)), key=lambda i: (-scores[i], i)):
        a = boxes[i]
        for j in kept:
            b = boxes[j]
            common = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
            union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common
            if categories[i] == categories[j] and common > threshold * union:
                break
        else:
            kept.append(i)
    return kept


# --- the rows -------------------------------------------------------------------------------------
def regions(rng, count, x, spread=1.3, least=0.0):
    """Boxes around the map, some of them partly outside."""
    n, _, height, width = x
    size = np.array([width, height])
    center = rng.uniform(0, 1, (count, 2)) * size
    half = rng.uniform(least, spread / 2, (count, 2)) * size
    return np.concatenate([rng.integers(0, n, (count, 1)), center - half, center + half], 1)


def align(case, x, boxes, output_size, length=1, **kwargs):
    def build(rng):
        rows = regions(rng, boxes, x) if isinstance(boxes, int) else np.array(boxes, float).reshape(-1, 5)
        rows[:, 1:] /= kwargs.get("spatial_scale", 1)
        return [rng.standard_normal(x), rows]

    return Sample("roi_align", case, roi_align, build, {"output_size": output_size, **kwargs}, _torch_align, constant=(1,),
                  length=length or x[2] * x[3])


def pooled(case, x, boxes, output_size, **kwargs):
    def build(rng):
        rows = regions(rng, boxes, x) if isinstance(boxes, int) else np.array(boxes, float).reshape(-1, 5)
        rows[:, 1:] /= kwargs.get("spatial_scale", 1)
        return [rng.standard_normal(x), rows]

    count = boxes if isinstance(boxes, int) else len(boxes)
    return Sample("roi_pool", case, roi_pool, build, {"output_size": output_size, **kwargs}, _torch_pool, constant=(1,),
                  length=max(1, count))


def suppressed(case, count, threshold, categories=0, size=20.0, decimals=None):
    def build(rng):
        low = rng.uniform(0, 100, (count, 2))
        boxes = np.concatenate([low, low + rng.uniform(0.3 * size, size, (count, 2))], 1)
        # A few distinct scores: ties.
        scores = rng.standard_normal(count) if decimals is None else rng.standard_normal(count).round(decimals)
        return [boxes, scores, *([rng.integers(0, categories, count)] if categories else [])]

    if categories:
        return Sample("batched_nms", case, batched_nms, build, {"iou_threshold": threshold}, _torch_batched_nms,
                      gradients=False)
    return Sample("nms", case, nms, build, {"iou_threshold": threshold}, _torch_nms, gradients=False)


#: 1, w - 1, w, w + 1, 2w + 3 for 4, 8 and 16 lanes, one of the gradient's slices and more.
CHANNELS = (1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 19, 31, 32, 33, 35, 71)
ODD = [
    [0, 2, 2, 2, 2],  # no area
    [0, 5, 4, 2, 1],  # from right to left
    [1, -9, -9, -5, -5],  # outside
    [1, 30, 30, 40, 40],
    [0, -1.2, -0.7, 3, 2.5],  # around the border
    [1, 5, 4, 9, 8.4],
    [0, 0, 0, 7, 6],
    [1, -40, -30, 60, 50],  # much larger than the map
]
SAMPLES = [
    *(align(f"channels-{c}", (2, c, 6, 7), 3, (2, 3), sampling_ratio=2, aligned=True, length=16) for c in CHANNELS),
    align("adaptive", (2, 5, 9, 11), 5, 3, length=99),
    align("adaptive-aligned", (2, 5, 9, 11), 5, (3, 2), aligned=True, length=99),
    align("one-sample", (1, 3, 6, 6), 4, (4, 5), sampling_ratio=1, length=16),
    align("scaled", (3, 4, 6, 8), 6, 2, spatial_scale=1 / 16, sampling_ratio=2, length=32),
    align("many-samples", (1, 3, 6, 6), 3, 2, sampling_ratio=7, aligned=True, length=36),
    align("odd-boxes", (2, 5, 6, 7), ODD, (2, 3), length=42),
    align("odd-boxes-aligned", (2, 5, 6, 7), ODD, (2, 3), aligned=True, length=42),
    align("odd-boxes-sampled", (2, 5, 6, 7), ODD, 3, sampling_ratio=2, aligned=True, length=42),
    align("one-pixel", (1, 3, 1, 1), [[0, 0, 0, 1, 1], [0, -0.5, -0.5, 0.4, 0.9]], 2, sampling_ratio=2, length=8),
    align("one-row", (1, 9, 1, 12), 3, (1, 4), length=12),
    align("all-on-one-place", (1, 40, 5, 5), [[0, 1, 1, 4, 3]] * 9, 2, sampling_ratio=2, length=81),
    align("more-bins-than-pixels", (1, 3, 3, 4), 2, (9, 7), sampling_ratio=2, length=64),
    align("no-boxes", (2, 3, 4, 4), 0, 2),
    align("many-boxes", (3, 8, 10, 12), 40, 3, sampling_ratio=2, aligned=True, length=160),
    *(pooled(f"channels-{c}", (2, c, 6, 7), 3, (2, 3)) for c in CHANNELS),
    pooled("scaled", (3, 4, 9, 8), 6, 3, spatial_scale=1 / 16),
    pooled("odd-boxes", (2, 5, 6, 7), ODD, (2, 3)),
    pooled("more-bins-than-pixels", (1, 3, 3, 4), 2, (9, 7)),
    pooled("one-pixel", (1, 3, 1, 1), [[0, 0, 0, 0, 0], [0, 5, 5, 9, 9]], 2),
    pooled("all-on-one-place", (1, 40, 5, 5), [[0, 1, 1, 4, 3]] * 9, 2),
    pooled("no-boxes", (2, 3, 4, 4), 0, 2),
    pooled("many-boxes", (3, 8, 10, 12), 40, 3),
    *(suppressed(f"boxes-{n}", n, 0.4, size=60) for n in (0, 1, 3, 4, 5, 15, 16, 17, 35, 63, 64, 65, 130)),
    suppressed("few-overlap", 300, 0.5, size=15),
    suppressed("most-overlap", 300, 0.1, size=90),
    suppressed("ties", 200, 0.3, size=40, decimals=0),
    suppressed("none", 0, 0.5, categories=3),
    suppressed("categories", 200, 0.3, categories=5, size=60),
    suppressed("one-category", 90, 0.3, categories=1, size=60),
    suppressed("ties", 200, 0.3, categories=7, size=80, decimals=0),
]


BAD_VALUE = (ValueError,)
BAD_TYPE = (TypeError,)
BAD_SHAPE = (ShapeError,)
BAD_INDEX = (IndexError,)


def hostile(op, rows):
    return [Hostile(op, case, call.replace("OP", f"pc.vision.{op}"), raises, match) for case, call, raises, match in rows]


def box(values):
    return f"np.float32([[{values}]])"


COMMON = [
    ("image-too-large", f"OP(x(2, 3, 4, 4), {box('2, 0, 0, 1, 1')}, 2)", BAD_INDEX,
     "boxes holds image 2 in row 0, expected a whole number from 0 to 1"),
    ("negative-image", f"OP(x(2, 3, 4, 4), {box('-1, 0, 0, 1, 1')}, 2)", BAD_INDEX, "boxes holds image -1"),
    ("half-an-image", f"OP(x(2, 3, 4, 4), {box('0.5, 0, 0, 1, 1')}, 2)", BAD_INDEX, "boxes holds image 0.5"),
    ("nan-image", f"OP(x(2, 3, 4, 4), {box('np.nan, 0, 0, 1, 1')}, 2)", BAD_INDEX, "boxes holds image nan"),
    ("huge-image", f"OP(x(2, 3, 4, 4), {box('1e38, 0, 0, 1, 1')}, 2)", BAD_INDEX, "boxes holds image 1e"),
    ("no-images", f"OP(x(0, 3, 4, 4), {box('0, 0, 0, 1, 1')}, 2)", BAD_INDEX, "boxes holds image 0 in row 0.*has 0 images"),
    ("more-lists-than-images", "OP(x(1, 3, 4, 4), [x(1, 4), x(1, 4)], 2)", BAD_INDEX, "boxes holds image 1 in row 1"),
    ("nan-box", f"OP(x(2, 3, 4, 4), {box('0, 0, np.nan, 1, 1')}, 2)", BAD_VALUE, "boxes holds nan in row 0, expected finite"),
    ("infinite-box", f"OP(x(2, 3, 4, 4), {box('0, 0, 0, np.inf, 1')}, 2)", BAD_VALUE, "boxes holds inf in row 0"),
    ("zero-size", f"OP(x(2, 3, 4, 4), {box('0, 0, 0, 1, 1')}, 0)", BAD_VALUE, "output_size is 0, expected 1 to"),
    ("negative-size", f"OP(x(2, 3, 4, 4), {box('0, 0, 0, 1, 1')}, (2, -1))", BAD_VALUE, "output_size is -1"),
    ("huge-size", f"OP(x(2, 3, 4, 4), {box('0, 0, 0, 1, 1')}, 2**40)", BAD_VALUE, "output_size is"),
    ("giant-output", f"OP(x(2, 3, 4, 4), {box('0, 0, 0, 1, 1')}, 2**23)", BAD_VALUE, "shape .* needs more than"),
    ("three-sizes", f"OP(x(2, 3, 4, 4), {box('0, 0, 0, 1, 1')}, (1, 2, 3))", BAD_SHAPE, "output_size has 3 entries"),
    ("float-size", f"OP(x(2, 3, 4, 4), {box('0, 0, 0, 1, 1')}, 1.5)", BAD_TYPE, "output_size is 1.5, expected a whole"),
    ("rank-3", f"OP(x(3, 4, 4), {box('0, 0, 0, 1, 1')}, 2)", BAD_SHAPE, r"input has shape 3x4x4 \(3 axes\), expected 4"),
    ("no-pixels", f"OP(x(2, 3, 0, 4), {box('0, 0, 0, 1, 1')}, 2)", BAD_SHAPE, "input has shape 2x3x0x4, expected at least"),
    ("giant-map", "OP(pc.from_numpy(np.broadcast_to(a(1, 1, 1, 1), (1, 1, 2**17, 2**17))), x(0, 5), 2)", BAD_SHAPE,
     "expected at most 2147483647 pixels per map"),
    ("four-columns", "OP(x(2, 3, 4, 4), x(1, 4), 2)", BAD_SHAPE, r"boxes has shape 1x4, expected \(boxes, 5\)"),
    ("one-box-without-axis", "OP(x(2, 3, 4, 4), x(5), 2)", BAD_SHAPE, "boxes has shape 5, expected"),
    ("five-columns-in-list", "OP(x(2, 3, 4, 4), [x(1, 5)], 2)", BAD_SHAPE, r"boxes\[0\] has shape \(1, 5\), expected \(boxes, 4"),
    ("empty-list", "OP(x(2, 3, 4, 4), [], 2)", BAD_SHAPE, "boxes is empty, expected one array"),
    ("numbers-in-list", "OP(x(2, 3, 4, 4), [[0, 0, 1, 1]], 2)", BAD_TYPE, r"boxes\[0\] is list, expected a Tensor"),
    ("mixed-list", "OP(x(2, 3, 4, 4), [x(1, 4), np.zeros((1, 4))], 2)", BAD_TYPE, r"boxes\[1\] has dtype float64 but boxes\[0\]"),
    ("int-boxes", "OP(x(2, 3, 4, 4), i(1, 5), 2)", BAD_TYPE, "boxes has dtype int64, expected float32 or float64"),
    ("other-float", "OP(x(2, 3, 4, 4), np.zeros((1, 5)), 2)", BAD_TYPE, "boxes has dtype float64 but the input has float32"),
    ("number-as-boxes", "OP(x(2, 3, 4, 4), 3, 2)", BAD_TYPE, "boxes is int, expected a Tensor"),
    ("list-input", "OP([1.0], x(1, 5), 2)", BAD_TYPE, "input is list"),
    ("int-input", "OP(i(2, 3, 4, 4), x(1, 5), 2)", BAD_TYPE, "input has dtype int64"),
    ("zero-scale", "OP(x(2, 3, 4, 4), x(1, 5), 2, 0)", BAD_VALUE, "spatial_scale is 0, expected a finite number above 0"),
    ("nan-scale", "OP(x(2, 3, 4, 4), x(1, 5), 2, float('nan'))", BAD_VALUE, "spatial_scale is nan"),
    ("text-scale", "OP(x(2, 3, 4, 4), x(1, 5), 2, 'a')", BAD_TYPE, "spatial_scale is 'a', expected a number"),
]
BOXES = [
    ("three-columns", "OP(x(2, 3), x(2), CATEGORIES0.5)", BAD_SHAPE, r"boxes has shape 2x3, expected \(boxes, 4\)"),
    ("rank-1", "OP(x(4), x(4), CATEGORIES0.5)", BAD_SHAPE, "boxes has shape 4, expected"),
    ("short-scores", "OP(x(2, 4), x(1), CATEGORIES0.5)", BAD_SHAPE, "scores has shape 1, expected 2: one per box"),
    ("scores-in-columns", "OP(x(2, 4), x(2, 1), CATEGORIES0.5)", BAD_SHAPE, "scores has shape 2x1"),
    ("int-boxes", "OP(i(2, 4), x(2), CATEGORIES0.5)", BAD_TYPE, "boxes has dtype int64, expected float32 or float64"),
    ("int-scores", "OP(x(2, 4), i(2), CATEGORIES0.5)", BAD_TYPE, "scores has dtype int64"),
    ("mixed", "OP(x(2, 4), np.zeros(2), CATEGORIES0.5)", BAD_TYPE, "scores has dtype float64 but boxes has float32"),
    ("list-boxes", "OP([[0, 0, 1, 1]], x(1), CATEGORIES0.5)", BAD_TYPE, "boxes is list"),
    ("list-scores", "OP(x(2, 4), [1, 2], CATEGORIES0.5)", BAD_TYPE, "scores is list"),
    ("percent", "OP(x(2, 4), x(2), CATEGORIES50)", BAD_VALUE, "iou_threshold is 50, expected 0 to 1"),
    ("negative-threshold", "OP(x(2, 4), x(2), CATEGORIES-0.1)", BAD_VALUE, "iou_threshold is -0.1"),
    ("nan-threshold", "OP(x(2, 4), x(2), CATEGORIESfloat('nan'))", BAD_VALUE, "iou_threshold is nan"),
    ("text-threshold", "OP(x(2, 4), x(2), CATEGORIES'a')", BAD_TYPE, "iou_threshold is 'a', expected a number"),
]


def with_categories(text):
    return [(case, call.replace("CATEGORIES", text), raises, match) for case, call, raises, match in BOXES]


HOSTILE = [
    *hostile("roi_align", [
        *COMMON,
        ("too-many-samples", "OP(x(2, 3, 4, 4), x(1, 5), 2, 1.0, 1025)", BAD_VALUE, "sampling_ratio is 1025, expected at most"),
        ("far-too-many-samples", "OP(x(2, 3, 4, 4), x(1, 5), 2, 1.0, 2**80)", BAD_VALUE, "sampling_ratio is 4611686018427387904"),
        ("float-samples", "OP(x(2, 3, 4, 4), x(1, 5), 2, 1.0, 1.5)", BAD_TYPE, "sampling_ratio is 1.5, expected a whole"),
        ("number-as-aligned", "OP(x(2, 3, 4, 4), x(1, 5), 2, 1.0, 1, 1)", BAD_TYPE, "aligned is 1, expected True or False"),
    ]),
    *hostile("roi_pool", COMMON),
    *hostile("nms", with_categories("")),
    *hostile("batched_nms", [
        *with_categories("np.zeros(2, int), "),
        ("short-categories", "OP(x(2, 4), x(2), np.zeros(1, int), 0.5)", BAD_SHAPE, "idxs has shape 1, expected 2: one per box"),
        ("float-categories", "OP(x(2, 4), x(2), np.zeros(2), 0.5)", BAD_TYPE, "idxs has dtype float64, expected whole numbers"),
        ("list-categories", "OP(x(2, 4), x(2), [0, 1], 0.5)", BAD_TYPE, "idxs is list"),
    ]),
]
