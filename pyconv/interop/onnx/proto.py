"""The onnx package, the errors of this room, and its limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import defs

__all__ = ["DTYPES", "HALF", "MAX_DEPTH", "MAX_NODES", "MAX_OPSET", "MAX_RANK", "MIN_OPSET", "OnnxError", "check_texts", "defs",
           "dtype_of", "elem_type", "onnx", "shown"]

MIN_OPSET, MAX_OPSET = 6, defs.onnx_opset_version()  # below: only operators that opset 6 left as they were
MAX_NODES = 100_000  # of a model, subgraphs included
MAX_DEPTH = 16  # of subgraphs in subgraphs
MAX_RANK = 8
MAX_FILE = 2**31 - 1  # what protobuf allows

#: Element types by their number in the format. Strings, complex and 4-bit types are refused.
DTYPES: dict[int, np.dtype] = {
    onnx.TensorProto.FLOAT: np.dtype("float32"), onnx.TensorProto.DOUBLE: np.dtype("float64"),
    onnx.TensorProto.FLOAT16: np.dtype("float16"), onnx.TensorProto.BOOL: np.dtype("bool"),
    onnx.TensorProto.INT8: np.dtype("int8"), onnx.TensorProto.INT16: np.dtype("int16"),
    onnx.TensorProto.INT32: np.dtype("int32"), onnx.TensorProto.INT64: np.dtype("int64"),
    onnx.TensorProto.UINT8: np.dtype("uint8"), onnx.TensorProto.UINT16: np.dtype("uint16"),
    onnx.TensorProto.UINT32: np.dtype("uint32"), onnx.TensorProto.UINT64: np.dtype("uint64"),
}
HALF: tuple[np.dtype, ...] = (np.dtype("float16"),)
try:  # a dependency of newer versions of onnx
    import ml_dtypes

    DTYPES[onnx.TensorProto.BFLOAT16] = np.dtype(ml_dtypes.bfloat16)
    HALF += (np.dtype(ml_dtypes.bfloat16),)
except ImportError:
    pass
_NUMBERS = {dtype: number for number, dtype in DTYPES.items()}
#: What the schemas call them.
_WORDS = {"float": "float32", "double": "float64"}
BY_WORD: dict[str, np.dtype] = {
    f"tensor({next((w for w, n in _WORDS.items() if n == d.name), d.name)})": d for d in DTYPES.values()}


class OnnxError(ValueError, RuntimeError):
    """A model that is malformed, unsupported, too large, or that does not fit what it was given."""


def shown(text: Any, limit: int = 60) -> str:
    """A name from a file, quoted and cut to a length that fits a message."""
    cut = repr(text)
    return cut if len(cut) <= limit else f"{cut[:limit]}...' ({len(str(text))} characters)"


def check_texts(where: str, *values: Any) -> None:
    """What should be text is: protobuf gives bytes where the file holds no UTF-8."""
    for value in values:
        if not isinstance(value, str):
            raise OnnxError(f"[onnx] {where}: {shown(value)} is no UTF-8 text")


def dtype_of(number: int, where: str) -> np.dtype:
    """The dtype of an element type of the format."""
    if number not in DTYPES:
        known = onnx.TensorProto.DataType
        name = known.Name(number) if number in known.values() else str(number)
        raise OnnxError(f"[onnx] {where}: element type {name} is not supported, expected one of "
                        f"{', '.join(d.name for d in DTYPES.values())}")
    return DTYPES[number]


def elem_type(dtype: Any, where: str) -> int:
    """The number of a dtype in the format."""
    number = _NUMBERS.get(np.dtype(dtype))
    if number is None:
        raise OnnxError(f"[onnx] {where}: dtype {dtype} is not supported")
    return number
