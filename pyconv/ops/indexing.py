"""``x[...]`` and ``x[...] = values``.

Whole numbers, slices with positive steps, None and Ellipsis give a view. Tensors, arrays and lists of whole numbers
or bools give a copy: they are applied to the view that the others make (as in torch), broadcast against each other,
and their axes stand where the first of them stood if they are neighbours, else in front.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pyconv._backend import core
from pyconv.errors import ShapeError
from pyconv.ops.arguments import axis_of, dtype_of
from pyconv.ops.inplace import inplace
from pyconv.ops.operands import BOOL, broadcast
from pyconv.ops.shape import array_of, expand
from pyconv.tensor import Array, Op, Record, Shape, Tensor, apply

# A plain index has one entry per axis of x, or None for a new axis: an int, or (start, stop, step).
Plain = tuple[Any, ...]


def _numpy_index(index: Plain) -> tuple[Any, ...]:
    # The Ellipsis keeps a view where all entries are ints.
    return (*[slice(*e) if isinstance(e, tuple) else e for e in index], Ellipsis)


def _plain_shape(index: Plain) -> Shape:
    return tuple([1 if e is None else len(range(*e)) for e in index if not isinstance(e, int)])


class Index(Op):
    """y = x[index], by whole numbers and slices: a view."""

    name = "index"
    view = True

    @staticmethod
    def infer(shapes, index):
        return Record((_plain_shape(index),))

    @staticmethod
    def forward(ctx, x, index):
        ctx.extra = x.shape
        return x[_numpy_index(index)]

    @staticmethod
    def backward(ctx, gy):
        gx = core.full(ctx.extra, gy.dtype, 0, ctx.channels_last)
        core.assign(gx[_numpy_index(ctx.attrs["index"])], gy)
        return (gx,)


class Gather(Op):
    """y[..., j..., ...] = x[..., i[j], ...]: index arrays for some axes, their own axes at ``position``."""

    name = "gather"

    @staticmethod
    def infer(shapes, axes, position):
        x, index = shapes[0], _common_shape(shapes[1:])
        rest = [n for i, n in enumerate(x) if i not in axes]
        return Record(((*rest[:position], *index, *rest[position:]),))

    @staticmethod
    def forward(ctx, x, *indices, axes, position):
        dense = _dense(indices)
        ctx.extra = (x.shape, dense)
        return core.gather(x, axes, dense, position, ctx.channels_last)

    @staticmethod
    def backward(ctx, gy):
        (shape, dense), position = ctx.extra, ctx.attrs["position"]
        gx = core.full(shape, gy.dtype, 0, ctx.channels_last)
        core.scatter(gx, ctx.attrs["axes"], dense, _index_first(gy, position, dense[0].ndim), True)
        return (gx,) + (None,) * (len(ctx.needs) - 1)


class Put(Op):
    """x[index] = v, in x's own memory. The overwritten elements get no gradient."""

    name = "setitem"

    @staticmethod
    def infer(shapes, index, axes, position, indices):
        return Record((shapes[0],))

    @staticmethod
    def forward(ctx, x, v, out, index, axes, position, indices):
        ctx.extra = (v.shape, v.dtype)
        put(out, v, index, axes, indices, position)
        return out

    @staticmethod
    def backward(ctx, gy):
        shape, dtype = ctx.extra
        index, axes, position, indices = (ctx.attrs[k] for k in ("index", "axes", "position", "indices"))
        gx = gv = None
        if ctx.needs[0]:
            gx = core.copy(gy, ctx.channels_last)
            put(gx, np.zeros((), gx.dtype), index, axes, indices, position)
        if ctx.needs[1]:
            part = gy[_numpy_index(index)]
            if axes:
                part = core.gather(part, axes, indices, position, ctx.channels_last)
            if part.shape != shape:
                part = core.sum_to_shape(part, shape, ctx.channels_last)
            gv = part if part.dtype == dtype else core.cast(part, dtype, ctx.channels_last)
        return gx, gv


