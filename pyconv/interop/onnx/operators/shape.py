"""Shapes: views, joining, splitting, repeating."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyconv.interop.onnx.operators.broadcast import broadcast_shape
from pyconv.interop.onnx.registry import Call, numpy, operator
from pyconv.ops import join
from pyconv.ops import shape as S
from pyconv.tensor import Tensor


def reshaped(x: Any, shape: tuple[int, ...]) -> Any:
    """x under another shape."""
    return S.reshape(x, shape) if isinstance(x, Tensor) else x.reshape(shape)


def permuted(x: Any, order: tuple[int, ...]) -> Any:
    """x with its axes in another order."""
    return S.permute(x, order) if isinstance(x, Tensor) else x.transpose(order)


def concatenated(at: Call, values: list[Any], axis: int) -> Any:
    """The values one after the other."""
    shape = list(values[0].shape)
    for i, v in enumerate(values):
        if v.ndim != len(shape) or any(a != b for k, (a, b) in enumerate(zip(v.shape, shape, strict=True)) if k != axis):
            at.error(f"input {i} has shape {tuple(v.shape)}, which differs from {tuple(values[0].shape)} (input 0) "
                     f"outside axis {axis}")
    shape[axis] = sum(v.shape[axis] for v in values)
    at.bound(shape, values[0].dtype)
    return join.cat(values, axis) if isinstance(values[0], Tensor) else np.concatenate(values, axis)


@operator("Reshape", wide=False, settings=(1,))
def reshape(at: Call, x: Any, shape: Any) -> Any:
    """x under another shape: -1 is what is left, 0 the size of x unless allowzero says that it is 0."""
    wanted = list(at.ints(shape, "shape"))
    if not at.flag("allowzero"):
        for i, n in enumerate(wanted):
            if n == 0:
                if i >= x.ndim:
                    at.error(f"shape {tuple(wanted)} keeps axis {i}, but x has {x.ndim} axes")
                wanted[i] = x.shape[i]
    elif 0 in wanted and -1 in wanted:
        at.error(f"shape {tuple(wanted)} holds both 0 and -1")
    known = math.prod(n for n in wanted if n != -1)
    if wanted.count(-1) > 1 or any(n < -1 for n in wanted):
        at.error(f"shape is {tuple(wanted)}, expected sizes and at most one -1")
    count = math.prod(x.shape)
    if -1 in wanted:
        if known == 0 and count:
            at.error(f"shape {tuple(wanted)} does not fit x, which has shape {tuple(x.shape)}")
        wanted[wanted.index(-1)] = count // known if known else 0
    if math.prod(wanted) != count:
        at.error(f"shape {tuple(wanted)} does not fit x, which has shape {tuple(x.shape)}")
    return reshaped(x, at.bound(wanted, np.bool_))


@operator("Flatten", wide=False)
def flatten(at: Call, x: Any) -> Any:
    """A matrix: the axes before ``axis``, and those from there on."""
    axis = at["axis"]
    if not -x.ndim <= axis <= x.ndim:
        at.error(f"axis is {axis}, expected {-x.ndim} to {x.ndim}")
    axis = axis + x.ndim if axis < 0 else axis
    return reshaped(x, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


@operator("Transpose", wide=False)
def transpose(at: Call, x: Any) -> Any:
    """The axes in another order, by default reversed."""
    perm = at["perm"]
    if perm is None:
        return permuted(x, tuple(range(x.ndim))[::-1])
    if sorted(perm) != list(range(x.ndim)):
        at.error(f"perm is {perm}, expected each of 0 to {x.ndim - 1} once")
    return permuted(x, tuple(perm))


@operator("Squeeze", wide=False, settings=(1,))
def squeeze(at: Call, x: Any, axes: Any = None) -> Any:
    """Without the axes given, of size 1; by default without all of these."""
    given = at["axes"] if axes is None else at.ints(axes, "axes")
    if given is None:
        return reshaped(x, tuple(n for n in x.shape if n != 1))
    drop = at.axes(given, x.ndim)
    for axis in drop:
        if x.shape[axis] != 1:
            at.error(f"axis {axis} has size {x.shape[axis]}, expected 1")
    return reshaped(x, tuple(n for i, n in enumerate(x.shape) if i not in drop))


@operator("Unsqueeze", wide=False, settings=(1,))
def unsqueeze(at: Call, x: Any, axes: Any = None) -> Any:
    """With new axes of size 1, numbered as in the result."""
    given = at["axes"] if axes is None else at.ints(axes, "axes")
    if x.ndim + len(given) > 8:
        at.error(f"the result would have {x.ndim + len(given)} axes, expected at most 8")
    new = at.axes(given, x.ndim + len(given))
    sizes = iter(x.shape)
    return reshaped(x, tuple(1 if i in new else next(sizes) for i in range(x.ndim + len(new))))


@operator("Concat", wide=False)
def concat(at: Call, *values: Any) -> Any:
    """The inputs one after the other along an axis."""
    if values[0].ndim == 0:
        at.error("input 0 has no axes")
    return concatenated(at, list(values), at.axis(at["axis"], values[0].ndim))


@operator("Split", wide=False, settings=(1,))
def split(at: Call, x: Any, sizes: Any = None) -> Any:
    """Pieces along an axis: of given sizes, or as many as there are outputs."""
    axis = at.axis(at["axis"], x.ndim)
    given = at["split"] if sizes is None else at.ints(sizes, "split")
    total, count = x.shape[axis], len(at.node.outputs)
    if given is None:
        parts = at["num_outputs"] or count
        if parts != count:
            at.error(f"num_outputs is {parts}, but the node has {count} outputs")
        each = -(-total // parts)
        if at["num_outputs"] is None and total % parts:
            at.error(f"axis {axis} has size {total}, which {parts} equal pieces do not make up")
        given = [max(0, min(each, total - i * each)) for i in range(parts)]
    elif at["num_outputs"] is not None:
        at.error("split and num_outputs are both given")
    if len(given) != count or min(given, default=0) < 0 or sum(given) != total:
        at.error(f"split is {tuple(given)}, expected {count} sizes whose sum is {total}")
    if isinstance(x, Tensor):
        return S.split(x, list(given), axis)
    ends = np.cumsum(given)[:-1]
    return tuple(np.split(x, ends, axis))


@operator("Expand", wide=False, settings=(1,))
def expand(at: Call, x: Any, shape: Any) -> Any:
    """x broadcast with a shape."""
    full = broadcast_shape(at, (x.shape, at.bound(at.ints(shape, "shape"), np.bool_)), x.dtype)
    return S.expand(x, full) if isinstance(x, Tensor) else np.broadcast_to(x, full).copy()


@operator("Tile", wide=False, settings=(1,))
def tile(at: Call, x: Any, repeats: Any) -> Any:
    """x repeated along its axes."""
    counts = at.ints(repeats, "repeats")
    if len(counts) != x.ndim or min(counts, default=0) < 0:
        at.error(f"repeats is {counts}, expected {x.ndim} numbers of at least 0")
    at.bound([n * c for n, c in zip(x.shape, counts, strict=True)], x.dtype)
    if not isinstance(x, Tensor):
        return np.tile(x, counts)
    for axis, count in enumerate(counts):
        if count != 1:
            at.bound([n * count if i == axis else n for i, n in enumerate(x.shape)], x.dtype)
            x = x.index_select(axis, np.arange(x.shape[axis] * count) % max(1, x.shape[axis]))
    return x


@operator("Shape", wide=False)
def shape_of(at: Call, x: Any) -> Any:
    """The sizes of the axes, or of those from ``start`` to ``end``."""
    return np.asarray(x.shape[slice(at["start"], at["end"])], np.int64)


@operator("Size", wide=False)
def size_of(at: Call, x: Any) -> Any:
    """The number of elements."""
    return np.asarray(numpy(x).size, np.int64)
