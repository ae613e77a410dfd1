"""The arguments of one of PyTorch's sample calls as ours, and the comparison of what both calls gave."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from support import FLOATS, as_tuple, assert_close

import pyconv
from pyconv.tensor import Tensor

Pairs = list[tuple[torch.Tensor, Tensor]]


class Arguments:
    """A call's arguments in both libraries. ``pairs`` holds (theirs, ours) for each tensor that wants a gradient."""

    def __init__(self, args: Any, kwargs: dict[str, Any]) -> None:
        self.pairs: Pairs = []
        self.largest = 1
        self._seen: dict[int, Tensor] = {}
        self.their_args, self.their_kwargs = args, kwargs
        self.args = tuple(self._ours(a) for a in args)
        self.kwargs = {key: self._ours(value) for key, value in kwargs.items()}

    def _ours(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            if id(value) not in self._seen:  # a tensor that is given twice stays one
                self._seen[id(value)] = self._tensor(value)
            return self._seen[id(value)]
        if isinstance(value, torch.dtype):
            name = str(value).removeprefix("torch.")
            return getattr(pyconv, name, name)
        if isinstance(value, torch.memory_format):
            return getattr(pyconv, str(value).removeprefix("torch."))
        if isinstance(value, (torch.device, torch.layout)):
            return str(value)
        return _nested(value, self._ours)

    def _tensor(self, value: torch.Tensor) -> Tensor:
        """The same values, strides and ``requires_grad``."""
        ours = pyconv.from_numpy(np.array(value.detach().numpy(), order="K"))
        ours.requires_grad = value.requires_grad
        self.largest = max(self.largest, value.numel())
        if value.requires_grad:
            self.pairs.append((value, ours))
        return ours

    def in_double(self) -> tuple[Any, Any, Pairs]:
        """PyTorch's arguments in float64, and what corresponds to them."""
        wide: dict[int, torch.Tensor] = {}

        def convert(value: Any) -> Any:
            if isinstance(value, torch.Tensor):
                if value.dtype != torch.float32:
                    return value
                if id(value) not in wide:
                    wide[id(value)] = value.detach().double().requires_grad_(value.requires_grad)
                return wide[id(value)]
            return torch.float64 if value is torch.float32 else _nested(value, convert)

        args, kwargs = convert(tuple(self.their_args)), convert(self.their_kwargs)
        return args, kwargs, [(wide.get(id(theirs), theirs), ours) for theirs, ours in self.pairs]


def _nested(value: Any, convert: Callable[[Any], Any]) -> Any:
    if isinstance(value, slice):
        return slice(*map(convert, (value.start, value.stop, value.step)))
    if isinstance(value, torch.Size):
        return tuple(value)
    if isinstance(value, (list, tuple)):
        return type(value)(convert(v) for v in value)
    return {key: convert(v) for key, v in value.items()} if isinstance(value, dict) else value


def compare(call: Arguments, ours: Any, theirs: Any, in_double: Callable[[], tuple[Any, Pairs]],
            derivative: float = 0.0) -> None:
    """Equal kinds, shapes, dtypes and ``requires_grad``; values and gradients within both libraries' rounding.

    Where a float32 result of PyTorch is further from ours than that, its float64 result of the same call decides:
    it loses digits itself where terms cancel. ``derivative`` is the largest of a term that cancels in a gradient.
    """
    compare_kinds(ours, theirs)
    try:
        compare_values(call, ours, theirs, call.pairs, derivative)
    except AssertionError:
        if not any(isinstance(t, torch.Tensor) and t.dtype == torch.float32 for t in as_tuple(theirs)):
            raise
        result, pairs = in_double()
        compare_values(call, ours, result, pairs, derivative)


def compare_kinds(ours: Any, theirs: Any) -> None:
    mine, other = as_tuple(ours), as_tuple(theirs)
    assert len(mine) == len(other), f"{len(mine)} outputs, PyTorch has {len(other)}"
    for i, (a, b) in enumerate(zip(mine, other, strict=True)):
        if not isinstance(b, torch.Tensor):
            assert type(a) is type(b), f"output {i} is {type(a).__name__}, PyTorch's is {type(b).__name__}"
            continue
        assert isinstance(a, Tensor), f"output {i} is {type(a).__name__}, PyTorch's is a tensor"
        dtype = str(b.dtype).removeprefix("torch.")
        assert str(a.dtype) == dtype, f"output {i}: dtype {a.dtype}, PyTorch's is {dtype}"
        assert a.shape == tuple(b.shape), f"output {i}: shape {a.shape}, PyTorch's is {tuple(b.shape)}"
        assert a.requires_grad == b.requires_grad, f"output {i}: requires_grad is {a.requires_grad}"


def compare_values(call: Arguments, ours: Any, theirs: Any, pairs: Pairs, derivative: float) -> None:
    roots: Pairs = []
    unit = 1.0
    for i, (a, b) in enumerate(zip(as_tuple(ours), as_tuple(theirs), strict=True)):
        if not isinstance(b, torch.Tensor):
            assert a == b or (a != a and b != b), f"output {i} is {a}, PyTorch's is {b}"
            continue
        expected = b.detach().numpy()
        assert_close(a.array, expected, tolerance(call, a.dtype), f"output {i}", 1.0)
        if a.dtype in FLOATS:
            unit = max(unit, 1 + float(np.abs(expected[np.isfinite(expected)]).max(initial=0)))
        if b.requires_grad:
            roots.append((b, a))
    if not pairs or not roots:
        return
    rng = np.random.default_rng(0)
    weights = [np.asarray(rng.standard_normal(a.shape)).astype(a.dtype) for _, a in roots]
    wanted = torch.autograd.grad([b for b, _ in roots], [b for b, _ in pairs],
                                 [torch.from_numpy(w.copy()).to(b.dtype) for w, (b, _) in zip(weights, roots, strict=True)],
                                 allow_unused=True)
    found = pyconv.autograd.grad([a for _, a in roots], [a for _, a in pairs], [Tensor(w) for w in weights],
                                 retain_graph=True, allow_unused=True)
    for i, (g, w) in enumerate(zip(found, wanted, strict=True)):
        allowed = tolerance(call, pairs[i][1].dtype)
        got, expected = None if g is None else g.array, None if w is None else w.detach().numpy()
        if derivative and got is not None and expected is not None and expected.size:
            terms = derivative * max(float(np.abs(weight).max(initial=0)) for weight in weights)
            allowed *= max(1.0, terms / max(float(np.abs(expected).max()), 1e-300))
        assert_close(got, expected, allowed, f"gradient {i}", unit)


def tolerance(call: Arguments, dtype: Any) -> float:
    """As `support.tolerance`, twice, since both sides round: eps times (8 + four standard deviations of a sum).

    One element of a result is at most a sum over the largest tensor of the call.
    """
    return 2 * float(np.finfo(dtype).eps) * (8 + 4 * math.sqrt(call.largest)) if dtype in FLOATS else 0.0
