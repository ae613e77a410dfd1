"""A run of a Module as a list of ONNX nodes: a listener at the operations' gate writes each operation down.

A value is known by its Tensor, or by the array behind it (`detach` makes another Tensor of the same array); what is
known as neither is a constant. A value that was changed in place since it got its name, through a view or by numpy's
hand, is noticed by its version counter.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from pyconv.interop.onnx.proto import OnnxError, elem_type
from pyconv.nn.module import Module
from pyconv.nn.observing import observed
from pyconv.tensor import Context, Op, Tensor

#: Operation -> function(step) that writes its nodes and returns the names of its results.
FORMS: dict[str, Any] = {}


def form(*names: str) -> Any:
    """Enter the ONNX form of operations, by the names they have at the gate."""
    def enter(function: Any) -> Any:
        for name in names:
            FORMS[name] = function
        return function

    return enter


class Line:
    """A node to be: attributes are plain data."""

    __slots__ = ("attrs", "inputs", "layer", "op", "outputs")

    def __init__(self, op: str, inputs: list[str], outputs: list[str], attrs: dict[str, Any], layer: str) -> None:
        self.op = op
        self.inputs = inputs
        self.outputs = outputs
        self.attrs = attrs
        self.layer = layer


class Step:
    """One operation at the gate, while its form is written."""

    def __init__(self, trace: Trace, op: type[Op], ctx: Context, inputs: Sequence[Any], outputs: Sequence[Tensor],
                 names: list[str | None]) -> None:
        self.trace = trace
        self.op = op
        self.attrs = ctx.attrs
        self.inputs = list(inputs)
        self.outputs = list(outputs)
        self.names = names

    @property
    def opset(self) -> int:
        """The version that is written."""
        return self.trace.opset

    @property
    def x(self) -> str:
        """The name of the first input."""
        name = self.names[0]
        assert name is not None
        return name

    @property
    def dtype(self) -> np.dtype:
        """The type of the first input."""
        return next(x.dtype for x in self.inputs if x is not None)

    def error(self, text: str) -> NoReturn:
        """Raise OnnxError for something that the standard cannot say."""
        raise OnnxError(f"[export] {self.trace.where()}: operation {self.op.name}: {text}")

    def node(self, op: str, *inputs: str | None, outputs: int = 1, **attrs: Any) -> Any:
        """Write a node; the name of its output, or a list of several."""
        given = ["" if name is None else name for name in inputs]
        while given and not given[-1]:
            given.pop()
        names = [self.trace.fresh(op.lower()) for _ in range(outputs)]
        kept = {k: v for k, v in attrs.items() if v is not None}
        self.trace.lines.append(Line(op, given, names, kept, self.trace.layer()))
        return names[0] if outputs == 1 else names

    def constant(self, value: Any, dtype: Any = None, follow: str | None = None) -> str:
        """The name of a constant. ``follow`` "reshape": its entries may follow the batch."""
        return self.trace.constant(np.asarray(value, dtype), follow)

    def number(self, value: Any, dtype: Any = None) -> str:
        """The name of a constant of one element, in the first input's type by default."""
        return self.constant(value, self.dtype if dtype is None else dtype)

    def cast(self, name: str, have: Any, want: Any) -> str:
        """A value in another type."""
        return name if np.dtype(have) == np.dtype(want) else self.node(
            "Cast", name, to=elem_type(want, f"operation {self.op.name}"))

    def ints(self, values: Sequence[int], follow: str | None = None) -> str:
        """The name of a constant vector of whole numbers."""
        return self.constant(list(values), np.int64, follow)


