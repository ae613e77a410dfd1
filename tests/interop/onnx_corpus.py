"""Malformed ONNX models, built from the rules that they break: name -> a `Case`."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from onnx import AttributeProto, TensorProto, ValueInfoProto, helper, numpy_helper

F = TensorProto.FLOAT
ONE = np.ones((1, 4, 6, 6), np.float32)
HUGE, LAST = 2**62, 2**63 - 1


@dataclass
class Case:
    """A model, its inputs, and what the error says."""

    model: Any  # bytes, or a function of a folder that gives a path
    match: str
    inputs: list[np.ndarray] = field(default_factory=lambda: [ONE])
    options: dict[str, Any] = field(default_factory=dict)


CASES: dict[str, Case] = {}


def add(name: str, model: Any, match: str, inputs: Any = None, **options: Any) -> None:
    assert name not in CASES, name
    data = model if isinstance(model, bytes) or callable(model) else model.SerializeToString()
    CASES[name] = Case(data, match, [ONE] if inputs is None else inputs, options)


def info(name: str, array: Any = ONE) -> Any:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)


def model(nodes, inputs=("x",), outputs=("y",), weights=(), opset=18, ir=8, values=None):
    """A model; outputs without a type, inputs of ``values``."""
    values = values or {}
    given = [info(n, values.get(n, ONE)) if isinstance(n, str) else n for n in inputs]
    results = [ValueInfoProto(name=n) if isinstance(n, str) else n for n in outputs]
    graph = helper.make_graph(list(nodes), "g", given, results, list(weights))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir)


def node(op, inputs=("x",), outputs=("y",), **attrs):
    return helper.make_node(op, list(inputs), list(outputs), **attrs)


def single(op, *arrays, outputs=("y",), opset=18, **attrs):
    """A model of one operator and its inputs; None is an input that is left out."""
    names = ["" if a is None else f"i{i}" for i, a in enumerate(arrays)]
    values = {n: a for n, a in zip(names, arrays, strict=True) if n}
    return model([node(op, names, outputs, **attrs)], list(values), outputs, opset=opset, values=values), [*values.values()]


def run(name: str, match: str, op: str, *arrays: Any, **attrs: Any) -> None:
    """A case whose error comes when the operator runs."""
    proto, inputs = single(op, *arrays, **attrs)
    add(name, proto, match, inputs)


def f(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def i(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def scalar(value: Any, dtype: Any = np.int64) -> np.ndarray:
    return np.array(value, dtype)


RELU = node("Relu")
GOOD = model([RELU]).SerializeToString()


def changed(change: Callable[[Any], Any], base: bytes = GOOD) -> Any:
    from onnx import ModelProto

    proto = ModelProto()
    proto.ParseFromString(base)
    change(proto)
    return proto


# --- bytes that are no model ----------------------------------------------------------------------------------------
add("empty", b"", r"0 bytes")
add("one byte", b"\x08", r"no ONNX file")
add("zeros", bytes(64), r"no ONNX file")
add("text", b"hello, this is no model at all", r"no ONNX file")
add("json", b'{"graph": []}', r"no ONNX file")
add("random", np.random.default_rng(1).bytes(4096), r"no ONNX file")
add("endless varint", b"\x08" + b"\xff" * 32, r"no ONNX file")
add("length beyond the end", b"\x3a\xff\xff\xff\xff\x07ab", r"no ONNX file")
add("group that never ends", b"\x3b" * 40, r"no ONNX file")
add("field number 0", b"\x02\x00", r"no ONNX file")
add("graph as a number", b"\x08\x08\x38\x05", r"no graph")
add("only unknown fields", b"\xf8\x07\x01", r"no graph")
for word in (b"Relu", b"x\x12"):
    add(f"not UTF-8 {word!r}", GOOD.replace(word, b"\xff" + word[1:]), r"no ONNX file|no UTF-8 text|not defined")
for k in range(1, 64):
    add(f"cut at {k}/64", (cut := GOOD[:len(GOOD) * k // 64]), r"no ONNX file|no graph|opset_import|ir_version|not supported|0 bytes"
        if cut else "0 bytes")


def nested_bytes(depth: int) -> bytes:
    """A graph attribute in a node in a graph ... on the wire."""
    def wrap(tag: int, data: bytes) -> bytes:
        size, out = len(data), b""
        while size > 127:
            out += bytes([size & 127 | 128])
            size >>= 7
        return bytes([tag]) + out + bytes([size]) + data

    graph = b""
    for _ in range(depth):
        graph = wrap(0x0A, wrap(0x22, b"\x02If") + wrap(0x2A, wrap(0x0A, b"a") + b"\xa0\x01\x05" + wrap(0x32, graph)))
    return b"\x08\x08" + wrap(0x3A, graph)


add("nested 1,000 deep", nested_bytes(1000), r"no ONNX file")
add("nested 10,000 deep", nested_bytes(10_000), r"no ONNX file")

# --- the frame ------------------------------------------------------------------------------------------------------
add("no graph", changed(lambda m: m.ClearField("graph")), r"no graph")
for version in (0, 2, 999, -1, 2**62):
    add(f"ir_version {version}", changed(lambda m, v=version: setattr(m, "ir_version", v)), r"ir_version is")
add("no opset", changed(lambda m: m.ClearField("opset_import")), r"opset_import lacks the default domain")
for version in (0, -1, 999, 2**62):
    add(f"opset {version}", changed(lambda m, v=version: setattr(m.opset_import[0], "version", v)), r"opset -?\d+, expected")
add("two opsets", changed(lambda m: m.opset_import.append(helper.make_opsetid("ai.onnx", 17))), r"imported in two versions")
add("functions", changed(lambda m: m.functions.add(name="f")), r"functions of the model's own")
add("old form", model([node("Concat", ("x", "x"), axis=1)], opset=3), r"form before opset 6")

# --- the graph ------------------------------------------------------------------------------------------------------
add("empty graph", changed(lambda m: m.graph.Clear()), r"no outputs")
add("no outputs", changed(lambda m: m.graph.ClearField("output")), r"no outputs")
add("undefined output", model([RELU], outputs=("z",)), r"output 'z' is not defined")
add("undefined input", model([node("Relu", ("z",))]), r"input 'z' is not defined")
add("self loop", model([node("Add", ("x", "y"))]), r"form a cycle")
add("cycle", model([node("Add", ("x", "b"), ("a",)), node("Add", ("x", "a"), ("b",)), node("Relu", ("b",))]), r"form a cycle")
add("out of order", model([node("Relu", ("a",)), node("Relu", ("x",), ("a",))]), r"not in order")
add("input twice", model([RELU], ("x", "x")), r"input 'x': the name is empty or taken")
add("empty input name", model([RELU], ("x", "")), r"input '': the name is empty")
add("output twice", model([RELU, RELU]), r"output 'y' is defined twice")
add("output is an input", model([node("Relu", outputs=("x",))]), r"output 'x' is defined twice")
add("two outputs of one name", model([node("MaxPool", outputs=("y", "y"), kernel_shape=[1, 1])]), r"two outputs have the same")
add("weight twice", model([RELU], weights=[numpy_helper.from_array(f(1), "w")] * 2), r"initializer 'w': the name is")
add("weight without name", model([RELU], weights=[numpy_helper.from_array(f(1), "")]), r"initializer '': the name is")
add("weight is an output", model([RELU], weights=[numpy_helper.from_array(f(1), "y")]), r"defined twice")
add("unknown operator", model([node("Frobnicate")]), r"operator 'Frobnicate' does not exist")
add("no operator", model([node("")]), r"operator '' does not exist")
add("long operator", model([node("A" * 100_000)]), r"\(100000 characters\) does not exist")
add("unknown domain", model([node("Relu", domain="com.example")]), r"domain 'com.example' is not supported")
add("deprecated", model([node("Upsample", ("x", "s"))], ("x", "s"), values={"s": f(1, 1, 2, 2)}), r"taken out of the standard")
add("no inputs", model([node("Relu", ())]), r"0 inputs, expected 1")
add("too many inputs", model([node("Relu", ("x", "x"))]), r"2 inputs, expected 1")
add("hole", model([node("Add", ("", "x"))]), r"input 0 \(A\) is missing")
add("hole in a list", model([node("Concat", ("x", "", "x"), axis=0)]), r"input 1 \(inputs\) is missing")
add("too many outputs", model([node("Relu", outputs=("y", "z"))]), r"2 outputs, expected 1")
add("unknown attribute", model([node("Relu", speed=9)]), r"attribute 'speed' does not exist")
add("attribute twice", changed(lambda m: m.graph.node[0].attribute.extend(
    [helper.make_attribute("alpha", 0.1)] * 2), model([node("LeakyRelu")]).SerializeToString()), r"alpha is given twice")
add("attribute of another type", model([node("LeakyRelu", alpha=1)]), r"attribute alpha is INT, expected FLOAT")
add("attribute without type", changed(lambda m: m.graph.node[0].attribute.append(AttributeProto(name="alpha", f=0.1)),
                                      model([node("LeakyRelu")]).SerializeToString()), r"alpha is UNDEFINED, expected")
add("attribute of unknown type", changed(lambda m: m.graph.node[0].attribute.append(
    AttributeProto(name="alpha", type=2)), model([node("LeakyRelu")]).SerializeToString()), r"alpha is INT")
add("attribute of a function", changed(lambda m: m.graph.node[0].attribute.append(
    AttributeProto(name="alpha", type=1, ref_attr_name="a")), model([node("LeakyRelu")]).SerializeToString()), r"refers to that")
add("missing attribute", model([node("Concat", ("x", "x"))]), r"attribute axis is missing")
add("attribute is no text", model([node("DepthToSpace", blocksize=2, mode=b"\xff\xfe")]), r"mode is no UTF-8 text")
add("sparse weight", changed(lambda m: m.graph.sparse_initializer.add()), r"sparse tensors are not supported")
add("sequence input", changed(lambda m: m.graph.input[0].CopyFrom(
    helper.make_tensor_sequence_value_info("x", F, [1]))), r"sequence type, expected a tensor")
add("input without type", changed(lambda m: m.graph.input[0].ClearField("type")), r"no type, expected a tensor")
add("text input", changed(lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", 8)), r"STRING is not supported")
add("complex input", changed(lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", 14)), r"COMPLEX64 is not")
add("unknown type", changed(lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", 99)), r"element type 99 is not")
add("negative size", changed(lambda m: setattr(m.graph.input[0].type.tensor_type.shape.dim[0], "dim_value", -4)), r"negative size -4")
add("rank 9", changed(lambda m: m.graph.input[0].type.tensor_type.shape.dim.extend(
    [m.graph.input[0].type.tensor_type.shape.dim[0]] * 5)), r"9 axes, expected at most 8")
add("100,001 nodes", changed(lambda m: m.graph.node.extend([RELU] * 100_001)), r"more than 100000 nodes")


def branch(inner=None, name="out"):
    return helper.make_graph([inner or node("Identity", ("x",), (name,))], "b", [], [ValueInfoProto(name=name)])


def nested_if(depth: int):
    inner = node("Identity", ("x",), ("out",))
    for _ in range(depth):
        inner = node("If", ("c",), ("out",), then_branch=branch(inner), else_branch=branch())
    return inner


COND = {"c": scalar(True, bool)}
add("20 graphs inside each other", model([nested_if(20)], ("x", "c"), ("out",), values=COND), r"more than 16 graphs|no ONNX file")
add("branch of nothing", model([node("If", ("c",), then_branch=branch(node("Relu", ("q",), ("out",))), else_branch=branch())],
                               ("x", "c"), values=COND), r"input 'q' is not defined")
add("branch without outputs", model([node("If", ("c",), then_branch=helper.make_graph([], "b", [], []), else_branch=branch())],
                                    ("x", "c"), values=COND), r"1 outputs are asked for", [ONE, COND["c"]])
add("condition of two", model([node("If", ("c",), then_branch=branch(), else_branch=branch())], ("x", "c"),
                              values={"c": np.ones(2, bool)}), r"cond has shape \(2,\)", [ONE, np.ones(2, bool)])


# --- tensors --------------------------------------------------------------------------------------------------------
def weight(**fields: Any) -> Any:
    tensor = TensorProto(name="w", **fields)
    return model([node("Add", ("x", "w"))], weights=[tensor])


add("no data", weight(data_type=F, dims=[2]), r"no data, expected 2 elements")
add("raw too short", weight(data_type=F, dims=[2], raw_data=bytes(7)), r"7 bytes, expected 8")
add("raw too long", weight(data_type=F, dims=[2], raw_data=bytes(9)), r"9 bytes, expected 8")
add("two sorts of data", weight(data_type=F, dims=[2], raw_data=bytes(8), float_data=[1, 2]), r"data in float_data and raw_data")
add("too few floats", weight(data_type=F, dims=[3], float_data=[1, 2]), r"2 elements, expected 3")
add("floats as integers", weight(data_type=F, dims=[2], int32_data=[1, 2]), r"data in int32_data, but .* float_data")
add("byte out of range", weight(data_type=2, dims=[1], int32_data=[256]), r"a value outside 0 to 255")
add("half out of range", weight(data_type=10, dims=[1], int32_data=[70000]), r"a value outside 0 to 65535")
add("negative dimension", weight(data_type=F, dims=[-1], raw_data=b""), r"negative size")
add("dimensions overflow", weight(data_type=F, dims=[2**62, 4], raw_data=bytes(4)), r"4 bytes, expected \d+")
add("dimensions overflow to 0", weight(data_type=F, dims=[2**32, 2**32], raw_data=b""), r"bytes, expected|no data")
add("1 TB without data", weight(data_type=F, dims=[2**38]), r"no data, expected")
add("20 dimensions", weight(data_type=F, dims=[1] * 20, raw_data=bytes(4)), r"20 axes, expected at most 8")
add("type 0", weight(data_type=0, dims=[1], raw_data=bytes(4)), r"element type UNDEFINED is not")
add("type 99", weight(data_type=99, dims=[1], raw_data=bytes(4)), r"element type 99 is not")
add("texts", weight(data_type=8, dims=[1], string_data=[b"a"]), r"element type STRING is not")
add("float8", weight(data_type=17, dims=[1], raw_data=bytes(1)), r"element type FLOAT8E4M3FN is not")
add("segments", weight(data_type=F, dims=[1], raw_data=bytes(4), segment=TensorProto.Segment(begin=0, end=1)), r"segments")
add("value of a constant", model([node("Constant", (), value=TensorProto(data_type=F, dims=[4], raw_data=bytes(3)))], ()),
    r"3 bytes, expected 16")
add("two values of a constant", model([node("Constant", (), value_float=1.0, value_int=1)], ()), r"2 of the attributes", [])


# --- data outside the file ------------------------------------------------------------------------------------------
def outside(location: str, prepare: Callable[[Path], None] | None = None, dims=(2,), more: bytes = b"", **entries: Any):
    def write(folder: Path) -> Path:
        home = folder / "home"
        home.mkdir()
        (folder / "secret.bin").write_bytes(bytes(64))
        (home / "good.bin").write_bytes(bytes(64))
        if prepare:
            prepare(home)
        tensor = TensorProto(name="w", data_type=F, dims=dims, data_location=TensorProto.EXTERNAL)
        if more:
            tensor.raw_data = more
        for key, value in {"location": location.replace("HOME", str(home)), **entries}.items():
            tensor.external_data.add(key=key, value=str(value))
        path = home / "model.onnx"
        path.write_bytes(model([node("Add", ("x", "w"))], weights=[tensor]).SerializeToString())
        return path

    return write


def external(name: str, match: str, location: str = "good.bin", prepare: Any = None, **entries: Any) -> None:
    add(f"external: {name}", outside(location, prepare, **entries), match, external_data=True)


add("external: by default", outside("good.bin"), r"external_data=True")
external("absolute", r"expected a plain relative path", "HOME/good.bin")
external("above", r"expected a plain relative path", "../secret.bin")
external("above inside", r"expected a plain relative path", "a/../../secret.bin")
external("dot", r"expected a plain relative path", "./good.bin")
external("empty", r"expected a plain relative path", "")
external("NUL", r"expected a plain relative path", "good.bin\0x")
external("backslash", r"expected a plain relative path", "..\\secret.bin")
external("device", r"expected a plain relative path", "/dev/zero")
external("symbolic link", r"a missing file, or a link", "l", lambda home: os.symlink("../secret.bin", home / "l"))
external("link within", r"a missing file, or a link", "l", lambda home: os.symlink("good.bin", home / "l"))
external("linked folder", r"a missing file, or a link", "d/secret.bin", lambda home: os.symlink("..", home / "d"))
external("hard link", r"hard links", "h", lambda home: os.link(home.parent / "secret.bin", home / "h"))
external("pipe", r"not a regular file", "p", lambda home: os.mkfifo(home / "p"))
external("folder", r"not a regular file|a missing file", "d", lambda home: (home / "d").mkdir())
external("missing", r"a missing file", "nothing.bin")
external("beyond the end", r"which has 64 bytes", offset=60)
external("huge offset", r"which has 64 bytes", offset=2**58)
external("offset overflow", r"expected a whole number", offset=2**64)
external("negative offset", r"expected a whole number", offset=-8)
external("offset no number", r"expected a whole number", offset="0x10")
external("wrong length", r"external data of 4 bytes, expected 8", length=4)
external("huge length", r"expected 8 from its shape", length=2**50)
external("huge shape", r"which has 64 bytes", dims=(2**36,))
external("inside, too", r"both outside and inside", more=bytes(8))
add("external: from bytes", changed(lambda m: m.graph.initializer[0].external_data.add(key="location", value="good.bin"),
                                    changed(lambda m: m.graph.initializer.append(TensorProto(
                                        name="w", data_type=F, dims=[2], data_location=1))).SerializeToString()),
    r"not loaded from a path", external_data=True)


def special(make: Callable[[Path], None]):
    def write(folder: Path) -> Path:
        make(folder / "model.onnx")
        return folder / "model.onnx"

    return write


add("path: pipe", special(lambda p: os.mkfifo(p)), r"not a regular file")
add("path: device", lambda folder: Path("/dev/zero"), r"not a regular file")
add("path: folder", special(lambda p: p.mkdir()), r"not a regular file")
add("path: 3 GB of nothing", special(lambda p: os.truncate(p, 3 << 30) if p.touch() is None else None), r"the format allows")

# --- operators ------------------------------------------------------------------------------------------------------
W = np.ones((4, 4, 3, 3), np.float32)
for group in (0, -1, 3, 2**62):
    run(f"Conv group {group}", r"group|channels", "Conv", ONE, W, group=group)
    run(f"ConvTranspose group {group}", r"group|channels|bytes", "ConvTranspose", ONE, W, group=group)
for op, weights in (("Conv", (W,)), ("ConvTranspose", (W,)), ("MaxPool", ()), ("AveragePool", ()), ("LpPool", ())):
    more = {} if weights else {"kernel_shape": [3, 3]}
    for value in (0, -1, -LAST, HUGE):
        run(f"{op} strides {value}", r"strides is", op, ONE, *weights, strides=[value, 1], **more)
    for value in (-1, HUGE):
        run(f"{op} pads {value}", r"pads is", op, ONE, *weights, pads=[0, value, 0, 0], **more)
        run(f"{op} dilations {value}", r"dilations is", op, ONE, *weights, dilations=[1, value], opset=19, **more)
    run(f"{op} strides of one", r"strides has 1 entries, expected 2", op, ONE, *weights, strides=[1], **more)
    run(f"{op} pads of three", r"pads has 3 entries, expected 4", op, ONE, *weights, pads=[1, 1, 1], **more)
    run(f"{op} auto_pad", r"auto_pad is 'MAYBE'", op, ONE, *weights, auto_pad="MAYBE", **more)
    run(f"{op} large pads", r"bytes|does not fit|would have sizes", op, ONE, *weights, pads=[2**30] * 4, **more)
for op in ("MaxPool", "AveragePool", "LpPool"):
    for value in (0, -1, HUGE):
        run(f"{op} kernel {value}", r"kernel_shape is", op, ONE, kernel_shape=[value, 3])
    run(f"{op} kernel 7", r"does not fit", op, ONE, kernel_shape=[7, 7])
    run(f"{op} rank 2", r"expected 3 to 5", op, np.ones((2, 2), np.float32), kernel_shape=[1])
run("LpPool p", r"p is 0", "LpPool", ONE, kernel_shape=[2, 2], p=0)
run("Conv kernel_shape", r"kernel_shape is \(5, 5\)", "Conv", ONE, W, kernel_shape=[5, 5])
run("Conv empty filter", r"expected no empty axis", "Conv", ONE, np.ones((4, 4, 0, 3), np.float32))
run("Conv channels", r"channels", "Conv", ONE, np.ones((4, 3, 3, 3), np.float32))
run("Conv bias", r"bias has shape", "Conv", ONE, W, f(1, 2))
run("Conv rank", r"expected 3 to 5", "Conv", np.ones((1, 4), np.float32), np.ones((4, 4), np.float32))
run("ConvTranspose output_shape", r"output_shape is", "ConvTranspose", ONE, W, output_shape=[-1, 4])
run("ConvTranspose output_padding", r"output_padding is", "ConvTranspose", ONE, W, output_padding=[-1, 0])
run("ConvTranspose all cut off", r"would have sizes", "ConvTranspose", ONE, W, pads=[9, 9, 9, 9])
for vector in range(4):
    vectors = [f(1, 1, 1, 1)] * vector + [f(1, 1)] + [f(1, 1, 1, 1)] * (3 - vector)
    run(f"BatchNormalization vector {vector}", r"has shape \(2,\), expected \(4,\)", "BatchNormalization", ONE, *vectors)
run("BatchNormalization epsilon", r"epsilon is -1", "BatchNormalization", ONE, *[f(1, 1, 1, 1)] * 4, epsilon=-1.0)
run("BatchNormalization momentum", r"momentum is 2", "BatchNormalization", ONE, *[f(1, 1, 1, 1)] * 4, momentum=2.0)
run("BatchNormalization rank 1", r"expected at least 2", "BatchNormalization", f(1, 2), *[f(1)] * 4)
run("InstanceNormalization scale", r"scale has shape", "InstanceNormalization", ONE, f(1), f(1))
run("GroupNormalization groups", r"num_groups is 3", "GroupNormalization", ONE, f(1), f(1), num_groups=3, opset=21)
run("GroupNormalization no groups", r"num_groups is 0", "GroupNormalization", ONE, f(1), f(1), num_groups=0, opset=21)
run("LayerNormalization axis", r"axis is 9", "LayerNormalization", ONE, f(1), axis=9)
run("LayerNormalization scale", r"does not broadcast|do not broadcast", "LayerNormalization", ONE, f(1, 2))
for size in (0, -1, HUGE):
    run(f"LRN size {size}", r"size is", "LRN", ONE, size=size)
run("LpNormalization p", r"p is 3", "LpNormalization", ONE, p=3)
run("Celu alpha", r"alpha is 0", "Celu", ONE, alpha=0.0)
run("Dropout ratio", r"ratio is 1", "Dropout", ONE, scalar(1.0, np.float32), scalar(True, bool))
run("Softmax axis", r"axis is 4", "Softmax", ONE, axis=4)
for name, scales in {"two": f(1, 2), "inf": f(1, 1, np.inf, 1), "nan": f(1, 1, np.nan, 1), "negative": f(1, 1, -1, 1),
                     "zero": f(1, 1, 0, 1), "huge": f(1, 1, 1e9, 1e9), "beyond": f(1, 1, 1e30, 1)}.items():
    run(f"Resize scales {name}", r"scales is|bytes", "Resize", ONE, None, scales)
run("Resize sizes negative", r"sizes is", "Resize", ONE, None, None, i(1, 4, -6, 6))
run("Resize sizes huge", r"bytes", "Resize", ONE, None, None, i(1, 4, 2**20, 2**20))
run("Resize sizes and scales", r"expected one of them", "Resize", ONE, None, f(1, 1, 1, 1), i(1, 4, 6, 6))
run("Resize nothing", r"expected one of them", "Resize", ONE)
run("Resize axes twice", r"names an axis twice", "Resize", ONE, None, f(2, 2), axes=[2, 2])
run("Resize mode", r"mode is 'blurry'", "Resize", ONE, None, f(1, 1, 2, 2), mode="blurry")
run("Resize roi", r"roi has shape", "Resize", ONE, None, f(1, 1, 2, 2), coordinate_transformation_mode="tf_crop_and_resize")
run("Resize antialias", r"bytes", "Resize", np.ones((1, 1, 1, 64), np.float32), None, f(1, 1, 64, 1e-9), mode="cubic",
    antialias=1, opset=19)
A, B = np.ones((2, 3), np.float32), np.ones((4, 5), np.float32)
run("Gemm", r"cannot multiply \(2, 3\) by \(4, 5\)", "Gemm", A, B)
run("Gemm bias", r"C has shape|do not broadcast", "Gemm", A, np.ones((3, 5), np.float32), f(1, 2))
run("Gemm rank", r"expected matrices", "Gemm", ONE, B)
run("Gemm transA", r"transA is 7", "Gemm", A, B, transA=7)
run("MatMul", r"cannot multiply", "MatMul", A, B)
run("MatMul batches", r"do not broadcast", "MatMul", np.ones((2, 3, 4), np.float32), np.ones((5, 4, 3), np.float32))
run("MatMul outer product", r"bytes", "MatMul", np.ones((2**17, 1), np.float32), np.ones((1, 2**17), np.float32))
run("Add outer sum", r"bytes", "Add", np.ones((2**17, 1), np.float32), np.ones((1, 2**17), np.float32))
run("Add shapes", r"do not broadcast", "Add", f(1, 2), f(1, 2, 3))
run("Add types", r"has type int64, expected float32", "Add", f(1), i(1))
run("Div by 0", r"divided by 0", "Div", i(1), i(0))
run("Mod by 0", r"division by 0", "Mod", i(1), i(0))
for name, shape in {"two -1": i(-1, -1), "-2": i(-2), "too many": i(7, 7), "huge": i(HUGE, 4), "keep": i(0, 0, 0, 0, 0),
                    "rank 9": i(1, 1, 1, 1, 1, 1, 1, 1, -1), "overflow": i(2**32, 2**32, -1)}.items():
    run(f"Reshape {name}", r"shape|axes", "Reshape", ONE, shape)
run("Reshape matrix", r"expected a vector", "Reshape", ONE, np.ones((2, 2), np.int64))
run("Reshape zero and rest", r"both 0 and -1", "Reshape", ONE, i(0, -1), allowzero=1)
run("Flatten axis", r"axis is 5", "Flatten", ONE, axis=5)
run("Transpose perm", r"perm is \(0, 0, 1, 2\)", "Transpose", ONE, perm=[0, 0, 1, 2])
run("Squeeze axis", r"axis 1 has size 4", "Squeeze", ONE, i(1))
run("Squeeze twice", r"names an axis twice", "Squeeze", ONE, i(0, -4))
run("Unsqueeze twice", r"names an axis twice", "Unsqueeze", ONE, i(0, 0))
run("Unsqueeze many", r"axes, expected at most 8", "Unsqueeze", ONE, i(*range(100)))
run("Concat shapes", r"differs from", "Concat", ONE, np.ones((1, 4, 5, 6), np.float32), axis=1)
run("Concat axis", r"axis is 4", "Concat", ONE, axis=4)
run("Split sum", r"expected 2 sizes whose sum is 4", "Split", ONE, i(1, 1), outputs=("y", "z"), axis=1)
run("Split negative", r"split is", "Split", ONE, i(-1, 5), outputs=("y", "z"), axis=1)
run("Split uneven", r"num_outputs is 3", "Split", ONE, outputs=("y", "z"), axis=1, num_outputs=3)
run("Slice steps", r"expected no 0", "Slice", ONE, i(0), i(1), i(0), i(0))
run("Slice lengths", r"entries, expected equal numbers", "Slice", ONE, i(0, 0), i(1))
run("Slice axes", r"axes is 7", "Slice", ONE, i(0), i(1), i(7))
for name, pads in {"negative": i(0, 0, -7, 0, 0, 0, 0, 0), "huge": i(0, 0, HUGE, 0, 0, 0, 0, 0), "two": i(1, 1),
                   "wrapping": i(0, 0, LAST, 0, 0, 0, LAST, 0)}.items():
    run(f"Pad {name}", r"cannot be padded|bytes|pads has", "Pad", ONE, pads)
run("Pad mode", r"mode is 'soft'", "Pad", ONE, i(*[0] * 8), mode="soft")
run("Pad reflect huge", r"bytes", "Pad", ONE, i(0, 0, 2**40, 0, 0, 0, 0, 0), mode="reflect")
run("Pad nothing", r"empty", "Pad", np.ones((0,), np.float32), i(1, 1), mode="edge")
for name, shape in {"huge": i(HUGE), "overflow": i(2**32, 2**32), "negative": i(-1), "4 GB": i(2**30), "rank 9": i(*[1] * 9)}.items():
    run(f"ConstantOfShape {name}", r"bytes|negative size|axes", "ConstantOfShape", shape)
    run(f"Expand {name}", r"bytes|negative size|axes", "Expand", f(1), shape)
run("Tile huge", r"bytes", "Tile", ONE, i(1, 1, HUGE, 1))
run("Tile negative", r"repeats is", "Tile", ONE, i(1, 1, -1, 1))
run("Tile two", r"repeats is", "Tile", ONE, i(1, 1))
for name, (a, b, d) in {"huge": (0, LAST, 1), "delta 0": (0, 1, 0), "backward": (LAST, -LAST, -1)}.items():
    run(f"Range {name}", r"bytes|delta", "Range", scalar(a), scalar(b), scalar(d))
run("Range nan", r"finite", "Range", *[scalar(v, np.float32) for v in (0, np.nan, 1)])
run("Range tiny step", r"bytes", "Range", *[scalar(v, np.float32) for v in (0, 1e30, 1e-30)])
run("OneHot huge", r"bytes", "OneHot", i(1, 2), scalar(2**50), f(0, 1))
run("OneHot depth", r"depth is 0", "OneHot", i(1, 2), scalar(0), f(0, 1))
run("EyeLike rank", r"expected 2", "EyeLike", ONE)
run("RandomNormal huge", r"bytes", "RandomNormal", shape=[2**20, 2**20])
run("RandomUniform type", r"expected a floating type", "RandomUniform", shape=[2], dtype=7)
run("Cast to text", r"STRING is not supported", "Cast", ONE, to=8)
run("Cast to 99", r"element type 99", "Cast", ONE, to=99)
run("Gather index", r"indices holds 4, expected -1 to 0", "Gather", ONE, i(4))
run("Gather huge", r"bytes", "Gather", np.ones((2, 2**20), np.float32), np.zeros(2**12, np.int64))
run("GatherElements shape", r"does not lie in", "GatherElements", ONE, np.zeros((9, 9, 9, 9), np.int64))
run("GatherND depth", r"indices have shape", "GatherND", ONE, np.zeros((2, 5), np.int64))
run("GatherND index", r"indices holds 7", "GatherND", ONE, i(0, 7).reshape(1, 2))
run("ScatterND updates", r"updates have shape", "ScatterND", ONE, i(0, 0).reshape(1, 2), f(1))
run("ScatterND index", r"indices holds -9", "ScatterND", f(1, 2), i(-9).reshape(1, 1), f(1))
run("ScatterElements reduction", r"reduction is 'median'", "ScatterElements", f(1, 2), i(0), f(1), reduction="median")
run("TopK k", r"k is 9, expected 0 to 6", "TopK", ONE, i(9), outputs=("y", "z"))
run("TopK negative", r"k is -1", "TopK", ONE, i(-1), outputs=("y", "z"))
run("CumSum axis", r"axis is 4", "CumSum", ONE, scalar(4))
run("Compress", r"condition has shape", "Compress", f(1, 2), np.ones(3, bool))
run("ReduceSum axes", r"axes is 4", "ReduceSum", ONE, i(4))
run("ReduceSum twice", r"names an axis twice", "ReduceSum", ONE, i(1, 1))
run("ArgMax empty", r"axis 0 is empty", "ArgMax", np.ones((0,), np.float32))
for value in (0, -1, 2**32, HUGE):
    run(f"DepthToSpace blocksize {value}", r"blocksize|multiple", "DepthToSpace", ONE, blocksize=value)
    run(f"SpaceToDepth blocksize {value}", r"blocksize|multiple", "SpaceToDepth", ONE, blocksize=value)
run("CenterCropPad huge", r"bytes", "CenterCropPad", ONE, i(1, 4, 2**40, 6))
run("MaxUnpool index", r"outside 0 to", "MaxUnpool", np.ones((1, 1, 2, 2), np.float32), i(0, 1, 2, 99).reshape(1, 1, 2, 2),
    kernel_shape=[2, 2])
run("MaxUnpool negative", r"outside 0 to", "MaxUnpool", np.ones((1, 1, 2, 2), np.float32), i(0, 1, 2, -1).reshape(1, 1, 2, 2),
    kernel_shape=[2, 2])
run("ReverseSequence length", r"outside 0 to", "ReverseSequence", A, i(9, 1, 1))


# --- loops ----------------------------------------------------------------------------------------------------------
def loop(name: str, match: str, body_nodes: Any, trips: int = LAST, outputs=("v_out",), **options: Any) -> None:
    body = helper.make_graph(
        body_nodes, "b", [info("t", scalar(0)), info("c", scalar(True, bool)), ValueInfoProto(name="v")],
        [ValueInfoProto(name=n) for n in ("c_out", *outputs)])
    proto = model([node("Loop", ("m", "", "x"), [f"y{k}" for k in range(len(outputs))], body=body)], ("m", "x"),
                  ["y0"], values={"m": scalar(trips), "x": f(1)})
    add(name, proto, match, [scalar(trips), f(1)], **options)


GO = node("Identity", ("c",), ("c_out",))
loop("Loop without end", r"more than 250000", [GO, node("Identity", ("v",), ("v_out",))])
loop("Loop that doubles", r"bytes", [GO, node("Concat", ("v", "v"), ("v_out",), axis=0)], max_bytes=2**24)
loop("Loop that collects", r"bytes|more than 250000", [GO, node("Identity", ("v",), ("v_out",)), node("Expand", ("v", "n"), ("big",)),
                                      node("Constant", (), ("n",), value=numpy_helper.from_array(i(2**20)))][::-1],
     outputs=("v_out", "big"), max_bytes=2**26)
loop("Loop of changing shapes", r"has shape", [GO, node("Concat", ("v", "v"), ("v_out",), axis=0), node("Identity", ("v",), ("s",))],
     trips=3, outputs=("v_out", "s"))
loop("Loop without condition", r"not defined|form a cycle", [node("Identity", ("v",), ("v_out",))])

# --- inputs ---------------------------------------------------------------------------------------------------------
add("input of another type", GOOD, r"has dtype float64, expected float32", [ONE.astype(np.float64)])
add("input of another shape", GOOD, r"has shape \(2,\), expected 1 x 4 x 6 x 6", [f(1, 2)])
add("too few inputs", GOOD, r"0 inputs, expected 1: x", [])
add("two inputs", GOOD, r"2 inputs, expected 1: x", [ONE, ONE])

GOOD_EXTERNAL = Case(outside("good.bin", offset=8), "", [ONE[..., :2].copy()], {"external_data": True})
