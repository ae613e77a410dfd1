"""Elementwise operations of three operands, made of those of two, and as methods that change the tensor itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyconv.errors import ShapeError
from pyconv.ops.binary import Add, add, div, mul, sub, times, where
from pyconv.ops.inplace import Copy, inplace
from pyconv.ops.operands import ARRAYS, BOOL, Number, text
from pyconv.tensor import Tensor


def _operands(op: str, **operands: Any) -> None:
    for name, value in operands.items():
        if not isinstance(value, ARRAYS):
            raise TypeError(f"[{op}] {name} is {type(value).__name__}, expected a Tensor or a numpy array")


def addcmul(input: Any, tensor1: Any, tensor2: Any, *, value: Number = 1) -> Any:
    """input + value * tensor1 * tensor2."""
    _operands("addcmul", tensor1=tensor1, tensor2=tensor2)
    return add(input, times(mul(tensor1, tensor2), value))


def addcdiv(input: Any, tensor1: Any, tensor2: Any, *, value: Number = 1) -> Any:
    """input + value * tensor1 / tensor2."""
    _operands("addcdiv", tensor1=tensor1, tensor2=tensor2)
    return add(input, times(div(tensor1, tensor2), value))


def lerp(input: Any, end: Any, weight: Any) -> Any:
    """input + weight * (end - input); the weight is a number or broadcasts."""
    _operands("lerp", end=end)
    return add(input, mul(sub(end, input), weight))


def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    """``value``, a number or a tensor without axes, where the bool ``mask`` holds, else input; they broadcast.

    >>> import pyconv
    >>> x = pyconv.tensor([1.0, 2.0, 3.0])
    >>> x.masked_fill(x > 2, 0).tolist()
    [1.0, 2.0, 0.0]
    """
    return where(*_mask("masked_fill", mask, value), input)


def _mask(op: str, mask: Any, value: Any) -> tuple[Any, Any]:
    _operands(op, mask=mask)
    if mask.dtype != BOOL:
        raise TypeError(f"[{op}] mask has dtype {mask.dtype}, expected bool")
    if isinstance(value, ARRAYS) and value.shape:
        raise ShapeError(f"[{op}] value has shape {text(value.shape)}, expected a number or no axes")
    return mask, value


def addcmul_(self: Tensor, tensor1: Any, tensor2: Any, *, value: Number = 1) -> Tensor:
    """`addcmul` into this tensor's own memory."""
    _operands("addcmul_", tensor1=tensor1, tensor2=tensor2)
    return inplace(Add, "addcmul_", self, times(mul(tensor1, tensor2), value))


def addcdiv_(self: Tensor, tensor1: Any, tensor2: Any, *, value: Number = 1) -> Tensor:
    """`addcdiv` into this tensor's own memory."""
    _operands("addcdiv_", tensor1=tensor1, tensor2=tensor2)
    return inplace(Add, "addcdiv_", self, times(div(tensor1, tensor2), value))


def lerp_(self: Tensor, end: Any, weight: Any) -> Tensor:
    """`lerp` into this tensor's own memory."""
    _operands("lerp_", end=end)
    return inplace(Add, "lerp_", self, mul(sub(end, self), weight))


def masked_fill_(self: Tensor, mask: Any, value: Any) -> Tensor:
    """`masked_fill` into this tensor's own memory; the mask broadcasts to it."""
    filled = where(*_mask("masked_fill_", mask, value), self)
    if filled.shape != self.shape:
        raise ShapeError(f"[masked_fill_] mask has shape {text(mask.shape)}, which does not broadcast to the "
                         f"tensor's, {text(self.shape)}")
    if filled.dtype != self.dtype:
        raise TypeError(f"[masked_fill_] value would make it {filled.dtype}, but the tensor has dtype {self.dtype}")
    return inplace(Copy, "masked_fill_", self, filled)


def detach_(self: Tensor) -> Tensor:
    """Forget how this tensor was computed: from now on it is a leaf without gradient.

    Raises RuntimeError for a tensor that shares its memory with another one of the graph.
    """
    if self._node is not None and isinstance(self.array.base, np.ndarray):
        raise RuntimeError("[detach_] the tensor is a view of another one; use detach()")
    self._node, self._slot, self.requires_grad = None, 0, False
    return self


METHODS: dict[str, Any] = {f.__name__: f for f in (
    addcmul, addcdiv, lerp, masked_fill, addcmul_, addcdiv_, lerp_, masked_fill_, detach_)}
