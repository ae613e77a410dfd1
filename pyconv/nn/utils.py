"""Helpers for training and inference."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from pyconv.nn.prepack import prepack
from pyconv.ops import elementwise, reduce
from pyconv.optim.optimizer import number
from pyconv.recompute import checkpoint, checkpoint_sequential
from pyconv.tensor import Tensor

__all__ = ["checkpoint", "checkpoint_sequential", "clip_grad_norm_", "clip_grad_value_", "prepack"]


def _gradients(op: str, parameters: Any) -> list[Any]:
    items = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    for i, p in enumerate(items):
        if not isinstance(p, Tensor):
            raise TypeError(f"[{op}] parameters[{i}] is {type(p).__name__}, expected a Tensor")
    return [p.grad for p in items if p.grad is not None]


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: None = None,
) -> Tensor:
    """Scale all gradients in place so that their common norm is at most ``max_norm``; returns the norm before.

    The norm of all gradients as one vector: ``norm_type`` 1, 2, ... or inf. The factor is
    ``min(1, max_norm / (norm + 1e-6))``. Raises ValueError for a negative ``max_norm`` or ``norm_type`` and, with
    ``error_if_nonfinite``, RuntimeError for a norm that is nan or infinite. Pascanu et al. 2013.

    >>> import numpy as np
    >>> w = Tensor(np.zeros(2), requires_grad=True)
    >>> w.grad = Tensor(np.array([3.0, 4.0]))
    >>> float(clip_grad_norm_([w], 1.0).array)
    5.0
    >>> w.grad.array.round(4).tolist()
    [0.6, 0.8]
    """
    op = "clip_grad_norm_"
    if foreach not in (None, False):
        raise ValueError(f"[{op}] foreach={foreach!r} is not supported; leave it at its default")
    max_norm = number(op, "max_norm", max_norm)
    if isinstance(norm_type, str) or not float(norm_type) > 0:
        raise ValueError(f"[{op}] norm_type is {norm_type!r}, expected more than 0")
    gradients = _gradients(op, parameters)
    total = _total_norm(gradients, float(norm_type))
    if error_if_nonfinite and not math.isfinite(total):
        raise RuntimeError(f"[{op}] the gradients' norm is {total}; set error_if_nonfinite=False to clip regardless")
    factor = max_norm / (total + 1e-6)
    if not factor >= 1.0:  # a norm that is nan makes the gradients nan, as in PyTorch
        for gradient in gradients:
            gradient.mul_(factor)
    dtype = gradients[0].dtype if gradients else np.dtype("float32")
    return Tensor(np.array(total, dtype))


def _total_norm(gradients: list[Any], p: float) -> float:
    """The p-norm, in double beyond the sum over one tensor."""
    if p == math.inf:
        return max((float(reduce.amax(elementwise.abs(g)).array) for g in gradients if g.array.size), default=0.0)
    powers = []
    for g in gradients:
        magnitude = elementwise.square(g) if p == 2 else elementwise.pow(elementwise.abs(g), p)
        powers.append(float(reduce.sum(magnitude).array))
    return math.fsum(powers) ** (1 / p) if all(map(math.isfinite, powers)) else sum(powers)


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: None = None) -> None:
    """Clamp every gradient in place to [-clip_value, clip_value]; ValueError for a negative value."""
    op = "clip_grad_value_"
    if foreach not in (None, False):
        raise ValueError(f"[{op}] foreach={foreach!r} is not supported; leave it at its default")
    limit = number(op, "clip_value", clip_value)
    for gradient in _gradients(op, parameters):
        gradient.clamp_(-limit, limit)
