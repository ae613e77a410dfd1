"""The sizes of pictures that a network can take, checked before anything is computed."""

from __future__ import annotations

from typing import Any

from pyconv.errors import ShapeError


def image(model: str, x: Any, channels: int) -> tuple[int, int]:
    """Height and width of a batch (N, ``channels``, H, W). Raises ShapeError for anything else, TypeError without a shape.

    >>> import pyconv
    >>> image("unet", pyconv.zeros(1, 3, 8, 6), 3)
    (8, 6)
    """
    if not hasattr(x, "shape"):
        raise TypeError(f"[{model}] x is {type(x).__name__}, expected a Tensor (N, {channels}, H, W)")
    shape = tuple(x.shape)
    if len(shape) != 4 or shape[1] != channels:
        raise ShapeError(f"[{model}] x has shape {shape}, expected (N, {channels}, H, W)")
    return shape[2], shape[3]


def at_least(model: str, x: Any, channels: int, least: int) -> tuple[int, int]:
    """`image` whose sides have ``least`` pixels or more."""
    height, width = image(model, x, channels)
    if min(height, width) < least:
        raise ShapeError(f"[{model}] x has {height} x {width} pixels, expected at least {least} x {least}")
    return height, width


def multiples(model: str, x: Any, channels: int, of: int) -> tuple[int, int]:
    """`image` whose sides are multiples of ``of``: what is halved on the way in is doubled on the way out.

    >>> import pyconv
    >>> multiples("unet", pyconv.zeros(1, 3, 8, 6), 3, 4)
    Traceback (most recent call last):
    pyconv.errors.ShapeError: [unet] x has 8 x 6 pixels, expected multiples of 4, such as 8 x 8
    """
    height, width = image(model, x, channels)
    if height % of or width % of or not height or not width:
        near = [max(of, (n + of // 2) // of * of) for n in (height, width)]
        raise ShapeError(f"[{model}] x has {height} x {width} pixels, expected multiples of {of}, such as "
                         f"{near[0]} x {near[1]}")
    return height, width


def exactly(model: str, x: Any, channels: int, side: int) -> None:
    """`image` of ``side`` x ``side`` pixels, for networks that end in linear layers."""
    size = image(model, x, channels)
    if size != (side, side):
        raise ShapeError(f"[{model}] x has {size[0]} x {size[1]} pixels, expected {side} x {side}")
