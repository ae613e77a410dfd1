"""Matrix products, through pyconv's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyconv.interop.onnx.operators.broadcast import broadcast_shape
from pyconv.interop.onnx.operators.shape import permuted, reshaped
from pyconv.interop.onnx.registry import Call, operator
from pyconv.ops import gemm as G
from pyconv.tensor import Tensor


def _whole(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The product of two matrices of whole numbers, row by row."""
    y = np.empty((a.shape[0], b.shape[1]), a.dtype)
    for i in range(a.shape[0]):
        y[i] = (a[i][:, None] * b).sum(0, dtype=a.dtype)
    return y


def _product(a: Any, b: Any) -> Any:
    return G.matmul(a, b) if isinstance(a, Tensor) else _whole(a, b)


@operator("MatMul")
def matmul(at: Call, a: Any, b: Any) -> Any:
    """The matrix product, over broadcast batches."""
    if a.ndim == 0 or b.ndim == 0:
        at.error("an input has no axes, expected vectors or matrices")
    left = reshaped(a, (1, *a.shape)) if a.ndim == 1 else a
    right = reshaped(b, (*b.shape, 1)) if b.ndim == 1 else b
    if left.shape[-1] != right.shape[-2]:
        at.error(f"cannot multiply {tuple(a.shape)} by {tuple(b.shape)}: {left.shape[-1]} and {right.shape[-2]} differ")
    batch = broadcast_shape(at, (left.shape[:-2], right.shape[:-2]), np.bool_)
    m, k, n = left.shape[-2], left.shape[-1], right.shape[-1]
    at.bound((*batch, m, n), a.dtype)
    if isinstance(a, Tensor):
        y = G.matmul(left, right)
    elif right.ndim == 2:  # one product for the whole batch
        y = _whole(reshaped(left, (math.prod(left.shape[:-1]), k)), right)
    else:
        products = [_whole(x, y).reshape(1, m, n) for x, y in _batches(at, left, right, batch)]
        y = np.concatenate(products, 0) if products else np.zeros((0, m, n), a.dtype)
    return reshaped(y, _kept(a, b, batch, m, n))


def _kept(a: Any, b: Any, batch: tuple[int, ...], m: int, n: int) -> tuple[int, ...]:
    return (*batch, *(() if a.ndim == 1 else (m,)), *(() if b.ndim == 1 else (n,)))


def _batches(at: Call, a: np.ndarray, b: np.ndarray, batch: tuple[int, ...]) -> list[tuple[Any, Any]]:
    """The pairs of matrices to multiply; an operand that is broadcast is used several times."""
    def number(x: np.ndarray) -> np.ndarray:
        own = x.shape[:-2]
        return np.broadcast_to(np.arange(math.prod(own)).reshape(own), batch).reshape(-1)

    count = math.prod(batch)
    if count > 100_000:
        at.error(f"{count} products of matrices, expected at most 100000")
    flat = [reshaped(x, (math.prod(x.shape[:-2]), *x.shape[-2:])) for x in (a, b)]
    return [(flat[0][int(i)], flat[1][int(j)]) for i, j in zip(number(a), number(b), strict=True)]


@operator("Gemm")
def gemm(at: Call, a: Any, b: Any, c: Any = None) -> Any:
    """alpha A B + beta C, A and B perhaps transposed."""
    if a.ndim != 2 or b.ndim != 2:
        at.error(f"A and B have shapes {tuple(a.shape)} and {tuple(b.shape)}, expected matrices")
    alpha, beta = at["alpha"], at["beta"]
    left = permuted(a, (1, 0)) if at.flag("transA") else a
    right = permuted(b, (1, 0)) if at.flag("transB") else b
    if left.shape[1] != right.shape[0]:
        at.error(f"cannot multiply {tuple(left.shape)} by {tuple(right.shape)}: {left.shape[1]} and {right.shape[0]} "
                 "differ")
    shape = at.bound((left.shape[0], right.shape[1]), a.dtype)
    if c is not None and broadcast_shape(at, (shape, c.shape), a.dtype) != shape:
        at.error(f"C has shape {tuple(c.shape)}, which does not broadcast to {shape}")
    plain = alpha == 1 and (c is None or (beta == 1 and tuple(c.shape) == shape[1:]))
    if plain and isinstance(a, Tensor):  # a linear layer, whose weight is the transposed matrix
        return G.linear(left, b if at.flag("transB") else permuted(b, (1, 0)), c)
    y = _product(left, right)
    if not isinstance(a, Tensor):
        y = (y * alpha).astype(a.dtype)
        return y if c is None else y + (c * beta).astype(a.dtype)
    y = y if alpha == 1 else y * alpha
    return y if c is None else y + (c if beta == 1 else c * beta)
