"""The table of op samples: one module per family, each with SAMPLES and HOSTILE.

Every kind of test reads the same table: values against the float64 reference path and against PyTorch, gradients,
gradcheck, instruction sets, thread counts, poison, hostile calls. pytest puts ``tests/`` on the path: a table starts
with ``from samples import Hostile, Sample, normal``. What is added to a list is found by name, in every module here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Sample:
    """One call of one op.

    ``function`` is called as ``function(*inputs, **kwargs)`` with Tensors; ``torch`` the same with torch tensors
    (None: PyTorch has nothing like it). ``inputs`` builds float64 (or integer, bool) arrays from a seeded generator;
    floating ones are converted to the dtype under test and, unless listed in ``constant``, get gradients.
    ``length`` is the number of products or terms behind one output element (or one gradient element, whichever is
    larger): tolerances are eps times a small multiple of its square root, relative to the largest magnitude.
    """

    op: str
    case: str
    function: Callable[..., Any]
    inputs: Callable[[np.random.Generator], Sequence[np.ndarray]]
    kwargs: dict[str, Any] = field(default_factory=dict)
    torch: Callable[..., Any] | None = None
    torch_kwargs: dict[str, Any] | None = None  # None: the same as kwargs
    constant: tuple[int, ...] = ()  # inputs without gradient
    gradients: bool = True
    length: int = 1

    @property
    def id(self) -> str:
        return f"{self.op}-{self.case}"


@dataclass(frozen=True)
class Hostile:
    """A call that must raise. ``call`` is an expression over ``pc`` (pyconv), ``F`` (functional), ``nn``, ``np``,
    ``x(*shape)`` (a float32 Tensor), ``a(*shape)`` (a float32 array), ``i(*shape)`` (int64 zeros, a Tensor)."""

    op: str
    case: str
    call: str
    raises: tuple[type[BaseException], ...]
    match: str

    @property
    def id(self) -> str:
        return f"{self.op}-{self.case}"


def normal(*shapes: tuple[int, ...]) -> Callable[[np.random.Generator], list[np.ndarray]]:
    """An ``inputs`` function: standard normal arrays of these shapes."""
    return lambda rng: [rng.standard_normal(shape) for shape in shapes]
