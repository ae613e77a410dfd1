"""Reductions."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyconv.interop.onnx.registry import Call, foreign, numpy, operator
from pyconv.ops import elementwise as E
from pyconv.ops import reduce as R
from pyconv.tensor import Tensor


def _finite(m: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(m), m, 0)


def _log_sum_exp(x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    """Shifted by the maximum, so that nothing overflows."""
    shift = Tensor(_finite(R.amax(x.detach(), axes, True).array)) if x.array.size else None
    if shift is None:
        return E.log(R.sum(E.exp(x), axes, keep))
    y = E.log(R.sum(E.exp(E.sub(x, shift)), axes, True)) + shift
    return y if keep else y.squeeze(axes)


#: (on Tensors, on whole numbers in float64 or their own type)
_FLOAT: dict[str, Any] = {
    "ReduceSum": R.sum,
    "ReduceMean": R.mean,
    "ReduceMax": R.amax,
    "ReduceMin": R.amin,
    "ReduceL1": lambda x, axes, keep: R.sum(E.abs(x), axes, keep),
    "ReduceL2": lambda x, axes, keep: E.sqrt(R.sum(E.square(x), axes, keep)),
    "ReduceSumSquare": lambda x, axes, keep: R.sum(E.square(x), axes, keep),
    "ReduceLogSum": lambda x, axes, keep: E.log(R.sum(x, axes, keep)),
    "ReduceLogSumExp": _log_sum_exp,
}
_WHOLE: dict[str, Any] = {
    "ReduceSum": lambda x, axes, keep: x.sum(axes, x.dtype, keepdims=keep),
    "ReduceMean": lambda x, axes, keep: x.mean(axes, keepdims=keep),
    "ReduceMax": lambda x, axes, keep: x.max(axes, keepdims=keep),
    "ReduceMin": lambda x, axes, keep: x.min(axes, keepdims=keep),
    "ReduceProd": lambda x, axes, keep: x.prod(axes, x.dtype, keepdims=keep),
    "ReduceL1": lambda x, axes, keep: np.abs(x).sum(axes, keepdims=keep),
    "ReduceL2": lambda x, axes, keep: np.sqrt((x.astype(float) ** 2).sum(axes, keepdims=keep)),
    "ReduceSumSquare": lambda x, axes, keep: (x * x).sum(axes, x.dtype, keepdims=keep),
    "ReduceLogSum": lambda x, axes, keep: np.log(x.sum(axes, keepdims=keep)),
    "ReduceLogSumExp": lambda x, axes, keep: np.log(np.exp(x.astype(float)).sum(axes, keepdims=keep)),
}


@operator(*_WHOLE, settings=(1,))
def reduction(at: Call, x: Any, axes: Any = None) -> Any:
    """A reduction over some axes, by default all of them."""
    given = at["axes"] if axes is None else at.ints(axes, "axes")
    if not given and at.flag("noop_with_empty_axes"):
        over: tuple[int, ...] = ()
    else:
        over = at.axes(given, x.ndim) if given else tuple(range(x.ndim))
    keep = at.flag("keepdims")
    op = at.node.op
    if op in ("ReduceMax", "ReduceMin"):
        return _extreme(at, x, over, keep)
    if not over and op in ("ReduceSum", "ReduceMean", "ReduceProd"):
        return x
    if isinstance(x, Tensor) and op in _FLOAT:
        return _FLOAT[op](x, over, keep)
    values = numpy(x)
    return foreign(at, np.asarray(_WHOLE[op](values, over, keep)).astype(x.dtype), x)


def _extreme(at: Call, x: Any, axes: tuple[int, ...], keep: bool) -> Any:
    """Of nothing the smallest or largest number is what the type begins with."""
    values, high = numpy(x), at.node.op == "ReduceMin"
    if any(values.shape[a] == 0 for a in axes):
        shape = tuple(1 if i in axes else n for i, n in enumerate(values.shape) if keep or i not in axes)
        if values.dtype.kind == "f":
            none: Any = np.inf if high else -np.inf
        elif values.dtype.kind == "b":
            none = high
        else:
            none = np.iinfo(values.dtype).max if high else np.iinfo(values.dtype).min
        return np.full(shape, none, values.dtype)
    if not axes:
        return x
    return (_FLOAT if isinstance(x, Tensor) else _WHOLE)[at.node.op](x, axes, keep)


@operator("ArgMax", "ArgMin", wide=False)
def arg(at: Call, x: Any) -> Any:
    """The index of the extreme along an axis: of the first among equals, or of the last."""
    axis = at.axis(at["axis"], x.ndim)
    values = numpy(x)
    if values.shape[axis] == 0:
        at.error(f"axis {axis} is empty")
    last = at.flag("select_last_index")
    found = np.argmax if at.node.op == "ArgMax" else np.argmin
    index = found(np.flip(values, axis) if last else values, axis)
    index = np.asarray(values.shape[axis] - 1 - index if last else index, np.int64)
    return np.expand_dims(index, axis) if at.flag("keepdims") else index
