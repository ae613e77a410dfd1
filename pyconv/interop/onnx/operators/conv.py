"""Convolution and its transpose."""

from __future__ import annotations

import math
from typing import Any

from pyconv.interop.onnx.operators.layout import padded
from pyconv.interop.onnx.operators.windows import HUGE, paddings, per_axis, windows
from pyconv.interop.onnx.registry import Call, operator
from pyconv.ops import conv as C
from pyconv.ops import conv_transpose as T

_CONV = {1: C.conv1d, 2: C.conv2d, 3: C.conv3d}
_TRANSPOSE = {1: T.conv_transpose1d, 2: T.conv_transpose2d, 3: T.conv_transpose3d}


def _axes(at: Call, x: Any, w: Any) -> int:
    count = w.ndim - 2
    if count not in _CONV or x.ndim != w.ndim:
        at.error(f"X has {x.ndim} axes and W {w.ndim}, expected 3 to 5 of both")
    kernel = at["kernel_shape"]
    if kernel is not None and tuple(kernel) != tuple(w.shape[2:]):
        at.error(f"kernel_shape is {tuple(kernel)}, but W has shape {tuple(w.shape)}")
    if 0 in w.shape:
        at.error(f"W has shape {tuple(w.shape)}, expected no empty axis")
    if not 1 <= at["group"] < HUGE:
        at.error(f"group is {at['group']}, expected at least 1")
    return count


@operator("Conv")
def conv(at: Call, x: Any, w: Any, b: Any = None) -> Any:
    """Convolution in one to three dimensions."""
    count = _axes(at, x, w)
    place = windows(at, tuple(x.shape[2:]), tuple(w.shape[2:]))
    at.bound((x.shape[0], w.shape[0], *place.output), x.dtype)
    pads: Any = place.low if place.low == place.high else tuple(zip(place.low, place.high, strict=True))
    return _CONV[count](x, w, b, place.stride, pads, place.dilation, at["group"])


@operator("ConvTranspose")
def conv_transpose(at: Call, x: Any, w: Any, b: Any = None) -> Any:
    """Transposed convolution: the full result, cropped by the padding and extended by the output padding."""
    count = _axes(at, x, w)
    stride, dilation = per_axis(at, "strides", count, 1, 1), per_axis(at, "dilations", count, 1, 1)
    extra = per_axis(at, "output_padding", count, 0, 0)
    full = [(n - 1) * s + (k - 1) * d + 1
            for n, s, k, d in zip(x.shape[2:], stride, w.shape[2:], dilation, strict=True)]
    low, high = _borders(at, x, full, stride, extra)
    sizes = [f + e - a - b for f, e, a, b in zip(full, extra, low, high, strict=True)]
    if min(sizes) < 0 or 0 in x.shape[2:]:
        at.error(f"the result would have sizes {tuple(sizes)} for an input of {tuple(x.shape[2:])}")
    channels = w.shape[1] * at["group"]
    at.bound((x.shape[0], channels, *(max(f, s) for f, s in zip(full, sizes, strict=True))), x.dtype)
    direct = low == high and all(e < max(s, d) and 2 * p < f + e for e, s, d, p, f in
                                 zip(extra, stride, dilation, low, full, strict=True))
    if direct:
        return _TRANSPOSE[count](x, w, b, stride, tuple(low), extra, at["group"], dilation)
    y = _TRANSPOSE[count](x, w, None, stride, 0, 0, at["group"], dilation)
    y = padded(at, y, [0, 0, *(-p for p in low)], [0, 0, *(e - p for e, p in zip(extra, high, strict=True))])
    if b is None:
        return y
    if tuple(b.shape) != (channels,):
        at.error(f"B has shape {tuple(b.shape)}, expected ({channels},)")
    return y + b.reshape((channels, *(1,) * count))


def _borders(at: Call, x: Any, full: list[int], stride: tuple[int, ...],
             extra: tuple[int, ...]) -> tuple[list[int], list[int]]:
    """What is cut off before and after each axis."""
    count = len(full)
    auto = at.choice("auto_pad", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")
    given = paddings(at, count)
    wanted = at["output_shape"]
    if wanted is not None:
        wanted = wanted[2:] if len(wanted) == count + 2 else wanted
        if len(wanted) != count or any(not 0 < n < HUGE for n in wanted):
            at.error(f"output_shape is {tuple(at['output_shape'])}, expected {count} positive sizes")
    elif auto.startswith("SAME"):
        wanted = [n * s for n, s in zip(x.shape[2:], stride, strict=True)]
    if wanted is None:
        low, high = given if auto == "NOTSET" else ((0,) * count, (0,) * count)
        return list(low), list(high)
    total = [f + e - n for f, e, n in zip(full, extra, wanted, strict=True)]
    before = [math.ceil(t / 2) if auto == "SAME_LOWER" else t // 2 for t in total]
    if auto == "NOTSET":
        before = [t - t // 2 for t in total]
    # More is asked for than there is: zeros at the high end.
    before = [max(0, p) for p in before]
    return before, [t - p for t, p in zip(total, before, strict=True)]
