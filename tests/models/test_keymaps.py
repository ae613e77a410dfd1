"""Names from elsewhere: synthetic files for every step, and networks whose names other libraries chose."""

from __future__ import annotations

import re
import struct

import numpy as np
import pytest
from malformed_weights import blob, field, layer

import pyconv
from pyconv import models, nn
from pyconv.errors import StateDictError
from pyconv.models.keymaps import check, fit, load_fitted
from pyconv.models.weights import from_darknet, load_weights


def load_state(model, state):
    """Both halves of what create_model does."""
    found = fit(model, state)
    load_fitted(model, found)
    return found


def numbered(shapes):
    """Arrays that tell which is which."""
    return {name: np.full(shape, i, np.float32) for i, (name, shape) in enumerate(shapes.items())}


def shapes_of(model):
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


class Names(nn.Module):
    """A model with exactly these state names."""

    def __init__(self, shapes):
        super().__init__()
        for name, shape in shapes.items():
            *path, last = name.split(".")
            at = self
            for part in path:
                if part not in at._modules:
                    at.add_module(part, nn.Module())
                at = at._modules[part]
            at.register_parameter(last, nn.Parameter(np.zeros(shape, np.float32)))


def renamed(model, rename):
    """The model's state under other names, and which value belongs where."""
    state = numbered(shapes_of(model))
    return {rename(name): value for name, value in state.items()}, state


def expect(model, state, expected, steps):
    """The state fits after these steps, and every number stands where it belongs."""
    found = load_state(model, state)
    assert [re.sub(r"reshaped .*", "reshaped", step) for step in found.steps] == steps
    for name, value in expected.items():
        np.testing.assert_array_equal(model.state_dict()[name].array, value, err_msg=name)
    return found


SMALL = {"conv1.weight": (2, 1, 3, 3), "conv1.bias": (2,), "fc.weight": (3, 8), "fc.bias": (3,)}


@pytest.mark.parametrize(("rename", "steps"), [
    (lambda n: n, []),
    (lambda n: f"module.{n}", ['removed "module."']),
    (lambda n: f"_orig_mod.{n}", ['removed "module."']),
    (lambda n: f"module._orig_mod.{n}", ['removed "module."']),
    (lambda n: n.replace("conv1.", "conv1.module."), ['removed "module."']),
    *((lambda n, w=w: f"{w}.{n}", [f'took "{w}."']) for w in ("state_dict", "model", "model_state", "net", "params", "ema")),
    (lambda n: f"state_dict.module.{n}", ['took "state_dict."', 'removed "module."']),
    (lambda n: f"model.state_dict.{n}", ['took "model."', 'took "state_dict."']),
    (lambda n: f"state_dict.model.net.module.{n}", ['took "state_dict."', 'took "model."', 'took "net."', 'removed "module."']),
    (lambda n: n.replace("conv1", "conv_1"), ["compared names without their separators"]),
])
def test_wrappers_and_prefixes(rename, steps):
    model = Names(SMALL)
    expect(model, *renamed(model, rename), steps)


def test_nested_dictionaries_as_pytorch_gives_them():
    model = Names(SMALL)
    state = numbered(SMALL)
    found = expect(model, {"epoch": 3, "state_dict": {f"module.{n}": v for n, v in state.items()},
                           "optimizer": {"state": {0: {"exp_avg": np.ones(3)}}, "lr": 0.1}}, state,
                   ['took "state_dict."', 'removed "module."'])
    assert found.left_out == ["epoch", "optimizer.state.0.exp_avg"]


def test_of_two_dictionaries_the_first_that_fits_is_taken():
    model = Names(SMALL)
    state = numbered(SMALL)
    both = {**{f"state_dict_ema.{n}": v + 9 for n, v in state.items()}, **{f"state_dict.{n}": v for n, v in state.items()}}
    expect(model, both, state, ['took "state_dict."'])


def test_a_layer_that_is_called_like_a_wrapper():
    shapes = {"model.0.weight": (2, 2), "model.0.bias": (2,), "net.weight": (1,)}
    model = Names(shapes)
    expect(model, numbered(shapes), numbered(shapes), [])
    expect(model, {f"model.{n}": v for n, v in numbered(shapes).items()}, numbered(shapes), ['took "model."'])


