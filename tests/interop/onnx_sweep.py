"""Models of the onnx package's suite with one number changed: every attribute, and every small vector of whole numbers.

One model per operator that pyconv has; values are those that break arithmetic on sizes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests

from pyconv.interop.onnx.registry import OPERATORS

WHOLE = (0, -1, 1, 3, 2**31 - 1, 2**31, 2**62, -(2**63), 2**63 - 1)
REAL = (0.0, -1.0, 1e-30, 1e30, float("inf"), float("-inf"), float("nan"))
_A = onnx.AttributeProto


def _base_cases() -> list[Any]:
    """The first cases of each operator: those with most attributes, at most three."""
    found: dict[str, list[Any]] = {}
    for case in load_model_tests(kind="node"):
        graph = case.model.graph
        if len(graph.node) == 1 and graph.node[0].op_type in OPERATORS and graph.node[0].domain == "":
            found.setdefault(graph.node[0].op_type, []).append(case)
    picked = []
    for cases in found.values():
        cases.sort(key=lambda c: (-len(c.model.graph.node[0].attribute), c.name))
        picked += cases[:3]
    return picked


class Sweep:
    """All changes, by number."""

    def __init__(self) -> None:
        self.cases = _base_cases()
        self.changes: list[tuple[int, Any, Any]] = []
        for k, case in enumerate(self.cases):
            node = case.model.graph.node[0]
            schema = onnx.defs.get_schema(node.op_type, case.model.opset_import[0].version, "")
            for name, attribute in schema.attributes.items():
                kind = int(getattr(attribute.type, "value", attribute.type))
                given = next((a for a in node.attribute if a.name == name), None)
                for value in _values(kind, given):
                    self.changes.append((k, name, (kind, value)))
            for i, array in enumerate(self.inputs(k)):
                if array.dtype.kind == "i" and array.ndim < 2 and array.size <= 8:
                    self.changes += [(k, i, (array.dtype, array.shape, v)) for v in WHOLE]

    def inputs(self, k: int) -> list[np.ndarray]:
        raw = self.cases[k].data_sets[0][0]
        arrays = [numpy_helper.to_array(a) if isinstance(a, onnx.TensorProto) else a for a in raw]
        return [np.asarray(a) for a in arrays if not isinstance(a, (list, type(None)))]

    def __len__(self) -> int:
        return len(self.changes)

    def label(self, number: int) -> str:
        k, what, how = self.changes[number]
        return f"{self.cases[k].name}: {what} = {how}"

    def __getitem__(self, number: int) -> tuple[bytes, list[np.ndarray]]:
        k, what, how = self.changes[number]
        model, inputs = onnx.ModelProto(), self.inputs(k)
        model.CopyFrom(self.cases[k].model)
        if isinstance(what, int):
            dtype, shape, value = how
            limits = np.iinfo(dtype)
            inputs[what] = np.full(shape, min(max(value, limits.min), limits.max), dtype)
        else:
            kind, value = how
            node = model.graph.node[0]
            kept = [a for a in node.attribute if a.name != what]
            del node.attribute[:]
            node.attribute.extend(kept)
            new = node.attribute.add(name=what, type=kind)
            if kind == _A.INT:
                new.i = value
            elif kind == _A.FLOAT:
                new.f = value
            elif kind == _A.INTS:
                new.ints.extend(value)
            elif kind == _A.FLOATS:
                new.floats.extend(value)
            else:
                new.s = value
        return model.SerializeToString(), inputs

    def flipped(self, seed: int) -> tuple[bytes, list[np.ndarray]]:
        """A model with a few bytes changed."""
        rng = np.random.default_rng(seed)
        k = int(rng.integers(len(self.cases)))
        data = bytearray(self.cases[k].model.SerializeToString())
        for _ in range(int(rng.integers(1, 4))):
            data[int(rng.integers(len(data)))] = int(rng.integers(256))
        return bytes(data), self.inputs(k)


def _values(kind: int, given: Any) -> list[Any]:
    if kind == _A.INT:
        return list(WHOLE)
    if kind == _A.FLOAT:
        return list(REAL)
    if kind == _A.INTS:
        size = len(given.ints) if given is not None and given.ints else 2
        changed = [[v, *([1] * (size - 1))] for v in WHOLE] + [[v] * size for v in WHOLE]
        return [*changed, [], [1] * (size + 1)]
    if kind == _A.FLOATS:
        size = len(given.floats) if given is not None and given.floats else 2
        return [[v] * size for v in REAL] + [[]]
    return [b"", b"nonsense", b"\xff\xfe"] if kind == _A.STRING else []
