"""Layers that move values without changing them: windows as columns, channels as pixels."""

from __future__ import annotations

from typing import Any

from pyconv.nn import functional
from pyconv.nn.arguments import per_axis, whole
from pyconv.nn.module import Module


class _Windows(Module):
    def __init__(self, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> None:
        super().__init__()
        layer = self._get_name()
        for name, value, least in (("kernel_size", kernel_size, 1), ("dilation", dilation, 1), ("padding", padding, 0),
                                   ("stride", stride, 1)):
            per_axis(layer, name, value, 2, least)
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return (f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, "
                f"stride={self.stride}")


class Unfold(_Windows):
    """The windows of a convolution as columns: `functional.unfold` as a layer.

    ``kernel_size``, ``dilation``, ``padding``, ``stride``: one number, or one per axis.

    >>> import pyconv
    >>> from pyconv import nn
    >>> nn.Unfold(3, padding=1)(pyconv.zeros(2, 4, 5, 6)).shape
    (2, 36, 30)
    """

    def __init__(self, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> None:
        super().__init__(kernel_size, dilation, padding, stride)

    def forward(self, input: Any) -> Any:
        """(N, C, H, W) to (N, C · taps, positions); N may be missing."""
        return functional.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)


class Fold(_Windows):
    """Columns added up at the places where `Unfold` takes them from: `functional.fold` as a layer.

    ``output_size``: (H, W), or one number for both; the others are as in `Unfold`.

    >>> import pyconv
    >>> from pyconv import nn
    >>> nn.Fold((5, 6), 3, padding=1)(pyconv.zeros(2, 36, 30)).shape
    (2, 4, 5, 6)
    """

    def __init__(self, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0,
                 stride: Any = 1) -> None:
        super().__init__(kernel_size, dilation, padding, stride)
        per_axis("Fold", "output_size", output_size, 2, 1)
        self.output_size = output_size

    def forward(self, input: Any) -> Any:
        """(N, C · taps, positions) to (N, C, H, W); N may be missing."""
        return functional.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"output_size={self.output_size}, {super().extra_repr()}"


class PixelShuffle(Module):
    """Channels as pixels, (..., C · r², H, W) to (..., C, H · r, W · r): `functional.pixel_shuffle` as a layer.

    >>> from pyconv import nn
    >>> nn.PixelShuffle(2)
    PixelShuffle(upscale_factor=2)
    """

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = whole("PixelShuffle", "upscale_factor", upscale_factor, 1)

    def forward(self, input: Any) -> Any:
        """(..., C · r², H, W) to (..., C, H · r, W · r)."""
        return functional.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        """r."""
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """Pixels as channels, (..., C, H · r, W · r) to (..., C · r², H, W): the inverse of `PixelShuffle`.

    >>> from pyconv import nn
    >>> nn.PixelUnshuffle(2)
    PixelUnshuffle(downscale_factor=2)
    """

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = whole("PixelUnshuffle", "downscale_factor", downscale_factor, 1)

    def forward(self, input: Any) -> Any:
        """(..., C, H · r, W · r) to (..., C · r², H, W)."""
        return functional.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        """r."""
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """Channels of all groups next to each other: `functional.channel_shuffle` as a layer.

    >>> from pyconv import nn
    >>> nn.ChannelShuffle(4)
    ChannelShuffle(groups=4)
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = whole("ChannelShuffle", "groups", groups, 1)

    def forward(self, input: Any) -> Any:
        """(N, C, ...) to the same shape."""
        return functional.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        """The number of groups."""
        return f"groups={self.groups}"
