"""Activation layers."""

from __future__ import annotations

from typing import Any

from pyconv.nn import functional
from pyconv.nn.arguments import flag, whole
from pyconv.nn.module import Module


class ReLU(Module):
    """``max(x, 0)``, any shape. With ``inplace`` the input's own memory takes the result.

    >>> from pyconv import nn
    >>> nn.ReLU(inplace=True)
    ReLU(inplace=True)
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = flag("ReLU", "inplace", inplace)

    def forward(self, input: Any) -> Any:
        """Any shape to the same shape."""
        return functional.relu(input, self.inplace)

    def extra_repr(self) -> str:
        """``inplace``, if so."""
        return "inplace=True" if self.inplace else ""


class Sigmoid(Module):
    """``1 / (1 + exp(-x))``, any shape."""

    def forward(self, input: Any) -> Any:
        """Any shape to the same shape."""
        return functional.sigmoid(input)


class Tanh(Module):
    """The hyperbolic tangent, any shape."""

    def forward(self, input: Any) -> Any:
        """Any shape to the same shape."""
        return functional.tanh(input)


class _AlongAxis(Module):
    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = None if dim is None else whole(self._get_name(), "dim", dim, -(2**63))

    def extra_repr(self) -> str:
        """The axis."""
        return f"dim={self.dim}"


class Softmax(_AlongAxis):
    """``exp(x_i) / sum_j exp(x_j)`` along the axis ``dim``, which has to be given (None raises when called).

    >>> from pyconv import nn
    >>> nn.Softmax(dim=1)
    Softmax(dim=1)
    """

    def forward(self, input: Any) -> Any:
        """Any shape to the same shape."""
        return functional.softmax(input, self.dim)


class LogSoftmax(_AlongAxis):
    """The logarithm of `Softmax`, computed without overflow."""

    def forward(self, input: Any) -> Any:
        """Any shape to the same shape."""
        return functional.log_softmax(input, self.dim)
