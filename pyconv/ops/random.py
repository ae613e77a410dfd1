"""Random tensors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyconv._backend import core
from pyconv.device import device as Device
from pyconv.ops.arguments import dtype_of, only, size_of, whole, wholes
from pyconv.ops.creation import finish
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
    return _drawn("rand", core.random_uniform, (0.0, 1.0), wholes(size, "rand"), dtype, generator, device, requires_grad)


def randn(*size: Any, generator: Generator | None = None, dtype: Any = None, device: Any = None,
          requires_grad: bool = False, out: None = None, layout: None = None) -> Tensor:
    """Standard normal draws (Box and Muller's transform).

    >>> randn(2, 3).shape
    (2, 3)
    """
    only("randn", out=(out, None), layout=(layout, None))
    return _drawn("randn", core.random_normal, (0.0, 1.0), wholes(size, "randn"), dtype, generator, device,
                  requires_grad)


METHODS: dict = {}
