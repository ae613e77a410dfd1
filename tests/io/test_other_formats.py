"""numpy's, Caffe's and Darknet's files, and which format a file is taken for."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from weight_files import blob, caffe, darknet, field, layer, v1_blob, v1_layer, zip_file

from pyconv.io import load, load_caffemodel, load_darknet, load_npz, recognise, save

ARRAYS = {
    "w": np.arange(24, dtype=np.float32).reshape(2, 3, 4), "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "scalar": np.array(5, np.int32), "empty": np.zeros((0, 4), np.float32), "bool": np.array([True, False]),
    "a.b/c": np.arange(3, dtype=np.uint8), "big": np.arange(5, dtype=">f8"), "half": np.arange(4, dtype=np.float16),
    "short": np.arange(-2, 2, dtype=np.int16), "byte": np.arange(-2, 2, dtype=np.int8), "u2": np.arange(4, dtype=np.uint16),
    "u4": np.array([2**32 - 1], np.uint32), "u8": np.array([2**63 - 1], np.uint64), "i8": np.arange(3),
}


@pytest.mark.parametrize("save_npz", [np.savez, np.savez_compressed])
def test_npz(tmp_path, save_npz):
    save_npz(tmp_path / "w.npz", **ARRAYS)
    found = load(tmp_path / "w.npz")
    assert list(found) == list(ARRAYS)
    for name, value in ARRAYS.items():
        np.testing.assert_array_equal(found[name].array, value)
        assert found[name].array.dtype.isnative
        assert found[name].array.flags.writeable
    assert {found[name].array.dtype.name for name in ("half", "short", "byte", "u2", "u4", "u8", "w")} == {
        "float32", "int32", "int64"}
    save(found, tmp_path / "back")  # every type that comes out can be written


@pytest.mark.parametrize("name", ARRAYS)
def test_npy(tmp_path, name):
    np.save(tmp_path / "w.npy", ARRAYS[name])
    np.testing.assert_array_equal(load(tmp_path / "w.npy")["tensor"].array, ARRAYS[name])
    np.testing.assert_array_equal(load_npz(tmp_path / "w.npy")["tensor"].array, ARRAYS[name])


def test_a_uint64_that_is_too_large(tmp_path):
    np.savez(tmp_path / "w.npz", w=np.array([2**63], np.uint64))
    with pytest.raises(ValueError, match=r"array 'w' holds 9223372036854775808, too large for int64"):
        load(tmp_path / "w.npz")


def test_an_array_with_a_long_header_compresses_well(tmp_path):
    """Zeros pack a thousandfold; 60 MB of them are still within the limits."""
    np.savez_compressed(tmp_path / "w.npz", w=np.zeros(15_000_000, np.float32))
    assert (tmp_path / "w.npz").stat().st_size < 100_000
    assert load(tmp_path / "w.npz")["w"].shape == (15_000_000,)


def test_bytes_behind_the_compressed_ones_are_no_array(tmp_path):
    (tmp_path / "w").write_bytes(zip_file({"w.npy": b"\x93NUMPY\x01\0" + struct.pack("<H", 2) + b"{}"}))
    with pytest.raises(ValueError, match=r"has the header b'\{\}', expected descr"):
        load(tmp_path / "w")


# --- Caffe ----------------------------------------------------------------------------------------
def caffe_arrays():
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in {
        "conv1.weight": (4, 3, 2, 2), "conv1.bias": (4,), "fc8.weight": (5, 6), "fc8.bias": (5,), "up.weight": (2, 1, 4, 4)}.items()}


def check(path, expected):
    found = load(path)
    assert list(found) == list(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name].array, value, rtol=1e-6)
        assert found[name].array.dtype == np.float32


def test_caffe(tmp_path):
    a = caffe_arrays()
    (tmp_path / "w").write_bytes(
        field(1, b"net") + field(3, b"data") + field(4, 1) + layer("data", "Input") + layer(
            "conv1", "Convolution", blob(a["conv1.weight"]), blob(a["conv1.bias"])) + layer("relu1", "ReLU") + layer(
            "fc8", "InnerProduct", blob(a["fc8.weight"]), blob(a["fc8.bias"])) + layer("up", "Deconvolution", blob(a["up.weight"])))
    assert recognise(tmp_path / "w") == "caffemodel"
    check(tmp_path / "w", a)


def test_caffe_of_the_older_kind(tmp_path):
    """Layers in field 2 with types by number; every blob has four axes."""
    a = caffe_arrays()
    (tmp_path / "w").write_bytes(
        field(1, b"net") + v1_layer("conv1", 4, v1_blob(a["conv1.weight"]), v1_blob(a["conv1.bias"])) + v1_layer("relu", 18)
        + v1_layer("fc8", 14, v1_blob(a["fc8.weight"]), v1_blob(a["fc8.bias"])) + v1_layer("up", 39, v1_blob(a["up.weight"])))
    check(tmp_path / "w", a)


def test_caffe_batch_norm_and_layers_without_roles(tmp_path):
    mean, var = np.array([2, 4], np.float32), np.array([6, 8], np.float32)
    (tmp_path / "w").write_bytes(
        layer("bn", "BatchNorm", blob(mean), blob(var), blob(np.array([2.0]))) + layer("unused", "BatchNorm", blob(mean), blob(var),
        blob(np.array([0.0]))) + layer("scale", "Scale", blob(mean), blob(var)) + layer("prelu", "PReLU", blob(mean)) + layer(
        "odd", "Python", blob(mean), blob(var)))
    check(tmp_path / "w", {
        "bn.running_mean": mean / 2, "bn.running_var": var / 2, "unused.running_mean": 0 * mean, "unused.running_var": 0 * var,
        "scale.weight": mean, "scale.bias": var, "prelu.weight": mean, "odd.0": mean, "odd.1": var})


def test_caffe_in_double_precision_with_unknown_fields(tmp_path):
    values = np.array([[1.5, 2.5]])
    content = field(7, field(1, b"\x01\x02")) + field(8, values.astype("<f8").tobytes()) + field(6, b"skipped") + field(99, 7)
    (tmp_path / "w").write_bytes(layer("fc", "InnerProduct", content) + b"\x79" + bytes(8) + b"\x7d" + bytes(4))
    found = load_caffemodel(tmp_path / "w")["fc.weight"].array
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, values)


def test_a_single_convolution_keeps_its_axes(tmp_path):
    (tmp_path / "w").write_bytes(caffe(blob(np.ones((1, 1, 1, 1), np.float32)), blob(np.ones(1, np.float32))))
    assert {k: v.shape for k, v in load(tmp_path / "w").items()} == {"conv1.weight": (1, 1, 1, 1), "conv1.bias": (1,)}


# --- Darknet --------------------------------------------------------------------------------------
@pytest.mark.parametrize(("header", "seen"), [
    (struct.pack("<3ii", 0, 1, 0, 77), 77), (struct.pack("<3iq", 0, 2, 0, 2**40), 2**40), (struct.pack("<3iq", 0, 2, 5, 3), 3),
    (struct.pack("<3iq", 1, 0, 0, 3), 3)])
def test_darknet(tmp_path, header, seen):
    (tmp_path / "w").write_bytes(header + np.arange(6, dtype="<f4").tobytes())
    found = load_darknet(tmp_path / "w")
    assert (found.major, found.minor, found.revision, found.seen) == (*struct.unpack("<3i", header[:12]), seen)
    assert found.values.tolist() == [0, 1, 2, 3, 4, 5]
    assert recognise(tmp_path / "w") == "darknet"
    assert load(tmp_path / "w")["darknet"].array.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("content", [b"", bytes(10), darknet(300), darknet(-1), darknet(revision=1000), darknet() + b"x"])
def test_what_is_no_file_of_darknet(tmp_path, content):
    (tmp_path / "w").write_bytes(content)
    with pytest.raises(ValueError, match=r"is no file of Darknet's|too few"):
        load_darknet(tmp_path / "w")


# --- which format ---------------------------------------------------------------------------------
def test_safetensors_whose_size_begins_like_another_format(tmp_path):
    """The first eight bytes are a size: it may begin with those of a zip archive or a pickle."""
    from malformed_safetensors import file

    for size in (0x4B50, 0x80, 0x0A, 0x12, 0xA2, 0x08):  # "PK", a pickle, Caffe, ONNX
        size += 0 if size > 100 else 0x200
        header = b'{"__metadata__":{"a":"' + b"x" * (size - 25) + b'"}}'
        (tmp_path / "w").write_bytes(file(header))
        assert (tmp_path / "w").read_bytes()[0] == size & 0xFF
        assert recognise(tmp_path / "w") == "safetensors"
        assert load(tmp_path / "w") == {}


def test_places_that_are_no_files(tmp_path):
    for function in (load, recognise, load_npz, load_caffemodel, load_darknet):
        with pytest.raises(ValueError, match=r"is not a regular file"):
            function(tmp_path)
        with pytest.raises(FileNotFoundError):
            function(tmp_path / "none")
