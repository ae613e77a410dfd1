"""TensorProto to numpy. The format stores values in one of several fields; sizes must agree with the shape."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from pyconv.interop.onnx.proto import HALF, MAX_RANK, OnnxError, check_texts, dtype_of, onnx, shown

if TYPE_CHECKING:
    from pyconv.interop.onnx.files import ExternalData

_TYPED = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data", "string_data")
_FIELD = {"float32": "float_data", "float64": "double_data", "int64": "int64_data", "uint32": "uint64_data",
          "uint64": "uint64_data"}  # the others: int32_data


def decode(tensor: Any, where: str, external: ExternalData) -> np.ndarray:
    """The values as an array that owns its memory. Raises OnnxError where type, shape and data disagree."""
    check_texts(where, tensor.name)
    where = f"{where} {shown(tensor.name)}" if tensor.name else where
    dtype = dtype_of(tensor.data_type, where)
    shape = tuple(tensor.dims)
    if len(shape) > MAX_RANK:
        raise OnnxError(f"[onnx] {where}: {len(shape)} axes, expected at most {MAX_RANK}")
    if any(n < 0 for n in shape):
        raise OnnxError(f"[onnx] {where}: shape {shape} has a negative size")
    if tensor.HasField("segment"):
        raise OnnxError(f"[onnx] {where}: data in segments is not supported")
    count = math.prod(shape)
    filled = [name for name in _TYPED if len(getattr(tensor, name))]
    if tensor.HasField("raw_data"):
        filled.append("raw_data")
    outside = tensor.data_location == onnx.TensorProto.EXTERNAL
    if outside or tensor.external_data:
        if not outside or filled:
            raise OnnxError(f"[onnx] {where}: data both outside and inside the file")
        return _from_bytes(external.read(tensor, count * dtype.itemsize, where), dtype, shape)
    if len(filled) > 1:
        raise OnnxError(f"[onnx] {where}: data in {' and '.join(filled)}, expected one of them")
    if not filled:
        if count:
            raise OnnxError(f"[onnx] {where}: no data, expected {count} elements of {dtype} for shape {shape}")
        return np.zeros(shape, dtype)
    if filled == ["raw_data"]:
        if len(tensor.raw_data) != count * dtype.itemsize:
            raise OnnxError(f"[onnx] {where}: {len(tensor.raw_data)} bytes, expected {count * dtype.itemsize} for shape "
                            f"{shape} of {dtype}")
        return _from_bytes(tensor.raw_data, dtype, shape)
    field = _FIELD.get(dtype.name, "int32_data")
    if filled != [field]:
        raise OnnxError(f"[onnx] {where}: data in {filled[0]}, but elements of {dtype} belong in {field}")
    values = getattr(tensor, field)
    if len(values) != count:
        raise OnnxError(f"[onnx] {where}: {len(values)} elements, expected {count} for shape {shape}")
    if dtype in HALF:  # as bit patterns
        wide = np.asarray(values, np.int64)
        _check_range(wide, np.dtype("uint16"), where)
        return wide.astype(np.uint16).view(dtype).reshape(shape)
    wide = np.asarray(values)
    if dtype.kind in "iub" and dtype.itemsize < 8:
        _check_range(wide, np.dtype("uint8") if dtype.kind == "b" else dtype, where)
    return wide.astype(dtype).reshape(shape)


def _from_bytes(data: bytes, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    little = dtype.newbyteorder("<") if dtype.itemsize > 1 and dtype.kind in "iuf" else dtype
    if dtype.kind == "b":  # any byte but 0 is true
        return np.frombuffer(data, np.uint8).reshape(shape) != 0
    return np.frombuffer(data, little).reshape(shape).astype(dtype)


def _check_range(values: np.ndarray, dtype: np.dtype, where: str) -> None:
    limits = np.iinfo(dtype)
    if values.size and (values.min() < limits.min or values.max() > limits.max):
        raise OnnxError(f"[onnx] {where}: a value outside {limits.min} to {limits.max}")
