"""Concatenation and padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pyconv._backend import core
from pyconv.errors import ShapeError
from pyconv.ops.arguments import DTYPES, axis_of, promoted, whole, wholes
from pyconv.ops.out import takes_out
from pyconv.ops.shape import array_of, unsqueeze
from pyconv.tensor import Op, Record, Tensor, apply

MODES = ("constant", "reflect", "replicate", "circular")


class Cat(Op):
    """y is the inputs one after the other along an axis, in the type that holds all of theirs."""

    name = "cat"

    @staticmethod
    def infer(shapes, dim, dtype):
        first = shapes[0]
        for i, s in enumerate(shapes):
            if len(s) != len(first) or any(n != m for k, (n, m) in enumerate(zip(s, first, strict=True)) if k != dim):
                raise ShapeError(f"[cat] tensor {i} has shape {s}, which differs from {first} (tensor 0) outside axis "
                                 f"{dim}")
        return Record(((*first[:dim], sum(s[dim] for s in shapes), *first[dim + 1:]),), (np.dtype(dtype),))

    @staticmethod
    def forward(ctx, *xs, dim, dtype):
        ctx.extra = [(x.shape[dim], x.dtype) for x in xs]
        return core.concat(list(xs), dim, ctx.channels_last)

    @staticmethod
    def backward(ctx, gy):
        axis, start, gradients = ctx.attrs["dim"], 0, []
        for (n, dtype), need in zip(ctx.extra, ctx.needs, strict=True):
            piece = gy[(slice(None),) * axis + (slice(start, start + n),)]
            start += n
            if need and dtype != piece.dtype:
                piece = core.cast(piece, dtype, ctx.channels_last)
            gradients.append(piece if need else None)
        return tuple(gradients)


class Pad(Op):
    """y is x with borders: a constant, or x itself mirrored, with its edge repeated, or from its other end."""

    name = "pad"

    @staticmethod
    def infer(shapes, lo, hi, mode, value=0):
        x, y = shapes[0], []
        for i, (n, a, b) in enumerate(zip(x, lo, hi, strict=True)):
            reach = n - 1 if mode == "reflect" else n
            if n + a + b < 0 or n + a < 0 or n + b < 0:
                raise ShapeError(f"[pad] axis {i} of size {n} cannot be padded by {a} and {b}: more would be cropped "
                                 f"than there is (x: {x})")
            if mode != "constant" and (a or b):
                if a < 0 or b < 0:
                    raise ShapeError(f"[pad] axis {i} cannot be padded by {a} and {b}: only constant padding may be "
                                     "negative")
                if n == 0 or (mode != "replicate" and max(a, b) > reach):
                    raise ShapeError(f"[pad] axis {i} of size {n} cannot be padded by {a} and {b}: {mode} reaches at "
                                     f"most {reach} (x: {x})")
            y.append(n + a + b)
        return Record((tuple(y),))

    @staticmethod
    def forward(ctx, x, lo, hi, mode, value=0):
        ctx.extra = x.shape
        return core.pad(x, lo, hi, mode, value, ctx.channels_last)

    @staticmethod
    def backward(ctx, gy):
        lo, hi, mode = (ctx.attrs[k] for k in ("lo", "hi", "mode"))
        if mode == "constant":
            return (core.pad(gy, [-n for n in lo], [-n for n in hi], mode, 0, ctx.channels_last),)
        return (core.pad_grad(gy, ctx.extra, lo, hi, mode, ctx.channels_last),)


def _several(tensors: Any, op: str) -> list[Any]:
    if isinstance(tensors, (Tensor, np.ndarray)) or not isinstance(tensors, Sequence):
        raise TypeError(f"[{op}] tensors is {type(tensors).__name__}, expected a list or tuple of Tensors or arrays")
    if not tensors:
        raise ValueError(f"[{op}] tensors is empty, expected at least one")
    for i, t in enumerate(tensors):
        if not isinstance(t, (Tensor, np.ndarray)):
            raise TypeError(f"[{op}] tensors[{i}] is {type(t).__name__}, expected a Tensor or a numpy array")
    return list(tensors)


@takes_out
def cat(tensors: Any, dim: int = 0) -> Any:
    """The tensors one after the other along an axis; they agree in all other sizes, and promote to one dtype.

    A tensor of shape (0,) fits to any. Raises ShapeError naming the first that does not fit, IndexError for a bad axis.

    >>> import pyconv
    >>> pyconv.cat([pyconv.zeros(2, 1), pyconv.ones(2, 2)], dim=1).tolist()
    [[0.0, 1.0, 1.0], [0.0, 1.0, 1.0]]
    """
    parts = _several(tensors, "cat")
    dtype = _promoted(parts, "cat")
    # An empty list with one axis is nothing to any tensor, as in PyTorch: what a loop that collects batches starts with.
    parts = [t for t in parts if t.shape != (0,)] or parts[:1]
    if not parts[0].shape:
        raise ShapeError("[cat] tensor 0 has no axes and cannot be concatenated; use stack")
    axis = axis_of(dim, len(parts[0].shape), "cat")
    return apply(Cat, *parts, dim=axis, dtype=dtype)


def _promoted(parts: list[Any], op: str) -> str:
    for i, t in enumerate(parts):
        if t.dtype not in DTYPES:
            raise TypeError(f"[{op}] tensors[{i}] has dtype {t.dtype}, expected float32, float64, int64, int32, uint8 "
                            "or bool")
    return promoted([t.dtype for t in parts]).name


concat = concatenate = cat


@takes_out
def stack(tensors: Any, dim: int = 0) -> Any:
    """The tensors, all of one shape, along a new axis.

    >>> import pyconv
    >>> pyconv.stack([pyconv.zeros(3), pyconv.ones(3)], dim=1).shape
    (3, 2)
    """
    parts = _several(tensors, "stack")
    shape = tuple(parts[0].shape)
    for i, t in enumerate(parts):
        if tuple(t.shape) != shape:
            raise ShapeError(f"[stack] tensors[{i}] has shape {t.shape}, expected that of the first, {shape}")
    axis = axis_of(dim, len(shape) + 1, "stack")
    return apply(Cat, *[unsqueeze(t, axis) for t in parts], dim=axis, dtype=_promoted(parts, "stack"))


@takes_out
def pad(input: Any, pad: Any, mode: str = "constant", value: Any = None) -> Any:
    """Borders around the last axes: ``pad`` is (before, after) of the last axis, then of the one before it, ...

    ``mode``: ``constant`` (``value``, default 0), ``reflect`` (mirrored, without the edge), ``replicate`` (the edge
    repeated), ``circular`` (from the other end). Negative sizes crop: after mirroring and repeating, but before
    ``circular`` continues what is left.

    >>> import pyconv
    >>> pad(pyconv.ones(1, 2), (1, 0)).tolist()
    [[0.0, 1.0, 1.0]]
    """
    shape = array_of(input, "pad").shape
    sizes = wholes([pad if isinstance(pad, (tuple, list)) else [pad]], "pad", "pad")
    if len(sizes) % 2:
        raise ValueError(f"[pad] pad has {len(sizes)} entries, expected pairs (before, after)")
    if len(sizes) > 2 * len(shape):
        raise ShapeError(f"[pad] pad {sizes} names {len(sizes) // 2} axes, x has {len(shape)} (x: {tuple(shape)})")
    if mode not in MODES:
        raise ValueError(f"[pad] mode is {mode!r}, expected {', '.join(MODES)}")
    if mode != "constant" and value not in (None, 0):
        raise ValueError(f"[pad] value is {value!r}, which mode {mode!r} has no use for")
    if value is not None and (isinstance(value, (str, bytes)) or not hasattr(value, "__float__")):
        raise TypeError(f"[pad] value is {value!r}, expected a number")
    lo, hi = [0] * len(shape), [0] * len(shape)
    for i in range(len(sizes) // 2):
        lo[-1 - i], hi[-1 - i] = whole(sizes[2 * i], "pad", "pad"), sizes[2 * i + 1]
    if mode == "constant" or min(*lo, *hi, 0) == 0:
        return apply(Pad, input, lo=tuple(lo), hi=tuple(hi), mode=mode, value=0 if value is None else value)
    steps = [(mode, [max(n, 0) for n in lo], [max(n, 0) for n in hi]),
             ("constant", [min(n, 0) for n in lo], [min(n, 0) for n in hi])]
    for step, before, after in steps if mode != "circular" else steps[::-1]:
        input = apply(Pad, input, lo=tuple(before), hi=tuple(after), mode=step)
    return input
