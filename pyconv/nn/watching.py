"""A model run on shapes alone: a row per layer, and every operation with what it read and wrote."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pyconv.errors import NoDataError
from pyconv.nn import receptive
from pyconv.nn.module import Module
from pyconv.nn.observing import observed
from pyconv.tensor import Context, Op, Tensor

Shape = tuple[int, ...]


class Row(NamedTuple):
    """One layer, each time it is called."""

    path: str  # "" for the model itself
    type: str
    output_shape: Any  # a shape, a list of them, or None for a layer that was not called
    parameters: int  # the layer's own; 0 when a row above has counted them
    macs: int  # multiply-adds of convolutions and matrix products, for the whole batch
    receptive_field: Shape | None  # per spatial axis of the input; None where there are none
    activation_bytes: int = 0  # of what its operations write; views and results in place of an input cost nothing


class Call:
    """A module being called: what its own operations, and those of calls that have no row, add up to so far."""

    __slots__ = ("activation_bytes", "depth", "macs", "module", "output", "parameters", "parent", "path", "start")

    def __init__(self, module: Module, path: str, parent: Call | None, start: int) -> None:
        self.module = module
        self.path = path
        self.parent = parent
        self.depth = path.count(".") + 1 if path else 0
        self.start = start  # how many operations there were before
        self.macs = self.parameters = self.activation_bytes = 0
        self.output: Any = None


class Step(NamedTuple):
    """One operation at the gate."""

    op: type[Op]
    ctx: Context
    inputs: tuple[Any, ...]
    outputs: tuple[Tensor, ...]
    call: Call | None  # the innermost module under way


def watched(model: Module, sizes: Sequence[Shape], kind: np.dtype, depth: int | None = None) -> Watch:
    """A run on shapes alone. A model that needs values on its way is left where it asks for them."""
    watch = Watch(model, depth)
    with observed(model, watch, watch.enter, watch.leave):
        try:
            model(*[watch.known(Tensor(None, meta=(size, kind))) for size in sizes])
        except NoDataError as error:
            watch.give_up(str(error))
    return watch


class Watch:
    """Hooks on every module and a listener at the operations' gate."""

    def __init__(self, model: Module, depth: int | None = None) -> None:
        self.model = model
        self.depth = math.inf if depth is None else depth
        self.names = {id(module): name for name, module in model.named_modules()}
        self.rows: list[Row] = []
        self.steps: list[Step] = []
        self.calls: list[Call] = []
        self.inputs: list[Tensor] = []
        self.stopped: str | None = None  # why the run ended early
        self.counted: set[int] = set()  # parameters that stand in a row
        self.called: set[int] = set()  # modules
        self.stack: list[Call] = []
        self.fields: dict[int, receptive.Field | None] = {}
        self.thread = threading.get_ident()

    def known(self, tensor: Tensor) -> Tensor:
        """Register an input."""
        self.inputs.append(tensor)
        self.fields[id(tensor)] = receptive.of_input(tensor.shape)
        return tensor

    def enter(self, module: Module, args: Any) -> None:
        """A layer is called."""
        call = Call(module, self.names[id(module)], self.stack[-1] if self.stack else None, len(self.steps))
        self.stack.append(call)
        self.calls.append(call)

    def leave(self, module: Module, args: Any, output: Any) -> None:
        """It has returned."""
        call = self.stack.pop()
        call.output = output
        self.called.add(id(module))
        call.parameters += self.own_parameters(module)
        if call.depth > self.depth and call.parent is not None:
            above = call.parent
            above.parameters += call.parameters
            above.macs += call.macs
            above.activation_bytes += call.activation_bytes
            return
        whole = call.depth == self.depth
        if whole or not module._modules or call.parameters or call.macs or call.activation_bytes:
            field = self.fields.get(id(output)) if isinstance(output, Tensor) else None
            self.rows.append(Row(call.path, type(module).__name__, shape_of(output), call.parameters, call.macs,
                                 None if field is None else receptive.whole(field), call.activation_bytes))

    def give_up(self, why: str) -> None:
        """The calls under way will not return."""
        self.stopped = why
        for call in reversed(self.stack):
            self.called.add(id(call.module))
            call.parameters += self.own_parameters(call.module)
            if call.parameters or call.macs or call.activation_bytes:
                self.rows.append(Row(call.path, type(call.module).__name__, None, call.parameters, call.macs, None,
                                     call.activation_bytes))
        self.stack.clear()

    def own_parameters(self, module: Module) -> int:
        """How many parameter values the module holds itself, those of earlier rows left out."""
        new = {id(p): p for p in module.parameters(recurse=False) if id(p) not in self.counted}
        self.counted.update(new)
        return sum(map(count, new.values()))

    def all_rows(self) -> list[Row]:
        """The rows of calls, then the layers with parameters that forward did not call."""
        rows = list(self.rows)
        places = {row.path: i for i, row in enumerate(rows)}
        for path, module in self.model.named_modules():
            if id(module) not in self.called and (parameters := self.own_parameters(module)):
                if self.depth < math.inf:
                    path = ".".join(path.split(".")[:int(self.depth)])
                if path not in places:
                    places[path] = len(rows)
                    rows.append(Row(path, type(self.model.get_submodule(path)).__name__, None, 0, 0, None))
                row = rows[places[path]]
                rows[places[path]] = row._replace(parameters=row.parameters + parameters)
        return rows

    def on_forward(self, op: type[Op], ctx: Context, inputs: Sequence[Any], outputs: Sequence[Tensor]) -> None:
        """Heard from the gate for every operation."""
        if threading.get_ident() != self.thread:
            return
        call = self.stack[-1] if self.stack else None
        # A step keeps its tensors alive, so that an id stays one tensor's.
        self.steps.append(Step(op, ctx, tuple(inputs), tuple(outputs), call))
        if call is not None:
            call.macs += ctx.record.macs
            if not op.view:
                read = {id(x) for x in inputs}
                call.activation_bytes += sum(count(y) * y.dtype.itemsize for y in outputs if id(y) not in read)
        known = [self.fields.get(id(x)) for x in inputs if isinstance(x, Tensor)]
        fields = [field for field in known if field is not None]
        for output in outputs:
            self.fields[id(output)] = receptive.after(op, ctx, inputs, output, fields) if fields else None

    def on_backward(self, node: Any, gradients: Any) -> None:
        """Heard from the gate; a backward pass in another thread is none of ours."""


def count(tensor: Tensor) -> int:
    """How many values."""
    return math.prod(tensor.shape)


def shape_of(output: Any) -> Any:
    """A shape, or a list of them."""
    if isinstance(output, (Tensor, np.ndarray)):
        return tuple(output.shape)
    if isinstance(output, dict):
        return shape_of(list(output.values()))
    return [shape_of(o) for o in output] if isinstance(output, (tuple, list)) else None
