"""The onnx package's light models with weights that matter.

As they come all their weights are one constant, so that any input gives the same answer and only the graph is tested.
With random weights of a reasonable scale our numbers are compared with those of onnxruntime.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed: pip install pyconv[onnx]")
ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: nothing to compare with")

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
            array = array + (1 if weight in {n.input[1] for n in graph.node if n.op_type == "BatchNormalization"} else 0)
        graph.initializer.append(onnx.numpy_helper.from_array(array.astype(np.float32), weight))
    del graph.node[:]
    graph.node.extend(kept)
    return model


@pytest.mark.parametrize("name", [*SMALL, *(pytest.param(n, marks=pytest.mark.full) for n in LARGE)])
def test_random_weights(name):
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
        image = np.random.default_rng(seed).standard_normal(given.shape).astype(np.float32)
        expected = session.run(None, {given.name: image})[0]
        with no_grad():
            got = ours(pyconv.from_numpy(image)).array
        assert len(np.unique(expected)) > 500
        scale = np.abs(expected).max()
        np.testing.assert_allclose(got, expected, rtol=2e-3, atol=2e-4 * scale)
        outputs.append(got)
    assert np.abs(outputs[0] - outputs[1]).max() > 0.01 * np.abs(outputs[0]).max()
