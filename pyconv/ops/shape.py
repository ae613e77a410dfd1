"""Views, and changes of memory order and type.

What shares memory with what:

=======================  =======================================================================================
call on a Tensor         memory of the result
=======================  =======================================================================================
any op, rank 4 or 5      channels-last (N, H, W, C in memory), whatever the order of its inputs; also with C = 1
                         and 1x1 maps, where the strides could be read either way
any op, other ranks      C order (an unbatched C, H, W is rank 3: C order)
view, reshape, flatten   the same memory where strides can say it; else a copy, counted by `runtime.memory()`
permute, transpose, T,   always the same memory
squeeze, unsqueeze,
expand, chunk, split,
basic indexing, detach
contiguous()             C order, as in torch: the tensor itself if it has that order already, else a copy
contiguous(              channels-last: the tensor itself if it has that order already, else a copy
memory_format=
channels_last)
cat, stack, pad, clone   new memory, by the first two rules
from_numpy, numpy()      shared, in the order it has; `tensor` copies, by the first two rules
=======================  =======================================================================================

An op called on plain numpy arrays alone returns a numpy array in C order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pyconv._backend import core
from pyconv.errors import ShapeError
from pyconv.ops.arguments import axis_of, only, size_of, whole, wholes
from pyconv.tensor import Array, Op, Record, Shape, Tensor, apply

FORMATS = ("contiguous_format", "channels_last", "channels_last_3d", "preserve_format")


def ordered(array: Array, channels_last: bool) -> Array:
    """The array itself if its memory has the order asked for, else a (counted) copy."""
    return array if is_ordered(array, channels_last) else core.copy(array, channels_last)


def is_ordered(array: Array, channels_last: bool) -> bool:
    """Whether the memory is dense, channels-last (ranks 4 and 5) or in C order."""
    if channels_last and array.ndim in (4, 5):
        return array.transpose(0, *range(2, array.ndim), 1).flags.c_contiguous
    return array.flags.c_contiguous


def resolve(shape: Shape, wanted: Shape, op: str) -> Shape:
    """``wanted`` with its one -1 replaced; ShapeError unless it has as many elements as ``shape``."""
    size = size_of(shape, op)
    if wanted.count(-1) > 1:
        raise ShapeError(f"[{op}] shape {wanted} has more than one -1")
    if any(n < -1 for n in wanted):
        raise ShapeError(f"[{op}] shape {wanted} has a negative size")
    known = 1
    for n in wanted:
        known *= 1 if n == -1 else n
    if -1 in wanted:
        if known == 0:
            raise ShapeError(f"[{op}] shape {wanted}: -1 could be any size, the others multiply to 0")
        if size % known == 0:
            return tuple([size // known if n == -1 else n for n in wanted])
    elif known == size:
        return wanted
    raise ShapeError(f"[{op}] shape {wanted} does not fit x, which has shape {shape} ({size} elements)")


def _reshaped(array: Array, shape: Shape) -> Array:
    view = core.reshaped(array, shape)
    if view is None:
        view = core.reshaped(core.copy(array, False), shape)
        assert view is not None  # C order takes any shape
    return view


class View(Op):
    """y = x under another shape, the elements in C order; the same memory."""

    name = "view"
    view = True

    @staticmethod
    def infer(shapes, shape):
        return Record((resolve(shapes[0], shape, "view"),))

    @staticmethod
    def forward(ctx, x, shape):
        ctx.extra = x.shape
        return core.reshaped(x, ctx.record.shapes[0])

    @staticmethod
    def backward(ctx, gy):
        return (_reshaped(gy, ctx.extra),)


class Reshape(Op):
    """The same for memory whose strides cannot say the new shape: a copy."""

    name = "reshape"

    @staticmethod
    def infer(shapes, shape):
        return Record((resolve(shapes[0], shape, "reshape"),))

    @staticmethod
    def forward(ctx, x, shape):
        ctx.extra = x.shape
        return ordered(_reshaped(x, ctx.record.shapes[0]), ctx.channels_last)

    backward = View.backward


class Permute(Op):
    """y's axis i is x's axis dims[i]."""

    name = "permute"
    view = True

    @staticmethod
    def infer(shapes, dims):
        return Record((tuple([shapes[0][d] for d in dims]),))

    @staticmethod
    def forward(ctx, x, dims):
        return x.transpose(dims)

    @staticmethod
    def backward(ctx, gy):
        dims = ctx.attrs["dims"]
        return (gy.transpose(sorted(range(len(dims)), key=dims.__getitem__)),)


class Expand(Op):
    """y repeats x's axes of size 1, and new axes in front, without copying."""

    name = "expand"
    view = True

    @staticmethod
    def infer(shapes, shape):
        x = shapes[0]
        added = len(shape) - len(x)
        if added < 0:
            raise ShapeError(f"[expand] shape {shape} has {len(shape)} axes, x has {len(x)} (x: {x})")
        full = tuple([(x[i - added] if i >= added else -1) if n == -1 else n for i, n in enumerate(shape)])
        size_of(full, "expand")
        for i, n in enumerate(x):
            if n not in (1, full[i + added]):
                raise ShapeError(f"[expand] axis {i} of x has size {n}, which cannot become {full[i + added]} "
                                 f"(x: {x}, shape: {shape})")
        return Record((full,))

    @staticmethod
    def forward(ctx, x, shape):
        ctx.extra = x.shape
        return core.expanded(x, ctx.record.shapes[0])

    @staticmethod
    def backward(ctx, gy):
        return (core.sum_to_shape(gy, ctx.extra, ctx.channels_last),)


