"""Darknet's weights: a short header and then float32 numbers, in the order of the layers, without names or shapes."""

from __future__ import annotations

import os
import struct
from typing import NamedTuple

import numpy as np

from pyconv.io.source import Source, source
from pyconv.tensor import Tensor


class DarknetWeights(NamedTuple):
    """The header and the numbers of a file."""

    major: int
    minor: int
    revision: int
    seen: int  # images that the network was trained on
    values: np.ndarray  # float32, (n,)


def looks_like_darknet(start: bytes, size: int) -> bool:
    """Whether a file of ``size`` bytes can be one: small version numbers, then whole float32 numbers.

    A file without any signature: the check can only say what it cannot be.
    """
    if len(start) < 16 or size % 4:
        return False
    major, minor, revision = struct.unpack("<3i", start[:12])
    return 0 <= major < 10 and 0 <= minor < 10 and (major, minor) != (0, 0) and 0 <= revision < 100


def load_darknet(path: str | os.PathLike[str]) -> DarknetWeights:
    """Read a file of Darknet's: 16 bytes of header before version 0.2, 20 since, then the numbers.

    For each layer they stand in the order bias, then with batch norm its scale, running mean and running variance (the
    bias is batch norm's), then the weight (out, in, height, width). Raises ValueError for what is no such file; OSError as
    `open`.

    >>> import numpy as np, os, struct, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "tiny.weights")
    ...     with open(path, "wb") as file:
    ...         _ = file.write(struct.pack("<3iq", 0, 2, 0, 32013312) + np.ones(4, "<f4").tobytes())
    ...     load_darknet(path).seen, load_darknet(path).values
    (32013312, array([1., 1., 1., 1.], dtype=float32))
    """
    with source(path) as file:
        return read_darknet(file)


def read_darknet(file: Source) -> DarknetWeights:
    """See `load_darknet`."""
    start = file.read(0, min(20, file.size), "the header")
    if not looks_like_darknet(start, file.size):
        raise file.fail("is no file of Darknet's, expected three small version numbers and then float32 numbers")
    major, minor, revision = struct.unpack("<3i", start[:12])
    length = 20 if major * 10 + minor >= 2 else 16
    if file.size < length:
        raise file.fail(f"{file.size} bytes are too few for the header of version {major}.{minor}, which has {length}")
    seen = int.from_bytes(start[12:length], "little", signed=True)
    values = file.read_array(length, (file.size - length) // 4, np.dtype("<f4"), "the weights")
    return DarknetWeights(major, minor, revision, seen, values.astype(np.float32, copy=False))


def flat(found: DarknetWeights) -> dict[str, Tensor]:
    """The numbers as the one tensor "darknet"."""
    return {"darknet": Tensor(found.values)}
