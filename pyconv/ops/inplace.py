"""Operations into a tensor's own memory; a recorded result takes the tensor's place on the tape."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from pyconv._backend import core
from pyconv.errors import ShapeError
from pyconv.ops.binary import Binary, Mul, Pow, times
from pyconv.ops.operands import ARRAYS, BOOL, OPERANDS, Number, fit, text, zeros_like
from pyconv.ops.unary import Flat, Relu, Unary
from pyconv.pending import settle
from pyconv.tensor import Context, Op, Record, Tensor, listeners, mode, record_node

_alone = Tensor(None, meta=((), BOOL))
_UNSHARED = sys.getrefcount(_alone._version)


def inplace(op: type[Op], name: str, x: Tensor, other: Any = None, **attrs: Any) -> Tensor:
    """Run ``op`` into x's own memory; a recorded result takes x's place on the tape."""
    if not isinstance(x, Tensor):
        raise TypeError(f"[{name}] input is {type(x).__name__}, expected a Tensor to change in place")
    inputs = [x] if other is None else [x, other]
    if issubclass(op, Binary) and len(inputs) == 1:
        inputs.append(None)
    record = op.infer([None if t is None else t.shape for t in inputs], **attrs)
    if record.shapes[0] != x.shape:
        raise ShapeError(f"[{name}] the result has shape {text(record.shapes[0])}, but x has {text(x.shape)}")
    if any(isinstance(t, Tensor) and t.is_meta for t in inputs):  # a shape without memory: nothing to change
        ctx = Context(record, attrs, (False,) * len(inputs), True)
        for listener in listeners:
            listener.on_forward(op, ctx, inputs, (x,))
        return x
    if x.pending and op.takes_pending and not attrs and all(_like(t, x) for t in inputs[1:]):
        return _merged(op, record, x, inputs[1:])
    settle()
    wanted = mode.grad and any(isinstance(t, Tensor) and t.requires_grad for t in inputs)
    if wanted:
        if x.requires_grad and x._node is None:
            raise RuntimeError(f"[{name}] a leaf that requires a gradient cannot be changed in place; use no_grad()")
        if isinstance(x.array.base, np.ndarray) or sys.getrefcount(x._version) > _UNSHARED:
            raise RuntimeError(
                f"[{name}] the tensor shares its memory with a view, or was saved for a backward pass: changing it in "
                "place would make their gradients wrong; use the operation that returns a new tensor"
            )
    arrays: list[Any] = [t.array if isinstance(t, Tensor) else t for t in inputs]
    needs = tuple(wanted and isinstance(t, Tensor) and t.requires_grad for t in inputs)
    ctx = Context(record, attrs, needs, True)
    out = arrays[0]
    if wanted:  # the backward pass may need what is about to be overwritten
        kept = op.saved == "x" if issubclass(op, Unary) else op is Pow or (op is Mul and needs[1])
        for i, array in enumerate(arrays):
            if array is not None and (kept if i == 0 else np.may_share_memory(array, out)):
                arrays[i] = core.copy(array, True)
    op.forward(ctx, *arrays, out=out, **attrs)
    x._version[0] += 1
    if wanted:
        record_node(op, ctx, inputs, (x,))
    for listener in listeners:
        listener.on_forward(op, ctx, inputs, (x,))
    return x


def _like(t: Any, x: Tensor) -> bool:
    return t.shape == x.shape and t.dtype == x.dtype


def _merged(op: type[Op], record: Record, x: Tensor, others: list[Any]) -> Tensor:
    """``op`` into x together with the values that x still waits for."""
    inputs = [x, *others]
    needs = tuple(mode.grad and isinstance(t, Tensor) and t.requires_grad for t in inputs)
    ctx = Context(record, {}, needs, True)
    x._array = op.forward(ctx, x, *(t.array if isinstance(t, Tensor) else t for t in others))
    x._version[0] += 1
    if True in needs:
        record_node(op, ctx, inputs, (x,))
    for listener in listeners:
        listener.on_forward(op, ctx, inputs, (x,))
    return x


def inplace_one(op: type[Unary]) -> Any:
    """The in-place method of a unary operation."""
    name = op.name + "_"

    def method(self: Tensor) -> Tensor:
        return inplace(op, name, self)

    method.__name__ = name
    method.__doc__ = f"``{op.name}`` into this tensor's own memory."
    return method


def inplace_two(op: type[Binary]) -> Any:
    """The in-place method of a binary operation."""
    name = op.name + "_"

    def method(self: Tensor, other: Any) -> Tensor:
        if isinstance(other, ARRAYS):
            return inplace(op, name, self, other)
        return inplace(op, name, self, number=other)

    method.__name__ = name
    method.__doc__ = f"``{op.name}`` into this tensor's own memory."
    return method


def scaled(op: type[Binary]) -> Any:
    """The in-place method of a sum or difference, whose second operand may have a factor."""
    plain = inplace_two(op)

    def method(self: Tensor, other: Any, *, alpha: Number = 1) -> Tensor:
        return plain(self, times(other, alpha))

    method.__name__ = op.name + "_"
    method.__doc__ = f"``{op.name}`` of ``alpha * other`` into this tensor's own memory."
    return method


def augmented(op: type[Binary]) -> Any:
    """The operator with ``=``: as in PyTorch it changes the tensor itself, and so everything that shares its memory."""
    method = inplace_two(op)
    return lambda self, other: method(self, other) if isinstance(other, OPERANDS) else NotImplemented


def relu_(self: Tensor) -> Tensor:
    """``relu`` into this tensor's own memory."""
    return inplace(Relu, "relu_", self)


def copy_(self: Tensor, source: Any) -> Tensor:
    """Take over the values of ``source``, broadcast and converted to this tensor's shape and type."""
    if not isinstance(source, ARRAYS):
        raise TypeError(f"[copy_] source is {type(source).__name__}, expected a Tensor or a numpy array")
    return inplace(Copy, "copy_", self, source)


class Copy(Op):
    """x[...] = source."""

    name = "copy_"

    @staticmethod
    def infer(shapes):
        return Record((shapes[0],), None, 0, shapes[1])

    @staticmethod
    def forward(ctx, x, source, out):
        ctx.extra = source.dtype
        core.assign(out, source)
        return out

    @staticmethod
    def backward(ctx, gy):
        return (zeros_like(gy) if ctx.needs[0] else None,
                fit(gy, ctx.record.core, ctx.extra) if ctx.needs[1] else None)


class Fill(Flat):
    """x[...] = value."""

    name = "fill_"

    @classmethod
    def forward(cls, ctx, x, out=None, value=0):
        core.assign(out, value)
        return out


def fill_(self: Tensor, value: Number) -> Tensor:
    """Set every element to ``value``."""
    return inplace(Fill, "fill_", self, value=value)


def zero_(self: Tensor) -> Tensor:
    """Set every element to 0."""
    return inplace(Fill, "zero_", self, value=0)
