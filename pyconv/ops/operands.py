"""What elementwise operations share: kinds of operands, broadcasting and its gradient."""

from __future__ import annotations

import numpy as np

from pyconv._backend import core
from pyconv.errors import ShapeError
from pyconv.tensor import Array, Shape, Tensor

Number = bool | int | float
BOOL = np.dtype(bool)
ARRAYS = (Tensor, np.ndarray)
OPERANDS = (Tensor, np.ndarray, int, float, np.generic)


def text(shape: Shape) -> str:
    """8x3x32x32, or () for a scalar."""
    return "x".join(map(str, shape)) or "()"


def broadcast(op: str, a: Shape, b: Shape) -> Shape:
    """The common shape by numpy's rule; ShapeError naming both when there is none."""
    if a == b:
        return a
    out = list(a if len(a) >= len(b) else b)
    for i in range(-min(len(a), len(b)), 0):
        if a[i] != b[i] and a[i] != 1 and b[i] != 1:
            raise ShapeError(
                f"[{op}] shapes {text(a)} and {text(b)} do not broadcast: {a[i]} and {b[i]} differ and neither is 1"
            )
        out[i] = b[i] if a[i] == 1 else a[i]
    return tuple(out)


def fit(gradient: Array, shape: Shape, dtype: np.dtype) -> Array:
    """The gradient of an operand that was broadcast from ``shape`` and converted from ``dtype``."""
    if gradient.shape != shape:
        gradient = core.sum_to_shape(gradient, shape, True)
    if gradient.dtype != dtype:
        out = core.empty(shape, dtype, True)
        core.assign(out, gradient)
        return out
    return gradient


def zeros_like(gradient: Array) -> Array:
    """A gradient of nothing."""
    return core.full(gradient.shape, gradient.dtype, 0.0, True)
