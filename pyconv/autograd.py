"""Gradients beyond ``backward()``: `grad`, custom functions, checkpoints, a numerical check, a search for the first NaN."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pyconv.anomaly import detect_anomaly
from pyconv.function import Function
from pyconv.recompute import checkpoint, checkpoint_sequential
from pyconv.tape import run_backward
from pyconv.tensor import FLOATS, Array, Tensor

__all__ = ["Function", "checkpoint", "checkpoint_sequential", "detect_anomaly", "grad", "gradcheck"]


def _tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def grad(outputs: Tensor | Sequence[Tensor], inputs: Tensor | Sequence[Tensor],
         grad_outputs: Any = None, retain_graph: bool | None = None, create_graph: bool = False,
         only_inputs: bool = True, allow_unused: bool | None = None, is_grads_batched: bool = False,
         materialize_grads: bool = False) -> tuple[Tensor | None, ...]:
    """The gradients of ``outputs`` with respect to ``inputs``, as a tuple; no ``.grad`` is touched.

    ``grad_outputs`` has one entry per output (None: 1, for an output of one element). Only what leads to ``inputs``
    is computed. An input that the outputs do not depend on raises RuntimeError, unless ``allow_unused`` (None in its
    place) or ``materialize_grads`` (zeros in its place). ``create_graph=True``, ``only_inputs=False`` and
    ``is_grads_batched=True`` raise ValueError: gradients of gradients are not supported.

    >>> import pyconv as pc
    >>> x = pc.tensor([1.0, 2.0], requires_grad=True)
    >>> pc.autograd.grad((x * x).sum(), x)[0].tolist()
    [2.0, 4.0]
    """
    for name, value, expected in (("create_graph", create_graph, False), ("only_inputs", only_inputs, True),
                                  ("is_grads_batched", is_grads_batched, False)):
        if bool(value) != expected:
            raise ValueError(f"[grad] {name} is {value!r}, only {expected} is supported")
    roots, wanted = _tuple(outputs), _tuple(inputs)
    given = (None,) * len(roots) if grad_outputs is None else _tuple(grad_outputs)
    for what, tensors in (("outputs", roots), ("inputs", wanted)):
        for t in tensors:
            if not isinstance(t, Tensor):
                raise TypeError(f"[grad] {what} holds {type(t).__name__}, expected Tensors")
    if len(given) != len(roots):
        raise ValueError(f"[grad] grad_outputs has {len(given)} entries, expected {len(roots)}, one per output")
    for i, t in enumerate(wanted):
        if not t.requires_grad:
            raise RuntimeError(f"[grad] inputs[{i}] does not require a gradient")
    found = run_backward(roots, given, retain_graph=bool(retain_graph), capture=wanted)
    results: list[Tensor | None] = []
    for i, t in enumerate(wanted):
        array = found.get(id(t))
        if array is None and not allow_unused and not materialize_grads:
            raise RuntimeError(f"[grad] outputs do not depend on inputs[{i}]; allow_unused=True gives None for it")
        if array is None and materialize_grads:
            array = np.zeros(t.shape, t.dtype)
        results.append(None if array is None else Tensor(array))
    return tuple(results)


def _jacobian(fn: Callable[..., Any], inputs: Sequence[Any], index: int, step: float) -> list[Array]:
    """d outputs / d inputs[index] by central differences, one array (input size, output size) per output."""
    x = inputs[index].array
    rows: list[list[Array]] = []
    for position in np.ndindex(x.shape):
        ends = []
        for sign in (1.0, -1.0):
            moved = x.copy()
            moved[position] += sign * step
            args = [Tensor(moved, requires_grad=True) if i == index else a for i, a in enumerate(inputs)]
            ends.append([o.array.copy() for o in _tuple(fn(*args))])
        rows.append([((a - b) / (2 * step)).ravel() for a, b in zip(*ends, strict=True)])
    return [np.stack(column) for column in zip(*rows, strict=True)]


def gradcheck(fn: Callable[..., Any], inputs: Any, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3,
              raise_exception: bool = True) -> bool:
    """Compare the backward pass of ``fn`` with central differences, element by element, in float64.

    ``inputs`` are the arguments of ``fn``; those that require a gradient must be float64 and are checked. ``fn``
    returns a Tensor or several. Every element of the Jacobian must satisfy ``|backward - differences| <= atol + rtol
    * |differences|``; otherwise RuntimeError names the worst one (or False is returned, without ``raise_exception``).
    The number of calls of ``fn`` grows with the size of the inputs.

    >>> import numpy as np, pyconv as pc
    >>> x = pc.tensor(np.array([0.5, 2.0]), requires_grad=True)
    >>> pc.autograd.gradcheck(lambda x: x * x, x)
    True
    """
    args = list(_tuple(inputs))
    checked = [i for i, a in enumerate(args) if isinstance(a, Tensor) and a.requires_grad]
    if not checked:
        raise ValueError("[gradcheck] no input requires a gradient")
    for i in checked:
        if args[i].dtype != np.float64:
            raise TypeError(f"[gradcheck] inputs[{i}] has dtype {args[i].dtype}, expected float64")
    for i in checked:
        numeric = _jacobian(fn, args, i, eps)
        leaf = Tensor(args[i].array, requires_grad=True)
        outputs = _tuple(fn(*[leaf if j == i else a for j, a in enumerate(args)]))
        for number, (output, expected) in enumerate(zip(outputs, numeric, strict=True)):
            if output.dtype not in FLOATS:
                continue
            analytic = np.zeros_like(expected)
            if output.requires_grad:
                analytic = _analytic(output, leaf, expected.shape)
            error = np.abs(analytic - expected) - (atol + rtol * np.abs(expected))
            bad = np.unravel_index(np.argmax(np.where(np.isnan(error), np.inf, error)), error.shape)
            if not error[bad] <= 0:
                if not raise_exception:
                    return False
                row = tuple(map(int, np.unravel_index(bad[0], leaf.shape)))
                column = tuple(map(int, np.unravel_index(bad[1], output.shape)))
                raise RuntimeError(
                    f"[gradcheck] d output {number}{list(column)} / d input {i}{list(row)}: backward says "
                    f"{analytic[bad]:.8g}, differences say {expected[bad]:.8g} (atol {atol:g}, rtol {rtol:g})")
    return True


def _analytic(output: Tensor, leaf: Tensor, shape: tuple[int, ...]) -> Array:
    result = np.zeros(shape)
    for column, position in enumerate(np.ndindex(output.shape)):
        one = np.zeros(output.shape)
        one[position] = 1.0
        array = run_backward([output], [one], retain_graph=True, capture=[leaf]).get(id(leaf))
        if array is not None:
            result[:, column] = array.ravel()
    return result
