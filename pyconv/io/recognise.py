"""One function that reads every format: what a file is, its content says and not its name."""

from __future__ import annotations

import os
import struct

from pyconv.io import archive, caffemodel, darknet, npy, pth
from pyconv.io.safetensors import load_safetensors
from pyconv.io.safetensors_header import MAX_HEADER
from pyconv.io.source import Source, source
from pyconv.tensor import Tensor

#: First bytes of files that somebody may try to load, and what to do instead.
_OTHERS = {
    b"\x89HDF": "an HDF5 file (Keras); convert it to safetensors or .npz with h5py",
    b"\x1f\x8b": "gzipped; unpack it first",
    b"BZh": "packed by bzip2; unpack it first",
    b"\x08": "an ONNX model; pyconv.interop.onnx.load reads those",
}


def recognise(path: str | os.PathLike[str]) -> str:
    """The format of a file by its content: "safetensors", "pth", "legacy pth", "npz", "npy", "darknet" or "caffemodel".

    Raises ValueError for what is none of them; OSError as `open`.

    >>> import os, tempfile
    >>> from pyconv.io import save
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save({}, os.path.join(folder, "weights.pth"))
    ...     recognise(os.path.join(folder, "weights.pth"))
    'safetensors'
    """
    with source(path) as file:
        return _recognise(file)[0]


def _recognise(file: Source) -> tuple[str, dict[str, archive.Entry]]:
    """The format, and the entries if it is an archive."""
    start = file.read(0, min(20, file.size), "the file's start")
    # First: a size may begin with any byte, but no other format fits all nine.
    if len(start) > 8 and start[8] == ord("{") and struct.unpack("<Q", start[:8])[0] <= MAX_HEADER:
        return "safetensors", {}
    if start.startswith((b"PK\3\4", b"PK\5\6")):
        entries = archive.entries(file)
        if entries and all(name.endswith(".npy") for name in entries):
            return "npz", entries
        return "pth", entries
    if start.startswith(npy.MAGIC):
        return "npy", {}
    if start.startswith(b"\x80"):
        return "legacy pth", {}
    if darknet.looks_like_darknet(start, file.size):
        return "darknet", {}
    if caffemodel.looks_like_caffemodel(file):
        return "caffemodel", {}
    for sign, kind in _OTHERS.items():
        if start.startswith(sign) and file.size > 8:
            raise file.fail(f"looks like a file that is {kind}" if kind[0] != "a" else f"looks like {kind}")
    return "safetensors", {}  # whose reader says what is wrong


def load(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Read a file of weights, whatever its name says: tensors by name.

    safetensors (`load_safetensors`), PyTorch's .pth of any version (`load_pth`), numpy's .npz and .npy (`load_npz`),
    Caffe's .caffemodel (`load_caffemodel`); of Darknet's .weights, which has no names, all numbers as the one tensor
    "darknet" (`load_darknet`). Nothing in a file is executed, and no more memory is taken than its size allows.

    Raises ValueError for a file of another format or a malformed one, OSError as `open` does.

    >>> import os, tempfile
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(os.path.join(folder, "weights.npz"), w=np.eye(2))
    ...     load(os.path.join(folder, "weights.npz"))["w"].shape
    (2, 2)
    """
    with source(path) as file:
        kind, entries = _recognise(file)
        if kind == "pth":
            return pth.read_zip(file, entries)
        if kind == "legacy pth":
            return pth.read_legacy(file)
        if kind == "npz":
            return npy.read_npz(file, entries)
        if kind == "npy":
            return npy.read_npy(file)
        if kind == "darknet":
            return darknet.flat(darknet.read_darknet(file))
        if kind == "caffemodel":
            return caffemodel.read_caffemodel(file)
    return load_safetensors(path)