DENSENET = {f"features.denseblock1.denselayer{i}.{part}{k}.weight": (2, 2)
            for i in (1, 12) for part in ("norm", "conv") for k in (1, 2)} | {"features.norm5.weight": (2,), "features.conv0.weight": (3,)}


def test_densenets_old_names():
    model = Names(DENSENET)
    expect(model, *renamed(model, lambda n: re.sub(r"(norm|conv)([12])\.weight", r"\1.\2.weight", n)),
           ["renamed denselayer's norm.1 to norm1"])
    # together with DataParallel in the middle
    expect(model, *renamed(model, lambda n: re.sub(r"(norm|conv)([12])\.weight", r"\1.\2.weight", n).replace(
        "features.", "features.module.")), ['removed "module."', "renamed denselayer's norm.1 to norm1"])


DETECTION = {
    **{f"backbone.fpn.{kind}_blocks.{i}.0.{t}": (2, i + 1) for kind in ("inner", "layer") for i in range(4) for t in ("weight", "bias")},
    **{f"rpn.head.{layer}.{t}": (3,) for layer in ("conv.0.0", "cls_logits", "bbox_pred") for t in ("weight", "bias")},
    **{f"roi_heads.mask_head.{i}.0.{t}": (4,) for i in range(4) for t in ("weight", "bias")},
    "roi_heads.box_head.fc6.weight": (1,),
}


def version_one(name):
    name = re.sub(r"(_blocks\.\d)\.0\.", r"\1.", name).replace("rpn.head.conv.0.0.", "rpn.head.conv.")
    return re.sub(r"mask_head\.(\d)\.0\.", lambda m: f"mask_head.mask_fcn{int(m[1]) + 1}.", name)


def test_detectors_of_the_first_version():
    model = Names(DETECTION)
    expect(model, *renamed(model, version_one), [
        "renamed pyramid's blocks.0 to blocks.0.0", "renamed rpn.head.conv to rpn.head.conv.0.0", "renamed mask_fcn1 to 0.0"])


def test_vdsr_by_number():
    shapes = {f"{layer}.{t}": (2,) for layer in ("input", *(f"residual_layer.{i}.conv" for i in range(18)), "output")
              for t in ("weight",)}
    model = Names(shapes)
    numbers = {name: f"features.{2 * i}.weight" for i, name in enumerate(shapes)}
    expect(model, *renamed(model, numbers.__getitem__), ["renamed VDSR's features"])


def test_frozen_norms_and_old_files_without_counters():
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    state = numbered(shapes_of(net))
    del state["1.num_batches_tracked"]
    assert load_state(net, {f"module.{n}": v for n, v in state.items()}).left_out == []
    frozen = Names({n: v.shape for n, v in state.items()})
    found = load_state(frozen, {**state, "1.num_batches_tracked": np.zeros((), np.int64)})
    assert found.left_out == ["1.num_batches_tracked"]
    assert "1.num_batches_tracked" not in found.state


AUX = {**SMALL, "aux1.conv.weight": (2, 2), "aux2.fc.weight": (2,)}


def test_auxiliary_heads_on_one_side_only():
    plain, with_heads = Names(SMALL), Names(AUX)
    found = load_state(plain, numbered(AUX))
    assert found.left_out == ["aux1.conv.weight", "aux2.fc.weight"]
    with_heads.aux1.conv.weight.array[:] = 7
    load_state(with_heads, numbered(SMALL))
    assert (with_heads.state_dict()["aux1.conv.weight"].array == 7).all()
    assert (with_heads.state_dict()["fc.bias"].array == 3).all()
    half = {name: value for name, value in numbered(AUX).items() if name != "aux2.fc.weight"}
    with pytest.raises(StateDictError, match=r'Missing key\(s\) in state_dict: "aux2.fc.weight"'):
        load_state(with_heads, half)
    check(plain, fit(plain, numbered(AUX)))
    check(with_heads, fit(with_heads, numbered(SMALL)))
    with pytest.raises(StateDictError, match=r"aux2.fc.weight"):
        check(with_heads, fit(with_heads, half))


