"""What broke elsewhere, translated to our calls: each advisory or issue by its name, each a clean error here.

The rows follow the classes of published weaknesses of deep learning libraries. Where there is no error to raise, the test
shows what happens instead.
"""

from __future__ import annotations

import pickle
import struct
import zipfile

import numpy as np
import pytest
from worker import TESTS

import pyconv
from pyconv import ShapeError, nn
from pyconv._backend import core
from pyconv.io import atomic_write, load, save
from pyconv.nn import functional as F
from pyconv.nn import grad


def x(*shape: int, requires_grad: bool = False) -> pyconv.Tensor:
    return pyconv.from_numpy(np.ones(shape, np.float32)).requires_grad_(requires_grad)


def i(value: int, *shape: int) -> pyconv.Tensor:
    return pyconv.from_numpy(np.full(shape, value, np.int64))


def rows(*table):
    return pytest.mark.parametrize(("call", "error", "match"), [r[1:] for r in table], ids=[r[0] for r in table])


HUGE = 2**62


@rows(
    ("CVE-2021-29526", lambda: F.conv2d(x(1, 3, 8, 8), x(4, 3, 3, 3), stride=0), ValueError, r"\[conv2d\] stride is 0"),
    ("CVE-2021-29517", lambda: F.conv3d(x(1, 3, 4, 4, 4), x(4, 3, 0, 3, 3)), ShapeError, r"\[conv3d\] weight has an empty filter"),
    ("CVE-2021-29538", lambda: grad.conv2d_weight(x(1, 0, 8, 8), (4, 3, 3, 3), x(1, 4, 6, 6)), ShapeError,
     r"\[conv2d_weight\] x and weight need at least one channel"),
    ("CVE-2021-37675", lambda: F.conv3d(x(1, 3, 4, 4, 4), x(4, 3, 2, 2, 2), stride=(1, 0, 1)), ValueError, r"\[conv3d\] stride is 0"),
    ("CVE-2021-41209", lambda: grad.conv2d_weight(x(1, 3, 8, 8), (4, 3, 0, 3), x(1, 4, 6, 6)), ShapeError,
     r"\[conv2d_weight\] weight has an empty filter"),
    ("CVE-2022-21725", lambda: F.conv1d(x(1, 3, 8), x(4, 3, 3), stride=0), ValueError, r"\[conv1d\] stride is 0"),
    ("CVE-2022-21741", lambda: F.conv2d(x(1, 4, 8, 8), x(4, 1, 3, 3), groups=4, stride=0), ValueError, r"\[conv2d\] stride is 0"),
    ("tensorflow-61902", lambda: F.conv2d(x(1, 3, 8, 8), x(4, 3, 3, 3), stride=2**48), ValueError,
     r"\[conv2d\] stride is 281474976710656, expected 1 to 2147483647"),
    ("tensorflow-61905", lambda: F.max_pool2d(x(1, 3, 8, 8), 2, stride=2**16 * 2**16), ValueError,
     r"\[max_pool2d\] stride is 4294967296, expected 1 to"),
    ("tensorflow-60622", lambda: F.avg_pool2d(x(1, 3, 8, 8), 2, stride=0), ValueError, r"\[avg_pool2d\] stride is 0"),
    ("CVE-2025-2953", lambda: F.max_pool2d(x(1, 3, 8, 8), 2, stride=0), ValueError, r"\[max_pool2d\] stride is 0"),
    ("pytorch-149274", lambda: nn.MaxPool2d(2, stride=0), ValueError, r"\[MaxPool2d\] stride is 0"),
    ("ncnn-ConvTranspose-groups", lambda: F.conv_transpose2d(x(1, 3, 8, 8), x(3, 4, 3, 3), groups=0), ValueError,
     r"\[conv_transpose2d\] groups is 0"),
    ("onnxruntime-DepthToSpace-blocksize", lambda: F.pixel_shuffle(x(1, 4, 2, 2), 2**32), ValueError,
     r"\[pixel_shuffle\] upscale_factor is 4294967296"),
)
def test_zero_stride_group_or_empty_filter(call, error, match):
    with pytest.raises(error, match=match):
        call()


