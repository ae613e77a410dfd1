"""Losses of an input and a target of one shape: squares, magnitudes, and binary and relative cross-entropy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pyconv._backend import core
from pyconv.errors import ShapeError
from pyconv.ops import elementwise as e
from pyconv.ops import reduce as reductions
from pyconv.ops.softmax import check_reduction
from pyconv.tensor import FLOATS, Array, Context, Op, Record, Tensor, apply


def _text(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "()"


def _floats(op: str, **arguments: Any) -> None:
    for name, value in arguments.items():
        if not isinstance(value, (Tensor, np.ndarray)):
            raise TypeError(f"[{op}] {name} is {type(value).__name__}, expected a Tensor or a numpy array")
        if value.dtype not in FLOATS:
            raise TypeError(f"[{op}] {name} has dtype {value.dtype}, expected float32 or float64")


def _pair(op: str, input: Any, target: Any) -> None:
    _floats(op, input=input, target=target)
    if input.shape != target.shape:
        raise ShapeError(f"[{op}] target has shape {_text(target.shape)}, expected the input's, {_text(input.shape)}")
    if input.dtype != target.dtype:
        raise TypeError(f"[{op}] target has dtype {target.dtype}, expected the input's, {input.dtype}")


def _reduced(op: str, losses: Any, reduction: str, weight: Any = None, *, weighted_mean: bool = False) -> Any:
    """The losses times the weight, summed or averaged; ``weighted_mean`` divides by the sum of the weights."""
    if weight is not None:
        _floats(op, weight=weight)
        weighted = e.mul(losses, weight)
        if weighted.shape != losses.shape:
            raise ShapeError(
                f"[{op}] weight has shape {_text(weight.shape)}, which does not broadcast to the input's, "
                f"{_text(losses.shape)}"
            )
        losses = weighted
    if reduction == "none":
        return losses
    if reduction == "sum":
        return reductions.sum(losses)
    if weight is not None and weighted_mean:
        return e.div(reductions.sum(losses), reductions.sum(weight))
    return reductions.mean(losses)


def _weight_like(op: str, weight: Any, input: Any) -> None:
    if weight is None:
        return
    _floats(op, weight=weight)
    if weight.shape != input.shape:
        raise ShapeError(f"[{op}] weight has shape {_text(weight.shape)}, expected the input's, {_text(input.shape)}")


def _positive(op: str, argument: str, value: Any, *, zero: bool = False) -> float:
    if isinstance(value, (bool, str, Tensor)) or not hasattr(value, "__float__"):
        raise TypeError(f"[{op}] {argument} is {type(value).__name__}, expected a number")
    x = float(value)
    if not (x >= 0 if zero else x > 0):
        raise ValueError(f"[{op}] {argument} is {value}, expected {'at least' if zero else 'more than'} 0")
    return x


class PointwiseLoss(Op):
    """Losses of an input and a target of one shape, summed or averaged in the same pass over them.

    ``kind`` names the kernel, ``params`` are its numbers. The gradient is one pass, too.
    """

    name = "pointwise_loss"

    @staticmethod
    def infer(shapes: Sequence[Any], *, kind: str, params: tuple[float, ...], reduction: str) -> Record:
        """One loss per element, or a scalar."""
        return Record((shapes[0] if reduction == "none" else (),))

    @staticmethod
    def forward(ctx: Context, x: Array, target: Array, *, kind: str, params: tuple[float, ...],
                reduction: str) -> Array:
        """The losses, or their sum in double; the mean of nothing is NaN."""
        ctx.save(x, target)
        if reduction == "none":
            return core.pointwise_loss_forward(kind, x, target, params, ctx.channels_last)
        total = core.pointwise_loss_sum(kind, x, target, params)
        if reduction == "mean":
            total = total / x.size if x.size else np.nan
        return np.asarray(total, x.dtype)

    @staticmethod
    def backward(ctx: Context, gy: Array) -> tuple[Any, ...]:
        """gx = gy d loss / dx; the target's is its negative, except for cross-entropies."""
        x, target = ctx.saved or ()
        kind, reduction = ctx.attrs["kind"], ctx.attrs["reduction"]
        scale = 1.0
        if reduction != "none":
            scale = float(gy) / (x.size if reduction == "mean" and x.size else 1)
        want_x, want_target = ctx.needs
        symmetric = kind not in ("bce", "bce_logits")
        gx = gt = None
        if want_x or symmetric:
            given = gy if reduction == "none" else None
            gx = core.pointwise_loss_backward(kind, given, scale, x, target, ctx.attrs["params"])
        if want_target:
            gt = core.unary("neg", gx, True) if gx is not None and symmetric else core.binary(
                "mul", gy if reduction == "none" else scale, _slope_of_target(kind, x), True)
        return gx if want_x else None, gt


