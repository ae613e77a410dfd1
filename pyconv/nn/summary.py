"""Layers, output shapes, parameters, multiply-adds and receptive fields of a network, from shapes alone."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pyconv.nn import receptive
from pyconv.nn.arguments import whole
from pyconv.nn.module import Module
from pyconv.nn.observing import observed
from pyconv.nn.state import float_dtype
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


class Summary:
    """What `summary` returns: ``rows``, totals, a table as text, a dict for machines."""

    def __init__(self, name: str, input_size: Any, rows: list[Row], parameters: int, trainable: int, size: int) -> None:
        self.name = name
        self.input_size = input_size
        self.rows = rows
        self.total_parameters = parameters
        self.trainable_parameters = trainable
        self.parameter_bytes = size
        self.total_macs = sum(row.macs for row in rows)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, texts and lists."""
        return {
            "model": self.name,
            "input_size": _plain(self.input_size),
            "layers": [{key: _plain(value) for key, value in row._asdict().items()} for row in self.rows],
            "total_parameters": self.total_parameters,
            "trainable_parameters": self.trainable_parameters,
            "parameter_bytes": self.parameter_bytes,
            "total_macs": self.total_macs,
        }

    def to_json(self) -> str:
        """`to_dict` as JSON."""
        return json.dumps(self.to_dict(), indent=2)

    def __str__(self) -> str:
        head = ("Layer", "Type", "Output shape", "Parameters", "Multiply-adds", "Receptive field")
        body = [(row.path or "(model)", row.type, _shape_text(row.output_shape), f"{row.parameters:,}", f"{row.macs:,}",
                 _field_text(row.receptive_field)) for row in self.rows]
        total = ("Total", "", "", f"{self.total_parameters:,}", f"{self.total_macs:,}", "")
        widths = [max(map(len, column)) for column in zip(head, *body, total, strict=True)]
        rule = "-" * (sum(widths) + 2 * (len(widths) - 1))

        def line(cells: Sequence[str]) -> str:
            # Texts to the left, numbers to the right.
            return "  ".join(c.ljust(w) if i < 3 else c.rjust(w)
                             for i, (c, w) in enumerate(zip(cells, widths, strict=True))).rstrip()

        frozen = self.total_parameters - self.trainable_parameters
        size = f"{self.parameter_bytes / 2**20:,.2f} MiB of parameters"
        note = f"{self.name}, input {_shape_text(self.input_size)}: {size}"
        note += f", {frozen:,} of them frozen" if frozen else ""
        return "\n".join([line(head), rule, *map(line, body), rule, line(total), note])

    __repr__ = __str__


def summary(model: Module, input_size: Any, dtype: Any = None) -> Summary:
    """Run a model on shapes alone and list its layers.

    Nothing is computed and no memory taken: the input is a meta Tensor; the parameters may be, too. Training mode,
    hooks and running statistics are afterwards as they were before.

    Args:
        model: any Module; layers without submodules get a row per call, others if they compute something themselves.
        input_size: the input's shape, batch axis included, such as (1, 3, 224, 224); a list of shapes for a model
            with several inputs.
        dtype: of the input, float32 (default) or float64.

    Returns:
        A `Summary`: ``print`` it, or take ``rows``, ``total_parameters``, ``total_macs``, ``to_dict()``.

    Raises:
        TypeError: ``model`` is no Module or ``input_size`` holds no whole numbers; whatever a layer raises for a
        shape that does not fit it, with the layer's path.

    >>> from pyconv import nn
    >>> print(summary(nn.Sequential(nn.Conv2d(1, 6, 5), nn.ReLU()), (1, 1, 32, 32)))
    Layer  Type    Output shape     Parameters  Multiply-adds  Receptive field
    --------------------------------------------------------------------------
    0      Conv2d  1 x 6 x 28 x 28         156        117,600                5
    1      ReLU    1 x 6 x 28 x 28           0              0                5
    --------------------------------------------------------------------------
    Total                                  156        117,600
    Sequential, input 1 x 1 x 32 x 32: 0.00 MiB of parameters
    """
    if not isinstance(model, Module):
        raise TypeError(f"[summary] model is {type(model).__name__}, expected a Module")
    sizes = _sizes(input_size)
    watch = _watched(model, sizes, float_dtype(dtype, "summary"))
    every = {id(p): p for p in model.parameters()}.values()
    return Summary(type(model).__name__, sizes[0] if len(sizes) == 1 else sizes, watch.all_rows(),
                   sum(map(_count, every)), sum(_count(p) for p in every if p.requires_grad),
                   sum(_count(p) * p.dtype.itemsize for p in every))


