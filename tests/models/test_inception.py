"""Inception-v3 and Inception-v4."""

from __future__ import annotations

import pytest
from peers import timm, torchvision
from zoo import close, draw, load_from_torch, same_as_torch, step_lowers_loss

import pyconv
from pyconv import models
from pyconv.models.inception_v3 import _Auxiliary
from pyconv.nn import functional as F


def same_scores(ours, theirs, x, torch):
    load_from_torch(ours.eval(), theirs.eval())
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x)).numpy()
    with pyconv.no_grad():
        close(ours(pyconv.from_numpy(x)).numpy(), expected)


def test_v3_scores_same_as_torch(torch):
    torch.manual_seed(0)
    theirs = torchvision().models.inception_v3(num_classes=9, init_weights=False, transform_input=True)
    same_scores(models.inception_v3(9, transform_input=True), theirs, draw(2, 3, 107, 75), torch)


@pytest.mark.full
def test_v3_same_as_torch(torch):
    torch.manual_seed(0)
    theirs = torchvision().models.inception_v3(
        num_classes=9, init_weights=False, aux_logits=False, transform_input=True, dropout=0.0)
    ours = models.inception_v3(9, aux_logits=False, transform_input=True, dropout=0.0)
    same_as_torch(ours, theirs, draw(3, 3, 107, 107), 9, double=True)


def test_auxiliary_head_of_v3_same_as_torch(torch):
    torch.manual_seed(0)
    theirs = torchvision().models.inception.InceptionAux(24, 5)
    same_as_torch(_Auxiliary(24, 5), theirs, draw(3, 24, 17, 17), 5, double=True)


@pytest.mark.full
def test_v3_with_heads_same_as_torch_at_full_size(torch):
    torch.manual_seed(0)
    theirs = torchvision().models.inception_v3(init_weights=False, dropout=0.0)
    same_as_torch(models.inception_v3(dropout=0.0), theirs, draw(2, 3, 299, 299), double=True,
                  scores=lambda outputs: outputs.logits + 0.4 * outputs.aux_logits)


def test_v4_scores_same_as_torch(torch):
    torch.manual_seed(0)
    theirs = timm().create_model("inception_v4", num_classes=9)
    same_scores(models.inception_v4(9), theirs, draw(2, 3, 107, 75), torch)


@pytest.mark.full
@pytest.mark.parametrize("size", [107, 299])
def test_v4_same_as_torch(size, torch):
    torch.manual_seed(0)
    theirs = timm().create_model("inception_v4")
    same_as_torch(models.inception_v4(), theirs, draw(3 if size == 107 else 1, 3, size, size), double=True)


@pytest.mark.parametrize("make", [
    lambda: models.inception_v3(4, aux_logits=False, dropout=0.0), lambda: models.inception_v4(4)])
def test_a_step_lowers_the_loss(make):
    pyconv.manual_seed(0)
    model = make()
    x, y = pyconv.from_numpy(draw(3, 3, 139, 139)), pyconv.arange(3)
    step_lowers_loss(model, lambda: F.cross_entropy(model(x), y), 1e-6)


@pytest.mark.full
def test_a_step_of_v3_with_its_head_lowers_the_loss():
    pyconv.manual_seed(0)
    model = models.inception_v3(4, dropout=0.0)
    x, y = pyconv.from_numpy(draw(2, 3, 299, 299)), pyconv.tensor([0, 3])

    def loss():
        outputs = model(x)
        assert type(outputs) is models.InceptionOutputs
        return F.cross_entropy(outputs.logits, y) + 0.4 * F.cross_entropy(outputs.aux_logits, y)

    step_lowers_loss(model, loss, 1e-6)


def test_heads_are_for_training():
    with pyconv.device("meta"):
        model, bare = models.inception_v3(), models.inception_v3(aux_logits=False)
        x = pyconv.zeros(2, 3, 299, 299)
        assert [out.shape for out in model(x)] == [(2, 1000)] * 2
        assert model.eval()(x).shape == bare(x).shape == bare.eval()(x).shape == (2, 1000)


def test_names_of_v4():
    with pyconv.device("meta"):
        state = models.inception_v4().state_dict()
    assert len(state) == 896
    assert state["features.21.branch2_3b.conv.weight"].shape == (256, 512, 3, 1)
    assert state["features.9.branch3.1.bn.running_var"].shape == (96,)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: models.inception_v3(num_classes=0), ValueError, r"\[Inception3\] num_classes is 0"),
        (lambda: models.inception_v4(num_classes=0), ValueError, r"\[InceptionV4\] num_classes is 0"),
        (lambda: models.inception_v3(aux_logits="no"), TypeError, r"\[Inception3\] aux_logits is 'no'"),
        (lambda: models.inception_v3(in_channels=4, transform_input=True), ValueError,
         r"\[Inception3\] in_channels is 4 and transform_input True, expected 3"),
        (lambda: models.inception_v4(aux_logits=True), TypeError, r"aux_logits"),
        (lambda: models.inception_v4(dropout="half"), TypeError, r"\[Dropout\] p is 'half'"),
        (lambda: models.inception_v3()(pyconv.zeros(2, 3, 96, 96)), ValueError, r"AuxLogits"),
        (lambda: models.inception_v3()(pyconv.zeros(2, 3, 74, 74)), ValueError, r"spans|window|AuxLogits"),
        (lambda: models.inception_v4()(pyconv.zeros(2, 1, 299, 299)), ValueError,
         r"features.0.conv \(Conv2d\): .*expected 3 channels"),
        (lambda: models.inception_v4()(pyconv.zeros(2, 3, 64, 64)), ValueError, r"features.18"),
    ],
)
def test_misuse(call, error, match):
    with pyconv.device("meta"), pytest.raises(error, match=match):
        call()