def _slope_of_target(kind: str, x: Array) -> Array:
    """d cross-entropy / d target: log(1 - x) - log x, logarithms at least -100; for logits that is -x."""
    if kind == "bce_logits":
        return core.unary("neg", x, True)
    low = core.binary("maximum", core.unary("log", x, True), -100.0, True)
    high = core.binary("maximum", core.unary("log1p", core.unary("neg", x, True), True), -100.0, True)
    return core.binary("sub", high, low, True)


def _loss(op: str, kind: str, input: Any, target: Any, reduction: str, weight: Any = None, *,
          params: tuple[float, ...] = (), weighted_mean: bool = False) -> Any:
    """The loss of a validated pair; with a weight the losses are needed one by one."""
    if weight is None:
        return apply(PointwiseLoss, input, target, kind=kind, params=params, reduction=reduction)
    losses = apply(PointwiseLoss, input, target, kind=kind, params=params, reduction="none")
    return _reduced(op, losses, reduction, weight, weighted_mean=weighted_mean)


def mse_loss(
    input: Any, target: Any, size_average: None = None, reduce: None = None, reduction: str = "mean", weight: Any = None
) -> Any:
    """``(input - target)^2``; a weighted mean divides by the sum of the weights (of the input's shape).

    Raises ShapeError unless the target has the input's shape, TypeError for other dtypes, ValueError for ``reduction``.

    >>> import numpy as np
    >>> float(mse_loss(np.array([1.0, 2.0]), np.array([1.0, 4.0])))
    2.0
    """
    op = "mse_loss"
    check_reduction(op, reduction, size_average, reduce)
    _pair(op, input, target)
    _weight_like(op, weight, input)
    return _loss(op, "square", input, target, reduction, weight, weighted_mean=True)


def l1_loss(
    input: Any, target: Any, size_average: None = None, reduce: None = None, reduction: str = "mean", weight: Any = None
) -> Any:
    """``|input - target|``; the gradient at 0 is 0. Weight and errors as `mse_loss`.

    >>> import numpy as np
    >>> float(l1_loss(np.array([1.0, 2.0]), np.array([1.0, 4.0])))
    1.0
    """
    op = "l1_loss"
    check_reduction(op, reduction, size_average, reduce)
    _pair(op, input, target)
    _weight_like(op, weight, input)
    return _loss(op, "absolute", input, target, reduction, weight, weighted_mean=True)


def smooth_l1_loss(
    input: Any, target: Any, size_average: None = None, reduce: None = None, reduction: str = "mean", beta: float = 1.0
) -> Any:
    """``d^2 / (2 beta)`` for a distance d below beta, else ``d - beta / 2``; beta 0 is `l1_loss`. Girshick 2015.

    >>> import numpy as np
    >>> smooth_l1_loss(np.array([0.5, 3.0]), np.zeros(2), reduction="none").tolist()
    [0.125, 2.5]
    """
    op = "smooth_l1_loss"
    check_reduction(op, reduction, size_average, reduce)
    _pair(op, input, target)
    beta = _positive(op, "beta", beta, zero=True)
    if beta == 0:
        return _loss(op, "absolute", input, target, reduction)
    return _loss(op, "huber", input, target, reduction, params=(beta, beta))


def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None) -> Any:
    """``d^2 / 2`` for a distance d below delta, else ``delta (d - delta / 2)``. Huber 1964; errors as `mse_loss`.

    ``weight`` multiplies the losses; as in PyTorch, and unlike `mse_loss`, the mean divides by their number.

    >>> import numpy as np
    >>> huber_loss(np.array([1.0, 5.0]), np.zeros(2), reduction="none", delta=2.0).tolist()
    [0.5, 8.0]
    """
    op = "huber_loss"
    check_reduction(op, reduction, None, None)
    _pair(op, input, target)
    _weight_like(op, weight, input)
    return _loss(op, "huber", input, target, reduction, weight, params=(_positive(op, "delta", delta), 1.0))


