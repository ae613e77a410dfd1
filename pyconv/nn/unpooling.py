"""The way back from max pooling, and power-average pooling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyconv.nn import functional
from pyconv.nn.arguments import flag, number, per_axis
from pyconv.nn.module import Module


class _MaxUnpool(Module):
    _axes: int

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        layer = self._get_name()
        self.kernel_size = per_axis(layer, "kernel_size", kernel_size, self._axes, 1)
        self.stride = per_axis(layer, "stride", kernel_size if stride is None else stride, self._axes, 1)
        self.padding = per_axis(layer, "padding", padding, self._axes, 0)

    def forward(self, input: Any, indices: Any, output_size: Sequence[int] | None = None) -> Any:
        """Values and their int64 positions to planes that are zero elsewhere; ``output_size`` picks their size."""
        function = getattr(functional, f"max_unpool{self._axes}d")
        return function(input, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """Undo `MaxPool1d`; see `MaxUnpool2d`."""

    _axes = 1


class MaxUnpool2d(_MaxUnpool):
    """Maxima back at their places: the way back from `MaxPool2d` with ``return_indices=True``.

    Args:
        kernel_size, stride, padding: those of the pooling.

    Where windows overlapped, the last of equal positions stays. Raises IndexError for a position outside the plane.

    >>> import pyconv
    >>> from pyconv import nn
    >>> y, indices = nn.MaxPool2d(2, return_indices=True)(pyconv.tensor([[[[1.0, 2.0], [4.0, 3.0]]]]))
    >>> nn.MaxUnpool2d(2)(y, indices).tolist()
    [[[[0.0, 0.0], [4.0, 0.0]]]]
    """

    _axes = 2


class MaxUnpool3d(_MaxUnpool):
    """Undo `MaxPool3d`; see `MaxUnpool2d`."""

    _axes = 3


class _LPPool(Module):
    _axes: int

    def __init__(self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> None:
        super().__init__()
        layer = self._get_name()
        if number(layer, "norm_type", norm_type, float("-inf"), float("inf")) == 0:
            raise ValueError(f"[{layer}] norm_type is 0, expected a number other than 0")
        per_axis(layer, "kernel_size", kernel_size, self._axes, 1)
        if stride is not None:
            per_axis(layer, "stride", stride, self._axes, 1)
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = flag(layer, "ceil_mode", ceil_mode)

    def forward(self, input: Any) -> Any:
        """(N, C, ...) to (N, C, ...')."""
        function = getattr(functional, f"lp_pool{self._axes}d")
        return function(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return (f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
                f"ceil_mode={self.ceil_mode}")


class LPPool1d(_LPPool):
    """1-D power-average pooling: (N, C, L) to (N, C, L'); see `LPPool2d`."""

    _axes = 1


class LPPool2d(_LPPool):
    """(Σ x^p)^(1/p) over windows, p = ``norm_type``: (N, C, H, W) to (N, C, H', W').

    Args:
        norm_type: p, other than 0; 1 gives sums, infinity the largest magnitudes.
        kernel_size, stride, ceil_mode: as for `MaxPool2d`.

    >>> from pyconv import nn
    >>> nn.LPPool2d(2, 3, stride=2)
    LPPool2d(norm_type=2, kernel_size=3, stride=2, ceil_mode=False)
    """

    _axes = 2


class LPPool3d(_LPPool):
    """3-D power-average pooling: (N, C, D, H, W) to (N, C, D', H', W'); see `LPPool2d`."""

    _axes = 3
