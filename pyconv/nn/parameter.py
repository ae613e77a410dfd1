"""Parameter: the Tensor that a module registers and an optimiser changes."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyconv.tensor import FLOATS, Tensor


class Parameter(Tensor):
    """A leaf Tensor that `Module` registers as trainable when it is assigned as an attribute.

    ``data`` is a Tensor or a numpy array, whose memory is shared (None: an empty float32 tensor); a meta
    Tensor gives a meta Parameter. Raises TypeError for another type, or when an integer tensor is to require
    a gradient.

    >>> import numpy as np
    >>> from pyconv import nn
    >>> weight = nn.Parameter(np.ones((2, 3), dtype=np.float32))
    >>> weight.shape, weight.requires_grad
    ((2, 3), True)
    """

    __slots__ = ()

    def __init__(self, data: Tensor | np.ndarray | None = None, requires_grad: bool = True) -> None:
        if data is None:
            data = np.empty(0, dtype=np.float32)
        if isinstance(data, Tensor):
            super().__init__(data._array, requires_grad, meta=data._meta, version=data._version)
        elif isinstance(data, np.ndarray):
            super().__init__(data, requires_grad)
        else:
            raise TypeError(f"[Parameter] data is {type(data).__name__}, expected a Tensor or a numpy array")
        if requires_grad and self.dtype not in FLOATS:
            raise TypeError(
                f"[Parameter] dtype is {self.dtype}, only float32 and float64 can require a gradient"
            )

    def __repr__(self) -> str:
        if self.is_meta:
            return f"Parameter containing:\ntensor(..., device='meta', size={self.shape}, dtype={self.dtype})"
        return f"Parameter containing:\n{super().__repr__()}"

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        copied = Tensor(None, meta=self._meta) if self.is_meta else Tensor(self.array.copy(order="K"))
        result = memo[id(self)] = type(self)(copied, self.requires_grad)
        if self.grad is not None:
            result.grad = Tensor(self.grad.array.copy(order="K"))
        return result

    def __reduce__(self) -> tuple[Any, ...]:
        if self.is_meta:
            return _rebuild_meta, (self._meta, self.requires_grad)
        return Parameter, (self.array, self.requires_grad)


def _rebuild_meta(meta: tuple[tuple[int, ...], Any], requires_grad: bool) -> Parameter:
    return Parameter(Tensor(None, meta=meta), requires_grad)
