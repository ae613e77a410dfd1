"""Coercion of shapes, axes and dtypes: what a user may write, turned into plain tuples of ints and numpy dtypes."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from pyconv.errors import ShapeError

#: In the order of promotion: the result of several is the last of them, as in torch.
DTYPES = tuple(np.dtype(n) for n in ("bool", "uint8", "int32", "int64", "float32", "float64"))
_KNOWN = frozenset(DTYPES)


def whole(value: Any, op: str, argument: str) -> int:
    """An int, from anything that is one; TypeError else (a bool is not one)."""
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"[{op}] {argument} is {value!r}, expected a whole number")
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"[{op}] {argument} is {value!r}, expected a whole number") from None


def wholes(args: Sequence[Any], op: str, argument: str = "shape") -> tuple[int, ...]:
    """``f(2, 3)``, ``f((2, 3))`` and ``f([2, 3])`` are one."""
    if len(args) == 1 and isinstance(args[0], (tuple, list)):
        args = args[0]
    return tuple([whole(v, op, argument) for v in args])


def axis_of(axis: Any, rank: int, op: str, argument: str = "dim") -> int:
    """An axis in [0, rank) from one in [-rank, rank); IndexError else."""
    value = whole(axis, op, argument)
    if not -rank <= value < rank:
        low, high = (-rank, rank - 1) if rank else (-1, 0)
        raise IndexError(f"[{op}] {argument} is {value}, expected {low} to {high} for a tensor of {rank} axes")
    return value + rank if value < 0 else value


def dtype_of(dtype: Any, op: str) -> np.dtype:
    """A numpy dtype that pyconv has; TypeError else. Python's float, int and bool stand for float32, int64, bool."""
    if dtype is float:
        return np.dtype("float32")
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = None
    if found not in _KNOWN or dtype is None:
        raise TypeError(f"[{op}] dtype is {dtype!r}, expected float32, float64, int64, int32, uint8 or bool")
    return found


def promoted(dtypes: Sequence[np.dtype]) -> np.dtype:
    """The dtype that holds all of them."""
    return max(dtypes, key=DTYPES.index)


def size_of(shape: Sequence[int], op: str) -> int:
    """The number of elements; ShapeError for a negative size."""
    total = 1
    for n in shape:
        if n < 0:
            raise ShapeError(f"[{op}] shape {tuple(shape)} has a negative size")
        total *= n
    return total


def only(op: str, **given: tuple[Any, Any]) -> None:
    """Each argument must have its one supported value: ``only("zeros", out=(out, None))``."""
    for name, (value, supported) in given.items():
        if value is not supported and value != supported:
            raise ValueError(f"[{op}] {name} is {value!r}, only {supported!r} is supported")
