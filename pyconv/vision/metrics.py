"""Measures of pictures: how much one differs from another."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyconv.errors import ShapeError
from pyconv.nn.arguments import positive
from pyconv.ops import reduce
from pyconv.ops.loss import mse_loss
from pyconv.tensor import FLOATS, Array, raw


def psnr(input: Any, target: Any, data_range: float = 1.0) -> float:
    """Peak signal-to-noise ratio in decibels, ``10 log10(data_range^2 / mse)``; infinite for equal pictures.

    ``data_range`` is the largest possible difference: 1 for pictures in 0 to 1, 255 for 8-bit values. The mean runs
    over all elements; no border is cut off. Raises ShapeError and TypeError as `mse_loss`, ValueError unless
    ``data_range`` is above 0.

    >>> import numpy as np
    >>> round(psnr(np.zeros((1, 4, 4)), np.full((1, 4, 4), 10.0), data_range=255), 4)
    28.1308
    """
    peak = positive("psnr", "data_range", data_range, 1e30)
    error = float(reduce.mean(mse_loss(input, target, reduction="none")))
    return 10 * math.log10(peak**2 / error) if error else math.inf


#: Wang et al.: a Gaussian of 11 x 11 pixels and sigma 1.5; K1 and K2.
_WINDOW = np.exp(-np.arange(-5.0, 6.0) ** 2 / (2 * 1.5**2))
_WINDOW /= _WINDOW.sum()
_K1, _K2 = 0.01, 0.03


def _smooth(x: Array) -> Array:
    """Weighted means under the window, where it lies within the picture: (..., H, W) to (..., H - 10, W - 10)."""
    height, width = (n - 10 for n in x.shape[-2:])
    rows = sum((w * x[..., i:i + height, :] for i, w in enumerate(_WINDOW)), start=np.zeros(()))
    return sum((w * rows[..., i:i + width] for i, w in enumerate(_WINDOW)), start=np.zeros(()))


def ssim(input: Any, target: Any, data_range: float = 1.0) -> float:
    """Structural similarity: 1 for equal pictures, near 0 for unrelated ones.

    Wang, Bovik, Sheikh and Simoncelli, Image quality assessment: from error visibility to structural similarity, 2004:
    ``(2 m n + c1) (2 cov + c2) / ((m² + n² + c1) (var + var' + c2))`` with means m and n, variances and covariance under a
    Gaussian window of 11 x 11 pixels and sigma 1.5, averaged over the places where the window lies within the picture.
    Computed in float64.

    Args:
        input, target: (..., height, width) of one shape and dtype, at least 11 x 11 pixels; several channels or pictures
            are measured one by one and averaged. Super-resolution is compared on luma alone.
        data_range: the largest possible difference, as in `psnr`.

    Raises ShapeError and TypeError for other shapes and dtypes, ValueError unless ``data_range`` is above 0.

    >>> picture = np.linspace(0, 1, 256).reshape(16, 16)
    >>> ssim(picture, picture), round(ssim(picture, 1 - picture), 4)
    (1.0, -0.8262)
    """
    op = "ssim"
    x, y = raw(input, op, "input"), raw(target, op, "target")
    for argument, value in (("input", x), ("target", y)):
        if value.dtype not in FLOATS:
            raise TypeError(f"[{op}] {argument} has dtype {value.dtype}, expected float32 or float64")
    if x.ndim < 2 or min(x.shape[-2:]) < 11 or not x.size:
        raise ShapeError(f"[{op}] input has shape {x.shape}, expected (..., H, W) of at least 11 x 11 pixels")
    if x.shape != y.shape:
        raise ShapeError(f"[{op}] target has shape {y.shape}, expected the input's, {x.shape}")
    peak = positive(op, "data_range", data_range, 1e30)
    x, y = x.astype(np.float64), y.astype(np.float64)
    m, n = _smooth(x), _smooth(y)
    spread = (_smooth(x * x) - m * m) + (_smooth(y * y) - n * n)
    common = _smooth(x * y) - m * n
    c1, c2 = (_K1 * peak) ** 2, (_K2 * peak) ** 2
    return float(((2 * m * n + c1) * (2 * common + c2) / ((m * m + n * n + c1) * (spread + c2))).mean())
