"""Activations: forward and gradient are one pass each. Every function keeps the shape and the floating dtype.

Those with ``inplace`` write into a Tensor's own memory when it is True. Raises TypeError for anything but a Tensor or
an array of float32 or float64, and for numbers that are none.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pyconv.ops.activation_ops import (
    Activation,
    Celu,
    CeluOfInput,
    Elu,
    EluOfInput,
    Gelu,
    GeluTanh,
    Hardshrink,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    LeakyRelu,
    LeakyReluOfInput,
    LearnedSwish,
    LogSigmoid,
    Mish,
    Prelu,
    Relu6,
    Selu,
    Silu,
    Softplus,
    Softshrink,
    Softsign,
    Swish,
    Tanhshrink,
    Threshold,
)
from pyconv.ops.inplace import inplace as run_in_place
from pyconv.ops.softmax import softmax
from pyconv.ops.unary import Sigmoid, Tanh, neg
from pyconv.tensor import FLOATS, Tensor, apply

# --- what the arguments may be ------------------------------------------------------------------------------


def _floating(op: str, argument: str, value: Any) -> None:
    if not isinstance(value, (Tensor, np.ndarray)):
        raise TypeError(f"[{op}] {argument} is {type(value).__name__}, expected a Tensor or a numpy array")
    if value.dtype not in FLOATS:
        raise TypeError(f"[{op}] {argument} has dtype {value.dtype}, expected float32 or float64")


def _number(op: str, argument: str, value: Any) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"[{op}] {argument} is {value!r}, expected a number")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"[{op}] {argument} is {value}, which does not fit float64") from None


def _run(op: type[Activation], input: Any, inplace: bool = False, **attrs: Any) -> Any:
    name = op.name + "_" if inplace is True else op.name
    if not isinstance(inplace, (bool, np.bool_)):
        raise TypeError(f"[{name}] inplace is {inplace!r}, expected True or False")
    if inplace and not isinstance(input, Tensor):
        raise TypeError(f"[{name}] input is {type(input).__name__}, expected a Tensor to change in place")
    _floating(name, "input", input)
    numbers = {n: _number(name, n, value) for n, value in attrs.items()}
    return run_in_place(op, name, input, **numbers) if inplace else apply(op, input, **numbers)


# --- the functions ------------------------------------------------------------------------------------------


def relu6(input: Any, inplace: bool = False) -> Any:
    """``min(max(x, 0), 6)``; the gradient at 0 and at 6 is 0. Krizhevsky 2010.

    >>> relu6(np.array([-1.0, 3.0, 9.0])).tolist()
    [0.0, 3.0, 6.0]
    """
    return _run(Relu6, input, inplace, min_val=0.0, max_val=6.0)


def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    """``x`` above 0, ``negative_slope * x`` else; the derivative at 0 is the slope. Maas et al. 2013.

    >>> leaky_relu(np.array([-2.0, 2.0]), 0.25).tolist()
    [-0.5, 2.0]
    """
    slope = _number("leaky_relu", "negative_slope", negative_slope)
    return _run(LeakyRelu if slope >= 0 else LeakyReluOfInput, input, inplace, negative_slope=slope)


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """`leaky_relu` into the Tensor's own memory."""
    return leaky_relu(input, negative_slope, True)


def prelu(input: Any, weight: Any) -> Any:
    """`leaky_relu` whose slope is ``weight``: one number, or one per channel (axis 1). He et al. 2015.

    The gradient of the weight is the sum of ``gy * x`` over the elements not above 0, added up in an order that does
    not depend on the number of threads. Raises ShapeError for a weight of another length, TypeError for one of
    another dtype.

    >>> prelu(np.array([[-2.0, -2.0], [1.0, -4.0]]), np.array([0.5, 0.25])).tolist()
    [[-1.0, -0.5], [1.0, -1.0]]
    """
    _floating("prelu", "input", input)
    _floating("prelu", "weight", weight)
    return apply(Prelu, input, weight)


