"""Local contrast normalisation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyconv.errors import ShapeError
from pyconv.ops.arguments import whole
from pyconv.ops.conv import conv2d
from pyconv.ops.elementwise import clamp_min, div, maximum, sqrt, square, sub
from pyconv.ops.reduce import mean
from pyconv.tensor import FLOATS, Array, Tensor


def check_window(op: str, kernel_size: Any, sigma: Any, eps: Any) -> tuple[int, float, float]:
    """The three numbers; sigma None is a quarter of kernel_size. Raises TypeError and ValueError."""
    size = whole(kernel_size, op, "kernel_size")
    if not 1 <= size < 2**15 or size % 2 == 0:
        raise ValueError(f"[{op}] kernel_size is {size}, expected an odd number from 1 to 32767")
    width = size / 4 if sigma is None else sigma
    for name, value in (("sigma", width), ("eps", eps)):
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
            raise TypeError(f"[{op}] {name} is {value!r}, expected a number")
        if not 0 < value < math.inf:
            raise ValueError(f"[{op}] {name} is {value}, expected a finite number above 0")
    return size, float(width), float(eps)


def _gaussian(size: int, sigma: float) -> list[float]:
    """Weights of a window along one axis, with sum 1."""
    values = [math.exp(-0.5 * ((i - size // 2) / sigma) ** 2) for i in range(size)]
    return [v / math.fsum(values) for v in values]


def _inside(window: list[float], length: int) -> list[float]:
    """For each place along an axis the part of the window's weight that lies inside the image."""
    reach = len(window) // 2
    sums = [0.0]
    for v in window:
        sums.append(sums[-1] + v)
    return [sums[min(len(window), length - i + reach)] - sums[max(0, reach - i)] for i in range(length)]


def local_contrast_norm(input: Any, kernel_size: int = 9, sigma: float | None = None, eps: float = 1e-4) -> Any:
    """Subtract a local mean from (N, C, H, W), then divide by a local deviation.

    With w a Gaussian window over ``kernel_size`` x ``kernel_size`` pixels and all channels, sum 1:
    v = x - sum w x, sd = sqrt(sum w v^2), y = v / max(sd, mean of sd over the sample's pixels). Where the window
    passes the border, w is that of the part inside, scaled to sum 1: a flat image becomes 0 everywhere. ``sigma``
    (pixels; a quarter of kernel_size by default) is the Gaussian's width; sd is at least ``eps``.

    Source: Jarrett, Kavukcuoglu, Ranzato and LeCun, What is the best multi-stage architecture for object recognition?,
    2009 (which takes 9 x 9 and names neither sigma nor what happens at the border). Differentiable.

    Raises ShapeError unless the input has four axes, TypeError for dtypes, ValueError for an even kernel_size and for
    a sigma or an eps that is not above 0.

    >>> bool(np.abs(local_contrast_norm(np.full((1, 1, 4, 4), 7.0))).max() < 1e-9)
    True
    """
    op = "local_contrast_norm"
    if not isinstance(input, (Tensor, np.ndarray)):
        raise TypeError(f"[{op}] input is {type(input).__name__}, expected a Tensor or a numpy array")
    if input.dtype not in FLOATS:
        raise TypeError(f"[{op}] input has dtype {input.dtype}, expected float32 or float64")
    shape = tuple(input.shape)
    if len(shape) != 4 or shape[1] < 1:
        text = "x".join(map(str, shape)) or "()"
        raise ShapeError(f"[{op}] input has shape {text}, expected (batch, channels, height, width)")
    size, width, least = check_window(op, kernel_size, sigma, eps)
    window = _gaussian(size, width)
    weight = np.array(window, input.dtype)
    across, down = weight.reshape(1, 1, 1, size), weight.reshape(1, 1, size, 1)
    rows, columns = (np.array(_inside(window, n), input.dtype) for n in shape[2:])
    share: Array = rows.reshape(1, 1, -1, 1) * columns

    def local_mean(x: Any) -> Any:
        sums = conv2d(conv2d(mean(x, 1, True), across, padding=(0, size // 2)), down, padding=(size // 2, 0))
        return div(sums, share)

    v = sub(input, local_mean(input))
    deviation = sqrt(clamp_min(local_mean(square(v)), least * least))
    return div(v, maximum(deviation, mean(deviation, (2, 3), True)))
