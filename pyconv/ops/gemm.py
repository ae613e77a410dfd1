"""Matrix product and linear layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pyconv._backend import core
from pyconv.errors import ShapeError
from pyconv.ops.out import takes_out
from pyconv.tensor import Context, Op, Record, Shape, Tensor, apply


class MatMul(Op):
    """c[i,j] = Σ_l a[i,l] · b[l,j] for two matrices."""

    name = "matmul"

    @staticmethod
    def infer(shapes: Sequence[Shape | None], **_: Any) -> Record:
        """(m, k) times (k, n) is (m, n)."""
        a, b = shapes
        assert a is not None
        assert b is not None
        if len(a) != 2 or len(b) != 2 or a[1] != b[0]:
            raise ShapeError(f"[matmul] cannot multiply {a} by {b}: expected (m, k) and (k, n)")
        return Record(((a[0], b[1]),), macs=a[0] * a[1] * b[1])

    @staticmethod
    def forward(ctx: Context, a: Any, b: Any, **_: Any) -> Any:
        """One packed product; transposed operands are views."""
        ctx.save(a, b)
        return core.gemm(a, b)

    @staticmethod
    def backward(ctx: Context, gy: Any) -> tuple[Any, ...]:
        """ga = gy bᵀ, gb = aᵀ gy."""
        assert ctx.saved is not None
        a, b = ctx.saved
        return (core.gemm(gy, b, False, True) if ctx.needs[0] else None,
                core.gemm(a, gy, True, False) if ctx.needs[1] else None)


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
    """Matrix product of two matrices, of a matrix and a vector, or of two vectors.

    Raises ShapeError when the inner sizes differ; batches of matrices are not supported.

    >>> import numpy as np
    >>> matmul(np.float32([[1, 2], [3, 4]]), np.float32([1, 1]))
    array([3., 7.], dtype=float32)
    """
    a, b = input, other
    for value, argument in ((a, "input"), (b, "other")):
        if not isinstance(value, Tensor | np.ndarray):
            raise TypeError(f"[matmul] {argument} is {type(value).__name__}, expected a Tensor or a numpy array")
    if a.ndim == 0 or b.ndim == 0 or a.ndim > 2 or b.ndim > 2:
        raise ShapeError(f"[matmul] cannot multiply {tuple(a.shape)} by {tuple(b.shape)}: expected 1 or 2 axes each")
    out = (*(a.shape[:1] if a.ndim == 2 else ()), *(b.shape[1:] if b.ndim == 2 else ()))
    if a.ndim == 2 and b.ndim == 2:
        return apply(MatMul, a, b)
    if a.shape[-1] != b.shape[0]:
        raise ShapeError(f"[matmul] cannot multiply {tuple(a.shape)} by {tuple(b.shape)}: inner sizes differ")
    a2 = a.reshape((1, a.shape[0])) if a.ndim == 1 else a
    b2 = b.reshape((b.shape[0], 1)) if b.ndim == 1 else b
    return apply(MatMul, a2, b2).reshape(out)


def _rmatmul(input: Any, other: Any) -> Any:
    return matmul(other, input)


METHODS: dict[str, Any] = {"matmul": matmul, "mm": matmul, "__matmul__": matmul, "__rmatmul__": _rmatmul}
