"""Names from elsewhere: real networks, and files as other libraries write them."""

from __future__ import annotations

import re
import struct

import numpy as np
import pytest
from state_names import expect, numbered, shapes_of, version_one
from weight_files import blob, field, layer

import pyconv
from pyconv import models, nn
from pyconv.errors import StateDictError
from pyconv.models.keymaps import check, fit
from pyconv.models.weights import from_darknet, load_weights


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


@pytest.mark.parametrize(("name", "steps"), [
    ("vgg16", ['took "model."', "renamed timm's heads", "reshaped"]), ("vgg11_bn", ['took "model."', "renamed timm's heads", "reshaped"]),
    ("resnet50", ['took "model."']), ("densenet121", ['took "model."']), ("inception_v4", ['took "model."'])])
def test_timms_own_models(torch, name, steps):
    """Names and shapes as timm makes them today; the memory of the values is never touched."""
    from peers import timm

    with torch.device("meta"):
        theirs = timm().create_model(name).state_dict()
    model = meta(name)
    found = fit(model, {f"model.{n}": np.empty(tuple(v.shape), np.float32) for n, v in theirs.items()})
    check(model, found)
    assert [re.sub(r"reshaped .*", "reshaped", step) for step in found.steps] == steps


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


def test_yolov3_takes_as_many_numbers_as_its_published_file_has():
    """248,007,048 bytes, 20 of them the header; the memory of the values is never touched."""
    model = meta("yolov3")
    found = fit(model, from_darknet(model, np.empty((248_007_048 - 20) // 4, np.float32), "yolov3.weights"))
    check(model, found)
    assert found.steps == []


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


@pytest.mark.parametrize(("name", "options", "heads"), [
    ("googlenet", {"aux_logits": False}, ("aux1", "aux2")), ("inception_v3", {"aux_logits": False}, ("AuxLogits",)),
    ("googlenet2014", {"aux_logits": False}, ("loss1", "loss2"))])
def test_networks_with_and_without_auxiliary_heads(name, options, heads):
    """A file with heads for a network without, and the other way round."""
    full, plain = meta(name), meta(name, **options)
    found = fit(plain, {n: Sized(s) for n, s in shapes_of(full).items()})
    check(plain, found)
    assert {n.split(".")[0] for n in found.left_out} == set(heads)
    check(full, fit(full, {n: Sized(s) for n, s in shapes_of(plain).items()}))


def test_torchvisions_first_detectors_have_no_eps(tmp_path):
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.FrozenBatchNorm2d(2))
    for name, source, eps in (("fasterrcnn_resnet50_fpn_coco-258fb6c6.pth", None, 0.0), ("mine.pth", None, 1e-5),
                              ("mine.safetensors", "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth", 0.0), ("mine2", "mine.pth", 1e-5)):
        model[1].eps = 1e-5
        pyconv.save(model.state_dict(), tmp_path / name, None if source is None else {"source": source})
        load_weights(model, tmp_path / name)
        assert model[1].eps == eps
