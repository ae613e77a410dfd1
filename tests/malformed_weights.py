"""Malformed files of weights, built from the rules that they break: name -> (bytes, what the error says).

PyTorch's archives and older files with pickles that want to run code or to exhaust memory, zip archives that lie, numpy's
files, Caffe's and Darknet's. `python tests/malformed_weights.py FOLDER` writes them all, to try other programs on.
"""

from __future__ import annotations

import itertools
import re
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
from weight_files import (
    GOOD,
    GOOD_CAFFE,
    GOOD_LEGACY,
    GOOD_NPY,
    GOOD_NPZ,
    GOOD_ZIP,
    ONES,
    Pickle,
    W,
    blob,
    caffe,
    call,
    darknet,
    described,
    evil,
    field,
    layer,
    legacy,
    npy,
    pth,
    storage,
    tensor,
    text,
    tup,
    varint,
    zip_file,
)


def patched(content: bytes, old: bytes, new: bytes) -> bytes:
    assert content.count(old) >= 1, old
    return content.replace(old, new)


def zip_field(content: bytes, at: int, value: int, form: str = "<I", signature: bytes = b"PK\1\2") -> bytes:
    """The archive with one field of its (last) central entry, or of its end, changed."""
    place = content.rfind(signature) + at
    return content[:place] + struct.pack(form, value) + content[place + struct.calcsize(form):]


def overlapping() -> bytes:
    """An entry that lies inside another: its header is a part of that one's content."""
    inner = zip_file({"v.npy": GOOD_NPY})
    inner = inner[:inner.find(b"PK\1\2")]
    content = zip_file({"w.npy": inner, "v.npy": GOOD_NPY})
    return zip_field(content, 42, 30 + len("w.npy"))  # the second entry's place


def deflate_bomb(say: int | None, zeros: int) -> bytes:
    """An array of zeros, packed a thousandfold; the directory says ``say`` bytes, or the truth."""
    header = npy(described("'|u1'", shape=f"({zeros},)"), b"")
    content = zip_file({"w.npy": header + bytes(zeros)}, compress=True)
    return content if say is None else zip_field(content, 24, say)


def deflated(start: bytes) -> bytes:
    """A packed array of random bytes whose packed bytes begin as told."""
    content = zip_file({"w.npy": npy(described("'|u1'", shape="(5000,)"), np.random.default_rng(1).bytes(5000))}, compress=True)
    at = 30 + len("w.npy")
    return content[:at] + start + content[at + len(start):]


CODE = {
    "os.system": b"cos\nsystem\n(X\x04\x00\x00\x00echotR",
    "posix.system": b"cposix\nsystem\n(X\x04\x00\x00\x00echotR",
    "builtins.eval": b"cbuiltins\neval\n(X\x03\x00\x00\x001+1tR",
    "builtins.exec": b"cbuiltins\nexec\n(X\x04\x00\x00\x00passtR",
    "builtins.getattr": b"cbuiltins\ngetattr\n",
    "builtins.__import__": b"cbuiltins\n__import__\n(X\x02\x00\x00\x00ostR",
    "__builtin__.eval": b"c__builtin__\neval\n(X\x03\x00\x00\x001+1tR",
    "subprocess.Popen": b"csubprocess\nPopen\n",
    "torch.load": b"ctorch\nload\n(X\x01\x00\x00\x00xtR",
    "torch.hub.load": b"ctorch.hub\nload\n",
    "torch.nn.modules.linear.Linear": b"ctorch.nn.modules.linear\nLinear\n)\x81",
    "numpy.core.multiarray._reconstruct": b"cnumpy.core.multiarray\n_reconstruct\n",
    "codecs.decode": b"ccodecs\ndecode\n",
    "importlib.import_module": b"cimportlib\nimport_module\n",
    "pickle.loads": b"cpickle\nloads\n",
    "marshal.loads": b"cmarshal\nloads\n",
    "types.FunctionType": b"ctypes\nFunctionType\n",
    "operator.attrgetter": b"coperator\nattrgetter\n",
    "functools.partial": b"cfunctools\npartial\n",
    "collections.OrderedDict.__class__": b"ccollections\nOrderedDict.__class__\n",
    "torch._utils._rebuild_tensor_v2.__globals__": b"ctorch._utils\n_rebuild_tensor_v2.__globals__\n",
    "pyconv.io.load": b"cpyconv.io\nload\n",
}

DEEP = 60_000

