"""Regions that may hold an object, found without knowing any: segments of a picture, joined by their likeness."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pyconv._backend import core
from pyconv.errors import ShapeError
from pyconv.ops.arguments import whole
from pyconv.tensor import FLOATS, Array, Tensor, raw

_COLOUR_BINS, _DIRECTIONS, _TEXTURE_BINS = 25, 8, 10
_FAST = (("hsv", "lab"), (50.0, 100.0), ("CTSF", "TSF"))  # colour spaces, scales of the segments, likenesses
_MOST_SEGMENTS = 20_000  # each takes 2.5 kB of histograms
_MOST_PIXELS = 2**24  # each takes 300 bytes
_SINGLE = (("hsv",), (100.0,), ("CTSF",))


def segment(image: Any, scale: float = 100.0, sigma: float = 0.8, min_size: int = 50) -> Any:
    """Number each pixel's segment: parts of a picture that differ from each other more than within themselves.

    Two segments are joined along their smallest difference of neighbouring pixels (of eight) if it is at most the
    largest one along either's own tree + ``scale`` / its pixels. The order is fixed, so that equal pictures have equal segments.

    Args:
        image: (C, H, W), uint8, or float32 or float64 from 0 to 1; differences are counted in 255ths.
        scale: the larger it is the larger are the segments.
        sigma: of the Gaussian that smooths the picture first; 0: none.
        min_size: segments of fewer pixels join a neighbour.

    Returns:
        int32 (H, W), from 0 on in the order in which the segments first appear.

    Raises:
        ShapeError, TypeError, ValueError: arguments that do not fit, values out of range.

    Source: Felzenszwalb and Huttenlocher, Efficient graph-based image segmentation, 2004.

    >>> picture = np.zeros((1, 2, 4), np.uint8)
    >>> picture[:, :, 2:] = 200
    >>> segment(picture, sigma=0, min_size=1).tolist()
    [[0, 0, 1, 1], [0, 0, 1, 1]]
    """
    op = "segment"
    labels, _ = _segments(op, _picture(op, image), *_settings(op, scale, sigma, min_size))
    return Tensor(labels) if isinstance(image, Tensor) else labels


def selective_search(image: Any, mode: str = "fast", sigma: float = 0.8, min_size: int = 50, min_side: int = 20,
                     count: int | None = None) -> Any:
    """Boxes of regions that may hold an object, about 2,000 in a photograph of 500 x 400 pixels.

    `segment` makes small segments; the two neighbours that are most alike are joined until one is left, and every region
    on the way is a proposal. Likeness is the sum of what the histograms of colours and of the directions of edges share, of
    how small both are, and of how well they fill their common box.

    Args:
        image: (3, H, W) red, green, blue, uint8, or float32 or float64 from 0 to 1.
        mode: "fast": in two colour spaces (HSV, CIE Lab), with segments of scale 50 and 100, with and without colour's
            likeness, eight times in all; "single": once, HSV, scale 100.
        sigma, min_size: as in `segment`.
        min_side: boxes with a shorter side are left out.
        count: at most so many boxes; None: all.

    Returns:
        float32 (boxes, 4), two corners each (a box around columns a to b goes from a to b + 1); different from each
        other, those of the largest regions first, taken in turns from the times that it was done.

    Raises:
        ShapeError, TypeError, ValueError: arguments that do not fit, values out of range.

    Source: Uijlings et al., Selective search for object recognition, 2013.

    >>> picture = np.zeros((3, 60, 80), np.uint8)
    >>> picture[0, 20:50, 10:40] = 255
    >>> boxes = selective_search(picture, sigma=0)
    >>> [10.0, 20.0, 40.0, 50.0] in boxes.tolist()
    True
    """
    op = "selective_search"
    if mode not in ("fast", "single"):
        raise ValueError(f"[{op}] mode is {mode!r}, expected 'fast' or 'single'")
    picture = _picture(op, image)
    if picture.shape[2] != 3:
        raise ShapeError(f"[{op}] image has shape {tuple(image.shape)}, expected (3, H, W)")
    least = whole(min_side, op, "min_side")
    most = None if count is None else whole(count, op, "count")
    if least < 0 or (most is not None and most < 0):
        raise ValueError(f"[{op}] min_side is {min_side}, count {count}, expected at least 0")
    spaces, scales, likenesses = _FAST if mode == "fast" else _SINGLE
    runs = []
    for space in spaces:
        converted = _SPACES[space](picture)
        for scale in scales:
            labels, number = _segments(op, converted, *_settings(op, scale, sigma, min_size))
            if number > _MOST_SEGMENTS:
                raise ValueError(f"[{op}] image has {number} segments to begin with, expected at most {_MOST_SEGMENTS}: "
                                 "take a larger min_size")
            start = _Regions(converted, labels, number)
            runs += [start.joined(parts) for parts in likenesses]
    boxes = _distinct(runs, least)[:most]
    return Tensor(boxes) if isinstance(image, Tensor) else boxes


def _distinct(runs: Sequence[list[tuple[int, ...]]], least: int) -> Array:
    """One box of each run in turn, the last joined first, each box once."""
    found: dict[tuple[int, ...], None] = {}
    for rank in range(1, 1 + max((len(r) for r in runs), default=0)):
        for run in runs:
            if rank <= len(run) and min(run[-rank][2] - run[-rank][0], run[-rank][3] - run[-rank][1]) >= least:
                found[run[-rank]] = None
    return np.array(list(found), np.float32).reshape(-1, 4)


# --- pictures ---------------------------------------------------------------------------------------
def _picture(op: str, image: Any) -> Array:
    """(H, W, C), float32, 0 to 255."""
    array = raw(image, op, "image")
    if array.ndim != 3 or 0 in array.shape:
        raise ShapeError(f"[{op}] image has shape {array.shape}, expected (C, H, W)")
    if array.shape[1] * array.shape[2] > _MOST_PIXELS:
        raise ShapeError(f"[{op}] image has shape {array.shape}, expected at most {_MOST_PIXELS} pixels")
    if array.dtype != np.uint8 and array.dtype not in FLOATS:
        raise TypeError(f"[{op}] image has dtype {array.dtype}, expected uint8, float32 or float64")
    if array.dtype in FLOATS:
        if not (array.min() >= 0 and array.max() <= 1):
            raise ValueError(f"[{op}] image has values from {array.min()} to {array.max()}, expected 0 to 1 (or uint8)")
        array = array * 255
    return np.ascontiguousarray(array.transpose(1, 2, 0), np.float32)


def _settings(op: str, scale: Any, sigma: Any, min_size: Any) -> tuple[float, float, int]:
    for argument, value, most in (("scale", scale, math.inf), ("sigma", sigma, 100)):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError(f"[{op}] {argument} is {value!r}, expected a number")
        if not 0 <= value <= most or value == math.inf:
            raise ValueError(f"[{op}] {argument} is {value}, expected a finite number from 0 to {most}")
    return float(scale), float(sigma), min(max(whole(min_size, op, "min_size"), 0), 2**31)


def _segments(op: str, picture: Array, scale: float, sigma: float, min_size: int) -> tuple[Array, int]:
    return core.graph_segments(op, _smoothed(picture, sigma) if sigma else picture, scale, min_size)


def _filtered(picture: Array, taps: Array, axis: int) -> Array:
    """Correlation along an axis; the border is repeated."""
    reach = len(taps) // 2
    padding = [(reach, reach) if a == axis else (0, 0) for a in range(3)]
    wide = np.moveaxis(np.pad(picture, padding, mode="edge"), axis, 0)
    total = sum(t * wide[i:i + picture.shape[axis]] for i, t in enumerate(taps))
    return np.moveaxis(np.asarray(total), 0, axis)


def _gaussian(sigma: float) -> tuple[Array, Array]:
    """Taps of the Gaussian out to four times its width, and of its derivative."""
    steps = np.arange(-math.ceil(4 * sigma), math.ceil(4 * sigma) + 1, dtype=np.float32)
    taps = np.exp(-0.5 * (steps / np.float32(sigma)) ** 2)
    taps /= taps.sum()
    return taps, steps * taps / np.float32(sigma**2)


def _smoothed(picture: Array, sigma: float) -> Array:
    taps, _ = _gaussian(sigma)
    return np.ascontiguousarray(_filtered(_filtered(picture, taps, 0), taps, 1))


def _hsv(rgb: Array) -> Array:
    """Hue, saturation and value, each 0 to 255."""
    high, low = rgb.max(2), rgb.min(2)
    spread = np.where(high > low, high - low, 1)
    red, green, blue = (rgb[..., i] for i in range(3))
    hue = np.where(high == red, (green - blue) / spread % 6,
                   np.where(high == green, (blue - red) / spread + 2, (red - green) / spread + 4))
    hue = np.where(high > low, hue, 0) * np.float32(255 / 6)
    saturation = (high - low) / np.where(high > 0, high, 1) * 255
    return np.stack([hue, saturation, high], 2).astype(np.float32)


_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])


def _lab(rgb: Array) -> Array:
    """CIE L*a*b* for the white D65: L from 0 to 255 (of 100), a and b plus 128."""
    linear = rgb.astype(np.float64) / 255
    linear = np.where(linear > 0.04045, ((linear + 0.055) / 1.055) ** 2.4, linear / 12.92)
    xyz = [(linear * row).sum(2) / row.sum() for row in _XYZ]
    x, y, z = (np.where(v > 216 / 24389, np.cbrt(v), (24389 / 27 * v + 16) / 116) for v in xyz)
    return np.stack([(116 * y - 16) * 2.55, 500 * (x - y) + 128, 200 * (y - z) + 128], 2).astype(np.float32)


_SPACES = {"hsv": _hsv, "lab": _lab}


# --- regions ----------------------------------------------------------------------------------------
def _histograms(values: Array, labels: Array, number: int, bins: int, low: Array, high: Array) -> Array:
    """(number, channels * bins): for each segment, shares of its pixels per channel's bin; all of them add up to 1."""
    channels = values.shape[2]
    span = np.where(high > low, high - low, 1)
    at = np.clip((values - low) / span * bins, 0, bins - 1).astype(np.int64)
    at += np.arange(channels) * bins + labels[..., None].astype(np.int64) * (channels * bins)
    counted = np.bincount(at.reshape(-1), minlength=number * channels * bins).reshape(number, -1)
    return counted / counted.sum(1, keepdims=True)


