"""Checks of layers' constructor arguments: an unusable one is an error where it is written, not where it is used."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from pyconv.nn.parameter import Parameter
from pyconv.nn.state import float_dtype, is_meta
from pyconv.ops.creation import empty
from pyconv.tensor import Tensor


def whole(layer: str, name: str, value: Any, least: int) -> int:
    """A whole number of at least ``least``. Raises TypeError or ValueError."""
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"[{layer}] {name} is {value!r}, expected a whole number") from None
    if not least <= number < 2**63:
        raise ValueError(f"[{layer}] {name} is {number}, expected at least {least} and less than 2**63")
    return number


def per_axis(layer: str, name: str, value: Any, axes: int, least: int) -> tuple[int, ...]:
    """One whole number for each of ``axes`` axes, from one for all or from a sequence."""
    if not isinstance(value, (tuple, list)):
        return (whole(layer, name, value, least),) * axes
    if len(value) != axes:
        raise ValueError(f"[{layer}] {name} has {len(value)} entries, expected one number or {axes}")
    return tuple(whole(layer, name, v, least) for v in value)


def flag(layer: str, name: str, value: Any) -> bool:
    """A bool. Raises TypeError for anything else: 0.5 given for ``bias`` is a slip, not a yes."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"[{layer}] {name} is {value!r}, expected True or False")
    return bool(value)


def number(layer: str, name: str, value: Any, low: float, high: float) -> float:
    """A real number from ``low`` to ``high``. Raises TypeError or ValueError, the latter also for NaN."""
    result = _real(layer, name, value)
    if not low <= result <= high:
        raise ValueError(f"[{layer}] {name} is {result}, expected a number from {low:g} to {high:g}")
    return result


def positive(layer: str, name: str, value: Any, high: float = math.inf) -> float:
    """A real number above 0, up to ``high``. Raises TypeError or ValueError, the latter also for NaN."""
    result = _real(layer, name, value)
    if not 0 < result <= high:
        limit = "" if math.isinf(high) else f", up to {high:g}"
        raise ValueError(f"[{layer}] {name} is {result}, expected a number above 0{limit}")
    return result


def _real(layer: str, name: str, value: Any) -> float:
    if isinstance(value, (bool, str, Tensor, np.ndarray)) or not hasattr(value, "__float__"):
        raise TypeError(f"[{layer}] {name} is {value!r}, expected a number")
    return float(value)


def only(layer: str, name: str, value: Any, default: Any) -> None:
    """An argument that PyTorch has and we don't: only its default is accepted. Raises ValueError."""
    if value != default:
        raise ValueError(f"[{layer}] {name}={value!r} is not supported, expected {default!r}")


def allocate(layer: str, shape: tuple[int, ...], device: Any, dtype: Any) -> Tensor:
    """A Tensor without values, for parameters and buffers. Raises ValueError when no memory could hold it."""
    kind = float_dtype(dtype, layer)
    if is_meta(device, layer):
        return Tensor(None, meta=(shape, kind))
    if math.prod(shape) * kind.itemsize >= 2**47:
        raise ValueError(f"[{layer}] a parameter of shape {shape} is too large for any memory")
    return empty(shape, dtype=kind)


def parameter(layer: str, shape: tuple[int, ...], device: Any, dtype: Any) -> Parameter:
    """A Parameter without values; see `allocate`."""
    return Parameter(allocate(layer, shape, device, dtype))
