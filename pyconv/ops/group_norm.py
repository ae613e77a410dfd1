"""Group, instance, layer and RMS norm: groups of neighbours are brought to mean 0 and variance 1.

They share one operation, y = (x - mean) / sqrt(var + eps) * weight + bias with the mean and the variance (divided by
the number of values) of each group. Statistics are taken in an order that depends on the shape alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pyconv._backend import core
from pyconv.errors import ShapeError
from pyconv.ops.arguments import whole, wholes
from pyconv.ops.norm import batch_norm
from pyconv.tensor import FLOATS, Array, Context, Op, Record, Tensor, apply, mode, raw

_FLOAT64 = np.dtype("float64")


class GroupNorm(Op):
    """Over channels and pixels of each of ``groups`` groups of channels."""

    name = "group_norm"
    centered = True

    @classmethod
    def shape_record(cls, x: Any, weight: Any, bias: Any, **attrs: Any) -> Any:
        """The record in C++, which validates."""
        return core.group_norm_shape(cls.name, x, attrs["groups"], weight, bias)

    @classmethod
    def infer(cls, shapes: Sequence[Any], **attrs: Any) -> Record:
        x, weight, bias, *_ = shapes
        record = cls.shape_record(x, weight, bias, **attrs)
        return Record((record.input_shape,), core=record)

    @classmethod
    def order(cls, attrs: dict[str, Any]) -> bool:
        """Whether results on Tensors are channels-last."""
        return True

    @classmethod
    def forward(cls, ctx: Context, x: Array, weight: Any, bias: Any, *, eps: float, **attrs: Any) -> Array:
        y, ctx.extra = core.group_norm_forward(cls.name, ctx.record.core, x, weight, bias, eps, cls.centered,
                                               ctx.channels_last and cls.order(attrs))
        ctx.save(x, weight)
        return y

    @classmethod
    def backward(cls, ctx: Context, gy: Array) -> tuple[Array | None, ...]:
        x, weight = ctx.saved or ()
        gx, gw, gb = core.group_norm_backward(cls.name, ctx.record.core, x, gy, ctx.extra, weight, cls.centered,
                                              ctx.needs[0], cls.order(ctx.attrs))
        return gx, gw if ctx.needs[1] else None, gb if ctx.needs[2] else None, *[None] * (len(ctx.needs) - 3)


class InstanceNorm(GroupNorm):
    """Over the pixels of each channel of each sample; running statistics take the mean over the samples."""

    name = "instance_norm"
    effects = ("running_stats",)

    @classmethod
    def shape_record(cls, x: Any, weight: Any, bias: Any, **attrs: Any) -> Any:
        return core.instance_norm_shape(cls.name, x, weight, bias)

    @classmethod
    def infer(cls, shapes: Sequence[Any], **attrs: Any) -> Record:
        record = super().infer(shapes, **attrs)
        for name, vector in zip(("running_mean", "running_var"), shapes[3:], strict=True):
            if vector is not None and vector != shapes[0][1:2]:
                text = "x".join(map(str, vector)) or "()"
                raise ShapeError(f"[instance_norm] {name} has shape {text}, expected {shapes[0][1]}, one value per "
                                 "channel")
        return record

    @classmethod
    def forward(cls, ctx: Context, x: Array, weight: Any, bias: Any, *running: Any, eps: float,
                **attrs: Any) -> Array:
        y = super().forward(ctx, x, weight, bias, eps=eps, **attrs)
        pixels = ctx.record.core.length
        # running = (1 - momentum) * running + momentum * mean over the samples, the variances being unbiased
        for vector, row, scale in zip(running, (0, 2), (1.0, pixels / max(1, pixels - 1)), strict=True):
            if vector is not None and x.shape[0] > 0:
                batch = core.reduce("mean", ctx.extra[row].reshape(x.shape[:2]), (0,), False, False)
                moved = core.binary("mul", batch, attrs["momentum"] * scale, False)
                kept = core.binary("mul", core.cast(vector, _FLOAT64, False), 1.0 - attrs["momentum"], False)
                core.assign(vector, core.binary("add", kept, moved, False))
        return y


class LayerNorm(GroupNorm):
    """Over the last axes."""

    name = "layer_norm"

    @classmethod
    def shape_record(cls, x: Any, weight: Any, bias: Any, **attrs: Any) -> Any:
        return core.layer_norm_shape(cls.name, x, attrs["normalized_shape"], weight, bias)

    @classmethod
    def order(cls, attrs: dict[str, Any]) -> bool:
        """Over one axis the rows stay together, as in a product of matrices."""
        return len(attrs["normalized_shape"]) > 1


class RMSNorm(LayerNorm):
    """Over the last axes, without the mean: y = x / sqrt(mean of x^2 + eps) * weight."""

    name, centered = "rms_norm", False


def _number(op: str, argument: str, value: Any, least: float | None = None) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"[{op}] {argument} is {value!r}, expected a number")
    number = float(value)
    if not math.isfinite(number) or (least is not None and number < least):
        wanted = "a finite number" if least is None else f"a finite number of at least {least:g}"
        raise ValueError(f"[{op}] {argument} is {value}, expected {wanted}")
    return number


def _arrays(op: str, input: Any, **others: Any) -> None:
    for argument, value in {"input": input, **others}.items():
        if value is not None or argument == "input":
            if not isinstance(value, Tensor):
                raw(value, op, argument)
            if value.dtype not in FLOATS:
                raise TypeError(f"[{op}] {argument} has dtype {value.dtype}, expected float32 or float64")
            if value.dtype != input.dtype:
                raise TypeError(f"[{op}] {argument} has dtype {value.dtype}, expected {input.dtype}, the dtype of input")


def group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Normalise groups of channels of each sample of (N, C, ...), then scale and shift each channel.

    The C channels form ``num_groups`` groups of neighbours; mean and variance are those of a group's channels and
    pixels. ``weight`` and ``bias``: one value per channel, of the input's dtype. 1 group is layer norm over all but
    the batch, C groups are instance norm. Wu and He 2018.

    Raises ShapeError unless C is a multiple of ``num_groups``, for vectors of another length and for an input of one
    value per group in all, TypeError for dtypes, ValueError for an eps that is negative or not finite.

    >>> x = np.array([[1.0, 3.0, 10.0, 30.0]])
    >>> group_norm(x, 2, eps=0.0).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """
    _arrays("group_norm", input, weight=weight, bias=bias)
    groups = whole(num_groups, "group_norm", "num_groups")
    if not 1 <= groups < 2**63:
        raise ValueError(f"[group_norm] num_groups is {groups}, expected at least 1")
    return apply(GroupNorm, input, weight, bias, groups=groups, eps=_number("group_norm", "eps", eps, 0))


