"""numpy's files, .npy and .npz: arrays of numbers. Arrays of objects are pickles and are refused.

Format: a magic number, a version, and a header that is the text of a Python dictionary; ours is read by a pattern, not by
Python. https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import math
import os
import re
import struct
from typing import NamedTuple

import numpy as np

from pyconv.io import archive
from pyconv.io.archive import Entry
from pyconv.io.source import Source, short, source
from pyconv.io.stored import converted, returned_dtype, stored_dtype
from pyconv.tensor import Tensor

MAGIC = b"\x93NUMPY"
MAX_HEADER = 65536
MAX_RANK = 32
#: What compressed entries may take: so many times the file's size, and this much more.
TIMES_FILE, AND_BYTES = 4, 64 << 20

_HEADER = re.compile(
    rb"\{'descr': '([<>|=]?)([A-Za-z][0-9]*)', 'fortran_order': (True|False), 'shape': \(((?:[0-9]{1,19}L?,? ?)*+)\), ?\} *\n?")
_KINDS = {"f8": "F64", "f4": "F32", "f2": "F16", "i8": "I64", "i4": "I32", "i2": "I16", "i1": "I8", "u8": "U64",
          "u4": "U32", "u2": "U16", "u1": "U8", "b1": "BOOL"}


class _Header(NamedTuple):
    """An array's type and shape, and how many bytes stand in front of its data."""

    kind: str
    dtype: np.dtype
    fortran: bool
    shape: tuple[int, ...]
    length: int

    @property
    def count(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Of the data as stored."""
        return self.count * self.dtype.itemsize


def load_npz(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Read the arrays of a .npz file, compressed or not, by name; those of a .npy file are called "tensor".

    float16 becomes float32; int8, int16, uint16 int32; uint32, uint64 int64. Raises ValueError for arrays of objects and
    for damaged files, before memory for an array is taken; OSError as `open`.

    >>> import numpy as np, os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "weights.npz")
    ...     np.savez(path, w=np.eye(2))
    ...     load_npz(path)["w"].shape
    (2, 2)
    """
    with source(path) as file:
        start = file.read(0, min(6, file.size), "the file's start")
        return read_npy(file) if start == MAGIC else read_npz(file, archive.entries(file))


def read_npy(file: Source) -> dict[str, Tensor]:
    """The one array of a .npy file, by the name "tensor"."""
    start = file.read(0, min(file.size, MAX_HEADER + 12), "the array's header")
    header = _parse(file, start, "the array")
    if header.length + header.nbytes != file.size:
        raise file.fail(f"{header.kind} of shape {list(header.shape)} takes {header.nbytes} bytes, but "
                        f"{file.size - header.length} follow the header")
    array = file.read_array(header.length, header.count, header.dtype, "the array")
    return {"tensor": _tensor(file, array, header, "the array")}


def read_npz(file: Source, entries: dict[str, Entry]) -> dict[str, Tensor]:
    """The arrays of an archive's entries, whose names all end in .npy."""
    found, budget = {}, TIMES_FILE * file.size + AND_BYTES
    headers = {}
    for name, entry in entries.items():
        if not name.endswith(".npy"):
            raise file.fail(f"entry {short(name)} of the zip archive is no array, expected names that end in .npy")
        where = f"array {short(name.removesuffix('.npy'))}"
        start = archive.read_start(file, entry, MAX_HEADER + 12, where)
        header = headers[name] = _parse(file, start, where)
        if header.length + header.nbytes != entry.size:
            raise file.fail(f"{where} is {header.kind} of shape {list(header.shape)}, {header.nbytes} bytes, but "
                            f"{entry.size - header.length} follow its header")
        budget -= header.count * max(header.dtype.itemsize, returned_dtype(header.kind).itemsize)
        if budget < 0:
            raise file.fail(f"the arrays take more than {TIMES_FILE} times the file's {file.size} bytes: more than "
                            "weights that were compressed do; expected an archive that numpy.savez wrote")
    for name, header in headers.items():
        where = f"array {short(name.removesuffix('.npy'))}"
        array = archive.read_array(file, entries[name], header.length, header.count, header.dtype, where)
        found[name.removesuffix(".npy")] = _tensor(file, array, header, where)
    return found


def _parse(file: Source, start: bytes, where: str) -> _Header:
    if start[:6] != MAGIC or len(start) < 12:
        raise file.fail(f"{where} does not begin as numpy's files do")
    version = start[6]
    if version not in (1, 2, 3) or start[7]:
        raise file.fail(f"{where} has version {version}.{start[7]} of numpy's format, expected 1.0, 2.0 or 3.0")
    begin = 10 if version == 1 else 12
    (size,) = struct.unpack("<H" if version == 1 else "<I", start[8:begin])
    if size > MAX_HEADER or begin + size > len(start):
        raise file.fail(f"{where} has a header of {size} bytes, expected at most {min(MAX_HEADER, len(start) - begin)}")
    text = start[begin:begin + size]
    match = _HEADER.fullmatch(text)
    if match is None:
        raise file.fail(f"{where} has the header {text[:80]!r}, expected descr, fortran_order and shape of plain numbers")
    order, name, fortran, sizes = (group.decode() for group in match.groups())
    if name not in _KINDS:
        if name == "O":
            raise file.fail(f"{where} holds Python objects, which numpy pickles; expected numbers")
        raise file.fail(f"{where} has dtype {name!r}, expected one of {', '.join(_KINDS)}")
    shape = tuple(int(n) for n in re.findall(r"[0-9]+", sizes))
    if len(shape) > MAX_RANK:
        raise file.fail(f"{where} has {len(shape)} axes, expected at most {MAX_RANK}")
    kind = _KINDS[name]
    dtype = stored_dtype(kind, big_endian=order == ">")
    if math.prod(n for n in shape if n) * dtype.itemsize >= 2**63:
        raise file.fail(f"{where} of shape {list(shape)} is too large for any memory")
    return _Header(kind, dtype, fortran == "True", shape, begin + size)


def _tensor(file: Source, array: np.ndarray, header: _Header, where: str) -> Tensor:
    array = converted(array, header.kind, f"[load] {file.path}: {where}")
    return Tensor(array.reshape(header.shape, order="F" if header.fortran else "C"))
