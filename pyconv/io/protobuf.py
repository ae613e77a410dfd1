"""The wire format of protocol buffers: numbered fields, walked through where they lie in the file.

https://protobuf.dev/programming-guides/encoding/. A message's content is another message only to who asks for it, so
there is no recursion on what a file says, and stepping over a field costs nothing, however long it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pyconv.io.source import Source

MAX_FIELDS = 100_000  # per file
MAX_TEXT = 1000  # bytes
_LONGEST = 10  # bytes of a varint


class Field(NamedTuple):
    """One field: its number, its wire type (0 integer, 1 eight bytes, 2 a length and bytes, 5 four bytes), the integer
    where it is one, and where its bytes lie."""

    parent: Message
    number: int
    wire: int
    value: int
    begin: int
    length: int

    def _need(self, wire: int, what: str) -> None:
        if self.wire != wire:
            raise self.parent.file.fail(f"{what} has wire type {self.wire}, expected {wire}")

    def message(self, what: str) -> Message:
        """The content as a message."""
        self._need(2, what)
        return Message(self.parent.file, self.begin, self.begin + self.length, self.parent.left)

    def integer(self, what: str) -> int:
        """The content as a signed integer of 64 bits."""
        self._need(0, what)
        return self.value - (self.value >> 63 << 64)

    def text(self, what: str) -> str:
        """The content as a text."""
        self._need(2, what)
        if self.length > MAX_TEXT:
            raise self.parent.file.fail(f"{what} has {self.length} bytes, expected at most {MAX_TEXT}")
        try:
            return self.parent.file.read(self.begin, self.length, what).decode()
        except UnicodeDecodeError:
            raise self.parent.file.fail(f"{what} is not UTF-8") from None

    def integers(self, what: str, limit: int) -> list[int]:
        """The content as integers, packed or the one; at most ``limit`` and one more."""
        if self.wire == 0:
            return [self.integer(what)]
        self._need(2, what)
        found: list[int] = []
        at, end = self.begin, self.begin + self.length
        while at < end and len(found) <= limit:
            value, at = self.parent.varint(at, end, what)
            found.append(value - (value >> 63 << 64))
        return found


class Message:
    """The bytes of a message, from ``begin`` to ``end``; ``left`` counts down the fields that the file may have."""

    def __init__(self, file: Source, begin: int, end: int, left: list[int]) -> None:
        self.file, self.begin, self.end, self.left = file, begin, end, left

    def varint(self, at: int, end: int, what: str) -> tuple[int, int]:
        """The unsigned number at ``at``, and where the next byte lies."""
        value = 0
        for i, byte in enumerate(self.file.read(at, min(_LONGEST, end - at), what)):
            value |= (byte & 0x7F) << 7 * i
            if byte < 0x80:
                if value >= 2**64:
                    break
                return value, at + i + 1
        raise self.file.fail(f"{what}: a number without an end at byte {at}")

    def fields(self) -> Iterator[Field]:
        """The fields in order. Raises ValueError for bytes that are none."""
        at = self.begin
        while at < self.end:
            self.left[0] -= 1
            if self.left[0] < 0:
                raise self.file.fail(f"has more than {MAX_FIELDS:,} fields, expected the layers of one network")
            tag, at = self.varint(at, self.end, "a field")
            number, wire, value, length = tag >> 3, tag & 7, 0, 0
            if wire == 0:
                value, at = self.varint(at, self.end, f"field {number}")
            elif wire == 2:
                length, at = self.varint(at, self.end, f"field {number}")
            elif wire in (1, 5):
                length = 8 if wire == 1 else 4
            if number == 0 or wire not in (0, 1, 2, 5):
                raise self.file.fail(f"byte {at} belongs to no field: number {number}, wire type {wire}")
            if at + length > self.end:
                raise self.file.fail(f"field {number} takes bytes {at} to {at + length}, but its message ends at {self.end}")
            yield Field(self, number, wire, value, at, length)
            at += length


def root(file: Source, fields: int = MAX_FIELDS) -> Message:
    """The whole file as a message of at most so many fields."""
    return Message(file, 0, file.size, [fields])