class Split(Op):
    """Consecutive pieces of x along an axis: views."""

    name = "split"
    view = True

    @staticmethod
    def infer(shapes, sizes, dim):
        x = shapes[0]
        if sum(sizes) != x[dim] or min(sizes, default=0) < 0:
            raise ShapeError(f"[split] sizes {sizes} do not add up to the {x[dim]} of axis {dim} (x: {x})")
        return Record(tuple([(*x[:dim], n, *x[dim + 1:]) for n in sizes]))

    @staticmethod
    def forward(ctx, x, sizes, dim):
        pieces, start = [], 0
        for n in sizes:
            pieces.append(x[(slice(None),) * dim + (slice(start, start + n),)])
            start += n
        return tuple(pieces)

    @staticmethod
    def backward(ctx, *gradients):
        given = next(g for g in gradients if g is not None)
        full = [core.full(shape, given.dtype, 0, ctx.channels_last) if g is None else g
                for g, shape in zip(gradients, ctx.record.shapes, strict=True)]
        return (core.concat(full, ctx.attrs["dim"], ctx.channels_last),)


class Contiguous(Op):
    """y = x, dense in C order or channels-last; new memory."""

    name = "contiguous"

    @staticmethod
    def infer(shapes, channels_last):
        return Record((shapes[0],))

    @staticmethod
    def forward(ctx, x, channels_last):
        return core.copy(x, channels_last)

    @staticmethod
    def backward(ctx, gy):
        return (gy,)


class Cast(Op):
    """y = x in another dtype: floats lose their fraction on the way to whole numbers, nonzero becomes True."""

    name = "to"

    @staticmethod
    def infer(shapes, dtype):
        return Record((shapes[0],), (np.dtype(dtype),))

    @staticmethod
    def forward(ctx, x, dtype):
        ctx.extra = x.dtype
        return core.cast(x, np.dtype(dtype), ctx.channels_last)

    @staticmethod
    def backward(ctx, gy):
        return (core.cast(gy, ctx.extra, ctx.channels_last),)


def to_dtype(x: Any, dtype: np.dtype) -> Any:
    """x in this dtype; x itself if it has it."""
    return x if x.dtype == dtype else apply(Cast, x, dtype=dtype.name)


def array_of(x: Any, op: str) -> Any:
    """x, if it is a Tensor or a numpy array; TypeError else."""
    if not isinstance(x, (Tensor, np.ndarray)):
        raise TypeError(f"[{op}] x is {type(x).__name__}, expected a Tensor or a numpy array")
    return x


def reshape(x: Any, *shape: Any) -> Any:
    """x under another shape, the elements in C order; one size may be -1. A copy only where strides demand it.

    Raises ShapeError when the numbers of elements differ.

    >>> import pyconv
    >>> pyconv.arange(6).reshape(2, -1).shape
    (2, 3)
    """
    wanted = wholes(shape, "reshape")
    full = resolve(array_of(x, "reshape").shape, wanted, "reshape")
    if len(full) > 8:
        raise ShapeError(f"[reshape] shape {wanted} has {len(full)} axes, expected at most 8")
    if isinstance(x, Tensor) and x.is_meta:
        return apply(View, x, shape=full)
    array = x.array if isinstance(x, Tensor) else x
    return apply(Reshape if core.reshaped(array, full) is None else View, x, shape=full)


