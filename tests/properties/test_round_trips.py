"""What goes out comes back: files of weights, DLPack, ONNX models."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import pyconv
from pyconv import nn
from pyconv.io import load_safetensors, safetensors_metadata, save_safetensors

DTYPES = st.sampled_from(["float32", "float64", "int64", "int32", "uint8", "bool"])
contents = DTYPES.flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4)))
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).filter(lambda n: n != "__metadata__")
orders = st.sampled_from(["as it is", "reversed", "transposed", "every second"])


def laid_out(array: np.ndarray, order: str) -> np.ndarray:
    if order == "transposed":
        return array.T
    if order == "reversed" and array.ndim:
        return array[::-1]
    return array[..., ::2] if order == "every second" and array.ndim else array


def assert_same(got: np.ndarray, expected: np.ndarray) -> None:
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    assert got.tobytes() == np.ascontiguousarray(expected).reshape(expected.shape).tobytes()


@given(st.dictionaries(names, st.tuples(contents, orders), max_size=5), st.dictionaries(names, st.text(
    st.characters(exclude_categories=["Cs"]), max_size=9), max_size=3), st.booleans())
def test_safetensors(tmp_path_factory, state, metadata, tensors):
    path = tmp_path_factory.mktemp("round") / "w.safetensors"
    state = {name: laid_out(*value) for name, value in state.items()}
    as_tensors = {n: pyconv.from_numpy(np.ascontiguousarray(v).reshape(v.shape)) for n, v in state.items()}
    save_safetensors(as_tensors if tensors else state, path, metadata)
    loaded = load_safetensors(path)
    assert set(loaded) == set(state)
    for name, value in state.items():
        assert_same(loaded[name].array, value)
    assert safetensors_metadata(path) == metadata


@given(contents, orders)
def test_dlpack(array, order):
    array = laid_out(array, order)
    tensor = pyconv.from_dlpack(array)
    assert_same(tensor.array, array)
    back = np.from_dlpack(tensor)
    assert_same(back, array)
    if array.size and array.flags.writeable:
        assert np.shares_memory(back, array)


@st.composite
def networks(draw) -> tuple[nn.Sequential, tuple[int, ...]]:
    """A convolutional network of a few layers, and the shape of its input."""
    channels, size = draw(st.integers(1, 4)), draw(st.integers(6, 9))
    shape, layers = (2, channels, size, size + 1), []
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["conv", "transpose", "norm", "act", "pool", "avg", "pad"]))
        if kind == "conv":
            filters = draw(st.integers(1, 5))
            layers.append(nn.Conv2d(channels, filters, draw(st.sampled_from([1, 3, (3, 2)])), draw(st.integers(1, 2)), 1,
                                    bias=draw(st.booleans())))
            channels = filters
        elif kind == "transpose":
            filters = draw(st.integers(1, 5))
            layers.append(nn.ConvTranspose2d(channels, filters, 3, 2, 1, draw(st.integers(0, 1))))
            channels = filters
        elif kind == "norm":
            norm = nn.BatchNorm2d(channels)
            norm.running_mean.array[:] = draw(st.floats(-1, 1, width=32))
            norm.running_var.array[:] = draw(st.floats(0.5, 2, width=32))
            layers.append(norm)
        elif kind == "act":
            layers.append(draw(st.sampled_from([nn.ReLU(), nn.LeakyReLU(0.2), nn.Sigmoid(), nn.Tanh(), nn.ELU(0.7), nn.Softplus()])))
        elif kind == "pool":
            layers.append(nn.MaxPool2d(2, 1, draw(st.integers(0, 1))))
        elif kind == "avg":
            layers.append(nn.AvgPool2d(2, 1, count_include_pad=draw(st.booleans()), padding=1))
        else:
            layers.append(nn.ZeroPad2d((1, 0, 2, 1)))
    if draw(st.booleans()):
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 3)]
    return nn.Sequential(*layers).eval(), shape


@given(networks(), st.integers(0, 2**32 - 1))
def test_onnx(tmp_path_factory, network, seed):
    pytest.importorskip("onnx", reason="the package onnx is not installed: pip install pyconv[onnx]")
    from pyconv.interop import onnx

    model, shape = network
    path = tmp_path_factory.mktemp("round") / "m.onnx"
    x = pyconv.from_numpy(np.random.default_rng(seed).standard_normal(shape).astype(np.float32))
    with pyconv.no_grad():
        expected = model(x).array
        onnx.export(model, x, path)
        got = onnx.load(path)(x).array
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