class _Softplus(Op):
    """log(1 + e^x) = max(x, 0) + log1p(e^-|x|); the gradient is sigmoid(x)."""

    name = "softplus"

    @staticmethod
    def infer(shapes: Sequence[Any]) -> Record:
        return Record((shapes[0],))

    @staticmethod
    def forward(ctx: Context, x: Array) -> Array:
        ctx.save(x)
        last = ctx.channels_last
        tail = core.unary("log1p", core.unary("exp", core.unary("neg", core.unary("abs", x, last), last), last), last)
        return core.binary("add", core.unary("relu", x, last), tail, last)

    @staticmethod
    def backward(ctx: Context, gy: Array) -> tuple[Any, ...]:
        (x,) = ctx.saved or ()
        return (core.binary("mul", gy, core.unary("sigmoid", x, True), True),)


def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
    pos_weight: Any = None,
) -> Any:
    """``-(p t log s(x) + (1 - t) log(1 - s(x)))`` with s the sigmoid and p = ``pos_weight`` (default 1).

    ``weight`` multiplies the losses; both broadcast. Computed without overflow, as
    ``(1 - t) x + (1 + (p - 1) t) log(1 + e^-x)``. Raises
    ShapeError, TypeError and ValueError as `mse_loss`.

    >>> import numpy as np
    >>> float(binary_cross_entropy_with_logits(np.array([-1000.0]), np.array([1.0])))
    1000.0
    """
    op = "binary_cross_entropy_with_logits"
    check_reduction(op, reduction, size_average, reduce)
    _pair(op, input, target)
    if pos_weight is None:
        return _loss(op, "bce_logits", input, target, reduction, weight)
    _floats(op, pos_weight=pos_weight)
    tail = e.mul(apply(_Softplus, e.neg(input)), e.add(e.mul(e.sub(pos_weight, 1.0), target), 1.0))
    losses = e.add(e.mul(e.sub(1.0, target), input), tail)
    if losses.shape != input.shape:
        raise ShapeError(
            f"[{op}] pos_weight has shape {_text(pos_weight.shape)}, which does not broadcast to the input's, "
            f"{_text(input.shape)}"
        )
    return _reduced(op, losses, reduction, weight)


def binary_cross_entropy(
    input: Any, target: Any, weight: Any = None, size_average: None = None, reduce: None = None, reduction: str = "mean"
) -> Any:
    """``-(t log x + (1 - t) log(1 - x))`` for probabilities x; logarithms below -100 count as -100.

    Raises ValueError for an input outside [0, 1], else as `mse_loss`.

    >>> import numpy as np
    >>> float(binary_cross_entropy(np.array([0.0]), np.array([1.0])))
    100.0
    """
    op = "binary_cross_entropy"
    check_reduction(op, reduction, size_average, reduce)
    _pair(op, input, target)
    values = input._array if isinstance(input, Tensor) else input
    if values is not None and values.size:  # None: a meta tensor
        low, high = float(reductions.amin(values)), float(reductions.amax(values))
        if not (low >= 0 and high <= 1):
            raise ValueError(f"[{op}] input reaches from {low:g} to {high:g}, expected probabilities, 0 to 1")
    return _loss(op, "bce", input, target, reduction, weight)


def kl_div(
    input: Any,
    target: Any,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Any:
    """``t (log t - x)`` for logarithms x of probabilities; with ``log_target`` the target is a logarithm, too.

    ``batchmean`` divides the sum by the first axis' size. Where t is 0 the loss is 0, where it is negative NaN. Kullback and Leibler 1951.

    >>> import numpy as np
    >>> kl_div(np.log(np.array([0.5, 0.5])), np.array([1.0, 0.0]), reduction="sum").round(6).item()
    0.693147
    """
    op = "kl_div"
    check_reduction(op, "sum" if reduction == "batchmean" else reduction, size_average, reduce)
    _pair(op, input, target)
    if log_target:
        losses = e.mul(e.exp(target), e.sub(target, input))
    else:
        positive = e.where(e.ne(target, 0.0), target, 1.0)  # the logarithm of a negative number is NaN
        losses = e.mul(target, e.sub(e.log(positive), input))
    if reduction != "batchmean":
        return _reduced(op, losses, reduction)
    if not input.shape:
        return _reduced(op, losses, "sum")
    if input.shape[0] == 0:
        raise ShapeError(f"[{op}] input has shape {_text(input.shape)}, expected at least one sample for 'batchmean'")
    return e.div(_reduced(op, losses, "sum"), float(input.shape[0]))
