"""Matrix product and linear layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pyconv._backend import core
from pyconv.errors import ShapeError
from pyconv.ops.operands import broadcast, fit
from pyconv.ops.out import takes_out
from pyconv.ops.shape import reshape
from pyconv.tensor import Context, Op, Record, Shape, Tensor, apply


class MatMul(Op):
    """c[..., i, j] = Σ_l a[..., i, l] · b[..., l, j], the leading axes (none for two matrices) broadcast."""

    name = "matmul"

    @staticmethod
    def infer(shapes: Sequence[Shape | None], **_: Any) -> Record:
        """(..., m, k) times (..., k, n) is (..., m, n)."""
        a, b = shapes
        assert a is not None
        assert b is not None
        if len(a) < 2 or len(b) < 2 or a[-1] != b[-2]:
            raise ShapeError(f"[matmul] cannot multiply {a} by {b}: expected (..., m, k) and (..., k, n)")
        lead = broadcast("matmul", a[:-2], b[:-2])
        return Record(((*lead, a[-2], b[-1]),), macs=math.prod(lead) * a[-2] * a[-1] * b[-1], core=lead)

    @staticmethod
    def forward(ctx: Context, a: Any, b: Any, **_: Any) -> Any:
        """A packed product per matrix of the stack; transposed operands are views."""
        ctx.save(a, b)
        y = core.gemm_batch(_stack(a, ctx), _stack(b, ctx))
        return core.copy(y, True) if ctx.channels_last and y.ndim in (4, 5) else y

    @staticmethod
    def backward(ctx: Context, gy: Any) -> tuple[Any, ...]:
        """ga = gy bᵀ, gb = aᵀ gy, summed over what was repeated."""
        assert ctx.saved is not None
        a, b = ctx.saved
        return (fit(core.gemm_batch(gy, _stack(b, ctx).swapaxes(-1, -2)), a.shape, a.dtype) if ctx.needs[0] else None,
                fit(core.gemm_batch(_stack(a, ctx).swapaxes(-1, -2), gy), b.shape, b.dtype) if ctx.needs[1] else None)


def _stack(matrices: Any, ctx: Context) -> Any:
    """A view with all leading axes of the result."""
    lead = ctx.record.core
    return matrices if matrices.shape[:-2] == lead else np.broadcast_to(matrices, (*lead, *matrices.shape[-2:]))


class Linear(Op):
    """y = x wᵀ + b over the last axis."""

    name = "linear"

    @staticmethod
    def infer(shapes: Sequence[Shape | None], **_: Any) -> Record:
        """(..., in) with weight (out, in) is (..., out)."""
        x, weight, bias = shapes
        assert x is not None
        assert weight is not None
        if len(weight) != 2:
            raise ShapeError(f"[linear] weight has shape {weight}, expected (out features, in features)")
        if len(x) == 0 or x[-1] != weight[1]:
            got = f"{x[-1]} features" if x else "no axes"
            raise ShapeError(f"[linear] input has {got}, expected {weight[1]} (input: {x}, weight: {weight})"
                             + _linear_fix(x, weight))
        if bias is not None and bias != (weight[0],):
            raise ShapeError(f"[linear] bias has shape {bias}, expected ({weight[0]},), one value per output feature")
        rows = 1
        for size in x[:-1]:
            rows *= size
        return Record(((*x[:-1], weight[0]),), macs=rows * weight[0] * weight[1])

    @staticmethod
    def forward(ctx: Context, x: Any, weight: Any, bias: Any, **_: Any) -> Any:
        """One product of the rows of x with the transposed weight."""
        ctx.save(x, weight)
        y = core.linear(_rows(x), weight, bias)
        if x.ndim == 2:  # not even a view of itself: an activation in place comes next, often
            return y
        y = y.reshape(ctx.record.shapes[0])
        return core.copy(y, True) if ctx.channels_last and y.ndim in (4, 5) else y

    @staticmethod
    def backward(ctx: Context, gy: Any) -> tuple[Any, ...]:
        """gx = gy w, gw = gyᵀ x, gb the sum of gy's rows."""
        assert ctx.saved is not None
        x, weight = ctx.saved
        gy = _rows(gy)
        gx = core.gemm(gy, weight).reshape(x.shape) if ctx.needs[0] else None
        gw = core.gemm(gy, _rows(x), True, False) if ctx.needs[1] else None
        gb = core.reduce("sum", gy, (0,), False, False) if ctx.needs[2] else None
        return gx, gw, gb


def _linear_fix(x: Shape, weight: Shape) -> str:
    """What probably is to be done about an input that does not fit."""
    per_sample = math.prod(x[1:])
    if len(x) > 2 and per_sample == weight[1]:
        return f"; flattened it has {per_sample}: put Flatten() before this layer"
    if len(x) > 2:
        return f"; is a Flatten() missing? Then it would be Linear({per_sample}, {weight[0]})"
    return f"; Linear({x[-1]}, {weight[0]}) would fit" if x else ""


