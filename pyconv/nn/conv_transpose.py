"""Transposed convolution layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyconv.nn.arguments import whole
from pyconv.nn.conv import ConvNd
from pyconv.ops.conv_transpose import spread


class _ConvTranspose(ConvNd):
    transposed = True

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
                 output_padding: Any = 0, groups: int = 1, bias: bool = True, dilation: Any = 1,
                 padding_mode: str = "zeros", device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self._build(in_channels, out_channels, kernel_size, stride, padding, output_padding, dilation, groups, bias,
                    padding_mode, device, dtype)

    def forward(self, input: Any, output_size: Sequence[int] | None = None) -> Any:
        """(N, in_channels, ...) to (N, out_channels, ...); a single image may lack N.

        Several sizes convolve to that of the input when the stride is above 1; ``output_size`` chooses one, in place
        of ``output_padding``: the spatial sizes, or a whole shape. Raises ValueError for one that cannot be.
        """
        extra = self.output_padding if output_size is None else self._extra(input, output_size)
        return spread(_NAMES[self._axes], self._axes, input, self.weight, self.bias, self.stride, self.padding, extra,
                      self.groups, self.dilation, self._kept_filter())

    def _extra(self, input: Any, output_size: Sequence[int]) -> tuple[int, ...]:
        """The output_padding that gives this size."""
        layer, axes = self._get_name(), self._axes
        rank = len(input.shape)
        if not isinstance(output_size, (tuple, list)) or len(output_size) not in (axes, rank):
            raise ValueError(f"[{layer}] output_size is {output_size!r}, expected {axes} or {rank} whole numbers")
        extra = []
        for i, (wanted, size) in enumerate(zip(output_size[-axes:], input.shape[-axes:], strict=True)):
            least = (size - 1) * self.stride[i] - 2 * self.padding[i] + self.dilation[i] * (self.kernel_size[i] - 1) + 1
            extra.append(whole(layer, "output_size", wanted, 0) - least)
            if not 0 <= extra[-1] < self.stride[i]:
                raise ValueError(f"[{layer}] output_size is {wanted} in spatial axis {i}, expected {least} to "
                                 f"{least + self.stride[i] - 1} for an input of {size}")
        return tuple(extra)


_NAMES = {1: "conv_transpose1d", 2: "conv_transpose2d", 3: "conv_transpose3d"}


class ConvTranspose1d(_ConvTranspose):
    """1-D transposed convolution: (N, in_channels, L) to (N, out_channels, L'); as `ConvTranspose2d`."""

    _axes = 1


class ConvTranspose2d(_ConvTranspose):
    """2-D transposed convolution, `functional.conv_transpose2d` with a weight and a bias of its own.

    The layer that undoes the sizes of a `Conv2d` with equal arguments; decoders and segmentation networks grow their
    maps with it.

    Args:
        in_channels, out_channels: at least 1, multiples of ``groups``.
        kernel_size, stride, dilation: one number, or one per axis, at least 1.
        padding: what is cut off the output on every side: one number, or one per axis.
        output_padding: elements more at the high end, less than the stride or the dilation of the axis.
        groups: channels are split in this many groups, each on its own.
        bias: whether there is one.
        padding_mode: only "zeros".
        device, dtype: "cpu" or "meta"; float32 (default) or float64.

    State: ``weight`` (in_channels, out_channels / groups, height, width) and ``bias`` (out_channels,), drawn as
    PyTorch draws them. Raises TypeError and ValueError for arguments that can never work.

    >>> import pyconv
    >>> from pyconv import nn
    >>> up = nn.ConvTranspose2d(8, 4, 3, stride=2, padding=1)
    >>> up
    ConvTranspose2d(8, 4, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1))
    >>> up(pyconv.zeros(1, 8, 5, 5)).shape, up(pyconv.zeros(1, 8, 5, 5), output_size=(10, 10)).shape
    ((1, 4, 9, 9), (1, 4, 10, 10))
    """

    _axes = 2


class ConvTranspose3d(_ConvTranspose):
    """3-D transposed convolution: (N, in_channels, D, H, W) to (N, out_channels, D', H', W'); as `ConvTranspose2d`."""

    _axes = 3
