"""Elementwise arithmetic, comparisons and activations.

Operands are Tensors, numpy arrays or Python numbers and broadcast as in numpy. Types promote as in PyTorch: bool <
uint8 < int32 < int64 < float32 < float64, a Python number takes the arrays' type unless its kind (whole, floating) is
higher, and division and functions like ``exp`` turn whole numbers into float32. Shapes that do not broadcast raise
ShapeError, types that an operation is not defined on TypeError, a number that the arrays' type cannot hold ValueError.

>>> import pyconv
>>> x = pyconv.tensor([[1.0, -2.0], [3.0, 4.0]])
>>> (2 * x + pyconv.tensor([10.0, 20.0])).tolist()
[[12.0, 16.0], [16.0, 28.0]]
>>> (x > 0).tolist()
[[True, False], [True, True]]
>>> pyconv.where(x > 0, x, 0.0).tolist() == x.relu().tolist() == x.clamp(min=0).tolist()
True
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from pyconv._backend import core
from pyconv.errors import ShapeError
from pyconv.tensor import FLOATS, Array, Context, Node, Op, Record, Shape, Tensor, apply, mode

Number = bool | int | float
_BOOL = np.dtype(bool)
_ARRAYS = (Tensor, np.ndarray)
_OPERANDS = (Tensor, np.ndarray, int, float, np.generic)


def _text(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "()"


def _broadcast(op: str, a: Shape, b: Shape) -> Shape:
    if a == b:
        return a
    out = list(a if len(a) >= len(b) else b)
    for i in range(-min(len(a), len(b)), 0):
        if a[i] != b[i] and a[i] != 1 and b[i] != 1:
            raise ShapeError(
                f"[{op}] shapes {_text(a)} and {_text(b)} do not broadcast: {a[i]} and {b[i]} differ and neither is 1"
            )
        out[i] = b[i] if a[i] == 1 else a[i]
    return tuple(out)


def _fit(gradient: Array, shape: Shape, dtype: np.dtype) -> Array:
    """The gradient of an operand that was broadcast from ``shape`` and converted from ``dtype``."""
    if gradient.shape != shape:
        gradient = core.sum_to_shape(gradient, shape, True)
    if gradient.dtype != dtype:
        out = core.empty(shape, dtype, True)
        core.assign(out, gradient)
        return out
    return gradient


def _zeros_like(gradient: Array) -> Array:
    return core.full(gradient.shape, gradient.dtype, 0.0, True)


# --- one operand --------------------------------------------------------------------------------------------


class _Unary(Op):
    """y = f(x). ``gradient`` names the kernel gx = kernel(gy, saved), where ``saved`` is "x" or "y"."""

    saved: ClassVar[str | None] = None
    gradient: ClassVar[str] = ""
    dtypes: ClassVar[tuple[Any, ...] | None] = None

    @classmethod
    def infer(cls, shapes: Sequence[Any], **attrs: Any) -> Record:
        return Record((shapes[0],), cls.dtypes)

    @classmethod
    def forward(cls, ctx: Context, x: Array, out: Array | None = None) -> Array:
        y = core.unary(cls.name, x, ctx.channels_last, out)
        if cls.saved:
            ctx.save(x if cls.saved == "x" else y)
        return y

    @classmethod
    def backward(cls, ctx: Context, gy: Array) -> tuple[Array]:
        saved, = ctx.saved or ()
        return (core.binary(cls.gradient, gy, saved, True),)


class Neg(_Unary):
    name = "neg"

    @classmethod
    def backward(cls, ctx, gy):
        return (core.unary("neg", gy, True),)


class _Flat(_Unary):
    """Piecewise constant: the gradient is zero."""

    @classmethod
    def backward(cls, ctx, gy):
        return (_zeros_like(gy),)


class Sign(_Flat):
    name = "sign"


class Floor(_Flat):
    name = "floor"


class Ceil(_Flat):
    name = "ceil"


class Round(_Flat):
    name = "round"


class Abs(_Unary):
    name, saved, gradient = "abs", "x", "abs_grad"


class Square(_Unary):
    name, saved, gradient = "square", "x", "square_grad"


class Exp(_Unary):
    name, saved, gradient = "exp", "y", "mul"


class Expm1(_Unary):
    name, saved, gradient = "expm1", "y", "expm1_grad"


class Log(_Unary):
    name, saved, gradient = "log", "x", "log_grad"


class Log1p(_Unary):
    name, saved, gradient = "log1p", "x", "log1p_grad"


class Sqrt(_Unary):
    name, saved, gradient = "sqrt", "y", "sqrt_grad"


class Rsqrt(_Unary):
    name, saved, gradient = "rsqrt", "y", "rsqrt_grad"


class Reciprocal(_Unary):
    name, saved, gradient = "reciprocal", "y", "reciprocal_grad"


class Sin(_Unary):
    name, saved, gradient = "sin", "x", "sin_grad"


class Cos(_Unary):
    name, saved, gradient = "cos", "x", "cos_grad"


class Erf(_Unary):
    name, saved, gradient = "erf", "x", "erf_grad"


class Sigmoid(_Unary):
    name, saved, gradient = "sigmoid", "y", "sigmoid_grad"


class Tanh(_Unary):
    name, saved, gradient = "tanh", "y", "tanh_grad"


class Relu(_Unary):
    name, saved, gradient = "relu", "y", "relu_grad"


class LogicalNot(_Unary):
    name, dtypes = "logical_not", (_BOOL,)


class IsFinite(_Unary):
    name, dtypes = "isfinite", (_BOOL,)


class IsNan(_Unary):
    name, dtypes = "isnan", (_BOOL,)


class Clamp(_Unary):
    """y = min(max(x, lo), hi)."""

    name, saved = "clamp", "x"

    @classmethod
    def forward(cls, ctx, x, out=None, lo=None, hi=None):
        ctx.save(x)
        return core.unary("clamp", x, ctx.channels_last, out, lo, hi)

    @classmethod
    def backward(cls, ctx, gy):
        lo, hi = ctx.attrs["lo"], ctx.attrs["hi"]
        return (core.binary("clamp_grad", gy, ctx.saved[0], True, None, -np.inf if lo is None else lo,
                            np.inf if hi is None else hi),)


# --- two operands -------------------------------------------------------------------------------------------


class _Binary(Op):
    """y = f(a, b); an operand that is a number is None among the inputs and the attribute ``number``."""

    dtypes: ClassVar[tuple[Any, ...] | None] = None

    @classmethod
    def infer(cls, shapes: Sequence[Any], **attrs: Any) -> Record:
        a, b = shapes
        return Record((b if a is None else a if b is None else _broadcast(cls.name, a, b),), cls.dtypes, 0, (a, b))

    @classmethod
    def forward(cls, ctx: Context, a: Any, b: Any, number: Any = None, out: Any = None) -> Array:
        y = core.binary(cls.name, number if a is None else a, number if b is None else b, ctx.channels_last, out)
        if True in ctx.needs:
            ctx.extra = (None if a is None else a.dtype, None if b is None else b.dtype)
            cls.keep(ctx, a, b, y)
        return y

    @classmethod
    def keep(cls, ctx: Context, a: Any, b: Any, y: Array) -> None:
        """Save what `gradients` needs."""

    @classmethod
    def backward(cls, ctx: Context, gy: Array) -> tuple[Any, Any]:
        shapes, dtypes, needs = ctx.record.core, ctx.extra, ctx.needs
        return (_fit(cls.grad_a(ctx, gy), shapes[0], dtypes[0]) if needs[0] else None,
                _fit(cls.grad_b(ctx, gy), shapes[1], dtypes[1]) if needs[1] else None)

    @classmethod
    def grad_a(cls, ctx: Context, gy: Array) -> Array:
        """The gradient of a, before broadcasting is undone."""
        raise NotImplementedError

    @classmethod
    def grad_b(cls, ctx: Context, gy: Array) -> Array:
        """The gradient of b, before broadcasting is undone."""
        raise NotImplementedError


def _or_number(ctx: Context, saved: Any) -> Any:
    return ctx.attrs["number"] if saved is None else saved


class Add(_Binary):
    name = "add"

    @classmethod
    def grad_a(cls, ctx, gy):
        return gy

    @classmethod
    def grad_b(cls, ctx, gy):
        return gy


class Sub(Add):
    name = "sub"

    @classmethod
    def grad_b(cls, ctx, gy):
        return core.unary("neg", gy, True)


class Mul(_Binary):
    name = "mul"

    @classmethod
    def keep(cls, ctx, a, b, y):
        ctx.save(a if ctx.needs[1] else None, b if ctx.needs[0] else None)

    @classmethod
    def grad_a(cls, ctx, gy):
        return core.binary("mul", gy, _or_number(ctx, ctx.saved[1]), True)

    @classmethod
    def grad_b(cls, ctx, gy):
        return core.binary("mul", gy, _or_number(ctx, ctx.saved[0]), True)


class Div(_Binary):
    name = "div"

    @classmethod
    def keep(cls, ctx, a, b, y):
        ctx.save(y if ctx.needs[1] else None, b)

    @classmethod
    def grad_a(cls, ctx, gy):
        return core.binary("div", gy, _or_number(ctx, ctx.saved[1]), True)

    @classmethod
    def grad_b(cls, ctx, gy):
        return core.ternary("div_grad", gy, ctx.saved[0], ctx.saved[1], True)


class Pow(_Binary):
    name = "pow"

    @classmethod
    def keep(cls, ctx, a, b, y):
        ctx.save(a, b)

    @classmethod
    def grad_a(cls, ctx, gy):
        a, b = ctx.saved
        return core.ternary("pow_grad_base", gy, a, _or_number(ctx, b), True)

    @classmethod
    def grad_b(cls, ctx, gy):
        a, b = ctx.saved
        return core.ternary("pow_grad_exponent", gy, _or_number(ctx, a), b, True)


class Maximum(_Binary):
    name = "maximum"

    @classmethod
    def keep(cls, ctx, a, b, y):
        ctx.save(a, b)

    @classmethod
    def grad_a(cls, ctx, gy):
        return core.ternary(cls.name + "_grad", gy, _or_number(ctx, ctx.saved[0]), _or_number(ctx, ctx.saved[1]), True)

    @classmethod
    def grad_b(cls, ctx, gy):
        return core.ternary(cls.name + "_grad", gy, _or_number(ctx, ctx.saved[1]), _or_number(ctx, ctx.saved[0]), True)


class Minimum(Maximum):
    name = "minimum"


class _Compare(_Binary):
    dtypes = (_BOOL,)


class Eq(_Compare):
    name = "eq"


class Ne(_Compare):
    name = "ne"


class Lt(_Compare):
    name = "lt"


class Le(_Compare):
    name = "le"


class Gt(_Compare):
    name = "gt"


class Ge(_Compare):
    name = "ge"


class LogicalAnd(_Compare):
    name = "logical_and"


class LogicalOr(_Compare):
    name = "logical_or"


class LogicalXor(_Compare):
    name = "logical_xor"


class Where(Op):
    """y = a where condition, else b."""

    name = "where"

    @staticmethod
    def infer(shapes, number_a=None, number_b=None):
        a, b, condition = shapes
        y = condition
        for shape in (a, b):
            if shape is not None:
                y = _broadcast("where", y, shape)
        return Record((y,), None, 0, (a, b))

    @staticmethod
    def forward(ctx, a, b, condition, number_a=None, number_b=None):
        ctx.save(condition)
        ctx.extra = (None if a is None else a.dtype, None if b is None else b.dtype)
        return core.ternary("where", condition, number_a if a is None else a, number_b if b is None else b,
                            ctx.channels_last)

    @staticmethod
    def backward(ctx, gy):
        condition, = ctx.saved
        shapes, dtypes, needs = ctx.record.core, ctx.extra, ctx.needs
        return (_fit(core.ternary("where", condition, gy, 0, True), shapes[0], dtypes[0]) if needs[0] else None,
                _fit(core.ternary("where", condition, 0, gy, True), shapes[1], dtypes[1]) if needs[1] else None,
                None)


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
        return (_zeros_like(gy) if ctx.needs[0] else None,
                _fit(gy, ctx.record.core, ctx.extra) if ctx.needs[1] else None)


# --- functions ----------------------------------------------------------------------------------------------


def _two(op: type[_Binary], a: Any, b: Any) -> Any:
    if isinstance(b, _ARRAYS):
        return apply(op, a, b) if isinstance(a, _ARRAYS) else apply(op, None, b, number=a)
    return apply(op, a, None, number=b)


def add(a: Any, b: Any) -> Any:
    """a + b."""
    return _two(Add, a, b)


def sub(a: Any, b: Any) -> Any:
    """a - b."""
    return _two(Sub, a, b)


def mul(a: Any, b: Any) -> Any:
    """a * b, element by element."""
    return _two(Mul, a, b)


def div(a: Any, b: Any) -> Any:
    """a / b; whole numbers give float32."""
    return _two(Div, a, b)


def pow(a: Any, b: Any) -> Any:
    """a to the power of b."""
    if isinstance(b, (int, float)) and b == 2 and isinstance(a, _ARRAYS) and a.dtype in FLOATS:
        return apply(Square, a)
    return _two(Pow, a, b)


def minimum(a: Any, b: Any) -> Any:
    """The smaller of a and b; NaN if either is. A gradient is halved at a tie."""
    return _two(Minimum, a, b)


def maximum(a: Any, b: Any) -> Any:
    """The larger of a and b; NaN if either is. A gradient is halved at a tie."""
    return _two(Maximum, a, b)


def eq(a: Any, b: Any) -> Any:
    """a == b, bool."""
    return _two(Eq, a, b)


def ne(a: Any, b: Any) -> Any:
    """a != b, bool."""
    return _two(Ne, a, b)


def lt(a: Any, b: Any) -> Any:
    """a < b, bool."""
    return _two(Lt, a, b)


def le(a: Any, b: Any) -> Any:
    """a <= b, bool."""
    return _two(Le, a, b)


def gt(a: Any, b: Any) -> Any:
    """a > b, bool."""
    return _two(Gt, a, b)


def ge(a: Any, b: Any) -> Any:
    """a >= b, bool."""
    return _two(Ge, a, b)


def logical_and(a: Any, b: Any) -> Any:
    """Whether both are non-zero, bool."""
    return _two(LogicalAnd, a, b)


def logical_or(a: Any, b: Any) -> Any:
    """Whether either is non-zero, bool."""
    return _two(LogicalOr, a, b)


def logical_xor(a: Any, b: Any) -> Any:
    """Whether exactly one is non-zero, bool."""
    return _two(LogicalXor, a, b)


def where(condition: Any, a: Any, b: Any) -> Any:
    """a where the bool ``condition`` holds, else b."""
    number_a = None if isinstance(a, _ARRAYS) else a
    number_b = None if isinstance(b, _ARRAYS) else b
    return apply(Where, None if number_a is not None else a, None if number_b is not None else b, condition,
                 number_a=number_a, number_b=number_b)


def neg(x: Any) -> Any:
    """-x."""
    return apply(Neg, x)


def abs(x: Any) -> Any:
    """|x|; the gradient at 0 is 0."""
    return apply(Abs, x)


def sign(x: Any) -> Any:
    """-1, 0 or 1."""
    return apply(Sign, x)


def square(x: Any) -> Any:
    """x * x."""
    return apply(Square, x)


def exp(x: Any) -> Any:
    """e to the power of x."""
    return apply(Exp, x)


def expm1(x: Any) -> Any:
    """e^x - 1, accurate near 0."""
    return apply(Expm1, x)


def log(x: Any) -> Any:
    """The natural logarithm; NaN below 0, -inf at 0."""
    return apply(Log, x)


def log1p(x: Any) -> Any:
    """log(1 + x), accurate near 0."""
    return apply(Log1p, x)


def sqrt(x: Any) -> Any:
    """The square root; NaN below 0."""
    return apply(Sqrt, x)


def rsqrt(x: Any) -> Any:
    """1 / sqrt(x)."""
    return apply(Rsqrt, x)


def reciprocal(x: Any) -> Any:
    """1 / x."""
    return apply(Reciprocal, x)


def sin(x: Any) -> Any:
    """The sine."""
    return apply(Sin, x)


def cos(x: Any) -> Any:
    """The cosine."""
    return apply(Cos, x)


def erf(x: Any) -> Any:
    """The error function, 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x."""
    return apply(Erf, x)


def floor(x: Any) -> Any:
    """The largest whole number that is not above x; its gradient is zero."""
    return apply(Floor, x)


def ceil(x: Any) -> Any:
    """The smallest whole number that is not below x; its gradient is zero."""
    return apply(Ceil, x)


def round(x: Any) -> Any:
    """The nearest whole number, the even one at a half; its gradient is zero."""
    return apply(Round, x)


def sigmoid(x: Any) -> Any:
    """1 / (1 + e^-x)."""
    return apply(Sigmoid, x)


def tanh(x: Any) -> Any:
    """The hyperbolic tangent."""
    return apply(Tanh, x)


def relu(x: Any) -> Any:
    """max(x, 0)."""
    return apply(Relu, x)


def logical_not(x: Any) -> Any:
    """Whether x is zero, bool."""
    return apply(LogicalNot, x)


def isfinite(x: Any) -> Any:
    """Whether x is neither infinite nor NaN, bool."""
    return apply(IsFinite, x)


def isnan(x: Any) -> Any:
    """Whether x is NaN, bool."""
    return apply(IsNan, x)


def clamp(x: Any, min: Number | None = None, max: Number | None = None) -> Any:
    """Limit x to [min, max]; max wins where they cross. Raises ValueError without either bound."""
    if min is None and max is None:
        raise ValueError("[clamp] min and max are both None, expected at least one of them")
    return apply(Clamp, x, lo=min, hi=max)


def clamp_min(x: Any, min: Number) -> Any:
    """max(x, min)."""
    return clamp(x, min)


def clamp_max(x: Any, max: Number) -> Any:
    """min(x, max)."""
    return clamp(x, None, max)


# --- in place -----------------------------------------------------------------------------------------------

_alone = Tensor(None, meta=((), _BOOL))
_UNSHARED = sys.getrefcount(_alone._version)


def _inplace(op: type[Op], name: str, x: Tensor, other: Any = None, **attrs: Any) -> Tensor:
    """Run ``op`` into x's own memory; a recorded result takes x's place on the tape."""
    inputs = [x] if other is None else [x, other]
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
    if issubclass(op, _Binary) and len(inputs) == 1:
        inputs.append(None)
        arrays.append(None)
    record = op.infer([None if a is None else a.shape for a in arrays], **attrs)
    if record.shapes[0] != x.shape:
        raise ShapeError(f"[{name}] the result has shape {_text(record.shapes[0])}, but x has {_text(x.shape)}")
    needs = tuple(wanted and isinstance(t, Tensor) and t.requires_grad for t in inputs)
    ctx = Context(record, attrs, needs, True)
    out = arrays[0]
    if wanted:  # the backward pass may need what is about to be overwritten
        kept = op.saved == "x" if issubclass(op, _Unary) else op is Pow or (op is Mul and needs[1])
        for i, array in enumerate(arrays):
            if array is not None and (kept if i == 0 else np.may_share_memory(array, out)):
                arrays[i] = core.copy(array, True)
    op.forward(ctx, *arrays, out=out, **attrs)
    x._version[0] += 1
    if wanted:
        edges = [None if not need else (t if t._node is None else (t._node, t._slot))
                 for t, need in zip(inputs, needs, strict=True)]
        node = Node(op, ctx, edges)
        for saved in ctx.saved or ():
            for t in inputs:
                if isinstance(t, Tensor) and t._array is saved:
                    ctx.checks.append((t._version, t._version[0]))
                    break
        x._node, x._slot, x.requires_grad = node, 0, True
    return x


def _inplace_two(op: type[_Binary]) -> Any:
    name = op.name + "_"

    def method(self: Tensor, other: Any) -> Tensor:
        if isinstance(other, _ARRAYS):
            return _inplace(op, name, self, other)
        return _inplace(op, name, self, number=other)

    method.__name__ = name
    method.__doc__ = f"``{op.name}`` into this tensor's own memory."
    return method


def relu_(self: Tensor) -> Tensor:
    """``relu`` into this tensor's own memory."""
    return _inplace(Relu, "relu_", self)


