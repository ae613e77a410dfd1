"""Local response normalisation across channels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pyconv._backend import core
from pyconv.ops.arguments import whole
from pyconv.tensor import FLOATS, Array, Context, Op, Record, Tensor, apply

ALPHA_MODES = ("torch", "paper")


class LocalResponseNorm(Op):
    """y = x / (k + scale * sum of x^2 over a window of channels)^beta; see `local_response_norm`."""

    name = "local_response_norm"

    @staticmethod
    def infer(shapes: Sequence[Any], *, size: int, **attrs: Any) -> Record:
        record = core.lrn_shape(shapes[0], size)
        return Record((record.input_shape,), core=record)

    @staticmethod
    def forward(ctx: Context, x: Array, *, size: int, scale: float, beta: float, k: float) -> Array:
        ctx.save(x)
        return core.lrn_forward(ctx.record.core, x, scale, beta, k, ctx.channels_last)

    @staticmethod
    def backward(ctx: Context, gy: Array) -> tuple[Array]:
        x, = ctx.saved or ()
        attrs = ctx.attrs
        return (core.lrn_backward(ctx.record.core, x, gy, attrs["scale"], attrs["beta"], attrs["k"], True),)


def _number(argument: str, value: Any) -> float:
    op = LocalResponseNorm.name
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"[{op}] {argument} is {value!r}, expected a number")
    if not math.isfinite(value):
        raise ValueError(f"[{op}] {argument} is {value}, expected a finite number")
    return float(value)


def local_response_norm(input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0, *,
                        alpha_mode: str = "torch") -> Any:
    """Divide each value of (N, C, spatial...) by a power of what its neighbours across channels amount to.

    y[i] = x[i] / (k + a * sum_j x[j]^2)^beta over ``size`` channels around channel i: size // 2 before it and
    (size - 1) // 2 after it, as far as there are any. With ``alpha_mode="torch"`` a is ``alpha / size``, as in PyTorch
    and Caffe; with ``"paper"`` it is ``alpha`` itself: Krizhevsky, Sutskever and Hinton, ImageNet classification with
    deep convolutional neural networks, 2012, section 3.3, where the sum runs from max(0, i - n/2) to
    min(N - 1, i + n/2), k = 2, n = 5, alpha = 1e-4, beta = 0.75.

    Raises ShapeError for fewer than three axes, ValueError for a size below 1, another mode and numbers that are not
    finite, TypeError for dtypes.

    >>> x = np.ones((1, 1, 1))
    >>> local_response_norm(x, 4, alpha=4.0, beta=1.0).item()
    0.5
    >>> local_response_norm(x, 4, alpha=4.0, beta=1.0, alpha_mode="paper").item()
    0.2
    """
    op = LocalResponseNorm.name
    if not isinstance(input, (Tensor, np.ndarray)):
        raise TypeError(f"[{op}] input is {type(input).__name__}, expected a Tensor or a numpy array")
    if input.dtype not in FLOATS:
        raise TypeError(f"[{op}] input has dtype {input.dtype}, expected float32 or float64")
    if alpha_mode not in ALPHA_MODES:
        raise ValueError(f"[{op}] alpha_mode is {alpha_mode!r}, expected 'torch' or 'paper'")
    channels = whole(size, op, "size")
    if not 1 <= channels < 2**63:
        raise ValueError(f"[{op}] size is {channels}, expected at least 1")
    factor = _number("alpha", alpha)
    return apply(LocalResponseNorm, input, size=channels, scale=factor / channels if alpha_mode == "torch" else factor,
                 beta=_number("beta", beta), k=_number("k", k))
