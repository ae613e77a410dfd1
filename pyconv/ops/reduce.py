"""Reductions: sums, means, extremes, and their gradients.

``dim`` is None (all axes), an axis or a tuple of axes, negative ones counted from the end. Floats are summed in float32
lanes over short stretches and merged in float64, in an order that depends on the shape alone. NaN counts as the largest
and as the smallest element. An axis out of range raises IndexError, an axis given twice ValueError.

>>> import pyconv
>>> x = pyconv.tensor([[1.0, 5.0, 3.0], [4.0, 2.0, 6.0]])
>>> x.sum(0).tolist(), x.mean().tolist(), x.amax((0, 1)).tolist()
([5.0, 7.0, 9.0], 3.5, 6.0)
>>> values, indices = x.max(1)
>>> values.tolist(), indices.tolist()
([5.0, 6.0], [1, 2])
"""

from __future__ import annotations

import math
import operator
from typing import Any, NamedTuple

import numpy as np

from pyconv._backend import core
from pyconv.ops import elementwise
from pyconv.ops.arguments import dtype_of
from pyconv.ops.shape import array_of, to_dtype
from pyconv.tensor import Array, Op, Record, Shape, Tensor, apply, raw

Dim = int | tuple[int, ...] | None
_INT64 = np.dtype("int64")
_BOOL = np.dtype(bool)


class ValuesIndices(NamedTuple):
    """What ``max`` and ``min`` along an axis return."""

    values: Any
    indices: Any


def _axes(op: str, shape: Shape, dim: Any) -> tuple[int, ...]:
    """The axes of ``dim``, all of them for None or (), as non-negative numbers in ascending order."""
    if dim is None:
        return tuple(range(len(shape)))
    dims = dim if isinstance(dim, (tuple, list)) else (dim,)
    rank = len(shape) or 1
    axes = []
    for d in dims:
        try:
            axis = operator.index(d)
        except TypeError:
            raise TypeError(f"[{op}] dim holds {d!r}, expected whole numbers") from None
        if not -rank <= axis < rank:
            text = "x".join(map(str, shape)) or "()"
            raise IndexError(f"[{op}] dim is {axis}, expected {-rank} to {rank - 1} (x: {text})")
        axes.append(axis % rank)
    if len(set(axes)) != len(axes):
        raise ValueError(f"[{op}] dim is {tuple(dims)}, which names an axis twice")
    return tuple(sorted(axes)) if shape and axes else tuple(range(len(shape)))


def _result(shape: Shape, axes: tuple[int, ...], keepdim: bool) -> Shape:
    if keepdim:
        return tuple(1 if i in axes else v for i, v in enumerate(shape))
    return tuple(v for i, v in enumerate(shape) if i not in axes)


def _kept(gradient: Array, shape: Shape, axes: tuple[int, ...]) -> Array:
    """The result's gradient with size 1 on the reduced axes, to be broadcast against x."""
    return gradient.reshape(_result(shape, axes, True))


class _Reduce(Op):
    tries_types = True

    @classmethod
    def infer(cls, shapes, axes, keepdim=False, **attrs):
        return Record((_result(shapes[0], axes, keepdim),), None, 0, shapes[0])

    @classmethod
    def forward(cls, ctx, x, axes, keepdim=False):
        return core.reduce(cls.name, x, axes, keepdim, ctx.channels_last)


class Sum(_Reduce):
    name = "sum"

    @classmethod
    def backward(cls, ctx, gy):
        shape = ctx.record.core
        gx = core.empty(shape, gy.dtype, True)
        core.assign(gx, _kept(gy, shape, ctx.attrs["axes"]))
        return (gx,)


def _count(shape: Shape, axes: tuple[int, ...]) -> int:
    n = 1
    for axis in axes:
        n *= shape[axis]
    return n


class Mean(_Reduce):
    name = "mean"

    @classmethod
    def backward(cls, ctx, gy):
        shape, axes = ctx.record.core, ctx.attrs["axes"]
        gx = core.empty(shape, gy.dtype, True)
        if gx.size:
            core.assign(gx, core.binary("div", _kept(gy, shape, axes), _count(shape, axes), True))
        return (gx,)