def clamp_(self: Tensor, min: Number | None = None, max: Number | None = None) -> Tensor:
    """``clamp`` into this tensor's own memory."""
    if min is None and max is None:
        raise ValueError("[clamp_] min and max are both None, expected at least one of them")
    return _inplace(Clamp, "clamp_", self, lo=min, hi=max)


def copy_(self: Tensor, source: Any) -> Tensor:
    """Take over the values of ``source``, broadcast and converted to this tensor's shape and type."""
    if not isinstance(source, _ARRAYS):
        raise TypeError(f"[copy_] source is {type(source).__name__}, expected a Tensor or a numpy array")
    return _inplace(Copy, "copy_", self, source)


class Fill(_Flat):
    """x[...] = value."""

    name = "fill_"

    @classmethod
    def forward(cls, ctx, x, out=None, value=0):
        core.assign(out, value)
        return out


def fill_(self: Tensor, value: Number) -> Tensor:
    """Set every element to ``value``."""
    return _inplace(Fill, "fill_", self, value=value)


def zero_(self: Tensor) -> Tensor:
    """Set every element to 0."""
    return _inplace(Fill, "zero_", self, value=0)


# --- methods ------------------------------------------------------------------------------------------------


def _operator(op: type[_Binary], reflected: bool = False) -> Any:
    def method(self: Tensor, other: Any) -> Any:
        if isinstance(other, _ARRAYS):
            return apply(op, other, self) if reflected else apply(op, self, other)
        if not isinstance(other, _OPERANDS):
            return NotImplemented
        return apply(op, None, self, number=other) if reflected else apply(op, self, None, number=other)

    method.__doc__ = f"``{op.name}`` of this tensor and another operand."
    return method


