"""Convolution layers."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from pyconv.nn import functional, init
from pyconv.nn.arguments import flag, only, parameter, per_axis, whole
from pyconv.nn.module import Module
from pyconv.ops.conv import convolve

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class Kept(NamedTuple):
    """A filter in the form that the kernels read, and the array that it was made of: see `pyconv.nn.prepack`."""

    array: Any
    filter: Any


class ConvNd(Module):
    """What convolutions and transposed convolutions have in common; a subclass says along how many axes they slide."""

    _axes: int
    transposed = False
    padding: Any
    _kept: Kept | None = None

    def _build(self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any, padding: Any,
               output_padding: Any, dilation: Any, groups: int, bias: bool, padding_mode: str, device: Any,
               dtype: Any) -> None:
        layer, axes = self._get_name(), self._axes
        self.in_channels = whole(layer, "in_channels", in_channels, 1)
        self.out_channels = whole(layer, "out_channels", out_channels, 1)
        self.kernel_size = per_axis(layer, "kernel_size", kernel_size, axes, 1)
        self.stride = per_axis(layer, "stride", stride, axes, 1)
        self.padding = per_axis(layer, "padding", padding, axes, 0) if self.transposed else _padding(
            layer, padding, axes)
        self.output_padding = per_axis(layer, "output_padding", output_padding, axes, 0)
        self.dilation = per_axis(layer, "dilation", dilation, axes, 1)
        self.groups = whole(layer, "groups", groups, 1)
        if self.transposed:
            only(layer, "padding_mode", padding_mode, "zeros")
        elif padding_mode not in PADDING_MODES:
            raise ValueError(f"[{layer}] padding_mode is {padding_mode!r}, expected one of {', '.join(PADDING_MODES)}")
        self.padding_mode = padding_mode
        for name, channels in (("in_channels", self.in_channels), ("out_channels", self.out_channels)):
            if channels % self.groups:
                raise ValueError(f"[{layer}] {name} is {channels}, expected a multiple of groups={self.groups}")
        if padding == "same" and any(s != 1 for s in self.stride):
            raise ValueError(f"[{layer}] padding='same' needs stride 1, got {self.stride}")
        rows, columns = self.out_channels, self.in_channels
        if self.transposed:
            rows, columns = columns, rows
        self.weight = parameter(layer, (rows, columns // self.groups, *self.kernel_size), device, dtype)
        if flag(layer, "bias", bias):
            self.bias = parameter(layer, (self.out_channels,), device, dtype)
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew from U(-b, b), b = 1 / sqrt(weight.shape[1] * taps), as PyTorch does."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(math.prod(self.weight.shape[1:]))
            init.uniform_(self.bias, -bound, bound)

    def _kept_filter(self) -> Any:
        """What is kept of the weight, unless another one has taken its place."""
        return self._kept.filter if self._kept is not None and self.weight._array is self._kept.array else None

    def extra_repr(self) -> str:
        """The constructor's arguments, those at their defaults left out as in PyTorch."""
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        zeros, ones = (0,) * self._axes, (1,) * self._axes
        if self.padding != zeros:
            parts.append(f"padding={self.padding}")
        if self.dilation != ones:
            parts.append(f"dilation={self.dilation}")
        if self.output_padding != zeros:
            parts.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


def _padding(layer: str, value: Any, axes: int) -> Any:
    """A word, one number per axis, or (ours) a (low, high) pair per axis."""
    if isinstance(value, str):
        if value not in ("same", "valid"):
            raise ValueError(f"[{layer}] padding is {value!r}, expected 'same', 'valid' or numbers")
        return value
    if isinstance(value, (tuple, list)) and len(value) == axes and all(isinstance(v, (tuple, list)) for v in value):
        return tuple(per_axis(layer, "padding", pair, 2, 0) for pair in value)
    return per_axis(layer, "padding", value, axes, 0)


def _borders(padding: Any, kernel_size: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[int, ...]:
    """What `functional.pad` calls the same: (before, after) of the last axis, then of the one before it, ..."""
    if padding == "valid":
        return ()
    if padding == "same":  # an odd total puts one more after
        totals = [d * (k - 1) for d, k in zip(dilation, kernel_size, strict=True)]
        padding = [(n // 2, n - n // 2) for n in totals]
    pairs = [p if isinstance(p, tuple) else (p, p) for p in padding]
    return tuple(n for pair in reversed(pairs) for n in pair)


class _Conv(ConvNd):
    def __init__(self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
                 dilation: Any = 1, groups: int = 1, bias: bool = True, padding_mode: str = "zeros",
                 device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self._build(in_channels, out_channels, kernel_size, stride, padding, 0, dilation, groups, bias, padding_mode,
                    device, dtype)

    def forward(self, input: Any) -> Any:
        """(N, in_channels, ...) to (N, out_channels, ...); a single image may lack N."""
        own, padding = self._parameters, self.padding
        weight, bias = self._held(own, "weight"), self._held(own, "bias")
        if self.padding_mode != "zeros":
            borders = _borders(padding, self.kernel_size, self.dilation)
            if any(borders):
                input = functional.pad(input, borders, self.padding_mode)
            padding = 0
        return convolve(_NAMES[self._axes], self._axes, input, weight, bias, self.stride, padding, self.dilation,
                        self.groups, None if self._kept is None else self._kept_filter())


_NAMES = {1: "conv1d", 2: "conv2d", 3: "conv3d"}


class Conv1d(_Conv):
    """1-D convolution: (N, in_channels, L) to (N, out_channels, L'); arguments and state as `Conv2d`."""

    _axes = 1


class Conv2d(_Conv):
    """2-D convolution (cross-correlation), `functional.conv2d` with a weight and a bias of its own.

    Args:
        in_channels, out_channels: at least 1, multiples of ``groups``.
        kernel_size, stride, dilation: one number, or one per axis, at least 1.
        padding: zeros on both sides: one number, one per axis, a (low, high) pair per axis, "same" or "valid".
        groups: channels are split in this many groups, each convolved on its own.
        bias: whether there is one.
        padding_mode: what the padding holds: "zeros", or "reflect", "replicate", "circular" as in `functional.pad`.
        device, dtype: "cpu" or "meta"; float32 (default) or float64.

    State: ``weight`` (out_channels, in_channels / groups, height, width) and ``bias`` (out_channels,), drawn as
    PyTorch draws them. Raises TypeError and ValueError for arguments that can never work.

    >>> from pyconv import nn
    >>> nn.Conv2d(3, 16, 3, padding=1)
    Conv2d(3, 16, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    >>> nn.Conv2d(3, 16, 3, padding=1).weight.shape
    (16, 3, 3, 3)
    """

    _axes = 2


class Conv3d(_Conv):
    """3-D convolution: (N, in_channels, D, H, W) to (N, out_channels, D', H', W'); as `Conv2d` with one more axis."""

    _axes = 3
