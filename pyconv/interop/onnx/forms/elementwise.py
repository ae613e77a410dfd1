"""Arithmetic, comparisons, activations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyconv.interop.onnx.trace import Step, form
from pyconv.tensor import FLOATS

_ONE = {"neg": "Neg", "abs": "Abs", "sign": "Sign", "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "floor": "Floor",
        "ceil": "Ceil", "round": "Round", "reciprocal": "Reciprocal", "sin": "Sin", "cos": "Cos", "erf": "Erf",
        "sigmoid": "Sigmoid", "tanh": "Tanh", "relu": "Relu", "softsign": "Softsign", "mish": "Mish",
        "hardswish": "HardSwish", "isnan": "IsNaN"}
_TWO = {"add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "pow": "Pow", "maximum": "Max", "minimum": "Min"}
_COMPARE = {"eq": "Equal", "ne": "Equal", "lt": "Less", "le": "LessOrEqual", "gt": "Greater", "ge": "GreaterOrEqual"}
_LOGIC = {"logical_and": "And", "logical_or": "Or", "logical_xor": "Xor"}


def _floating(s: Step) -> str:
    """The input, of a floating type."""
    return s.x if s.inputs[0].dtype in FLOATS else s.cast(s.x, s.inputs[0].dtype, s.outputs[0].dtype)


@form(*_ONE)
def one(s: Step) -> Any:
    """f(x)."""
    whole = s.op.name in ("neg", "abs", "sign", "relu")
    return s.node(_ONE[s.op.name], s.x if whole else _floating(s))


@form("square")
def square(s: Step) -> Any:
    """x * x."""
    return s.node("Mul", s.x, s.x)


@form("expm1")
def expm1(s: Step) -> Any:
    """e^x - 1: without the accuracy near 0."""
    return s.node("Sub", s.node("Exp", s.x), s.number(1))


@form("log1p")
def log1p(s: Step) -> Any:
    """log(1 + x): without the accuracy near 0."""
    return s.node("Log", s.node("Add", s.x, s.number(1)))


@form("rsqrt")
def rsqrt(s: Step) -> Any:
    """1 / sqrt(x)."""
    return s.node("Reciprocal", s.node("Sqrt", s.x))


@form("logical_not")
def logical_not(s: Step) -> Any:
    """Whether x is 0."""
    return s.node("Not", s.cast(s.x, s.dtype, bool))


@form("isfinite")
def isfinite(s: Step) -> Any:
    """Neither infinite nor NaN."""
    return s.node("Not", s.node("Or", s.node("IsInf", s.x), s.node("IsNaN", s.x)))


def _operands(s: Step, dtype: Any) -> list[str]:
    """Both operands in one type; a number is a constant."""
    return [s.constant(s.attrs["number"], dtype) if name is None else s.cast(name, x.dtype, dtype)
            for name, x in zip(s.names[:2], s.inputs[:2], strict=True)]


def _common(s: Step) -> np.dtype:
    """The type in which two operands are compared."""
    arrays = [x.dtype for x in s.inputs[:2] if x is not None]
    number = s.attrs.get("number")
    if len(arrays) == 2:
        return np.result_type(*arrays) if arrays[0] != arrays[1] else arrays[0]
    if isinstance(number, float) and arrays[0] not in FLOATS:
        return np.dtype("float32")
    return np.dtype("int64") if arrays[0].kind == "b" and not isinstance(number, bool) else arrays[0]


@form(*_TWO)
def two(s: Step) -> Any:
    """a ? b."""
    return s.node(_TWO[s.op.name], *_operands(s, s.outputs[0].dtype))


@form(*_COMPARE)
def compare(s: Step) -> Any:
    """Whether a ? b."""
    y = s.node(_COMPARE[s.op.name], *_operands(s, _common(s)))
    return s.node("Not", y) if s.op.name == "ne" else y


@form(*_LOGIC)
def logic(s: Step) -> Any:
    """a ? b of truths."""
    return s.node(_LOGIC[s.op.name], *_operands(s, bool))


@form("where")
def where(s: Step) -> Any:
    """a where the condition holds, else b."""
    dtype = s.outputs[0].dtype
    a, b = (s.constant(s.attrs[f"number_{k}"], dtype) if name is None else s.cast(name, x.dtype, dtype)
            for k, name, x in zip("ab", s.names[:2], s.inputs[:2], strict=True))
    return s.node("Where", s.names[2], a, b)


def _clip(s: Step, lo: Any, hi: Any) -> Any:
    return s.node("Clip", s.x, None if lo is None else s.number(lo), None if hi is None else s.number(hi))


@form("clamp")
def clamp(s: Step) -> Any:
    """x limited to [lo, hi]."""
    return _clip(s, s.attrs.get("lo"), s.attrs.get("hi"))


@form("hardtanh", "relu6")
def hardtanh(s: Step) -> Any:
    """x limited to a range."""
    return _clip(s, s.attrs["min_val"], s.attrs["max_val"])


@form("leaky_relu")
def leaky_relu(s: Step) -> Any:
    """x, below 0 a multiple of it."""
    return s.node("LeakyRelu", s.x, alpha=float(s.attrs["negative_slope"]))


@form("elu", "selu", "celu")
def elu(s: Step) -> Any:
    """scale x, below 0 scale alpha (e^(input_scale x) - 1)."""
    alpha, scale, inner = (float(s.attrs.get(n, 1.0)) for n in ("alpha", "scale", "input_scale"))
    if inner == 1.0:
        y = s.node("Elu", s.x, alpha=alpha)
        return y if scale == 1.0 else s.node("Mul", y, s.number(scale))
    low = s.node("Sub", s.node("Exp", s.node("Mul", s.node("Min", s.x, s.number(0)), s.number(inner))), s.number(1))
    y = s.node("Add", s.node("Relu", s.x), s.node("Mul", low, s.number(alpha)))
    return y if scale == 1.0 else s.node("Mul", y, s.number(scale))


@form("gelu")
def gelu(s: Step) -> Any:
    """x times the normal distribution function."""
    tanh = getattr(s.op, "kernel", "") == "gelu_tanh"
    if s.opset >= 20:
        return s.node("Gelu", s.x, approximate="tanh" if tanh else "none")
    if tanh:
        cube = s.node("Mul", s.node("Mul", s.x, s.x), s.x)
        inner = s.node("Mul", s.node("Add", s.x, s.node("Mul", cube, s.number(0.044715))),
                       s.number(math.sqrt(2 / math.pi)))
        gate = s.node("Tanh", inner)
    else:
        gate = s.node("Erf", s.node("Mul", s.x, s.number(math.sqrt(0.5))))
    return s.node("Mul", s.node("Mul", s.x, s.node("Add", gate, s.number(1))), s.number(0.5))


@form("silu", "swish")
def silu(s: Step) -> Any:
    """x sigmoid(beta x); beta is a number or learned."""
    if len(s.names) > 1 and s.names[1] is not None:
        inner = s.node("Mul", s.x, _per_channel(s, 1))
    else:
        beta = float(s.attrs.get("beta", 1.0))
        inner = s.x if beta == 1.0 else s.node("Mul", s.x, s.number(beta))
    return s.node("Mul", s.x, s.node("Sigmoid", inner))


def _per_channel(s: Step, i: int) -> str:
    """A vector with one number per channel (axis 1), or one for all."""
    rank, size = len(s.inputs[0].shape), s.inputs[i].shape[0]
    name = s.names[i]
    assert name is not None
    return name if size == 1 or rank < 3 else s.node("Reshape", name, s.ints([size, *[1] * (rank - 2)]))


@form("prelu")
def prelu(s: Step) -> Any:
    """x, below 0 a learned multiple of it."""
    return s.node("PRelu", s.x, _per_channel(s, 1))


@form("hardsigmoid")
def hardsigmoid(s: Step) -> Any:
    """x / 6 + 1 / 2 limited to [0, 1]."""
    return s.node("HardSigmoid", s.x, alpha=1 / 6, beta=0.5)


@form("softplus")
def softplus(s: Step) -> Any:
    """log(1 + e^(beta x)) / beta; beyond the threshold that is x to the last bit or two."""
    beta = float(s.attrs.get("beta", 1.0))
    y = s.node("Softplus", s.x if beta == 1.0 else s.node("Mul", s.x, s.number(beta)))
    return y if beta == 1.0 else s.node("Div", y, s.number(beta))


@form("logsigmoid")
def logsigmoid(s: Step) -> Any:
    """-softplus(-x)."""
    return s.node("Neg", s.node("Softplus", s.node("Neg", s.x)))


@form("threshold")
def threshold(s: Step) -> Any:
    """x where it is above the threshold, else a value."""
    above = s.node("Greater", s.x, s.number(s.attrs["threshold"]))
    return s.node("Where", above, s.x, s.number(s.attrs["value"]))


@form("tanhshrink")
def tanhshrink(s: Step) -> Any:
    """x - tanh(x)."""
    return s.node("Sub", s.x, s.node("Tanh", s.x))


@form("hardshrink", "softshrink")
def shrink(s: Step) -> Any:
    """x where |x| > lambd, moved towards 0 by it or not, else 0."""
    lambd = float(s.attrs["lambd"])
    return s.node("Shrink", s.x, lambd=lambd, bias=lambd if s.op.name == "softshrink" else 0.0)


@form("fill_")
def fill(s: Step) -> Any:
    """A value everywhere."""
    return s.node("Expand", s.number(s.attrs["value"]), s.node("Shape", s.x))


@form("copy_")
def copy(s: Step) -> Any:
    """Another tensor, broadcast and converted."""
    name = s.names[1]
    assert name is not None
    return s.node("Expand", s.cast(name, s.inputs[1].dtype, s.dtype), s.node("Shape", s.x))