class Trace:
    """What a run of a model said."""

    def __init__(self, model: Module, opset: int) -> None:
        self.model = model
        self.opset = opset
        self.lines: list[Line] = []
        self.constants: dict[str, np.ndarray] = {}
        self.follow: dict[str, str] = {}  # constants whose entries may follow the batch
        self.state: dict[str, np.ndarray] = {}
        self.layers = {id(module): name for name, module in model.named_modules()}
        self.kinds = {id(module): type(module).__name__ for module in model.modules()}
        self.stack: list[int] = []
        self.thread = threading.get_ident()
        self.known: dict[int, tuple[str | None, list[int], int]] = {}  # id -> name, version counter, version
        self.kept: list[Any] = []  # alive, so that an id stays one object's
        self.taken: set[str] = set()
        self.count = 0
        for name, value in model.state_dict(keep_vars=True).items():
            self.state[name] = value.array
            self.taken.add(name)
            self.learn(value, name)

    def fresh(self, what: str) -> str:
        """A name that nothing has."""
        self.count += 1
        name = f"{what}_{self.count}"
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name

    def learn(self, value: Tensor, name: str | None) -> None:
        """From now on this Tensor and its array are called so; None: they have no ONNX form."""
        entry = (name, value._version, value._version[0])
        self.known[id(value)] = self.known[id(value.array)] = entry
        self.kept += [value, value.array]

    def constant(self, array: np.ndarray, follow: str | None = None) -> str:
        """Keep an array, and name it."""
        name = self.fresh("constant")
        self.constants[name] = np.array(array, order="C", copy=True)
        if follow:
            self.follow[name] = follow
        return name

    def name_of(self, value: Any) -> str | None:
        """What a value is called; one that nobody has heard of becomes a constant."""
        if value is None:
            return None
        array = value.array if isinstance(value, Tensor) else value
        entry = self.known.get(id(value)) or self.known.get(id(array))
        if entry is None:
            return self.constant(array)
        name, counter, version = entry
        if name is None:
            raise OnnxError(f"[export] {self.where()}: uses a result that has no ONNX form, such as positions in pooling")
        if counter[0] != version:
            raise OnnxError(f"[export] {self.where()}: a value was changed in place, through a view of it; use the "
                            "operation that returns a new tensor")
        return name

    def layer(self) -> str:
        """The path of the module that is being called."""
        return self.layers.get(self.stack[-1], "") if self.stack else ""

    def where(self) -> str:
        """The same, for people."""
        if not self.stack:
            return "model"
        return f"layer {self.layer() or '(model)'} ({self.kinds.get(self.stack[-1], '?')})"

    def on_forward(self, op: type[Op], ctx: Context, inputs: Sequence[Any], outputs: Sequence[Tensor]) -> None:
        """Heard from the gate for every operation."""
        if threading.get_ident() != self.thread:
            return
        write = FORMS.get(op.name)
        if write is None:
            raise OnnxError(f"[export] {self.where()}: operation {op.name} has no ONNX form")
        in_place = any(out is x for out in outputs for x in inputs)
        if in_place:  # its version has moved already, the name is still the one from before
            for x in outputs:
                entry = self.known.get(id(x)) or self.known.get(id(x.array))
                if entry is not None and entry[1][0] == entry[2] + 1:
                    self.known[id(x)] = (entry[0], entry[1], entry[1][0])
        names = [self.name_of(x) for x in inputs]
        results = write(Step(self, op, ctx, inputs, outputs, names))
        results = list(results) if isinstance(results, (list, tuple)) else [results]
        for out, name in zip(outputs, [*results, *[None] * (len(outputs) - len(results))], strict=True):
            self.learn(out, name)

    def on_backward(self, node: Any, gradients: Any) -> None:
        """Heard from the gate; no business of ours."""

    def enter(self, module: Module, args: Any) -> None:
        """A layer begins."""
        self.stack.append(id(module))

    def leave(self, module: Module, args: Any, output: Any) -> None:
        """It has ended."""
        self.stack.pop()


def traced(model: Module, inputs: Sequence[np.ndarray], names: Sequence[str], opset: int) -> tuple[Trace, list[str],
                                                                                                     list[Tensor]]:
    """Run the model and return what was heard, the names of its outputs, and the outputs."""
    from pyconv.interop.onnx import forms  # noqa: F401 (fills the table)

    trace = Trace(model, opset)
    tensors = []
    for array, name in zip(inputs, names, strict=True):
        tensor = Tensor(np.array(array, order="K", copy=True))
        if name in trace.taken:
            raise OnnxError(f"[export] input name {name!r} is taken by a weight")
        trace.taken.add(name)
        trace.learn(tensor, name)
        tensors.append(tensor)
    with observed(model, trace, trace.enter, trace.leave):
        result = model(*tensors)
    outputs = list(result) if isinstance(result, (tuple, list)) else [result]
    for out in outputs:
        if not isinstance(out, Tensor):
            raise OnnxError(f"[export] model: returns {type(out).__name__}, expected a Tensor or a tuple of them")
    found = [trace.name_of(out) for out in outputs]
    return trace, [name for name in found if name is not None], outputs
