"""AlexNet of 2012 and 2014, ZFNet."""

from __future__ import annotations

import numpy as np
import pytest
from peers import torchvision
from zoo import draw, same_as_torch, step_lowers_loss

import pyconv
from pyconv import models
from pyconv.nn import functional as F


def historic(torch, name, width, groups=2, lrn="paper"):
    """AlexNet of 2012 or ZFNet, written down once more with PyTorch; linear layers ``width`` wide."""
    nn, f = torch.nn, torch.nn.functional
    zf = name == "zfnet"

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(3, 96, 7, 2, 1) if zf else nn.Conv2d(3, 96, 11, 4)
            self.conv2 = nn.Conv2d(96, 256, 5, 2) if zf else nn.Conv2d(96, 256, 5, 1, 2, groups=groups)
            grouped = 1 if zf else groups
            self.conv3 = nn.Conv2d(256, 384, 3, 1, 1)
            self.conv4 = nn.Conv2d(384, 384, 3, 1, 1, groups=grouped)
            self.conv5 = nn.Conv2d(384, 256, 3, 1, 1, groups=grouped)
            self.fc6, self.fc7, self.fc8 = nn.Linear(9216, width), nn.Linear(width, width), nn.Linear(width, 7)

        def forward(self, x):
            def norm(x):  # PyTorch divides alpha by the window's size
                return f.local_response_norm(x, 5, 5e-4, 0.75, 2.0) if lrn == "paper" else f.local_response_norm(x, 5)

            def pool(x):
                return f.max_pool2d(x, 3, 2, ceil_mode=True)

            for conv in (self.conv1, self.conv2):
                x = conv(x).relu()
                x = norm(pool(x)) if zf else pool(norm(x))
            x = pool(self.conv5(self.conv4(self.conv3(x).relu()).relu()).relu()).flatten(1)
            return self.fc8(self.fc7(self.fc6(x).relu()).relu())

    return Net()


def narrow(name, **options):
    """The convolutions as they are, linear layers 32 wide: little memory."""
    with pyconv.device("meta"):
        model = models.create_model(name, num_classes=7, dropout=0.0, **options)
    nn = pyconv.nn
    model.fc6, model.fc7, model.fc8 = nn.Linear(9216, 32), nn.Linear(32, 32), nn.Linear(32, 7)
    return model.to_empty(device="cpu")


@pytest.mark.parametrize(("name", "options"), [
    ("alexnet2012", {}), ("alexnet2012", {"groups": 1, "lrn": "caffe"}), ("zfnet", {})])
def test_convolutions_same_as_torch(name, options, torch):
    torch.manual_seed(0)
    ours = narrow(name, **options)
    same_as_torch(ours, historic(torch, name, 32, **options), draw(2, *ours.input_size, seed=1) * 50, 7)


@pytest.mark.full
@pytest.mark.parametrize("name", ["alexnet2012", "zfnet"])
def test_historic_same_as_torch(name, torch):
    torch.manual_seed(0)
    ours = models.create_model(name, num_classes=7, dropout=0.0)
    same_as_torch(ours, historic(torch, name, 4096), draw(2, *ours.input_size), 7, double=True)


def test_alexnet_convolutions_same_as_torch(torch):
    torch.manual_seed(0)

    def smaller(lib, make):
        with lib.device("meta"):
            model = make(num_classes=5, dropout=0.0)
        with lib.device("cpu"):
            model.classifier[1], model.classifier[4] = lib.nn.Linear(9216, 32), lib.nn.Linear(32, 32)
            model.classifier[6] = lib.nn.Linear(32, 5)
        model.features.to_empty(device="cpu")
        return model

    theirs = smaller(torch, torchvision().models.alexnet)
    for layer in theirs.features:
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    same_as_torch(smaller(pyconv, models.alexnet), theirs, draw(2, 3, 128, 128), 5)


@pytest.mark.full
def test_alexnet_same_as_torch(torch):
    torch.manual_seed(0)
    theirs = torchvision().models.alexnet(dropout=0.0)
    same_as_torch(models.alexnet(dropout=0.0), theirs, draw(2, 3, 224, 224))


def test_biases_at_the_start():
    model = models.alexnet2012(num_classes=2)
    ones = {name for name, p in model.named_parameters() if name.endswith("bias") and (p.array == 1).all()}
    assert ones == {"conv2.bias", "conv4.bias", "conv5.bias", "fc6.bias", "fc7.bias"}
    assert not model.fc8.bias.array.any()
    assert np.isclose(model.fc6.weight.array[:64].std(), 0.01, rtol=0.01)


@pytest.mark.parametrize(("name", "size"), [
    ("alexnet", 64), pytest.param("alexnet2012", 227, marks=pytest.mark.full),
    pytest.param("zfnet", 224, marks=pytest.mark.full)])
def test_a_step_lowers_the_loss(name, size):
    pyconv.manual_seed(0)
    model = models.create_model(name, num_classes=4, dropout=0.0)
    x, y = pyconv.from_numpy(draw(4, 3, size, size)), pyconv.arange(4)
    step_lowers_loss(model, lambda: F.cross_entropy(model(x), y), {"alexnet2012": 1e-4, "zfnet": 0.1}.get(name, 1e-3))


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: models.alexnet(num_classes=0), ValueError, r"\[AlexNet\] num_classes is 0, expected at least 1"),
        (lambda: models.alexnet2012(num_classes=0), ValueError, r"\[AlexNet2012\] num_classes is 0"),
        (lambda: models.zfnet(num_classes=0), ValueError, r"\[ZFNet\] num_classes is 0"),
        (lambda: models.alexnet2012(groups=3), ValueError, r"\[AlexNet2012\] groups is 3, expected 2.*or 1"),
        (lambda: models.alexnet2012(lrn="torch"), ValueError, r"\[AlexNet2012\] lrn is 'torch', expected 'paper' or"),
        (lambda: models.alexnet(dropout=-1), ValueError, r"\[Dropout\] p is -1"),
        (lambda: models.alexnet2012()(pyconv.zeros(1, 3, 128, 128)), ValueError, r"fc6 \(Linear\): .*expected 9216"),
        (lambda: models.zfnet()(pyconv.zeros(1, 1, 224, 224)), ValueError, r"conv1 \(Conv2d\): .*expected 3 channels"),
        (lambda: models.alexnet()(pyconv.zeros(1, 3, 32, 32)), ValueError, r"features\.\d+ \(MaxPool2d\)"),
    ],
)
def test_misuse(call, error, match):
    with pyconv.device("meta"), pytest.raises(error, match=match):
        call()
