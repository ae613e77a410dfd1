"""Reading models, which are untrusted: from a path, bytes or a ModelProto; and tensors that lie outside the file.

External data is read only if it was asked for, from regular files with one name below the model's own folder: no
absolute path, no "..", no link of either kind, no device. Its size is compared with the tensor's before any memory
is taken.
"""

from __future__ import annotations

import os
import stat
from typing import Any

from google.protobuf.message import DecodeError

from pyconv.interop.onnx.proto import MAX_FILE, OnnxError, check_texts, onnx, shown


def read_model(source: Any) -> tuple[Any, str | None, int]:
    """The ModelProto of a path, bytes or a ModelProto, the folder it lies in, and its size in bytes."""
    if isinstance(source, onnx.ModelProto):
        return source, None, source.ByteSize()
    folder = None
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
    elif isinstance(source, (str, os.PathLike)):
        path = os.fspath(source)
        data = _read_file(path)
        folder = os.path.dirname(os.path.abspath(path))
    else:
        raise TypeError(f"[onnx] model is {type(source).__name__}, expected a path, bytes or a ModelProto")
    if not data:
        raise OnnxError("[onnx] model: 0 bytes, expected an ONNX file")
    if len(data) > MAX_FILE:
        raise OnnxError(f"[onnx] model: {len(data)} bytes, the format allows {MAX_FILE}")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, ValueError) as error:
        raise OnnxError(f"[onnx] model: {len(data)} bytes that are no ONNX file, or a damaged one ({error})") from None
    return model, folder, len(data)


def _read_file(path: Any) -> bytes:
    # Not to wait for the writer of a pipe.
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise OnnxError(f"[onnx] {os.fsdecode(path)}: not a regular file")
        if status.st_size > MAX_FILE:
            raise OnnxError(f"[onnx] {os.fsdecode(path)}: {status.st_size} bytes, the format allows {MAX_FILE}")
        with open(handle, "rb", closefd=False) as file:
            return file.read(status.st_size)
    finally:
        os.close(handle)


class ExternalData:
    """Where a model's tensors may lie besides its file; ``folder`` None: nowhere."""

    def __init__(self, folder: str | None, allowed: bool) -> None:
        self.folder = folder
        self.allowed = allowed

    def read(self, tensor: Any, nbytes: int, where: str) -> bytes:
        """The bytes of a tensor. Raises OnnxError for a place that is not allowed and for a wrong size."""
        if not self.allowed:
            raise OnnxError(f"[onnx] {where}: its data lies in another file; load(..., external_data=True) reads files "
                            "below the model's folder")
        if self.folder is None:
            raise OnnxError(f"[onnx] {where}: its data lies in another file, but the model was not loaded from a path")
        entries = {entry.key: entry.value for entry in tensor.external_data}
        check_texts(where, *entries, *entries.values())
        location = entries.get("location", "")
        offset = _whole(entries.get("offset", "0"), where, "offset")
        length = _whole(entries["length"], where, "length") if "length" in entries else nbytes
        if length != nbytes:
            raise OnnxError(f"[onnx] {where}: external data of {length} bytes, expected {nbytes} from its shape")
        handle = self._open(location, where)
        try:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise OnnxError(f"[onnx] {where}: external data in {shown(location)}, which is not a regular file")
            if status.st_nlink != 1:
                raise OnnxError(f"[onnx] {where}: external data in {shown(location)}, which has {status.st_nlink} "
                                "names (hard links), expected one")
            if offset + length > status.st_size:
                raise OnnxError(f"[onnx] {where}: external data at {offset} to {offset + length} of "
                                f"{shown(location)}, which has {status.st_size} bytes")
            with open(handle, "rb", closefd=False) as file:
                file.seek(offset)
                data = file.read(length)
        finally:
            os.close(handle)
        if len(data) != length:
            raise OnnxError(f"[onnx] {where}: {shown(location)} ended while it was read")
        return data

    def _open(self, location: str, where: str) -> int:
        """A descriptor of the file, every part of whose path is looked at without following links."""
        parts = location.split("/")
        if (not location or "\0" in location or "\\" in location or location.startswith("/")
                or any(p in ("", ".", "..") for p in parts)):
            raise OnnxError(f"[onnx] {where}: external data in {shown(location)}, expected a plain relative path below "
                            "the model's folder")
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        assert self.folder is not None
        handle = os.open(self.folder, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
        try:
            for i, part in enumerate(parts):
                last = i == len(parts) - 1
                step = os.open(part, flags if last else flags | os.O_DIRECTORY, dir_fd=handle)
                os.close(handle)
                handle = step
        except OSError as error:
            os.close(handle)
            raise OnnxError(f"[onnx] {where}: external data in {shown(location)}: a missing file, or a link "
                            f"({error.strerror})") from None
        return handle


def _whole(text: str, where: str, what: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise OnnxError(f"[onnx] {where}: {what} of its external data is {shown(text)}, expected a whole number")
    return int(text)

