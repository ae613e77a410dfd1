"""The entries of a zip file, read strictly: nothing is extracted, nothing overlaps, nothing is larger than it says.

Of the format (PKWARE, APPNOTE.TXT) this takes what programs write who store arrays: one disk, no encryption, entries that
are stored or deflated, ZIP64. The central directory at the end counts; the header in front of an entry has to agree.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

import numpy as np

from pyconv.io.source import Source, short

MAX_ENTRIES = 100_000
_CHUNK = 1 << 20
_STORED, _DEFLATED = 0, 8
_NO_SIZE = 0xFFFFFFFF


class Entry(NamedTuple):
    """One file of an archive; its bytes lie from ``begin`` on."""

    name: str
    method: int
    crc: int
    packed: int
    size: int
    begin: int


def entries(file: Source) -> dict[str, Entry]:
    """All entries by name. Raises ValueError for archives that are damaged, encrypted or cleverly made."""
    start, length, count = _directory(file)
    if count > MAX_ENTRIES:
        raise file.fail(f"the zip archive lists {count} entries, expected at most {MAX_ENTRIES}")
    if count * 46 > length:
        raise file.fail(f"the zip archive lists {count} entries in {length} bytes, expected at least 46 bytes for each")
    data = file.read(start, length, "the zip archive's directory")
    found: dict[str, Entry] = {}
    used: list[tuple[int, int, str]] = []
    at = 0
    for _ in range(count):
        at, header, entry = _entry(file, data, at, start)
        if entry.name in found:
            raise file.fail(f"entry {short(entry.name)} of the zip archive appears twice")
        found[entry.name] = entry
        used.append((header, entry.begin + entry.packed, entry.name))
    if at != length:
        raise file.fail(f"the zip archive's directory has {length} bytes, expected {at} for its {count} entries")
    end = 0
    for header, after, name in sorted(used):
        if header < end:
            raise file.fail(f"entry {short(name)} of the zip archive overlaps the one before it")
        end = after
    return found


def _directory(file: Source) -> tuple[int, int, int]:
    """Where the central directory starts, its length and its number of entries."""
    tail_at = max(0, file.size - 22 - 65535)
    tail = file.read(tail_at, file.size - tail_at, "the zip archive's end")
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < 22:
        raise file.fail("a zip archive without its end: the file is truncated")
    disk, first, here, count, length, start, comment = struct.unpack("<4H2IH", tail[at + 4:at + 22])
    if at + 22 + comment != len(tail):
        raise file.fail("bytes follow the end of the zip archive")
    end = tail_at + at
    if at >= 20 and tail[at - 20:at - 16] == b"PK\6\7":  # some write ZIP64's end also where it is not needed
        (position,) = struct.unpack("<Q", tail[at - 12:at - 4])
        record = file.read(position, 56, "the zip archive's ZIP64 end")
        if record[:4] != b"PK\6\6":
            raise file.fail("the zip archive's ZIP64 end is not where it should be")
        disk, first, here, count, length, start = struct.unpack("<2I4Q", record[16:])
        end = position
    if disk or first or here != count:
        raise file.fail("the zip archive is one part of several, expected a whole one")
    if start + length != end:
        raise file.fail(f"the zip archive's directory takes bytes {start} to {start + length}, expected it to end at {end}")
    return start, length, count


def _entry(file: Source, data: bytes, at: int, directory: int) -> tuple[int, int, Entry]:
    """The entry at ``at`` of the directory: where the next begins, where its own header lies, and itself."""
    if data[at:at + 4] != b"PK\1\2" or len(data) - at < 46:
        raise file.fail(f"the zip archive's directory is damaged at byte {at}")
    (_, _, _, flags, method, _, _, crc, packed, size, name_length, extra_length, comment_length, disk, _, _,
     header) = struct.unpack("<4s6H3I5H2I", data[at:at + 46])
    after = at + 46 + name_length + extra_length + comment_length
    if after > len(data):
        raise file.fail(f"the zip archive's directory is damaged at byte {at}")
    raw = data[at + 46:at + 46 + name_length]
    try:
        name = raw.decode()
    except UnicodeDecodeError:
        raise file.fail(f"an entry of the zip archive is called {short(repr(raw))}, expected UTF-8") from None
    where = f"entry {short(name)} of the zip archive"
    extra = data[at + 46 + name_length:at + 46 + name_length + extra_length]
    size, packed, header = _zip64(file, extra, size, packed, header, where)
    if flags & 0x2041:
        raise file.fail(f"{where} is encrypted")
    if method not in (_STORED, _DEFLATED):
        raise file.fail(f"{where} is compressed by method {method}, expected it stored or deflated")
    if method == _STORED and packed != size:
        raise file.fail(f"{where} is stored in {packed} bytes, expected its size, {size}")
    if disk or header >= directory:
        raise file.fail(f"{where} begins at byte {header}, behind the archive's entries")
    local = file.read(header, 30, where)
    local_name, local_extra = struct.unpack("<2H", local[26:])
    begin = header + 30 + local_name + local_extra
    if local[:4] != b"PK\3\4" or file.read(header + 30, local_name, where) != raw:
        raise file.fail(f"{where} has another header at byte {header}")
    if begin + packed > directory:
        raise file.fail(f"{where} takes bytes {begin} to {begin + packed}, but the archive's entries end at {directory}")
    return after, header, Entry(name, method, crc, packed, size, begin)


def _zip64(file: Source, extra: bytes, size: int, packed: int, header: int, where: str) -> tuple[int, int, int]:
    """Sizes and position, from the extra field where they do not fit into 32 bits."""
    values = [size, packed, header]
    missing = [i for i, value in enumerate(values) if value == _NO_SIZE]
    at = 0
    while missing and at + 4 <= len(extra):
        kind, length = struct.unpack("<2H", extra[at:at + 4])
        field = extra[at + 4:at + 4 + length]
        if kind == 1 and len(field) == length >= 8 * len(missing):
            for i, value in zip(missing, struct.unpack(f"<{len(missing)}Q", field[:8 * len(missing)]), strict=True):
                values[i] = value
            return values[0], values[1], values[2]
        at += 4 + length
    if missing:
        raise file.fail(f"{where} needs ZIP64 sizes and has none")
    return size, packed, header


def read_array(file: Source, entry: Entry, at: int, count: int, dtype: np.dtype, what: str) -> np.ndarray:
    """``count`` elements from byte ``at`` of an entry's content on, to its end; the checksum has to fit.

    The caller has checked that the entry's size is what these elements take, and that so much memory may be taken.
    """
    if at + count * dtype.itemsize != entry.size:
        raise file.fail(f"{what} takes {at + count * dtype.itemsize} bytes, but its entry has {entry.size}")
    if entry.method == _STORED:
        crc = zlib.crc32(file.read(entry.begin, at, what))
        array = file.read_array(entry.begin + at, count, dtype, what)
    else:
        whole = _inflate(file, entry, what)
        crc = zlib.crc32(whole.data[:at])
        array = np.frombuffer(whole, dtype, count, at) if at % dtype.alignment == 0 else (
            np.frombuffer(whole[at:].tobytes(), dtype, count))
    if entry.crc not in (0, zlib.crc32(array.view(np.uint8).data, crc)):  # PyTorch can be told to write 0 for unknown
        raise file.fail(f"{what} does not fit its checksum: the file is damaged")
    return array


def read_start(file: Source, entry: Entry, length: int, what: str) -> bytes:
    """The first ``length`` bytes of an entry, fewer where it is shorter; the checksum is not looked at."""
    if entry.method == _STORED:
        return file.read(entry.begin, min(length, entry.size), what)
    packed = file.read(entry.begin, min(entry.packed, length + 1024), what)
    try:
        return zlib.decompressobj(-15).decompress(packed, length)
    except zlib.error as error:
        raise file.fail(f"{what} cannot be inflated: {error}") from None


def _inflate(file: Source, entry: Entry, what: str) -> np.ndarray:
    """The bytes of a deflated entry, into as much memory as its size says and not a byte more."""
    whole = np.empty(entry.size, np.uint8)
    inflater, done, position, rest = zlib.decompressobj(-15), 0, 0, b""
    try:
        while not inflater.eof:
            if not rest:
                if position == entry.packed:
                    raise file.fail(f"{what} ends after {done} of {entry.size} bytes")
                rest = file.read(entry.begin + position, min(_CHUNK, entry.packed - position), what)
                position += len(rest)
            piece = inflater.decompress(rest, min(_CHUNK, entry.size - done + 1))
            rest = inflater.unconsumed_tail
            if done + len(piece) > entry.size:
                raise file.fail(f"{what} inflates to more than the {entry.size} bytes that it says")
            whole[done:done + len(piece)] = np.frombuffer(piece, np.uint8)
            done += len(piece)
    except zlib.error as error:
        raise file.fail(f"{what} cannot be inflated: {error}") from None
    if done != entry.size:
        raise file.fail(f"{what} ends after {done} of {entry.size} bytes")
    return whole
