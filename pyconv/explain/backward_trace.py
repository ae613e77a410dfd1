"""The backward pass of a small expression, node by node: local gradients, upstream gradients, and their products."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from pyconv.explain.text import number
from pyconv.grad_mode import enable_grad, no_grad
from pyconv.pending import whole
from pyconv.tape import run_backward
from pyconv.tensor import Array, Context, Node, Op, Tensor, listeners

#: The local gradient of a node has one entry per pair of an output and an input value; more are refused.
MAX_LOCAL = 4096
MAX_SHOWN = 64  # elements of a value that its text lists


class Edge(NamedTuple):
    """What one node hands to one of its operands."""

    operand: str
    local: Array  # d node / d operand: of one shape with the operand if it acts elementwise, else node + operand axes
    gradient: Array  # upstream times local: what flows on


class Step(NamedTuple):
    """One operation: its value from the forward pass, and what the backward pass does there."""

    name: str  # n1, n2, ... in the order of the forward pass
    op: str
    operands: tuple[str, ...]  # names of inputs and nodes, numbers as text
    value: Array
    upstream: Array  # d result / d this node
    edges: tuple[Edge, ...]

    @property
    def formula(self) -> str:
        """Such as ``mul(n1, z)``."""
        return f"{self.op}({', '.join(self.operands)})"


class BackwardTrace(NamedTuple):
    """What `trace_backward` returns; ``print`` it."""

    inputs: dict[str, Array]
    steps: tuple[Step, ...]  # in the order of the forward pass
    result: Array
    gradients: dict[str, Array]  # d result / d input; zeros where it does not depend on it

    def __str__(self) -> str:
        lines = ["forward"]
        lines += [f"  {name} = {_text(value)}" for name, value in self.inputs.items()]
        lines += [f"  {step.name} = {step.formula} = {_text(step.value)}" for step in self.steps]
        lines.append("backward: upstream * local = gradient")
        for step in reversed(self.steps):
            lines.append(f"  {step.name} = {step.formula} receives {_text(step.upstream)}")
            lines += [f"    to {e.operand}: {_text(step.upstream)} * {_text(e.local)} = {_text(e.gradient)}"
                      for e in step.edges]
        lines.append("gradients")
        lines += [f"  d/d{name} = {_text(value)}" for name, value in self.gradients.items()]
        return "\n".join(lines)


def _text(value: Array) -> str:
    if value.size > MAX_SHOWN:
        return f"<{'x'.join(map(str, value.shape))} values>"
    if value.ndim == 0:
        return number(value)
    return "[" + ", ".join(_text(v) for v in value) + "]"


class _Call(NamedTuple):
    """An operation that the tape recorded."""

    name: str
    node: Node
    shown: tuple[str, ...]  # operands and attributes
    operands: tuple[str, ...]  # one per input
    value: Array


class _Watch:
    """Hears every operation and every node of the backward pass, in this thread."""

    def __init__(self, names: dict[int, str]) -> None:
        self.names = names  # of tensors, by id
        self.calls: list[_Call] = []
        self.kept: list[Any] = []  # so that an id stays one tensor's
        self.passed: dict[Node, Sequence[Any]] = {}  # gradients handed on
        self.upstream: dict[Node, Array] = {}
        self.thread = threading.get_ident()

    def on_forward(self, op: type[Op], ctx: Context, inputs: Sequence[Any], outputs: Sequence[Tensor]) -> None:
        """Heard from the gate."""
        if threading.get_ident() != self.thread:
            return
        if len(outputs) != 1:
            raise ValueError(f"[trace_backward] {op.name} has {len(outputs)} results, expected operations with one")
        (out,) = outputs
        self.kept += [out, *inputs]
        node = out._node
        if node is None:  # nothing to go back through: its value is all there is to say
            self.names[id(out)] = _text(out.array)
            return
        operands = tuple(self._word(x, ctx.attrs) for x in inputs)
        attributes = [f"{key}={value}" for key, value in ctx.attrs.items()
                      if isinstance(value, (int, float, tuple)) and key != "number"]
        name = self.names[id(out)] = f"n{len(self.calls) + 1}"
        shown = (*(word for word in operands if word), *attributes)
        self.calls.append(_Call(name, node, shown, operands, out.array.copy()))
        out.register_hook(lambda gradient: self.upstream.__setitem__(node, gradient.array.copy()))

    def on_backward(self, node: Node, gradients: Sequence[Any]) -> None:
        """Heard from the walk back."""
        if threading.get_ident() == self.thread:
            self.passed[node] = [None if g is None else np.array(g) for g in gradients]

    def _word(self, x: Any, attributes: dict[str, Any]) -> str:
        if x is None:  # left out, or a Python number
            return number(attributes["number"]) if attributes.get("number") is not None else ""
        return self.names.get(id(x)) or _text(np.asarray(x.array if isinstance(x, Tensor) else x))


def trace_backward(function: Callable[..., Any], *inputs: Any, names: Sequence[str] | None = None) -> BackwardTrace:
    """Run ``function`` on the tape and tell what its backward pass does at every node.

    A node receives the gradient of the result with respect to its value (*upstream*, or gate gradient), multiplies
    it with the derivative of its value with respect to each operand (*local*, which the forward pass already knows)
    and hands the products on; what arrives at an operand from several sides is added up.

    Args:
        function: of Tensors, to a Tensor of one element.
        inputs: numbers or arrays, taken as float64.
        names: of the inputs; by default those of the function's parameters.

    Returns:
        A `BackwardTrace`, with ``steps``, ``gradients`` and a readable text. Values, upstream and passed gradients
        are those of the tape; local gradients come from the operation's own backward, one output element at a time.

    Raises:
        TypeError: the function does not return a Tensor; ValueError: its result has several elements or does not
        depend on the inputs, a node with more than 4096 pairs of output and input elements, or wrong ``names``.

    Source: Rumelhart, Hinton and Williams, Learning representations by back-propagating errors, 1986.

    >>> print(trace_backward(lambda x, y, z: (x + y) * z, -2, 5, -4))
    forward
      x = -2
      y = 5
      z = -4
      n1 = add(x, y) = 3
      n2 = mul(n1, z) = -12
    backward: upstream * local = gradient
      n2 = mul(n1, z) receives 1
        to n1: 1 * -4 = -4
        to z: 1 * 3 = 3
      n1 = add(x, y) receives -4
        to x: -4 * 1 = -4
        to y: -4 * 1 = -4
    gradients
      d/dx = -4
      d/dy = -4
      d/dz = 3
    """
    words = _names(function, len(inputs)) if names is None else list(names)
    if len(words) != len(inputs) or len(set(words)) != len(words):
        raise ValueError(f"[trace_backward] names are {words!r}, expected {len(inputs)} different ones")
    leaves = [Tensor(np.array(x.array if isinstance(x, Tensor) else x, np.float64), requires_grad=True)
              for x in inputs]
    watch = _Watch({id(leaf): word for leaf, word in zip(leaves, words, strict=True)})
    listeners.append(watch)
    try:
        with enable_grad():
            result = function(*leaves)
        _check_result(result)
        run_backward([result], [None], retain_graph=True)
    finally:
        listeners.remove(watch)
    steps = tuple(_step(call, watch) for call in watch.calls if call.node in watch.passed)
    gradients = {word: np.zeros(leaf.shape) if leaf.grad is None else leaf.grad.array
                 for word, leaf in zip(words, leaves, strict=True)}
    return BackwardTrace({w: leaf.array for w, leaf in zip(words, leaves, strict=True)}, steps, result.array, gradients)


def _names(function: Callable[..., Any], count: int) -> list[str]:
    """The names of the first parameters, where Python knows them."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # some functions written in C
        parameters = []
    plain = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return plain[:count] if len(plain) >= count else [f"x{i + 1}" for i in range(count)]