def put(x: Array, v: Array, index: Plain, axes: tuple[int, ...], indices: Any, position: int) -> None:
    """x[index] = v, in C++."""
    target = x[_numpy_index(index)]
    if not axes:
        core.assign(target, v)
        return
    # v broadcasts to the shape of x[index], whose index axes stand at `position`.
    lead = indices[0].ndim
    missing = lead + target.ndim - len(axes) - v.ndim
    if missing >= 0:
        v = _index_first(v.reshape((1,) * missing + v.shape), position, lead)
    core.scatter(target, axes, indices, v, False)


def _index_first(array: Array, position: int, lead: int) -> Array:
    order = [*range(position, position + lead), *range(position), *range(position + lead, array.ndim)]
    return array.transpose(order)


def _common_shape(shapes: Any) -> Shape:
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        text = ", ".join(map(str, shapes))
        raise ShapeError(f"[index] index arrays of shapes {text} do not broadcast") from None


def _dense(indices: Any) -> list[Array]:
    shape = _common_shape([i.shape for i in indices])
    return [core.cast(np.broadcast_to(i, shape), np.dtype("int64"), False) for i in indices]


def parse(shape: Shape, key: Any, op: str = "index") -> tuple[Plain, tuple[int, ...], list[Array], int]:
    """A key in parts: the plain index, then the axes of its result that arrays index, these arrays, and the place of
    their axes in the final result."""
    entries = list(key) if isinstance(key, tuple) else [key]
    entries = [_entry(e, op) for e in entries]
    used = sum(e.ndim if _is_mask(e) else 1 for e in entries if e is not None and e is not Ellipsis)
    if sum(e is Ellipsis for e in entries) > 1:
        raise IndexError(f"[{op}] the index has more than one Ellipsis")
    if used > len(shape):
        raise IndexError(f"[{op}] the index names {used} axes, x has {len(shape)} (x: {shape})")
    at = next((i for i, e in enumerate(entries) if e is Ellipsis), len(entries))
    entries[at:at + 1] = [slice(None)] * (len(shape) - used)
    plain: list[Any] = []
    axes: list[int] = []
    arrays: list[Array] = []
    axis = out = 0  # of x, and of the plain index's result
    for e in entries:
        if e is None:
            plain.append(None)
            out += 1
        elif isinstance(e, int):
            plain.append(axis_index(e, shape, axis, op))
            axis += 1
        elif isinstance(e, slice):
            plain.append(_slice(e, shape[axis], op))
            axis, out = axis + 1, out + 1
        else:
            parts = _mask(e, shape, axis, op) if _is_mask(e) else [e]
            for part in parts:
                plain.append((0, shape[axis], 1))
                axes.append(out)
                arrays.append(part)
                axis, out = axis + 1, out + 1
    neighbours = bool(axes) and axes == list(range(axes[0], axes[0] + len(axes)))
    return tuple(plain), tuple(axes), arrays, axes[0] if neighbours else 0


def axis_index(i: int, shape: Shape, axis: int, op: str) -> int:
    """``i`` on an axis, counted from its start; IndexError outside it."""
    n = shape[axis]
    if not -n <= i < n:
        raise IndexError(f"[{op}] index {i} is out of range for axis {axis} of size {n}")
    return i + n if i < 0 else i


def _entry(e: Any, op: str) -> Any:
    if e is None or e is Ellipsis or isinstance(e, slice):
        return e
    if isinstance(e, (bool, np.bool_)):
        raise TypeError(f"[{op}] the index holds {e}; index with a bool tensor, or with a whole number")
    if isinstance(e, (int, np.integer)):
        return int(e)
    array = e.array if isinstance(e, Tensor) else e
    if isinstance(e, (list, tuple, range)):
        try:
            array = np.asarray(e)
        except ValueError:
            raise TypeError(f"[{op}] the index holds a list that is not rectangular") from None
        if array.size == 0:
            array = array.astype(np.int64)
    if not isinstance(array, np.ndarray):
        raise TypeError(f"[{op}] the index holds {type(e).__name__}, expected whole numbers, slices, None, Ellipsis, "
                        "or tensors of whole numbers or bools")
    if array.dtype.kind not in "iub":
        raise TypeError(f"[{op}] an index has dtype {array.dtype}, expected whole numbers or bool")
    if array.dtype.name not in ("int64", "int32", "uint8", "bool"):
        array = array.astype(np.int64)
    return int(array) if array.ndim == 0 and array.dtype.kind != "b" else array


