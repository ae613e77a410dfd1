"""What convolution and pooling share: windows, and where they lie."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pyconv.interop.onnx.registry import Call

HUGE = 2**31


class Windows(NamedTuple):
    """Per spatial axis: size, stride, dilation, padding, and the number of outputs."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]
    output: tuple[int, ...]

    @property
    def reach(self) -> tuple[int, ...]:
        """The pixels that a window spans."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation, strict=True))


def per_axis(at: Call, name: str, count: int, default: int, least: int) -> tuple[int, ...]:
    """An attribute with one number per spatial axis."""
    values = at[name]
    if values is None:
        return (default,) * count
    if len(values) != count:
        at.error(f"{name} has {len(values)} entries, expected {count}")
    for v in values:
        if not least <= v < HUGE:
            at.error(f"{name} is {tuple(values)}, expected numbers from {least} to {HUGE - 1}")
    return tuple(values)


def paddings(at: Call, count: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The attribute pads: before, and after, each spatial axis."""
    pads = at["pads"]
    if pads is None:
        return (0,) * count, (0,) * count
    if len(pads) != 2 * count:
        at.error(f"pads has {len(pads)} entries, expected {2 * count}")
    if any(not 0 <= p < HUGE for p in pads):
        at.error(f"pads is {tuple(pads)}, expected numbers from 0 to {HUGE - 1}")
    return tuple(pads[:count]), tuple(pads[count:])


def windows(at: Call, spatial: tuple[int, ...], kernel: tuple[int, ...]) -> Windows:
    """The windows of a node over axes of these sizes; the attributes are checked."""
    count = len(spatial)
    stride, dilation = per_axis(at, "strides", count, 1, 1), per_axis(at, "dilations", count, 1, 1)
    low, high = paddings(at, count)
    ceil = at.flag("ceil_mode")
    auto = at.choice("auto_pad", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")
    reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    if auto.startswith("SAME"):
        output = tuple(-(-n // s) for n, s in zip(spatial, stride, strict=True))
        total = [max(0, (o - 1) * s + r - n) for o, s, r, n in zip(output, stride, reach, spatial, strict=True)]
        low = tuple(t // 2 if auto == "SAME_UPPER" else t - t // 2 for t in total)
        high = tuple(t - p for t, p in zip(total, low, strict=True))
        return Windows(kernel, stride, dilation, low, high, output)
    if auto == "VALID":
        low = high = (0,) * count
    sizes = []
    for n, r, s, a, b in zip(spatial, reach, stride, low, high, strict=True):
        room = n + a + b - r
        if room < 0:
            at.error(f"a window of {r} pixels does not fit {n} of the input and {a + b} of padding")
        outputs = (-(-room // s) if ceil else room // s) + 1
        if ceil and (outputs - 1) * s >= n + a:  # a window that would start in the padding behind
            outputs -= 1
        sizes.append(outputs)
    return Windows(kernel, stride, dilation, low, high, tuple(sizes))


def counts(w: Windows, spatial: tuple[int, ...], padding: bool) -> np.ndarray:
    """How many pixels of each window lie inside the input, or with ``padding`` inside its borders, too."""
    total = np.ones((1,) * len(spatial), np.int64)
    for i, n in enumerate(spatial):
        first = np.arange(w.output[i]) * w.stride[i] - w.low[i]
        places = first[:, None] + np.arange(w.kernel[i]) * w.dilation[i]
        low, high = (-w.low[i], n + w.high[i]) if padding else (0, n)
        inside = ((places >= low) & (places < high)).sum(1)
        total = total * inside.reshape((1,) * i + (-1,) + (1,) * (len(spatial) - 1 - i))
    return total
