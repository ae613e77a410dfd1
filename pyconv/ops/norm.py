"""Normalisation."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pyconv._backend import core
from pyconv.pending import Masked, Pending, unshared, whole
from pyconv.tensor import Array, Context, Op, Record, Shape, Tensor, apply, listeners, mode, raw

_FLOAT32 = np.dtype("float32")


class BatchNorm(Op):
    """y = (x - mean) / sqrt(var + eps) * weight + bias, per channel; see `batch_norm`."""

    name = "batch_norm"
    effects = ("running_stats",)
    takes_masked = takes_prior = True

    @staticmethod
    def infer(shapes: Sequence[Shape | None], *, training: bool, momentum: float, eps: float) -> Record:
        """The output has the shape of x."""
        return _record(*shapes, training)

    @staticmethod
    def forward(ctx: Context, x: Array, weight: Array | None, bias: Array | None, running_mean: Array | None,
                running_var: Array | None, *, training: bool, momentum: float, eps: float) -> Any:
        """One pass for the statistics, one to normalise; running statistics are updated in place."""
        y, saved = core.batch_norm_forward(ctx.record.core, x, running_mean, running_var, weight, bias, training,
                                           momentum, eps, ctx.channels_last)
        ctx.extra = saved, None
        ctx.save(x, weight)
        return y

    @staticmethod
    def backward(ctx: Context, gy: Any, prior: Array | None = None) -> tuple[Array | None, ...]:
        """gb = Σ gy, gw = Σ gy·xhat, gx = weight/std · (gy − mean(gy) − xhat·mean(gy·xhat)): two passes.

        A gradient that ReLU has left to mask is masked in both, by the sign that x and the factors give again.
        """
        assert ctx.saved is not None
        x, weight = ctx.saved
        (saved, factors), training, relu = ctx.extra, ctx.attrs["training"], None
        if isinstance(gy, Masked) and training:
            gy, relu = gy.gy, factors
        gx, gw, gb = core.batch_norm_backward(ctx.record.core, x, whole(gy), saved, weight, relu, training, ctx.needs[0],
                                              True, prior)
        return gx, gw if ctx.needs[1] else None, gb if ctx.needs[2] else None, None, None


@functools.lru_cache(maxsize=1024)  # the layers of a few networks
def _record(x: Shape, weight: Shape | None, bias: Shape | None, running_mean: Shape | None, running_var: Shape | None,
            training: bool) -> Record:
    record = core.batch_norm_shape(x, running_mean, running_var, weight, bias, training)
    return Record((record.input_shape,), core=record)


class PendingBatchNorm(BatchNorm):
    """Batch norm whose second pass waits for what comes next; for a float32 x that nobody can change meanwhile."""

    @staticmethod
    def forward(ctx: Context, x: Array, weight: Array | None, bias: Array | None, running_mean: Array | None,
                running_var: Array | None, *, training: bool, momentum: float, eps: float) -> Any:
        shape = ctx.record.core
        factors, saved = core.batch_norm_factors(shape, x, running_mean, running_var, weight, bias, training, momentum,
                                                 eps)
        ctx.extra = saved, factors
        ctx.save(x, weight)
        return Pending(x.shape, x.dtype, lambda residual, relu: core.batch_norm_map(shape, x, factors, residual, relu))


def _can_wait(x: Any) -> bool:
    if not isinstance(x, Tensor) or listeners:
        return False
    array = x._array
    if array is None or array.dtype != _FLOAT32 or array.size == 0:
        return False
    del array
    return unshared(x)


def _number(value: Any, argument: str) -> float:
    if type(value) is float:
        return value
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"[batch_norm] {argument} is {value!r}, expected a number")
    return float(value)


def batch_norm(input: Any, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None,
               training: bool = False, momentum: float = 0.1, eps: float = 1e-5) -> Any:
    """Normalise each channel of (N, C, ...) to mean 0 and variance 1, then scale and shift it.

    y = (x - mean) / sqrt(var + eps) * weight + bias (Ioffe and Szegedy 2015). With ``training`` mean and biased
    variance are those of the batch, and the running vectors (or None) move towards them in place, by ``momentum``,
    with the unbiased variance; else they are the running vectors. All vectors have one value per channel and the dtype
    of x. An empty batch changes nothing.

    Raises ShapeError for a vector of another length and for a single value per channel in training, TypeError for
    another dtype, ValueError for read-only or overlapping running vectors, an ``eps`` that is NaN, infinite or
    negative (in training: or 0), and a ``momentum`` that is not finite.

    >>> import numpy as np
    >>> x = np.array([[1.0], [3.0]], dtype=np.float32)
    >>> batch_norm(x, None, None, training=True, eps=1e-12).tolist()
    [[-1.0], [1.0]]
    """
    if not isinstance(training, (bool, np.bool_)):
        raise TypeError(f"[batch_norm] training is {training!r}, expected True or False")
    rate, epsilon = _number(momentum, "momentum"), _number(eps, "eps")
    if not (0 <= epsilon < math.inf) or (training and epsilon == 0):
        raise ValueError(f"[batch_norm] eps is {eps}, expected a positive number" + ("" if training else ", or 0"))
    if not math.isfinite(rate):
        raise ValueError(f"[batch_norm] momentum is {momentum}, expected a finite number")
    for argument, value in (("x", input), ("weight", weight), ("bias", bias), ("running_mean", running_mean),
                            ("running_var", running_var)):
        if not isinstance(value, Tensor) and (value is not None or argument == "x"):
            raw(value, "batch_norm", argument)
    for argument, value in (("running_mean", running_mean), ("running_var", running_var)):
        if isinstance(value, Tensor) and value.requires_grad:
            raise ValueError(f"[batch_norm] {argument} requires a gradient, but it is updated, not differentiated")
    if training and mode.recomputing:  # they moved when the function ran for the first time
        running_mean = running_var = None
    op = PendingBatchNorm if _can_wait(input) else BatchNorm
    y = apply(op, input, weight, bias, running_mean, running_var, training=bool(training), momentum=rate, eps=epsilon)
    if training:
        for vector in (running_mean, running_var):
            if isinstance(vector, Tensor):
                vector._version[0] += 1
    return y


METHODS: dict = {}
