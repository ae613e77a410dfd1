"""Power-average pooling, made of powers and averages."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyconv.ops.binary import mul
from pyconv.ops.binary import pow as power
from pyconv.ops.elementwise import relu
from pyconv.ops.pool import Sizes, avg_pool, max_pool, per_axis
from pyconv.ops.unary import abs as magnitude
from pyconv.ops.unary import neg, sign
from pyconv.tensor import Tensor, raw


def _norm(value: Any, op: str) -> float:
    if isinstance(value, (bool, str, Tensor, np.ndarray)) or not hasattr(value, "__float__"):
        raise TypeError(f"[{op}] norm_type is {value!r}, expected a number")
    p = float(value)
    if p == 0 or math.isnan(p):
        raise ValueError(f"[{op}] norm_type is {p:g}, expected a number other than 0")
    return p


def _lp_pool(spatial: int, x: Any, norm_type: Any, kernel_size: Any, stride: Any, ceil_mode: Any) -> Any:
    op = f"lp_pool{spatial}d"
    p = _norm(norm_type, op)
    if not isinstance(x, Tensor):
        raw(x, op, "input")
    taps = math.prod(per_axis(kernel_size, spatial, op, "kernel_size"))
    if math.isinf(p):
        sizes = magnitude(x) if p > 0 else neg(magnitude(x))
        extreme = max_pool(op, spatial, sizes, kernel_size, stride, 0, 1, ceil_mode, False)
        return extreme if p > 0 else neg(extreme)
    mean = avg_pool(op, spatial, power(x, p), kernel_size, stride, 0, ceil_mode, True, None)
    # relu has the gradient 0 at 0, where the root's is infinite.
    return power(mul(mul(sign(mean), relu(magnitude(mean))), float(taps)), 1 / p)


def lp_pool1d(input: Any, norm_type: float, kernel_size: Sizes, stride: Sizes | None = None,
              ceil_mode: bool = False) -> Any:
    """Power averages over windows of (N, C, L); see `lp_pool2d`."""
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(input: Any, norm_type: float, kernel_size: Sizes, stride: Sizes | None = None,
              ceil_mode: bool = False) -> Any:
    """(Σ x^p)^(1/p) over windows of (N, C, H, W), p = ``norm_type``: 1 gives sums, infinity the largest magnitudes.

    Other arguments are as in `avg_pool2d`, without padding. As in PyTorch, a window that hangs over the edge counts its
    mean as often as a whole window has taps; a sum that is negative (odd p) has no root and gives NaN unless p is 1;
    where it is zero, so is the gradient.

    Raises ValueError for p = 0 or NaN, and what `avg_pool2d` raises.

    Source: Sermanet, Chintala and LeCun, Convolutional neural networks applied to house numbers digit classification,
    2012.

    >>> import numpy as np
    >>> lp_pool2d(np.float32([[[[3, 4], [0, 0]]]]), 2, 2).tolist()
    [[[[5.0]]]]
    """
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(input: Any, norm_type: float, kernel_size: Sizes, stride: Sizes | None = None,
              ceil_mode: bool = False) -> Any:
    """Power averages over windows of (N, C, D, H, W); see `lp_pool2d`."""
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)
