"""What the Inception networks with batch norm are made of."""

from __future__ import annotations

from typing import Any

from pyconv import nn
from pyconv.nn.arguments import flag
from pyconv.ops.creation import tensor
from pyconv.ops.join import cat

__all__ = ["ConvNorm", "centred", "column", "for_colours", "joined", "row"]


class ConvNorm(nn.Module):
    """``relu(bn(conv(x)))``: (N, C, H, W) to (N, out_channels, H', W'), without bias, with an eps of 0.001."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1,
                 padding: Any = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Any) -> Any:
        """(N, in_channels, H, W) to (N, out_channels, H', W')."""
        return self.relu(self.bn(self.conv(x)))


def row(c: int, out: int, length: int) -> ConvNorm:
    """A filter one pixel high that keeps the size."""
    return ConvNorm(c, out, (1, length), padding=(0, length // 2))


def column(c: int, out: int, length: int) -> ConvNorm:
    """A filter one pixel wide that keeps the size."""
    return ConvNorm(c, out, (length, 1), padding=(length // 2, 0))


def joined(*branches: Any) -> Any:
    """Maps of the same size, one behind the other along the channels."""
    return cat(branches, 1)


def for_colours(network: str, transform_input: Any, in_channels: int) -> bool:
    """The flag, checked: only images of three channels can be `centred`."""
    if flag(network, "transform_input", transform_input) and in_channels != 3:
        raise ValueError(f"[{network}] in_channels is {in_channels} and transform_input True, expected 3: red, green, blue")
    return bool(transform_input)


def centred(x: Any) -> Any:
    """From images with ImageNet's mean and deviation per channel removed to such with 0.5 and 0.5 removed instead.

    (x * deviation + mean) is the image again, (image - 0.5) / 0.5 what Google's weights were trained on.
    """
    scale = [s / 0.5 for s in (0.229, 0.224, 0.225)]
    shift = [(m - 0.5) / 0.5 for m in (0.485, 0.456, 0.406)]
    return (x * tensor(scale, dtype=x.dtype, device=x.device).view(1, 3, 1, 1)
            + tensor(shift, dtype=x.dtype, device=x.device).view(1, 3, 1, 1))
