"""PyTorch's files, .pth and .pt, without PyTorch and without unpickling: tensors in dictionaries, and nothing else.

Since 1.6 torch.save writes a zip archive: ``NAME/data.pkl``, the pickled structure in which tensors point to storages, and
``NAME/data/KEY``, one entry per storage. Before, it wrote pickles one behind the other (a magic number, a version, facts
about the system, the structure, the storages' keys) and then the storages. `opcodes` reads both kinds of pickle; the table
`_GLOBALS` has every name that may occur in one.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from pyconv.io import archive
from pyconv.io.archive import Entry
from pyconv.io.opcodes import PickleError, is_key, run
from pyconv.io.source import Source, short, source
from pyconv.io.storages import Storage, TensorRef, flatten, tensors
from pyconv.io.stored import stored_dtype
from pyconv.tensor import Tensor

MAGIC = 0x1950A86A20F9469CFC6C
#: The sixteen bytes with which the older kind begins: protocol 2 and the magic number.
LEGACY = b"\x80\x02\x8a\x0a" + MAGIC.to_bytes(10, "little")
MAX_PICKLE = 64 << 20

_KINDS = {"Double": "F64", "Float": "F32", "Half": "F16", "BFloat16": "BF16", "Long": "I64", "Int": "I32", "Short": "I16",
          "Char": "I8", "Byte": "U8", "Bool": "BOOL"}
_DTYPES = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64", "int32": "I32",
           "int16": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL", "uint16": "U16", "uint32": "U32", "uint64": "U64"}


class _Name(tuple):
    """A global that may occur: what it is to us, and for types of storages and elements which one."""

    __slots__ = ()


_GLOBALS: dict[tuple[str, str], _Name] = {
    ("collections", "OrderedDict"): _Name(("dict", "")),
    ("torch._utils", "_rebuild_tensor"): _Name(("tensor", "")),
    ("torch._utils", "_rebuild_tensor_v2"): _Name(("tensor", "")),
    ("torch._utils", "_rebuild_tensor_v3"): _Name(("typed tensor", "")),
    ("torch._utils", "_rebuild_parameter"): _Name(("parameter", "")),
    ("torch._utils", "_rebuild_parameter_with_state"): _Name(("parameter", "")),
    ("torch.storage", "UntypedStorage"): _Name(("storage", "U8")),
    **{("torch", f"{name}Storage"): _Name(("storage", kind)) for name, kind in _KINDS.items()},
    **{("torch", name): _Name(("dtype", kind)) for name, kind in _DTYPES.items()},
}


def load_pth(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Read the tensors of a file of torch.save, of any version since 0.2; nothing in it is executed or imported.

    Dictionaries and lists within each other become dotted names, such as "state_dict.conv1.weight"; what is no tensor is
    left out; a lone tensor is called "tensor". Tensors that share memory in the file share it here. float16 and bfloat16
    become float32; int8, int16, uint16 int32; uint32, uint64 int64.

    Raises ValueError for a pickle that holds anything but tensors, dictionaries, lists, tuples, texts and numbers, naming
    what it met (whole modules, ``os.system``), and for damaged files, before memory is taken; OSError as `open`.
    """
    with source(path) as file:
        if file.read(0, min(4, file.size), "the file's start") == b"PK\3\4":
            return read_zip(file, archive.entries(file))
        return read_legacy(file)


class _Reader:
    """What the pickle machine asks while it reads the structure."""

    def __init__(self) -> None:
        self.storages: dict[str, Storage] = {}

    def find(self, module: str, name: str) -> _Name:
        found = _GLOBALS.get((module, name))
        if found is None:
            raise PickleError(
                f"the pickle asks for {short(f'{module}.{name}')}, expected tensors in dictionaries (a state_dict) and no "
                "code; nothing of it was run")
        return found

    def reduce(self, function: Any, arguments: tuple[Any, ...]) -> Any:
        what = function[0] if isinstance(function, _Name) else ""
        if what == "dict":
            return _ordered(arguments)
        if what == "tensor" and len(arguments) >= 4:
            return TensorRef.checked(arguments[0], None, *arguments[1:4])
        if what == "typed tensor" and len(arguments) >= 7 and isinstance(arguments[6], _Name) and (
                arguments[6][0] == "dtype"):
            return TensorRef.checked(arguments[0], arguments[6][1], *arguments[1:4])
        if what == "parameter" and len(arguments) >= 2 and isinstance(arguments[0], TensorRef):
            return arguments[0]
        raise PickleError(f"a call of {what or type(function).__name__} with {len(arguments)} arguments, which makes no "
                          "tensor")

    def build(self, target: Any, state: Any) -> None:
        """Attributes: PyTorch gives a state_dict some (`_metadata`); they are no weights."""
        if target.__class__ is not dict or state.__class__ is not dict:
            raise PickleError(f"the pickle sets attributes of a {type(target).__name__}, expected those of a state_dict")

    def persistent(self, key: Any) -> Storage:
        """A storage: ("storage", type, key, place, elements) and, before 0.4, (key, offset, elements) of a view."""
        if key.__class__ is not tuple or len(key) not in (5, 6) or key[0] != "storage" or not (
                isinstance(key[1], _Name) and key[1][0] == "storage"):
            raise PickleError(f"the pickle refers to an outside {type(key).__name__}, expected the storage of a tensor")
        kind, name, count = key[1][1], key[2], key[4]
        if name.__class__ is not str or count.__class__ is not int or not 0 <= count < 2**62:
            raise PickleError("a storage whose key is no text or whose number of elements is none")
        storage = self.storages.setdefault(name, Storage.all(name, kind, count))
        if (storage.kind, storage.elements) != (kind, count):
            raise PickleError(f"storage {short(storage.key)} is {storage.elements} elements of {storage.kind} first and "
                              f"{count} of {kind} later")
        if len(key) == 5 or key[5] is None:
            return storage
        view = key[5]
        if view.__class__ is not tuple or len(view) != 3 or any(n.__class__ is not int for n in view[1:]) or not (
                0 <= view[1] <= view[1] + view[2] <= count):
            raise PickleError(f"a view that lies outside of storage {short(storage.key)}, which has {count} elements")
        return storage.view(view[1], view[2])