@rows(
    ("CVE-2021-29540", lambda: grad.conv2d_weight(x(1, 3, 8, 8), (4, 3, 3, 3), x(1, 4, 5, 6)), ShapeError,
     r"\[conv2d_weight\] grad_output has shape \(1, 4, 5, 6\), expected \(1, 4, 6, 6\)"),
    ("CVE-2021-29520", lambda: grad.conv3d_input((1, 3, 4, 4, 4), x(4, 3, 3, 3, 3), x(1, 4, 2, 2, 9)), ShapeError,
     r"\[conv3d_input\] grad_output has shape \(1, 4, 2, 2, 9\), expected \(1, 4, 2, 2, 2\)"),
    ("CVE-2021-29577", lambda: F.avg_pool3d(x(1, 1, 4, 4, 4, requires_grad=True), 2).backward(x(1, 1, 3, 2, 2)), ShapeError,
     r"\[backward\] gradient has shape \(1, 1, 3, 2, 2\), expected \(1, 1, 2, 2, 2\)"),
    ("CVE-2021-29579", lambda: F.max_pool2d(x(1, 1, 4, 4, requires_grad=True), 2).backward(x(1, 1, 3, 3)), ShapeError,
     r"\[backward\] gradient has shape \(1, 1, 3, 3\), expected \(1, 1, 2, 2\)"),
    ("CVE-2021-37674", lambda: F.max_pool2d(x(1, 1, 4, 4, requires_grad=True), 2).backward(x(1, 1, 0, 0)), ShapeError,
     r"\[backward\] gradient has shape \(1, 1, 0, 0\), expected \(1, 1, 2, 2\)"),
    ("CVE-2023-25664", lambda: F.avg_pool2d(x(1, 1, 4, 4, requires_grad=True), 2).backward(x(1, 1, 1, 2)), ShapeError,
     r"\[backward\] gradient has shape \(1, 1, 1, 2\), expected \(1, 1, 2, 2\)"),
)
def test_gradient_shape_unchecked(call, error, match):
    with pytest.raises(error, match=match):
        call()


