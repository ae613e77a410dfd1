"""Convolution, pooling, normalisation, linear layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pyconv.interop.onnx.trace import Step, form


def _batched(s: Step, axes: int, write: Callable[[str], str]) -> Any:
    """The form of an operation on a batch; an input without one gets it, and loses it again."""
    if len(s.inputs[0].shape) == axes + 2:
        return write(s.x)
    y = write(s.node("Unsqueeze", s.x, s.ints([0])))
    return s.node("Squeeze", y, s.ints([0]))


def _pads(low: Any, high: Any) -> list[int]:
    return [*low, *high]


@form("conv")
def conv(s: Step) -> Any:
    """Convolution."""
    weight = s.inputs[1].shape
    axes = len(weight) - 2
    padding = s.attrs["padding"]
    attrs: dict[str, Any] = {}
    if padding == "valid":
        padding = (0,) * 2 * axes
    if padding == "same":
        total = [(k - 1) * d for k, d in zip(weight[2:], s.attrs["dilation"], strict=True)]
        attrs["pads"] = _pads([t // 2 for t in total], [t - t // 2 for t in total])
    else:
        attrs["pads"] = _pads(padding[::2], padding[1::2])
    return _batched(s, axes, lambda x: s.node(
        "Conv", x, s.names[1], s.names[2], kernel_shape=list(weight[2:]), strides=list(s.attrs["stride"]),
        dilations=list(s.attrs["dilation"]), group=s.attrs["groups"], **attrs))


@form("conv_transpose")
def conv_transpose(s: Step) -> Any:
    """Transposed convolution."""
    weight, padding = s.inputs[1].shape, s.attrs["padding"]
    return _batched(s, len(weight) - 2, lambda x: s.node(
        "ConvTranspose", x, s.names[1], s.names[2], kernel_shape=list(weight[2:]), strides=list(s.attrs["stride"]),
        dilations=list(s.attrs["dilation"]), group=s.attrs["groups"], pads=_pads(padding, padding),
        output_padding=list(s.attrs["output_padding"])))


@form("max_pool")
def max_pool(s: Step) -> Any:
    """Maxima; positions have another meaning in ONNX and are not given out."""
    a = s.attrs
    return _batched(s, len(a["window"]), lambda x: s.node(
        "MaxPool", x, kernel_shape=list(a["window"]), strides=list(a["stride"]), dilations=list(a["dilation"]),
        pads=_pads(a["padding"], a["padding"]), ceil_mode=int(a["ceil_mode"])))


@form("avg_pool")
def avg_pool(s: Step) -> Any:
    """Averages; another divisor than the window's size is a factor."""
    a = s.attrs

    def write(x: str) -> str:
        y = s.node("AveragePool", x, kernel_shape=list(a["window"]), strides=list(a["stride"]),
                   pads=_pads(a["padding"], a["padding"]), ceil_mode=int(a["ceil_mode"]),
                   count_include_pad=1 if a["divisor"] else int(a["count_padding"]))
        return s.node("Mul", y, s.number(math.prod(a["window"]) / a["divisor"])) if a["divisor"] else y

    if a["divisor"] and a["ceil_mode"]:
        s.error("divisor_override together with ceil_mode")
    return _batched(s, len(a["window"]), write)