class Var(_Reduce):
    """sum((x - mean)^2) / (n - correction)."""

    name = "var"

    @classmethod
    def forward(cls, ctx, x, axes, keepdim=False, correction=1.0):
        ctx.save(x)
        return core.reduce("var", x, axes, keepdim, ctx.channels_last, correction)

    @classmethod
    def backward(cls, ctx, gy):
        shape, axes = ctx.record.core, ctx.attrs["axes"]
        x, = ctx.saved
        divisor = _count(shape, axes) - ctx.attrs["correction"]
        scale = core.binary("mul", _kept(gy, shape, axes), 2.0 / divisor if divisor > 0 else np.inf, True)
        gx = core.binary("sub", x, core.reduce("mean", x, axes, True, True), True)
        return (core.binary("mul", gx, scale, True, gx),)


class Amax(_Reduce):
    """The largest element; ties share the gradient evenly."""

    name = "amax"

    @classmethod
    def forward(cls, ctx, x, axes, keepdim=False):
        y = core.reduce(cls.name, x, axes, keepdim, ctx.channels_last)
        ctx.save(x, y)
        return y

    @classmethod
    def backward(cls, ctx, gy):
        shape, axes = ctx.record.core, ctx.attrs["axes"]
        x, y = ctx.saved
        best = core.binary("eq", x, _kept(y, shape, axes), True)
        ties = core.reduce("sum", best, axes, True, True)
        return (core.ternary("where", best, core.binary("div", _kept(gy, shape, axes), ties, True), 0, True),)


class Amin(Amax):
    name = "amin"


class MaxAlong(_Reduce):
    """The largest element along one axis, and its index, which gets the gradient."""

    name = "max"
    kernels = ("amax", "argmax")

    @classmethod
    def infer(cls, shapes, axes, keepdim=False):
        shape = _result(shapes[0], axes, keepdim)
        return Record((shape, shape), (None, np.dtype("int64")), 0, shapes[0])

    @classmethod
    def forward(cls, ctx, x, axes, keepdim=False):
        values, indices = (core.reduce(kernel, x, axes, keepdim, ctx.channels_last) for kernel in cls.kernels)
        ctx.save(indices)
        return values, indices

    @classmethod
    def backward(cls, ctx, gy, _):
        shape, axes = ctx.record.core, ctx.attrs["axes"]
        if not axes:
            return (gy,)
        index = _kept(ctx.saved[0], shape, axes)
        return (core.put_along_axis(_kept(gy, shape, axes), index, shape, axes[0], True),)


class MinAlong(MaxAlong):
    name = "min"
    kernels = ("amin", "argmin")


class _Index(_Reduce):
    @classmethod
    def infer(cls, shapes, axes, keepdim=False):
        return Record((_result(shapes[0], axes, keepdim),), (_INT64,))


class Argmax(_Index):
    name = "argmax"


class Argmin(_Index):
    name = "argmin"


class _Truth(_Reduce):
    @classmethod
    def infer(cls, shapes, axes, keepdim=False):
        return Record((_result(shapes[0], axes, keepdim),), (_BOOL,))


class Any_(_Truth):
    name = "any"


class All_(_Truth):
    name = "all"


def _shape(x: Any, op: str) -> Shape:
    return x.shape if isinstance(x, Tensor) else raw(x, op, "x").shape


def _in(op: str, x: Any, dtype: Any) -> Any:
    return x if dtype is None else to_dtype(array_of(x, op), dtype_of(dtype, op))


