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

from typing import Any

from pyconv.ops.binary import (
    Add,
    Binary,
    Div,
    Eq,
    Ge,
    Gt,
    Le,
    LogicalAnd,
    LogicalOr,
    LogicalXor,
    Lt,
    Mul,
    Ne,
    Pow,
    Sub,
    add,
    div,
    eq,
    ge,
    gt,
    le,
    logical_and,
    logical_or,
    logical_xor,
    lt,
    maximum,
    minimum,
    mul,
    ne,
    pow,
    sub,
    where,
)
from pyconv.ops.clamp import clamp, clamp_, clamp_max, clamp_max_, clamp_min, clamp_min_
from pyconv.ops.inplace import (
    augmented,
    copy_,
    fill_,
    inplace_one,
    inplace_two,
    relu_,
    scaled,
    zero_,
)
from pyconv.ops.operands import ARRAYS, OPERANDS
from pyconv.ops.unary import (
    Abs,
    Ceil,
    Cos,
    Erf,
    Exp,
    Expm1,
    Floor,
    Log,
    Log1p,
    Neg,
    Reciprocal,
    Round,
    Rsqrt,
    Sign,
    Sin,
    Sqrt,
    Square,
    abs,
    ceil,
    cos,
    erf,
    exp,
    expm1,
    floor,
    isfinite,
    isnan,
    log,
    log1p,
    logical_not,
    neg,
    reciprocal,
    relu,
    round,
    rsqrt,
    sigmoid,
    sign,
    sin,
    sqrt,
    square,
    tanh,
)
from pyconv.tensor import Tensor, apply

__all__ = [
    "abs",
    "add",
    "ceil",
    "clamp",
    "clamp_",
    "clamp_max",
    "clamp_min",
    "copy_",
    "cos",
    "div",
    "eq",
    "erf",
    "exp",
    "expm1",
    "fill_",
    "floor",
    "ge",
    "gt",
    "isfinite",
    "isnan",
    "le",
    "log",
    "log1p",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "lt",
    "maximum",
    "minimum",
    "mul",
    "ne",
    "neg",
    "pow",
    "reciprocal",
    "relu",
    "relu_",
    "round",
    "rsqrt",
    "sigmoid",
    "sign",
    "sin",
    "sqrt",
    "square",
    "sub",
    "tanh",
    "where",
    "zero_",
]


def _operator(op: type[Binary], reflected: bool = False) -> Any:
    def method(self: Tensor, other: Any) -> Any:
        if isinstance(other, ARRAYS):
            return apply(op, other, self) if reflected else apply(op, self, other)
        if not isinstance(other, OPERANDS):
            return NotImplemented
        return apply(op, None, self, number=other) if reflected else apply(op, self, None, number=other)

    method.__doc__ = f"``{op.name}`` of this tensor and another operand."
    return method


METHODS: dict[str, Any] = {
    "__add__": _operator(Add), "__radd__": _operator(Add, True),
    "__sub__": _operator(Sub), "__rsub__": _operator(Sub, True),
    "__mul__": _operator(Mul), "__rmul__": _operator(Mul, True),
    "__truediv__": _operator(Div), "__rtruediv__": _operator(Div, True),
    "__pow__": lambda self, other: pow(self, other) if isinstance(other, OPERANDS) else NotImplemented,
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
    **{op.name + "_": inplace_two(op) for op in (Mul, Div, Pow)}, "add_": scaled(Add), "sub_": scaled(Sub),
    **{op.name + "_": inplace_one(op) for op in (
        Abs, Ceil, Cos, Erf, Exp, Expm1, Floor, Log, Log1p, Neg, Reciprocal, Round, Rsqrt, Sign, Sin, Sqrt, Square)},
    "clip": clamp, "clip_": clamp_, "clamp_min_": clamp_min_, "clamp_max_": clamp_max_,
    "__iadd__": augmented(Add), "__isub__": augmented(Sub), "__imul__": augmented(Mul), "__itruediv__": augmented(Div),
    "__ipow__": augmented(Pow), "__iand__": augmented(LogicalAnd), "__ior__": augmented(LogicalOr),
    "__ixor__": augmented(LogicalXor),
}