def _ordered(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    """OrderedDict(): empty, or as Python 2 pickled it, with a list of [key, value]."""
    if not arguments:
        return {}
    pairs = arguments[0] if len(arguments) == 1 else None
    if pairs.__class__ is not list or any(p.__class__ not in (list, tuple) or len(p) != 2 for p in pairs):
        raise PickleError("an OrderedDict of something that is no list of pairs")
    if not all(is_key(pair[0]) for pair in pairs):
        raise PickleError("an OrderedDict with a key that is neither a text nor a small integer")
    return dict(pairs)


def _run(file: Source, data: bytes, at: int, reader: _Reader) -> tuple[Any, int]:
    try:
        return run(data, at, file.size, reader.find, reader.reduce, reader.build, reader.persistent)
    except PickleError as error:
        raise file.fail(str(error)) from None


def read_zip(file: Source, entries: dict[str, Entry]) -> dict[str, Tensor]:
    """The tensors of the newer kind of file."""
    pickles = [name for name in entries if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise file.fail(f"the zip archive has {len(pickles)} entries called */data.pkl, expected one as torch.save writes")
    prefix = pickles[0].removesuffix("data.pkl")
    if f"{prefix}constants.pkl" in entries:
        raise file.fail("is a TorchScript archive, which holds code; expected a state_dict that torch.save wrote")
    for name, entry in entries.items():
        if entry.method:
            raise file.fail(f"entry {short(name)} is compressed, which torch.save does not do")
    entry = entries[pickles[0]]
    if entry.size > MAX_PICKLE:
        raise file.fail(f"the pickle has {entry.size} bytes, expected at most {MAX_PICKLE}")
    data = archive.read_array(file, entry, 0, entry.size, np.dtype(np.uint8), "the pickle").tobytes()
    reader = _Reader()
    tree, _ = _run(file, data, 0, reader)
    order = entries.get(f"{prefix}byteorder")
    big = order is not None and archive.read_start(file, order, 16, "byteorder").strip() == b"big"
    found = flatten(file, tree)

    def content(storage: Storage) -> np.ndarray:
        name = f"{prefix}data/{storage.key}"
        if name not in entries:
            raise file.fail(f"storage {short(storage.key)} has no entry {short(name)}")
        dtype = stored_dtype(storage.kind, big)
        return archive.read_array(file, entries[name], 0, storage.whole, dtype, f"storage {short(storage.key)}")

    return tensors(file, found, content)


def read_legacy(file: Source) -> dict[str, Tensor]:
    """The tensors of the older kind of file."""
    reader = _Reader()
    data = file.read(0, min(file.size, MAX_PICKLE), "the pickles")
    magic, at = _run(file, data, 0, reader)
    if magic != MAGIC or magic.__class__ is not int:
        raise file.fail("is a pickle, but none that torch.save wrote; expected a state_dict of PyTorch")
    version, at = _run(file, data, at, reader)
    if version.__class__ is not int or version != 1001:
        raise file.fail("has another version of PyTorch's older format, expected 1001")
    system, at = _run(file, data, at, reader)
    if system.__class__ is not dict or system.get("little_endian") is not True:
        raise file.fail("was not written on a little-endian machine, expected one")
    tree, at = _run(file, data, at, reader)
    keys, at = _run(file, data, at, reader)
    if keys.__class__ is not list or any(k.__class__ is not str for k in keys) or len(set(keys)) != len(keys):
        raise file.fail("the list of its storages is damaged")
    del data
    places: dict[str, int] = {}
    for key in keys:
        storage = reader.storages.get(key)
        if storage is None:
            raise file.fail(f"storage {short(key)} belongs to no tensor")
        count = int.from_bytes(file.read(at, 8, f"the size of storage {short(key)}"), "little", signed=True)
        if count != storage.elements:
            raise file.fail(f"storage {short(key)} has {count} elements, its tensors say {storage.elements}")
        places[key] = at + 8
        at += 8 + count * stored_dtype(storage.kind).itemsize
    if at != file.size:
        raise file.fail(f"the storages end at byte {at}, but the file has {file.size}")
    found = flatten(file, tree)

    def content(storage: Storage) -> np.ndarray:
        if storage.key not in places:
            raise file.fail(f"storage {short(storage.key)} is missing")
        dtype = stored_dtype(storage.kind)
        return file.read_array(places[storage.key], storage.whole, dtype, f"storage {short(storage.key)}")

    return tensors(file, found, content)
