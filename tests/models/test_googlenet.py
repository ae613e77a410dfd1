"""GoogLeNet, as torchvision has it and as published."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from peers import torchvision
from zoo import close, draw, load_from_torch, same_as_torch, step_lowers_loss

import pyconv
from pyconv import models
from pyconv.models.googlenet import BLOCKS
from pyconv.models.inception_pieces import centred
from pyconv.nn import functional as F


def weighted(outputs):
    return outputs.logits + 0.3 * outputs.aux_logits1 + 0.5 * outputs.aux_logits2


@pytest.mark.parametrize("transform", [True, pytest.param(False, marks=pytest.mark.full)])
def test_same_as_torch(transform, torch):
    torch.manual_seed(0)
    theirs = torchvision().models.googlenet(
        num_classes=9, init_weights=False, transform_input=transform, dropout=0.0, dropout_aux=0.0)
    ours = models.googlenet(9, transform_input=transform, dropout=0.0, dropout_aux=0.0)
    same_as_torch(ours, theirs, draw(3, 3, 32, 32), 9, double=True, scores=weighted)


@pytest.mark.full
def test_same_as_torch_at_full_size_without_heads(torch):
    torch.manual_seed(0)
    theirs = torchvision().models.googlenet(init_weights=False, aux_logits=False, dropout=0.0)
    same_as_torch(models.googlenet(aux_logits=False, dropout=0.0), theirs, draw(2, 3, 224, 224), double=True)


def test_images_are_centred_as_in_torch(torch):
    x = draw(2, 3, 4, 5)
    expected = torchvision().models.GoogLeNet._transform_input(SimpleNamespace(transform_input=True), torch.from_numpy(x))
    close(centred(pyconv.from_numpy(x)).array, expected, 1e-6)


def published(torch):
    """The network of 2014, written down once more with PyTorch, under our names."""
    nn, f = torch.nn, torch.nn.functional

    class Block(nn.Module):
        def __init__(self, c, one, reduce3, three, reduce5, five, pool):
            super().__init__()
            self.conv1x1, self.pool_proj = nn.Conv2d(c, one, 1), nn.Conv2d(c, pool, 1)
            self.conv3x3_reduce, self.conv3x3 = nn.Conv2d(c, reduce3, 1), nn.Conv2d(reduce3, three, 3, padding=1)
            self.conv5x5_reduce, self.conv5x5 = nn.Conv2d(c, reduce5, 1), nn.Conv2d(reduce5, five, 5, padding=2)

        def forward(self, x):
            return torch.cat([
                self.conv1x1(x), self.conv3x3(self.conv3x3_reduce(x).relu()),
                self.conv5x5(self.conv5x5_reduce(x).relu()), self.pool_proj(f.max_pool2d(x, 3, 1, 1))], 1).relu()

    class Head(nn.Module):
        def __init__(self, c):
            super().__init__()
            self.conv, self.fc, self.classifier = nn.Conv2d(c, 128, 1), nn.Linear(2048, 1024), nn.Linear(1024, 6)

        def forward(self, x):
            return self.classifier(self.fc(self.conv(f.avg_pool2d(x, 5, 3)).relu().flatten(1)).relu())

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.ModuleDict({"conv7x7_s2": nn.Conv2d(3, 64, 7, 2, 3)})
            self.conv2 = nn.ModuleDict({"conv3x3_reduce": nn.Conv2d(64, 64, 1), "conv3x3": nn.Conv2d(64, 192, 3, 1, 1)})
            for name, channels in BLOCKS.items():
                setattr(self, f"inception_{name[-2:]}", Block(*channels))
            self.loss1, self.loss2 = Head(512), Head(528)
            self.loss3 = nn.ModuleDict({"classifier": nn.Linear(1024, 6)})

        def forward(self, x):
            def pool(x):
                return f.max_pool2d(x, 3, 2, ceil_mode=True)

            x = f.local_response_norm(pool(self.conv1["conv7x7_s2"](x).relu()), 5, 1e-4, 0.75, 1.0)
            x = self.conv2["conv3x3"](self.conv2["conv3x3_reduce"](x).relu()).relu()
            x = pool(self.inception_3b(self.inception_3a(pool(f.local_response_norm(x, 5, 1e-4, 0.75, 1.0)))))
            x = self.inception_4a(x)
            first = self.loss1(x) if self.training else None
            x = self.inception_4d(self.inception_4c(self.inception_4b(x)))
            second = self.loss2(x) if self.training else None
            x = self.inception_5b(self.inception_5a(pool(self.inception_4e(x))))
            x = self.loss3["classifier"](x.mean((2, 3)))
            return SimpleNamespace(logits=x, aux_logits1=first, aux_logits2=second) if self.training else x

    return Net()


def test_published_network_same_as_torch(torch):
    torch.manual_seed(0)
    ours = models.googlenet2014(6, dropout=0.0, dropout_aux=0.0)
    same_as_torch(ours, published(torch), draw(1, 3, 224, 224) * 50, 6, scores=weighted)


def test_names_are_those_of_caffe_by_one_rule():
    """The layers of bvlc_googlenet that have weights."""
    caffe = ["conv1/7x7_s2", "conv2/3x3_reduce", "conv2/3x3"]
    for block in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"):
        caffe += [f"inception_{block}/{layer}"
                  for layer in ("1x1", "3x3_reduce", "3x3", "5x5_reduce", "5x5", "pool_proj")]
    caffe += [f"loss{i}/{layer}" for i in (1, 2) for layer in ("conv", "fc", "classifier")] + ["loss3/classifier"]
    assert len(caffe) == 64
    renamed = {".".join(f"conv{part}" if part[0].isdigit() else part for part in name.split("/")) for name in caffe}
    with pyconv.device("meta"):
        names = models.googlenet2014().state_dict()
    assert set(names) == {f"{name}.{blob}" for name in renamed for blob in ("weight", "bias")}


@pytest.mark.parametrize(("name", "size"), [("googlenet", 48), ("googlenet2014", 224)])
def test_a_step_lowers_the_loss(name, size):
    pyconv.manual_seed(0)
    model = models.create_model(name, num_classes=4, dropout=0.0, dropout_aux=0.0)
    x, y = pyconv.from_numpy(draw(2, 3, size, size)), pyconv.tensor([0, 3])

    def loss():
        outputs = model(x)
        assert type(outputs) is models.GoogLeNetOutputs
        return F.cross_entropy(outputs.logits, y) + 0.3 * (
            F.cross_entropy(outputs.aux_logits1, y) + F.cross_entropy(outputs.aux_logits2, y))

    step_lowers_loss(model, loss, 1e-6 if name == "googlenet" else 1e-3)


@pytest.mark.parametrize("name", ["googlenet", "googlenet2014"])
def test_heads_are_for_training(name):
    with pyconv.device("meta"):
        model, bare = models.create_model(name), models.create_model(name, aux_logits=False)
        x = pyconv.zeros(2, 3, 224, 224)
        assert [out.shape for out in model(x)] == [(2, 1000)] * 3
        assert model.eval()(x).shape == bare(x).shape == bare.eval()(x).shape == (2, 1000)


def test_weights_of_the_bare_network_are_part_of_the_whole(torch):
    torch.manual_seed(0)
    whole = torchvision().models.googlenet(num_classes=5, init_weights=False)
    whole.aux1 = whole.aux2 = None
    load_from_torch(models.googlenet(5, aux_logits=False), whole)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: models.googlenet(num_classes=0), ValueError, r"\[GoogLeNet\] num_classes is 0, expected at least 1"),
        (lambda: models.googlenet2014(num_classes=0), ValueError, r"\[GoogLeNet2014\] num_classes is 0"),
        (lambda: models.googlenet(aux_logits=2), TypeError, r"\[GoogLeNet\] aux_logits is 2, expected True or False"),
        (lambda: models.googlenet2014(aux_logits=None), TypeError, r"\[GoogLeNet2014\] aux_logits is None"),
        (lambda: models.googlenet(in_channels=1, transform_input=True), ValueError,
         r"\[GoogLeNet\] in_channels is 1 and transform_input True, expected 3"),
        (lambda: models.googlenet(dropout_aux=3), ValueError, r"\[Dropout\] p is 3"),
        (lambda: models.googlenet(blocks=None), TypeError, r"blocks"),
        (lambda: models.googlenet()(pyconv.zeros(2, 1, 64, 64)), ValueError,
         r"conv1.conv \(Conv2d\): .*expected 3 channels"),
        (lambda: models.googlenet2014()(pyconv.zeros(2, 3, 128, 128)), ValueError, r"loss1\.fc \(Linear\)"),
        (lambda: models.googlenet2014()(pyconv.zeros(2, 1, 64, 64)), ValueError,
         r"conv1.conv7x7_s2 \(Conv2d\): .*expected 3 channels"),
    ],
)
def test_misuse(call, error, match):
    with pyconv.device("meta"), pytest.raises(error, match=match):
        call()