def test_linear_layers_as_convolutions_and_back():
    linear, convolution = Names({"fc.weight": (3, 24)}), Names({"fc.weight": (3, 2, 3, 4)})
    values = np.arange(72, dtype=np.float32)
    load_state(convolution, {"fc.weight": values.reshape(3, 24)})
    np.testing.assert_array_equal(convolution.fc.weight.array, values.reshape(3, 2, 3, 4))
    load_state(linear, {"fc.weight": np.asfortranarray(values.reshape(3, 2, 3, 4))})
    np.testing.assert_array_equal(linear.fc.weight.array, values.reshape(3, 24))
    with pytest.raises(StateDictError, match=r"size mismatch for fc.weight"):
        load_state(linear, {"fc.weight": values.reshape(24, 3, 1, 1)})  # another number of outputs: no guess


# --- the report -----------------------------------------------------------------------------------
def test_the_report_is_by_layer_and_names_what_was_tried():
    model = Names({f"layer{i}.{t}": (2,) for i in range(20) for t in ("weight", "bias")} | {"fc.weight": (2, 2)})
    state = {f"module.{name}": value for name, value in numbered(shapes_of(model)).items()}
    for i in range(15):
        state[f"module.other{i}.weight"] = state.pop(f"module.layer{i}.weight")
        state[f"module.other{i}.bias"] = state.pop(f"module.layer{i}.bias")
    state["module.fc.weight"] = np.zeros((3, 2))
    before = {name: value.array.copy() for name, value in model.state_dict().items()}
    with pytest.raises(StateDictError) as caught:
        load_state(model, state)
    lines = str(caught.value).splitlines()
    assert lines[0] == "Error(s) in loading state_dict for Names:"
    assert lines[1] == "\tMissing key(s) in state_dict: 30 of 15 layers"
    assert lines[2] == "\t    layer0: weight, bias"
    assert lines[14] == "\t    and 3 more layers"
    assert lines[15] == "\tUnexpected key(s) in state_dict: 30 of 15 layers"
    assert "size mismatch for fc.weight" in lines[-2]
    assert lines[-1] == '\tTried before: removed "module.".'
    assert len(caught.value.missing_keys) == len(caught.value.unexpected_keys) == 30
    assert list(caught.value.mismatched) == ["fc.weight"]
    assert caught.value.tried == ['removed "module."']
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.array, before[name])
    with pytest.raises(StateDictError, match=r"Tried before: no renaming that is known made more names fit"):
        load_state(model, {"x": np.zeros(1)})


def test_what_is_no_state():
    with pytest.raises(TypeError, match=r"\[load_weights\] state is list, expected a mapping"):
        fit(nn.Linear(1, 1), [])


# --- real networks --------------------------------------------------------------------------------
def meta(name, **options):
    with pyconv.device("meta"):
        return models.create_model(name, **options)


class Sized:
    """A value of which only the shape counts."""

    def __init__(self, shape):
        self.shape = shape


CAFFE_VGG16 = [*(f"conv{b}_{i}" for b, n in enumerate((2, 2, 3, 3, 3), 1) for i in range(1, n + 1)), "fc6", "fc7", "fc8"]


def test_caffes_vgg16():
    """By Caffe's names in Caffe's order: the first is features.0, the last classifier.6."""
    model = meta("vgg16")
    shapes = [shape for name, shape in shapes_of(model).items() if name.endswith("weight")]
    state = {f"{name}.{t}": Sized(shape if t == "weight" else shape[:1])
             for name, shape in zip(CAFFE_VGG16, shapes, strict=True) for t in ("weight", "bias")}
    found = fit(model, state)
    check(model, found)
    assert found.steps == ["renamed Caffe's layers of VGG"]
    assert found.state["features.28.weight"] is state["conv5_3.weight"]
    assert found.state["features.0.bias"] is state["conv1_1.bias"]
    assert found.state["classifier.6.weight"] is state["fc8.weight"]


