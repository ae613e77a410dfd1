"""Channels as pixels and pixels as channels, and channels in another order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyconv._backend import core
from pyconv.errors import ShapeError
from pyconv.ops.arguments import whole
from pyconv.tensor import Array, Context, Op, Record, Shape, Tensor, apply, raw


class Rearrange(Op):
    """x with axes split, permuted and merged again: one copy, whatever the memory order of both sides."""

    name = "rearrange"

    @staticmethod
    def infer(shapes: Sequence[Shape | None], *, op: str, split: Shape, order: Shape, shape: Shape) -> Record:
        """The public functions below have made the shapes."""
        return Record((shape,))

    @staticmethod
    def forward(ctx: Context, x: Array, *, op: str, split: Shape, order: Shape, shape: Shape) -> Array:
        """Both sides are seen with all axes apart."""
        ctx.extra = x.shape
        y = core.empty(shape, x.dtype, ctx.channels_last)
        core.assign(_apart(y, [split[i] for i in order]), _apart(x, split).transpose(order))
        return y

    @staticmethod
    def backward(ctx: Context, gy: Array) -> tuple[Array]:
        """The way back."""
        split, order = ctx.attrs["split"], ctx.attrs["order"]
        gx = core.empty(ctx.extra, gy.dtype, ctx.channels_last)
        core.assign(_apart(gx, split).transpose(order), _apart(gy, [split[i] for i in order]))
        return (gx,)


def _apart(array: Array, split: Sequence[int]) -> Array:
    """Axes split: that needs no copy. A numpy view of the same memory, also where ``array`` is empty."""
    view = core.reshaped(array, split)
    return array.reshape(split) if view is None else view


def _shape(input: Any, op: str, least: int) -> Shape:
    if not isinstance(input, Tensor):
        raw(input, op, "input")
    shape = tuple(input.shape)
    if len(shape) < least:
        raise ShapeError(f"[{op}] input has shape {shape}, expected at least {least} axes")
    if len(shape) > 6:
        raise ShapeError(f"[{op}] input has {len(shape)} axes, expected at most 6")
    return shape


def _factor(value: Any, op: str, argument: str) -> int:
    factor = whole(value, op, argument)
    if not 1 <= factor < 2**31:
        raise ValueError(f"[{op}] {argument} is {factor}, expected 1 to {2**31 - 1}")
    return factor


def pixel_shuffle(input: Any, upscale_factor: int) -> Any:
    """Channels as pixels: (..., C · r², H, W) to (..., C, H · r, W · r), the upsampling of sub-pixel convolution.

    Output pixel (h · r + i, w · r + j) of channel c is pixel (h, w) of channel c · r² + i · r + j.

    Raises ShapeError when r² does not divide the channels.

    Source: Shi et al., Real-time single image and video super-resolution using an efficient sub-pixel convolutional
    neural network, 2016.

    >>> import numpy as np
    >>> pixel_shuffle(np.arange(4.0).reshape(1, 4, 1, 1), 2).tolist()
    [[[[0.0, 1.0], [2.0, 3.0]]]]
    """
    *lead, c, h, w = _shape(input, "pixel_shuffle", 3)
    r = _factor(upscale_factor, "pixel_shuffle", "upscale_factor")
    if c % (r * r):
        raise ShapeError(f"[pixel_shuffle] input has {c} channels, expected a multiple of upscale_factor² = {r * r} "
                         f"(input: {tuple(input.shape)})")
    k = len(lead)
    return apply(Rearrange, input, op="pixel_shuffle", split=(*lead, c // (r * r), r, r, h, w),
                 order=(*range(k), k, k + 3, k + 1, k + 4, k + 2), shape=(*lead, c // (r * r), h * r, w * r))


def pixel_unshuffle(input: Any, downscale_factor: int) -> Any:
    """Pixels as channels: (..., C, H · r, W · r) to (..., C · r², H, W), the inverse of `pixel_shuffle`.

    Raises ShapeError when r does not divide height and width.

    >>> import numpy as np
    >>> pixel_unshuffle(np.float32([[[[0, 1], [2, 3]]]]), 2).tolist()
    [[[[0.0]], [[1.0]], [[2.0]], [[3.0]]]]
    """
    *lead, c, h, w = _shape(input, "pixel_unshuffle", 3)
    r = _factor(downscale_factor, "pixel_unshuffle", "downscale_factor")
    if h % r or w % r:
        raise ShapeError(f"[pixel_unshuffle] input has pixels {h}x{w}, expected multiples of downscale_factor={r}")
    k = len(lead)
    return apply(Rearrange, input, op="pixel_unshuffle", split=(*lead, c, h // r, r, w // r, r),
                 order=(*range(k), k, k + 2, k + 4, k + 1, k + 3), shape=(*lead, c * r * r, h // r, w // r))


def channel_shuffle(input: Any, groups: int) -> Any:
    """The channels of (N, C, ...) as a (groups, C / groups) matrix, transposed: what groups need to hear of each other.

    Raises ShapeError when ``groups`` does not divide the channels.

    Source: Zhang et al., ShuffleNet: an extremely efficient convolutional neural network for mobile devices, 2017.

    >>> import numpy as np
    >>> channel_shuffle(np.arange(4.0).reshape(1, 4, 1, 1), 2).ravel().tolist()
    [0.0, 2.0, 1.0, 3.0]
    """
    shape = _shape(input, "channel_shuffle", 3)
    n, c, *rest = shape
    g = _factor(groups, "channel_shuffle", "groups")
    if c % g:
        raise ShapeError(f"[channel_shuffle] input has {c} channels, expected a multiple of groups={g} (input: {shape})")
    return apply(Rearrange, input, op="channel_shuffle", split=(n, g, c // g, *rest),
                 order=(0, 2, 1, *range(3, len(rest) + 3)), shape=shape)
