"""`pyconv.interop.onnx.export`: onnxruntime and our own reader compute what the model does."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the package onnx is not installed: pip install pyconv[onnx]")

import pyconv
from pyconv import models, nn
from pyconv.grad_mode import no_grad
from pyconv.interop.onnx import OnnxError, export, load
from pyconv.nn import functional as F

RNG = np.random.default_rng(7)


def x(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


class Fn(nn.Module):
    """A function as a module."""

    def __init__(self, function, *parts):
        super().__init__()
        self.function = function
        self.parts = nn.ModuleList(parts)

    def forward(self, *inputs):
        return self.function(*self.parts, *inputs)


def block(channels=8, down=None):
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
            self.conv2, self.bn2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
            self.relu, self.downsample = nn.ReLU(inplace=True), down

        def forward(self, x):
            y = self.relu(self.bn1(self.conv1(x)))
            y = self.bn2(self.conv2(y))
            y += x if self.downsample is None else self.downsample(x)
            return self.relu(y)

    return Block()


def scrambled(model):
    """Weights and running statistics that are not those of a fresh layer."""
    rng = np.random.default_rng(3)
    state = {}
    for name, value in model.state_dict().items():
        if value.dtype == np.float32:
            new = rng.standard_normal(value.shape) * 0.3
            state[name] = (np.abs(new) + 0.5 if name.endswith("var") else new).astype(np.float32)
    model.load_state_dict(state, strict=False)
    return model


MODELS = {
    "lenet5": (models.lenet5, [x(2, 1, 32, 32)]),
    "resnet block": (block, [x(2, 8, 9, 9)]),
    "resnet block, down": (lambda: block(8, nn.Sequential(nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8))), [x(1, 8, 7, 5)]),
    "conv1d": (lambda: nn.Conv1d(4, 6, 3, 2, 1, 2, 2), [x(2, 4, 17)]),
    "conv1d unbatched": (lambda: nn.Conv1d(4, 6, 3), [x(4, 17)]),
    "conv2d same": (lambda: nn.Conv2d(3, 5, (2, 5), padding="same", dilation=(1, 2)), [x(1, 3, 8, 9)]),
    "conv2d valid": (lambda: nn.Conv2d(3, 5, 3, padding="valid"), [x(1, 3, 8, 9)]),
    "conv2d asymmetric": (lambda: Fn(lambda c, v: F.conv2d(v, c.weight, c.bias, 2, ((0, 1), (2, 1))),
                                     nn.Conv2d(3, 5, 3)), [x(1, 3, 8, 9)]),
    "conv2d depthwise": (lambda: nn.Conv2d(6, 6, 3, groups=6, bias=False), [x(2, 6, 8, 8)]),
    "conv3d": (lambda: nn.Conv3d(2, 4, (1, 2, 3), padding=(0, 1, 1)), [x(1, 2, 4, 5, 6)]),
    "conv_transpose1d": (lambda: nn.ConvTranspose1d(4, 6, 3, 2, 1, 1), [x(2, 4, 7)]),
    "conv_transpose2d": (lambda: nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, 2), [x(2, 4, 7, 5)]),
    "conv_transpose3d": (lambda: nn.ConvTranspose3d(2, 3, 2, 2), [x(1, 2, 3, 4, 2)]),
    "max_pool1d": (lambda: nn.MaxPool1d(3, 2, 1), [x(2, 3, 11)]),
    "max_pool2d": (lambda: nn.MaxPool2d(3, 2, 1, ceil_mode=True), [x(2, 3, 10, 9)]),
    "max_pool2d dilated": (lambda: nn.MaxPool2d(2, 1, 0, 2), [x(2, 3, 10, 9)]),
    "max_pool3d": (lambda: nn.MaxPool3d(2), [x(1, 2, 4, 5, 6)]),
    "avg_pool1d": (lambda: nn.AvgPool1d(3, 2, 1), [x(2, 3, 11)]),
    "avg_pool2d": (lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False), [x(2, 3, 10, 9)]),
    "avg_pool2d divisor": (lambda: nn.AvgPool2d(2, divisor_override=3), [x(2, 3, 10, 9)]),
    "avg_pool3d": (lambda: nn.AvgPool3d(2, 2, 1), [x(1, 2, 4, 5, 6)]),
    "adaptive_avg_pool1d": (lambda: nn.AdaptiveAvgPool1d(3), [x(2, 3, 7)]),
    "adaptive_avg_pool2d 1": (lambda: nn.AdaptiveAvgPool2d(1), [x(2, 3, 7, 5)]),
    "adaptive_avg_pool2d": (lambda: nn.AdaptiveAvgPool2d((3, None)), [x(2, 3, 7, 5)]),
    "adaptive_avg_pool3d": (lambda: nn.AdaptiveAvgPool3d(2), [x(1, 2, 4, 6, 8)]),
    "adaptive_max_pool2d": (lambda: nn.AdaptiveMaxPool2d((3, 2)), [x(2, 3, 7, 5)]),
    "batch_norm1d": (lambda: nn.BatchNorm1d(5), [x(4, 5)]),
    "batch_norm2d plain": (lambda: nn.BatchNorm2d(5, affine=False), [x(2, 5, 3, 3)]),
    "batch_norm3d": (lambda: nn.BatchNorm3d(2), [x(2, 2, 3, 4, 3)]),
    "instance_norm": (lambda: nn.InstanceNorm2d(3, affine=True), [x(2, 3, 5, 4)]),
    "instance_norm tracked": (lambda: nn.InstanceNorm2d(3, track_running_stats=True), [x(2, 3, 5, 4)]),
    "group_norm": (lambda: nn.GroupNorm(2, 6), [x(2, 6, 5, 4)]),
    "layer_norm": (lambda: nn.LayerNorm((5, 4)), [x(2, 6, 5, 4)]),
    "layer_norm plain": (lambda: nn.LayerNorm(4, elementwise_affine=False), [x(2, 6, 4)]),
    "rms_norm": (lambda: nn.RMSNorm(4), [x(2, 6, 4)]),
    "local_response_norm": (lambda: nn.LocalResponseNorm(5, 0.01, 0.6, 2.0), [x(2, 7, 5, 4)]),
    **{f"interpolate {mode} {options}": (lambda mode=mode, options=options: Fn(
        lambda a: F.interpolate(a, mode=mode, **options)), [x(1, 2, 6, 5)])
       for mode, options in [
           ("nearest", {"scale_factor": 2}), ("nearest", {"size": (7, 3)}), ("nearest-exact", {"size": (9, 8)}),
           ("bilinear", {"scale_factor": 2}), ("bilinear", {"size": (4, 9), "align_corners": True}),
           ("bilinear", {"scale_factor": 1.5}), ("bicubic", {"size": (12, 10)}),
           ("bilinear", {"size": (3, 2), "antialias": True}), ("area", {"size": (3, 5)})]},
    "upsample 1d": (lambda: nn.Upsample(scale_factor=3, mode="linear"), [x(2, 3, 5)]),
    "grid_sample": (lambda: Fn(lambda a, g: F.grid_sample(a, g.tanh(), align_corners=False)), [x(2, 3, 5, 4), x(2, 3, 6, 2)]),
    "pixel_shuffle": (lambda: nn.Sequential(nn.PixelShuffle(2), nn.PixelUnshuffle(2)), [x(2, 8, 4, 6)]),
    "lp_pool": (lambda: nn.LPPool2d(2, 2), [x(2, 3, 6, 4)]),
    "reflection pad": (lambda: nn.ReflectionPad2d(2), [x(1, 2, 5, 4)]),
    "linear": (lambda: nn.Linear(7, 3), [x(4, 7)]),
    "linear 3d": (lambda: nn.Linear(7, 3, bias=False), [x(2, 4, 7)]),
    "dropout": (lambda: nn.Sequential(nn.Dropout(0.5), nn.Linear(3, 2), nn.Dropout1d()), [x(2, 4, 3)]),
    "softmax": (lambda: nn.Softmax(1), [x(2, 3, 4)]),
    "log_softmax": (lambda: nn.LogSoftmax(-1), [x(2, 3, 4)]),
    "flatten": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), [x(2, 3, 4)]),
    "prelu": (lambda: nn.PReLU(3), [x(2, 3, 4, 4)]),
    **{f"activation {name}": (lambda name=name, args=args: getattr(nn, name)(*args), [3 * x(2, 3, 4, 5)])
       for name, args in [
           ("ReLU", ()), ("ReLU6", ()), ("LeakyReLU", (0.2,)), ("ELU", (0.7,)), ("SELU", ()), ("CELU", (1.5,)),
           ("GELU", ()), ("GELU", ("tanh",)), ("SiLU", ()), ("Sigmoid", ()), ("Tanh", ()), ("Hardswish", ()),
           ("Hardsigmoid", ()), ("Hardtanh", (-0.5, 2.0)), ("Softplus", (2.0,)), ("Softsign", ()), ("LogSigmoid", ()),
           ("Mish", ()), ("Threshold", (0.1, -2.0)), ("Tanhshrink", ()), ("Hardshrink", (0.4,)), ("Softshrink", (0.4,))]},
    "arithmetic": (lambda: Fn(lambda a, b: ((a + b) * 2 - a / 3) ** 2 + pyconv.maximum(a, b) - pyconv.minimum(a, 0.5)),
                   [x(2, 3), x(3)]),
    "functions": (lambda: Fn(lambda a: (a.abs() + 1).log() + a.exp().sqrt() + (-a).sigmoid() * a.sin() + a.cos().erf()
                             + a.square().log1p() + a.expm1() * (a.square() + 1).rsqrt()), [x(2, 3)]),
    "comparisons": (lambda: Fn(lambda a: pyconv.where((a > 0) & (a <= 1) | (a != a.round()), a, a.floor() - 1.0)),
                    [x(4, 5)]),
    "reductions": (lambda: Fn(lambda a: a.mean((2, 3)) + a.var(1).sum((1, 2), keepdim=True).reshape(-1, 1)
                              + a.amax((1, 2))[:, :3] + a.max(1)[0].amin(2)[:, :3]), [x(2, 3, 4, 5)]),
    "indices": (lambda: Fn(lambda a: (a.argmax(1), a.max(2)[1], a.argmin())), [x(2, 3, 4)]),
    "views": (lambda: Fn(lambda a: a.permute(0, 2, 1).reshape(2, -1)[:, 1::2].unsqueeze(1).expand(-1, 3, -1).squeeze(0)
                         .flatten(1).contiguous()), [x(2, 3, 4)]),
    "join": (lambda: Fn(lambda a, b: pyconv.cat([pyconv.stack([a, b], 1).reshape(2, -1), *a.split([1, 2], 1)], 1)),
             [x(2, 3), x(2, 3)]),
    "index": (lambda: Fn(lambda a: pyconv.cat([a[0, :, 1:3], a[-1][:, None, 2], a[:, :, [0, 2, 2]][1]], 1)),
              [x(2, 3, 4)]),
    "gather": (lambda: Fn(lambda a: a[[0, 1, 1], [2, 0, 1]]), [x(2, 3, 4)]),
    "pad": (lambda: Fn(lambda a: F.pad(F.pad(a, (1, 2, 0, 1), value=1.5), (2, 1), mode="reflect")), [x(1, 2, 3, 4)]),
    "pad edge": (lambda: Fn(lambda a: F.pad(a, (1, 2, -1, 1))), [x(1, 2, 3, 4)]),
    "matmul": (lambda: Fn(lambda a, b: a @ b + (a @ b[:, 0])[:, None]), [x(2, 3), x(3, 4)]),
    "cast": (lambda: Fn(lambda a: (a * 3).to(pyconv.int64) + 1), [x(2, 3)]),
    "in place": (lambda: Fn(lambda a: (a * 2).relu_().add_(1).clamp_(0, 3).mul_(a)), [x(2, 3)]),
    "detached": (lambda: Fn(lambda a: (a * 2).detach() + a), [x(2, 3)]),
    "two outputs": (lambda: Fn(lambda a: (a, a + 1, a)), [x(2, 3)]),
    "shared layer": (lambda: Fn(lambda layer, a: layer(layer(a)), nn.Linear(3, 3)), [x(2, 3)]),
}


def run(model, arrays):
    with no_grad():
        result = model(*[pyconv.from_numpy(a.copy()) for a in arrays])
    return [r.array for r in (result if isinstance(result, tuple) else (result,))]


def close(got, expected):
    assert len(got) == len(expected)
    for a, b in zip(got, expected, strict=True):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        if a.dtype.kind == "f":
            scale = np.abs(b).max(initial=1e-30)
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5 * scale)
        else:
            np.testing.assert_array_equal(a, b)


def onnxruntime_outputs(proto, arrays):
    ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: nothing to compare with")
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {i.name: a for i, a in zip(session.get_inputs(), arrays, strict=True)})


def made(name):
    build, arrays = MODELS[name]
    pyconv.manual_seed(5)
    return scrambled(build()).eval(), arrays


@pytest.mark.parametrize("name", MODELS)
def test_onnxruntime_gives_the_same_numbers(name):
    model, arrays = made(name)
    close(onnxruntime_outputs(export(model, tuple(arrays), None), arrays), run(model, arrays))


@pytest.mark.parametrize("name", MODELS)
def test_back_again(name, tmp_path):
    """Ours computes the same; names and values of the state are the same."""
    model, arrays = made(name)
    export(model, tuple(arrays), tmp_path / "model.onnx")
    loaded = load(tmp_path / "model.onnx")
    close(run(loaded, arrays), run(model, arrays))
    state, again = model.state_dict(), loaded.state_dict()
    assert set(again) <= set(state)
    for key, value in again.items():
        np.testing.assert_array_equal(value.array, state[key].array)


def test_the_state_is_complete():
    model, arrays = made("resnet block")
    expected = {k for k in model.state_dict() if not k.endswith("num_batches_tracked")}
    assert set(load(export(model, arrays[0], None)).state_dict()) == expected


@pytest.mark.parametrize("opset", [18, 19, 20, 21, 22, 23])
def test_opsets(opset):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GELU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 5), nn.Softmax(1))
    array = x(1, 3, 8, 8)
    proto = export(model, array, None, opset_version=opset)
    assert proto.opset_import[0].version == opset
    close(onnxruntime_outputs(proto, [array]), run(model.eval(), [array]))


@pytest.mark.parametrize("name", ["lenet5", "resnet block", "conv1d", "adaptive_avg_pool2d", "flatten", "batch_norm2d plain",
                                  "softmax", "linear 3d", "activation GELU", "group_norm", "layer_norm",
                                  "instance_norm", "pixel_shuffle", "upsample 1d"])
def test_a_batch_of_any_size(name):
    model, arrays = made(name)
    proto = export(model, arrays[0], None, dynamic_axes={"input": {0: "n"}, "output": {0: "n"}})
    assert proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "n"
    assert proto.graph.output[0].type.tensor_type.shape.dim[0].dim_param == "n"
    loaded = load(proto)
    for n in (1, 2, 5):
        array = x(n, *arrays[0].shape[1:])
        expected = run(model, [array])
        close(run(loaded, [array]), expected)
        close(onnxruntime_outputs(proto, [array]), expected)


def test_reshapes_that_follow_the_batch():
    model = Fn(lambda a: a.view(a.size(0), -1).reshape(a.size(0), 2, 6).permute(0, 2, 1).expand(a.size(0), 6, 2))
    proto = export(model, x(2, 3, 4), None, dynamic_axes={"input": [0]})
    array = x(4, 3, 4)
    close(onnxruntime_outputs(proto, [array]), run(model, [array]))


@pytest.mark.parametrize(("model", "text"), [
    (Fn(lambda a: a + pyconv.ones(a.size(0), 1)), "a constant depends on the size of the batch"),
    (Fn(lambda a: a + 1 if a.size(0) == 2 else a), "other operations for another size"),
    (Fn(lambda a: a.sum(0)), None),
    (Fn(lambda a: a.reshape(-1)[:a.size(0)]), "a constant depends on the size of the batch"),
    (Fn(lambda a: a * float(a.size(0))), "a constant depends on the size"),
    (Fn(lambda a: a.permute(1, 0)), "expected them to differ in axis 0 only"),
])
def test_what_cannot_follow_the_batch(model, text):
    if text is None:
        export(model, x(2, 3), None, dynamic_axes={"input": [0]})
        return
    with pytest.raises(OnnxError, match=text):
        export(model, x(2, 3), None, dynamic_axes={"input": [0]})


def test_names():
    proto = export(nn.Linear(3, 2), x(1, 3), None, input_names=["image"], output_names=["scores"])
    assert [v.name for v in (*proto.graph.input, *proto.graph.output)] == ["image", "scores"]
    assert [v.name for v in proto.graph.initializer] == ["weight", "bias"]
    proto = export(nn.Sequential(nn.Linear(3, 2), nn.Sequential(nn.ReLU(), nn.ReLU())), x(1, 3), None)
    assert [n.name for n in proto.graph.node] == ["0/Gemm", "1.0/Relu", "1.1/Relu"]


def test_training_mode_is_put_back():
    model = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout())
    model[1].eval()
    before = model[0].running_mean.array.copy()
    export(model, x(2, 3, 4, 4), None)
    assert (model.training, model[0].training, model[1].training) == (True, True, False)
    np.testing.assert_array_equal(model[0].running_mean.array, before)
    assert model[0].num_batches_tracked.item() == 0


@pytest.mark.parametrize(("model", "arrays", "error", "text"), [
    (nn.Sequential(nn.Linear(3, 3), Fn(lambda a: F.dropout(a, 0.5, True))), [x(2, 3)], OnnxError,
     r"\[export\] layer 1 \(Fn\): operation dropout has no ONNX form"),
    (nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False)), [x(2, 3, 4, 4)], OnnxError,
     r"layer 0 \(BatchNorm2d\): operation batch_norm: statistics of the batch"),
    (Fn(lambda a: F.max_pool2d(a, 2, return_indices=True)), [x(1, 1, 4, 4)], OnnxError, "no ONNX form, such as positions"),
    (Fn(lambda a: F.cross_entropy(a, pyconv.tensor([0, 1]))), [x(2, 3)], OnnxError, "operation cross_entropy has no ONNX"),
    (Fn(lambda a: F.pad(a, (1, 1), mode="circular")), [x(2, 3)], OnnxError, "needs opset_version 19"),
    (Fn(lambda a: a + pyconv.from_numpy(np.tanh(a.array))), [x(2, 3)], OnnxError, "other values than the model"),
    (Fn(lambda a: a + 1 if a.array[0, 0] > 0 else a), [np.ones((1, 1), np.float32) * 0.1], OnnxError, "other values"),
    (Fn(lambda a: a.array), [x(2, 3)], OnnxError, "returns ndarray, expected a Tensor"),
    (nn.Linear(3, 2), ["no"], TypeError, r"\[export\] args\[0\] is str"),
    (lambda a: a, [x(2)], TypeError, r"\[export\] model is function, expected a Module"),
])
def test_refusals(model, arrays, error, text):
    with pytest.raises(error, match=text):
        export(model, tuple(arrays), None)


@pytest.mark.parametrize(("options", "error", "text"), [
    ({"opset_version": 17}, ValueError, "opset_version is 17, expected 18 to"),
    ({"opset_version": 10**9}, ValueError, "opset_version is"),
    ({"opset_version": "18"}, TypeError, "opset_version is '18'"),
    ({"input_names": ["a", "b"]}, ValueError, "expected 1 different names"),
    ({"output_names": [""]}, ValueError, "expected 1 different names"),
    ({"input_names": ["weight"]}, ValueError, "taken by a weight"),
    ({"output_names": ["bias"]}, ValueError, "taken"),
    ({"dynamic_axes": {"input": {1: "c"}}}, ValueError, "expected axis 0 alone"),
    ({"dynamic_axes": {"image": {0: "n"}}}, ValueError, "names 'image', expected one of input"),
])
def test_bad_options(options, error, text):
    with pytest.raises(error, match=text):
        export(nn.Linear(3, 2), x(1, 3), None, **options)


def test_a_view_that_is_changed_in_place_is_noticed():
    def forward(a):
        b = a * 2
        c = b[:, 0]
        c.add_(1.0)
        return b

    with pytest.raises(OnnxError, match="changed in place, through a view"):
        export(Fn(forward), x(2, 3), None)


def test_an_old_file_survives_a_failure(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    with pytest.raises(OnnxError):
        export(Fn(lambda a: F.dropout(a)), x(2, 3), path)
    assert path.read_bytes() == b"old"


def test_nothing_stays_at_the_gate():
    from pyconv.tensor import listeners

    before = list(listeners)
    with pytest.raises(OnnxError):
        export(Fn(lambda a: F.dropout(a)), x(2, 3), None)
    assert listeners == before
