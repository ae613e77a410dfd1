"""`pyconv.interop.onnx.load`: state, training, limits of the modules that come out."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the package onnx is not installed: pip install pyconv[onnx]")

import onnx
from onnx import TensorProto, helper, numpy_helper

import pyconv
from pyconv import nn, optim
from pyconv.interop.onnx import OnnxError, OnnxModule, backend, export, load
from pyconv.nn import functional as F

RNG = np.random.default_rng(2)


def x(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def model(nodes, weights=(), inputs=(("x", (2, 3)),), outputs=("y",), opset=18):
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs],
        [onnx.ValueInfoProto(name=n) for n in outputs], [numpy_helper.from_array(a, n) for n, a in weights])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def test_softplus_far_from_zero():
    loaded = load(model([helper.make_node("Softplus", ["x"], ["y"])]))
    got = loaded(pyconv.tensor([[-1000.0, -30, 0], [25, 90, 1000]])).detach().numpy()
    np.testing.assert_allclose(got, np.logaddexp(0, [[-1000.0, -30, 0], [25, 90, 1000]]), rtol=1e-6)


def network():
    pyconv.manual_seed(3)
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                         nn.Linear(36, 5))


def test_training_is_that_of_the_original(threads):
    """The same gradients and running statistics, step after step, as the model that was exported."""
    original = network()
    loaded = load(export(original, x(2, 1, 6, 6), None, dynamic_axes={"input": [0]}))
    assert not loaded.training
    original.train()
    loaded.train()
    optimizers = [optim.SGD(m.parameters(), lr=0.1, momentum=0.9) for m in (original, loaded)]
    rng = np.random.default_rng(5)
    for _ in range(3):
        images = rng.standard_normal((8, 1, 6, 6)).astype(np.float32)
        labels = pyconv.from_numpy(rng.integers(0, 5, 8))
        for m, optimizer in zip((original, loaded), optimizers, strict=True):
            optimizer.zero_grad()
            F.cross_entropy(m(pyconv.from_numpy(images)), labels).backward()
            optimizer.step()
    state = original.state_dict()
    for name, value in loaded.state_dict().items():
        np.testing.assert_allclose(value.array, state[name].array, rtol=1e-5, atol=1e-6)
    assert {n for n, _ in loaded.named_parameters()} == {n for n, _ in original.named_parameters()}
    assert {n for n, _ in loaded.named_buffers()} == {"1.running_mean", "1.running_var"}


def test_state_dict_goes_both_ways():
    original = network()
    loaded = load(export(original, x(1, 1, 6, 6), None))
    image = x(1, 1, 6, 6)
    other = network()
    for p in other.parameters():
        p.array[...] = RNG.standard_normal(p.shape)
    loaded.load_state_dict({k: v for k, v in other.state_dict().items() if not k.endswith("tracked")})
    np.testing.assert_allclose(loaded(image).array, other.eval()(pyconv.from_numpy(image)).array, rtol=1e-5, atol=1e-6)


def test_names_that_a_module_has_a_use_for():
    names = ["forward", "training", "a", "a.b", "a..b", "weight.x", "type", "_parameters", "/odd name:0"]
    weights = [(n, np.float32([k])) for k, n in enumerate(names)]
    nodes = [helper.make_node("Add", ["x", names[0]], ["t0"])]
    nodes += [helper.make_node("Add", [f"t{k}", n], [f"t{k + 1}"]) for k, n in enumerate(names[1:])]
    loaded = load(model(nodes, weights, outputs=(f"t{len(names) - 1}",)))
    np.testing.assert_array_equal(loaded(np.zeros((2, 3), np.float32)).array, np.full((2, 3), sum(range(len(names)))))
    assert len(loaded.state_dict()) == len(names)
    assert {"weight.x", "/odd name:0"} <= set(loaded.state_dict())


def test_settings_and_whole_numbers_are_no_weights():
    weights = [("scales", np.float32([1, 1, 2, 2])), ("shape", np.array([1, -1], np.int64)), ("low", np.array(0, np.float32)),
               ("w", np.float32([2]))]
    nodes = [helper.make_node("Resize", ["x", "", "scales"], ["a"]), helper.make_node("Reshape", ["a", "shape"], ["b"]),
             helper.make_node("Clip", ["b", "low"], ["c"]), helper.make_node("Mul", ["c", "w"], ["y"])]
    loaded = load(model(nodes, weights, [("x", (1, 1, 2, 2))]))
    assert list(loaded.state_dict()) == ["w"]
    assert loaded(x(1, 1, 2, 2)).shape == (1, 16)


def test_no_gradient_is_said():
    loaded = load(model([helper.make_node("Atan", ["x"], ["y"])]))
    value = pyconv.from_numpy(x(2, 3)).requires_grad_()
    with pytest.raises(NotImplementedError, match=r"\[Atan\] this ONNX operator has no gradient"):
        loaded(value).sum().backward()
    np.testing.assert_allclose(loaded(value.detach()).array, np.arctan(value.detach().array), rtol=1e-6)


@pytest.mark.parametrize(("op", "attrs", "shape"), [
    ("AveragePool", {"kernel_shape": [3, 2], "pads": [1, 0, 0, 1], "strides": [2, 1]}, (1, 2, 5, 4)),
    ("AveragePool", {"kernel_shape": [2, 2], "dilations": [2, 1], "count_include_pad": 1, "pads": [1, 1, 1, 1]}, (1, 2, 5, 4)),
    ("AveragePool", {"kernel_shape": [3], "ceil_mode": 1, "strides": [2]}, (1, 2, 6)),
    ("MaxPool", {"kernel_shape": [3, 2], "pads": [1, 0, 0, 1], "strides": [2, 1]}, (1, 2, 5, 4)),
    ("LpPool", {"kernel_shape": [2, 2], "p": 3}, (1, 2, 4, 4)),
    ("GlobalMaxPool", {}, (1, 2, 3, 4)),
    ("DepthToSpace", {"blocksize": 2}, (1, 4, 2, 3)),
    ("LRN", {"size": 4}, (1, 5, 2, 2)),
    ("LpNormalization", {"axis": 1}, (2, 3)),
    ("MeanVarianceNormalization", {}, (2, 2, 3, 2)),
    ("Selu", {}, (2, 3)), ("Mish", {}, (2, 3)), ("Gelu", {}, (2, 3)),
    ("HardSigmoid", {}, (2, 3)), ("Shrink", {"lambd": 0.2, "bias": 0.1}, (2, 3)), ("ThresholdedRelu", {}, (2, 3)),
    ("LogSoftmax", {"axis": 0}, (2, 3)), ("ReduceLogSumExp", {}, (2, 3)), ("ReduceL2", {}, (2, 3)), ("Sinh", {}, (2, 3)),
    ("Tan", {}, (2, 3)),
])
def test_gradients(op, attrs, shape):
    """Central differences in float64."""
    proto = model([helper.make_node(op, ["x"], ["y"], **attrs)], inputs=[("x", shape)], opset=22)
    proto.graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE
    loaded = load(proto)
    value = pyconv.tensor(np.random.default_rng(1).standard_normal(shape), requires_grad=True)
    assert pyconv.autograd.gradcheck(loaded, (value,))


@pytest.mark.parametrize(("mode", "place"), [("nearest", "asymmetric"), ("linear", "half_pixel"), ("cubic", "align_corners"),
                                             ("linear", "half_pixel_symmetric"), ("cubic", "pytorch_half_pixel")])
def test_gradients_of_resize(mode, place):
    weights = [("s", np.float32([1, 1, 1.5, 0.6]))]
    nodes = [helper.make_node("Resize", ["x", "", "s"], ["y"], mode=mode, coordinate_transformation_mode=place, antialias=0)]
    proto = model(nodes, weights, [("x", (1, 2, 4, 5))])
    proto.graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE
    value = pyconv.tensor(np.random.default_rng(1).standard_normal((1, 2, 4, 5)), requires_grad=True)
    assert pyconv.autograd.gradcheck(load(proto), (value,))


def test_half_precision_is_computed_in_float32():
    half = np.float16
    w = RNG.standard_normal((4, 3, 3, 3)).astype(half)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"])], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT16, (1, 3, 5, 5))], [onnx.ValueInfoProto(name="y")],
        [numpy_helper.from_array(w, "w")])
    loaded = load(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8))
    image = RNG.standard_normal((1, 3, 5, 5)).astype(half)
    expected = F.conv2d(image.astype(np.float32), w.astype(np.float32)).astype(half)
    got = loaded(image)
    assert got.dtype == half
    np.testing.assert_array_equal(got, expected)
    assert not list(loaded.parameters())


def test_copies_and_pickles():
    original = load(export(network(), x(1, 1, 6, 6), None))
    image = x(1, 1, 6, 6)
    for other in (copy.deepcopy(original), pickle.loads(pickle.dumps(original))):
        assert isinstance(other, OnnxModule)
        next(iter(other.parameters())).array[...] += 0
        np.testing.assert_array_equal(other(image).array, original(image).array)
        next(iter(other.parameters())).array[...] = 0
        assert not np.array_equal(other(image).array, original(image).array)


def test_the_path_stands_in_the_error():
    holder = nn.Sequential(nn.Identity(), load(model([helper.make_node("Relu", ["x"], ["y"], name="act")])))
    with pytest.raises(OnnxError, match=r"1 \(OnnxModule\): \[onnx\] input 'x' has shape \(3,\), expected 2 x 3"):
        holder(np.zeros(3, np.float32))


def test_text():
    loaded = load(model([helper.make_node("Relu", ["x"], ["y"])]))
    assert repr(loaded) == "OnnxModule(inputs: 'x'; outputs: 'y'; 1 nodes)"


def test_reading_a_path(tmp_path):
    path = tmp_path / "model.onnx"
    onnx.save(model([helper.make_node("Relu", ["x"], ["y"])]), path)
    assert load(path)(np.full((2, 3), -1, np.float32)).array.max() == 0
    assert load(str(path)).input_names == ["x"]
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nothing.onnx")
    with pytest.raises(TypeError, match="model is int"):
        load(3)


def test_backend_functions():
    proto = model([helper.make_node("Relu", ["x"], ["y"])])
    array = np.float32([[-1, 0, 1], [2, -2, 3]])
    for got in (backend.run_model(proto, [array]), backend.prepare(proto).run({"x": array}), backend.prepare(proto).run(array),
                backend.run_node(helper.make_node("Relu", ["x"], ["y"]), [array]),
                backend.run_node(helper.make_node("Relu", ["x"], ["y"]), {"x": array}, opset_version=14)):
        np.testing.assert_array_equal(got[0], np.maximum(array, 0))
    assert backend.supports_device("CPU")
    assert not backend.supports_device("CUDA:0")
    assert backend.is_compatible(proto)
    assert not backend.is_compatible(model([helper.make_node("Einsum", ["x"], ["y"], equation="ij->i")]))
    with pytest.raises(OnnxError, match="device is 'CUDA', expected 'CPU'"):
        backend.prepare(proto, "CUDA")
    with pytest.raises(OnnxError, match="input 'x' is missing"):
        backend.prepare(proto).run({"z": array})
    with pytest.raises(OnnxError, match="2 inputs, expected 1"):
        backend.run_node(helper.make_node("Relu", ["x"], ["y"]), [array, array])
