"""The common shape of operands, bounded; and the broadcasting of opset 6, which aligned at an axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyconv.interop.onnx.registry import Call
from pyconv.tensor import Tensor


def broadcast_shape(at: Call, shapes: Any, dtype: Any) -> tuple[int, ...]:
    """The common shape by numpy's rule, if a value of it may take memory."""
    try:
        return at.bound(np.broadcast_shapes(*shapes), dtype)
    except ValueError as error:
        if "broadcast" not in str(error):
            raise
        at.error(f"shapes {' and '.join(str(tuple(s)) for s in shapes)} do not broadcast")


def aligned(at: Call, a: Any, b: Any) -> tuple[Any, Any]:
    """The two operands; in opset 6 ``b`` may start at axis ``axis`` of ``a``."""
    axis = at["axis"]
    if at["broadcast"] and axis is not None:
        start = at.axis(axis, a.ndim)
        after = a.ndim - start - b.ndim
        if after < 0:
            at.error(f"axis is {axis}, expected at most {a.ndim - b.ndim} for operands of {a.ndim} and {b.ndim} axes")
        b = b.reshape((*b.shape, *(1,) * after))
    if a.shape != b.shape:
        broadcast_shape(at, (a.shape, b.shape), a.dtype)
    return a, b


def both(a: Any, b: Any) -> bool:
    """Whether an operation on the two is one of Tensors."""
    return isinstance(a, Tensor) or isinstance(b, Tensor)
