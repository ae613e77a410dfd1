"""Files: weights as safetensors, written atomically; readers of other formats that execute nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pyconv.io.atomic import atomic_write
from pyconv.io.caffemodel import load_caffemodel
from pyconv.io.darknet import DarknetWeights, load_darknet
from pyconv.io.npy import load_npz
from pyconv.io.pth import load_pth
from pyconv.io.recognise import load, recognise
from pyconv.io.safetensors import load_safetensors, safetensors_metadata, save_safetensors

__all__ = ["DarknetWeights", "atomic_write", "load", "load_caffemodel", "load_darknet", "load_npz", "load_pth",
           "load_safetensors", "recognise", "safetensors_metadata", "save", "save_safetensors"]


def save(state_dict: Mapping[str, Any], path: str | os.PathLike[str],
         metadata: Mapping[str, str] | None = None) -> None:
    """Write a state_dict as a safetensors file, atomically; see `save_safetensors`.

    >>> import os, tempfile
    >>> from pyconv import nn
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(nn.Sequential().state_dict(), os.path.join(folder, "weights.safetensors"))
    """
    save_safetensors(state_dict, path, metadata)
