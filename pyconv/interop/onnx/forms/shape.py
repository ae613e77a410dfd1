"""Views, joining, indexing."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyconv.interop.onnx.trace import Step, form

_LAST = 2**63 - 1
_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@form("view", "reshape")
def reshape(s: Step) -> Any:
    """x under another shape."""
    return s.node("Reshape", s.x, s.ints(s.outputs[0].shape, "reshape"), allowzero=int(0 in s.outputs[0].shape) or None)


@form("contiguous")
def contiguous(s: Step) -> Any:
    """Memory order is none of the format's business."""
    return s.x


@form("permute")
def permute(s: Step) -> Any:
    """The axes in another order."""
    return s.node("Transpose", s.x, perm=list(s.attrs["dims"]))


@form("expand")
def expand(s: Step) -> Any:
    """Axes of size 1 repeated; those that stay are 1, which broadcasts to what they are."""
    have, want = s.inputs[0].shape, s.outputs[0].shape
    added = len(want) - len(have)
    return s.node("Expand", s.x, s.ints([1 if i >= added and have[i - added] == n else n for i, n in enumerate(want)]))


@form("split")
def split(s: Step) -> Any:
    """Pieces along an axis."""
    sizes, axis = s.attrs["sizes"], s.attrs["dim"]
    if len(sizes) == 1:
        return s.x
    return s.node("Split", s.x, s.ints(sizes), outputs=len(sizes), axis=axis)


@form("to")
def cast(s: Step) -> Any:
    """Another type."""
    return s.cast(s.x, s.dtype, s.attrs["dtype"])


@form("cat")
def cat(s: Step) -> Any:
    """One after the other."""
    dtype = s.outputs[0].dtype
    names = [s.cast(n or "", x.dtype, dtype) for n, x in zip(s.names, s.inputs, strict=True)]
    return s.node("Concat", *names, axis=s.attrs["dim"])


@form("pad")
def pad(s: Step) -> Any:
    """Borders."""
    mode = _MODES[s.attrs["mode"]]
    if mode == "wrap" and s.opset < 19:
        s.error("mode circular needs opset_version 19")
    fill = s.number(s.attrs.get("value", 0)) if mode == "constant" else None
    return s.node("Pad", s.x, s.ints([*s.attrs["lo"], *s.attrs["hi"]]), fill, mode=mode)


@form("index")
def index(s: Step) -> Any:
    """Whole numbers, slices and new axes."""
    shape, axis = s.inputs[0].shape, 0
    slices: list[tuple[int, int, int, int]] = []
    squeeze: list[int] = []
    unsqueeze: list[int] = []
    out = 0
    for entry in s.attrs["index"]:
        if entry is None:
            unsqueeze.append(out)
            out += 1
        elif isinstance(entry, int):
            slices.append((entry, entry + 1, axis, 1))
            squeeze.append(axis)
            axis += 1
        else:
            start, stop, step = entry
            if (start, step) != (0, 1) or stop < shape[axis]:
                slices.append((start, _LAST if stop >= shape[axis] else stop, axis, step))
            axis, out = axis + 1, out + 1
    y = s.x
    if slices:
        starts, stops, axes, steps = zip(*slices, strict=True)
        y = s.node("Slice", y, s.ints(starts), s.ints(stops), s.ints(axes), s.ints(steps))
    if squeeze:
        y = s.node("Squeeze", y, s.ints(squeeze))
    return s.node("Unsqueeze", y, s.ints(unsqueeze)) if unsqueeze else y


@form("gather")
def gather(s: Step) -> Any:
    """An index array for one axis, or for the first axes."""
    axes, position = s.attrs["axes"], s.attrs["position"]
    index = [s.cast(n or "", np.dtype("int64") if x.dtype.kind not in "iu" else x.dtype, np.int64)
             for n, x in zip(s.names[1:], s.inputs[1:], strict=True)]
    if len(axes) == 1 and position == axes[0]:
        return s.node("Gather", s.x, index[0], axis=axes[0])
    if axes != tuple(range(len(axes))) or position != 0:
        s.error("index arrays for axes that are not the first ones")
    shape = s.outputs[0].shape[:len(s.outputs[0].shape) - len(s.inputs[0].shape) + len(axes)]
    full = [s.node("Expand", n, s.ints(shape)) for n in index]
    return s.node("GatherND", s.x, s.node("Concat", *[s.node("Unsqueeze", n, s.ints([-1])) for n in full], axis=-1))
