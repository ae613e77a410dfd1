"""`export`: a Module as an ONNX file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

import numpy as np

from pyconv.grad_mode import no_grad
from pyconv.interop.onnx.module import load
from pyconv.interop.onnx.proto import MAX_OPSET, OnnxError, elem_type, onnx
from pyconv.interop.onnx.trace import Line, Trace, traced
from pyconv.io.atomic import atomic_write
from pyconv.nn.module import Module
from pyconv.tensor import FLOATS, Tensor

LEAST_OPSET = 18
_helper = onnx.helper


def export(model: Module, args: Any, f: str | os.PathLike[str] | None, *, input_names: Sequence[str] | None = None,
           output_names: Sequence[str] | None = None, opset_version: int = LEAST_OPSET,
           dynamic_axes: Mapping[str, Any] | None = None, check: bool = True) -> Any:
    """Write what ``model(*args)`` computes as an ONNX file, atomically.

    The model runs once in evaluation mode (batch norm by its running statistics, no dropout) and each operation is
    written down: Python's own decisions are those taken for ``args``. Weights keep their ``state_dict`` names.
    Everything else is a constant; ``check`` runs the file on ``args`` and on other numbers and compares, so that a
    value that numpy computed from the input does not become one unnoticed.

    Args:
        model: a Module.
        args: its input, or a tuple of inputs: Tensors or arrays.
        f: where to write; None: nowhere.
        input_names: default ``input``, of several ``input_0``, ...
        output_names: default ``output``, of several ``output_0``, ...
        opset_version: version of the standard, 18 (the default: what current runtimes read) to that of the installed
            onnx package. 19 is needed for circular padding; 20 has one node for GELU.
        dynamic_axes: inputs with a batch of any size, as in ``{"input": {0: "batch"}}`` or ``{"input": [0]}``; only
            axis 0 can be. The model is run with two sizes and what differs must follow the batch.
        check: see above.

    Returns:
        The ``onnx.ModelProto``.

    Raises:
        OnnxError: an operation without an ONNX form (it names layer and operation), values that differ when checked.
        ValueError, TypeError: other arguments; OSError as `open` does.

    >>> import numpy as np
    >>> from pyconv import nn
    >>> model = export(nn.Sequential(nn.Linear(3, 2), nn.ReLU()), np.ones((1, 3), np.float32), None)
    >>> [node.op_type for node in model.graph.node], [w.name for w in model.graph.initializer]
    (['Gemm', 'Relu'], ['0.weight', '0.bias'])
    """
    if not isinstance(model, Module):
        raise TypeError(f"[export] model is {type(model).__name__}, expected a Module")
    if isinstance(opset_version, bool) or not isinstance(opset_version, int):
        raise TypeError(f"[export] opset_version is {opset_version!r}, expected a whole number")
    if not LEAST_OPSET <= opset_version <= MAX_OPSET:
        raise ValueError(f"[export] opset_version is {opset_version}, expected {LEAST_OPSET} to {MAX_OPSET}")
    inputs = _arrays(args)
    names = _names("input", input_names, len(inputs))
    batches = _batches(dynamic_axes, names, inputs)
    trace, found, outputs = traced(model, inputs, names, opset_version)
    sizes: list[int] = []
    if batches:
        longer = [np.concatenate([x, x[:1]]) if n in batches else x for n, x in zip(names, inputs, strict=True)]
        other, other_found, other_outputs = traced(model, longer, names, opset_version)
        _merge(trace, other, found == other_found)
        sizes = [i for i, (a, b) in enumerate(zip(outputs, other_outputs, strict=True))
                 if tuple(a.shape) != tuple(b.shape)]
        _check_batch(outputs, other_outputs)
    proto = _proto(trace, names, inputs, found, outputs, _names("output", output_names, len(found)), batches, sizes)
    onnx.checker.check_model(proto)
    if check:
        _check(model, proto, inputs)
    if f is not None:
        with atomic_write(f) as file:
            file.write(proto.SerializeToString())
    return proto


def _arrays(args: Any) -> list[np.ndarray]:
    given = args if isinstance(args, (tuple, list)) else (args,)
    for i, value in enumerate(given):
        if not isinstance(value, (Tensor, np.ndarray)):
            raise TypeError(f"[export] args[{i}] is {type(value).__name__}, expected a Tensor or an array")
        elem_type(value.dtype, f"args[{i}]")
    return [value.array if isinstance(value, Tensor) else value for value in given]


def _names(what: str, given: Sequence[str] | None, count: int) -> list[str]:
    if given is None:
        return [what] if count == 1 else [f"{what}_{i}" for i in range(count)]
    names = list(given)
    if len(names) != count or len(set(names)) != count or not all(isinstance(n, str) and n for n in names):
        raise ValueError(f"[export] {what}_names is {given!r}, expected {count} different names")
    return names


def _batches(dynamic_axes: Mapping[str, Any] | None, names: list[str], inputs: list[np.ndarray]) -> dict[str, str]:
    """Input -> the name of its batch."""
    batches = {}
    for name, axes in (dynamic_axes or {}).items():
        labels = dict(axes) if isinstance(axes, Mapping) else dict.fromkeys(axes, "batch")
        if set(labels) != {0}:
            raise ValueError(f"[export] dynamic_axes[{name!r}] is {axes!r}, expected axis 0 alone")
        if name in names:
            shape = inputs[names.index(name)].shape
            if not shape or not shape[0]:
                raise ValueError(f"[export] input {name!r} has shape {shape}, expected a batch")
            batches[name] = str(labels[0])
        elif not name.startswith("output"):
            raise ValueError(f"[export] dynamic_axes names {name!r}, expected one of {', '.join(names)}")
    return batches


def _merge(trace: Trace, other: Trace, same_outputs: bool) -> None:
    """Put into the first trace what differs in the second, which has a longer batch."""
    def line(x: Line) -> tuple[Any, ...]:
        return x.op, x.inputs, x.outputs, x.attrs

    for a, b in zip(trace.lines, other.lines, strict=False):
        if line(a) != line(b):
            raise OnnxError(f"[export] layer {a.layer or '(model)'}: {a.op} depends on the size of the batch")
    if len(trace.lines) != len(other.lines) or set(trace.constants) != set(other.constants) or not same_outputs:
        raise OnnxError("[export] model: does other operations for another size of the batch")
    users = {name: x.layer for x in trace.lines for name in x.inputs}
    for name, short in trace.constants.items():
        long = other.constants[name]
        if short.shape == long.shape and np.array_equal(short, long, equal_nan=short.dtype.kind == "f"):
            continue
        differing = np.flatnonzero(short != long) if short.shape == long.shape else np.arange(0)
        if trace.follow.get(name) != "reshape" or differing.size != 1 or 0 in short:
            raise OnnxError(f"[export] layer {users.get(name) or '(model)'}: a constant depends on the size of the batch")
        short[differing[0]] = -1


def _check_batch(a: list[Tensor], b: list[Tensor]) -> None:
    for i, (x, y) in enumerate(zip(a, b, strict=True)):
        if tuple(x.shape[1:]) != tuple(y.shape[1:]):
            raise OnnxError(f"[export] output {i} has shapes {tuple(x.shape)} and {tuple(y.shape)} for two sizes of the "
                            "batch, expected them to differ in axis 0 only")


def _proto(trace: Trace, names: list[str], inputs: list[np.ndarray], found: list[str], outputs: list[Tensor],
           output_names: list[str], batches: dict[str, str], sizes: list[int]) -> Any:
    taken = trace.taken
    lines = list(trace.lines)
    for have, want in zip(found, output_names, strict=True):
        if want in taken:
            raise ValueError(f"[export] output name {want!r} is taken by a weight, an input or another value")
        lines.append(Line("Identity", [have], [want], {}, ""))
    _drop_identities(lines, {*names, *trace.state})
    used = {name for x in lines for name in x.inputs}
    initializers = [_tensor(a, name) for name, a in trace.state.items() if name in used]
    # Constants are nodes: what is an initializer is trained when the file is loaded.
    nodes = [_helper.make_node("Constant", [], [name], value=_tensor(a, name))
             for name, a in trace.constants.items() if name in used]
    counts: dict[str, int] = {}
    for x in lines:
        base = f"{x.layer}/{x.op}" if x.layer else x.op
        counts[base] = counts.get(base, -1) + 1
        name = f"{base}_{counts[base]}" if counts[base] else base
        nodes.append(_helper.make_node(x.op, x.inputs, x.outputs, name=name, **x.attrs))

    def info(name: str, dtype: Any, shape: Sequence[int], batch: str | None) -> Any:
        return _helper.make_tensor_value_info(name, elem_type(dtype, name), [batch or shape[0], *shape[1:]]
                                              if shape else [])

    label = next(iter(batches.values()), None)
    graph = _helper.make_graph(
        nodes, type(trace.model).__name__,
        [info(n, a.dtype, a.shape, batches.get(n)) for n, a in zip(names, inputs, strict=True)],
        [info(n, t.dtype, t.shape, label if i in sizes else None)
         for i, (n, t) in enumerate(zip(output_names, outputs, strict=True))], initializers)
    opsets = [_helper.make_opsetid("", trace.opset)]
    return _helper.make_model(graph, opset_imports=opsets, producer_name="pyconv", producer_version=metadata.version("pyconv"),
                              ir_version=_helper.find_min_ir_version_for(opsets))


def _tensor(array: np.ndarray, name: str) -> Any:
    return onnx.numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)


def _drop_identities(lines: list[Line], fixed: set[str]) -> None:
    """Let the node that makes an output carry its name, where that is its only use."""
    makers = {name: x for x in lines for name in x.outputs}
    uses: dict[str, int] = {}
    for x in lines:
        for name in x.inputs:
            uses[name] = uses.get(name, 0) + 1
    for x in list(lines):
        have = x.inputs[0] if x.op == "Identity" and not x.layer else ""
        if have in makers and have not in fixed and uses[have] == 1:
            maker = makers[have]
            maker.outputs = [x.outputs[0] if name == have else name for name in maker.outputs]
            lines.remove(x)


def _check(model: Module, proto: Any, inputs: list[np.ndarray]) -> None:
    """The file, read back, gives the model's numbers for the inputs, and for others."""
    loaded = load(proto)
    rng = np.random.default_rng(0)
    near = [(x + rng.normal(0, 0.5, x.shape).astype(x.dtype)) if x.dtype in FLOATS else x for x in inputs]
    far = [-x if x.dtype in FLOATS else x for x in near]
    for arrays, which in ((inputs, "args"), (near, "other numbers"), (far, "other numbers")):
        with no_grad(), _evaluation(model):
            expected = model(*[Tensor(np.array(a, copy=True)) for a in arrays])
            got = loaded(*[Tensor(np.array(a, copy=True)) for a in arrays])
        expected = expected if isinstance(expected, (tuple, list)) else (expected,)
        got = got if isinstance(got, tuple) else (got,)
        for i, (a, b) in enumerate(zip(expected, got, strict=True)):
            scale = np.abs(a.array[np.isfinite(a.array)]).max(initial=0) if a.dtype in FLOATS else 0
            if not np.allclose(a.array, b.array, rtol=1e-3, atol=1e-4 * scale, equal_nan=True):
                raise OnnxError(f"[export] output {i}: the exported graph gives other values than the model for {which}: "
                                "does forward compute with numpy, or decide by values?")


class _evaluation:
    """The model in evaluation mode, for a while."""

    def __init__(self, model: Module) -> None:
        self.before = [(m, m.training) for m in model.modules()]

    def __enter__(self) -> None:
        for module, _ in self.before:
            module.training = False

    def __exit__(self, *_: Any) -> None:
        for module, was in self.before:
            module.training = was
