"""Reading and writing safetensors files: tensors by name, nothing that executes.

Layout: eight bytes with the header's size (little-endian), the JSON header, then the tensors' bytes in C order,
little-endian, without holes. https://github.com/huggingface/safetensors describes the format.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from io import BufferedReader
from typing import Any

import numpy as np

from pyconv.io.atomic import atomic_write
from pyconv.io.safetensors_header import MAX_HEADER, MAX_RANK, HeaderError, TensorInfo, build, parse
from pyconv.io.source import open_regular, short
from pyconv.io.stored import STORED, converted
from pyconv.tensor import Tensor

#: What the format calls our types.
_WRITTEN = {"float64": "F64", "float32": "F32", "int64": "I64", "int32": "I32", "uint8": "U8", "bool": "BOOL"}


def save_safetensors(state_dict: Mapping[str, Any], path: str | os.PathLike[str],
                     metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors by name, atomically: ``path`` holds either its old content or all of the new.

    Values are Tensors or numpy arrays of float64, float32, int64, int32, uint8 or bool, written in C order (a
    convolution's weight as out, in, height, width) whatever their order in memory. ``metadata`` maps text to text.
    Writing over the file that the tensors were loaded from is safe. Raises TypeError for wrong types, ValueError
    for the name ``__metadata__``, meta tensors and headers above 100 MB, OSError as `open` does.

    >>> import numpy as np, os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "weights.safetensors")
    ...     save_safetensors({"fc.weight": np.eye(2, dtype=np.float32)}, path, {"model": "tiny"})
    ...     load_safetensors(path)["fc.weight"].shape, safetensors_metadata(path)
    ((2, 2), {'model': 'tiny'})
    """
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"[save] state_dict is {type(state_dict).__name__}, expected a mapping of names to tensors")
    _check_metadata(metadata)
    arrays = {name: _array(name, value) for name, value in state_dict.items()}
    # Largest elements first: every tensor then starts at a multiple of its element size.
    order = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))
    infos, position = {}, 0
    for name in order:
        end = position + arrays[name].nbytes
        infos[name] = TensorInfo(_WRITTEN[arrays[name].dtype.name], arrays[name].shape, position, end)
        position = end
    header = build({name: infos[name] for name in arrays}, dict(metadata or {}))
    if len(header) > MAX_HEADER:
        raise ValueError(f"[save] the header would take {len(header)} bytes, the format allows {MAX_HEADER}")
    with atomic_write(path) as file:
        file.write(struct.pack("<Q", len(header)))
        file.write(header)
        for name in order:
            array = arrays[name]
            if array.size:
                file.write(_little_endian(array).data.cast("B"))


def _check_metadata(metadata: Mapping[str, str] | None) -> None:
    if metadata is not None and not isinstance(metadata, Mapping):
        raise TypeError(f"[save] metadata is {type(metadata).__name__}, expected a mapping of text to text")
    for key, value in (metadata or {}).items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise TypeError(f"[save] metadata {key!r}: {value!r}, expected text for both")
        _check_text("metadata", key + value)


def _check_text(what: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"[save] {what} {short(text)} is no valid Unicode text") from None


def _array(name: Any, value: Any) -> np.ndarray:
    if not isinstance(name, str):
        raise TypeError(f"[save] name is {type(name).__name__}, expected a str")
    if name == "__metadata__":
        raise ValueError("[save] a tensor cannot be called '__metadata__', the format uses that name")
    _check_text("name", name)
    if isinstance(value, Tensor):
        if value.is_meta:
            raise ValueError(f"[save] {short(name)} is a meta tensor of shape {value.shape}, it has no data")
        value = value.array
    if not isinstance(value, np.ndarray) and hasattr(value, "__array__"):
        value = np.asarray(value)
    if not isinstance(value, np.ndarray):
        raise TypeError(f"[save] {short(name)} is {type(value).__name__}, expected a Tensor or a numpy array")
    if value.dtype.name not in _WRITTEN:
        raise TypeError(f"[save] {short(name)} has dtype {value.dtype}, expected one of {', '.join(_WRITTEN)}")
    if value.ndim > MAX_RANK:
        raise ValueError(f"[save] {short(name)} has {value.ndim} axes, expected at most {MAX_RANK}")
    return value


def _little_endian(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))


def load_safetensors(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Read all tensors of a safetensors file into memory of their own, in the header's order.

    F16 and BF16 become float32; I8, I16, U16 int32; U32, U64 int64. Raises ValueError for a file that breaks any rule
    of the format, before memory for its tensors is taken; OSError as `open` does.
    """
    with open_regular(path) as file:
        tensors, _, start = _read_header(file, path)
        # Read in the order of the file, return in that of the header.
        result = dict.fromkeys(tensors)
        for name, info in sorted(tensors.items(), key=lambda item: item[1].begin):
            result[name] = Tensor(_read_tensor(file, path, name, info, start))
        return result  # type: ignore[return-value]


def safetensors_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The metadata of a safetensors file; errors as for `load_safetensors`."""
    with open_regular(path) as file:
        return _read_header(file, path)[1]


def _read_header(file: BufferedReader, path: Any) -> tuple[dict[str, TensorInfo], dict[str, str], int]:
    size = os.fstat(file.fileno()).st_size
    where = f"[load] {os.fspath(path)}"
    prefix = file.read(8)
    if len(prefix) < 8:
        raise ValueError(f"{where}: {size} bytes are too few for a safetensors file")
    length = struct.unpack("<Q", prefix)[0]
    if length > MAX_HEADER:
        raise ValueError(f"{where}: the header's size is {length}, the format allows {MAX_HEADER}")
    if length > size - 8:
        raise ValueError(f"{where}: the header's size is {length} but only {size - 8} bytes follow")
    try:
        tensors, metadata = parse(file.read(length), size - 8 - length)
    except HeaderError as error:
        raise ValueError(f"{where}: {error}") from None
    return tensors, metadata, 8 + length


def _read_tensor(file: BufferedReader, path: Any, name: str, info: TensorInfo, start: int) -> np.ndarray:
    array = np.empty(info.shape, STORED[info.dtype])
    if array.size:
        file.seek(start + info.begin)
        got = file.readinto(array.data.cast("B"))
        if got != info.end - info.begin:
            raise ValueError(f"[load] {os.fspath(path)}: tensor {short(name)} ends after {got} of "
                             f"{info.end - info.begin} bytes: the file shrank while it was read")
    return converted(array, info.dtype, f"[load] {os.fspath(path)}: tensor {short(name)}")