def _rows(x: Any) -> Any:
    """All axes but the last as one; a copy (counted) where the strides demand it."""
    if x.ndim == 2:
        return x
    rows = 1
    for size in x.shape[:-1]:
        rows *= size
    if x.ndim > 2 and not x.flags.c_contiguous:
        x = core.copy(x, False)
    return x.reshape(rows, x.shape[-1])


@takes_out
def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """y = input · weightᵀ + bias.

    Args:
        input: (..., in features), float32 or float64.
        weight: (out features, in features).
        bias: (out features,) or None.

    Returns:
        (..., out features).

    Raises:
        ShapeError: sizes that do not fit; TypeError: dtypes that differ or are not floating.

    >>> import numpy as np
    >>> linear(np.float32([[1, 2]]), np.float32([[3, 4], [5, 6]]), np.float32([0, 1]))
    array([[11., 18.]], dtype=float32)
    """
    for value, argument in ((input, "input"), (weight, "weight")):
        if value is None:
            raise TypeError(f"[linear] {argument} is None, expected a Tensor or a numpy array")
    return apply(Linear, input, weight, bias)


@takes_out
def matmul(input: Any, other: Any) -> Any:
    """Matrix product of the last two axes; leading axes broadcast. A vector is a row on the left, a column on the right.

    Args:
        input: (..., m, k) or (k,), float32 or float64.
        other: (..., k, n) or (k,), of the same dtype.

    Returns:
        (..., m, n), without the axis of a vector.

    Raises:
        ShapeError: inner sizes that differ, leading axes that do not broadcast, a scalar; TypeError: dtypes.

    >>> import numpy as np
    >>> matmul(np.float32([[1, 2], [3, 4]]), np.float32([1, 1]))
    array([3., 7.], dtype=float32)
    >>> matmul(np.ones((5, 1, 2, 3)), np.ones((4, 3, 2))).shape
    (5, 4, 2, 2)
    """
    a, b = input, other
    for value, argument in ((a, "input"), (b, "other")):
        if not isinstance(value, Tensor | np.ndarray):
            raise TypeError(f"[matmul] {argument} is {type(value).__name__}, expected a Tensor or a numpy array")
    if a.ndim == 0 or b.ndim == 0:
        raise ShapeError(f"[matmul] cannot multiply {tuple(a.shape)} by {tuple(b.shape)}: expected 1 or more axes each")
    inner = b.shape[-2] if b.ndim > 1 else b.shape[0]
    if a.shape[-1] != inner:
        raise ShapeError(f"[matmul] cannot multiply {tuple(a.shape)} by {tuple(b.shape)}: inner sizes differ")
    row, column = a.ndim == 1, b.ndim == 1
    if row:
        a = reshape(a, (1, a.shape[0]))
    if column:
        b = reshape(b, (b.shape[0], 1))
    if a.ndim > 2 and b.ndim == 2:  # one matrix for all rows: one product
        lead = a.shape[:-1]
        y = reshape(apply(MatMul, reshape(a, (math.prod(lead), a.shape[-1])), b), (*lead, b.shape[1]))
    else:
        y = apply(MatMul, a, b)
    if row or column:
        shape = y.shape
        y = reshape(y, shape[:len(shape) - 2] + (() if row else (shape[-2],)) + (() if column else (shape[-1],)))
    return y


@takes_out
def bmm(input: Any, mat2: Any) -> Any:
    """Products of matrices one by one: (b, m, k) and (b, k, n) to (b, m, n). Raises ShapeError for other shapes.

    >>> import numpy as np
    >>> bmm(np.ones((5, 2, 3)), np.ones((5, 3, 4))).shape
    (5, 2, 4)
    """
    for value, argument in ((input, "input"), (mat2, "mat2")):
        if not isinstance(value, Tensor | np.ndarray):
            raise TypeError(f"[bmm] {argument} is {type(value).__name__}, expected a Tensor or a numpy array")
    x, y = tuple(input.shape), tuple(mat2.shape)
    if len(x) != 3 or len(y) != 3 or x[0] != y[0] or x[2] != y[1]:
        raise ShapeError(f"[bmm] cannot multiply {x} by {y}: expected (b, m, k) and (b, k, n)")
    return matmul(input, mat2)


def _rmatmul(input: Any, other: Any) -> Any:
    return matmul(other, input)


METHODS: dict[str, Any] = {"matmul": matmul, "mm": matmul, "bmm": bmm, "__matmul__": matmul, "__rmatmul__": _rmatmul}