def _check_result(result: Any) -> None:
    if not isinstance(result, Tensor):
        raise TypeError(f"[trace_backward] function returned {type(result).__name__}, expected a Tensor")
    if result.array.size != 1 or result._node is None:
        raise ValueError(f"[trace_backward] function returned a tensor of shape {result.shape}, expected one element "
                         "that depends on the inputs")


def _step(call: _Call, watch: _Watch) -> Step:
    edges = tuple(Edge(word, _local(call, i, gradient), gradient)
                  for i, (word, gradient) in enumerate(zip(call.operands, watch.passed[call.node], strict=True))
                  if gradient is not None)
    return Step(call.name, call.node.name, call.shown, call.value, watch.upstream[call.node], edges)


def _local(call: _Call, operand: int, like: Array) -> Array:
    """d value / d operand, by the operation's own backward: one output element at a time."""
    shape = call.value.shape
    if call.value.size * like.size > MAX_LOCAL:
        raise ValueError(f"[trace_backward] {call.name} = {call.node.name} has {call.value.size} x {like.size} local "
                         f"gradients, expected at most {MAX_LOCAL}: trace a smaller expression")
    rows = []
    for element in range(call.value.size):
        one = np.zeros(call.value.size)
        one[element] = 1.0
        with no_grad():
            gradient = whole(call.node.op.backward(call.node.ctx, one.reshape(shape))[operand])
        rows.append(np.array(gradient).ravel())
    jacobian = np.stack(rows)
    if shape == like.shape and not (jacobian - np.diag(jacobian.diagonal())).any():
        return jacobian.diagonal().reshape(shape).copy()  # elementwise
    return jacobian.reshape(shape + like.shape)