MALFORMED: dict[str, tuple[bytes, str]] = {
    # --- pickles that hold code ---------------------------------------------------------------------
    **{f"GLOBAL {name}": (evil(code), rf"asks for '{re.escape(name)}', expected tensors") for name, code in CODE.items()},
    **{f"legacy GLOBAL {name}": (legacy(b"\x80\x02" + code + b".", {}), rf"asks for '{re.escape(name)}'")
       for name, code in itertools.islice(CODE.items(), 6)},
    "STACK_GLOBAL": (evil(b"\x8c\x02os\x8c\x06system\x93(X\x04\x00\x00\x00echotR"), r"asks for 'os.system'"),
    "STACK_GLOBAL of numbers": (evil(b"K\x01K\x02\x93"), r"a global without a name"),
    "INST": (evil(b"(X\x04\x00\x00\x00echoios\nsystem\n"), r"asks for 'os.system'"),
    "INST of a known name": (evil(b"(icollections\nOrderedDict\n"), r"the instruction INST"),
    "OBJ": (evil(b"(ccollections\nOrderedDict\no"), r"the instruction OBJ"),
    "NEWOBJ": (evil(b"ccollections\nOrderedDict\n)\x81"), r"the instruction NEWOBJ,"),
    "NEWOBJ_EX": (evil(b"ccollections\nOrderedDict\n)}\x92"), r"the instruction NEWOBJ_EX"),
    "EXT1": (evil(b"\x82\x01"), r"the instruction EXT1"),
    "EXT2": (evil(b"\x83\x01\x00"), r"the instruction EXT2"),
    "EXT4": (evil(b"\x84\x01\x00\x00\x00"), r"the instruction EXT4"),
    "PERSID": (evil(b"Pos.system\n"), r"the instruction PERSID"),
    "GLOBAL below the magic number": (b"\x80\x02cos\nsystem\n(X\x04\x00\x00\x00echotR.", r"asks for 'os.system'"),
    "GLOBAL in the system facts": (legacy(GOOD, {}, system=b"\x80\x02cos\nsystem\n)R."), r"asks for 'os.system'"),
    "GLOBAL in the list of keys": (legacy(GOOD, {}, keys=b"\x80\x02cos\nsystem\n)R."), r"asks for 'os.system'"),
    "GLOBAL in a key": (evil(b"}cos\nsystem\nNs"), r"asks for 'os.system'"),
    "GLOBAL in a tensor's hooks": (evil(b"ctorch._utils\n_rebuild_tensor_v2\n(cos\nsystem\n"), r"asks for 'os.system'"),
    "GLOBAL with a line feed in between": (evil(b"cos.path\n\nsystem\n"), r"asks for 'os.path.'"),
    "GLOBAL of another case": (evil(b"cCollections\nOrderedDict\n"), r"asks for 'Collections.OrderedDict'"),
    "GLOBAL that is not UTF-8": (evil(b"c\xff\xfe\nx\n"), r"is not UTF-8"),
    "GLOBAL without an end": (evil(b"c" + b"x" * 50_000), r"a name without an end"),
    "GLOBAL of a megabyte": (evil(b"c" + b"x" * 2**20 + b"\nx\n"), r"a name without an end"),
    "a whole module": (evil(b"c__main__\nNet\n)\x81}b"), r"asks for '__main__.Net', expected tensors"),
    "REDUCE of a storage type": (evil(b"ctorch\nFloatStorage\nK\x04\x85R"), r"a call of storage with 1 arguments"),
    "REDUCE of a dtype": (evil(b"ctorch\nfloat32\n)R"), r"a call of dtype with 0 arguments"),
    "REDUCE of a text": (evil(text("os.system") + text("echo") + b"\x85R"), r"a call of str with 1 arguments"),
    "REDUCE of a dictionary": (evil(b"})R"), r"a call of dict with 0 arguments"),
    "REDUCE without a tuple": (evil(b"ccollections\nOrderedDict\n]R"), r"a call without a tuple of arguments"),
    "REDUCE of nothing": (evil(b")R"), r"takes from an empty stack"),
    "OrderedDict of a number": (evil(b"ccollections\nOrderedDict\nK\x04\x85R"), r"something that is no list of pairs"),
    "OrderedDict of triples": (evil(b"ccollections\nOrderedDict\n](K\x01K\x02K\x03ta\x85R"), r"no list of pairs"),
    "OrderedDict with a key that is a list": (evil(b"ccollections\nOrderedDict\n](]K\x02ta\x85R"), r"a key that is neither"),
    "BUILD of a tensor": (evil(W + b"}b"), r"sets attributes of a TensorRef"),
    "BUILD of a list": (evil(b"]}b"), r"sets attributes of a list"),
    "BUILD of a global": (evil(b"ccollections\nOrderedDict\n}b"), r"sets attributes of a _Name"),
    "BUILD with a number": (evil(b"}K\x01b"), r"sets attributes of a dict"),
    "BUILD of nothing": (evil(b"}b"), r"takes from an empty stack"),
    "a tuple as a key": (evil(b"})Ns"), r"a key of type tuple"),
    "a tensor as a key": (evil(b"}" + W + b"Ns"), r"a key of type TensorRef"),
    "a huge integer as a key": (evil(b"}" + b"\x8a\x0a" + b"\x7f" * 10 + b"Ns"), r"a key of type int"),
    "an integer of 255 bytes": (evil(b"\x8a\xff" + bytes(255)), r"an integer of 255 bytes"),
    "LONG4 of 2 GB": (evil(b"\x8b\xff\xff\xff\x7f"), r"the instruction LONG4"),
    "a text of 4 GB": (evil(b"X\xff\xff\xff\xff"), r"a text of 4294967295 bytes"),
    "a text of 2**63 bytes": (evil(b"\x8d" + b"\xff" * 7 + b"\x7f"), r"the instruction BINUNICODE8"),
    "a negative length of a text": (evil(b"T\xff\xff\xff\xff"), r"a text of -1 bytes"),
    "bytes": (evil(b"C\x04abcd"), r"the instruction SHORT_BINBYTES"),
    "a bytearray of 2**63 bytes": (evil(b"\x96" + b"\xff" * 7 + b"\x7f"), r"the instruction BYTEARRAY8"),
    "a set": (evil(b"\x8f"), r"the instruction EMPTY_SET"),
    "a buffer from outside": (evil(b"\x97"), r"the instruction NEXT_BUFFER"),
    "protocol 0 text": (evil(b"S'os.system'\n"), r"the instruction STRING"),
    "protocol 0 number": (evil(b"I" + b"9" * 5000 + b"\n"), r"the instruction INT"),
    "protocol 0 long": (evil(b"L" + b"9" * 5000 + b"L\n"), r"the instruction LONG"),
    "protocol 255": (pth(b"\x80\xff}."), r"protocol 255, expected at most 5"),
    "no instruction": (evil(b"\xf0"), r"is b'\\xf0', which is no instruction"),
    "a mark as a value": (evil(b"("), r"takes from an empty stack"),
    "a mark in the memo": (evil(b"(q\x00"), r"remembers the top of an empty stack"),
    "an empty stack": (evil(b""), r"takes from an empty stack"),
    "values left over": (evil(b"NN"), r"leaves 1 values over"),
    "a mark that was never set": (evil(b"NNt"), r"a mark that it never set"),
    "a memo that was never filled": (evil(b"h\x07"), r"recalls number 7, which it never remembered"),
    "a key without a value": (evil(b"}(NNNu"), r"a key without a value"),
    "items for a list": (evil(b"](X\x01\x00\x00\x00aNu"), r"adds to something that is no dict"),
    "appended to a dictionary": (evil(b"}Na"), r"adds to something that is no list"),
    "surrogates in a text": (evil(text(b"\xed\xa0\x80")), r"is not UTF-8"),
    "a number as the result": (evil(b"K\x01"), r"holds a int, expected tensors in dictionaries"),
    "a text as the result": (evil(text("hello")), r"holds a str"),
    "a global as the result": (evil(b"ccollections\nOrderedDict\n"), r"holds a _Name"),
    # --- pickles that want memory or time -----------------------------------------------------------
    "lists nested deep": (evil(b"]" * DEEP + b"a" * (DEEP - 1)), r"within each other more than 32 deep"),
    "tuples nested deep": (evil(b")" + b"\x85" * DEEP), r"within each other more than 32 deep"),
    "dictionaries nested deep": (evil(b"}" + b"K\x01}" * DEEP + b"s" * DEEP), r"more than 32 deep"),
    "marks nested deep": (evil(b"(" * DEEP), r"takes from an empty stack"),
    "a dictionary in itself": (evil(b"}q\x00X\x01\x00\x00\x00ah\x00s"), r"more than 32 deep"),
    "a list in itself": (evil(b"]q\x00h\x00a"), r"more than 32 deep"),
    "a billion laughs of lists": (
        evil(b"(](NNeq\x00" + b"".join(b"](h%ch%ceq%c" % (i, i, i + 1) for i in range(28)) + b"t"),
        r"more than 400,000 entries"),
    "a billion laughs of dictionaries": (
        evil(b"(}(K\x01" + W + b"uq\x00" + b"".join(b"}(K\x01h%cK\x02h%cuq%c" % (i, i, i + 1) for i in range(28)) + b"t"),
        r"more than 400,000 entries"),
    "a long name": (evil(b"}" + text("n" * 9000) + W + b"s"), r"of 9000 characters, expected at most 2000"),
    "many levels with names": (
        evil((b"}" + text("n" * 300)) * 20 + W + b"s" * 20), r"characters, expected at most 2000"),
    "long names times many": (
        evil(b"}(" + text("n" * 1900) + b"}(" + text("w") + W + b"q\x01" + b"".join(
            b"J" + struct.pack("<i", i) + b"h\x01" for i in range(9000)) + b"uu"), r"8,388,608 characters of names"),
    "names of sixteen megabytes": (
        evil(b"}(" + b"".join(text(f"{i:04d}" + "n" * 9000) + b"N" for i in range(1000)) + b"u"), r"texts of more than 8388608"),
    "a million instructions": (evil(b"N\x85" * 500_000), r"more than \d+,\d+ instructions"),
    "a memo of half a million": (evil(b"N" + b"\x94" * 500_000), r"more than \d+,\d+ instructions"),
    "half a million dictionaries": (evil(b"(" + b"}" * 500_000), r"more than \d+,\d+ instructions"),
    "a frame of 2**63 bytes": (evil(b"\x95" + b"\xff" * 7 + b"\x7fK\x01"), r"holds a int"),
    # --- tensors that lie outside of their storages ---------------------------------------------------
    "size beyond the storage": (evil(tensor(storage(), (5,))), r"needs element 4 of storage '0', which has 4"),
    "offset beyond the storage": (evil(tensor(storage(), (1,), offset=4)), r"needs element 4"),
    "negative offset": (evil(tensor(storage(), (1,), offset=-1)), r"expected ones that fit each other"),
    "stride beyond the storage": (evil(tensor(storage(), (2, 2), (3, 1))), r"needs element 4"),
    "negative stride": (evil(tensor(storage(), (2,), (-1,), 1)), r"size or stride is no tuple of at most 32 numbers"),
    "negative size": (evil(tensor(storage(), (-1,))), r"size or stride is no tuple"),
    "size of 2**62": (evil(tensor(storage(), (2**62,), (0,))), r"size or stride is no tuple"),
    "sizes whose product overflows": (evil(tensor(storage(), (2**61, 8), (0, 0))), r"too large for any memory"),
    "sizes whose product is zero past 64 bits": (evil(tensor(storage(), (2**32, 2**32), (0, 0))), r"too large for any memory"),
    "offset whose sum overflows": (evil(tensor(storage(), (2,), (2**61,), 2**61)), r"needs element"),
    "33 axes": (evil(tensor(storage(), (1,) * 33)), r"at most 32 numbers"),
    "size and stride of other lengths": (evil(tensor(storage(), (2, 2), (1,))), r"expected ones that fit each other"),
    "a text as the size": (
        evil(call("torch._utils._rebuild_tensor_v2", storage(), b"K\x00", text("4"), b")", b"\x89", b"N")), r"is no tuple"),
    "a fraction as the size": (
        evil(call("torch._utils._rebuild_tensor_v2", storage(), b"K\x00", tup(b"G" + bytes(8)), tup(b"K\x01"), b"\x89", b"N")),
        r"is no tuple"),
    "True as the size": (
        evil(call("torch._utils._rebuild_tensor_v2", storage(), b"K\x00", tup(b"\x88"), tup(b"K\x01"), b"\x89", b"N")),
        r"is no tuple"),
    "one element repeated to 8 GB": (
        pth(Pickle().dict({"w": tensor(storage(), (2**31,), (0,))}).stop()), r"repeats the elements of its storage beyond"),
    "many tensors that repeat": (
        pth(Pickle().dict({f"w{i}": tensor(storage(), (2**20, i), (0, 0)) for i in range(1, 60)}).stop()), r"repeats the elements"),
    "a tensor of a tensor": (evil(tensor(W, (4,))), r"a tensor of a TensorRef, expected a storage"),
    "a tensor of a number": (evil(tensor(b"K\x01", (4,))), r"a tensor of a int"),
    "too few arguments": (evil(call("torch._utils._rebuild_tensor_v2", storage())), r"a call of tensor with 1 arguments"),
    "a parameter of a number": (evil(call("torch._utils._rebuild_parameter", b"K\x01", b"\x88", b"N")), r"a call of parameter"),
    "another dtype than a dtype": (
        evil(call("torch._utils._rebuild_tensor_v3", storage("ByteStorage"), b"K\x00", tup(b"K\x01"), tup(b"K\x01"), b"\x89",
                  b"N", b"ctorch\nFloatStorage\n")), r"a call of typed tensor"),
    "complex": (evil(b"ctorch\nComplexFloatStorage\n"), r"asks for 'torch.ComplexFloatStorage'"),
    "quantised": (evil(b"ctorch._utils\n_rebuild_qtensor\n"), r"asks for 'torch._utils._rebuild_qtensor'"),
    "sparse": (evil(b"ctorch._utils\n_rebuild_sparse_tensor\n"), r"asks for 'torch._utils._rebuild_sparse_tensor'"),
    "on the meta device": (evil(b"ctorch._utils\n_rebuild_meta_tensor_no_storage\n"), r"_rebuild_meta_tensor_no_storage"),
    "a persistent number": (evil(b"K\x07Q"), r"refers to an outside int"),
    "a persistent text": (evil(text("os.system") + b"Q"), r"refers to an outside str"),
    "a persistent module": (
        evil(tup(text("module"), b"ctorch\nFloatStorage\n", text("x.py"), text("cpu"), b"K\x01") + b"Q"), r"an outside tuple"),
    "a storage of another type": (
        evil(tup(text("storage"), b"ctorch\nfloat32\n", text("0"), text("cpu"), b"K\x04") + b"Q"), r"an outside tuple"),
    "a storage of -1 elements": (evil(storage(count=-1)), r"whose number of elements is none"),
    "a storage of 2**63 elements": (evil(storage(count=2**63)), r"an integer of 16 bytes"),
    "a storage of 2**62 elements": (evil(storage(count=2**62)), r"whose number of elements is none"),
    "a storage with a number as its key": (
        evil(tup(text("storage"), b"ctorch\nFloatStorage\n", b"K\x00", text("cpu"), b"K\x04") + b"Q"), r"whose key is no text"),
    "a storage of two sizes": (evil(tup(storage(), storage(count=5))), r"4 elements of F32 first and 5 of F32 later"),
    "a storage of two types": (evil(tup(storage(), storage("IntStorage"))), r"4 elements of F32 first and 4 of I32"),
    "a view outside of its storage": (
        evil(tup(text("storage"), b"ctorch\nFloatStorage\n", text("0"), text("cpu"), b"K\x04", tup(text("v"), b"K\x02", b"K\x03"))
             + b"Q"), r"a view that lies outside of storage '0'"),
    "a BoolStorage with a 2": (
        pth(Pickle().dict({"w": tensor(storage("BoolStorage", count=4), (4,))}).stop(), {"0": b"\0\1\2\0"}),
        r"tensor 'w' is BOOL but holds the byte 2"),
    # --- archives ---------------------------------------------------------------------------------------
    "storage without an entry": (pth(GOOD, {}), r"storage '0' has no entry 'a/data/0'"),
    "storage larger than its entry": (pth(GOOD, {"0": bytes(15)}), r"storage '0' takes 16 bytes, but its entry has 15"),
    "storage smaller than its entry": (pth(GOOD, {"0": bytes(17)}), r"takes 16 bytes, but its entry has 17"),
    "storage of 16 TB": (
        pth(Pickle().dict({"w": tensor(storage(count=2**42), (2**42,))}).stop()), r"takes 17592186044416 bytes, but its entry has 16"),
    "storage called ../../etc/passwd": (
        pth(Pickle().dict({"w": tensor(storage(key="../../../etc/passwd"), (4,))}).stop()), r"has no entry 'a/data/../../../etc/"),
    "storage called /etc/passwd": (
        pth(Pickle().dict({"w": tensor(storage(key="/etc/passwd"), (4,))}).stop()), r"has no entry 'a/data//etc/passwd'"),
    "entries outside of the folder": (zip_file({"../data.pkl": b"cos\nsystem\n."}), r"asks for 'os.system'"),
    "no pickle": (zip_file({"a/version": b"3"}), r"0 entries called \*/data.pkl, expected one"),
    "two pickles": (zip_file({"a/data.pkl": GOOD, "b/data.pkl": GOOD}), r"2 entries called"),
    "an empty archive": (zip_file({}), r"0 entries called"),
    "a text in the archive": (zip_file({"a.txt": b"hello"}), r"0 entries called"),
    "compressed entries": (zip_file({"a/data.pkl": GOOD, "a/data/0": bytes(16)}, compress=True), r"is compressed, which torch"),
    "a compressed bomb": (zip_file({"a/data.pkl": GOOD, "a/data/0": bytes(30_000_000)}, compress=True), r"is compressed"),
    "duplicate entries": (GOOD_NPZ.replace(b"v.npy", b"w.npy"), r"entry 'w.npy' of the zip archive appears twice"),
    "overlapping entries": (overlapping(), r"has another header at byte|overlaps the one before it"),
    "more entries than bytes": (zip_field(zip_field(GOOD_NPZ, 8, 60_000, "<H", b"PK\5\6"), 10, 60_000, "<H", b"PK\5\6"),
                                r"lists 60000 entries in \d+ bytes"),
    "fewer entries than listed": (zip_field(zip_field(GOOD_NPZ, 8, 1, "<H", b"PK\5\6"), 10, 1, "<H", b"PK\5\6"),
                                  r"directory has \d+ bytes, expected \d+ for its 1 entries"),
    "a directory elsewhere": (zip_field(GOOD_NPZ, 16, 0, signature=b"PK\5\6"), r"expected it to end at"),
    "a directory beyond the file": (zip_field(GOOD_NPZ, 16, 2**31, signature=b"PK\5\6"), r"expected it to end at"),
    "a directory of 4 GB": (zip_field(GOOD_NPZ, 12, 2**32 - 2, signature=b"PK\5\6"), r"expected it to end at"),
    "several disks": (zip_field(GOOD_NPZ, 4, 1, "<H", b"PK\5\6"), r"one part of several"),
    "a comment beyond the file": (zip_field(GOOD_NPZ, 20, 9, "<H", b"PK\5\6"), r"bytes follow the end"),
    "bytes after the end": (GOOD_NPZ + b"x", r"bytes follow the end of the zip archive"),
    "encrypted": (zip_field(GOOD_NPZ, 8, 1, "<H"), r"is encrypted"),
    "an unknown method": (zip_field(GOOD_NPZ, 10, 12, "<H"), r"compressed by method 12"),
    "a stored entry of two sizes": (zip_field(GOOD_NPZ, 24, 5), r"is stored in \d+ bytes, expected its size, 5"),
    "an entry of 4 GB": (zip_field(zip_field(GOOD_NPZ, 24, 2**32 - 2), 20, 2**32 - 2), r"but the archive's entries end at"),
    "an entry that needs ZIP64": (zip_field(GOOD_NPZ, 24, 2**32 - 1), r"needs ZIP64 sizes and has none"),
    "an entry behind the directory": (zip_field(GOOD_NPZ, 42, 2**31), r"behind the archive's entries"),
    "an entry without a header": (zip_field(GOOD_NPZ, 42, 3), r"has another header at byte 3"),
    "a name beyond the directory": (zip_field(GOOD_NPZ, 28, 60_000, "<H"), r"directory is damaged"),
    "a name that is not UTF-8": (patched(GOOD_NPZ, b"v.npy", b"\xff.npy"), r"expected UTF-8"),
    "another name in the entry's header": (GOOD_NPZ[:30] + b"x" + GOOD_NPZ[31:], r"has another header at byte 0"),
    "a wrong checksum": (zip_field(GOOD_NPZ, 16, 12345), r"does not fit its checksum"),
    "only the end of an archive": (b"PK\5\6" + struct.pack("<4H2IH", 0, 0, 5, 5, 0, 0, 0), r"lists 5 entries in 0 bytes"),
    "a ZIP64 end elsewhere": (
        b"PK\3\4" + bytes(60) + b"PK\6\7" + struct.pack("<IQI", 0, 2**63, 1) + b"PK\5\6" + struct.pack(
            "<4H2IH", 0, 0, 0xFFFF, 0xFFFF, 2**32 - 1, 2**32 - 1, 0), r"ZIP64 end takes bytes"),
    "a ZIP64 end that is none": (
        b"PK\3\4" + bytes(60) + b"PK\6\7" + struct.pack("<IQI", 0, 4, 1) + b"PK\5\6" + struct.pack(
            "<4H2IH", 0, 0, 0xFFFF, 0xFFFF, 2**32 - 1, 2**32 - 1, 0), r"ZIP64 end is not where it should be"),
    "2**63 entries by ZIP64": (
        b"PK\3\4" + bytes(4) + b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 2**63, 2**63, 0, 8)
        + b"PK\6\7" + struct.pack("<IQI", 0, 8, 1) + b"PK\5\6" + struct.pack(
            "<4H2IH", 0, 0, 0xFFFF, 0xFFFF, 2**32 - 1, 2**32 - 1, 0), r"lists 9223372036854775808 entries, expected at most|to end at"),
    **{f"archive cut at {n}/16": (GOOD_ZIP[: len(GOOD_ZIP) * n // 16], r".") for n in range(1, 16)},
    # --- PyTorch's older files ---------------------------------------------------------------------------
    **{f"legacy cut at {n}/16": (GOOD_LEGACY[: len(GOOD_LEGACY) * n // 16], r".") for n in range(1, 16)},
    "a pickle that is no file of PyTorch": (b"\x80\x02}.", r"is a pickle, but none that torch.save wrote"),
    "a pickle of True": (b"\x80\x02\x88.", r"is a pickle, but none"),
    "another version": (patched(GOOD_LEGACY, b"M\xe9\x03.", b"M\xea\x03."), r"another version of PyTorch's older format"),
    "a big-endian machine": (
        legacy(GOOD, {"0": np.zeros(4, "<f4")}, system=b"\x80\x02}" + text("little_endian") + b"\x89s."), r"little-endian machine"),
    "no facts about the system": (legacy(GOOD, {}, system=b"\x80\x02]."), r"little-endian machine"),
    "a missing storage": (legacy(GOOD, {}), r"storage '0' is missing"),
    "a storage too many": (legacy(GOOD, {"0": np.zeros(4, "<f4"), "1": np.zeros(1, "<f4")}), r"storage '1' belongs to no tensor"),
    "a storage twice": (
        legacy(GOOD, {"0": np.zeros(4, "<f4")}, keys=b"\x80\x02](" + text("0") * 2 + b"e."), r"list of its storages is damaged"),
    "keys that are no texts": (legacy(GOOD, {"0": np.zeros(4, "<f4")}, keys=b"\x80\x02](]]e."), r"list of its storages is damaged"),
    "keys that are no list": (legacy(GOOD, {"0": np.zeros(4, "<f4")}, keys=b"\x80\x02}."), r"list of its storages is damaged"),
    "a storage of 8 EB": (legacy(Pickle().dict({"w": tensor(storage(count=2**60), (4,))}).stop(), {"0": np.zeros(4, "<f4")}),
                          r"storage '0' has 4 elements, its tensors say 1152921504606846976"),
    "bytes after the storages": (GOOD_LEGACY + b"x", r"the storages end at byte \d+, but the file has"),
    # --- numpy -----------------------------------------------------------------------------------------
    "npy of objects": (npy(described("'|O'")), r"holds Python objects, which numpy pickles"),
    "npz of objects": (zip_file({"w.npy": npy(described("'|O'"), b"cos\nsystem\n(X\x04\x00\x00\x00echotR.")}), r"holds Python objects"),
    "npy of records": (npy(described("[('a', '<f4')]")), r"expected descr, fortran_order and shape of plain numbers"),
    "npy of texts": (npy(described("'<U4'")), r"dtype 'U4', expected one of"),
    "npy of bytes": (npy(described("'|S4'")), r"dtype 'S4'"),
    "npy of voids": (npy(described("'|V4'")), r"dtype 'V4'"),
    "npy of complex numbers": (npy(described("'<c8'"), bytes(32)), r"dtype 'c8'"),
    "npy of dates": (npy(described("'<M8[ns]'")), r"plain numbers"),
    "npy of long doubles": (npy(described("'<f16'"), bytes(64)), r"dtype 'f16'"),
    "npy with code": (npy("{'descr': __import__('os').system('echo'), 'fortran_order': False, 'shape': (4,), }\n"), r"plain numbers"),
    "npy with nested lists": (npy("{'descr': " + "[" * 9000 + "\n"), r"plain numbers"),
    "npy with a negative size": (npy(described(shape="(-4,)")), r"plain numbers"),
    "npy with a fraction": (npy(described(shape="(4.0,)")), r"plain numbers"),
    "npy with 33 axes": (npy(described(shape="(" + "1, " * 33 + ")")), r"33 axes, expected at most 32"),
    "npy with 10,000 axes": (npy(described(shape="(" + "1, " * 10_000 + ")")), r"axes, expected at most 32"),
    "npy with a size of 2**64": (npy(described(shape="(18446744073709551616,)")), r"plain numbers|too large"),
    "npy whose product overflows": (npy(described(shape="(4294967296, 4294967296, 4)")), r"too large for any memory"),
    "npy whose product overflows around a zero": (npy(described(shape="(0, 4294967296, 4294967296)"), b""), r"too large"),
    "npy larger than its file": (npy(described(shape="(1000000000000,)")), r"takes 4000000000000 bytes, but 16 follow"),
    "npy smaller than its file": (npy(described(shape="(3,)")), r"takes 12 bytes, but 16 follow"),
    "npy of version 9": (npy(described(), version=9), r"version 9.0 of numpy's format"),
    "npy with a header of 4 GB": (npy(described(), version=2, size=2**32 - 1), r"a header of 4294967295 bytes"),
    "npy with a header beyond the file": (npy(described(), size=5000), r"a header of 5000 bytes"),
    "npy cut in the magic number": (b"\x93NUMPY", r"does not begin as numpy's files do"),
    "npy with bytes above 1 as bool": (npy(described("'|b1'", shape="(4,)"), b"\0\1\2\0"), r"is BOOL but holds the byte 2"),
    "npz with a text": (zip_file({"w.npy": GOOD_NPY, "readme.txt": b"hello"}), r"0 entries called|is no array"),
    "npz with an empty entry": (zip_file({"w.npy": b""}), r"does not begin as numpy's files do"),
    "npz bomb": (deflate_bomb(None, 80_000_000), r"more than 4 times the file's"),
    "npz bomb that says less": (deflate_bomb(1000, 30_000_000), r"\d+ bytes, but \d+ follow its header"),
    "npz with a small header and a large body": (
        zip_field(zip_file({"w.npy": GOOD_NPY + bytes(30_000_000)}, compress=True), 24, len(GOOD_NPY)),
        r"inflates to more than the \d+ bytes that it says"),
    "npz with damaged deflate": (deflated(b"\x07"), r"cannot be inflated"),
    "npz with deflate that ends early": (deflated(b"\x03\x00"), r"does not begin as numpy's files do"),
    **{f"npz cut at {n}/8": (GOOD_NPZ[: len(GOOD_NPZ) * n // 8], r".") for n in range(1, 8)},
    **{f"npy cut at {n}/8": (GOOD_NPY[: len(GOOD_NPY) * n // 8], r".") for n in range(1, 8)},
    # --- Caffe -------------------------------------------------------------------------------------------
    "caffe: sizes beyond the data": (caffe(blob(ONES, (2, 1, 1, 2))), r"a blob of sizes \[2, 1, 1, 2\] has 8 bytes of data"),
    "caffe: sizes below the data": (caffe(blob(ONES, (1,))), r"a blob of sizes \[1\] has 8 bytes"),
    "caffe: a size of 2**63": (caffe(blob(ONES, (2**63,))), r"expected at most 32 from 0 on"),
    "caffe: sizes whose product overflows": (caffe(blob(ONES, (2**32, 2**32, 2))), r"has 8 bytes of data"),
    "caffe: 33 axes": (caffe(blob(ONES, (1,) * 33)), r"expected at most 32"),
    "caffe: a million axes": (caffe(blob(ONES, (1,) * 1_000_000)), r"expected at most 32"),
    "caffe: no data": (caffe(field(7, field(1, b"\x02"))), r"has 0 bytes of data"),
    "caffe: data in pieces": (caffe(field(5, bytes(4)) + field(5, bytes(4))), r"in pieces, expected them together"),
    "caffe: numbers one by one": (caffe(b"\x2d" + bytes(4)), r"one by one, expected them packed"),
    "caffe: half a number": (caffe(field(5, bytes(3))), r"has 3 bytes of data"),
    "caffe: packed numbers of 16 EB": (
        field(1, b"net") + field(100, field(1, b"c") + b"\x3a\x0b" + b"\x2a" + varint(2**63)), r"takes bytes|without an end"),
    "caffe: a layer beyond the file": (field(1, b"net") + field(100, b"") + b"\xa2\x06\x7f", r"."),
    "caffe: a layer twice": (GOOD_CAFFE + layer("conv1", "Convolution", blob(ONES)), r"layer 'conv1' appears twice"),
    "caffe: a name of a megabyte": (layer("n" * 2**20, "Convolution", blob(ONES)), r"has 1048576 bytes, expected at most 1000"),
    "caffe: a name that is not UTF-8": (field(100, field(1, b"\xff\xfe") + field(7, blob(ONES))), r"is not UTF-8"),
    "caffe: a name that is a number": (field(100, field(1, 5)), r"has wire type 0, expected 2"),
    "caffe: a blob that is a number": (field(100, field(7, 5)), r"has wire type 0, expected 2"),
    "caffe: a group": (field(100, b"\x0b"), r"belongs to no field: number 1, wire type 3"),
    "caffe: field 0": (field(100, b"\x00\x00"), r"belongs to no field: number 0"),
    "caffe: a varint of eleven bytes": (field(100, b"\x08" + b"\xff" * 11), r"a number without an end"),
    "caffe: a varint above 64 bits": (field(100, b"\x08" + b"\xff" * 9 + b"\x7f"), r"a number without an end"),
    "caffe: a varint without an end": (field(100, b"\x08\xff"), r"a number without an end"),
    "caffe: blobs without end": (layer("c", "Convolution", *[blob(ONES)] * 100), r"more than 16 blobs"),
    "caffe: half a million fields": (field(100, b"\x20\x00" * 500_000), r"more than 100,000 fields"),
    "caffe: nested deep": (field(100, b"\x3a\x7f" * 50_000), r"takes bytes|wire type|sizes"),
    "caffe: a scale factor of two": (
        layer("bn", "BatchNorm", blob(np.ones(2)), blob(np.ones(2)), blob(np.ones(2))), r"has 2 numbers, expected the one"),
    "caffe: the oldest format": (field(2, field(1, field(1, b"conv1"))), r"layers of Caffe's oldest format"),
    **{f"caffe cut at {n}/12": (GOOD_CAFFE[: len(GOOD_CAFFE) * n // 12], r".") for n in range(1, 12)},
    # --- Darknet and none of them ------------------------------------------------------------------------
    "darknet without numbers of its header": (struct.pack("<4i", 0, 2, 0, 0), r"16 bytes are too few for the header of version 0.2"),
    "darknet with half a number": (darknet(data=bytes(15)), r"."),
    "darknet of version 300": (darknet(300), r"."),
    "zeros": (bytes(1000), r"the header starts with b''"),
    "text": (b"hello, this is no file of weights\n" * 10, r"."),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(100), r"looks like an HDF5 file"),
    "gzip": (b"\x1f\x8b\x08" + bytes(100), r"looks like a file that is gzipped; unpack it first"),
    "ONNX": (b"\x08\x07\x12\x04test" + bytes(100), r"."),
    "random bytes": (np.random.default_rng(0).bytes(5000), r"."),
}

def main(folder: Any) -> None:
    """Write every file into a folder."""
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    for i, (content, _) in enumerate(MALFORMED.values()):
        (path / f"{i:03d}").write_bytes(content)


if __name__ == "__main__":
    main(sys.argv[1])
