"""Elementwise operations of one operand; see `pyconv.ops.elementwise`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from pyconv._backend import core
from pyconv.ops.arguments import only
from pyconv.ops.operands import BOOL, zeros_like
from pyconv.ops.out import into
from pyconv.pending import Masked, Pending, PendingGradient
from pyconv.tensor import Array, Context, Op, Record, apply


class Unary(Op):
    """y = f(x). ``gradient`` names the kernel gx = kernel(gy, saved), where ``saved`` is "x" or "y"."""

    saved: ClassVar[str | None] = None
    gradient: ClassVar[str] = ""
    dtypes: ClassVar[tuple[Any, ...] | None] = None
    tries_types = True

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


class Neg(Unary):
    name = "neg"

    @classmethod
    def backward(cls, ctx, gy):
        return (core.unary("neg", gy, True),)


class Flat(Unary):
    """Piecewise constant: the gradient is zero."""

    @classmethod
    def backward(cls, ctx, gy):
        return (zeros_like(gy),)


class Sign(Flat):
    name = "sign"


class Floor(Flat):
    name = "floor"


class Ceil(Flat):
    name = "ceil"


class Round(Flat):
    name = "round"


class Abs(Unary):
    name, saved, gradient = "abs", "x", "abs_grad"


class Square(Unary):
    name, saved, gradient = "square", "x", "square_grad"


class Exp(Unary):
    name, saved, gradient = "exp", "y", "mul"


class Expm1(Unary):
    name, saved, gradient = "expm1", "y", "expm1_grad"


class Log(Unary):
    name, saved, gradient = "log", "x", "log_grad"


class Log1p(Unary):
    name, saved, gradient = "log1p", "x", "log1p_grad"


class Sqrt(Unary):
    name, saved, gradient = "sqrt", "y", "sqrt_grad"


class Rsqrt(Unary):
    name, saved, gradient = "rsqrt", "y", "rsqrt_grad"


class Reciprocal(Unary):
    name, saved, gradient = "reciprocal", "y", "reciprocal_grad"


class Sin(Unary):
    name, saved, gradient = "sin", "x", "sin_grad"


class Cos(Unary):
    name, saved, gradient = "cos", "x", "cos_grad"


class Erf(Unary):
    name, saved, gradient = "erf", "x", "erf_grad"


class Sigmoid(Unary):
    name, saved, gradient = "sigmoid", "y", "sigmoid_grad"


class Tanh(Unary):
    name, saved, gradient = "tanh", "y", "tanh_grad"


class Relu(Unary):
    name, saved, gradient = "relu", "y", "relu_grad"
    takes_pending = takes_pending_gradient = True

    @classmethod
    def forward(cls, ctx, x, out=None):
        if not isinstance(x, Pending):
            return super().forward(ctx, x, out)
        y = x.values(relu=True)
        ctx.save(y)
        ctx.extra = True  # x was not written, and whoever computes it can mask its gradient
        return y

    @classmethod
    def backward(cls, ctx, gy):
        if isinstance(gy, PendingGradient):
            return (gy.values(mask=ctx.saved[0]),)
        return (Masked(gy, ctx.saved[0]),) if ctx.extra else super().backward(ctx, gy)


class LogicalNot(Unary):
    name, dtypes = "logical_not", (BOOL,)


class IsFinite(Unary):
    name, dtypes = "isfinite", (BOOL,)


class IsNan(Unary):
    name, dtypes = "isnan", (BOOL,)


class Clamp(Unary):
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


def neg(x: Any, *, out: Any = None) -> Any:
    """-x."""
    return apply(Neg, x) if out is None else into(Neg, out, x)


def abs(x: Any, *, out: Any = None) -> Any:
    """|x|; the gradient at 0 is 0."""
    return apply(Abs, x) if out is None else into(Abs, out, x)


def sign(x: Any, *, out: Any = None) -> Any:
    """-1, 0 or 1."""
    return apply(Sign, x) if out is None else into(Sign, out, x)


def square(x: Any, *, out: Any = None) -> Any:
    """x * x."""
    return apply(Square, x) if out is None else into(Square, out, x)


def exp(x: Any, *, out: Any = None) -> Any:
    """e to the power of x."""
    return apply(Exp, x) if out is None else into(Exp, out, x)


def expm1(x: Any, *, out: Any = None) -> Any:
    """e^x - 1, accurate near 0."""
    return apply(Expm1, x) if out is None else into(Expm1, out, x)


def log(x: Any, *, out: Any = None) -> Any:
    """The natural logarithm; NaN below 0, -inf at 0."""
    return apply(Log, x) if out is None else into(Log, out, x)


def log1p(x: Any, *, out: Any = None) -> Any:
    """log(1 + x), accurate near 0."""
    return apply(Log1p, x) if out is None else into(Log1p, out, x)


def sqrt(x: Any, *, out: Any = None) -> Any:
    """The square root; NaN below 0."""
    return apply(Sqrt, x) if out is None else into(Sqrt, out, x)


def rsqrt(x: Any, *, out: Any = None) -> Any:
    """1 / sqrt(x)."""
    return apply(Rsqrt, x) if out is None else into(Rsqrt, out, x)


def reciprocal(x: Any, *, out: Any = None) -> Any:
    """1 / x."""
    return apply(Reciprocal, x) if out is None else into(Reciprocal, out, x)


def sin(x: Any, *, out: Any = None) -> Any:
    """The sine."""
    return apply(Sin, x) if out is None else into(Sin, out, x)


def cos(x: Any, *, out: Any = None) -> Any:
    """The cosine."""
    return apply(Cos, x) if out is None else into(Cos, out, x)


def erf(x: Any, *, out: Any = None) -> Any:
    """The error function, 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x."""
    return apply(Erf, x) if out is None else into(Erf, out, x)


def floor(x: Any, *, out: Any = None) -> Any:
    """The largest whole number that is not above x; its gradient is zero."""
    return apply(Floor, x) if out is None else into(Floor, out, x)


def ceil(x: Any, *, out: Any = None) -> Any:
    """The smallest whole number that is not below x; its gradient is zero."""
    return apply(Ceil, x) if out is None else into(Ceil, out, x)


def round(x: Any, *, decimals: int = 0, out: Any = None) -> Any:
    """The nearest whole number, the even one at a half; its gradient is zero. ``decimals`` must be 0."""
    only("round", decimals=(decimals, 0))
    return apply(Round, x) if out is None else into(Round, out, x)


def sigmoid(x: Any, *, out: Any = None) -> Any:
    """1 / (1 + e^-x)."""
    return apply(Sigmoid, x) if out is None else into(Sigmoid, out, x)


def tanh(x: Any, *, out: Any = None) -> Any:
    """The hyperbolic tangent."""
    return apply(Tanh, x) if out is None else into(Tanh, out, x)


def relu(x: Any, *, out: Any = None) -> Any:
    """max(x, 0)."""
    return apply(Relu, x) if out is None else into(Relu, out, x)


def logical_not(x: Any, *, out: Any = None) -> Any:
    """Whether x is zero, bool."""
    return apply(LogicalNot, x) if out is None else into(LogicalNot, out, x)


def isfinite(x: Any, *, out: Any = None) -> Any:
    """Whether x is neither infinite nor NaN, bool."""
    return apply(IsFinite, x) if out is None else into(IsFinite, out, x)


def isnan(x: Any, *, out: Any = None) -> Any:
    """Whether x is NaN, bool."""
    return apply(IsNan, x) if out is None else into(IsNan, out, x)
