"""The search for the first operation that produces NaN or Inf."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import numpy as np

from pyconv.tensor import FLOATS, Context, Node, Op, Tensor, listeners

_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep


class Layers:
    """The layers that are being called; pyconv.nn, which stands above this module, puts its own functions here."""

    under_way: Callable[[], tuple[Any, ...]] = tuple  # outermost first
    path: Callable[[tuple[Any, ...]], str] = str  # "features.3 (Conv2d)"


def _caller() -> str:
    """File and line of the innermost frame outside this package."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HERE):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _bad(array: Any) -> str:
    """What is wrong with an array: "NaN at (0, 3)", or nothing."""
    if not isinstance(array, np.ndarray) or array.dtype not in FLOATS:
        return ""
    finite = np.isfinite(array)
    if finite.all():
        return ""
    where = tuple(int(i[0]) for i in np.nonzero(~finite))
    return f"{'NaN' if np.isnan(array[where]) else 'Inf'} at {where}"


class detect_anomaly:
    """Within this context the first operation that produces NaN or Inf raises RuntimeError, forward or backward.

    The text names the layer, the operation, the output or gradient, and for a backward pass the line that called the
    forward one. ``check_nan=False`` switches the check off. Slow: every result is read once more.

    >>> import pyconv as pc
    >>> with pc.autograd.detect_anomaly():
    ...     pc.tensor([-1.0]).log()
    Traceback (most recent call last):
        ...
    RuntimeError: [detect_anomaly] log: its output 0 holds NaN at (0,); its inputs were finite
    """

    def __init__(self, check_nan: bool = True) -> None:
        self._check = check_nan
        # Sequence number of a node -> file:line of the forward call, and the layers under way.
        self._called: dict[int, tuple[str, tuple[Any, ...]]] = {}

    def __enter__(self) -> detect_anomaly:
        if self._check:
            listeners.append(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self._check:
            listeners.remove(self)

    def on_forward(self, op: type[Op], ctx: Context, inputs: Sequence[Any], outputs: Sequence[Tensor]) -> None:
        """Called by the gate after every operation."""
        if outputs and outputs[0]._node is not None:
            self._called[outputs[0]._node.seq] = (_caller(), Layers.under_way())
        for i, output in enumerate(outputs):
            if bad := _bad(output._array):
                arrays = [x._array if isinstance(x, Tensor) else x for x in inputs]
                came = [f"input {j} held {b}" for j, a in enumerate(arrays) if (b := _bad(a))]
                raise RuntimeError(f"[detect_anomaly] {op.name}: its output {i} holds {bad}; "
                                   f"{', '.join(came) or 'its inputs were finite'}")

    def on_backward(self, node: Node, gradients: Sequence[Any]) -> None:
        """Called by the backward pass after every node."""
        for i, gradient in enumerate(gradients):
            if bad := _bad(gradient):
                site, layers = self._called.get(node.seq, ("an unknown place, outside of detect_anomaly", ()))
                layer = f"{Layers.path(layers)}: " if layers else ""
                raise RuntimeError(f"{layer}[detect_anomaly] {node.name}: the gradient of its input {i} holds {bad}; "
                                   f"the forward call was at {site}")
