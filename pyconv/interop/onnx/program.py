"""From a GraphProto to a list of nodes that can be run: everything that the file alone can get wrong is found here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pyconv.interop.onnx import operators  # noqa: F401 (fills the table)
from pyconv.interop.onnx.files import ExternalData
from pyconv.interop.onnx.proto import (
    MAX_DEPTH,
    MAX_NODES,
    MAX_OPSET,
    MAX_RANK,
    MIN_OPSET,
    OnnxError,
    check_texts,
    dtype_of,
    onnx,
    shown,
)
from pyconv.interop.onnx.registry import Entry, entry_of
from pyconv.interop.onnx.schema import SINGLE, VARIADIC, Schema, schema_of
from pyconv.interop.onnx.tensors import decode

_A = onnx.AttributeProto
#: The names defined so far, from the outermost graph to the innermost.
Scopes = tuple[set[str], ...]


class Input(NamedTuple):
    """An input of a graph: sizes are numbers, names of unknown sizes, or None; no shape at all is None."""

    name: str
    dtype: np.dtype | None
    shape: tuple[int | str | None, ...] | None


class Node:
    """An operator with its attributes, and what may be forgotten after it."""

    __slots__ = ("attrs", "drop", "entry", "inputs", "label", "name", "op", "outputs", "padding", "schema")

    def __init__(self, op: str, name: str, schema: Schema, entry: Entry, inputs: tuple[str, ...],
                 outputs: tuple[str, ...], attrs: dict[str, Any]) -> None:
        self.op = op
        self.name = name
        self.label = f"node {shown(name)} ({op})" if name else f"node {op}"
        self.schema = schema
        self.entry = entry
        self.inputs = inputs
        self.outputs = outputs
        self.attrs = attrs
        variadic = bool(schema.inputs) and schema.inputs[-1].option == VARIADIC
        self.padding = 0 if variadic else max(0, schema.max_input - len(inputs))
        self.drop: tuple[str, ...] = ()

    def uses(self) -> list[str]:
        """The names that it reads, those of its subgraphs included."""
        found = [name for name in self.inputs if name]
        for value in self.attrs.values():
            if isinstance(value, Program):
                found += value.captures
        return found


class Program(NamedTuple):
    """A graph that was checked."""

    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    constants: dict[str, np.ndarray]
    captures: tuple[str, ...]  # names of the graphs around it
    output_types: tuple[np.dtype | None, ...]


class _Reader:
    """What the graphs of a model have in common while they are read."""

    def __init__(self, opset: int, external: ExternalData) -> None:
        self.opset = opset
        self.external = external
        self.nodes = 0


def read_opset(model: Any) -> int:
    """The version of the default domain. Raises OnnxError for a model that lacks it, or whose frame is not right."""
    if not model.HasField("graph"):
        raise OnnxError("[onnx] model: no graph, expected an ONNX model")
    if not 3 <= model.ir_version <= onnx.IR_VERSION:
        raise OnnxError(f"[onnx] model: ir_version is {model.ir_version}, expected 3 to {onnx.IR_VERSION}")
    if len(model.functions):
        raise OnnxError("[onnx] model: functions of the model's own are not supported; inline them "
                        "(onnx.inliner.inline_local_functions)")
    versions: dict[str, int] = {}
    for entry in model.opset_import:
        check_texts("opset_import", entry.domain)
        domain = "" if entry.domain == "ai.onnx" else entry.domain
        if versions.setdefault(domain, entry.version) != entry.version:
            raise OnnxError(f"[onnx] model: domain {shown(domain)} is imported in two versions")
    if "" not in versions:
        raise OnnxError("[onnx] model: opset_import lacks the default domain")
    if not 1 <= versions[""] <= MAX_OPSET:
        raise OnnxError(f"[onnx] model: opset {versions['']}, expected 1 to {MAX_OPSET}")
    return versions[""]


def compile_model(model: Any, external: ExternalData) -> Program:
    """Check a model and return its graph."""
    reader = _Reader(read_opset(model), external)
    program = _compile(model.graph, reader, (), 0)
    if not program.outputs:
        raise OnnxError("[onnx] model: the graph has no outputs")
    return program


def _compile(graph: Any, reader: _Reader, outer: Scopes, depth: int) -> Program:
    if depth > MAX_DEPTH:
        raise OnnxError(f"[onnx] model: more than {MAX_DEPTH} graphs inside each other")
    if len(graph.sparse_initializer):
        raise OnnxError("[onnx] model: sparse tensors are not supported")
    reader.nodes += len(graph.node)
    if reader.nodes > MAX_NODES:
        raise OnnxError(f"[onnx] model: more than {MAX_NODES} nodes")
    constants: dict[str, np.ndarray] = {}
    for tensor in graph.initializer:
        if not tensor.name or tensor.name in constants:
            raise OnnxError(f"[onnx] initializer {shown(tensor.name)}: the name is empty or taken")
        constants[tensor.name] = decode(tensor, "initializer", reader.external)
    defined = set(constants)
    inputs = []
    for value in graph.input:
        if value.name in constants:  # a weight whose type is declared, too
            continue
        if not value.name or value.name in defined:
            raise OnnxError(f"[onnx] input {shown(value.name)}: the name is empty or taken")
        defined.add(value.name)
        inputs.append(_input(value, depth))
    produced = {name for node in graph.node for name in node.output if name}
    captures: dict[str, None] = {}
    nodes = []
    for i, proto in enumerate(graph.node):
        node = _node(proto, i, reader, (*outer, defined), depth)
        for name in node.uses():
            if name in defined:
                continue
            if _visible(name, outer):
                captures[name] = None
            elif name in produced:
                raise OnnxError(f"[onnx] {node.label}: input {shown(name)} comes from a later node: the nodes are not "
                                "in order, or form a cycle")
            else:
                raise OnnxError(f"[onnx] {node.label}: input {shown(name)} is not defined")
        for name in node.outputs:
            if name and name in defined:
                raise OnnxError(f"[onnx] {node.label}: output {shown(name)} is defined twice")
            if name:
                defined.add(name)
        nodes.append(node)
    outputs, types = [], []
    for value in graph.output:
        check_texts("output", value.name)
        if value.name not in defined:
            if not _visible(value.name, outer):
                raise OnnxError(f"[onnx] output {shown(value.name)} is not defined")
            captures[value.name] = None
        outputs.append(value.name)
        known = value.type.HasField("tensor_type") and value.type.tensor_type.elem_type
        types.append(dtype_of(known, f"output {shown(value.name)}") if known else None)
    _forget(nodes, defined.difference(outputs, constants))
    return Program(tuple(inputs), tuple(outputs), tuple(nodes), constants, tuple(captures), tuple(types))


def _visible(name: str, scopes: Scopes) -> bool:
    return any(name in scope for scope in scopes)


def _forget(nodes: Sequence[Node], passing: set[str]) -> None:
    """Note at each node which of the values that may go nobody reads after it."""
    waiting = set(passing)
    for node in reversed(nodes):
        last = {name for name in (*node.uses(), *node.outputs) if name in waiting}
        waiting -= last
        node.drop = tuple(last)


def _input(value: Any, depth: int) -> Input:
    where = f"input {shown(value.name)}"
    check_texts(where, value.name)
    kind = value.type.WhichOneof("value")
    if kind is None and depth:
        return Input(value.name, None, None)  # of a subgraph: given by the operator
    if kind != "tensor_type":
        raise OnnxError(f"[onnx] {where}: {(kind or 'no type').replace('_', ' ')}, expected a tensor")
    known = value.type.tensor_type
    if depth and not known.elem_type:
        return Input(value.name, None, None)
    dtype = dtype_of(known.elem_type, where)
    if not known.HasField("shape"):
        return Input(value.name, dtype, None)
    shape: list[int | str | None] = []
    for dim in known.shape.dim:
        if dim.HasField("dim_value"):
            if dim.dim_value < 0:
                raise OnnxError(f"[onnx] {where}: the declared shape has the negative size {dim.dim_value}")
            shape.append(dim.dim_value)
        else:
            check_texts(where, dim.dim_param)
            shape.append(dim.dim_param or None)
    if len(shape) > MAX_RANK:
        raise OnnxError(f"[onnx] {where}: {len(shape)} axes, expected at most {MAX_RANK}")
    return Input(value.name, dtype, tuple(shape))


def _node(proto: Any, number: int, reader: _Reader, visible: Scopes, depth: int) -> Node:
    check_texts(f"node {number}", proto.op_type, proto.name, proto.domain, *proto.input, *proto.output)
    op, name = proto.op_type, proto.name
    label = f"node {shown(name)} ({shown(op)})" if name else f"node {number} ({shown(op)})"
    if proto.domain not in ("", "ai.onnx"):
        raise OnnxError(f"[onnx] {label}: domain {shown(proto.domain)} is not supported")
    schema = schema_of(op, reader.opset)
    entry = entry_of(op, schema.since)
    if reader.opset < MIN_OPSET and schema_of(op, MIN_OPSET).since != schema.since:
        raise OnnxError(f"[onnx] {label}: the operator's form before opset {MIN_OPSET} is not supported")
    if entry is None:
        raise OnnxError(f"[onnx] {label}: the operator is not supported in opset {reader.opset}")
    inputs, outputs = list(proto.input), tuple(proto.output)
    while inputs and not inputs[-1]:
        inputs.pop()
    for given, low, high, what in ((len(inputs), schema.min_input, schema.max_input, "inputs"),
                                   (len(outputs), schema.min_output, schema.max_output, "outputs")):
        if not low <= given <= high:
            text = str(low) if low == high else f"{low} to {high}"
            raise OnnxError(f"[onnx] {label}: {given} {what}, expected {text}")
    for i, given in enumerate(inputs):
        formal = schema.formal(i)
        if not given and (formal.option in (SINGLE, VARIADIC)):
            raise OnnxError(f"[onnx] {label}: input {i} ({formal.name}) is missing")
    if len({o for o in outputs if o}) != sum(1 for o in outputs if o):
        raise OnnxError(f"[onnx] {label}: two outputs have the same name")
    attrs = _attributes(proto, label, schema, reader, visible, depth)
    return Node(op, name, schema, entry, tuple(inputs), outputs, attrs)


def _attributes(proto: Any, label: str, schema: Schema, reader: _Reader, visible: Scopes,
                depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for given in proto.attribute:
        check_texts(label, given.name, given.ref_attr_name)
        known = schema.attributes.get(given.name)
        if known is None:
            raise OnnxError(f"[onnx] {label}: attribute {shown(given.name)} does not exist")
        if given.name in found:
            raise OnnxError(f"[onnx] {label}: attribute {given.name} is given twice")
        if given.ref_attr_name:
            raise OnnxError(f"[onnx] {label}: attribute {given.name} refers to that of a function, and there is none")
        if given.type != known.type:
            names = _A.AttributeType
            got = names.Name(given.type) if given.type in names.values() else given.type
            raise OnnxError(f"[onnx] {label}: attribute {given.name} is {got}, expected {names.Name(known.type)}")
        found[given.name] = _attribute(given, label, reader, visible, depth)
    for name, known in schema.attributes.items():
        if name not in found:
            if known.required:
                raise OnnxError(f"[onnx] {label}: attribute {name} is missing")
            if known.default is not None:
                found[name] = _attribute(known.default, label, reader, visible, depth)
    return found


def _attribute(given: Any, label: str, reader: _Reader, visible: Scopes, depth: int) -> Any:
    kind = given.type
    if kind == _A.INT:
        return given.i
    if kind == _A.FLOAT:
        return given.f
    if kind == _A.STRING:
        return _text(given.s, label, given.name)
    if kind == _A.INTS:
        return tuple(given.ints)
    if kind == _A.FLOATS:
        return tuple(given.floats)
    if kind == _A.STRINGS:
        return tuple(_text(s, label, given.name) for s in given.strings)
    if kind == _A.TENSOR:
        return decode(given.t, f"{label}: attribute {given.name}", reader.external)
    if kind == _A.GRAPH:
        return _compile(given.g, reader, visible, depth + 1)
    raise OnnxError(f"[onnx] {label}: attribute {given.name} has a type that is not supported")


def _text(data: bytes, label: str, name: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise OnnxError(f"[onnx] {label}: attribute {name} is no UTF-8 text") from None
