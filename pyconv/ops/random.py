"""Random tensors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyconv._backend import core
from pyconv.device import device as Device
from pyconv.ops.arguments import dtype_of, only, size_of, wholes
from pyconv.ops.creation import finish
from pyconv.ops.elementwise import copy_
from pyconv.random import Generator, pick
from pyconv.tensor import FLOATS, Tensor

_FLOAT32, _INT64 = np.dtype("float32"), np.dtype("int64")


def _drawn(op: str, draw: Any, parameters: tuple[Any, Any], shape: tuple[int, ...], dtype: Any,
           generator: Generator | None, device: Any, requires_grad: bool, default: np.dtype = _FLOAT32) -> Tensor:
    kind = default if dtype is None else dtype_of(dtype, op)
    if Device(device or "cpu").type == "meta":
        return finish(shape, kind, op, requires_grad)
    at = pick(generator, op).take(size_of(shape, op), 1 if kind == _FLOAT32 else 2)
    return finish(draw(shape, kind, *parameters, *at, True), kind, op, requires_grad)


def rand(*size: Any, generator: Generator | None = None, dtype: Any = None, device: Any = None,
         requires_grad: bool = False, out: None = None, layout: None = None) -> Tensor:
    """Uniform draws from [0, 1).

    >>> rand(2, 3).shape
    (2, 3)
    """
    only("rand", out=(out, None), layout=(layout, None))
    return _drawn("rand", core.random_uniform, (0.0, 1.0), wholes(size, "rand"), dtype, generator, device,
                  requires_grad)


def randn(*size: Any, generator: Generator | None = None, dtype: Any = None, device: Any = None,
          requires_grad: bool = False, out: None = None, layout: None = None) -> Tensor:
    """Standard normal draws (Box and Muller's transform).

    >>> randn(2, 3).shape
    (2, 3)
    """
    only("randn", out=(out, None), layout=(layout, None))
    return _drawn("randn", core.random_normal, (0.0, 1.0), wholes(size, "randn"), dtype, generator, device,
                  requires_grad)


def uniform_(x: Tensor, a: float = 0.0, b: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill a tensor with uniform draws from [a, b) and return it; a meta tensor is left as it is.

    Raises ValueError unless a <= b and both are finite.
    """
    if not (math.isfinite(a) and math.isfinite(b) and a <= b):
        raise ValueError(f"[uniform_] the interval is from {a} to {b}, expected finite numbers in rising order")
    return _fill("uniform_", core.random_uniform, (a, b), x, generator)


def normal_(x: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill a tensor with normal draws and return it; a meta tensor is left as it is. Raises ValueError for std < 0."""
    if not (math.isfinite(mean) and math.isfinite(std) and std >= 0):
        raise ValueError(f"[normal_] mean is {mean} and std {std}, expected finite numbers, std at least 0")
    return _fill("normal_", core.random_normal, (mean, std), x, generator)


def _fill(op: str, draw: Any, parameters: tuple[float, float], x: Tensor, generator: Generator | None) -> Tensor:
    if x.dtype not in FLOATS:
        raise TypeError(f"[{op}] x has dtype {x.dtype}, expected float32 or float64")
    return x if x.is_meta else copy_(x, _drawn(op, draw, parameters, x.shape, x.dtype, generator, None, False))


METHODS: dict = {"uniform_": uniform_, "normal_": normal_}
