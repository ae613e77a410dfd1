"""Elementwise operations of one operand; see `pyconv.ops.elementwise`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from pyconv._backend import core
from pyconv.ops.arguments import only
from pyconv.ops.operands import BOOL, zeros_like
from pyconv.pending import Masked, Pending
from pyconv.tensor import Array, Context, Op, Record, apply


class Unary(Op):
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
    takes_pending = True

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


def round(x: Any, *, decimals: int = 0) -> Any:
    """The nearest whole number, the even one at a half; its gradient is zero. ``decimals`` must be 0."""
    only("round", decimals=(decimals, 0))
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
