"""Elementwise arithmetic: floats through pyconv's operations, whole numbers in numpy."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pyconv.interop.onnx.operators.broadcast import aligned, both, broadcast_shape
from pyconv.interop.onnx.registry import Call, foreign, numpy, operator
from pyconv.ops import elementwise as E
from pyconv.tensor import Tensor


def _divide(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Whole numbers, rounded towards zero."""
    if not b.all():
        raise ZeroDivisionError("[Div] a whole number is divided by 0")
    quotient = np.floor_divide(a, b)
    if a.dtype.kind == "i":
        quotient += ((quotient < 0) & (quotient * b != a)).astype(a.dtype)
    return quotient


_TWO: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "Add": (E.add, np.add), "Sub": (E.sub, np.subtract), "Mul": (E.mul, np.multiply), "Div": (E.div, _divide)}
_ONE: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "Abs": (E.abs, np.abs), "Neg": (E.neg, np.negative), "Sign": (E.sign, np.sign), "Exp": (E.exp, np.exp),
    "Log": (E.log, np.log), "Sqrt": (E.sqrt, np.sqrt), "Reciprocal": (E.reciprocal, np.reciprocal),
    "Sin": (E.sin, np.sin), "Cos": (E.cos, np.cos), "Erf": (E.erf, np.abs), "Floor": (E.floor, np.floor),
    "Ceil": (E.ceil, np.ceil), "Round": (E.round, np.round)}
#: Functions that pyconv has no kernel for: computed, but without a gradient.
_FOREIGN = {"Asin": np.arcsin, "Acos": np.arccos, "Atan": np.arctan, "Asinh": np.arcsinh, "Acosh": np.arccosh,
            "Atanh": np.arctanh}


@operator(*_TWO)
def two(at: Call, a: Any, b: Any) -> Any:
    """a ? b."""
    a, b = aligned(at, a, b)
    floating, whole = _TWO[at.node.op]
    return floating(a, b) if both(a, b) else whole(a, b)


@operator(*_ONE)
def one(at: Call, x: Any) -> Any:
    """f(x)."""
    floating, whole = _ONE[at.node.op]
    if isinstance(x, Tensor):
        return floating(x)
    if at.node.op == "Erf":
        at.error(f"input has type {x.dtype}, expected a floating one")
    return whole(x)


@operator(*_FOREIGN)
def no_kernel(at: Call, x: Any) -> Any:
    """f(x) by numpy."""
    return foreign(at, _FOREIGN[at.node.op](numpy(x)), x)


@operator("Tan")
def tan(at: Call, x: Any) -> Any:
    """sin / cos."""
    return E.sin(x) / E.cos(x)


@operator("Sinh")
def sinh(at: Call, x: Any) -> Any:
    """(e^x - e^-x) / 2."""
    return (E.expm1(x) - E.expm1(-x)) * 0.5


@operator("Cosh")
def cosh(at: Call, x: Any) -> Any:
    """(e^x + e^-x) / 2."""
    return (E.exp(x) + E.exp(-x)) * 0.5


@operator("Pow")
def power(at: Call, a: Any, b: Any) -> Any:
    """a to the power of b, in the type of a."""
    a, b = aligned(at, a, b)
    if isinstance(a, Tensor):
        if isinstance(b, Tensor) and b.dtype == a.dtype:
            return E.pow(a, b)
        return E.pow(a, Tensor(numpy(b).astype(a.dtype)))
    exponent = numpy(b)
    if exponent.dtype.kind in "iu" and (exponent.size == 0 or exponent.min() >= 0):
        return np.power(a, exponent).astype(a.dtype)
    return np.power(a.astype(np.float64), exponent.astype(np.float64)).astype(a.dtype)


@operator("Mod")
def mod(at: Call, a: Any, b: Any) -> Any:
    """The remainder: of b's sign, or with fmod of a's."""
    broadcast_shape(at, (a.shape, b.shape), a.dtype)
    x, y = numpy(a), numpy(b)
    if at.flag("fmod"):
        return foreign(at, np.fmod(x, y), a, b)
    if isinstance(a, Tensor):
        if at.node.schema.since < 28:
            at.error("fmod is 0, expected 1 for floating types")
        return foreign(at, np.mod(x, y), a, b)
    if not y.all():
        at.error("the remainder of a division by 0")
    return np.mod(x, y)


@operator("BitShift")
def bit_shift(at: Call, a: Any, b: Any) -> Any:
    """a << b or a >> b."""
    broadcast_shape(at, (a.shape, b.shape), a.dtype)
    return (np.left_shift if at.choice("direction", "LEFT", "RIGHT") == "LEFT" else np.right_shift)(a, b)


def _fold(at: Call, values: tuple[Any, ...], floating: Callable[..., Any], whole: Callable[..., Any]) -> Any:
    if len(values) > 1:
        broadcast_shape(at, [v.shape for v in values], values[0].dtype)
    return functools.reduce(floating if isinstance(values[0], Tensor) else whole, values)


@operator("Sum")
def total(at: Call, *values: Any) -> Any:
    """The sum of the operands."""
    return _fold(at, values, E.add, np.add)


@operator("Mean")
def mean(at: Call, *values: Any) -> Any:
    """The mean of the operands."""
    return _fold(at, values, E.add, np.add) * (1.0 / len(values))


@operator("Max")
def maximum(at: Call, *values: Any) -> Any:
    """The largest of the operands."""
    return _fold(at, values, E.maximum, np.maximum)


@operator("Min")
def minimum(at: Call, *values: Any) -> Any:
    """The smallest of the operands."""
    return _fold(at, values, E.minimum, np.minimum)


@operator("Clip", settings=(1, 2))
def clip(at: Call, x: Any, low: Any = None, high: Any = None) -> Any:
    """x limited to [low, high]."""
    lo = at["min"] if low is None else at.scalar(low, "min")
    hi = at["max"] if high is None else at.scalar(high, "max")
    if not isinstance(x, Tensor):
        x = x if lo is None else np.maximum(x, np.asarray(lo, x.dtype))
        return x if hi is None else np.minimum(x, np.asarray(hi, x.dtype))
    if (lo is not None and math.isnan(lo)) or (hi is not None and math.isnan(hi)):
        at.error(f"min and max are {lo} and {hi}, expected numbers")
    return x if lo is None and hi is None else E.clamp(x, lo, hi)
