"""Measures of pictures."""

from __future__ import annotations

import math
from typing import Any

from pyconv.ops import reduce
from pyconv.ops.loss import mse_loss


def psnr(input: Any, target: Any, data_range: float = 1.0) -> float:
    """Peak signal-to-noise ratio in decibels, ``10 log10(data_range^2 / mse)``; infinite for equal pictures.

    ``data_range`` is the largest possible difference: 1 for pictures in 0 to 1, 255 for 8-bit values. The mean runs
    over all elements; no border is cut off. Raises ShapeError and TypeError as `mse_loss`, ValueError unless
    ``data_range`` is above 0.

    >>> import numpy as np
    >>> round(psnr(np.zeros((1, 4, 4)), np.full((1, 4, 4), 10.0), data_range=255), 4)
    28.1308
    """
    if isinstance(data_range, bool) or not isinstance(data_range, (int, float)) or not 0 < data_range < math.inf:
        raise ValueError(f"[psnr] data_range is {data_range!r}, expected a number above 0")
    error = float(reduce.mean(mse_loss(input, target, reduction="none")))
    return 10 * math.log10(data_range**2 / error) if error else math.inf
