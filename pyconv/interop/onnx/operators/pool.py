"""Pooling. Padding that pyconv's pooling does not know is put around the input first."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyconv.interop.onnx.operators.layout import padded
from pyconv.interop.onnx.operators.windows import Windows, counts, per_axis, windows
from pyconv.interop.onnx.registry import Call, numpy, operator
from pyconv.ops import conv as C
from pyconv.ops import elementwise as E
from pyconv.ops import pool as P
from pyconv.ops import reduce as R
from pyconv.tensor import Tensor

_MAX = {1: P.max_pool1d, 2: P.max_pool2d, 3: P.max_pool3d}
_AVERAGE = {1: P.avg_pool1d, 2: P.avg_pool2d, 3: P.avg_pool3d}
_CONV = {1: C.conv1d, 2: C.conv2d, 3: C.conv3d}


def _place(at: Call, x: Any) -> Windows:
    count = x.ndim - 2
    if count not in _MAX:
        at.error(f"X has {x.ndim} axes, expected 3 to 5")
    kernel = per_axis(at, "kernel_shape", count, 1, 1)
    place = windows(at, tuple(x.shape[2:]), kernel)
    at.bound((*x.shape[:2], *place.output), x.dtype)
    return place


def _covered(at: Call, x: Any, w: Windows, value: float) -> Any:
    """x with exactly the borders that the windows see: pooling it needs no padding."""
    high = [(o - 1) * s + r - n - a for o, s, r, n, a in
            zip(w.output, w.stride, w.reach, x.shape[2:], w.low, strict=True)]
    if any(r > n + a + max(0, b) for r, n, a, b in zip(w.reach, x.shape[2:], w.low, high, strict=True)):
        at.error(f"a window of {w.reach} pixels does not fit the input, {tuple(x.shape[2:])}")
    return padded(at, x, [0, 0, *w.low], [0, 0, *high], value=value)


def _plain(at: Call, w: Windows) -> bool:
    """Whether pyconv's own padding says the same."""
    return w.low == w.high and not at.flag("ceil_mode") and all(
        2 * p <= k for p, k in zip(w.low, w.kernel, strict=True))


@operator("MaxPool")
def max_pool(at: Call, x: Any) -> Any:
    """The largest element of each window; on request its index in the input."""
    if not isinstance(x, Tensor):  # 8-bit numbers: float32 holds them all
        y = max_pool(at, Tensor(x.astype(np.float32)))
        y = y if isinstance(y, tuple) else (y,)
        return (y[0].array.astype(x.dtype), *y[1:])
    w = _place(at, x)
    pool, wanted = _MAX[x.ndim - 2], len(at.node.outputs) > 1
    if _plain(at, w):
        y = pool(x, w.kernel, w.stride, w.low, w.dilation, False, wanted)
    else:
        y = pool(_covered(at, x, w, -math.inf), w.kernel, w.stride, 0, w.dilation, False, wanted)
    if not wanted:
        return y
    return y[0], _flat_indices(at, y[1].array, x.shape, w, _plain(at, w))


def _flat_indices(at: Call, index: np.ndarray, shape: tuple[int, ...], w: Windows, plain: bool) -> np.ndarray:
    """Indices in the whole input, from those in a plane; storage_order 1 counts planes column by column."""
    spatial = shape[2:]
    if plain:
        place = list(np.unravel_index(index, spatial))
    else:
        bordered = [(o - 1) * s + r for o, s, r in zip(w.output, w.stride, w.reach, strict=True)]
        place = [p - a for p, a in zip(np.unravel_index(index, bordered), w.low, strict=True)]
        place = [np.clip(p, 0, n - 1) for p, n in zip(place, spatial, strict=True)]
    flat = np.ravel_multi_index(tuple(place), spatial, order="F" if at.flag("storage_order") else "C")
    planes = np.arange(math.prod(shape[:2])).reshape((*shape[:2], *(1,) * len(spatial)))
    return (flat + planes * math.prod(spatial)).astype(np.int64)


def _sums(at: Call, x: Tensor, w: Windows) -> Any:
    """The sum of each window."""
    covered = _covered(at, x, w, 0.0)
    count = x.ndim - 2
    if all(d == 1 for d in w.dilation):
        return _AVERAGE[count](covered, w.kernel, w.stride) * math.prod(w.kernel)
    ones = Tensor(np.ones((x.shape[1], 1, *w.kernel), x.dtype))
    return _CONV[count](covered, ones, None, w.stride, 0, w.dilation, x.shape[1])