def convolutions(model: Module, input_size: Any) -> list[tuple[str, Any]]:
    """The convolutions that a model runs, in order: the module's path, and the shape record of the operation.

    Found as `summary` finds its rows. Transposed convolutions are left out.

    >>> from pyconv import nn
    >>> [(path, record.output_shape) for path, record in convolutions(nn.Sequential(nn.Conv2d(1, 6, 5)), (1, 1, 9, 9))]
    [('0', (1, 6, 5, 5))]
    """
    return _watched(model, _sizes(input_size), np.dtype("float32")).convolutions


def _watched(model: Module, sizes: list[Shape], kind: np.dtype) -> _Watch:
    """A run on shapes alone."""
    watch = _Watch(model)
    with observed(model, watch, watch.enter, watch.leave):
        model(*[watch.known(Tensor(None, meta=(size, kind))) for size in sizes])
    return watch


class _Call:
    """A module being called: the multiply-adds of its own operations so far."""

    __slots__ = ("macs", "module")

    def __init__(self, module: Module) -> None:
        self.module = module
        self.macs = 0


class _Watch:
    """Hooks on every module and a listener at the operations' gate."""

    def __init__(self, model: Module) -> None:
        self.model = model
        self.names = {id(module): name for name, module in model.named_modules()}
        self.rows: list[Row] = []
        self.convolutions: list[tuple[str, Any]] = []
        self.counted: set[int] = set()  # parameters that stand in a row
        self.called: set[int] = set()  # modules
        self.stack: list[_Call] = []
        self.fields: dict[int, receptive.Field | None] = {}
        self.kept: list[Tensor] = []  # alive, so that an id stays one tensor's
        self.thread = threading.get_ident()

    def known(self, tensor: Tensor) -> Tensor:
        """Register an input."""
        self.kept.append(tensor)
        self.fields[id(tensor)] = receptive.of_input(tensor.shape)
        return tensor

    def enter(self, module: Module, args: Any) -> None:
        self.stack.append(_Call(module))

    def leave(self, module: Module, args: Any, output: Any) -> None:
        call = self.stack.pop()
        self.called.add(id(module))
        parameters = self.own_parameters(module)
        if not module._modules or parameters or call.macs:
            field = self.fields.get(id(output)) if isinstance(output, Tensor) else None
            self.rows.append(Row(self.names[id(module)], type(module).__name__, _shape_of(output), parameters,
                                 call.macs, None if field is None else receptive.whole(field)))

    def own_parameters(self, module: Module) -> int:
        """How many parameter values the module holds itself, those of earlier rows left out."""
        new = {id(p): p for p in module.parameters(recurse=False) if id(p) not in self.counted}
        self.counted.update(new)
        return sum(map(_count, new.values()))

    def all_rows(self) -> list[Row]:
        """The rows of calls, then the layers with parameters that forward did not call."""
        for path, module in self.model.named_modules():
            if id(module) not in self.called and (parameters := self.own_parameters(module)):
                self.rows.append(Row(path, type(module).__name__, None, parameters, 0, None))
        return self.rows

    def on_forward(self, op: type[Op], ctx: Context, inputs: Sequence[Any], outputs: Sequence[Tensor]) -> None:
        """Heard from the gate for every operation."""
        if threading.get_ident() != self.thread:
            return
        if self.stack:
            self.stack[-1].macs += ctx.record.macs
            if op.name == "conv":
                self.convolutions.append((self.names[id(self.stack[-1].module)], ctx.record.core))
        known = [self.fields.get(id(x)) for x in inputs if isinstance(x, Tensor)]
        fields = [field for field in known if field is not None]
        for output in outputs:
            self.kept.append(output)
            self.fields[id(output)] = receptive.after(op, ctx, inputs, output, fields) if fields else None

    def on_backward(self, node: Any, gradients: Any) -> None:
        """Heard from the gate; a backward pass in another thread is none of ours."""


def _sizes(input_size: Any) -> list[Shape]:
    if not isinstance(input_size, (tuple, list)):
        raise TypeError(f"[summary] input_size is {input_size!r}, expected a shape such as (1, 3, 224, 224)")
    several = bool(input_size) and all(isinstance(size, (tuple, list)) for size in input_size)
    sizes = input_size if several else [input_size]
    return [tuple(whole("summary", "input_size", n, 0) for n in size) for size in sizes]


def _count(tensor: Tensor) -> int:
    return math.prod(tensor.shape)


def _shape_of(output: Any) -> Any:
    if isinstance(output, (Tensor, np.ndarray)):
        return tuple(output.shape)
    return [_shape_of(o) for o in output] if isinstance(output, (tuple, list)) else None


def _shape_text(shape: Any) -> str:
    if shape is None:
        return "not called"
    if isinstance(shape, list):
        return ", ".join(map(_shape_text, shape))
    return " x ".join(map(str, shape)) or "scalar"


def _field_text(field: Shape | None) -> str:
    if field is None:
        return "-"
    return str(field[0]) if len(set(field)) == 1 else " x ".join(map(str, field))


def _plain(value: Any) -> Any:
    return [_plain(v) for v in value] if isinstance(value, (tuple, list)) else value
