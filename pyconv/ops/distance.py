"""Distances and angles between rows of features."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyconv.ops.arguments import axis_of
from pyconv.ops.binary import add, div, eq, mul, sub, where
from pyconv.ops.binary import pow as power
from pyconv.ops.clamp import clamp_min
from pyconv.ops.operands import broadcast
from pyconv.ops.reduce import amax, amin
from pyconv.ops.reduce import sum as total
from pyconv.ops.unary import abs as magnitude
from pyconv.ops.unary import sqrt
from pyconv.tensor import FLOATS, Tensor, raw


def _number(value: Any, op: str, argument: str) -> float:
    if isinstance(value, (bool, str, Tensor, np.ndarray)) or not hasattr(value, "__float__"):
        raise TypeError(f"[{op}] {argument} is {value!r}, expected a number")
    number = float(value)
    if math.isnan(number):
        raise ValueError(f"[{op}] {argument} is nan, expected a number")
    return number


def _pair(op: str, x1: Any, x2: Any) -> tuple[int, ...]:
    """The common shape of two float operands."""
    for value, argument in ((x1, "x1"), (x2, "x2")):
        if not isinstance(value, Tensor):
            raw(value, op, argument)
        if value.dtype not in FLOATS:
            raise TypeError(f"[{op}] {argument} has dtype {value.dtype}, expected float32 or float64")
    return broadcast(op, tuple(x1.shape), tuple(x2.shape))


def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    """x1 · x2 / (|x1| |x2|) along an axis: the cosine of the angle between two vectors, from -1 to 1.

    Args:
        x1, x2: float tensors whose shapes broadcast.
        dim: the axis of the vectors, in their common shape.
        eps: the least length that is divided by.

    Raises:
        ShapeError, TypeError: operands that do not fit; IndexError: ``dim``.

    >>> import numpy as np
    >>> cosine_similarity(np.float32([[3, 4]]), np.float32([[4, 3]])).round(3).tolist()
    [0.9599999785423279]
    """
    shape = _pair("cosine_similarity", x1, x2)
    rank = len(shape)
    axis = axis_of(dim, max(rank, 1), "cosine_similarity") - max(rank, 1)
    least = _number(eps, "cosine_similarity", "eps")
    least *= least  # infinity where `** 2` would raise

    def unit(x: Any) -> Any:
        # The root of a bounded square: its slope is finite for a vector of zeros, too.
        own = (1,) * (len(shape) - len(x.shape)) + tuple(x.shape)
        wide = x.reshape(own) if own != tuple(x.shape) else x
        squares = total(mul(wide, wide), axis, True)
        if rank and own[axis] != shape[axis]:  # one number for the whole axis: it counts once per place
            squares = mul(squares, shape[axis])
        return div(wide, sqrt(clamp_min(squares, max(least, 1e-38))))

    return total(mul(unit(x1), unit(x2)), axis)


def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Any:
    """(Σ |x1 - x2 + eps|^p)^(1/p) along the last axis: the distance of each pair of rows.

    Args:
        x1, x2: float tensors (..., D) whose shapes broadcast.
        p: above 0; infinity gives the largest difference, minus infinity the smallest.
        eps: added to every difference, as in PyTorch.
        keepdim: whether the last axis stays, with size 1.

    Raises:
        ShapeError, TypeError: operands that do not fit; ValueError: ``p``.

    >>> import numpy as np
    >>> pairwise_distance(np.float64([[0, 0]]), np.float64([[3, 4]])).round(3).tolist()
    [5.0]
    """
    op = "pairwise_distance"
    if not _pair(op, x1, x2):
        raise ValueError(f"[{op}] x1 and x2 are scalars, expected at least one axis")
    norm, shift = _number(p, op, "p"), _number(eps, op, "eps")
    if not isinstance(keepdim, (bool, np.bool_)):
        raise TypeError(f"[{op}] keepdim is {keepdim!r}, expected True or False")
    if norm <= 0 and norm != -math.inf:
        raise ValueError(f"[{op}] p is {norm:g}, expected a number above 0, or minus infinity")
    keep = bool(keepdim)
    difference = magnitude(add(sub(x1, x2), shift))
    if math.isinf(norm):
        return (amax if norm > 0 else amin)(difference, -1, keep)
    if norm == 1:
        return total(difference, -1, keep)
    powers = total(mul(difference, difference) if norm == 2 else power(difference, norm), -1, keep)
    # Where all differences are 0 the root has no slope; there the distance has the gradient 0.
    nothing = eq(powers, 0.0)
    safe = where(nothing, 1.0, powers)
    return where(nothing, 0.0, sqrt(safe) if norm == 2 else power(safe, 1 / norm))
