"""Files of weights made by hand, byte by byte: PyTorch's of both kinds, numpy's, Caffe's and Darknet's."""

from __future__ import annotations

import io
import itertools
import struct
import zipfile

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C


# --- what good files are made of ------------------------------------------------------------------
class Pickle:
    """A pickle, instruction by instruction."""

    def __init__(self, start: bytes = b"\x80\x02") -> None:
        self.data = start

    def raw(self, data: bytes) -> Pickle:
        self.data += data
        return self

    def dict(self, items: dict[str, bytes]) -> Pickle:
        """A dictionary whose values are instructions."""
        self.data += b"}("
        for key, value in items.items():
            self.data += text(key) + value
        self.data += b"u"
        return self

    def stop(self) -> bytes:
        return self.data + b"."


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return b"X" + struct.pack("<I", len(raw)) + raw


def number(value: int) -> bytes:
    raw = value.to_bytes(8 if abs(value) < 2**63 else 16, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def tup(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def call(name: str, *arguments: bytes) -> bytes:
    module, _, function = name.rpartition(".")
    return f"c{module}\n{function}\n".encode() + tup(*arguments) + b"R"


def storage(kind: str = "FloatStorage", key: str = "0", count: int = 4) -> bytes:
    return tup(text("storage"), f"ctorch\n{kind}\n".encode(), text(key), text("cpu"), number(count)) + b"Q"


def tensor(store: bytes, size: tuple[int, ...], stride: tuple[int, ...] | None = None, offset: int = 0) -> bytes:
    if stride is None:
        stride = tuple(itertools.accumulate((1, *size[:0:-1]), lambda a, b: a * b))[::-1] if size else ()
    return call("torch._utils._rebuild_tensor_v2", store, number(offset), tup(*map(number, size)),
                tup(*map(number, stride)), b"\x89", b"ccollections\nOrderedDict\n)R")


def zip_file(entries: dict[str, bytes] | list[tuple[str, bytes]], compress: bool = False) -> bytes:
    buffer = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in entries.items() if isinstance(entries, dict) else entries:
            archive.writestr(name, content)
    return buffer.getvalue()


def pth(pickle: bytes, data: dict[str, bytes] | None = None) -> bytes:
    """An archive as torch.save writes it, with one storage of four float32 unless told."""
    data = {"0": bytes(16)} if data is None else data
    return zip_file({"a/data.pkl": pickle, "a/byteorder": b"little",
                     **{f"a/data/{key}": content for key, content in data.items()}, "a/version": b"3\n"})


def legacy(tree: bytes, storages: dict[str, np.ndarray], system: bytes | None = None, keys: bytes | None = None) -> bytes:
    """A file as torch.save wrote it before version 1.6."""
    system = Pickle().raw(b"}" + text("little_endian") + b"\x88s").stop() if system is None else system
    keys = b"\x80\x02](" + b"".join(map(text, storages)) + b"e." if keys is None else keys
    magic = b"\x80\x02\x8a\x0a" + MAGIC.to_bytes(10, "little") + b"."
    data = b"".join(struct.pack("<q", a.size) + a.tobytes() for a in storages.values())
    return magic + b"\x80\x02M\xe9\x03." + system + tree + keys + data


W = tensor(storage(), (4,))
GOOD = Pickle().dict({"w": W}).stop()
GOOD_ZIP = pth(GOOD)
GOOD_LEGACY = legacy(GOOD, {"0": np.zeros(4, "<f4")})


def evil(instructions: bytes) -> bytes:
    return pth(b"\x80\x02" + instructions + b".")


def npy(header: str | bytes, data: bytes = bytes(16), version: int = 1, size: int | None = None) -> bytes:
    raw = header.encode() if isinstance(header, str) else header
    length = len(raw) if size is None else size
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", length) + raw + data


def described(descr: str = "'<f4'", fortran: str = "False", shape: str = "(4,)") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n"


GOOD_NPY = npy(described())
GOOD_NPZ = zip_file({"w.npy": GOOD_NPY, "v.npy": GOOD_NPY})


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number: int, content: bytes | int) -> bytes:
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def blob(data: np.ndarray, shape: tuple[int, ...] | None = None) -> bytes:
    sizes = b"".join(map(varint, data.shape if shape is None else shape))
    return field(7, field(1, sizes)) + field(5, data.astype("<f4").tobytes())


def layer(name: str, kind: str, *blobs: bytes) -> bytes:
    return field(100, field(1, name.encode()) + field(2, kind.encode()) + b"".join(field(7, b) for b in blobs))


def v1_layer(name: str, kind: int, *blobs: bytes) -> bytes:
    return field(2, field(4, name.encode()) + field(5, kind) + b"".join(field(6, b) for b in blobs))


def v1_blob(data: np.ndarray) -> bytes:
    sizes = (1,) * (4 - data.ndim) + data.shape
    return b"".join(field(i + 1, n) for i, n in enumerate(sizes)) + field(5, data.astype("<f4").tobytes())


ONES = np.ones((2, 1, 1, 1), np.float32)
GOOD_CAFFE = field(1, b"net") + layer("conv1", "Convolution", blob(ONES), blob(ONES[:, 0, 0, 0]))


def caffe(*blobs: bytes) -> bytes:
    return field(1, b"net") + layer("conv1", "Convolution", *blobs)


def darknet(major: int = 0, minor: int = 2, revision: int = 0, data: bytes = bytes(16)) -> bytes:
    return struct.pack("<3iq", major, minor, revision, 0) + data
