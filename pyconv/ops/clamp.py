"""Limits on a tensor's values: numbers, or tensors that broadcast."""

from __future__ import annotations

from typing import Any

from pyconv.ops.binary import ge, le, logical_or, ne, where
from pyconv.ops.inplace import inplace
from pyconv.ops.operands import ARRAYS
from pyconv.ops.out import takes_out
from pyconv.ops.unary import Clamp
from pyconv.tensor import Tensor, apply


@takes_out
def clamp(x: Any, min: Any = None, max: Any = None) -> Any:
    """Limit x to [min, max]; max wins where they cross. Raises ValueError without either bound.

    A bound is a number, or a tensor that broadcasts with x: it gets the gradient of the elements that it limits.

    >>> import pyconv
    >>> pyconv.clamp(pyconv.tensor([-2.0, 0.5, 3.0]), pyconv.tensor([-1.0, 1.0, 0.0]), 2.0).tolist()
    [-1.0, 1.0, 2.0]
    """
    if min is None and max is None:
        raise ValueError("[clamp] min and max are both None, expected at least one of them")
    if not isinstance(min, ARRAYS) and not isinstance(max, ARRAYS):
        return apply(Clamp, x, lo=min, hi=max)
    # "Not beyond the bound, or not a number" keeps x, so that NaN stays and a tie is x's; a NaN as bound wins.
    if min is not None:
        x = where(logical_or(ge(x, min), ne(x, x)), x, min)
    if max is not None:
        x = where(logical_or(le(x, max), ne(x, x)), x, max)
    return x


def clamp_min(x: Any, min: Any) -> Any:
    """max(x, min)."""
    return clamp(x, min)


def clamp_max(x: Any, max: Any) -> Any:
    """min(x, max)."""
    return clamp(x, None, max)


def _numbers(op: str, **bounds: Any) -> None:
    for name, value in bounds.items():
        if isinstance(value, ARRAYS):
            raise TypeError(f"[{op}] {name} is {type(value).__name__}, expected a number; clamp takes tensors")


def clamp_(self: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """``clamp`` to numbers, into this tensor's own memory."""
    if min is None and max is None:
        raise ValueError("[clamp_] min and max are both None, expected at least one of them")
    _numbers("clamp_", min=min, max=max)
    return inplace(Clamp, "clamp_", self, lo=min, hi=max)


def clamp_min_(self: Tensor, min: Any) -> Tensor:
    """``clamp_min`` to a number, into this tensor's own memory."""
    _numbers("clamp_min_", min=min)
    return inplace(Clamp, "clamp_min_", self, lo=min, hi=None)


def clamp_max_(self: Tensor, max: Any) -> Tensor:
    """``clamp_max`` to a number, into this tensor's own memory."""
    _numbers("clamp_max_", max=max)
    return inplace(Clamp, "clamp_max_", self, lo=None, hi=max)
