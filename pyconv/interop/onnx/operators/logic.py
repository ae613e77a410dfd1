"""Comparisons, logic, casts and choices: what has no gradient, and `Where`."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyconv.interop.onnx.operators.broadcast import aligned, broadcast_shape
from pyconv.interop.onnx.proto import dtype_of
from pyconv.interop.onnx.registry import Call, numpy, operator
from pyconv.ops import elementwise as E
from pyconv.tensor import FLOATS, Tensor

_TWO = {"Equal": np.equal, "Greater": np.greater, "GreaterOrEqual": np.greater_equal, "Less": np.less,
        "LessOrEqual": np.less_equal, "And": np.logical_and, "Or": np.logical_or, "Xor": np.logical_xor,
        "BitwiseAnd": np.bitwise_and, "BitwiseOr": np.bitwise_or, "BitwiseXor": np.bitwise_xor}
_ONE = {"Not": np.logical_not, "BitwiseNot": np.invert, "IsNaN": np.isnan}


@operator(*_TWO)
def two(at: Call, a: Any, b: Any) -> Any:
    """a ? b."""
    a, b = aligned(at, numpy(a), numpy(b))
    return _TWO[at.node.op](a, b)


@operator(*_ONE)
def one(at: Call, x: Any) -> Any:
    """f(x)."""
    return _ONE[at.node.op](numpy(x))


@operator("IsInf")
def is_inf(at: Call, x: Any) -> Any:
    """Whether x is infinite, of the signs asked for."""
    values = numpy(x)
    negative, positive = at.flag("detect_negative"), at.flag("detect_positive")
    return np.isinf(values) & ((values > 0) if not negative else True) & ((values < 0) if not positive else True)


@operator("Where", wide=False)
def where(at: Call, condition: Any, a: Any, b: Any) -> Any:
    """a where the condition holds, else b."""
    broadcast_shape(at, (condition.shape, a.shape, b.shape), a.dtype)
    return E.where(condition, a, b) if isinstance(a, Tensor) else np.where(condition, a, b)


@operator("Cast", wide=False)
def cast(at: Call, x: Any) -> Any:
    """x in another type: a fraction is cut off, what is not 0 is True."""
    return converted(at, x, dtype_of(at["to"], "attribute to"))


@operator("CastLike", wide=False, settings=(1,))
def cast_like(at: Call, x: Any, target: Any) -> Any:
    """x in the type of the other."""
    return converted(at, x, target.dtype)


def converted(at: Call, x: Any, dtype: np.dtype) -> Any:
    """x in another type."""
    if x.dtype == dtype:
        return x
    if isinstance(x, Tensor) and dtype in FLOATS:
        return x.to(dtype)
    return numpy(x).astype(dtype)


@operator("Identity", wide=False)
def identity(at: Call, x: Any) -> Any:
    """x."""
    return x
