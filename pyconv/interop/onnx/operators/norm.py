"""Normalisation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyconv.interop.onnx.operators.broadcast import broadcast_shape
from pyconv.interop.onnx.proto import dtype_of
from pyconv.interop.onnx.registry import Call, numpy, operator
from pyconv.ops import elementwise as E
from pyconv.ops import group_norm as G
from pyconv.ops import norm as N
from pyconv.ops import reduce as R
from pyconv.ops.join import pad
from pyconv.ops.lrn import local_response_norm
from pyconv.tensor import FLOATS, Tensor


def _epsilon(at: Call) -> float:
    eps = at["epsilon"]
    if not 0 <= eps < math.inf:
        at.error(f"epsilon is {eps}, expected a finite number of at least 0")
    return float(eps)


def _vectors(at: Call, channels: int, *vectors: Any) -> None:
    for name, v in zip(("scale", "B", "mean", "var"), vectors, strict=False):
        if tuple(v.shape) != (channels,):
            at.error(f"{name} has shape {tuple(v.shape)}, expected ({channels},): one value per channel")


@operator("BatchNormalization")
def batch_norm(at: Call, x: Any, scale: Any, b: Any, mean: Any, var: Any) -> Any:
    """By running statistics; in training mode by those of the batch, which the running ones move towards."""
    if x.ndim < 2:
        at.error(f"X has {x.ndim} axes, expected at least 2")
    if at["spatial"] == 0:
        at.error("spatial is 0: statistics per pixel are not supported")
    _vectors(at, x.shape[1], scale, b, mean, var)
    eps, momentum = _epsilon(at), at["momentum"]
    if not 0 <= momentum <= 1:
        at.error(f"momentum is {momentum}, expected a number from 0 to 1")
    running = [v if v.dtype == x.dtype else v.to(x.dtype) for v in (mean, var)]
    scale, b = (v if v.dtype == x.dtype else v.to(x.dtype) for v in (scale, b))
    if at.flag("training_mode"):
        return _training(x, scale, b, running, eps, momentum, (mean.dtype, var.dtype))
    if len(at.node.outputs) > 1:
        at.error(f"{len(at.node.outputs)} outputs are asked for, outside the training mode there is one")
    if at.run.training:  # the module's own mode
        return N.batch_norm(x, running[0], running[1], scale, b, True, 1 - momentum, eps)
    return N.batch_norm(x, running[0].detach(), running[1].detach(), scale, b, False, 0.0, eps)


def _training(x: Tensor, scale: Tensor, b: Tensor, running: list[Tensor], eps: float, momentum: float,
              dtypes: tuple[Any, Any]) -> tuple[Any, ...]:
    axes = (0, *range(2, x.ndim))
    y = N.batch_norm(x, None, None, scale, b, True, 0.0, eps)
    batch = (R.mean(x.detach(), axes), R.var(x.detach(), axes, correction=0))
    moved = [E.add(E.mul(old.detach(), momentum), E.mul(new, 1 - momentum)) for old, new in zip(running, batch, strict=True)]
    return (y, *(m.to(d) for m, d in zip(moved, dtypes, strict=True)))


@operator("InstanceNormalization")
def instance_norm(at: Call, x: Any, scale: Any, b: Any) -> Any:
    """Each channel of each sample by its own statistics."""
    if x.ndim < 3:
        at.error(f"input has {x.ndim} axes, expected at least 3")
    _vectors(at, x.shape[1], scale, b)
    return G.group_norm(x, x.shape[1], scale, b, _epsilon(at))


@operator("GroupNormalization")
def group_norm(at: Call, x: Any, scale: Any, b: Any) -> Any:
    """Groups of channels by their statistics; before opset 21 scale and bias have one value per group."""
    if x.ndim < 3:
        at.error(f"X has {x.ndim} axes, expected at least 3")
    groups, channels = at["num_groups"], x.shape[1]
    if groups < 1 or channels % groups:
        at.error(f"num_groups is {groups}, expected a divisor of the {channels} channels")
    if at.node.schema.since >= 21:
        _vectors(at, channels, scale, b)
    else:
        _vectors(at, groups, scale, b)
        repeat = np.arange(channels) // (channels // groups)
        scale, b = scale.index_select(0, repeat), b.index_select(0, repeat)
    return G.group_norm(x, groups, scale, b, _epsilon(at))


def _stash(at: Call, x: Tensor) -> Any:
    """The type of the statistics that are given out; they are computed in that of x."""
    kind = dtype_of(at["stash_type"], "attribute stash_type")
    return kind if kind in FLOATS else x.dtype


@operator("LayerNormalization")
def layer_norm(at: Call, x: Any, scale: Any, b: Any = None) -> Any:
    """The axes from ``axis`` on by their statistics, which are further outputs."""
    stash = _stash(at, x)
    axes = tuple(range(at.axis(at["axis"], x.ndim), x.ndim))
    for name, v in (("Scale", scale), ("B", b)):
        if v is not None and broadcast_shape(at, (x.shape, v.shape), x.dtype) != tuple(x.shape):
            at.error(f"{name} has shape {tuple(v.shape)}, which does not broadcast to {tuple(x.shape)}")
    last = tuple(x.shape[axes[0]:])
    if len(at.node.outputs) == 1 and tuple(scale.shape) == last and (b is None or tuple(b.shape) == last):
        return G.layer_norm(x, last, scale, b, _epsilon(at))
    mean = R.mean(x, axes, True)
    centred = x - mean
    inverse = E.rsqrt(R.mean(E.square(centred), axes, True) + _epsilon(at))
    y = centred * inverse * scale
    return y if b is None else y + b, mean.to(stash), inverse.to(stash)


@operator("RMSNormalization")
def rms_norm(at: Call, x: Any, scale: Any) -> Any:
    """x divided by the root of its mean square over the axes from ``axis`` on."""
    axes = tuple(range(at.axis(at["axis"], x.ndim), x.ndim))
    if broadcast_shape(at, (x.shape, scale.shape), x.dtype) != tuple(x.shape):
        at.error(f"scale has shape {tuple(scale.shape)}, which does not broadcast to {tuple(x.shape)}")
    last = tuple(x.shape[axes[0]:])
    if tuple(scale.shape) == last:
        return G.rms_norm(x, last, scale, _epsilon(at))
    return x * E.rsqrt(R.mean(E.square(x), axes, True) + _epsilon(at)) * scale


@operator("LRN")
def lrn(at: Call, x: Any) -> Any:
    """x / (bias + alpha / size Σ x²)^beta, the sum over ``size`` neighbouring channels."""
    size = at["size"]
    if x.ndim < 2 or not 1 <= size < 2**31:
        at.error(f"X has {x.ndim} axes and size is {size}, expected at least 2 and 1")
    channels = x.shape[1]
    if size % 2 and x.ndim > 2:  # of an even size ONNX takes one more behind, our operation one more in front
        return local_response_norm(x, size, at["alpha"], at["beta"], at["bias"])
    before, after = min((size - 1) // 2, channels), min(size - 1 - (size - 1) // 2, channels)
    if before + after + 1 > 4096:
        at.error(f"size is {size}, expected at most 4096 neighbours that exist")
    squares = pad(E.square(x), [0, 0] * (x.ndim - 2) + [before, after])
    total = squares[:, :channels]
    for i in range(1, before + after + 1):
        total = total + squares[:, i:i + channels]
    return x * E.pow(total * (at["alpha"] / size) + at["bias"], -at["beta"])


@operator("LpNormalization")
def lp_normalization(at: Call, x: Any) -> Any:
    """x divided by its L1 or L2 norm along an axis; zeros stay zeros."""
    p, axis = at["p"], at.axis(at["axis"], x.ndim)
    if p not in (1, 2):
        at.error(f"p is {p}, expected 1 or 2")
    norm = R.sum(E.abs(x), axis, True) if p == 1 else E.sqrt(R.sum(E.square(x), axis, True))
    return x / E.where(numpy(norm) == 0, 1.0, norm)


@operator("MeanVarianceNormalization")
def mean_variance(at: Call, x: Any) -> Any:
    """x with mean 0 and variance 1 over some axes."""
    axes = at.axes(at["axes"], x.ndim)
    centred = x - R.mean(x, axes, True)
    return centred / (E.sqrt(R.mean(E.square(centred), axes, True)) + 1e-9)
