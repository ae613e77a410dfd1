"""Types that files store, and what becomes of them: the types that the library computes with.

Half precision and bfloat16 become float32; 8 and 16 bit integers int32; unsigned ones of 32 and 64 bit int64. The names
are those of safetensors.
"""

from __future__ import annotations

import numpy as np

#: Little-endian numpy types; BF16 is the upper half of a float32, which numpy does not have.
STORED = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2",
          "I8": "i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "u1"}
RETURNED = {"F16": np.float32, "BF16": np.float32, "I16": np.int32, "I8": np.int32, "U64": np.int64, "U32": np.int64,
            "U16": np.int32, "BOOL": np.bool_}


def stored_dtype(kind: str, big_endian: bool = False) -> np.dtype:
    """What the bytes of a kind are to numpy."""
    return np.dtype(STORED[kind].replace("<", ">") if big_endian else STORED[kind])


def returned_dtype(kind: str) -> np.dtype:
    """What a kind becomes."""
    return np.dtype(RETURNED.get(kind, STORED[kind].lstrip("<")))


def converted(array: np.ndarray, kind: str, where: str) -> np.ndarray:
    """The stored array in a type that the library computes with; the same memory where that type is the stored one.

    Raises ValueError, beginning with ``where``, for values that the type cannot hold.
    """
    if kind == "BOOL":
        if array.size and array.max() > 1:
            raise ValueError(f"{where} is BOOL but holds the byte {array.max()}")
        return array.view(np.bool_)
    if kind == "BF16":
        wide = array.astype(np.uint32)
        wide <<= 16
        return wide.view(np.float32)
    if kind == "U64" and array.size and array.max() >= 2**63:
        raise ValueError(f"{where} holds {array.max()}, too large for int64")
    return array.astype(returned_dtype(kind), copy=False)
