"""Dropout layers; they do something in training mode only."""

from __future__ import annotations

from typing import Any

from pyconv.nn import functional
from pyconv.nn.arguments import flag, number
from pyconv.nn.module import Module


class _Dropout(Module):
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        self.p = number(self._get_name(), "p", p, 0, 1)
        self.inplace = flag(self._get_name(), "inplace", inplace)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """In training, zeroes elements with probability ``p`` and scales the others by 1 / (1 - p); else the identity.

    With ``inplace`` a Tensor's own memory takes the result.

    Source: Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting, 2014.

    >>> from pyconv import nn
    >>> nn.Dropout(0.25)
    Dropout(p=0.25, inplace=False)
    """

    def forward(self, input: Any) -> Any:
        """Any shape to the same shape."""
        return functional.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_Dropout):
    """Dropout of whole channels of (N, C, L) or (C, L); see `Dropout`."""

    def forward(self, input: Any) -> Any:
        """(N, C, L) or (C, L) to the same shape."""
        return functional.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_Dropout):
    """Dropout of whole channels of (N, C, H, W) or (C, H, W); see `Dropout`.

    Source: Tompson et al., Efficient object localization using convolutional networks, 2015.
    """

    def forward(self, input: Any) -> Any:
        """(N, C, H, W) or (C, H, W) to the same shape."""
        return functional.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_Dropout):
    """Dropout of whole channels of (N, C, D, H, W) or (C, D, H, W); see `Dropout2d`."""

    def forward(self, input: Any) -> Any:
        """(N, C, D, H, W) or (C, D, H, W) to the same shape."""
        return functional.dropout3d(input, self.p, self.training, self.inplace)
