"""The onnx package's light models with weights that matter.

As they come all their weights are one constant, so that any input gives the same answer and only the graph is tested.
With random weights of a reasonable scale our numbers are compared with those of onnxruntime.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the package onnx is not installed: pip install pyconv[onnx]")

import onnx

import pyconv
from pyconv.grad_mode import no_grad
from pyconv.interop.onnx import load

FOLDER = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
SMALL = ("densenet121", "inception_v1", "inception_v2", "resnet50", "shufflenet", "squeezenet")
LARGE = ("bvlc_alexnet", "vgg19", "zfnet512")


def randomised(name: str):
    """The model with an initializer in the place of each node that makes a constant weight."""
    model = onnx.load(FOLDER / f"light_{name}.onnx")
    graph, rng = model.graph, np.random.default_rng(17)
    shapes = {t.name: tuple(onnx.numpy_helper.to_array(t)) for t in graph.initializer}
    variances = {n.input[4] for n in graph.node if n.op_type == "BatchNormalization"}
    factors = {n.input[1] for n in graph.node if n.op_type in ("BatchNormalization", "Mul")}
    factors |= {n.input[0] for n in graph.node if n.op_type == "Unsqueeze" and n.output[0] in factors}
    kept = []
    for node in graph.node:
        if node.op_type != "ConstantOfShape":
            kept.append(node)
            continue
        shape, weight = shapes[node.input[0]], node.output[0]
        if len(shape) > 1:
            array = rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
        else:
            array = rng.uniform(0.5, 1.5, shape) if weight in variances else rng.normal(0, 0.2, shape)
            array = array + (weight in factors)  # around 1, so that what they multiply does not vanish
        graph.initializer.append(onnx.numpy_helper.from_array(array.astype(np.float32), weight))
    del graph.node[:]
    graph.node.extend(kept)
    last = graph.node[-1]
    if last.op_type == "Softmax":  # which one large number would decide alone
        graph.output[0].CopyFrom(onnx.ValueInfoProto(name=last.input[0]))
    return model


def image(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Coarse blocks: noise would look the same to the network everywhere and for every seed."""
    rng = np.random.default_rng(seed)
    blocks = rng.standard_normal((*shape[:2], 7, 7)) + rng.standard_normal((*shape[:2], 1, 1))
    return np.kron(blocks, np.ones((1, 1, shape[2] // 7, shape[3] // 7))).astype(np.float32)


@pytest.mark.parametrize("name", [*SMALL, *(pytest.param(n, marks=pytest.mark.full) for n in LARGE)])
def test_random_weights(name):
    ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: nothing to compare with")
    model = randomised(name)
    ours = load(model)
    assert len(ours.state_dict()) > 10
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0]
    outputs = []
    for seed in (1, 2):
        picture = image(seed, given.shape)
        expected = session.run(None, {given.name: picture})[0]
        with no_grad():
            got = ours(pyconv.from_numpy(picture)).array
        assert len(np.unique(expected)) > 500
        scale = np.abs(expected).max()
        np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-4 * scale)
        outputs.append(got)
    assert np.abs(outputs[0] - outputs[1]).max() > 0.01 * np.abs(outputs[0]).max()
