"""Files: weights as safetensors, written atomically; readers that execute nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pyconv.io.atomic import atomic_write
from pyconv.io.safetensors import load_safetensors, safetensors_metadata, save_safetensors
from pyconv.tensor import Tensor

__all__ = ["atomic_write", "load", "load_safetensors", "safetensors_metadata", "save", "save_safetensors"]


def save(state_dict: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Write a state_dict as a safetensors file, atomically; see `save_safetensors`.

    >>> import os, tempfile
    >>> from pyconv import nn
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(nn.Sequential().state_dict(), os.path.join(folder, "weights.safetensors"))
    """
    save_safetensors(state_dict, path)


#: First bytes of files that somebody may try to load.
_OTHERS = {b"PK\x03\x04": "a zip archive (.pth or .npz)", b"\x80": "a pickle", b"\x93NUMPY": "a .npy file",
           b"\x89HDF": "an HDF5 file"}


def load(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Read a file of weights, whatever its name says: tensors by name. So far safetensors is the one format.

    Raises ValueError for a file of another format or a malformed one, OSError as `open` does.
    """
    try:
        return load_safetensors(path)
    except ValueError as error:
        kind = _other_format(path)
        if kind is None:
            raise
        raise ValueError(f"[load] {os.fspath(path)} looks like {kind}, expected a safetensors file") from error


def _other_format(path: str | os.PathLike[str]) -> str | None:
    if not os.path.isfile(path):
        return None
    with open(path, "rb") as file:
        start = file.read(8)
    # A pickle's first byte could also be that of a size; a safetensors header follows eight bytes later.
    return next((kind for sign, kind in _OTHERS.items() if start.startswith(sign)), None)
