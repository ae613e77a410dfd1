"""Vectors brought to length 1."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyconv.ops.arguments import axis_of, only, wholes
from pyconv.ops.elementwise import abs, clamp_min, div, pow, sqrt, square
from pyconv.ops.reduce import amax, sum
from pyconv.tensor import FLOATS, Tensor

_SMALLEST = 1e-37  # above it no power of a float32 is rounded to 0, where a root would have no slope


def normalize(input: Any, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: None = None) -> Any:
    """``x / max(|x|_p, eps)`` along ``dim``, an axis or several; p at least 0 excluded, may be infinite.

    Raises IndexError for an axis that is not there, TypeError for dtypes, ValueError for a p or an eps that is not
    above 0.

    >>> normalize(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    only("normalize", out=(out, None))
    if not isinstance(input, (Tensor, np.ndarray)):
        raise TypeError(f"[normalize] input is {type(input).__name__}, expected a Tensor or a numpy array")
    if input.dtype not in FLOATS:
        raise TypeError(f"[normalize] input has dtype {input.dtype}, expected float32 or float64")
    for name, value in (("p", p), ("eps", eps)):
        if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
            raise TypeError(f"[normalize] {name} is {value!r}, expected a number")
        if not value > 0 or (name == "eps" and math.isinf(value)):
            raise ValueError(f"[normalize] {name} is {value}, expected a number above 0")
    axes = tuple(axis_of(a, max(len(input.shape), 1), "normalize") for a in wholes([dim], "normalize", "dim"))
    # The smallest length is put in before the root: below it the root's slope, infinite at 0, does not count.
    if p == 2:
        length = sqrt(clamp_min(sum(square(input), axes, True), max(float(eps) * float(eps), _SMALLEST)))
    elif p == 1:
        length = clamp_min(sum(abs(input), axes, True), eps)
    elif math.isinf(p):
        length = clamp_min(amax(abs(input), axes, True), eps)
    else:
        try:
            least = max(float(eps) ** float(p), _SMALLEST)
        except OverflowError:
            raise ValueError(f"[normalize] eps is {eps}, whose power {p} exceeds float64, expected less") from None
        powers = clamp_min(sum(pow(abs(input), float(p)), axes, True), least)
        length = clamp_min(pow(powers, 1.0 / p), eps)
    return div(input, length)