@operator("AveragePool")
def average_pool(at: Call, x: Any) -> Any:
    """The average of each window, over the pixels inside the input or inside its borders."""
    w = _place(at, x)
    with_padding = at.flag("count_include_pad")
    if _plain(at, w) and all(d == 1 for d in w.dilation):
        return _AVERAGE[x.ndim - 2](x, w.kernel, w.stride, w.low, False, with_padding)
    number = counts(w, tuple(x.shape[2:]), with_padding)
    return _sums(at, x, w) * Tensor((1.0 / np.maximum(number, 1)).astype(x.dtype))


@operator("LpPool")
def lp_pool(at: Call, x: Any) -> Any:
    """(Σ |x|^p)^(1/p) over each window."""
    p = at["p"]
    if p < 1:
        at.error(f"p is {p}, expected at least 1")
    w = _place(at, x)
    powers = E.square(x) if p == 2 else E.pow(E.abs(x), float(p))
    sums = _sums(at, powers, w)
    return E.sqrt(sums) if p == 2 else E.pow(sums, 1.0 / p)


def _spatial(at: Call, x: Any) -> tuple[int, ...]:
    if x.ndim < 2 or 0 in x.shape[2:]:
        at.error(f"X has shape {tuple(x.shape)}, expected at least two axes and no empty one")
    return tuple(range(2, x.ndim))


@operator("GlobalAveragePool")
def global_average(at: Call, x: Any) -> Any:
    """The average of each channel."""
    axes = _spatial(at, x)
    return P.adaptive_avg_pool2d(x, 1) if x.ndim == 4 else R.mean(x, axes, True) if axes else x


@operator("GlobalMaxPool")
def global_max(at: Call, x: Any) -> Any:
    """The largest element of each channel."""
    axes = _spatial(at, x)
    return R.amax(x, axes, True) if axes else x


@operator("GlobalLpPool")
def global_lp(at: Call, x: Any) -> Any:
    """(Σ |x|^p)^(1/p) over each channel."""
    p = at["p"]
    if p < 1:
        at.error(f"p is {p}, expected at least 1")
    axes = _spatial(at, x)
    return E.pow(R.sum(E.pow(E.abs(x), float(p)), axes, True), 1.0 / p) if axes else E.abs(x)


@operator("MaxUnpool", settings=(2,))
def max_unpool(at: Call, x: Any, index: Any, output_shape: Any = None) -> Any:
    """Zeros, but x where the indices of a max pooling point to."""
    count = x.ndim - 2
    if count < 1 or index.shape != tuple(x.shape):
        at.error(f"X has shape {tuple(x.shape)} and I {index.shape}, expected equal ones of at least 3 axes")
    kernel, stride = per_axis(at, "kernel_shape", count, 1, 1), per_axis(at, "strides", count, 1, 1)
    pads = at["pads"] or (0,) * 2 * count
    if len(pads) != 2 * count:
        at.error(f"pads has {len(pads)} entries, expected {2 * count}")
    natural = [(n - 1) * s + k - a - b for n, s, k, a, b in
               zip(x.shape[2:], stride, kernel, pads[:count], pads[count:], strict=True)]
    shape = tuple(x.shape[:2]) + tuple(natural)
    small = math.prod(at.bound(shape, x.dtype))
    values = numpy(index).reshape(-1)
    if values.size and (values.min() < 0 or values.max() >= small):
        at.error(f"I holds an index outside 0 to {small - 1}")
    if output_shape is not None:
        wanted = at.bound(at.ints(output_shape, "output_shape"), x.dtype)
        if len(wanted) != len(shape) or any(b < a for a, b in zip(shape, wanted, strict=True)):
            at.error(f"output_shape is {wanted}, expected at least {shape}")
        # An index counts the pixels of the smaller plane.
        values = np.ravel_multi_index(np.unravel_index(values, shape), wanted) if values.size else values
        shape = wanted
    y = Tensor(np.zeros(math.prod(shape), x.dtype))
    y[values] = x.reshape((-1,))
    return y.reshape(shape)
