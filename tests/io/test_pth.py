"""PyTorch's files: written by PyTorch itself, of both kinds, and by hand what today's PyTorch no longer writes."""

from __future__ import annotations

import io
import struct
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
from weight_files import Pickle, legacy, storage, tensor, zip_file

from pyconv.io import load, load_pth, recognise, save
from pyconv.io.storages import Storage, TensorRef, _window

KINDS = pytest.mark.parametrize("new", [True, False], ids=["zip", "legacy"])
RETURNED = {"float16": "float32", "bfloat16": "float32", "int16": "int32", "int8": "int32", "uint16": "int32",
            "uint32": "int64", "uint64": "int64"}


def written(torch, tmp_path, value, new=True, **options):
    path = tmp_path / "w.pth"
    torch.save(value, path, _use_new_zipfile_serialization=new, **options)
    return path


@KINDS
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_networks_state(torch, tmp_path, new, protocol):
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 2))
    path = written(torch, tmp_path, net.state_dict(), new, pickle_protocol=protocol)
    found = load(path)
    assert recognise(path) == ("pth" if new else "legacy pth")
    assert list(found) == list(net.state_dict())
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(found[name].array, value.numpy())
        assert found[name].array.dtype == value.numpy().dtype
        assert found[name].array.flags.writeable
        assert found[name].array.flags.aligned


@KINDS
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8",
                                   "bool", "uint16", "uint32", "uint64"])
def test_every_dtype(torch, tmp_path, new, dtype):
    values = torch.tensor([[0, 1, 3.5], [100, 0.25, 7]]).to(getattr(torch, dtype))
    path = written(torch, tmp_path, {"w": values, "scalar": values[1, 2].clone(), "empty": values[:0].clone()}, new)
    found = load(path)
    expected = values.to(torch.float64).numpy()
    assert found["w"].array.dtype == RETURNED.get(dtype, dtype)
    np.testing.assert_array_equal(found["w"].array, expected)
    np.testing.assert_array_equal(found["scalar"].array, expected[1, 2])
    assert found["empty"].shape == (0, 3)


@KINDS
def test_windows_on_storages(torch, tmp_path, new):
    base = torch.arange(120, dtype=torch.float32).reshape(2, 3, 4, 5)
    state = {"whole": base, "part": base[1], "rows": base[:, :, 1], "transposed": base.permute(3, 0, 2, 1),
             "every second": base[..., ::2], "last": base[-1, -1, -1, -1], "expanded": base[:, :1].expand(2, 6, 4, 5),
             "channels last": base.clone().to(memory_format=torch.channels_last)}
    found = load(written(torch, tmp_path, state, new))
    for name, value in state.items():
        np.testing.assert_array_equal(found[name].array, value.numpy(), err_msg=name)
    assert np.shares_memory(found["whole"].array, found["part"].array)
    found["whole"].array[1, 0, 0, 0] = -1
    assert found["part"].array[0, 0, 0] == -1
    found["expanded"].array[0, 0, 0, 0] = 5  # elements of its own: writing one does not write six
    assert found["expanded"].array[0, 1, 0, 0] == 0
    assert not np.shares_memory(found["whole"].array, found["channels last"].array)


@KINDS
def test_half_precision_keeps_sharing(torch, tmp_path, new):
    base = torch.arange(6).half()
    found = load(written(torch, tmp_path, {"a": base, "b": base[2:]}, new))
    assert found["b"].array.tolist() == [2, 3, 4, 5]
    assert np.shares_memory(found["a"].array, found["b"].array)


@KINDS
def test_checkpoints_become_dotted_names(torch, tmp_path, new):
    net = torch.nn.DataParallel(torch.nn.Linear(2, 1))
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    path = written(torch, tmp_path, {
        "epoch": 7, "arch": "tiny", "best": 0.5, "nothing": None, "flag": True, "big": 2**40, "history": [0.5, 0.25],
        "state_dict": net.state_dict(), "optimizer": optimizer.state_dict(), "more": [torch.ones(1), (torch.zeros(2),)]}, new)
    found = load(path)
    assert [name for name in found if not name.startswith("optimizer")] == [
        "state_dict.module.weight", "state_dict.module.bias", "more.0", "more.1.0"]
    assert "optimizer.state.0.exp_avg" in found
    assert load(written(torch, tmp_path, torch.arange(3), new))["tensor"].array.tolist() == [0, 1, 2]


@KINDS
def test_parameters_and_names(torch, tmp_path, new):
    state = OrderedDict([("é", torch.nn.Parameter(torch.ones(2))), (3, torch.zeros(1))])
    assert list(load(written(torch, tmp_path, state, new))) == ["é", "3"]


def test_files_without_checksums(torch, tmp_path):
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        path = written(torch, tmp_path, {"w": torch.arange(3.0)})
    finally:
        torch.serialization.set_crc32_options(before)
    assert load(path)["w"].array.tolist() == [0, 1, 2]


def test_a_flipped_bit_is_noticed(torch, tmp_path):
    path = written(torch, tmp_path, {"w": torch.arange(1000.0)})
    content = bytearray(path.read_bytes())
    content[content.find(np.arange(1000, dtype="<f4").tobytes()) + 2000] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"storage '0' does not fit its checksum: the file is damaged"):
        load(path)


