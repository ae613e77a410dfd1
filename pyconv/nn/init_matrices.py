"""Initialisers that give a weight a structure; `pyconv.nn.init` has them all under one name.

Sources: Saxe, McClelland and Ganguli, Exact solutions to the nonlinear dynamics of learning, 2014 (orthogonal_);
Martens, Deep learning via Hessian-free optimization, 2010 (sparse_); Long, Shelhamer and Darrell, Fully convolutional
networks for semantic segmentation, 2015 (bilinear_).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyconv.grad_mode import no_grad
from pyconv.ops.gemm import matmul
from pyconv.ops.random import randperm
from pyconv.random import Generator
from pyconv.tensor import Array, Tensor

_BLOCK = 32  # rows that are made orthogonal to each other one by one


def checked(op: str, tensor: Any) -> Any:
    """A Tensor. Raises TypeError for anything else."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"[{op}] tensor is {type(tensor).__name__}, expected a Tensor")
    return tensor


def _filled(tensor: Any, values: Array) -> Tensor:
    with no_grad():
        return tensor.copy_(np.asarray(values, tensor.dtype))


def _axes(op: str, tensor: Any, least: int, most: int) -> tuple[int, ...]:
    shape = checked(op, tensor).shape
    if not least <= len(shape) <= most:
        expected = str(least) if least == most else f"{least} to {most}"
        raise ValueError(f"[{op}] tensor has shape {shape}, expected {expected} axes")
    return shape


def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with the identity: what a linear layer gets, it returns, as far as it has outputs.

    >>> import pyconv
    >>> eye_(pyconv.empty(2, 3)).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    rows, columns = _axes("eye_", tensor, 2, 2)
    return tensor if tensor.is_meta else _filled(tensor, np.eye(rows, columns))


def _middle(taps: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n // 2 for n in taps)


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fill a convolution's weight so that each group passes its channels through, as many as it has outputs for.

    Raises ValueError unless the weight has 3 to 5 axes and its first a multiple of ``groups``.

    >>> import pyconv
    >>> dirac_(pyconv.empty(2, 1, 3), groups=2).tolist()
    [[[0.0, 1.0, 0.0]], [[0.0, 1.0, 0.0]]]
    """
    shape = _axes("dirac_", tensor, 3, 5)
    if isinstance(groups, bool) or not isinstance(groups, int) or groups < 1 or shape[0] % groups:
        raise ValueError(f"[dirac_] groups is {groups!r}, expected a divisor of {shape[0]}, the first axis")
    if tensor.is_meta:
        return tensor
    values = np.zeros(shape)
    for k in range(shape[0]):
        within = k % (shape[0] // groups)
        if within < shape[1] and 0 not in shape[2:]:
            values[(k, within, *_middle(shape[2:]))] = 1
    return _filled(tensor, values)


def bilinear_(tensor: Tensor) -> Tensor:
    """Fill a transposed convolution's weight with tents: at stride s and filter size 2s (or 2s - 1) it interpolates.

    Every channel is enlarged on its own: the weight is (C, C, taps...) with zeros off the diagonal, or (C, 1, taps...)
    for groups=C. With k taps per axis, s = (k + 1) // 2 and the middle c, the values are products of 1 - |i - c| / s;
    with an odd k, stride s and padding s - 1 the result is bilinear interpolation with aligned corners. Raises
    ValueError for another shape. Ours: PyTorch has none.

    >>> import pyconv
    >>> bilinear_(pyconv.empty(1, 1, 3, 3)).tolist()
    [[[[0.25, 0.5, 0.25], [0.5, 1.0, 0.5], [0.25, 0.5, 0.25]]]]
    """
    shape = _axes("bilinear_", tensor, 3, 5)
    if shape[1] not in (1, shape[0]):
        raise ValueError(f"[bilinear_] tensor has shape {shape}, expected as many channels on both sides, or groups "
                         "of one channel")
    if tensor.is_meta:
        return tensor
    tent = np.ones(())
    for taps in shape[2:]:
        tent = tent[..., None] * (1 - np.abs(np.arange(taps) - (taps - 1) / 2) / ((taps + 1) // 2))
    values = np.zeros(shape)
    for channel in range(shape[0]):
        values[channel, channel % shape[1]] = tent
    return _filled(tensor, values)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """Fill with ``gain`` times a random matrix of orthonormal rows (or columns, whichever are fewer).

    Axes behind the first count as one. Drawn evenly from all such matrices: a normal one, orthogonalised one row (or
    column) after the other. Unlike other initialisers' the
    last bits in float32 depend on the instruction set. Raises ValueError below two axes.

    >>> import pyconv
    >>> weight = orthogonal_(pyconv.empty(2, 5))
    >>> (weight @ weight.T).array.round(5).tolist() == [[1, 0], [0, 1]]
    True
    """
    shape = _axes("orthogonal_", tensor, 2, 8)
    if tensor.is_meta or 0 in shape:
        return tensor
    rows, columns = shape[0], math.prod(shape[1:])
    normal = Tensor(np.empty((rows, columns), tensor.dtype)).normal_(generator=generator).array
    basis = orthonormal(normal) if rows <= columns else orthonormal(np.ascontiguousarray(normal.T)).T
    return _filled(tensor, (gain * basis).reshape(shape))


def orthonormal(matrix: Array) -> Array:
    """Q' of the factors R' Q' = ``matrix`` (n, m), n <= m, R' lower triangular with a positive diagonal.

    Gram and Schmidt by blocks of rows, each taken twice: the second time removes what rounding left.
    """
    q = np.empty_like(matrix)
    for first in range(0, len(matrix), _BLOCK):
        block, before = matrix[first : first + _BLOCK], q[:first]
        for _ in range(2 if first else 0):
            block = block - matmul(matmul(block, before.T), before)
        q[first : first + _BLOCK] = _gram_schmidt(block.astype(np.float64))
    return q


def _gram_schmidt(block: Array) -> Array:
    """Orthonormal rows, one by one, in float64."""
    for j, row in enumerate(block):
        before = block[:j]
        for _ in range(2):
            row = row - (before * (before * row).sum(1, keepdims=True)).sum(0)
        block[j] = row / math.sqrt(float((row * row).sum()))
    return block


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """Fill a matrix with draws from N(0, std^2), of which each column keeps only some: ceil(sparsity * rows) are 0.

    Raises ValueError unless the tensor has two axes and ``sparsity`` is between 0 and 1.

    >>> import pyconv
    >>> (sparse_(pyconv.empty(10, 4), 0.75).array == 0).sum(0).tolist()
    [8, 8, 8, 8]
    """
    rows, columns = _axes("sparse_", tensor, 2, 2)
    if isinstance(sparsity, bool) or not isinstance(sparsity, (int, float)) or not 0 <= sparsity <= 1:
        raise ValueError(f"[sparse_] sparsity is {sparsity!r}, expected a number from 0 to 1")
    if tensor.is_meta:
        return tensor
    with no_grad():
        values: Any = tensor.normal_(0, std, generator=generator)
        kept = np.ones((rows, columns), tensor.dtype)
        for column in range(columns):
            kept[randperm(rows, generator=generator).array[: math.ceil(sparsity * rows)], column] = 0
        return values.mul_(Tensor(kept))
