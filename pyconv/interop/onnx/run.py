"""Execution of a checked graph, node by node, with bounded memory and a bounded number of steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pyconv.interop.onnx.program import Node, Program
from pyconv.interop.onnx.proto import HALF, OnnxError
from pyconv.interop.onnx.registry import Call
from pyconv.tensor import FLOATS, Tensor

_FLOAT32 = np.dtype("float32")
#: What an operator may raise for values that it cannot take; the rest are faults of ours.
_REFUSALS = (ValueError, TypeError, IndexError, KeyError, OverflowError, ZeroDivisionError, FloatingPointError,
             NotImplementedError)


class Run:
    """One execution: limits, and what it has used of them."""

    def __init__(self, limit: int, max_steps: int, training: bool) -> None:
        self.limit = limit
        self.max_steps = max_steps
        self.training = training
        self.live = 0  # bytes of the values that are held
        self.steps = 0

    def execute(self, program: Program, env: dict[str, Any]) -> list[Any]:
        """Run the nodes; ``env`` holds inputs and constants by name, and is used up."""
        for node in program.nodes:
            self._step(node, env)
        return [env[name] for name in program.outputs]

    def inner(self, program: Program, inputs: Sequence[Any], outer: dict[str, Any]) -> list[Any]:
        """Run a subgraph among the values around it."""
        env: dict[str, Any] = {name: outer[name] for name in program.captures}
        for name, value in program.constants.items():
            env[name] = Tensor(value) if value.dtype in FLOATS else value
        if len(inputs) != len(program.inputs):
            raise OnnxError(f"[onnx] a subgraph has {len(program.inputs)} inputs, expected {len(inputs)}")
        for declared, value in zip(program.inputs, inputs, strict=True):
            if declared.dtype is not None and value.dtype != declared.dtype:
                raise OnnxError(f"[onnx] input {declared.name!r} of a subgraph is {declared.dtype}, given {value.dtype}")
            env[declared.name] = value
        held = self.live
        results = self.execute(program, env)
        self.live = held  # what the loop keeps is counted by its node
        return results

    def _step(self, node: Node, env: dict[str, Any]) -> None:
        self.steps += 1
        if self.steps > self.max_steps:
            raise OnnxError(f"[onnx] {node.label}: more than {self.max_steps} nodes executed in one run (see max_steps of "
                            "load)")
        inputs = [env[name] if name else None for name in node.inputs]
        try:
            _check_types(node, inputs)
            with np.errstate(all="ignore"):
                results = self._call(node, inputs, env)
        except OnnxError as error:
            text = str(error)
            if text.startswith("[onnx] node"):
                raise
            raise OnnxError(f"[onnx] {node.label}: {text}") from error
        except _REFUSALS as error:
            raise OnnxError(f"[onnx] {node.label}: {type(error).__name__ if not str(error) else error}") from error
        for name, value in zip(node.outputs, results, strict=False):
            if name:
                env[name] = value
                self.live += _held(value)
        for name in node.drop:
            value = env.pop(name, None)
            if value is not None:
                self.live = max(0, self.live - _held(value))

    def _call(self, node: Node, inputs: list[Any], env: dict[str, Any]) -> Sequence[Any]:
        half: dict[str | None, np.dtype] = {}  # by the schema's groups of types
        if node.entry.wide:
            for i, x in enumerate(inputs):
                if isinstance(x, np.ndarray) and x.dtype in HALF:
                    half[node.schema.formal(i).group] = x.dtype
                    inputs[i] = Tensor(x.astype(np.float32))
        results = node.entry.function(Call(node, self, env), *inputs, *(None,) * node.padding)
        if not isinstance(results, tuple):
            results = (results,)
        if len(results) < len(node.outputs):
            raise OnnxError(f"[{node.op}] {len(node.outputs)} outputs are asked for, this form of it has {len(results)}")
        groups = node.schema.outputs
        return [_finished(r, half.get(groups[min(i, len(groups) - 1)]) if half else None)
                for i, r in enumerate(results)]


def _finished(value: Any, half: np.dtype | None) -> Any:
    """A result as the next node expects it."""
    if isinstance(value, Tensor):
        if value.dtype not in FLOATS:
            return value.array
        if half is not None and value.dtype == _FLOAT32:
            return value.array.astype(half)
        return value
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        if half is not None and array.dtype == _FLOAT32:
            return array.astype(half)
        return Tensor(array) if array.dtype in FLOATS else array
    return value


def _held(value: Any) -> int:
    """The bytes that a value holds; views of other values hold none."""
    array = value.array if isinstance(value, Tensor) else value
    return 0 if array is None or isinstance(array.base, np.ndarray) else array.nbytes


def _check_types(node: Node, inputs: list[Any]) -> None:
    groups: dict[str, np.dtype] = {}
    for i, x in enumerate(inputs):
        if x is None:
            continue
        formal = node.schema.formal(i)
        if x.dtype not in formal.dtypes:
            names = ", ".join(sorted(d.name for d in formal.dtypes)) or "none that is supported"
            raise OnnxError(f"[{node.op}] input {i} ({formal.name}) has type {x.dtype}, expected {names}")
        if formal.group is not None and groups.setdefault(formal.group, x.dtype) != x.dtype:
            raise OnnxError(f"[{node.op}] input {i} ({formal.name}) has type {x.dtype}, expected "
                            f"{groups[formal.group]} as the inputs before it")
