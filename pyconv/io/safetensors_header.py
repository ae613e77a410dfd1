"""The header of a safetensors file: one JSON object, read by its own small parser.

A parser of the format rather than of JSON rejects a bad file at the first byte that does not belong there, so that
a hostile header cannot make it build more than the header's own size.

    {"__metadata__": {"key": "text", ...}, "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NamedTuple

from pyconv.io.source import short
from pyconv.io.stored import STORED, stored_dtype

MAX_HEADER = 100_000_000  # bytes, the format's own limit
MAX_TENSORS = 250_000  # ours: far above any model, keeps memory proportional to the file
MAX_RANK = 32  # what every supported numpy can hold
#: Bytes per element of the types that we read.
ITEM_SIZES = {kind: stored_dtype(kind).itemsize for kind in STORED}

# Possessive: a string of megabytes costs no backtracking memory.
_STRING = re.compile(rb'"(?:[^"\\\x00-\x1f]++|\\.)*+"', re.DOTALL)
_INTEGER = re.compile(rb"-?(?:0|[1-9][0-9]*+)(?![0-9.eE])")
_BLANK = re.compile(rb"[ \t\n\r]*+")


class TensorInfo(NamedTuple):
    """One entry of the header; offsets count from the end of the header."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


class HeaderError(ValueError):
    """What is wrong with a header; the caller adds which file."""


class _Reader:
    """A position in the header's bytes."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.at = 0

    def skip(self) -> None:
        self.at = _BLANK.match(self.text, self.at).end()  # type: ignore[union-attr]

    def fail(self, expected: str) -> HeaderError:
        got = self.text[self.at : self.at + 20]
        return HeaderError(f"expected {expected} at byte {self.at} of the header, got {got!r}")

    def sign(self, wanted: bytes) -> bool:
        """Step over one sign if it comes next."""
        if not self.text.startswith(wanted, self.at):
            self.skip()
            if not self.text.startswith(wanted, self.at):
                return False
        self.at += 1
        return True

    def need(self, wanted: bytes) -> None:
        if not self.sign(wanted):
            raise self.fail(f"'{wanted.decode()}'")

    def string(self) -> str:
        self.skip()
        found = _STRING.match(self.text, self.at)
        if found is None:
            raise self.fail("a string")
        try:
            if b"\\" in found.group():
                value = json.loads(found.group())
                value.encode()  # a lone surrogate is no text
            else:
                value = found.group()[1:-1].decode()
        except ValueError:
            raise self.fail("a valid UTF-8 string") from None
        self.at = found.end()
        return value

    def integer(self) -> int:
        """A non-negative integer below 2**63."""
        self.skip()
        found = _INTEGER.match(self.text, self.at)
        if found is None or len(found.group()) > 19 or not 0 <= (value := int(found.group())) < 2**63:
            raise self.fail("an integer from 0 to 2**63 - 1")
        self.at = found.end()
        return value

    def integers(self, limit: int) -> tuple[int, ...]:
        self.need(b"[")
        values: list[int] = []
        if self.sign(b"]"):
            return ()
        while True:
            values.append(self.integer())
            if len(values) > limit:
                raise HeaderError(f"more than {limit} numbers in a list at byte {self.at} of the header")
            if self.sign(b"]"):
                return tuple(values)
            self.need(b",")

    def members(self) -> Any:
        """The names of an object, one after the other; the caller reads the value behind each."""
        self.need(b"{")
        if self.sign(b"}"):
            return
        while True:
            name = self.string()
            self.need(b":")
            yield name
            if self.sign(b"}"):
                return
            self.need(b",")


def parse(text: bytes, data_size: int) -> tuple[dict[str, TensorInfo], dict[str, str]]:
    """The tensors and the metadata of a header in front of ``data_size`` bytes. Raises HeaderError."""
    if text[:1] != b"{":
        raise HeaderError(f"the header starts with {text[:1]!r}, expected '{{'")
    reader = _Reader(text)
    tensors: dict[str, TensorInfo] = {}
    metadata: dict[str, str] | None = None
    for name in reader.members():
        if name == "__metadata__":
            if metadata is not None:
                raise HeaderError("__metadata__ appears twice")
            metadata = _metadata(reader)
            continue
        if name in tensors:
            raise HeaderError(f"tensor {short(name)} appears twice")
        if len(tensors) == MAX_TENSORS:
            raise HeaderError(f"more than {MAX_TENSORS} tensors")
        tensors[name] = _entry(reader, name)
    reader.skip()
    if reader.at != len(text):
        raise reader.fail("the end")
    _check_layout(tensors, data_size)
    return tensors, metadata or {}


def _metadata(reader: _Reader) -> dict[str, str]:
    metadata: dict[str, str] = {}
    for key in reader.members():
        if key in metadata:
            raise HeaderError(f"metadata {short(key)} appears twice")
        metadata[key] = reader.string()
    return metadata


def _entry(reader: _Reader, name: str) -> TensorInfo:
    found: dict[str, Any] = {}
    for field in reader.members():
        if field in found:
            raise HeaderError(f"tensor {short(name)}: {field} appears twice")
        if field == "dtype":
            found[field] = reader.string()
        elif field == "shape":
            found[field] = reader.integers(MAX_RANK)
        elif field == "data_offsets":
            found[field] = reader.integers(2)
        else:
            raise HeaderError(f"tensor {short(name)} has an unknown field {short(field)}")
    for field in ("dtype", "shape", "data_offsets"):
        if field not in found:
            raise HeaderError(f"tensor {short(name)} has no {field}")
    if len(found["data_offsets"]) != 2:
        raise HeaderError(f"tensor {short(name)} has {len(found['data_offsets'])} data_offsets, expected 2")
    info = TensorInfo(found["dtype"], found["shape"], *found["data_offsets"])
    if info.dtype not in ITEM_SIZES:
        known = ", ".join(ITEM_SIZES)
        raise HeaderError(f"tensor {short(name)} has dtype {short(info.dtype)}, expected one of {known}")
    item = ITEM_SIZES[info.dtype]
    if math.prod(n for n in info.shape if n) * item >= 2**63:
        raise HeaderError(f"tensor {short(name)} of shape {list(info.shape)} is too large for any memory")
    size = math.prod(info.shape) * item
    if info.end - info.begin != size:
        raise HeaderError(f"tensor {short(name)} has data_offsets [{info.begin}, {info.end}], {info.end - info.begin} "
                          f"bytes, but {info.dtype} of shape {list(info.shape)} takes {size}")
    return info


def _check_layout(tensors: dict[str, TensorInfo], data_size: int) -> None:
    """The tensors' bytes follow each other without a hole or an overlap and fill the file."""
    position = 0
    for name, info in sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end)):
        if info.begin != position:
            what = "overlaps the tensor before it" if info.begin < position else "comes after a hole"
            raise HeaderError(f"tensor {short(name)} starts at byte {info.begin} and {what}, expected {position}")
        position = info.end
    if position != data_size:
        kind = "truncated" if position > data_size else "too long"
        raise HeaderError(f"the tensors take {position} bytes but {data_size} follow the header: the file is {kind}")


def build(tensors: dict[str, TensorInfo], metadata: dict[str, str]) -> bytes:
    """The header's bytes, filled up with blanks to a multiple of eight."""
    entries: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    for name, info in tensors.items():
        entries[name] = {"dtype": info.dtype, "shape": list(info.shape), "data_offsets": [info.begin, info.end]}
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    return text + b" " * (-len(text) % 8)