@KINDS
def test_whole_modules_are_refused(torch, tmp_path, new):
    path = written(torch, tmp_path, torch.nn.Linear(2, 1), new)
    with pytest.raises(ValueError, match=r"asks for 'torch.nn.modules.linear.Linear', expected tensors in dictionaries"):
        load(path)


def test_torchscript_is_refused(torch, tmp_path):
    path = tmp_path / "w.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("w/data.pkl", b"\x80\x02}.")
        archive.writestr("w/constants.pkl", b"\x80\x02).")
        archive.writestr("w/code/__torch__.py", "import os")
    with pytest.raises(ValueError, match=r"is a TorchScript archive, which holds code"):
        load(path)


def test_big_endian_archives(tmp_path):
    pickle = Pickle().dict({"w": tensor(storage("FloatStorage", "0", 3), (3,)), "h": tensor(
        storage("BFloat16Storage", "1", 1), (1,))}).stop()
    (tmp_path / "w").write_bytes(zip_file({
        "a/data.pkl": pickle, "a/byteorder": b"big", "a/data/0": np.arange(3, dtype=">f4").tobytes(),
        "a/data/1": b"\x3f\xc0"}))
    found = load(tmp_path / "w")
    assert found["w"].array.tolist() == [0, 1, 2]
    assert found["w"].array.dtype == np.dtype("float32").newbyteorder("=")
    assert found["h"].array.tolist() == [1.5]


def test_what_older_versions_wrote(tmp_path):
    """Python 2's texts, its OrderedDict of pairs, `_rebuild_tensor`, and a view of a part of a storage."""
    def text(value):
        return b"U" + bytes([len(value)]) + value.encode()

    view = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("7") + text("cpu") + b"K\x06(" + text(
        "view") + b"K\x02K\x04ttQ"
    pair = b"]" + text("w") + b"actorch._utils\n_rebuild_tensor\n(" + view + b"K\x01K\x02\x85K\x02\x85tRa"
    tree = b"\x80\x02ccollections\nOrderedDict\n]" + pair + b"a\x85R."
    (tmp_path / "w").write_bytes(legacy(tree, {"7": np.arange(6, dtype="<f4")}))
    assert load_pth(tmp_path / "w")["w"].array.tolist() == [3, 5]


def test_round_trip_to_torch(torch, tmp_path):
    net = torch.nn.Conv2d(2, 3, 3)
    save(load(written(torch, tmp_path, net.state_dict())), tmp_path / "w.safetensors")
    official = pytest.importorskip("safetensors.torch", reason="the safetensors package is not installed")
    assert str(torch.nn.Conv2d(2, 3, 3).load_state_dict(official.load_file(tmp_path / "w.safetensors"))) == (
        "<All keys matched successfully>")


def test_storages_lie_where_the_archive_says(torch, tmp_path):
    """Large enough for more than one read; unaligned on purpose; compared with PyTorch's own loader."""
    buffer = io.BytesIO()
    torch.save({"x": torch.randn(3), "y": torch.randn(100_003)}, buffer)
    (tmp_path / "w").write_bytes(buffer.getvalue())
    theirs = torch.load(io.BytesIO(buffer.getvalue()), weights_only=True)
    for name, value in load(tmp_path / "w").items():
        np.testing.assert_array_equal(value.array, theirs[name].numpy())


def test_windows_are_checked_once_more_where_memory_is_touched():
    ref = TensorRef(Storage.all("0", "F32", 9), "F32", 0, (2, 3), (6, 1))
    with pytest.raises(ValueError, match=r"elements 0 to 8 of a storage of 8"):
        _window(np.zeros(8, np.float32), ref)
    assert _window(np.arange(9.0), ref).tolist() == [[0, 1, 2], [6, 7, 8]]


def test_too_many_instructions_for_the_size_of_the_file(tmp_path):
    (tmp_path / "w").write_bytes(zip_file({"a/data.pkl": b"\x80\x02" + b"N0" * 10 + b"."}))
    with pytest.raises(ValueError, match=r"instruction POP, which no file of weights needs"):
        load(tmp_path / "w")
    (tmp_path / "w").write_bytes(zip_file({"a/data.pkl": b"\x80\x02" + b"N\x85" * 250_000 + b"."}))
    with pytest.raises(ValueError, match=r"more than \d+,\d+ instructions"):
        load(tmp_path / "w")


def test_the_size_field_of_a_legacy_storage_counts(tmp_path):
    tree = Pickle().dict({"w": tensor(storage("FloatStorage", "0", 3), (3,))}).stop()
    content = legacy(tree, {"0": np.zeros(3, "<f4")})
    at = len(content) - 20
    assert struct.unpack("<q", content[at:at + 8]) == (3,)
    (tmp_path / "w").write_bytes(content[:at] + struct.pack("<q", 2) + content[at + 8:])
    with pytest.raises(ValueError, match=r"storage '0' has 2 elements, its tensors say 3"):
        load(tmp_path / "w")
