"""pyconv as a backend of the onnx package: the interface that its conformance suite and other tools call."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx.backend.base import Backend as Base
from onnx.backend.base import BackendRep as BaseRep

from pyconv.grad_mode import no_grad
from pyconv.interop.onnx.module import OnnxModule, load
from pyconv.interop.onnx.proto import MAX_OPSET, OnnxError, elem_type, onnx
from pyconv.tensor import Tensor


class BackendRep(BaseRep):
    """A model that is ready to run."""

    def __init__(self, model: OnnxModule) -> None:
        self.model = model

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """The outputs for the inputs: arrays in order, a dict by name, or one array."""
        if isinstance(inputs, dict):
            missing = [n for n in self.model.input_names if n not in inputs]
            if missing:
                raise OnnxError(f"[onnx] input {missing[0]!r} is missing")
            inputs = [inputs[n] for n in self.model.input_names]
        elif isinstance(inputs, np.ndarray):
            inputs = [inputs]
        inputs = [np.asarray(x) if isinstance(x, np.generic) else x for x in inputs]
        with no_grad():
            results = self.model(*inputs)
        several = results if isinstance(results, tuple) else (results,)
        return tuple(np.ascontiguousarray(r.array).reshape(r.shape) if isinstance(r, Tensor) else r for r in several)


class Backend(Base):
    """`onnx.backend.base.Backend` on pyconv; for the CPU."""

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Whether ``device`` is the CPU."""
        return str(device).split(":")[0] == "CPU"

    @classmethod
    def is_compatible(cls, model: Any, device: str = "CPU", **kwargs: Any) -> bool:
        """Whether the model can be prepared."""
        try:
            cls.prepare(model, device)
        except OnnxError:
            return False
        return True

    @classmethod
    def prepare(cls, model: Any, device: str = "CPU", **kwargs: Any) -> BackendRep:
        """A `BackendRep`; its ``run`` takes arrays and returns arrays."""
        if not cls.supports_device(device):
            raise OnnxError(f"[onnx] device is {device!r}, expected 'CPU'")
        return BackendRep(load(model))

    @classmethod
    def run_model(cls, model: Any, inputs: Any, device: str = "CPU", **kwargs: Any) -> tuple[Any, ...]:
        """The outputs of a model, once."""
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(cls, node: Any, inputs: Any, device: str = "CPU", outputs_info: Any = None,
                 **kwargs: Any) -> tuple[Any, ...]:
        """The outputs of one node; ``opset_version`` among the keyword arguments picks the version."""
        names = [n for n in node.input if n]
        arrays = [inputs[n] for n in names] if isinstance(inputs, dict) else list(inputs)
        if len(arrays) != len(names):
            raise OnnxError(f"[onnx] {len(arrays)} inputs, expected {len(names)}")
        values = [onnx.helper.make_tensor_value_info(n, elem_type(a.dtype, f"input {n!r}"), a.shape)
                  for n, a in zip(names, arrays, strict=True)]
        outputs = [onnx.ValueInfoProto(name=n) for n in node.output if n]
        graph = onnx.helper.make_graph([node], "node", values, outputs)
        opset = onnx.helper.make_opsetid("", kwargs.get("opset_version", MAX_OPSET))
        model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=onnx.IR_VERSION)
        return cls.run_model(model, arrays, device)


prepare, run_model, run_node = Backend.prepare, Backend.run_model, Backend.run_node
supports_device, is_compatible = Backend.supports_device, Backend.is_compatible
