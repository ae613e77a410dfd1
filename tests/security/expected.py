"""What a call that returned must look like, from formulas that share nothing with the library.

Only shapes: values are the business of the sample tables. ``wrong`` says what is wrong, or None.
"""

from __future__ import annotations

import inspect
import operator
from typing import Any

import generate
import numpy as np

from pyconv.tensor import Tensor

SAME_SHAPE = frozenset([
    "celu", "elu", "gelu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "logsigmoid",
    "mish", "prelu", "relu", "relu6", "selu", "sigmoid", "silu", "softplus", "softshrink", "softsign", "swish",
    "tanh", "tanhshrink", "threshold", "softmax", "log_softmax", "softmin", "batch_norm", "group_norm",
    "instance_norm", "layer_norm", "rms_norm", "local_response_norm", "local_contrast_norm", "normalize",
    "dropout", "dropout1d", "dropout2d", "dropout3d", "channel_shuffle", "neg", "square", "exp", "expm1", "sin",
    "cos", "erf", "abs", "sign", "reciprocal", "log", "log1p", "sqrt", "rsqrt", "floor", "ceil", "round",
    "logical_not", "isfinite", "isnan",
])
BROADCAST = frozenset([
    "add", "sub", "mul", "div", "pow", "minimum", "maximum", "eq", "ne", "lt", "le", "gt", "ge", "logical_and",
    "logical_or", "logical_xor",
])
LOSSES = frozenset([
    "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
])


def wrong(target: str, call: generate.Call, value: Any) -> str | None:
    kind, name = target.split(":")
    plain = getattr(call.function, "__module__", "").startswith("pyconv")  # not a table's own combination
    if kind != "op" or not plain or not isinstance(value, (Tensor, np.ndarray, tuple)):
        return None
    first = value[0] if isinstance(value, tuple) and value else value
    shape = expected_shape(name, call)
    if shape is None or not isinstance(first, (Tensor, np.ndarray)) or tuple(first.shape) == shape:
        return None
    return f"shape {tuple(first.shape)}, expected {shape}"


def expected_shape(name: str, call: generate.Call) -> tuple[int, ...] | None:
    try:
        arguments = inspect.signature(call.function).bind(*call.args, **call.kwargs)
    except (TypeError, ValueError):
        return None
    arguments.apply_defaults()
    a = arguments.arguments
    shapes = [np.shape(v) for v in call.args]
    if name in SAME_SHAPE:
        return shapes[0]
    if name in BROADCAST:
        return np.broadcast_shapes(*shapes[:2]) if len(shapes) > 1 else None
    if name in LOSSES:
        return () if a.get("reduction") in ("mean", "sum") else None
    if name.startswith(("conv1d", "conv2d", "conv3d", "conv_transpose", "max_pool", "avg_pool", "lp_pool")) and "input" in a:
        return windows(name, a, int(name[-2]))
    return None


def each(value: Any, axes: int) -> list[int] | None:
    """One int per axis, or None where the option is something else."""
    try:
        items = list(value) if isinstance(value, (tuple, list)) else [value]
        items = [operator.index(v) for v in items]
    except TypeError:
        return None
    return items * axes if len(items) == 1 else items if len(items) == axes else None


def windows(name: str, a: dict[str, Any], axes: int) -> tuple[int, ...] | None:
    """PyTorch's documented formulas, axis by axis."""
    shape = np.shape(a["input"])
    lead, sizes = shape[:-axes], shape[-axes:]
    kernel = np.shape(a["weight"])[2:] if "weight" in a else each(a["kernel_size"], axes)
    stride = each(a["stride"], axes) if a.get("stride") is not None else kernel
    padding, dilation = each(a.get("padding", 0), axes), each(a.get("dilation", 1), axes)
    if None in (kernel, stride, padding, dilation) or len(kernel) != axes:
        return None
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    rows = list(zip(sizes, spans, stride, padding, strict=True))
    if name.startswith("conv_transpose"):
        extra = each(a["output_padding"], axes)
        if extra is None:
            return None
        out = [(n - 1) * s - 2 * p + span + e for (n, span, s, p), e in zip(rows, extra, strict=True)]
        channels = np.shape(a["weight"])[1] * operator.index(a["groups"])
        return (*lead[:-1], channels, *out)
    out = [pooled(n, span, s, p, bool(a.get("ceil_mode", False))) for n, span, s, p in rows]
    if name.startswith("conv"):
        return (*lead[:-1], np.shape(a["weight"])[0], *out)
    return (*lead, *out)


def pooled(size: int, span: int, stride: int, padding: int, ceil: bool) -> int:
    room = size + 2 * padding - span
    if not ceil:
        return room // stride + 1
    count = -(-room // stride) + 1
    # The last window has to start inside the input or the padding before it.
    return count - 1 if (count - 1) * stride >= size + padding else count