def _edges(picture: Array) -> Array:
    """(H, W, channels * 8): how much each channel rises in each of eight directions."""
    taps, slope = _gaussian(1.0)
    x = _filtered(_filtered(picture, taps, 0), slope, 1)
    y = _filtered(_filtered(picture, taps, 1), slope, 0)
    angles = [2 * math.pi * i / _DIRECTIONS for i in range(_DIRECTIONS)]
    return np.concatenate([np.maximum(np.float32(math.cos(a)) * x + np.float32(math.sin(a)) * y, 0) for a in angles], 2)


class _Regions:
    """What a segmentation begins with: sizes, boxes, histograms and neighbours of its segments."""

    def __init__(self, picture: Array, labels: Array, number: int) -> None:
        self.pixels = labels.size
        self.sizes = np.bincount(labels.reshape(-1), minlength=number).astype(float)
        self.colour = _histograms(picture, labels, number, _COLOUR_BINS, np.zeros(3), np.full(3, 255.0))
        edges = _edges(picture)
        self.texture = _histograms(edges, labels, number, _TEXTURE_BINS, edges.min((0, 1)), edges.max((0, 1)))
        rows, columns = (np.broadcast_to(i, labels.shape).reshape(-1) for i in np.ogrid[:labels.shape[0], :labels.shape[1]])
        flat = labels.reshape(-1)
        boxes = np.zeros((number, 4), np.int64)
        boxes[:, :2] = max(labels.shape)
        for column, values in ((0, columns), (1, rows)):
            np.minimum.at(boxes[:, column], flat, values)
            np.maximum.at(boxes[:, column + 2], flat, values + 1)
        self.boxes = [tuple(int(v) for v in box) for box in boxes]
        self.neighbours: list[set[int]] = [set() for _ in range(number)]
        for a, b in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])):
            for i, j in np.unique(np.stack([a[a != b], b[a != b]], 1), axis=0):
                self.neighbours[i].add(int(j))
                self.neighbours[j].add(int(i))

    def joined(self, parts: str) -> list[tuple[int, ...]]:
        """Boxes of the segments and of all regions that joining them makes, in the order in which they come."""
        sizes, boxes = list(self.sizes), list(self.boxes)
        colour, texture = list(self.colour), list(self.texture)
        neighbours = [set(n) for n in self.neighbours]

        def alike(i: int, j: int) -> float:
            shared = sizes[i] + sizes[j]
            total = 1 - shared / self.pixels
            if "C" in parts:
                total += float(np.minimum(colour[i], colour[j]).sum())
            if "T" in parts:
                total += float(np.minimum(texture[i], texture[j]).sum())
            if "F" in parts:
                x1, y1, x2, y2 = _around(boxes[i], boxes[j])
                total += 1 - ((x2 - x1) * (y2 - y1) - shared) / self.pixels
            return total

        # The most alike first, of equal ones the first; pairs of what was joined meanwhile are passed over.
        waiting = [(-alike(i, j), i, j) for i, found in enumerate(neighbours) for j in found if i < j]
        heapq.heapify(waiting)
        gone: set[int] = set()
        while waiting:
            _, i, j = heapq.heappop(waiting)
            if i in gone or j in gone:
                continue
            gone |= {i, j}
            new, shared = len(sizes), sizes[i] + sizes[j]
            for histograms in (colour, texture):
                histograms.append((histograms[i] * sizes[i] + histograms[j] * sizes[j]) / shared)
            boxes.append(_around(boxes[i], boxes[j]))
            sizes.append(shared)
            neighbours.append((neighbours[i] | neighbours[j]) - {i, j})
            for k in neighbours[new]:
                neighbours[k] = neighbours[k] - {i, j} | {new}
                heapq.heappush(waiting, (-alike(k, new), k, new))
        return boxes


def _around(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])