def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """``x`` above 0, ``alpha * (exp(x) - 1)`` else. Clevert et al. 2016.

    >>> elu(np.array([-1.0, 2.0])).round(4).tolist()
    [-0.6321, 2.0]
    """
    factor = _number("elu", "alpha", alpha)
    return _run(Elu if factor >= 0 else EluOfInput, input, inplace, alpha=factor, scale=1.0, input_scale=1.0)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`elu` into the Tensor's own memory."""
    return elu(input, alpha, True)


def selu(input: Any, inplace: bool = False) -> Any:
    """``scale * elu(x, alpha)`` with the two numbers that keep mean 0 and variance 1. Klambauer et al. 2017.

    >>> selu(np.array([-1.0, 1.0])).round(4).tolist()
    [-1.1113, 1.0507]
    """
    return _run(Selu, input, inplace, alpha=1.6732632423543772, scale=1.0507009873554805, input_scale=1.0)


def selu_(input: Tensor) -> Tensor:
    """`selu` into the Tensor's own memory."""
    return selu(input, True)


def celu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """``x`` above 0, ``alpha * (exp(x / alpha) - 1)`` else: the slope has no jump for any alpha. Barron 2017.

    Raises ValueError for an alpha of 0.

    >>> celu(np.array([-1.0, 2.0]), 2.0).round(4).tolist()
    [-0.7869, 2.0]
    """
    factor = _number("celu", "alpha", alpha)
    if factor == 0:
        raise ValueError("[celu] alpha is 0, expected another number")
    op = Celu if factor > 0 else CeluOfInput
    return _run(op, input, inplace, alpha=factor, scale=1.0, input_scale=1.0 / factor)


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`celu` into the Tensor's own memory."""
    return celu(input, alpha, True)