METHODS: dict[str, Any] = {
    "__add__": _operator(Add), "__radd__": _operator(Add, True),
    "__sub__": _operator(Sub), "__rsub__": _operator(Sub, True),
    "__mul__": _operator(Mul), "__rmul__": _operator(Mul, True),
    "__truediv__": _operator(Div), "__rtruediv__": _operator(Div, True),
    "__pow__": lambda self, other: pow(self, other) if isinstance(other, _OPERANDS) else NotImplemented,
    "__rpow__": _operator(Pow, True),
    "__and__": _operator(LogicalAnd), "__or__": _operator(LogicalOr), "__xor__": _operator(LogicalXor),
    "__eq__": _operator(Eq), "__ne__": _operator(Ne), "__lt__": _operator(Lt), "__le__": _operator(Le),
    "__gt__": _operator(Gt), "__ge__": _operator(Ge),
    "__neg__": neg, "__abs__": abs, "__invert__": logical_not,
    **{f.__name__: f for f in (add, sub, mul, div, pow, minimum, maximum, eq, ne, lt, le, gt, ge, logical_and,
                               logical_or, logical_xor, logical_not, neg, abs, sign, square, exp, expm1, log, log1p,
                               sqrt, rsqrt, reciprocal, sin, cos, erf, floor, ceil, round, sigmoid, tanh, relu,
                               isfinite, isnan, clamp, clamp_min, clamp_max, relu_, clamp_, copy_, fill_, zero_)},
    "where": lambda self, condition, other: where(condition, self, other),
    **{op.name + "_": _inplace_two(op) for op in (Add, Sub, Mul, Div, Pow)},
}
