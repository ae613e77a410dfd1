"""Initialisers: they fill a tensor in place and return it, without recording anything.

Draws come from `pyconv.random`'s counter-based generator: the seed alone decides, not the number of threads nor the
instruction set. Meta tensors are left as they are and use up no draws.

Sources: Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks, 2010 (xavier);
He et al., Delving deep into rectifiers, 2015 (kaiming). `init_matrices` has those that give a weight a structure.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyconv.grad_mode import no_grad
from pyconv.nn.init_matrices import bilinear_, checked, dirac_, eye_, orthogonal_, sparse_
from pyconv.random import Generator
from pyconv.tensor import Tensor

__all__ = [
    "bilinear_", "calculate_gain", "constant_", "dirac_", "eye_", "kaiming_normal_", "kaiming_uniform_", "normal_",
    "ones_", "orthogonal_", "sparse_", "trunc_normal_", "uniform_", "xavier_normal_", "xavier_uniform_", "zeros_",
]

_GAINS = {"linear": 1.0, "conv1d": 1.0, "conv2d": 1.0, "conv3d": 1.0, "sigmoid": 1.0, "tanh": 5 / 3,
          "relu": math.sqrt(2), "selu": 0.75}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that keeps the size of activations behind a nonlinearity.

    1 for linear, conv and sigmoid, 5/3 for tanh, sqrt(2) for relu, sqrt(2 / (1 + slope^2)) for leaky_relu with slope
    ``param`` (default 0.01), 3/4 for selu. Raises ValueError for another name.

    >>> calculate_gain("tanh")
    1.6666666666666667
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ValueError(f"[calculate_gain] param is {slope!r}, expected the slope, a number")
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity not in _GAINS:
        known = ", ".join([*_GAINS, "leaky_relu"])
        raise ValueError(f"[calculate_gain] nonlinearity is {nonlinearity!r}, expected one of {known}")
    return _GAINS[nonlinearity]


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with draws from U[a, b). Raises ValueError unless a <= b."""
    with no_grad():
        return checked("uniform_", tensor).uniform_(a, b, generator=generator)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with draws from N(mean, std^2). Raises ValueError for a negative std."""
    with no_grad():
        return checked("normal_", tensor).normal_(mean, std, generator=generator)


def trunc_normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0,
                  generator: Generator | None = None) -> Tensor:
    """Fill with draws from N(mean, std^2), those outside [a, b] drawn again; a and b are values, not multiples of std.

    Raises ValueError unless a < b and std > 0, and for an interval so far out that hardly a draw would fall into it.

    >>> import pyconv
    >>> weight = trunc_normal_(pyconv.empty(1000), std=0.02, a=-0.04, b=0.04)
    >>> bool(abs(weight.array).max() <= 0.04)
    True
    """
    op = "trunc_normal_"
    for name, value in (("mean", mean), ("std", std), ("a", a), ("b", b)):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise ValueError(f"[{op}] {name} is {value!r}, expected a finite number")
    if std <= 0 or a >= b:
        raise ValueError(f"[{op}] std is {std} and the interval from {a} to {b}, expected std above 0 and a below b")
    if checked(op, tensor).is_meta:
        return tensor
    low, high = (a - mean) / std, (b - mean) / std
    peak = min(max(low, 0.0), high)  # where the density within the interval is largest
    if abs(peak) * (high - low) > 1e4:
        raise ValueError(f"[{op}] the interval from {a} to {b} is {abs(peak):.3g} standard deviations away from the "
                         f"mean {mean}, expected one that draws can fall into")
    inside = 0.5 * (math.erf(high / math.sqrt(2)) - math.erf(low / math.sqrt(2)))
    values = np.empty(math.prod(tensor.shape), tensor.dtype)
    missing = np.arange(values.size)
    while missing.size:
        draws = Tensor(np.empty(missing.size, tensor.dtype))
        if inside > 0.3:
            found = draws.normal_(mean, std, generator=generator).array
            good = (found >= values.dtype.type(a)) & (found <= values.dtype.type(b))
        else:  # a narrow interval: even draws, kept with the density's probability
            found = draws.uniform_(a, b, generator=generator).array
            height = np.exp(0.5 * (peak**2 - ((found.astype(np.float64) - mean) / std) ** 2))
            good = Tensor(np.empty(missing.size)).uniform_(0, 1, generator=generator).array < height
        values[missing[good]] = found[good]
        missing = missing[~good]
    with no_grad():
        return tensor.copy_(values.reshape(tensor.shape))


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one value.

    >>> import pyconv
    >>> constant_(pyconv.zeros(2), 3).tolist()
    [3.0, 3.0]
    """
    with no_grad():
        return tensor if checked("constant_", tensor).is_meta else tensor.fill_(val)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0."""
    return constant_(tensor, 0)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1."""
    return constant_(tensor, 1)


def _fans(op: str, tensor: Any) -> tuple[int, int]:
    """(fan in, fan out): inputs behind one output and outputs behind one input of a weight (out, in, taps...)."""
    shape = checked(op, tensor).shape
    if len(shape) < 2:
        raise ValueError(f"[{op}] tensor has shape {shape}, expected at least two axes: (out, in, ...)")
    taps = math.prod(shape[2:])
    return shape[1] * taps, shape[0] * taps


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with draws from U(-b, b), b = gain * sqrt(6 / (fan in + fan out)). Raises ValueError below two axes."""
    bound = gain * _root(6.0, sum(_fans("xavier_uniform_", tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with draws from N(0, s^2), s = gain * sqrt(2 / (fan in + fan out)). Raises ValueError below two axes."""
    return normal_(tensor, 0.0, gain * _root(2.0, sum(_fans("xavier_normal_", tensor))), generator)


def _root(numerator: float, fan: int) -> float:
    return math.sqrt(numerator / fan) if fan else 0.0  # no elements, nothing to draw


def _kaiming(op: str, tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    """The standard deviation gain / sqrt(fan)."""
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"[{op}] mode is {mode!r}, expected 'fan_in' or 'fan_out'")
    fan = _fans(op, tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) * _root(1.0, fan)


def kaiming_uniform_(tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
                     generator: Generator | None = None) -> Tensor:
    """Fill with draws from U(-b, b), b = gain * sqrt(3 / fan); ``a`` is the slope of leaky_relu.

    ``mode`` chooses the fan: "fan_in" keeps the size of activations, "fan_out" that of gradients. Raises ValueError
    for another mode or nonlinearity, and below two axes.
    """
    bound = math.sqrt(3.0) * _kaiming("kaiming_uniform_", tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
                    generator: Generator | None = None) -> Tensor:
    """Fill with draws from N(0, s^2), s = gain / sqrt(fan); arguments and errors as `kaiming_uniform_`."""
    return normal_(tensor, 0.0, _kaiming("kaiming_normal_", tensor, a, mode, nonlinearity), generator)