def gelu(input: Any, approximate: str = "none") -> Any:
    """``x * Phi(x)``, Phi the normal distribution function. Hendrycks and Gimpel 2016.

    With ``approximate="tanh"``: ``x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))``. Raises ValueError for
    another name.

    >>> gelu(np.array([-1.0, 1.0])).round(4).tolist()
    [-0.1587, 0.8413]
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f"[gelu] approximate is {approximate!r}, expected 'none' or 'tanh'")
    return _run(Gelu if approximate == "none" else GeluTanh, input)


def silu(input: Any, inplace: bool = False) -> Any:
    """``x / (1 + exp(-x))``, `swish` with beta 1. Elfwing et al. 2018.

    >>> silu(np.array([-1.0, 1.0])).round(4).tolist()
    [-0.2689, 0.7311]
    """
    return _run(Silu, input, inplace, beta=1.0)


def swish(input: Any, beta: Any = 1.0) -> Any:
    """``x * sigmoid(beta * x)``; beta a number, or a Tensor or array of one number or one per channel (axis 1).

    A Tensor gets the gradient ``sum gy x^2 s (1 - s)`` with ``s = sigmoid(beta x)``. Raises ShapeError for a beta of
    another length, TypeError for one of another dtype. Ramachandran et al. 2017.

    >>> swish(np.array([-1.0, 1.0]), 2.0).round(4).tolist()
    [-0.1192, 0.8808]
    """
    if not isinstance(beta, (Tensor, np.ndarray)):
        return _run(Swish, input, beta=beta)
    _floating("swish", "input", input)
    _floating("swish", "beta", beta)
    return apply(LearnedSwish, input, beta)


def hardswish(input: Any, inplace: bool = False) -> Any:
    """``x * min(max(x + 3, 0), 6) / 6``. Howard et al. 2019.

    >>> hardswish(np.array([-3.0, 0.0, 3.0])).tolist() == [0.0, 0.0, 3.0]
    True
    """
    return _run(Hardswish, input, inplace)


def hardsigmoid(input: Any, inplace: bool = False) -> Any:
    """``min(max(x + 3, 0), 6) / 6``.

    >>> hardsigmoid(np.array([-3.0, 0.0, 3.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    return _run(Hardsigmoid, input, inplace)


def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Any:
    """``min(max(x, min_val), max_val)``; the gradient at the bounds is 0. Raises ValueError for crossed bounds.

    >>> hardtanh(np.array([-2.0, 0.5, 2.0])).tolist()
    [-1.0, 0.5, 1.0]
    """
    low, high = _number("hardtanh", "min_val", min_val), _number("hardtanh", "max_val", max_val)
    if not low <= high:
        raise ValueError(f"[hardtanh] min_val is {low}, expected at most max_val, {high}")
    return _run(Hardtanh, input, inplace, min_val=low, max_val=high)


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """`hardtanh` into the Tensor's own memory."""
    return hardtanh(input, min_val, max_val, True)


def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """``log(1 + exp(beta * x)) / beta``, and x itself where ``beta * x`` is above ``threshold``. Dugas et al. 2001.

    Raises ValueError for a beta of 0.

    >>> softplus(np.array([0.0, 30.0])).round(4).tolist()
    [0.6931, 30.0]
    """
    factor = _number("softplus", "beta", beta)
    if factor == 0:
        raise ValueError("[softplus] beta is 0, expected another number")
    return _run(Softplus, input, beta=factor, threshold=threshold)


def softsign(input: Any) -> Any:
    """``x / (1 + |x|)``.

    >>> softsign(np.array([-1.0, 3.0])).tolist()
    [-0.5, 0.75]
    """
    return _run(Softsign, input)


def logsigmoid(input: Any) -> Any:
    """``log(1 / (1 + exp(-x)))``, computed without overflow.

    >>> logsigmoid(np.array([0.0, -1000.0])).round(4).tolist()
    [-0.6931, -1000.0]
    """
    return _run(LogSigmoid, input)


def mish(input: Any, inplace: bool = False) -> Any:
    """``x * tanh(log(1 + exp(x)))``. Misra 2019.

    >>> mish(np.array([-1.0, 1.0])).round(4).tolist()
    [-0.3034, 0.8651]
    """
    return _run(Mish, input, inplace)


def threshold(input: Any, threshold: float, value: float, inplace: bool = False) -> Any:
    """``x`` above ``threshold``, ``value`` else.

    >>> threshold(np.array([0.5, 2.0]), 1.0, 7.0).tolist()
    [7.0, 2.0]
    """
    return _run(Threshold, input, inplace, threshold=threshold, value=value)


def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """`threshold` into the Tensor's own memory."""
    return _run(Threshold, input, True, threshold=threshold, value=value)


def tanhshrink(input: Any) -> Any:
    """``x - tanh(x)``.

    >>> tanhshrink(np.array([0.0, 1.0])).round(4).tolist()
    [0.0, 0.2384]
    """
    return _run(Tanhshrink, input)


def hardshrink(input: Any, lambd: float = 0.5) -> Any:
    """0 from -lambd to lambd, x outside.

    >>> hardshrink(np.array([-1.0, 0.5, 2.0])).tolist()
    [-1.0, 0.0, 2.0]
    """
    return _run(Hardshrink, input, lambd=lambd)


def softshrink(input: Any, lambd: float = 0.5) -> Any:
    """0 from -lambd to lambd, outside x moved towards 0 by lambd. Raises ValueError for a lambd below 0.

    >>> softshrink(np.array([-1.0, 0.5, 2.0])).tolist()
    [-0.5, 0.0, 1.5]
    """
    number = _number("softshrink", "lambd", lambd)
    if not number >= 0:
        raise ValueError(f"[softshrink] lambd is {number}, expected at least 0")
    return _run(Softshrink, input, lambd=number)


def softmin(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """`softmax` of ``-x`` along the axis ``dim``; its arguments and errors.

    >>> softmin(np.array([1.0, 2.0, 3.0]), 0).round(4).tolist()
    [0.6652, 0.2447, 0.09]
    """
    _floating("softmin", "input", input)
    return softmax(neg(input), dim, dtype=dtype)


def sigmoid_(input: Tensor) -> Tensor:
    """`sigmoid` into the Tensor's own memory."""
    return run_in_place(Sigmoid, "sigmoid_", input)


def tanh_(input: Tensor) -> Tensor:
    """`tanh` into the Tensor's own memory."""
    return run_in_place(Tanh, "tanh_", input)


METHODS = {"prelu": prelu, "hardshrink": hardshrink, "sigmoid_": sigmoid_, "tanh_": tanh_}
