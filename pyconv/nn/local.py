"""Locally connected layers: convolutions whose weights are not shared."""

from __future__ import annotations

import math
from typing import Any

from pyconv.nn import functional, init
from pyconv.nn.arguments import flag, parameter, per_axis, whole
from pyconv.nn.module import Module


class _LocallyConnected(Module):
    _axes: int

    def __init__(self, in_channels: int, out_channels: int, input_size: Any, kernel_size: Any, stride: Any = 1,
                 padding: Any = 0, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        layer, axes = self._get_name(), self._axes
        self.in_channels = whole(layer, "in_channels", in_channels, 1)
        self.out_channels = whole(layer, "out_channels", out_channels, 1)
        self.input_size = per_axis(layer, "input_size", input_size, axes, 1)
        self.kernel_size = per_axis(layer, "kernel_size", kernel_size, axes, 1)
        self.stride = per_axis(layer, "stride", stride, axes, 1)
        self.padding = per_axis(layer, "padding", padding, axes, 0)
        sizes = zip(self.input_size, self.kernel_size, self.stride, self.padding, strict=True)
        #: Positions of the filters, per axis.
        self.output_size = tuple([(n + 2 * p - k) // s + 1 for n, k, s, p in sizes])
        if min(self.output_size) < 1:
            raise ValueError(f"[{layer}] kernel_size is {self.kernel_size}, expected at most input_size="
                             f"{self.input_size} with its padding={self.padding}")
        self.weight = parameter(layer, (*self.output_size, self.out_channels, self.in_channels, *self.kernel_size),
                                device, dtype)
        if flag(layer, "bias", bias):
            self.bias = parameter(layer, (self.out_channels, *self.output_size), device, dtype)
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew from U(-b, b), b = 1 / sqrt(in_channels * taps), as a convolution does."""
        bound = 1 / math.sqrt(self.in_channels * math.prod(self.kernel_size))
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Any) -> Any:
        """(N, in_channels, *input_size) to (N, out_channels, *output_size); a single image may lack N."""
        return _FUNCTIONS[self._axes](input, self.weight, self.bias, self.stride, self.padding)

    def extra_repr(self) -> str:
        """The constructor's arguments, padding and bias where they are not the default."""
        parts = [f"{self.in_channels}, {self.out_channels}, input_size={self.input_size}, "
                 f"kernel_size={self.kernel_size}, stride={self.stride}"]
        if any(self.padding):
            parts.append(f"padding={self.padding}")
        if self.bias is None:
            parts.append("bias=False")
        return ", ".join(parts)


_FUNCTIONS = {1: functional.locally_connected1d, 2: functional.locally_connected2d}


class LocallyConnected1d(_LocallyConnected):
    """1-D convolution without shared weights: (N, in_channels, L) to (N, out_channels, L'); as `LocallyConnected2d`.

    State: ``weight`` (L', out_channels, in_channels, taps) and ``bias`` (out_channels, L').
    """

    _axes = 1


class LocallyConnected2d(_LocallyConnected):
    """2-D convolution without shared weights: each output position has a filter bank of its own.

    Between `Conv2d`, whose filters are the same everywhere, and `Linear`, which connects everything.

    Args:
        in_channels, out_channels: at least 1.
        input_size: (H, W) of the maps, or one number for both: it decides how many banks there are.
        kernel_size, stride: one number, or one per axis, at least 1.
        padding: zeros on both sides: one number, or one per axis.
        bias: whether there is one, per output.
        device, dtype: "cpu" or "meta"; float32 (default) or float64.

    State: ``weight`` (OH, OW, out_channels, in_channels, height, width), the order in which Darknet's ``[local]`` layer
    keeps its weights, and ``bias`` (out_channels, OH, OW). Raises TypeError and ValueError for arguments that can never
    work.

    Source: LeCun, Generalization and network design strategies, 1989.

    >>> import pyconv
    >>> from pyconv import nn
    >>> layer = nn.LocallyConnected2d(3, 8, input_size=7, kernel_size=3, padding=1)
    >>> layer.weight.shape, layer(pyconv.zeros(2, 3, 7, 7)).shape
    ((7, 7, 8, 3, 3, 3), (2, 8, 7, 7))
    """

    _axes = 2