@rows(
    ("CVE-2021-29569", lambda: F.max_unpool2d(x(1, 1, 2, 2), i(0, 1, 1, 2, 1), 2), ShapeError,
     r"\[max_unpool2d\] indices has shape 1x1x2x1, expected 1x1x2x2"),
    ("CVE-2021-29570", lambda: F.max_unpool2d(x(1, 1, 2, 2), i(-1, 1, 1, 2, 2), 2), IndexError,
     r"\[max_unpool2d\] indices holds -1, expected 0 to 15"),
    ("pytorch-152913", lambda: F.max_unpool2d(x(1, 1, 2, 2), i(HUGE, 1, 1, 2, 2), 2), IndexError,
     r"\[max_unpool2d\] indices holds 4611686018427387904, expected 0 to 15"),
    ("pytorch-max_pool2d_with_indices_backward", lambda: F.max_unpool3d(x(1, 1, 2, 2, 2), i(64, 1, 1, 2, 2, 2), 2), IndexError,
     r"\[max_unpool3d\] indices holds 64, expected 0 to 63"),
)
def test_saved_indices_unchecked(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_saved_indices_changed_between_forward_and_backward():
    """The index tensor is the caller's: what he writes into it after the forward pass is noticed."""
    y, indices = F.max_pool2d(x(1, 1, 4, 4), 2, return_indices=True)
    source = y.detach().requires_grad_()
    out = F.max_unpool2d(source, indices, 2)
    indices.array[:] = 2**40
    with pytest.raises((IndexError, RuntimeError), match=r"indices"):
        out.sum().backward()


@rows(
    ("pytorch-142454", lambda: F.max_pool1d(x(1, 1, 8), 8608480567731124087), ValueError,
     r"\[max_pool1d\] kernel_size is 8608480567731124087, expected 1 to 2147483647"),
    ("pytorch-50960", lambda: F.adaptive_avg_pool2d(x(1, 1, 8, 8), (HUGE, HUGE)), ValueError,
     r"\[adaptive_avg_pool2d\] output_size is 4611686018427387904"),
    ("pytorch-96277", lambda: F.max_pool2d(x(1, 1, 8, 8), 2, stride=2**63 - 1, padding=HUGE), ValueError,
     r"\[max_pool2d\] stride is 9223372036854775807"),
    ("pytorch-94696", lambda: F.adaptive_max_pool2d(x(1, 1, 8, 8), (HUGE, HUGE)), ValueError,
     r"\[adaptive_max_pool2d\] output_size is 4611686018427387904"),
    ("pytorch-conv_transpose2d-42x42", lambda: F.conv_transpose2d(x(1, 1, 2, 2), x(1, 1, 3, 3), stride=HUGE + 5, output_padding=HUGE + 4),
     ValueError, r"\[conv_transpose2d\] stride is 4611686018427387909"),
    ("padding", lambda: F.conv2d(x(1, 1, 8, 8), x(1, 1, 3, 3), padding=HUGE), ValueError, r"\[conv2d\] padding is 4611686018427387904"),
    ("dilation", lambda: F.conv2d(x(1, 1, 8, 8), x(1, 1, 3, 3), dilation=HUGE), ValueError, r"\[conv2d\] dilation is 4611686018427387904"),
    ("fold", lambda: F.fold(x(1, 4, 4), HUGE, 2), ShapeError, r"\[fold\] size 4611686018427387904 .* exceeds the limit"),
    ("pad", lambda: F.pad(x(1, 1, 4, 4), (HUGE, HUGE)), ShapeError, r"\[pad\] size overflows 64 bits"),
    ("interpolate", lambda: F.interpolate(x(1, 1, 8, 8), scale_factor=1e300), ValueError, r"\[interpolate\] scale_factor is 1e\+300"),
    ("interpolate-nan", lambda: F.interpolate(x(1, 1, 8, 8), scale_factor=float("nan")), ValueError,
     r"\[interpolate\] scale_factor is nan"),
)
def test_huge_parameters(call, error, match):
    with pytest.raises(error, match=match):
        call()


@rows(
    ("CVE-2021-29576", lambda: F.avg_pool3d(x(1, 1, 4, 4, 4), (2, 0, 2)), ValueError, r"\[avg_pool3d\] kernel_size is 0"),
    ("CVE-2021-29576-short-kernel", lambda: F.max_pool3d(x(1, 1, 4, 4, 4), (2, 2), stride=(1, 1, 1)), ShapeError,
     r"\[max_pool3d\] kernel_size has 2 entries, expected 1 or 3"),
    ("CVE-2021-29576-short-stride", lambda: F.max_pool3d(x(1, 1, 4, 4, 4), 2, stride=(1, 1)), ShapeError,
     r"\[max_pool3d\] stride has 2 entries, expected 1 or 3"),
    ("CVE-2021-29576-layer", lambda: nn.AvgPool3d((2, 0, 2)), ValueError, r"\[AvgPool3d\] kernel_size is 0"),
)
def test_partly_initialised(call, error, match):
    with pytest.raises(error, match=match):
        call()


@rows(
    ("CVE-2021-29583", lambda: F.batch_norm(x(2, 4, 3, 3), x(3), x(4)), ShapeError, r"\[batch_norm\] running_mean has shape 3, expected 4"),
    ("CVE-2021-29583-empty", lambda: F.batch_norm(x(2, 4, 3, 3), x(4), x(0)), ShapeError,
     r"\[batch_norm\] running_var has shape 0, expected 4"),
    ("CVE-2021-41223", lambda: F.batch_norm(x(2, 4, 3, 3), x(4), x(4), weight=x(3)), ShapeError,
     r"\[batch_norm\] weight has shape 3, expected 4"),
    ("CVE-2021-41223-bias", lambda: F.batch_norm(x(2, 4, 3, 3), x(4), x(4), bias=x(1), training=True), ShapeError,
     r"\[batch_norm\] bias has shape 1, expected 4"),
)
def test_short_batch_norm_vectors(call, error, match):
    with pytest.raises(error, match=match):
        call()


def _assigned(layer: nn.Module, name: str, *shape: int):
    setattr(layer, name, nn.Parameter(np.ones(shape, np.float32)))
    return layer


@rows(
    ("onnxruntime-MatMulNBits-PrePack", lambda: _assigned(nn.Linear(5, 4), "weight", 4, 6)(x(2, 5)), ShapeError,
     r"\[linear\] input has 5 features, expected 6"),
    ("onnxruntime-Attention-PrePack", lambda: _assigned(nn.Conv2d(3, 4, 3), "weight", 4, 2, 3, 3)(x(1, 3, 8, 8)), ShapeError,
     r"\[conv2d\] weight has 2 input channels but x has 3"),
    ("onnxruntime-Resize-ParseScalesData", lambda: F.interpolate(x(1, 1, 8, 8), scale_factor=(1.0, 2.0, 3.0)), ShapeError,
     r"\[interpolate\] scale_factor has 3 entries"),
)
def test_pre_packing_before_validation(call, error, match):
    with pytest.raises(error, match=match):
        call()


@pytest.mark.parametrize("call", [
    pytest.param(lambda: F.conv2d(x(1, 3, 8, 8), x(4, 3, 3, 3), stride=0), id="tensorflow-57749"),
    pytest.param(lambda: F.max_pool2d(x(1, 3, 8, 8), 2, stride=0), id="tensorflow-57749-pool"),
])
def test_isa_specific(call, isa):
    """The same error on every instruction set: checks stand in front of the kernels."""
    with pytest.raises(ValueError, match=r"stride is 0, expected 1 to 2147483647"):
        call()
    assert core.isa() == isa


@pytest.mark.parametrize("name", ["CVE-2025-46148", "CVE-2025-46149", "CVE-2025-46150", "CVE-2025-46152", "CVE-2025-46153",
                                  "PYSEC-2025-200"])
def test_wrong_results(name):
    """Values that a second way of computing got wrong: ours has to agree with plain numpy."""
    values = np.random.default_rng(0).standard_normal((2, 3, 6, 6)).astype(np.float32)
    tensor = pyconv.from_numpy(values)
    if name == "CVE-2025-46148":  # pairwise distance
        got = F.pairwise_distance(tensor, tensor * 2, p=2.0).array
        expected = np.sqrt(((-values.astype(float) + 1e-6) ** 2).sum(-1))
    elif name in ("CVE-2025-46149", "PYSEC-2025-200"):  # a fold, a pooling
        got = F.max_pool2d(tensor, 3, 2).array
        expected = np.lib.stride_tricks.sliding_window_view(values, (3, 3), (2, 3))[:, :, ::2, ::2].max((-1, -2))
    elif name == "CVE-2025-46150":  # unfolding
        got = F.unfold(tensor, 3).array
        windows = np.lib.stride_tricks.sliding_window_view(values, (3, 3), (2, 3))
        expected = windows.transpose(0, 1, 4, 5, 2, 3).reshape(2, 27, 16)
    elif name == "CVE-2025-46152":  # shifts and rounding
        got, expected = tensor.floor().array, np.floor(values)
    else:  # dropout without a gradient
        got, expected = F.dropout3d(tensor, 0.5, training=False).array, values
    np.testing.assert_allclose(got, expected, rtol=1e-6)


class _Touch:
    """A pickle of this would write a file when read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize(("name", "match"), [
    ("CVE-2025-32434", r"the pickle asks for 'io\.open', expected tensors .* nothing of it was run"),
    ("CVE-2026-24747", r"the pickle asks for 'io\.open', expected tensors .* nothing of it was run"),
    ("CVE-2025-1550", r"the zip archive has 0 entries called \*/data\.pkl"),
    ("CVE-2025-8747", r"looks like an HDF5 file"),
    ("CVE-2025-9906", r"the zip archive has 0 entries called \*/data\.pkl"),
])
def test_pickle(name, match, tmp_path):
    """A file of weights runs nothing, whatever it is wrapped in."""
    path, proof = tmp_path / "w.safetensors", tmp_path / "executed"
    content = pickle.dumps(_Touch(proof), protocol=2)
    if name in ("CVE-2025-32434", "CVE-2025-1550", "CVE-2025-9906"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl" if name == "CVE-2025-32434" else "config.json", content)
    elif name == "CVE-2025-8747":
        path.write_bytes(b"\x89HDF\r\n\x1a\n" + content)
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"\[load\] .*{match}"):
        load(path)
    assert not proof.exists()


@pytest.mark.parametrize(("case", "match"), [
    pytest.param("external: above", r"expected a plain relative path", id="CVE-2022-25882"),
    pytest.param("external: above inside", r"expected a plain relative path", id="CVE-2024-27318"),
    pytest.param("external: by default", r"external_data=True", id="CVE-2025-51480"),
    pytest.param("external: symbolic link", r"a missing file, or a link", id="CVE-2026-27489"),
    pytest.param("external: hard link", r"hard links", id="CVE-2026-34446"),
    pytest.param("external: linked folder", r"a missing file, or a link", id="CVE-2026-34447"),
    pytest.param("external: absolute", r"expected a plain relative path", id="VA-26-233-01"),
])
def test_path_traversal(case, match, tmp_path, monkeypatch):
    pytest.importorskip("onnx", reason="the package onnx is not installed: pip install pyconv[onnx]")
    monkeypatch.syspath_prepend(str(TESTS / "interop"))
    import onnx_corpus

    from pyconv.interop import onnx

    found = onnx_corpus.CASES[case]
    with pytest.raises(onnx.OnnxError, match=match):
        onnx.load(found.model(tmp_path), **found.options)


def test_parser_null_dereference_cve_2026_44512():
    """An operator without the inputs that it needs."""
    onnx = pytest.importorskip("onnx", reason="the package onnx is not installed: pip install pyconv[onnx]")
    from pyconv.interop.onnx import OnnxError, load

    y = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
    graph = onnx.helper.make_graph([onnx.helper.make_node("Upsample", [], ["y"])], "g", [], [y])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 8)], ir_version=8)
    with pytest.raises(OnnxError, match=r"Upsample"):
        load(model.SerializeToString())


@pytest.mark.parametrize(("name", "content", "match"), [
    ("safetensors-header-of-100-MB", struct.pack("<Q", 2**62) + b"{}", r"header's size is 4611686018427387904"),
    ("tensorizer-73-bytes", None, r"ends|beyond|exceed|offset|bytes|expected"),
], ids=lambda v: v if isinstance(v, str) and "-" in v else "")
def test_parse_time_dos(name, content, match, tmp_path):
    """What a file claims is compared with its size before memory is asked for."""
    if content is None:
        header = b'{"w":{"dtype":"F32","shape":[274877906944],"data_offsets":[0,1099511627776]}}'
        content = struct.pack("<Q", len(header)) + header
    (tmp_path / "w").write_bytes(content)
    with pytest.raises(ValueError, match=rf"\[load\] .*({match})"):
        load(tmp_path / "w")


def test_self_overwrite_of_mapped_weights_safetensors_764(tmp_path):
    path = tmp_path / "w.safetensors"
    expected = np.arange(5000, dtype=np.float32)
    save({"w": expected}, path)
    loaded = load(path)
    save(loaded, path)
    np.testing.assert_array_equal(load(path)["w"].array, expected)
    np.testing.assert_array_equal(loaded["w"].array, expected)


@pytest.mark.parametrize("name", ["pytorch-lightning-688", "pytorch-53708", "pytorch-170244"])
def test_non_atomic_checkpoint(name, tmp_path):
    """A save that fails half-way leaves the old file whole; a torn file is an error, not an abort."""
    path = tmp_path / "w.safetensors"
    save({"w": np.arange(9.0)}, path)
    if name == "pytorch-53708":
        path.write_bytes(path.read_bytes()[:-8])
        with pytest.raises(ValueError, match=r"\[load\] .*w\.safetensors"):
            load(path)
        return

    def torn() -> None:
        with atomic_write(path) as file:
            file.write(b"torn")
            raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        torn()
    assert load(path)["w"].tolist() == list(range(9))
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]
