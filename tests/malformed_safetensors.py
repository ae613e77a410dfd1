"""Malformed safetensors files, built from the rules that they break: name -> (bytes, what the error says)."""

from __future__ import annotations

import json
import struct


def file(header: object, data: bytes = b"", size: int | None = None) -> bytes:
    """A file from a header (bytes, or anything JSON) and data; ``size`` overrides the header's stated size."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + data


def entry(dtype="F32", shape=(2,), offsets=(0, 8), **more):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets), **more}


def one(data: bytes = bytes(8), **fields) -> bytes:
    return file({"w": entry(**fields)}, data)


def raw_entry(dtype=b'"F32"', shape=b"[2]", offsets=b"[0,8]") -> bytes:
    return file(b'{"w":{"dtype":%s,"shape":%s,"data_offsets":%s}}' % (dtype, shape, offsets), bytes(8))


A, B = entry(), entry(offsets=(8, 16))
GOOD = json.dumps({"w": A}).encode()

MALFORMED: dict[str, tuple[bytes, str]] = {
    # the eight bytes in front
    "empty": (b"", r"0 bytes are too few"),
    "seven bytes": (bytes(7), r"7 bytes are too few"),
    "header size 0": (bytes(8), r"the header starts with b''"),
    "header size above the file": (file(GOOD, size=1000), r"header's size is 1000 but only \d+ bytes follow"),
    "header size one above the rest": (file(b"{}", size=3), r"header's size is 3 but only 2 bytes follow"),
    "header size 2**63": (file(GOOD, size=2**63), r"header's size is 9223372036854775808, the format allows"),
    "header size 2**64 - 1": (file(GOOD, size=2**64 - 1), r"the format allows 100000000"),
    "header size above 100 MB": (file(GOOD, size=100_000_001), r"header's size is 100000001, the format allows"),
    # no JSON object
    "not UTF-8": (file(b'{"\xff\xfe":' + GOOD[5:]), r"expected a valid UTF-8 string at byte 1"),
    "encoded surrogate": (file(b'{"\xed\xa0\x80":1}'), r"expected a valid UTF-8 string"),
    "lone surrogate": (file(b'{"\\ud800":{}}'), r"expected a valid UTF-8 string"),
    "bad escape": (file(b'{"\\q":{}}'), r"expected a valid UTF-8 string"),
    "byte order mark": (file(b"\xef\xbb\xbf" + GOOD, bytes(8)), r"header starts with b'\\xef', expected '\{'"),
    "not JSON": (file(b"hello, world"), r"header starts with b'h'"),
    "a list": (file(b"[]"), r"header starts with b'\['"),
    "leading blank": (file(b" " + GOOD, bytes(8)), r"header starts with b' '"),
    "trailing text": (file(GOOD + b"x", bytes(8)), r"expected the end at byte \d+ of the header, got b'x'"),
    "trailing NUL": (file(GOOD + b"\0", bytes(8)), r"expected the end"),
    "second object": (file(GOOD + b"{}", bytes(8)), r"expected the end"),
    "unfinished": (file(GOOD[:-1], bytes(8)), r"expected ',' at byte"),
    "unfinished string": (file(b'{"w'), r"expected a string at byte 1"),
    "NUL in a string": (file(b'{"w\0":{}}'), r"expected a string at byte 1"),
    "single quotes": (file(b"{'w':{}}"), r"expected a string"),
    "comma at the end": (file(GOOD[:-1] + b",}", bytes(8)), r"expected a string"),
    "comment": (file(b"{/**/}"), r"expected a string"),
    "deep nesting of lists": (file(b'{"w":' + b"[" * 10_000), r"expected '\{' at byte 5"),
    "deep nesting of objects": (file(b'{"a":' * 10_000), r"unknown field 'a'"),
    "deep nesting in the shape": (raw_entry(shape=b"[" * 10_000), r"expected an integer"),
    # names
    "duplicate names": (file(b'{"w":%s,"w":%s}' % (GOOD[6:-1], GOOD[6:-1]), bytes(8)), r"tensor 'w' appears twice"),
    "duplicate names, one escaped": (
        file(b'{"w":%s,"\\u0077":%s}' % (GOOD[6:-1], GOOD[6:-1]), bytes(8)), r"tensor 'w' appears twice"),
    "duplicate metadata": (file(b'{"__metadata__":{},"__metadata__":{}}'), r"__metadata__ appears twice"),
    "duplicate metadata key": (file(b'{"__metadata__":{"a":"1","a":"2"}}'), r"metadata 'a' appears twice"),
    "duplicate field": (file(b'{"w":{"dtype":"F32","dtype":"F32"}}'), r"tensor 'w': dtype appears twice"),
    "metadata is a number": (file(b'{"__metadata__":{"a":1}}'), r"expected a string"),
    "metadata is a list": (file(b'{"__metadata__":[]}'), r"expected '\{'"),
    "metadata is null": (file(b'{"__metadata__":null}'), r"expected '\{'"),
    "long name in an error": (
        file({"n" * 10_000_000: entry(dtype="X")}, bytes(8)),
        r"tensor 'n{57}\.\.\.' has dtype 'X'"),
    # fields
    "missing dtype": (file({"w": {"shape": [2], "data_offsets": [0, 8]}}, bytes(8)), r"tensor 'w' has no dtype"),
    "missing shape": (file({"w": {"dtype": "F32", "data_offsets": [0, 8]}}, bytes(8)), r"'w' has no shape"),
    "missing offsets": (file({"w": {"dtype": "F32", "shape": [2]}}, bytes(8)), r"'w' has no data_offsets"),
    "unknown field": (one(code="os.system"), r"tensor 'w' has an unknown field 'code'"),
    "entry is null": (file({"w": None}), r"expected '\{'"),
    "unknown dtype": (one(dtype="F33"), r"tensor 'w' has dtype 'F33', expected one of F64, F32"),
    "lower-case dtype": (one(dtype="f32"), r"dtype 'f32'"),
    "sub-byte dtype": (one(dtype="F4"), r"dtype 'F4'"),
    "eight-bit float": (one(dtype="F8_E4M3"), r"dtype 'F8_E4M3'"),
    "complex": (one(dtype="C64", shape=(1,)), r"dtype 'C64'"),
    "dtype is a number": (raw_entry(dtype=b"32"), r"expected a string"),
    "BOOL with a 2": (
        one(dtype="BOOL", shape=(8,), data=bytes([0, 1, 2, 0, 0, 0, 0, 0])),
        r"'w' is BOOL but holds the byte 2"),
    "U64 above int64": (one(dtype="U64", shape=(1,), data=b"\xff" * 8), r"'w' holds 18446744073709551615, too large"),
    # shapes
    "negative size": (raw_entry(shape=b"[-2]"), r"expected an integer from 0 to"),
    "size is a float": (raw_entry(shape=b"[2.0]"), r"expected an integer"),
    "size with an exponent": (raw_entry(shape=b"[2e0]"), r"expected an integer"),
    "size is 1e400": (raw_entry(shape=b"[1e400]"), r"expected an integer"),
    "size is NaN": (raw_entry(shape=b"[NaN]"), r"expected an integer"),
    "size is true": (raw_entry(shape=b"[true]"), r"expected an integer"),
    "size is text": (raw_entry(shape=b'["2"]'), r"expected an integer"),
    "size 2**63": (raw_entry(shape=b"[9223372036854775808]"), r"expected an integer from 0 to 2\*\*63 - 1"),
    "size of a million digits": (raw_entry(shape=b"[" + b"9" * 10**6 + b"]"), r"expected an integer"),
    "leading zero": (raw_entry(shape=b"[02]"), r"expected an integer|expected ','"),
    "shape is a number": (raw_entry(shape=b"2"), r"expected '\['"),
    "product overflows": (one(shape=(2**32, 2**32, 2)), r"is too large for any memory"),
    "product overflows to the right size": (one(shape=(2**62 + 1, 2)), r"too large|takes"),
    "product overflows around a zero": (one(shape=(0, 2**62, 2**62), offsets=(0, 0), data=b""), r"too large for any"),
    "10,000 axes": (one(shape=(1,) * 10_000), r"more than 32 numbers in a list"),
    "size does not match shape": (one(shape=(3,)), r"data_offsets \[0, 8\], 8 bytes, but F32 of shape \[3\] takes 12"),
    "size does not match dtype": (one(dtype="F64"), r"takes 16"),
    "scalar with a vector's bytes": (one(shape=()), r"takes 4"),
    "empty axis with bytes": (one(shape=(0, 2)), r"takes 0"),
    # offsets
    "offsets reversed": (one(offsets=(8, 0)), r"data_offsets \[8, 0\], -8 bytes"),
    "offset negative": (raw_entry(offsets=b"[-8,0]"), r"expected an integer"),
    "offset a float": (raw_entry(offsets=b"[0.5,8]"), r"expected an integer"),
    "one offset": (raw_entry(offsets=b"[8]"), r"'w' has 1 data_offsets, expected 2"),
    "three offsets": (raw_entry(offsets=b"[0,8,8]"), r"more than 2 numbers"),
    "offsets beyond the file": (
        one(shape=(3,), offsets=(0, 12)),
        r"take 12 bytes but 8 follow the header: the file is truncated"),
    "offsets claim a terabyte": (one(dtype="U8", shape=(2**40,), offsets=(0, 2**40)), r"the file is truncated"),
    "overlap": (
        file({"a": A, "b": entry(offsets=(4, 12))}, bytes(12)),
        r"'b' starts at byte 4 and overlaps .* expected 8"),
    "same bytes twice": (file({"a": A, "b": A}, bytes(8)), r"'b' starts at byte 0 and overlaps"),
    "hole at the start": (
        one(offsets=(8, 16), data=bytes(16)),
        r"'w' starts at byte 8 and comes after a hole, expected 0"),
    "hole in the middle": (
        file({"a": A, "b": entry(offsets=(16, 24))}, bytes(24)),
        r"'b' starts at byte 16 and comes after"),
    "hole at the end": (one(data=bytes(16)), r"take 8 bytes but 16 follow the header: the file is too long"),
    "truncated data": (one(data=bytes(7)), r"the file is truncated"),
    "no data at all": (one(data=b""), r"take 8 bytes but 0 follow"),
    "one byte too many": (one(data=bytes(9)), r"the file is too long"),
}

#: Unusual but within the rules: name -> bytes.
UNUSUAL: dict[str, bytes] = {
    "no tensors": file(b"{}"),
    "blanks everywhere": file(b'{ "w" :\n{"dtype"\t:"F32", "shape": [ 2 ] ,\r"data_offsets":[0 , 8]} }  ', bytes(8)),
    "scalar": one(shape=(), offsets=(0, 4), data=bytes(4)),
    "empty axis": one(shape=(0, 3), offsets=(0, 0), data=b""),
    "names of all kinds": file(
        {n: entry("U8", (0,), (0, 0)) for n in ["", "a\0b", "../../etc/passwd", "🙂", "a.b", "\n"]}),
    "unaligned": file({"a": entry("U8", (3,), (0, 3)), "b": entry("F64", (1,), (3, 11))}, bytes(11)),
    "32 axes": one(shape=(1,) * 31 + (2,)),
    "fields in another order": file({"w": {"data_offsets": [0, 8], "shape": [2], "dtype": "F32"}}, bytes(8)),
    "metadata last": file({"w": A, "__metadata__": {"format": "pt", "": ""}}, bytes(8)),
    "10 MB name": file({"n" * 10_000_000: A}, bytes(8)),
    "offsets not in the order of the header": file({"b": B, "a": A}, bytes(16)),
    "100,000 tensors": file({str(i): entry("U8", (1,), (i, i + 1)) for i in range(100_000)}, bytes(100_000)),
}