INCEPTION = ("1x1", "3x3_reduce", "3x3", "5x5_reduce", "5x5", "pool_proj")
CAFFE_GOOGLENET = ["conv1/7x7_s2", "conv2/3x3_reduce", "conv2/3x3", *(
    f"inception_{block}/{part}" for block in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b") for part in INCEPTION),
    *(f"{head}/{part}" for head in ("loss1", "loss2") for part in ("conv", "fc", "classifier")), "loss3/classifier"]


@pytest.mark.parametrize("heads", [True, False])
def test_caffes_googlenet(heads):
    """bvlc_googlenet's layers, of which a network without auxiliary heads leaves six out."""
    model = meta("googlenet2014", aux_logits=heads)
    shapes = shapes_of(meta("googlenet2014"))
    convolutions = [name.removesuffix(".weight") for name in shapes if name.endswith("weight")]
    assert len(convolutions) == len(CAFFE_GOOGLENET) == 64
    state = {f"{theirs}.{t}": Sized(shapes[f"{ours}.{t}"])
             for theirs, ours in zip(CAFFE_GOOGLENET, convolutions, strict=True) for t in ("weight", "bias")}
    found = fit(model, state)
    check(model, found)
    assert found.steps == ["renamed Caffe's layer/1x1 to layer.conv1x1"]
    assert found.state["inception_4c.conv5x5_reduce.weight"] is state["inception_4c/5x5_reduce.weight"]
    assert len(found.left_out) == (0 if heads else 12)


def test_timms_vgg(torch):
    """timm keeps its linear layers as convolutions."""
    model = nn.Sequential()
    model.features = nn.Sequential(nn.Conv2d(3, 4, 3))
    model.classifier = nn.Sequential(nn.Linear(4 * 4, 6), nn.ReLU(), nn.Dropout(), nn.Linear(6, 6), nn.ReLU(), nn.Dropout(),
                                     nn.Linear(6, 5))
    own = numbered(shapes_of(model))
    values = {name: np.arange(v.size, dtype=np.float32).reshape(v.shape) for name, v in own.items()}
    theirs = {name.replace("classifier.0", "pre_logits.fc1").replace("classifier.3", "pre_logits.fc2").replace(
        "classifier.6", "head.fc"): value for name, value in values.items()}
    theirs["pre_logits.fc1.weight"] = theirs["pre_logits.fc1.weight"].reshape(6, 4, 2, 2)
    theirs["pre_logits.fc2.weight"] = theirs["pre_logits.fc2.weight"].reshape(6, 6, 1, 1)
    expect(model, theirs, values, ["renamed timm's heads", "reshaped"])


@pytest.mark.full
def test_a_caffemodel_from_file_to_network(tmp_path):
    """VGG-11 of a few classes from a .caffemodel: same scores as the network it was written from."""
    names = [name for name in CAFFE_VGG16 if name not in ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3")]
    source = models.vgg11(num_classes=3).eval()
    arrays = [value.array for value in source.state_dict().values()]
    content = field(1, b"VGG")
    for name, weight, bias in zip(names, arrays[::2], arrays[1::2], strict=True):
        content += layer(name, "InnerProduct" if name[:2] == "fc" else "Convolution", blob(weight), blob(bias))
    (tmp_path / "vgg.caffemodel").write_bytes(content)
    model = models.create_model("vgg11", num_classes=3, weights=tmp_path / "vgg.caffemodel").eval()
    for name, value in source.state_dict().items():
        np.testing.assert_array_equal(model.state_dict()[name].array, value.array)
    assert model.preprocessing.channels == "BGR"
    assert model.preprocessing.scale == 255


def test_darknets_numbers(tmp_path):
    """Written by hand in Darknet's order: bias, scale, mean, variance, weight."""
    model = models.create_model("yolov3_tiny")
    rng, numbers, expected = np.random.default_rng(0), [], {}
    names = {id(module): name for name, module in model.named_modules()}
    for conv, norm in models.darknet_layers(model):
        parts = [(conv, "bias")] if norm is None else [(norm, p) for p in ("bias", "weight", "running_mean", "running_var")]
        for module, part in [*parts, (conv, "weight")]:
            value = rng.standard_normal(getattr(module, part).shape).astype(np.float32)
            expected[f"{names[id(module)]}.{part}"] = value
            numbers.append(value.ravel())
    flat = np.concatenate(numbers)
    path = tmp_path / "tiny.weights"
    path.write_bytes(struct.pack("<3iq", 0, 2, 0, 1) + flat.tobytes())
    assert path.stat().st_size == 35_434_956  # as the published file has
    loaded = models.create_model("yolov3_tiny", weights=path)
    for name, value in expected.items():
        np.testing.assert_array_equal(loaded.state_dict()[name].array, value)
    assert loaded.preprocessing.mode == "letterbox"
    with pytest.raises(ValueError, match=r"has 8858733 numbers, expected the 8858734 of"):
        from_darknet(meta("yolov3_tiny"), flat[:-1], "x")
    with pytest.raises(ValueError, match=r"expected a network whose layers have an order there; LeNet5 does not"):
        load_weights(models.lenet5(), path)


@pytest.mark.parametrize("name", ["vgg16", "vgg11_bn", "resnet50", "resnet18", "resnext50_32x4d", "alexnet", "densenet121",
                                  "googlenet", "inception_v3"])
def test_torchvisions_names_fit_without_a_step(name):
    """With the prefix of DataParallel in a checkpoint, as a training script leaves them; only names and shapes."""
    from peers import torchvision

    if name not in models.list_models():
        pytest.skip(f"there is no {name} yet")
    torchvision = torchvision()
    import torch

    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    with torch.device("meta"):
        theirs = torchvision.models.get_model(name, weights=None, **options).state_dict()
    model = meta(name)
    found = fit(model, {f"state_dict.module.{n}": Sized(tuple(v.shape)) for n, v in theirs.items()})
    check(model, found)
    assert found.steps == ['took "state_dict."', 'removed "module."']


@pytest.mark.parametrize("name", ["fasterrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn", "keypointrcnn_resnet50_fpn",
                                  "fcn_resnet50"])
def test_torchvisions_detectors_of_the_first_version(name):
    from peers import torchvision

    if name not in models.list_models():
        pytest.skip(f"there is no {name} yet")
    torchvision = torchvision()
    import torch

    with torch.device("meta"):
        theirs = torchvision.models.get_model(name, weights=None, weights_backbone=None).state_dict()
    model = meta(name)
    found = fit(model, {version_one(n): Sized(tuple(v.shape)) for n, v in theirs.items()})
    check(model, found)
    assert all("fpn" not in n or re.search(r"blocks\.\d\.0\.", n) for n in found.state)


def test_caffes_networks_keep_caffes_names():
    """alexnet2012, zfnet and the FCNs are called as in Caffe: nothing to rename."""
    for name, expected in {"alexnet2012": "fc6.weight", "zfnet": "conv5.bias", "fcn8s": "score_pool4.weight"}.items():
        if name in models.list_models():
            model = meta(name)
            found = fit(model, {n: Sized(s) for n, s in shapes_of(model).items()})
            check(model, found)
            assert found.steps == []
            assert expected in found.state


def test_create_model_loads_what_torch_saved(torch, tmp_path):
    """A DataParallel checkpoint of a LeNet in PyTorch's older format."""
    source = models.lenet5()
    state = {f"module.{n}": torch.from_numpy(v.array) for n, v in source.state_dict().items()}
    torch.save({"epoch": 1, "state_dict": state}, tmp_path / "lenet.pth.tar", _use_new_zipfile_serialization=False)
    loaded = models.create_model("lenet5", weights=tmp_path / "lenet.pth.tar")
    for name, value in source.state_dict().items():
        np.testing.assert_array_equal(loaded.state_dict()[name].array, value.array)
    with pytest.raises(StateDictError, match=r"size mismatch for conv1.weight(.|\n)*Tried before: took \"state_dict.\"; removed"):
        models.create_model("lenet5", in_channels=3, weights=tmp_path / "lenet.pth.tar")
    with pytest.warns(UserWarning, match=r"lenet.pth.tar holds other classes than the 3 asked for"):
        fresh = models.create_model("lenet5", num_classes=3, weights=tmp_path / "lenet.pth.tar")
    np.testing.assert_array_equal(fresh.fc2.weight.array, source.fc2.weight.array)