def _is_mask(e: Any) -> bool:
    return isinstance(e, np.ndarray) and e.dtype.kind == "b"


def _mask(mask: Array, shape: Shape, axis: int, op: str) -> list[Array]:
    if mask.ndim == 0:
        raise TypeError(f"[{op}] the index holds a bool without axes, expected one per element of an axis")
    covered = shape[axis:axis + mask.ndim]
    if mask.shape != covered:
        raise IndexError(f"[{op}] a bool index of shape {mask.shape} does not fit the axes {axis} to "
                         f"{axis + mask.ndim - 1} of x, of sizes {covered}")
    return list(np.nonzero(mask))


def _slice(s: slice, n: int, op: str) -> tuple[int, int, int]:
    try:
        start, stop, step = s.indices(n)
    except TypeError:
        raise TypeError(f"[{op}] {s} holds something else than whole numbers or None") from None
    except ValueError:
        step = 0
    if step < 1:
        raise ValueError(f"[{op}] a slice has step {s.step}, expected at least 1; use flip for the reverse order")
    return start, max(start, stop), step


def getitem(x: Tensor, key: Any) -> Tensor:
    """``x[key]``: see the module's text. Raises IndexError beyond an axis, TypeError for a key of another kind."""
    plain, axes, arrays, position = parse(x.shape, key)
    if not axes:
        return apply(Index, x, index=plain)
    if len(plain) != len(axes):
        x = apply(Index, x, index=plain)
    return apply(Gather, x, *arrays, axes=axes, position=position)


def setitem(x: Tensor, key: Any, values: Any) -> None:
    """``x[key] = values``, broadcast and converted. torch's rules: not for a leaf that requires a gradient, unless
    under `no_grad`; a value with a gradient makes x the result of a recorded operation."""
    plain, axes, arrays, position = parse(x.shape, key, "setitem")
    if isinstance(values, (bool, int, float, np.generic)):
        values = core.full((), x.dtype, values, False)
    elif isinstance(values, (list, tuple)):
        values = np.asarray(values)
    dtype_of(array_of(values, "setitem").dtype, "setitem")
    inplace(Put, "setitem", x, values, index=plain, axes=axes, position=position, indices=_dense(arrays))


def index_select(x: Any, dim: int, index: Any) -> Any:
    """The slices of x along an axis that a 1-D index names, in its order."""
    shape = array_of(x, "index_select").shape
    axis = axis_of(dim, max(len(shape), 1), "index_select")
    array = _entry(index, "index_select")
    if not isinstance(array, np.ndarray) or array.ndim != 1 or array.dtype.kind == "b":
        raise TypeError("[index_select] index is no 1-D tensor of whole numbers")
    if not shape:
        if array.size != 1:
            raise ShapeError(f"[index_select] index has {array.size} entries, expected 1 for a tensor without axes")
        return apply(Gather, x.reshape(1), array, axes=(0,), position=0).reshape(())
    return apply(Gather, x, array, axes=(axis,), position=axis)


def masked_select(x: Any, mask: Any) -> Any:
    """The elements where a bool mask holds, in C order, of x's shape or broadcasting with it."""
    shapes = []
    for name, value in (("x", x), ("mask", mask)):
        if not isinstance(value, (Tensor, np.ndarray)):
            raise TypeError(f"[masked_select] {name} is {type(value).__name__}, expected a Tensor or a numpy array")
        shapes.append(tuple(value.shape))
    if mask.dtype != BOOL:
        raise TypeError(f"[masked_select] mask has dtype {mask.dtype}, expected bool")
    shape = broadcast("masked_select", *shapes)
    wide, mask = (v if tuple(v.shape) == shape else expand(v, shape) for v in (x, mask))
    return getitem(wide, mask) if shape else getitem(wide.reshape(1), mask.reshape(1))


METHODS: dict = {
    "__getitem__": getitem, "__setitem__": setitem, "index_select": index_select, "masked_select": masked_select,
}
