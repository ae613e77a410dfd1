"""Caffe's .caffemodel files: a protocol buffer with a list of layers, each with a name, a type and its arrays ("blobs").

Of the protocol buffer this reads the fields that weights need and steps over the rest. Field numbers (caffe.proto):

========================  ====================================================================================
NetParameter              2: layers of the older kind, 100: layers of the newer kind
LayerParameter            1: name, 2: type (text), 7: blobs
V1LayerParameter          4: name, 5: type (number), 6: blobs; 1: a layer of the oldest kind, which is refused
BlobProto                 1 to 4: number, channels, height, width; 5: float data, 7: shape, 8: double data
BlobShape                 1: sizes
========================  ====================================================================================
"""

from __future__ import annotations

import math
import os
from typing import NamedTuple

import numpy as np

from pyconv.io.protobuf import Field, Message, root
from pyconv.io.source import Source, short, source
from pyconv.tensor import Tensor

MAX_RANK = 32
MAX_BLOBS = 16  # of one layer
_V1_TYPES = {4: "Convolution", 14: "InnerProduct", 39: "Deconvolution"}
#: What a layer's blobs are, by its type; "scale factor" divides the two before it.
_ROLES = {"Convolution": ("weight", "bias"), "Deconvolution": ("weight", "bias"), "InnerProduct": ("weight", "bias"),
          "Scale": ("weight", "bias"), "PReLU": ("weight",), "BatchNorm": ("running_mean", "running_var", "factor")}


class Blob(NamedTuple):
    """An array before it is read."""

    shape: tuple[int, ...]
    data: Field | None
    item: int


def load_caffemodel(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Read the arrays of a .caffemodel by layer: "conv1.weight" (out, in / groups, height, width), "conv1.bias".

    Convolutions, deconvolutions, inner products and scales have weight and bias; batch norm running_mean and running_var
    (divided by its third blob); a layer of another type "name.0", "name.1", and so on. Networks that were trained with
    Caffe usually want their channels in the order blue, green, red, from 0 to 255, less a mean.

    Raises ValueError for damaged files, before memory for an array is taken; OSError as `open`.
    """
    with source(path) as file:
        return read_caffemodel(file)


def looks_like_caffemodel(file: Source) -> bool:
    """Whether the file is a message with layers, to its last byte."""
    if file.size == 0 or file.read(0, 1, "the file's start")[0] not in (0x0A, 0x12, 0xA2):
        return False
    try:
        fields = list(root(file, 100_000).fields())
    except ValueError:
        return False
    return any(field.number in (2, 100) and field.wire == 2 for field in fields)


def read_caffemodel(file: Source) -> dict[str, Tensor]:
    """See `load_caffemodel`."""
    found: dict[str, Tensor] = {}
    for field in root(file).fields():
        if field.number in (2, 100):
            name, kind, blobs = _layer(field.message("a layer"), field.number == 2)
            for key, tensor in _named(file, name, kind, blobs):
                if key in found:
                    raise file.fail(f"layer {short(name)} appears twice")
                found[key] = tensor
    return found


def _layer(message: Message, old: bool) -> tuple[str, str, list[Blob]]:
    name, kind, blobs = "", "", []
    numbers = {"name": 4, "type": 5, "blobs": 6} if old else {"name": 1, "type": 2, "blobs": 7}
    for field in message.fields():
        if field.number == numbers["name"]:
            name = field.text("a layer's name")
        elif field.number == numbers["type"]:
            kind = _V1_TYPES.get(field.integer("a layer's type"), "other") if old else field.text("a layer's type")
        elif field.number == numbers["blobs"]:
            blobs.append(_blob(field.message(f"a blob of layer {short(name)}")))
            if len(blobs) > MAX_BLOBS:
                raise message.file.fail(f"layer {short(name)} has more than {MAX_BLOBS} blobs")
        elif old and field.number == 1:
            raise message.file.fail("holds layers of Caffe's oldest format, expected V1 or later (Caffe's "
                                    "upgrade_net_proto_binary brings them up to date)")
    return name, kind, blobs


def _blob(message: Message) -> Blob:
    legacy, shape, data, item = [1, 1, 1, 1], None, None, 4
    for field in message.fields():
        if 1 <= field.number <= 4:
            legacy[field.number - 1] = field.integer("a blob's size")
        elif field.number in (5, 8):
            if data is not None:
                raise message.file.fail("a blob has its data in pieces, expected them together")
            data, item = field, 4 if field.number == 5 else 8
            if field.wire != 2:
                raise message.file.fail("a blob has its numbers one by one, expected them packed")
        elif field.number == 7:
            shape = _shape(field.message("a blob's shape"))
    sizes = legacy if shape is None else shape
    if len(sizes) > MAX_RANK or any(not 0 <= n < 2**62 for n in sizes):
        raise message.file.fail(f"a blob has the sizes {sizes[:MAX_RANK + 1]}, expected at most {MAX_RANK} from 0 on")
    length = 0 if data is None else data.length
    if math.prod(n for n in sizes if n) >= 2**60 or math.prod(sizes) * item != length:
        raise message.file.fail(f"a blob of sizes {sizes} has {length} bytes of data, expected {item} for each number")
    return Blob(tuple(sizes), data, item)


def _shape(message: Message) -> list[int]:
    sizes: list[int] = []
    for field in message.fields():
        if field.number == 1:
            sizes += field.integers("a blob's sizes", MAX_RANK + 1)
        if len(sizes) > MAX_RANK:
            break
    return sizes


def _named(file: Source, name: str, kind: str, blobs: list[Blob]) -> list[tuple[str, Tensor]]:
    """The arrays of a layer with the names that they get."""
    roles = _ROLES.get(kind, ())
    arrays = {}
    for i, blob in enumerate(blobs):
        if blob.data is None:
            array = np.zeros(blob.shape, np.float32)
        else:
            dtype = np.dtype("<f4" if blob.item == 4 else "<f8")
            array = file.read_array(blob.data.begin, math.prod(blob.shape), dtype, f"layer {short(name)}")
            array = array.astype(dtype.newbyteorder("="), copy=False).reshape(blob.shape)
        role = roles[i] if i < len(roles) else str(i)
        arrays[role] = _trimmed(array, kind, role)
    factor = arrays.pop("factor", None)
    if factor is not None:
        if factor.size != 1:
            raise file.fail(f"layer {short(name)}: its third blob has {factor.size} numbers, expected the one scale factor")
        scale = np.float32(0 if factor.reshape(-1)[0] == 0 else 1 / factor.reshape(-1)[0])
        for role in ("running_mean", "running_var"):
            arrays[role] = arrays[role] * scale
    return [(f"{name}.{role}", Tensor(array)) for role, array in arrays.items()]


def _trimmed(array: np.ndarray, kind: str, role: str) -> np.ndarray:
    """Without the leading axes of length one that older files have: a bias (1, 1, 1, n), a matrix (1, 1, n, k)."""
    rank = {"weight": 2 if kind == "InnerProduct" else 4 if kind in ("Convolution", "Deconvolution") else 1}.get(role, 1)
    while array.ndim > rank and array.shape[0] == 1 and role in _ROLES.get(kind, ()):
        array = array[0]
    return array
