"""Pooling layers: no parameters, one class per kind, a subclass per number of axes."""

from __future__ import annotations

from typing import Any

from pyconv.nn import functional
from pyconv.nn.arguments import flag, per_axis, whole
from pyconv.nn.module import Module


class _Pool(Module):
    """Windows that slide along ``_axes`` axes. Sizes are kept as they were given, as in PyTorch."""

    _axes: int

    def __init__(self, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool) -> None:
        super().__init__()
        layer = self._get_name()
        stride = kernel_size if stride is None else stride
        window = per_axis(layer, "kernel_size", kernel_size, self._axes, 1)
        per_axis(layer, "stride", stride, self._axes, 1)
        if any(2 * p > k for p, k in zip(per_axis(layer, "padding", padding, self._axes, 0), window, strict=True)):
            raise ValueError(f"[{layer}] padding is {padding}, expected at most half of kernel_size={kernel_size}")
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.ceil_mode = flag(layer, "ceil_mode", ceil_mode)


class _MaxPool(_Pool):
    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
                 return_indices: bool = False, ceil_mode: bool = False) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode)
        per_axis(self._get_name(), "dilation", dilation, self._axes, 1)
        self.dilation = dilation
        self.return_indices = flag(self._get_name(), "return_indices", return_indices)

    def forward(self, input: Any) -> Any:
        """(N, C, ...) to (N, C, ...'); with ``return_indices`` also the int64 indices of the maxima."""
        function = getattr(functional, f"max_pool{self._axes}d")
        return function(input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
                        self.return_indices)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return (f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
                f"dilation={self.dilation}, ceil_mode={self.ceil_mode}")


class MaxPool1d(_MaxPool):
    """1-D max pooling: (N, C, L) to (N, C, L'); see `MaxPool2d`."""

    _axes = 1


class MaxPool2d(_MaxPool):
    """The maximum of each window: (N, C, H, W) to (N, C, H', W').

    Args:
        kernel_size: one number, or one per axis, at least 1.
        stride: the same; None is ``kernel_size``.
        padding: minus infinity around the input, at most half the window.
        dilation: distance between the window's taps.
        return_indices: whether to return the positions of the maxima in each H x W plane, too.
        ceil_mode: whether windows may hang over the far edge.

    >>> from pyconv import nn
    >>> nn.MaxPool2d(2)
    MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)
    """

    _axes = 2


class MaxPool3d(_MaxPool):
    """3-D max pooling: (N, C, D, H, W) to (N, C, D', H', W'); see `MaxPool2d`."""

    _axes = 3


class _AvgPool(_Pool):
    divisor_override: int | None = None

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
                 count_include_pad: bool = True, divisor_override: int | None = None) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode)
        self.count_include_pad = flag(self._get_name(), "count_include_pad", count_include_pad)
        if divisor_override is not None:
            whole(self._get_name(), "divisor_override", divisor_override, 1)
        self.divisor_override = divisor_override

    def forward(self, input: Any) -> Any:
        """(N, C, ...) to (N, C, ...')."""
        function = getattr(functional, f"avg_pool{self._axes}d")
        more = () if self.divisor_override is None else (self.divisor_override,)
        return function(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad,
                        *more)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPool):
    """1-D average pooling: (N, C, L) to (N, C, L'); see `AvgPool2d`. It has no ``divisor_override``, as in PyTorch."""

    _axes = 1

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
                 count_include_pad: bool = True) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)
        self.kernel_size = per_axis("AvgPool1d", "kernel_size", self.kernel_size, 1, 1)
        self.stride = per_axis("AvgPool1d", "stride", self.stride, 1, 1)
        self.padding = per_axis("AvgPool1d", "padding", self.padding, 1, 0)


class AvgPool2d(_AvgPool):
    """The mean of each window: (N, C, H, W) to (N, C, H', W').

    Args:
        kernel_size, stride, padding, ceil_mode: as for `MaxPool2d`; the padding is zeros.
        count_include_pad: whether padding counts in the number that is divided by.
        divisor_override: divide by this number instead.

    >>> from pyconv import nn
    >>> nn.AvgPool2d(3, stride=2, padding=1)
    AvgPool2d(kernel_size=3, stride=2, padding=1)
    """

    _axes = 2


class AvgPool3d(_AvgPool):
    """3-D average pooling: (N, C, D, H, W) to (N, C, D', H', W'); see `AvgPool2d`."""

    _axes = 3


class _Adaptive(Module):
    _axes: int

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        sizes = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * self._axes
        # None keeps the input's size along that axis.
        per_axis(self._get_name(), "output_size", [0 if s is None else s for s in sizes], self._axes, 0)
        self.output_size = output_size

    def extra_repr(self) -> str:
        """The constructor's argument."""
        return f"output_size={self.output_size}"


class _AdaptiveAvg(_Adaptive):
    def forward(self, input: Any) -> Any:
        """(N, C, ...) to (N, C, *output_size)."""
        return getattr(functional, f"adaptive_avg_pool{self._axes}d")(input, self.output_size)


class AdaptiveAvgPool1d(_AdaptiveAvg):
    """1-D average pooling to a given size; see `AdaptiveAvgPool2d`."""

    _axes = 1


class AdaptiveAvgPool2d(_AdaptiveAvg):
    """Means of windows chosen so that the output has ``output_size``: (N, C, H, W) to (N, C, *output_size).

    ``output_size`` is one number or one per axis; None keeps the input's.

    >>> from pyconv import nn
    >>> nn.AdaptiveAvgPool2d((1, 1))
    AdaptiveAvgPool2d(output_size=(1, 1))
    """

    _axes = 2


class AdaptiveAvgPool3d(_AdaptiveAvg):
    """3-D average pooling to a given size; see `AdaptiveAvgPool2d`."""

    _axes = 3


class _AdaptiveMax(_Adaptive):
    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = flag(self._get_name(), "return_indices", return_indices)

    def forward(self, input: Any) -> Any:
        """(N, C, ...) to (N, C, *output_size); with ``return_indices`` also the indices of the maxima."""
        return getattr(functional, f"adaptive_max_pool{self._axes}d")(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMax):
    """1-D max pooling to a given size; see `AdaptiveAvgPool2d`."""

    _axes = 1


class AdaptiveMaxPool2d(_AdaptiveMax):
    """Maxima of windows chosen so that the output has ``output_size``; see `AdaptiveAvgPool2d`.

    >>> from pyconv import nn
    >>> nn.AdaptiveMaxPool2d(7)
    AdaptiveMaxPool2d(output_size=7)
    """

    _axes = 2


class AdaptiveMaxPool3d(_AdaptiveMax):
    """3-D max pooling to a given size; see `AdaptiveAvgPool2d`."""

    _axes = 3