@form("adaptive_avg_pool", "adaptive_max_pool")
def adaptive(s: Step) -> Any:
    """Windows that give an output size: all of the input, equal windows, or one slice after the other."""
    spatial = len(s.attrs["output_size"])
    sizes, wanted = s.inputs[0].shape[-spatial:], s.outputs[0].shape[-spatial:]
    average = s.op.name == "adaptive_avg_pool"

    def write(x: str) -> str:
        if all(n == 1 for n in wanted):
            return s.node("GlobalAveragePool" if average else "GlobalMaxPool", x)
        if all(n % m == 0 for n, m in zip(sizes, wanted, strict=True)):
            window = [n // m for n, m in zip(sizes, wanted, strict=True)]
            return s.node("AveragePool" if average else "MaxPool", x, kernel_shape=window, strides=window)
        for axis, (n, m) in enumerate(zip(sizes, wanted, strict=True), 2):
            x = _windows(s, x, axis, n, m, "ReduceMean" if average else "ReduceMax")
        return x

    return _batched(s, spatial, write)


def _windows(s: Step, x: str, axis: int, size: int, count: int, reduction: str) -> str:
    """Along one axis: output i is the reduction of the pixels floor(i n / m) to ceil((i + 1) n / m)."""
    if size == count:
        return x
    parts = []
    for i in range(count):
        start, stop = i * size // count, -(-(i + 1) * size // count)
        part = s.node("Slice", x, s.ints([start]), s.ints([stop]), s.ints([axis]))
        parts.append(s.node(reduction, part, s.ints([axis]), keepdims=1))
    return s.node("Concat", *parts, axis=axis) if count > 1 else parts[0]


@form("batch_norm")
def batch_norm(s: Step) -> Any:
    """By running statistics."""
    a = s.attrs
    if a["training"] or s.names[3] is None or s.names[4] is None:
        s.error("statistics of the batch: only running statistics can be exported")
    channels = s.inputs[0].shape[1]
    weight = s.names[1] or s.constant(np.ones(channels), s.dtype)
    bias = s.names[2] or s.constant(np.zeros(channels), s.dtype)
    return s.node("BatchNormalization", s.x, weight, bias, s.names[3], s.names[4], epsilon=float(a["eps"]))


def _channels(s: Step, i: int, value: float) -> str:
    """A vector over the channels, or a constant one where there is none."""
    name = s.names[i]
    return s.constant(np.full(s.inputs[0].shape[1], value), s.dtype) if name is None else name


@form("instance_norm")
def instance_norm(s: Step) -> Any:
    """Each channel of each sample by its own statistics."""
    if any(name is not None for name in s.names[3:]):
        s.error("running statistics that are updated")
    return s.node("InstanceNormalization", s.x, _channels(s, 1, 1), _channels(s, 2, 0), epsilon=float(s.attrs["eps"]))


@form("group_norm")
def group_norm(s: Step) -> Any:
    """Groups of channels; before opset 21 as instance norm of the groups."""
    groups, eps, shape = s.attrs["groups"], float(s.attrs["eps"]), s.inputs[0].shape
    if s.opset >= 21:
        return s.node("GroupNormalization", s.x, _channels(s, 1, 1), _channels(s, 2, 0), num_groups=groups, epsilon=eps)
    rows = s.node("Reshape", s.x, s.ints([0, groups, -1]))
    one, nought = (s.constant(np.full(groups, v), s.dtype) for v in (1, 0))
    y = s.node("Reshape", s.node("InstanceNormalization", rows, one, nought, epsilon=eps), s.ints(shape, "reshape"))
    for op, name in (("Mul", s.names[1]), ("Add", s.names[2])):
        if name is not None:
            y = s.node(op, y, s.node("Reshape", name, s.ints([shape[1], *[1] * (len(shape) - 2)])))
    return y


@form("layer_norm")
def layer_norm(s: Step) -> Any:
    """Over the last axes."""
    axes = s.attrs["normalized_shape"]
    weight = s.names[1] or s.constant(np.ones(axes), s.dtype)
    return s.node("LayerNormalization", s.x, weight, s.names[2], axis=-len(axes), epsilon=float(s.attrs["eps"]))


@form("rms_norm")
def rms_norm(s: Step) -> Any:
    """Over the last axes, without the mean."""
    axes = list(range(-len(s.attrs["normalized_shape"]), 0))
    mean = s.node("ReduceMean", s.node("Mul", s.x, s.x), s.ints(axes), keepdims=1)
    root = s.node("Sqrt", s.node("Add", mean, s.number(s.attrs["eps"])))
    y = s.node("Div", s.x, root)
    return y if s.names[1] is None else s.node("Mul", y, s.names[1])


@form("local_response_norm")
def local_response_norm(s: Step) -> Any:
    """Divided by a power of what the neighbours across channels amount to."""
    a = s.attrs
    if a["size"] % 2 == 0:
        s.error(f"an even size ({a['size']}): ONNX has its window elsewhere")
    return s.node("LRN", s.x, size=a["size"], alpha=float(a["scale"] * a["size"]), beta=float(a["beta"]),
                  bias=float(a["k"]))


@form("interpolate")
def interpolate(s: Step) -> Any:
    """Another size."""
    a, spatial = s.attrs, len(s.attrs["size"])
    attrs: dict[str, Any] = {"axes": list(range(2, spatial + 2))}
    if a["mode"] in ("nearest", "nearest-exact"):
        exact = a["mode"] == "nearest-exact"
        attrs.update(mode="nearest", nearest_mode="round_prefer_ceil" if exact else "floor",
                     coordinate_transformation_mode="half_pixel" if exact else "asymmetric")
    else:
        attrs.update(mode=a["mode"], antialias=int(a["antialias"]),
                     coordinate_transformation_mode="align_corners" if a["align_corners"] else "half_pixel")
        if a["mode"] == "cubic":
            attrs.update(cubic_coeff_a=-0.5 if a["antialias"] else -0.75)
        if a["antialias"]:
            attrs.update(exclude_outside=1)
    if a["factors"]:
        return s.node("Resize", s.x, None, s.constant(a["factors"], np.float32), None, **attrs)
    return s.node("Resize", s.x, None, None, s.ints(a["size"]), **attrs)


@form("grid_sample")
def grid_sample(s: Step) -> Any:
    """Values at points."""
    mode = s.attrs["mode"]
    if s.opset >= 20:
        mode = {"bilinear": "linear", "bicubic": "cubic"}.get(mode, mode)
    elif len(s.inputs[0].shape) == 5:
        s.error("volumes need opset_version 20")
    return s.node("GridSample", s.x, s.names[1], mode=mode, padding_mode=s.attrs["padding_mode"],
                  align_corners=int(s.attrs["align_corners"]))


@form("rearrange")
def rearrange(s: Step) -> Any:
    """Axes split, permuted and merged."""
    y = s.node("Transpose", s.node("Reshape", s.x, s.ints(s.attrs["split"], "reshape")), perm=list(s.attrs["order"]))
    return s.node("Reshape", y, s.ints(s.attrs["shape"], "reshape"))


@form("softmax")
def softmax(s: Step) -> Any:
    """Softmax or its logarithm along an axis."""
    return s.node("LogSoftmax" if s.attrs["logarithm"] else "Softmax", s.x, axis=s.attrs["dim"])


@form("linear")
def linear(s: Step) -> Any:
    """x wᵀ + b over the last axis."""
    if len(s.inputs[0].shape) == 2:
        return s.node("Gemm", s.x, s.names[1], s.names[2], transB=1)
    y = s.node("MatMul", s.x, s.node("Transpose", s.names[1], perm=[1, 0]))
    return y if s.names[2] is None else s.node("Add", y, s.names[2])


@form("matmul")
def matmul(s: Step) -> Any:
    """The product of two matrices."""
    return s.node("MatMul", s.x, s.names[1])
