"""Borders, and exchanges between channels and space."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyconv.interop.onnx.operators.shape import permuted, reshaped
from pyconv.interop.onnx.registry import Call, operator
from pyconv.ops import join
from pyconv.tensor import Tensor

_MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}


def padded(at: Call, x: Any, low: list[int], high: list[int], mode: str = "constant", value: float = 0) -> Any:
    """x with borders; a negative constant border crops."""
    if not any(low) and not any(high):
        return x
    for i, (n, a, b) in enumerate(zip(x.shape, low, high, strict=True)):
        if n + a < 0 or n + b < 0 or n + a + b < 0:
            at.error(f"axis {i} of size {n} cannot be padded by {a} and {b}: more would be cropped than there is")
    at.bound([n + a + b for n, a, b in zip(x.shape, low, high, strict=True)], x.dtype)
    pairs = [p for a, b in zip(reversed(low), reversed(high), strict=True) for p in (a, b)]
    if isinstance(x, Tensor):
        if mode == "constant":
            return join.pad(x, pairs, mode, value)
        # Cropping first: pyconv's other modes do not crop.
        crop = [min(p, 0) for p in pairs]
        x = join.pad(x, crop) if any(crop) else x
        return _bordered(at, x, [max(p, 0) for p in low], [max(p, 0) for p in high], mode)
    cut = tuple(slice(max(0, -a), n - max(0, -b)) for n, a, b in zip(x.shape, low, high, strict=True))
    border = [(max(0, a), max(0, b)) for a, b in zip(low, high, strict=True)]
    if mode == "constant":
        return np.pad(x[cut], border, constant_values=np.asarray(value, x.dtype))
    if 0 in x[cut].shape:
        at.error(f"x has shape {tuple(x.shape)}: nothing to {mode}")
    return np.pad(x[cut], border, mode={"replicate": "edge", "circular": "wrap"}.get(mode, mode))  # type: ignore[call-overload]


def _bordered(at: Call, x: Tensor, low: list[int], high: list[int], mode: str) -> Tensor:
    """Borders of any width along each axis, from indices."""
    for axis, (a, b) in enumerate(zip(low, high, strict=True)):
        n = x.shape[axis]
        if not a and not b:
            continue
        if n == 0:
            at.error(f"axis {axis} is empty: nothing to {mode}")
        index = np.arange(-a, n + b)
        if mode == "replicate":
            index = index.clip(0, n - 1)
        elif mode == "circular":
            index %= n
        else:
            period = max(1, 2 * (n - 1))
            index %= period
            index = np.minimum(index, period - index) if n > 1 else index * 0
        x = x.index_select(axis, index)
    return x


@operator("Pad", wide=False, settings=(1, 2, 3))
def pad(at: Call, x: Any, pads: Any = None, value: Any = None, axes: Any = None) -> Any:
    """x with borders before and after its axes."""
    sizes = at["pads"] if pads is None else at.ints(pads, "pads")
    fill = (at["value"] or 0) if value is None else at.scalar(value, "constant_value")
    chosen = range(x.ndim) if axes is None else at.axes(at.ints(axes, "axes"), x.ndim)
    if len(sizes) != 2 * len(chosen):
        at.error(f"pads has {len(sizes)} entries, expected {2 * len(chosen)}: before and after {len(chosen)} axes")
    low, high = [0] * x.ndim, [0] * x.ndim
    for i, axis in enumerate(chosen):
        low[axis], high[axis] = sizes[i], sizes[i + len(chosen)]
    return padded(at, x, low, high, _MODES[at.choice("mode", *_MODES)], fill)


@operator("CenterCropPad", wide=False, settings=(1,))
def center_crop_pad(at: Call, x: Any, shape: Any) -> Any:
    """x cropped or padded with zeros around its centre to given sizes."""
    wanted = at.ints(shape, "shape")
    axes = tuple(range(x.ndim)) if at["axes"] is None else at.axes(at["axes"], x.ndim)
    if len(wanted) != len(axes) or min(wanted, default=0) < 0:
        at.error(f"shape is {wanted}, expected {len(axes)} sizes of at least 0")
    low, high = [0] * x.ndim, [0] * x.ndim
    for axis, size in zip(axes, wanted, strict=True):
        more = size - x.shape[axis]
        low[axis] = more // 2 if more >= 0 else -(-more // 2)
        high[axis] = more - low[axis]
    return padded(at, x, low, high)


def _plane(at: Call, x: Any) -> tuple[int, int, int, int, int]:
    if x.ndim != 4:
        at.error(f"input has {x.ndim} axes, expected 4")
    block = at["blocksize"]
    if block < 1:
        at.error(f"blocksize is {block}, expected at least 1")
    return (*x.shape, block)


@operator("DepthToSpace", wide=False)
def depth_to_space(at: Call, x: Any) -> Any:
    """Channels become blocks of pixels."""
    n, c, h, w, b = _plane(at, x)
    if c % (b * b):
        at.error(f"input has {c} channels, expected a multiple of blocksize^2 = {b * b}")
    if at["mode"] == "CRD":
        y = permuted(reshaped(x, (n, c // b**2, b, b, h, w)), (0, 1, 4, 2, 5, 3))
    else:
        if at["mode"] is not None:
            at.choice("mode", "DCR", "CRD")
        y = permuted(reshaped(x, (n, b, b, c // b**2, h, w)), (0, 3, 4, 1, 5, 2))
    return reshaped(y, (n, c // b**2, h * b, w * b))


@operator("SpaceToDepth", wide=False)
def space_to_depth(at: Call, x: Any) -> Any:
    """Blocks of pixels become channels."""
    n, c, h, w, b = _plane(at, x)
    if h % b or w % b:
        at.error(f"input has {h}x{w} pixels, expected multiples of blocksize = {b}")
    y = reshaped(x, (n, c, h // b, b, w // b, b))
    order = (0, 1, 3, 5, 2, 4) if at["mode"] == "CRD" else (0, 3, 5, 1, 2, 4)
    return reshaped(permuted(y, order), (n, c * b * b, h // b, w // b))