def sum(x: Any, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The sum, of x in ``dtype`` if that is given; whole numbers and bool give int64, nothing gives 0."""
    x = _in("sum", x, dtype)
    return apply(Sum, x, axes=_axes("sum", _shape(x, "sum"), dim), keepdim=keepdim)


def mean(x: Any, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The mean, of x in ``dtype`` if that is given; of nothing it is NaN. Raises TypeError for whole numbers."""
    x = _in("mean", x, dtype)
    return apply(Mean, x, axes=_axes("mean", _shape(x, "mean"), dim), keepdim=keepdim)


def var(x: Any, dim: Dim = None, unbiased: bool | None = None, keepdim: bool = False, *,
        correction: float | None = None) -> Any:
    """The variance: squared distances from the mean, summed and divided by n - ``correction`` (default 1).

    ``unbiased`` is the older way to say ``correction=1`` (True) or 0 (False); both together raise ValueError.
    """
    return _var("var", x, dim, unbiased, keepdim, correction)


def std(x: Any, dim: Dim = None, unbiased: bool | None = None, keepdim: bool = False, *,
        correction: float | None = None) -> Any:
    """The standard deviation, the square root of `var`."""
    return elementwise.sqrt(_var("std", x, dim, unbiased, keepdim, correction))


def _var(op: str, x: Any, dim: Any, unbiased: bool | None, keepdim: bool, correction: float | None) -> Any:
    if isinstance(dim, bool):  # torch's var(x, unbiased)
        dim, unbiased = None, dim
    if unbiased is not None and correction is not None:
        raise ValueError(f"[{op}] unbiased and correction are both given, expected at most one of them")
    if correction is None:
        correction = 0.0 if unbiased is False else 1.0
    if isinstance(correction, bool) or not isinstance(correction, (int, float)):
        raise TypeError(f"[{op}] correction is {type(correction).__name__}, expected a number")
    if not math.isfinite(correction):
        raise ValueError(f"[{op}] correction is {correction}, expected a finite number")
    return apply(Var, x, axes=_axes(op, _shape(x, op), dim), keepdim=keepdim, correction=float(correction))


def amax(x: Any, dim: Dim = None, keepdim: bool = False) -> Any:
    """The largest element; equal ones share its gradient."""
    return apply(Amax, x, axes=_axes("amax", _shape(x, "amax"), dim), keepdim=keepdim)


def amin(x: Any, dim: Dim = None, keepdim: bool = False) -> Any:
    """The smallest element; equal ones share its gradient."""
    return apply(Amin, x, axes=_axes("amin", _shape(x, "amin"), dim), keepdim=keepdim)


def _extreme(op: type[MaxAlong], full: type[Amax], two: Any, x: Any, dim: Any, keepdim: bool) -> Any:
    if isinstance(dim, (Tensor, np.ndarray)):
        return two(x, dim)
    shape = _shape(x, op.name)
    if dim is None:
        if keepdim:
            raise ValueError(f"[{op.name}] keepdim needs a dim")
        return apply(full, x, axes=_axes(op.name, shape, None))
    if isinstance(dim, (tuple, list)):
        raise TypeError(f"[{op.name}] dim is {dim!r}, expected one axis; {full.name} takes several")
    return ValuesIndices(*apply(op, x, axes=_axes(op.name, shape, dim), keepdim=keepdim))


def max(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest element; with an axis ``dim`` a pair (values, indices); with a tensor, `maximum` of the two.

    The index is that of the first among equals, and only this one gets a gradient; without ``dim`` equal elements
    share it. Raises ShapeError for an empty tensor.
    """
    return _extreme(MaxAlong, Amax, elementwise.maximum, x, dim, keepdim)


def min(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest element; see `max`."""
    return _extreme(MinAlong, Amin, elementwise.minimum, x, dim, keepdim)


def _arg(op: type[_Index], x: Any, dim: Any, keepdim: bool) -> Any:
    if isinstance(dim, (tuple, list)):
        raise TypeError(f"[{op.name}] dim is {dim!r}, expected one axis or None")
    return apply(op, x, axes=_axes(op.name, _shape(x, op.name), dim), keepdim=keepdim)


def argmax(x: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The index of the first largest element along ``dim``, or in the flattened tensor."""
    return _arg(Argmax, x, dim, keepdim)


def argmin(x: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The index of the first smallest element along ``dim``, or in the flattened tensor."""
    return _arg(Argmin, x, dim, keepdim)


def any(x: Any, dim: Dim = None, keepdim: bool = False) -> Any:
    """Whether any element is non-zero."""
    return apply(Any_, x, axes=_axes("any", _shape(x, "any"), dim), keepdim=keepdim)


def all(x: Any, dim: Dim = None, keepdim: bool = False) -> Any:
    """Whether every element is non-zero."""
    return apply(All_, x, axes=_axes("all", _shape(x, "all"), dim), keepdim=keepdim)


def _truth(self: Tensor) -> bool:
    if self.array.size != 1:
        raise RuntimeError(f"[bool] the truth of a tensor of shape {self.shape} is ambiguous; use any() or all()")
    return bool(self.array.item())


METHODS: dict[str, Any] = {
    "__bool__": _truth,
    **{f.__name__: f for f in (sum, mean, var, std, amax, amin, max, min, argmax, argmin, any, all)},
}
