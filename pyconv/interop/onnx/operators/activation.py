"""Activation functions, as combinations of pyconv's operations where it has no single one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyconv.interop.onnx.operators.broadcast import broadcast_shape
from pyconv.interop.onnx.registry import Call, numpy, operator
from pyconv.ops import activation as A
from pyconv.ops import elementwise as E
from pyconv.ops.softmax import log_softmax, softmax
from pyconv.tensor import Tensor


def _negative(x: Tensor) -> Tensor:
    return E.clamp(x, None, 0)


@operator("Relu")
def relu(at: Call, x: Any) -> Any:
    """max(x, 0)."""
    return E.relu(x) if isinstance(x, Tensor) else np.maximum(x, 0).astype(x.dtype)


@operator("Sigmoid")
def sigmoid(at: Call, x: Any) -> Any:
    """1 / (1 + e^-x)."""
    return E.sigmoid(x)


@operator("Tanh")
def tanh(at: Call, x: Any) -> Any:
    """The hyperbolic tangent."""
    return E.tanh(x)


@operator("LeakyRelu")
def leaky_relu(at: Call, x: Any) -> Any:
    """x, below 0 alpha x."""
    return A.leaky_relu(x, at["alpha"])


@operator("PRelu")
def prelu(at: Call, x: Any, slope: Any) -> Any:
    """x, below 0 slope x; slope broadcasts to x. Opset 6: one per channel."""
    if at.node.schema.since < 7 and slope.ndim == 1 and x.ndim > 2:
        slope = slope.reshape((slope.shape[0], *(1,) * (x.ndim - 2)))
    if broadcast_shape(at, (x.shape, slope.shape), x.dtype) != tuple(x.shape):
        at.error(f"slope has shape {tuple(slope.shape)}, which does not broadcast to that of x, {tuple(x.shape)}")
    if not isinstance(x, Tensor):
        return np.where(x < 0, x * slope, x).astype(x.dtype)
    return E.relu(x) + _negative(x) * slope


@operator("Elu")
def elu(at: Call, x: Any) -> Any:
    """x, below 0 alpha (e^x - 1)."""
    return A.elu(x, at["alpha"])


@operator("Selu")
def selu(at: Call, x: Any) -> Any:
    """gamma x, below 0 gamma alpha (e^x - 1)."""
    return (E.relu(x) + E.expm1(_negative(x)) * at["alpha"]) * at["gamma"]


@operator("Celu")
def celu(at: Call, x: Any) -> Any:
    """x, below 0 alpha (e^(x / alpha) - 1)."""
    alpha = at["alpha"]
    if alpha == 0 or not math.isfinite(alpha):
        at.error(f"alpha is {alpha}, expected a finite number other than 0")
    return A.celu(x, alpha)


@operator("ThresholdedRelu")
def thresholded_relu(at: Call, x: Any) -> Any:
    """x where it is above alpha, else 0."""
    return E.where(numpy(x) > at["alpha"], x, 0.0)


@operator("HardSigmoid")
def hard_sigmoid(at: Call, x: Any) -> Any:
    """alpha x + beta limited to [0, 1]."""
    return E.clamp(x * at["alpha"] + at["beta"], 0, 1)


@operator("HardSwish")
def hard_swish(at: Call, x: Any) -> Any:
    """x times (x / 6 + 1 / 2 limited to [0, 1])."""
    return A.hardswish(x)


@operator("Softplus")
def softplus(at: Call, x: Any) -> Any:
    """log(1 + e^x)."""
    return A.softplus(x, threshold=80.0)  # from 40 on it is x in either precision, from 89 on e^x overflows


@operator("Mish")
def mish(at: Call, x: Any) -> Any:
    """x tanh(softplus(x))."""
    return A.mish(x)


@operator("Softsign")
def softsign(at: Call, x: Any) -> Any:
    """x / (1 + |x|)."""
    return A.softsign(x)


@operator("Swish")
def swish(at: Call, x: Any) -> Any:
    """x sigmoid(alpha x)."""
    return A.swish(x, at["alpha"])


@operator("Gelu")
def gelu(at: Call, x: Any) -> Any:
    """x times the normal distribution function, or its approximation by a tanh."""
    return A.gelu(x, at.choice("approximate", "none", "tanh"))


@operator("Shrink")
def shrink(at: Call, x: Any) -> Any:
    """x moved towards 0 by bias where |x| > lambd, else 0."""
    values, lambd, bias = numpy(x), at["lambd"], at["bias"]
    if not isinstance(x, Tensor):
        return np.where(values < -lambd, values + bias, np.where(values > lambd, values - bias, 0)).astype(x.dtype)
    return E.where(values < -lambd, x + bias, E.where(values > lambd, x - bias, 0.0))


def _rows(at: Call, x: Any) -> tuple[Any, int]:
    """x with the axes from ``axis`` on as one where the version says so, and the axis."""
    axis = at.axis(at["axis"], max(x.ndim, 1))
    if at.node.schema.since >= 13:
        return x, axis
    front = math.prod(x.shape[:axis])
    return x.reshape((front, math.prod(x.shape[axis:]))), 1


@operator("Softmax", "LogSoftmax")
def soft(at: Call, x: Any) -> Any:
    """softmax along an axis; before opset 13 over all axes from there on."""
    rows, axis = _rows(at, x)
    y = (softmax if at.node.op == "Softmax" else log_softmax)(rows, axis)
    return y.reshape(tuple(x.shape))


@operator("Hardmax")
def hardmax(at: Call, x: Any) -> Any:
    """1 at the first largest element along the axis, 0 elsewhere."""
    rows, axis = _rows(at, numpy(x))
    y = np.zeros(rows.shape, rows.dtype)
    if rows.size:
        np.put_along_axis(y, np.expand_dims(rows.argmax(axis), axis), 1, axis)
    return y.reshape(x.shape)


@operator("Dropout", settings=(1, 2))
def dropout(at: Call, x: Any, ratio: Any = None, training: Any = None) -> Any:
    """x as it is; in training mode elements are dropped. The mask says which stay."""
    from pyconv.ops.random import dropout as drop

    p = at["ratio"] if ratio is None else at.scalar(ratio, "ratio")
    p = 0.5 if p is None else float(p)
    if not 0 <= p < 1:
        at.error(f"ratio is {p}, expected a number from 0 to 1, 1 excluded")
    wanted = at.run.training or (training is not None and bool(at.scalar(training, "training_mode")))
    mask_type = np.bool_ if at.node.schema.since >= 10 else x.dtype
    if not wanted or p == 0 or not isinstance(x, Tensor):
        return x, np.ones(x.shape, mask_type)
    kept = drop(Tensor(np.ones(x.shape, x.dtype)), p, True)
    return x * kept, kept.array.astype(bool).astype(mask_type)
