"""`load`: a Module from an ONNX file."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyconv.interop.onnx.files import ExternalData, read_model
from pyconv.interop.onnx.program import Program, compile_model
from pyconv.interop.onnx.proto import OnnxError, shown
from pyconv.interop.onnx.run import Run
from pyconv.nn.module import Module
from pyconv.nn.parameter import Parameter
from pyconv.tensor import FLOATS, Tensor

_RETURNED = frozenset(np.dtype(n) for n in ("float32", "float64", "int64", "int32", "uint8", "bool"))
LEAST_LIMIT = 1 << 30


class _Names(Module):
    """A part of a dotted name."""


class OnnxModule(Module):
    """What `load` returns: the graph of an ONNX file as a Module.

    Call it with the graph's inputs in order, Tensors or arrays; it returns the output, or a tuple of several. Results
    are Tensors, of types that pyconv does not have arrays. ``input_names`` and ``output_names`` are the file's.
    """

    def __init__(self, program: Program, max_bytes: int | None, max_steps: int, file_bytes: int) -> None:
        super().__init__()
        self._program = program
        self._max_bytes = max_bytes
        self._max_steps = max_steps
        self._file_bytes = file_bytes
        self._constants: dict[str, np.ndarray] = {}
        self._state: dict[str, tuple[Module, str]] = {}
        self.input_names = [i.name for i in program.inputs]
        self.output_names = list(program.outputs)
        weights, statistics = _weights(program)
        for name, array in program.constants.items():
            if name in weights:
                self._place(name, Parameter(array))
            elif name in statistics:
                self._place(name, Tensor(array))
            else:
                self._constants[name] = array
        self._program = program._replace(constants={})

    def _place(self, name: str, value: Tensor) -> None:
        """Register a value under its name, a dot being a submodule; a name that is taken gets an underscore."""
        parts = [part or "_" for part in name.split(".")]
        module: Module = self
        for i, part in enumerate(parts):
            last = i == len(parts) - 1
            inside = module._modules.get(part)
            while hasattr(module, part) and (last or not isinstance(inside, _Names)):
                part += "_"
                inside = module._modules.get(part)
            if last:
                if isinstance(value, Parameter):
                    module.register_parameter(part, value)
                else:
                    module.register_buffer(part, value)
                self._state[name] = (module, part)
            elif inside is None:
                inside = _Names()
                module.add_module(part, inside)
                module = inside
            else:
                module = inside

    def forward(self, *inputs: Any) -> Any:
        """The outputs for the inputs. Raises OnnxError for inputs that the graph does not declare."""
        if len(inputs) != len(self._program.inputs):
            raise OnnxError(f"[onnx] {len(inputs)} inputs, expected {len(self._program.inputs)}: "
                            f"{', '.join(self.input_names)}")
        env: dict[str, Any] = {name: Tensor(a) if a.dtype in FLOATS else a for name, a in self._constants.items()}
        for name, (module, part) in self._state.items():
            env[name] = getattr(module, part)
        given = 0
        for declared, value in zip(self._program.inputs, inputs, strict=True):
            env[declared.name] = _accepted(declared, value)
            given += value.nbytes if isinstance(value, np.ndarray) else value.array.nbytes
        limit = self._max_bytes or max(LEAST_LIMIT, 64 * self._file_bytes, 1024 * given)
        results = Run(limit, self._max_steps, self.training).execute(self._program, env)
        outputs = tuple(_returned(r) for r in results)
        return outputs[0] if len(outputs) == 1 else outputs

    def extra_repr(self) -> str:
        """Inputs, outputs and the number of nodes."""
        def texts(names: list[str]) -> str:
            return ", ".join(shown(n, 40) for n in names)

        return f"inputs: {texts(self.input_names)}; outputs: {texts(self.output_names)}; {len(self._program.nodes)} nodes"


def _weights(program: Program) -> tuple[set[str], set[str]]:
    """Names of the floating constants that are trained, and of those that are running statistics."""
    weights: set[str] = set()
    statistics: set[str] = set()
    for node in program.nodes:
        for i, name in enumerate(node.inputs):
            array = program.constants.get(name)
            if array is None or array.dtype not in FLOATS:
                continue
            if node.op == "BatchNormalization" and i > 2:
                statistics.add(name)
            elif i not in node.entry.settings:
                weights.add(name)
        for value in node.attrs.values():
            if isinstance(value, Program):
                weights |= {n for n in value.captures if n in program.constants
                            and program.constants[n].dtype in FLOATS}
    return weights, statistics - weights


def _accepted(declared: Any, value: Any) -> Any:
    """A value for an input, if it is what the graph declares."""
    if not isinstance(value, (Tensor, np.ndarray)):
        raise TypeError(f"[onnx] input {shown(declared.name)} is {type(value).__name__}, expected a Tensor or an array")
    if value.dtype != declared.dtype:
        raise OnnxError(f"[onnx] input {shown(declared.name)} has dtype {value.dtype}, expected {declared.dtype}")
    shape = declared.shape
    if shape is not None:
        fits = len(shape) == value.ndim and all(
            not isinstance(n, int) or n == m for n, m in zip(shape, value.shape, strict=True))
        if not fits:
            text = " x ".join("?" if n is None else str(n) for n in shape) or "()"
            raise OnnxError(f"[onnx] input {shown(declared.name)} has shape {tuple(value.shape)}, expected {text}")
    if isinstance(value, Tensor):
        return value if value.dtype in FLOATS else value.array
    return Tensor(value) if value.dtype in FLOATS else value


def _returned(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype in _RETURNED:
        return Tensor(value)
    return value


def load(model: Any, *, external_data: bool = False, max_bytes: int | None = None,
         max_steps: int = 250_000) -> OnnxModule:
    """Read an ONNX model, which may come from anywhere: nothing in it is executed, and all of it is checked.

    Floating weights become Parameters under the file's names (a dot separates submodules; a name that a Module has a
    use for itself gets an underscore), running statistics of batch norm become buffers: ``state_dict``, optimisers
    and ``train()`` work as with any Module. The model comes in eval mode; in training mode batch norm takes the
    statistics of the batch and dropout drops. Weights of other types, also of half precision, are constants.

    Args:
        model: a path, the bytes of a file, or an ``onnx.ModelProto``; opset 6 to that of the installed onnx package.
        external_data: read weights that lie in files below the model's folder. Links, devices and paths out of the
            folder are refused all the same.
        max_bytes: how much memory the values of one run may take; default: the largest of 1 GiB, 64 times the file
            and 1024 times the inputs.
        max_steps: how many nodes one run may execute, those in loops each time.

    Returns:
        An `OnnxModule`.

    Raises:
        OnnxError: a file that is malformed or unsupported; it names the node. OSError as `open` does.

    >>> from onnx import helper, TensorProto
    >>> graph = helper.make_graph(
    ...     [helper.make_node("Mul", ["x", "scale"], ["y"])], "double",
    ...     [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])],
    ...     [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])],
    ...     [helper.make_tensor("scale", TensorProto.FLOAT, [1], [2.0])])
    >>> model = load(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8))
    >>> model(np.float32([1, 2])).tolist(), list(model.state_dict())
    ([2.0, 4.0], ['scale'])
    """
    for name, limit in (("max_bytes", 1 if max_bytes is None else max_bytes), ("max_steps", max_steps)):
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise ValueError(f"[onnx] {name} is {limit!r}, expected a positive whole number")
    proto, folder, size = read_model(model)
    program = compile_model(proto, ExternalData(folder, bool(external_data)))
    module = OnnxModule(program, max_bytes, max_steps, size)
    module.eval()
    return module
