"""Softmax, its logarithm, and the losses over classes."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pyconv._backend import core
from pyconv.ops.arguments import dtype_of
from pyconv.ops.out import takes_out
from pyconv.ops.shape import array_of, to_dtype
from pyconv.tensor import FLOATS, Array, Context, Op, Record, Tensor, apply

REDUCTIONS = ("none", "mean", "sum")


class _Softmax(Op):
    name = "softmax"

    @staticmethod
    def infer(shapes: Sequence[Any], *, dim: int, logarithm: bool) -> Record:
        core.softmax_axis("log_softmax" if logarithm else "softmax", shapes[0], dim)
        return Record((shapes[0],))

    @staticmethod
    def forward(ctx: Context, x: Array, *, dim: int, logarithm: bool) -> Array:
        y = core.softmax_forward(x, dim, logarithm, ctx.channels_last)
        ctx.save(y)
        return y

    @staticmethod
    def backward(ctx: Context, gy: Array) -> tuple[Any, ...]:
        (y,) = ctx.saved or ()
        return (core.softmax_backward(y, gy, ctx.attrs["dim"], ctx.attrs["logarithm"], True),)


class _CrossEntropy(Op):
    """Index or soft targets; the slopes dloss/dx are made in the forward pass, where the exponentials are at hand."""

    name = "cross_entropy"

    @staticmethod
    def infer(shapes: Sequence[Any], *, soft: bool, reduction: str, **attrs: Any) -> Record:
        losses = core.class_loss_shape("cross_entropy", shapes[0], shapes[1], shapes[2], soft)
        return Record((losses if reduction == "none" else (),))

    @staticmethod
    def forward(
        ctx: Context,
        x: Array,
        target: Array,
        weight: Any,
        *,
        soft: bool,
        ignore_index: int,
        label_smoothing: float,
        reduction: str,
    ) -> Array:
        loss, slopes, divisor = core.cross_entropy_forward(
            x, target, weight, ignore_index, label_smoothing, reduction, ctx.needs[0]
        )
        ctx.save(x if ctx.needs[1] else None, target if ctx.needs[1] else None, weight)
        ctx.extra = (slopes, x.shape, _scale(reduction, divisor))
        return core.copy(loss, True) if ctx.channels_last and loss.ndim in (4, 5) else loss

    @staticmethod
    def backward(ctx: Context, gy: Array) -> tuple[Any, ...]:
        slopes, shape, scale = ctx.extra
        rows = gy if gy.flags.c_contiguous else core.copy(gy, False)
        gx = core.cross_entropy_backward(slopes, rows, scale, shape, True) if ctx.needs[0] else None
        return gx, _target_gradient(ctx, gy, scale) if ctx.needs[1] else None, None


def _target_gradient(ctx: Context, gy: Array, scale: float) -> Array:
    """dloss/dq = -(1 - label_smoothing) weight log_softmax(x), times gy per row."""
    x, _, weight = ctx.saved or ()
    axis = 0 if x.ndim == 1 else 1
    slopes = core.softmax_forward(x, axis, True, True)
    factor = core.full((), x.dtype, -(1.0 - ctx.attrs["label_smoothing"]) * scale, False)
    if weight is not None:
        factor = core.binary("mul", factor, weight.reshape((-1,) + (1,) * (x.ndim - 1 - axis)), False)
    rows = gy.reshape((*gy.shape[:1], 1, *gy.shape[1:])) if gy.ndim else gy
    return core.binary("mul", core.binary("mul", slopes, factor, True), rows, True)


class _NLL(Op):
    name = "nll_loss"

    @staticmethod
    def infer(shapes: Sequence[Any], *, reduction: str, **attrs: Any) -> Record:
        losses = core.class_loss_shape("nll_loss", shapes[0], shapes[1], shapes[2], False)
        return Record((losses if reduction == "none" else (),))

    @staticmethod
    def forward(ctx: Context, x: Array, target: Array, weight: Any, *, ignore_index: int, reduction: str) -> Array:
        loss, divisor = core.nll_forward(x, target, weight, ignore_index, reduction)
        ctx.save(target, weight)
        ctx.extra = (x.shape, _scale(reduction, divisor))
        return core.copy(loss, True) if ctx.channels_last and loss.ndim in (4, 5) else loss

    @staticmethod
    def backward(ctx: Context, gy: Array) -> tuple[Any, ...]:
        target, weight = ctx.saved or ()
        shape, scale = ctx.extra
        rows = gy if gy.flags.c_contiguous else core.copy(gy, False)
        return core.nll_backward(target, weight, rows, ctx.attrs["ignore_index"], scale, shape, True), None, None


def _scale(reduction: str, divisor: float) -> float:
    """What the reduction multiplies each loss with; 0 where no sample counts, so that gradients are 0, not NaN."""
    if reduction != "mean":
        return 1.0
    return 1.0 / divisor if divisor else 0.0


def _floating(op: str, argument: str, value: Any) -> None:
    if not isinstance(value, (Tensor, np.ndarray)):
        raise TypeError(f"[{op}] {argument} is {type(value).__name__}, expected a Tensor or a numpy array")
    if value.dtype not in FLOATS:
        raise TypeError(f"[{op}] {argument} has dtype {value.dtype}, expected float32 or float64")


def check_reduction(op: str, reduction: Any, size_average: Any, reduce: Any) -> None:
    """Raise ValueError for an unknown reduction and for the deprecated arguments at anything but None."""
    if size_average is not None or reduce is not None:
        raise ValueError(f"[{op}] size_average and reduce are not supported, use reduction='none', 'mean' or 'sum'")
    if reduction not in REDUCTIONS:
        raise ValueError(f"[{op}] reduction is {reduction!r}, expected 'none', 'mean' or 'sum'")


def _whole(op: str, argument: str, value: Any) -> int:
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"[{op}] {argument} is {value!r}, expected a whole number") from None
    if not -(2**63) <= number < 2**63:
        raise ValueError(f"[{op}] {argument} is {number}, which does not fit 64 bits")
    return number


def _softmax(op: str, input: Any, dim: Any, dtype: Any) -> Any:
    if dim is None:
        raise ValueError(f"[{op}] dim is None, expected the number of an axis")
    if dtype is not None:
        wanted = dtype_of(dtype, op)
        if wanted not in FLOATS:
            raise TypeError(f"[{op}] dtype is {wanted}, expected float32 or float64")
        input = to_dtype(array_of(input, op), wanted)
    _floating(op, "input", input)
    return apply(_Softmax, input, dim=_whole(op, "dim", dim), logarithm=op == "log_softmax")


@takes_out
def softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """``exp(x_i) / sum_j exp(x_j)`` along the axis ``dim``, computed without overflow; any shape.

    ``dtype`` (float32 or float64) converts the input first. Raises IndexError for an axis that is not there, TypeError
    for integers, ValueError without ``dim``. Bridle 1990.

    >>> import numpy as np
    >>> softmax(np.array([1.0, 2.0, 3.0]), 0).round(4).tolist()
    [0.09, 0.2447, 0.6652]
    """
    return _softmax("softmax", input, dim, dtype)


@takes_out
def log_softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """``x_i - log sum_j exp(x_j)`` along the axis ``dim``; errors as `softmax`.

    >>> import numpy as np
    >>> log_softmax(np.array([1000.0, 0.0]), 0).tolist()
    [0.0, -1000.0]
    """
    return _softmax("log_softmax", input, dim, dtype)


def _class_target(op: str, target: Any, weight: Any) -> None:
    if not isinstance(target, (Tensor, np.ndarray)):
        raise TypeError(f"[{op}] target is {type(target).__name__}, expected a Tensor or a numpy array")
    if isinstance(weight, Tensor) and weight.requires_grad:
        raise ValueError(f"[{op}] weight requires a gradient, which is not supported")


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: None = None,
    ignore_index: int = -100,
    reduce: None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """Softmax and ``-sum_c q_c log p_c`` in one pass. Input (c), (n, c) or (n, c, ...); without reduction (n, ...).

    ``target``: labels (n, ...) of int64, int32 or uint8, or probabilities q of the input's shape and dtype. ``weight``:
    one number per class. ``mean`` divides by the sum of the labels' weights, for probabilities by the number of
    samples; labels equal to ``ignore_index`` do not count (all of them: nan). ``label_smoothing`` e replaces q by
    ``(1 - e) q + e / c`` (Szegedy et al. 2016). Raises ShapeError, TypeError for dtypes, IndexError for a label out of
    range, ValueError for other arguments.

    >>> import numpy as np
    >>> float(cross_entropy(np.array([[1000.0, 0.0]]), np.array([1])))
    1000.0
    """
    op = "cross_entropy"
    check_reduction(op, reduction, size_average, reduce)
    _class_target(op, target, weight)
    _floating(op, "input", input)
    if isinstance(label_smoothing, (bool, str)) or not hasattr(label_smoothing, "__float__"):
        raise TypeError(f"[{op}] label_smoothing is {label_smoothing!r}, expected a number")
    return apply(
        _CrossEntropy,
        input,
        target,
        weight,
        soft=target.dtype in FLOATS,
        ignore_index=_whole(op, "ignore_index", ignore_index),
        label_smoothing=float(label_smoothing),
        reduction=reduction,
    )


def nll_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: None = None,
    ignore_index: int = -100,
    reduce: None = None,
    reduction: str = "mean",
) -> Any:
    """``-weight[t] input[t]`` for logarithms of probabilities; shapes, reductions and errors as `cross_entropy`.

    >>> import numpy as np
    >>> float(nll_loss(np.array([[-1.0, -2.0]]), np.array([1])))
    2.0
    """
    op = "nll_loss"
    check_reduction(op, reduction, size_average, reduce)
    _class_target(op, target, weight)
    _floating(op, "input", input)
    return apply(
        _NLL, input, target, weight, ignore_index=_whole(op, "ignore_index", ignore_index), reduction=reduction
    )


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Tensor, dim: int, dtype: None = None) -> Tensor:
        return function(self, dim, dtype=dtype)

    method.__doc__ = function.__doc__
    method.__name__ = function.__name__
    return method


METHODS: dict[str, Any] = {"softmax": _method(softmax), "log_softmax": _method(log_softmax)}
