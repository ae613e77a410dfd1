"""The onnx package's own conformance suite, through `pyconv.interop.onnx.backend`.

Run are all converted, operator and light models, and every case of a single operator that pyconv has. What fails is
listed with its reason; a case in the list that passes fails the test, so that the list stays true.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator

import pytest

pytest.importorskip("onnx", reason="the package onnx is not installed: pip install pyconv[onnx]")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the suite's own arithmetic
    from onnx.backend.test import BackendTest
    from onnx.backend.test.loader import load_model_tests

    NODE_CASES = list(load_model_tests(kind="node"))

from pyconv.interop.onnx.backend import Backend
from pyconv.interop.onnx.registry import OPERATORS

#: What a network of convolutions is made of; its cases on float32, int64 and bool are the heart of the suite.
CORE = frozenset([
    "Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "LpPool", "MaxUnpool",
    "BatchNormalization", "InstanceNormalization", "GroupNormalization", "LayerNormalization", "RMSNormalization",
    "LRN", "LpNormalization", "MeanVarianceNormalization", "Gemm", "MatMul", "Resize", "Upsample", "Softmax",
    "LogSoftmax", "Hardmax", "Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "Gelu", "HardSigmoid",
    "HardSwish", "Mish", "Swish", "Softplus", "Softsign", "Sigmoid", "Tanh", "Clip", "Dropout", "Flatten",
    "Reshape", "Concat", "Split", "Slice", "Pad", "Transpose", "Squeeze", "Unsqueeze", "DepthToSpace",
    "SpaceToDepth", "CenterCropPad", "Add", "Sub", "Mul", "Div", "Pow", "Sqrt", "Exp", "Log", "Abs", "Neg", "Sum",
    "Mean", "Max", "Min", "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2", "ArgMax", "ArgMin",
    "Gather", "Expand", "Tile", "Shape", "Identity", "Where", "Constant", "ConstantOfShape",
])
CORE_TYPES = {1, 7, 9}
#: Pattern -> why these cases cannot pass.
FAILING = {
    r"^test_training_dropout_(default_)?(mask_)?cpu$": "random draws: the expected ones are those of numpy's generator",
    r"^test_bernoulli_(double_|seed_)?(expanded_)?cpu$": "random draws",
    r"^test_attention_4d_causal_fp16_expanded_cpu$": "products of half precision are added up in float32",
    r"^test_(castlike|cast)_.*(FLOAT8|FLOAT4|INT4|INT2)": "types of 8 bits and fewer that pyconv does not have",
    r"^test_(identity_sequence|identity_opt|loop13_seq|loop16_seq_none)_cpu$": "sequences and optional values",
    r"^test_equal_string": "texts",
}


class Strict(Backend):
    """The backend, but what it refuses is a failure rather than skipped."""

    @classmethod
    def is_compatible(cls, model, device="CPU", **kwargs):
        return True


def operators(graph) -> Iterator[str]:
    for node in graph.node:
        yield node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from operators(attribute.g)


def is_core(case) -> bool:
    graph = case.model.graph
    types = {v.type.tensor_type.elem_type for v in (*graph.input, *graph.output)}
    return (len(graph.node) == 1 and graph.node[0].op_type in CORE and types <= CORE_TYPES
            and "_expanded" not in case.name)


def fails(name: str) -> bool:
    return any(re.search(pattern, f"{name}_cpu") for pattern in FAILING)


KNOWN = {case.name for case in NODE_CASES if all(op in OPERATORS for op in operators(case.model.graph))}
HEART = [case.name for case in NODE_CASES if is_core(case)]


def suite() -> dict[str, type]:
    tests = BackendTest(Strict, __name__)
    for pattern in FAILING:
        tests.xfail(pattern)
    classes = tests.test_cases
    for kind, cls in classes.items():
        for name in [n for n in vars(cls) if n.startswith("test_")]:
            case = name.removesuffix("_cpu")
            wanted = name.endswith("_cpu") and (kind in WHOLE or case in KNOWN or case in SIMPLE)
            if not wanted:
                delattr(cls, name)
    return {kind: cls for kind, cls in classes.items() if any(n.startswith("test_") for n in vars(cls))}


WHOLE = {"OnnxBackendPyTorchConvertedModelTest": 82, "OnnxBackendPyTorchOperatorModelTest": 35,
         "OnnxBackendRealModelTest": 9}
SIMPLE = {"test_expand_shape_model1", "test_expand_shape_model2", "test_expand_shape_model3",
          "test_expand_shape_model4", "test_shrink", "test_sign_model", "test_single_relu_model"}
SUITE = suite()
globals().update(SUITE)


@pytest.fixture(autouse=True, scope="module")
def home(tmp_path_factory):
    """Where the suite puts its files."""
    before = os.environ.get("ONNX_HOME"), os.environ.get("ONNX_MODELS")
    folder = str(tmp_path_factory.mktemp("onnx"))
    os.environ["ONNX_HOME"] = os.environ["ONNX_MODELS"] = folder
    yield
    for name, value in zip(("ONNX_HOME", "ONNX_MODELS"), before, strict=True):
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


def test_the_whole_suite_is_there():
    for kind, count in WHOLE.items():
        assert sum(name.startswith("test_") for name in vars(SUITE[kind])) == count
    node = {name.removesuffix("_cpu") for name in vars(SUITE["OnnxBackendNodeModelTest"]) if name.startswith("test_")}
    assert node >= set(HEART)
    assert len(HEART) >= 469
    assert sum(not fails(name) for name in HEART) >= 469
    assert sum(not fails(name) for name in node) >= 1240
