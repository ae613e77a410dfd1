"""Slices, gathering and scattering, selection."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyconv.interop.onnx.operators.shape import permuted, reshaped
from pyconv.interop.onnx.registry import Call, foreign, numpy, operator
from pyconv.ops import elementwise as E
from pyconv.tensor import Tensor


def checked(at: Call, index: np.ndarray, size: int, name: str = "indices") -> np.ndarray:
    """Whole numbers of [-size, size), counted from the front."""
    index = index.astype(np.int64)
    if index.size and (index.min() < -size or index.max() >= size):
        bad = index[(index < -size) | (index >= size)].reshape(-1)[0]
        at.error(f"{name} holds {bad}, expected {-size} to {size - 1}")
    return np.where(index < 0, index + size, index)


@operator("Slice", wide=False, settings=(1, 2, 3, 4))
def slice_(at: Call, x: Any, starts: Any = None, ends: Any = None, axes: Any = None, steps: Any = None) -> Any:
    """x[start:end:step] along some axes."""
    low = at["starts"] if starts is None else at.ints(starts, "starts")
    high = at["ends"] if ends is None else at.ints(ends, "ends")
    given = at["axes"] if axes is None else at.ints(axes, "axes")
    chosen = tuple(range(len(low))) if given is None else at.axes(given, x.ndim)
    step = (1,) * len(low) if steps is None else at.ints(steps, "steps")
    if not len(low) == len(high) == len(chosen) == len(step) or len(low) > x.ndim:
        at.error(f"starts, ends, axes and steps have {len(low)}, {len(high)}, {len(chosen)} and {len(step)} entries, "
                 f"expected equal numbers of at most {x.ndim}")
    if 0 in step:
        at.error(f"steps is {step}, expected no 0")
    key = [slice(None)] * x.ndim
    for axis, a, b, s in zip(chosen, low, high, step, strict=True):
        n = x.shape[axis]
        a, b = (a + n if a < 0 else a), (b + n if b < 0 else b)
        a, b = (min(max(a, 0), n), min(max(b, 0), n)) if s > 0 else (min(max(a, 0), n - 1), min(max(b, -1), n - 1))
        if isinstance(x, Tensor) and s < 0:
            x = x.index_select(axis, np.arange(a, b, s))
        else:
            key[axis] = slice(a, None if b < 0 else b, s)
    return x[tuple(key)]


@operator("Gather", wide=False, settings=(1,))
def gather(at: Call, x: Any, indices: Any) -> Any:
    """Slices of x along an axis."""
    axis = at.axis(at["axis"], x.ndim)
    index = checked(at, indices, x.shape[axis])
    at.bound((*x.shape[:axis], *index.shape, *x.shape[axis + 1:]), x.dtype)
    if not isinstance(x, Tensor):
        return np.take(x, index, axis)
    y = x.index_select(axis, index.reshape(-1))
    return reshaped(y, (*x.shape[:axis], *index.shape, *x.shape[axis + 1:]))


def _grid(index: np.ndarray, axis: int) -> tuple[Any, ...]:
    """An index that is its own position in all axes but one."""
    places: list[Any] = list(np.indices(index.shape, sparse=True))
    places[axis] = index
    return tuple(places)


@operator("GatherElements", wide=False, settings=(1,))
def gather_elements(at: Call, x: Any, indices: Any) -> Any:
    """y[i][j] = x[indices[i][j]][j]."""
    axis = at.axis(at["axis"], x.ndim)
    _same_but(at, x.shape, indices.shape, axis)
    return x[_grid(checked(at, indices, x.shape[axis]), axis)]


def _same_but(at: Call, x: Any, index: Any, axis: int) -> None:
    if len(x) != len(index) or any(m > n for i, (m, n) in enumerate(zip(index, x, strict=True)) if i != axis):
        at.error(f"indices have shape {tuple(index)}, which does not lie in that of x, {tuple(x)}, outside axis {axis}")


def _nd(at: Call, shape: tuple[int, ...], indices: np.ndarray, batch: int) -> tuple[np.ndarray, ...]:
    """Index arrays for the axes that the last axis of ``indices`` names, after ``batch`` common ones."""
    depth = indices.shape[-1] if indices.ndim else 0
    if not 0 < depth <= len(shape) - batch or not 0 <= batch < indices.ndim or shape[:batch] != indices.shape[:batch]:
        at.error(f"indices have shape {indices.shape} for x of shape {shape} and {batch} batch axes")
    named = [checked(at, indices[..., i], shape[batch + i]) for i in range(depth)]
    lead = [np.arange(n).reshape((1,) * i + (n,) + (1,) * (indices.ndim - 2 - i)) for i, n in enumerate(shape[:batch])]
    return (*lead, *named)


@operator("GatherND", wide=False, settings=(1,))
def gather_nd(at: Call, x: Any, indices: Any) -> Any:
    """y[i...] = x[indices[i...]]."""
    key = _nd(at, tuple(x.shape), indices, at["batch_dims"] or 0)
    at.bound((*indices.shape[:-1], *x.shape[len(key):]), x.dtype)
    return x[key]


_COMBINE = {"none": None, "add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}


def _scattered(at: Call, x: Any, key: tuple[Any, ...], updates: Any) -> Any:
    """A copy of x with values put or combined into it; only putting and adding know a gradient."""
    word = at["reduction"] or "none"
    if word not in _COMBINE:
        at.error(f"reduction is {word!r}, expected {', '.join(_COMBINE)}")
    if isinstance(x, Tensor) and word == "none":
        y = x.clone()
        y[key] = updates
        return y
    y = numpy(x).copy()
    combine = _COMBINE[word]
    if combine is None:
        y[key] = updates
        return y
    combine.at(y, key, numpy(updates))
    return foreign(at, y, x, updates)


@operator("ScatterElements", "Scatter", wide=False, settings=(1,))
def scatter_elements(at: Call, x: Any, indices: Any, updates: Any) -> Any:
    """y = x, but y[indices[i][j]][j] = updates[i][j]."""
    axis = at.axis(at["axis"], x.ndim)
    _same_but(at, x.shape, indices.shape, axis)
    if tuple(updates.shape) != indices.shape:
        at.error(f"updates have shape {tuple(updates.shape)}, expected that of indices, {indices.shape}")
    return _scattered(at, x, _grid(checked(at, indices, x.shape[axis]), axis), updates)


@operator("ScatterND", wide=False, settings=(1,))
def scatter_nd(at: Call, x: Any, indices: Any, updates: Any) -> Any:
    """y = x, but y[indices[i...]] = updates[i...]."""
    key = _nd(at, tuple(x.shape), indices, 0)
    expected = (*indices.shape[:-1], *x.shape[len(key):])
    if tuple(updates.shape) != expected:
        at.error(f"updates have shape {tuple(updates.shape)}, expected {expected}")
    return _scattered(at, x, key, updates)


@operator("OneHot", settings=(1, 2), wide=False)
def one_hot(at: Call, indices: Any, depth: Any, values: Any) -> Any:
    """A new axis with the second value at the index and the first elsewhere."""
    count = int(at.scalar(depth, "depth"))
    if count < 1 or values.shape != (2,):
        at.error(f"depth is {count} and values has shape {tuple(values.shape)}, expected at least 1 and (2,)")
    places, pair = numpy(indices), numpy(values)
    axis = at.axis(at["axis"], places.ndim + 1)
    at.bound((*places.shape, count), values.dtype)
    whole = places.astype(np.int64)
    whole = np.where(whole < 0, whole + count, whole)
    hot = np.expand_dims(whole, axis) == np.arange(count).reshape((count,) + (1,) * (places.ndim - axis))
    return np.where(hot, pair[1], pair[0]).astype(pair.dtype)


@operator("NonZero", wide=False)
def non_zero(at: Call, x: Any) -> Any:
    """The indices of the elements that are not 0, one row per axis."""
    at.bound((max(x.ndim, 1), numpy(x).size), np.int64)
    return np.asarray(np.nonzero(np.atleast_1d(numpy(x))), np.int64)


@operator("Compress", wide=False, settings=(1,))
def compress(at: Call, x: Any, condition: Any) -> Any:
    """The slices along an axis, or the elements, where a condition holds."""
    if at["axis"] is None:
        x, axis = reshaped(x, (-1,)), 0
    else:
        axis = at.axis(at["axis"], x.ndim)
    if condition.ndim != 1 or condition.size > x.shape[axis]:
        at.error(f"condition has shape {condition.shape}, expected at most {x.shape[axis]} elements")
    index = np.nonzero(condition)[0]
    return x.index_select(axis, index) if isinstance(x, Tensor) else np.take(x, index, axis)


@operator("Trilu", wide=False, settings=(1,))
def trilu(at: Call, x: Any, k: Any = None) -> Any:
    """The upper or lower triangle of the last two axes, zeros elsewhere."""
    if x.ndim < 2:
        at.error(f"input has {x.ndim} axes, expected at least 2")
    rows, columns = x.shape[-2:]
    offset = 0 if k is None else int(np.clip(at.scalar(k, "k"), -rows - 1, columns + 1))
    at.bound((rows, columns), np.int64)
    distance = np.arange(columns) - np.arange(rows)[:, None]
    keep = distance >= offset if at.flag("upper") else distance <= offset
    return E.where(keep, x, 0.0) if isinstance(x, Tensor) else np.where(keep, x, np.zeros((), x.dtype))


@operator("TopK", wide=False, settings=(1,))
def top_k(at: Call, x: Any, k: Any = None) -> Any:
    """The k largest or smallest elements along an axis, and their indices."""
    count = at["k"] if k is None else int(at.scalar(k, "k"))
    axis = at.axis(at["axis"], x.ndim)
    if not 0 <= count <= x.shape[axis]:
        at.error(f"k is {count}, expected 0 to {x.shape[axis]}")
    values = numpy(x)
    largest = at["largest"] is None or at.flag("largest")
    # Reversed twice, so that of equal elements the first comes first.
    order = (np.flip(values.shape[axis] - 1 - np.argsort(np.flip(values, axis), axis, kind="stable"), axis) if largest
             else np.argsort(values, axis, kind="stable"))
    index = order.take(range(count), axis)
    return x[_grid(index, axis)], index.astype(np.int64)


@operator("CumSum", settings=(1,))
def cum_sum(at: Call, x: Any, axis: Any) -> Any:
    """Sums up to each element, along an axis."""
    along = at.axis(int(at.scalar(axis, "axis")), x.ndim)
    values = numpy(x)
    if at.flag("reverse"):
        values = np.flip(values, along)
    y = values.cumsum(along, dtype=values.dtype)
    if at.flag("exclusive"):
        y = np.roll(y, 1, along)
        y[(slice(None),) * along + (slice(0, 1),)] = 0
    return foreign(at, np.ascontiguousarray(np.flip(y, along)) if at.flag("reverse") else y, x)


@operator("ReverseSequence", wide=False, settings=(1,))
def reverse_sequence(at: Call, x: Any, lengths: Any) -> Any:
    """The first elements of each sequence, as many as its length says, in reverse order."""
    time, batch = at.axis(at["time_axis"], x.ndim, "time_axis"), at.axis(at["batch_axis"], x.ndim, "batch_axis")
    if {time, batch} != {0, 1} or lengths.shape != (x.shape[batch],):
        at.error(f"time_axis and batch_axis are {time} and {batch} and sequence_lens has shape {lengths.shape}, expected "
                 f"0 and 1 and one length per sequence")
    steps = np.arange(x.shape[time])[:, None]
    if lengths.size and (lengths.min() < 0 or lengths.max() > x.shape[time]):
        at.error(f"sequence_lens holds a length outside 0 to {x.shape[time]}")
    index = np.where(steps < lengths, lengths - 1 - steps, steps)
    order = (time, batch, *range(2, x.ndim))
    y = permuted(x, order)[index, np.arange(x.shape[batch])[None, :]]
    return permuted(y, order)


@operator("Unique", wide=False)
def unique(at: Call, x: Any) -> Any:
    """The different elements or slices, with first indices, positions and counts."""
    axis = None if at["axis"] is None else at.axis(at["axis"], x.ndim)
    values, first, inverse, counts = np.unique(numpy(x), True, True, True, axis=axis)
    inverse = inverse.reshape(-1)
    if not at.flag("sorted"):
        order = np.argsort(first)
        rank = np.empty_like(order)
        rank[order] = np.arange(order.size)
        values, first, inverse, counts = values.take(order, axis or 0), first[order], rank[inverse], counts[order]
    whole = [a.astype(np.int64) for a in (first, inverse, counts)]
    return (foreign(at, values, x), *whole)