def instance_norm(input: Any, running_mean: Any = None, running_var: Any = None, weight: Any = None, bias: Any = None,
                  use_input_stats: bool = True, momentum: float = 0.1, eps: float = 1e-5) -> Any:
    """Normalise each channel of each sample of (N, C, spatial...) over its pixels.

    With ``use_input_stats`` the running vectors (or None) move towards the mean over the samples, in place, by
    ``momentum``, with the unbiased variance; without, they take the place of the statistics, as in `batch_norm`'s
    evaluation. All vectors have one value per channel and the input's dtype. Ulyanov et al. 2016.

    Raises ShapeError for vectors of another length and for a single pixel, TypeError for dtypes, ValueError for
    read-only running vectors, one without the other, and numbers that are not finite.

    >>> x = np.array([[[1.0, 3.0], [10.0, 30.0]]])
    >>> instance_norm(x, eps=0.0).tolist()
    [[[-1.0, 1.0], [-1.0, 1.0]]]
    """
    op = "instance_norm"
    if not isinstance(use_input_stats, (bool, np.bool_)):
        raise TypeError(f"[{op}] use_input_stats is {use_input_stats!r}, expected True or False")
    _arrays(op, input, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    rate, epsilon = _number(op, "momentum", momentum), _number(op, "eps", eps, 0)
    if (running_mean is None) != (running_var is None):
        missing = "running_mean" if running_mean is None else "running_var"
        raise ValueError(f"[{op}] {missing} is None, expected both running vectors or neither")
    if not use_input_stats:
        if running_mean is None:
            raise ValueError(f"[{op}] running_mean and running_var are None, which only use_input_stats=True allows")
        return batch_norm(input, running_mean, running_var, weight, bias, False, rate, epsilon)
    for argument, vector in (("running_mean", running_mean), ("running_var", running_var)):
        if isinstance(vector, Tensor) and vector.requires_grad:
            raise ValueError(f"[{op}] {argument} requires a gradient, but it is updated, not differentiated")
        if vector is not None and not getattr(vector, "is_meta", False) and not raw(vector, op, argument).flags.writeable:
            raise ValueError(f"[{op}] {argument} is read-only, expected memory to update")
    if mode.recomputing:  # they moved when the function ran for the first time
        running_mean = running_var = None
    y = apply(InstanceNorm, input, weight, bias, running_mean, running_var, eps=epsilon, momentum=rate)
    for vector in (running_mean, running_var):
        if isinstance(vector, Tensor):
            vector._version[0] += 1
    return y


def _normalized(op: str, shape: Any) -> tuple[int, ...]:
    if not isinstance(shape, (tuple, list)):
        raise TypeError(f"[{op}] normalized_shape is {shape!r}, expected a tuple or a list of sizes")
    sizes = wholes([shape], op, "normalized_shape")
    if any(not 0 <= n < 2**63 for n in sizes):
        raise ValueError(f"[{op}] normalized_shape is {sizes}, expected sizes of at least 0")
    return sizes


def layer_norm(input: Any, normalized_shape: Sequence[int], weight: Any = None, bias: Any = None,
               eps: float = 1e-5) -> Any:
    """Normalise the last axes, which are ``normalized_shape``; ``weight`` and ``bias`` have that shape.

    Over one axis the result is in C order (the rows stay together, as in `linear`), over more it is channels-last
    like everything else. Ba, Kiros and Hinton 2016.

    Raises ShapeError where the last axes differ from ``normalized_shape`` or a vector has another shape, TypeError
    for dtypes, ValueError for an eps that is negative or not finite.

    >>> layer_norm(np.array([[1.0, 3.0], [10.0, 30.0]]), (2,), eps=0.0).tolist()
    [[-1.0, 1.0], [-1.0, 1.0]]
    """
    _arrays("layer_norm", input, weight=weight, bias=bias)
    return apply(LayerNorm, input, weight, bias, normalized_shape=_normalized("layer_norm", normalized_shape),
                 eps=_number("layer_norm", "eps", eps, 0))


def rms_norm(input: Any, normalized_shape: Sequence[int], weight: Any = None, eps: float | None = None) -> Any:
    """``x / sqrt(mean(x^2) + eps) * weight`` over the last axes; ``eps`` None: the smallest step of the dtype at 1.

    Memory order and errors as `layer_norm`. Zhang and Sennrich 2019.

    >>> rms_norm(np.array([[3.0, 4.0]]), (2,), eps=0.0).round(4).tolist()
    [[0.8485, 1.1314]]
    """
    _arrays("rms_norm", input, weight=weight)
    epsilon = float(np.finfo(input.dtype).eps) if eps is None else _number("rms_norm", "eps", eps, 0)
    return apply(RMSNorm, input, weight, None, normalized_shape=_normalized("rms_norm", normalized_shape), eps=epsilon)
