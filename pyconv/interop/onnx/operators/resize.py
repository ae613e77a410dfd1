"""Resize and Upsample: each axis on its own, as sums of neighbours, which pyconv's operations differentiate."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from pyconv.interop.onnx.operators.shape import permuted
from pyconv.interop.onnx.registry import Call, operator
from pyconv.ops import elementwise as E
from pyconv.ops.gemm import linear
from pyconv.tensor import Tensor

_POLICIES = ("stretch", "not_larger", "not_smaller")
_PLACES = ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric",
           "tf_crop_and_resize")
_NEAREST: dict[str, Any] = {
    "round_prefer_floor": lambda x: np.ceil(x - 0.5), "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "floor": np.floor, "ceil": np.ceil}


class Setting(NamedTuple):
    """What all axes have in common."""

    mode: str  # nearest, linear or cubic
    places: str  # where output pixels lie in the input
    nearest: str
    a: float  # of the cubic
    exclude: bool  # neighbours outside do not count
    antialias: bool
    outside: float  # the value beyond the region of interest


@operator("Resize", settings=(1, 2, 3))
def resize(at: Call, x: Any, *given: Any) -> Any:
    """x at another size."""
    if at.node.schema.since < 11:
        return _resized(at, x, range(x.ndim), _scales(at, given[0], x.ndim), None,
                        Setting(_mode(at), "asymmetric", "floor", -0.75, False, False, 0.0), None)
    roi, scales, sizes = given
    axes = tuple(range(x.ndim)) if at["axes"] is None else at.axes(at["axes"], x.ndim)
    setting = Setting(_mode(at), at.choice("coordinate_transformation_mode", *_PLACES, "tf_half_pixel_for_nn"),
                      at.choice("nearest_mode", *_NEAREST), at["cubic_coeff_a"], at.flag("exclude_outside"),
                      at.flag("antialias"), at["extrapolation_value"])
    some = scales is not None and scales.shape != (0,)
    if some == (sizes is not None and sizes.shape != (0,)):
        at.error("scales and sizes: expected one of them")
    region = None
    if setting.places == "tf_crop_and_resize":
        if roi is None or roi.shape != (2 * len(axes),):
            at.error(f"roi has shape {None if roi is None else tuple(roi.shape)}, expected ({2 * len(axes)},)")
        region = [float(v) for v in roi.array]
        if not all(math.isfinite(v) for v in region):
            at.error(f"roi is {region}, expected finite numbers")
    if some:
        return _resized(at, x, axes, _scales(at, scales, len(axes)), None, setting, region)
    return _resized(at, x, axes, *_from_sizes(at, x, axes, at.ints(sizes, "sizes")), setting, region)


@operator("Upsample", settings=(1,))
def upsample(at: Call, x: Any, scales: Any = None) -> Any:
    """x at another size, every output pixel at its place divided by the scale."""
    factors = at["scales"] if scales is None else scales
    return _resized(at, x, range(x.ndim), _scales(at, factors, x.ndim), None,
                    Setting(_mode(at), "asymmetric", "floor", -0.75, False, False, 0.0), None)


def _mode(at: Call) -> str:
    return at.choice("mode", "nearest", "linear", "cubic", "bilinear").replace("bi", "")


def _scales(at: Call, given: Any, count: int) -> list[float]:
    values = [float(v) for v in (given.array.reshape(-1) if isinstance(given, Tensor) else given)]
    if len(values) != count or any(not 0 < v < 2**31 for v in values):
        at.error(f"scales is {values[:8]}, expected {count} positive numbers")
    return values


def _from_sizes(at: Call, x: Any, axes: Any, sizes: tuple[int, ...]) -> tuple[list[float], list[int]]:
    if len(sizes) != len(axes) or any(not 0 < n < 2**31 for n in sizes) or 0 in x.shape:
        at.error(f"sizes is {sizes}, expected {len(axes)} positive numbers for an input that is not empty")
    scales = [n / x.shape[a] for n, a in zip(sizes, axes, strict=True)]
    policy = at["keep_aspect_ratio_policy"] or "stretch"
    if policy not in _POLICIES:
        at.error(f"keep_aspect_ratio_policy is {policy!r}, expected {', '.join(_POLICIES)}")
    if policy == "stretch":
        return scales, list(sizes)
    scale = min(scales) if policy == "not_larger" else max(scales)
    return [scale] * len(axes), [math.floor(scale * x.shape[a] + 0.5) for a in axes]


def _resized(at: Call, x: Any, axes: Any, scales: list[float], sizes: list[int] | None, setting: Setting,
             region: list[float] | None) -> Any:
    axes = tuple(axes)
    if sizes is None:
        # A float32 scale such as 0.6 times 10 is a hair off.
        sizes = [math.floor(x.shape[a] * s + 1e-6 * min(1.0, s)) for a, s in zip(axes, scales, strict=True)]
    shape = list(x.shape)
    for a, n in zip(axes, sizes, strict=True):
        shape[a] = n
    at.bound(shape, np.float64)
    whole = None if isinstance(x, Tensor) else x.dtype
    y = x if whole is None or setting.mode == "nearest" else Tensor(x.astype(np.float64))
    outside = np.zeros((1,) * x.ndim, bool)
    for i, (a, scale, n) in enumerate(zip(axes, scales, sizes, strict=True)):
        if n and not x.shape[a]:
            at.error(f"axis {a} is empty")
        ends = (region[i], region[i + len(axes)]) if region is not None else (0.0, 1.0)
        if scale == 1 and n == x.shape[a] and ends == (0.0, 1.0):
            continue
        place = _places(x.shape[a], n, scale, setting.places, ends)
        if region is not None:
            beyond = (place < 0) | (place > x.shape[a] - 1)
            outside = outside | beyond.reshape((-1,) + (1,) * (x.ndim - 1 - a))
        y = _along(at, y, a, place, scale, setting)
    if outside.any():
        y = (E.where(np.broadcast_to(outside, y.shape), setting.outside, y) if isinstance(y, Tensor)
             else np.where(outside, setting.outside, y))
    return y if whole is None else (y.array if isinstance(y, Tensor) else y).astype(whole)


def _places(size: int, count: int, scale: float, kind: str, ends: tuple[float, float]) -> np.ndarray:
    """Where the pixels of the output lie, in pixels of the input."""
    i, whole = np.arange(count, dtype=np.float64), scale * size
    if kind == "align_corners":
        return i * 0 if whole == 1 else i * (size - 1) / (whole - 1)
    if kind == "asymmetric":
        return i / scale
    if kind == "tf_crop_and_resize":
        start, end = ends
        step = i * (end - start) * (size - 1) / (whole - 1) if whole != 1 else i * 0 + (end - start) * (size - 1) / 2
        return step + start * (size - 1)
    if kind == "pytorch_half_pixel" and whole == 1:
        return i * 0 - 0.5
    if kind == "half_pixel_symmetric":
        return size / 2 * (1 - count / whole) + (i + 0.5) / scale - 0.5
    if kind == "tf_half_pixel_for_nn":
        return (i + 0.5) / scale
    return (i + 0.5) / scale - 0.5


def _along(at: Call, x: Any, axis: int, place: np.ndarray, scale: float, setting: Setting) -> Any:
    """x resized along one axis."""
    size = x.shape[axis]
    if setting.mode == "nearest":
        index = _NEAREST[setting.nearest](place).clip(0, size - 1).astype(np.int64)
        return x.index_select(axis, index) if isinstance(x, Tensor) else np.take(x, index, axis)
    index, weight = _neighbours(at, place, scale, size, setting)
    if index.shape[1] > 4:  # one product with the matrix of all weights
        at.bound((place.size, size), x.dtype)
        matrix = np.zeros((place.size, size), x.dtype)
        np.add.at(matrix, (np.arange(place.size)[:, None], index), weight)
        order = (*(i for i in range(x.ndim) if i != axis), axis)
        back = tuple(sorted(range(x.ndim), key=order.__getitem__))
        return permuted(linear(permuted(x, order), Tensor(matrix)), back)
    result = None
    for tap in range(index.shape[1]):
        factor = Tensor(weight[:, tap].astype(x.dtype).reshape((-1,) + (1,) * (x.ndim - 1 - axis)))
        term = x.index_select(axis, index[:, tap]) * factor
        result = term if result is None else result + term
    return result


def _neighbours(at: Call, place: np.ndarray, scale: float, size: int, setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    """Per output pixel the indices of its neighbours and their weights."""
    squeeze = min(scale, 1.0) if setting.antialias else 1.0
    reach = math.ceil((1 if setting.mode == "linear" else 2) / squeeze)
    at.bound((max(1, place.size), 2 * reach), np.float64)
    base = np.ceil(place) - 1  # the neighbour on the left, also of a whole number
    index = base[:, None] + np.arange(1 - reach, 1 + reach)
    distance = np.abs(index - place[:, None]) * squeeze
    if setting.mode == "linear":
        weight = np.clip(1 - distance, 0, None)
    else:
        a = setting.a
        near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
        far = ((distance - 5) * distance + 8) * distance * a - 4 * a
        weight = np.where(distance <= 1, near, np.where(distance < 2, far, 0))
    if setting.antialias:
        weight = weight / weight.sum(1, keepdims=True)
    if setting.exclude:
        weight = np.where((index >= 0) & (index < size), weight, 0)
        weight = weight / weight.sum(1, keepdims=True)
    return index.clip(0, size - 1).astype(np.int64), weight