def view(x: Any, *shape: Any) -> Any:
    """As `reshape`. Unlike torch's it copies where strides demand it (torch raises), and takes no dtype."""
    if len(shape) == 1 and not isinstance(shape[0], (tuple, list)):
        whole(shape[0], "view", "shape")
    return reshape(x, *shape)


def view_as(x: Any, other: Any) -> Any:
    """x under the shape of ``other``."""
    return reshape(x, tuple(array_of(other, "view_as").shape))


def permute(x: Any, *dims: Any) -> Any:
    """The axes in another order: result axis i is x's axis ``dims[i]``. The same memory."""
    rank = len(array_of(x, "permute").shape)
    order = tuple([axis_of(d, rank, "permute", "dims") for d in wholes(dims, "permute", "dims")])
    if sorted(order) != list(range(rank)):
        raise ShapeError(f"[permute] dims {dims} do not name each of the {rank} axes once (x: {x.shape})")
    return apply(Permute, x, dims=order)


def transpose(x: Any, dim0: int, dim1: int) -> Any:
    """x with two axes exchanged. The same memory."""
    rank = max(len(array_of(x, "transpose").shape), 1)
    a, b = axis_of(dim0, rank, "transpose", "dim0"), axis_of(dim1, rank, "transpose", "dim1")
    order = list(range(rank))
    order[a], order[b] = order[b], order[a]
    return apply(Permute, x, dims=tuple(order) if x.shape else ())


def reverse_axes(x: Any) -> Any:
    """``x.T``: the axes in reverse order."""
    return apply(Permute, x, dims=tuple(range(len(x.shape)))[::-1])


def squeeze(x: Any, dim: Any = None) -> Any:
    """Without the axes of size 1, or without those of them that ``dim`` (an int or a tuple) names."""
    shape = array_of(x, "squeeze").shape
    if dim is None:
        drop = set(range(len(shape)))
    else:
        dims = dim if isinstance(dim, (tuple, list)) else (dim,)
        drop = {axis_of(d, max(len(shape), 1), "squeeze") for d in dims}
    return apply(View, x, shape=tuple([n for i, n in enumerate(shape) if n != 1 or i not in drop]))


def unsqueeze(x: Any, dim: int) -> Any:
    """With a new axis of size 1 before axis ``dim``."""
    shape = array_of(x, "unsqueeze").shape
    axis = axis_of(dim, len(shape) + 1, "unsqueeze")
    if len(shape) == 8:
        raise ShapeError("[unsqueeze] x has 8 axes, more are not supported")
    return apply(View, x, shape=(*shape[:axis], 1, *shape[axis:]))


def expand(x: Any, *sizes: Any) -> Any:
    """Axes of size 1 repeated (-1: as it is), new ones in front; a view, whose elements share memory.

    >>> import pyconv
    >>> pyconv.ones(3, 1).expand(-1, 4).shape
    (3, 4)
    """
    shape = wholes(sizes, "expand", "sizes")
    if len(shape) > 8:
        raise ShapeError(f"[expand] sizes {shape} has {len(shape)} axes, expected at most 8")
    return apply(Expand, array_of(x, "expand"), shape=shape)


def expand_as(x: Any, other: Any) -> Any:
    """x expanded to the shape of ``other``."""
    return expand(x, tuple(array_of(other, "expand_as").shape))


broadcast_to = expand


def flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Axes ``start_dim`` ... ``end_dim`` merged into one.

    >>> import pyconv
    >>> pyconv.flatten(pyconv.zeros(2, 3, 4, 4), 1).shape
    (2, 48)
    """
    shape = array_of(x, "flatten").shape
    if not shape:
        return reshape(x, 1)
    first = axis_of(start_dim, len(shape), "flatten", "start_dim")
    last = axis_of(end_dim, len(shape), "flatten", "end_dim")
    if first > last:
        raise ShapeError(f"[flatten] start_dim is {start_dim}, expected at most end_dim ({end_dim})")
    return reshape(x, (*shape[:first], size_of(shape[first:last + 1], "flatten"), *shape[last + 1:]))


def split(x: Any, split_size_or_sections: Any, dim: int = 0) -> tuple[Any, ...]:
    """Views of ``split_size`` (the last may be smaller), or of the sizes in a list, along an axis."""
    shape = array_of(x, "split").shape
    axis = axis_of(dim, len(shape), "split")
    if isinstance(split_size_or_sections, (tuple, list)):
        sizes = wholes([split_size_or_sections], "split", "split_size_or_sections")
    else:
        step = whole(split_size_or_sections, "split", "split_size_or_sections")
        if step < 1:
            raise ValueError(f"[split] split_size_or_sections is {step}, expected at least 1")
        sizes = tuple([min(step, shape[axis] - start) for start in range(0, shape[axis], step)] or [0])
    pieces = apply(Split, x, sizes=sizes, dim=axis)
    return pieces if isinstance(pieces, tuple) else (pieces,)


def chunk(x: Any, chunks: int, dim: int = 0) -> tuple[Any, ...]:
    """At most ``chunks`` views of equal size (the last may be smaller) along an axis."""
    shape = array_of(x, "chunk").shape
    axis, count = axis_of(dim, len(shape), "chunk"), whole(chunks, "chunk", "chunks")
    if count < 1:
        raise ValueError(f"[chunk] chunks is {count}, expected at least 1")
    if shape[axis] == 0:
        return split(x, [0] * count, axis)
    return split(x, -(-shape[axis] // count), axis)


def unbind(x: Any, dim: int = 0) -> tuple[Any, ...]:
    """The slices along an axis, without it."""
    axis = axis_of(dim, len(array_of(x, "unbind").shape), "unbind")
    return tuple([squeeze(piece, axis) for piece in split(x, 1, axis)]) if x.shape[axis] else ()


def _wants_channels_last(memory_format: Any, rank: int, op: str) -> bool:
    if memory_format not in FORMATS[:3]:
        raise ValueError(f"[{op}] memory_format is {memory_format!r}, expected one of {', '.join(FORMATS[:3])}")
    if memory_format == FORMATS[0]:
        return False
    expected = 4 if memory_format == "channels_last" else 5
    if rank != expected:
        raise ShapeError(f"[{op}] memory_format {memory_format} needs {expected} axes, x has {rank}")
    return True


def contiguous(x: Any, memory_format: str = "contiguous_format") -> Any:
    """x itself if its memory is dense in C order (or channels-last, if asked for), else a copy that is."""
    channels_last = _wants_channels_last(memory_format, len(array_of(x, "contiguous").shape), "contiguous")
    if isinstance(x, Tensor) and x.is_meta:
        return x
    array = x.array if isinstance(x, Tensor) else x
    return x if is_ordered(array, channels_last) else apply(Contiguous, x, channels_last=channels_last)


def is_contiguous(x: Any, memory_format: str = "contiguous_format") -> bool:
    """Whether the memory is dense in C order, or channels-last if that is asked for."""
    channels_last = _wants_channels_last(memory_format, len(x.shape), "is_contiguous")
    return x.is_meta or is_ordered(x.array, channels_last)


def clone(x: Any, *, memory_format: str = "preserve_format") -> Any:
    """A copy with a gradient: ranks 4 and 5 channels-last, others in C order."""
    only("clone", memory_format=(memory_format, "preserve_format"))
    return apply(Contiguous, array_of(x, "clone"), channels_last=isinstance(x, Tensor))


def detach(x: Tensor) -> Tensor:
    """The same memory without its history; a change of either's values is seen by both."""
    if not isinstance(x, Tensor):
        raise TypeError(f"[detach] x is {type(x).__name__}, expected a Tensor")
    return Tensor(x._array, meta=x._meta, version=x._version)


METHODS: dict = {
    "T": property(reverse_axes), "chunk": chunk, "clone": clone, "contiguous": contiguous, "detach": detach,
    "expand": expand, "expand_as": expand_as, "broadcast_to": broadcast_to, "flatten": flatten,
    "is_contiguous": is_contiguous, "permute": permute, "reshape": reshape, "split": split, "squeeze": squeeze,
    "transpose": transpose, "unbind": unbind, "unsqueeze": unsqueeze, "view": view, "view_as": view_as,
}
