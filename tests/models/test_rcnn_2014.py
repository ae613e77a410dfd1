"""R-CNN: counts, warped regions, the parts' training against closed forms, and pictures in which it finds the objects."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest
from zoo import close, counts, draw

import pyconv
from pyconv import models, nn, vision
from pyconv.errors import ShapeError
from pyconv.tensor import Tensor

rcnn = importlib.import_module("pyconv.models.rcnn")  # models.rcnn is the function


@pytest.fixture
def narrow(monkeypatch):
    """The same network with fewer channels."""
    def build(num_classes, in_channels):
        with pyconv.device("meta"):
            net = models.alexnet2012(num_classes, in_channels)
        pyconv.manual_seed(0)
        net.conv1 = nn.Conv2d(in_channels, 8, 11, stride=4)
        net.conv2 = nn.Conv2d(8, 12, 5, padding=2, groups=2)
        net.conv3, net.conv4 = nn.Conv2d(12, 12, 3, padding=1), nn.Conv2d(12, 12, 3, padding=1, groups=2)
        net.conv5 = nn.Conv2d(12, 6, 3, padding=1, groups=2)
        net.fc6, net.fc7, net.fc8 = nn.Linear(216, 96), nn.Linear(96, 64), nn.Linear(64, num_classes)
        for module in net.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)
        return net

    monkeypatch.setattr(rcnn, "alexnet2012", build)


def scenes(count, seed=0):
    """Pictures with a red and a blue rectangle, boxes around and beside them, and what is where."""
    rng = np.random.default_rng(seed)
    images, proposals, targets = [], [], []
    for _ in range(count):
        picture = rng.normal(0, 0.1, (3, 90, 120))
        boxes = []
        for label, left in ((1, 5), (2, 65)):
            x, y = left + rng.integers(0, 15), rng.integers(5, 30)
            w, h = rng.integers(25, 36), rng.integers(30, 50)
            picture[:, y:y + h, x:x + w] += np.array([2, 0, -1] if label == 1 else [-1, 0, 2])[:, None, None]
            boxes.append([x, y, x + w, y + h])
        images.append(picture.astype(np.float32))
        targets.append({"boxes": np.array(boxes, np.float32), "labels": np.array([1, 2])})
        near = np.repeat(boxes, 8, 0) + rng.normal(0, 4, (16, 4))
        low = rng.uniform(0, [80, 50], (25, 2))
        proposals.append(np.concatenate([near, np.concatenate([low, low + rng.uniform(15, 40, (25, 2))], 1)]).astype(np.float32))
    return images, proposals, targets


def test_counts():
    assert counts("rcnn") == (56_954_261, 720_396_832)
    with pyconv.device("meta"):
        model = models.rcnn()
    shapes = {name: tuple(b.shape) for name, b in model.named_buffers()}
    assert shapes == {"feature_scale": (), "svm_weight": (20, 4096), "svm_bias": (20,), "box_weight": (20, 4, 9216), "box_bias": (20, 4)}
    assert {name.split(".")[0] for name, _ in model.named_parameters()} == {"network"}


def test_warped_regions_are_boxes_with_their_surroundings(narrow):
    model, image = models.rcnn(2), draw(3, 400, 500)
    whole = model.warp(image, np.float32([[100, 60, 295, 255]])).numpy()[0]  # 195 x 195
    np.testing.assert_allclose(whole, image[:, 44:271, 84:311], atol=1e-5)
    stretched = model.warp(image, np.float32([[60, 50, 450, 245]])).numpy()[0]  # twice as wide
    crop = image[:, 34:261, 28:482].reshape(3, 227, 227, 2).mean(3)
    np.testing.assert_allclose(stretched, crop, atol=1e-5)
    corner = model.warp(image, np.float32([[0, 0, 195, 195]])).numpy()[0]
    assert (corner[:, :14] == 0).all()
    assert (corner[:, :, :14] == 0).all()
    np.testing.assert_allclose(corner[:, 16:, 16:], image[:, :211, :211], atol=1e-5)


def test_features_are_the_networks(narrow, monkeypatch):
    monkeypatch.setattr(rcnn, "_BATCH", 4)
    model, (image,), (boxes,) = models.rcnn(2), *[v[:1] for v in scenes(1)[:2]]
    model.train()
    pool5, fc7 = model.features(image, boxes[:9])
    assert model.network.training
    assert (pool5.shape, fc7.shape) == ((9, 216), (9, 64))
    with pyconv.no_grad():
        scores = model.eval()(model.warp(image, boxes[:9]))
        close(model.network.fc8(Tensor(fc7)).numpy(), scores.numpy())
        close(nn.functional.relu(model.network.fc7(nn.functional.relu(model.network.fc6(Tensor(pool5))))).numpy(), fc7)
    assert [f.shape for f in model.features(image, boxes[:0])] == [(0, 216), (0, 64)]


def test_finds_the_objects_of_its_pictures_and_of_others(narrow):
    pytest.importorskip("sklearn")
    model = models.rcnn(3).eval()
    assert model.fit(*scenes(12), C=0.01, ridge=10.0) is model
    quality = {}
    corrections = model.box_weight.clone(), model.box_bias.clone()
    for name, (images, proposals, targets) in (("seen", scenes(4)), ("new", scenes(6, seed=1)), ("uncorrected", scenes(6, seed=1))):
        if name == "uncorrected":
            model.box_weight.zero_()
            model.box_bias.zero_()
        better = []
        for image, boxes, target in zip(images, proposals, targets, strict=True):
            found = model.detect(image, boxes)
            assert 3 not in found["labels"].tolist()  # no picture showed it
            assert (np.diff(found["scores"].numpy()) <= 0).all()
            for box, label in zip(target["boxes"], (1, 2), strict=True):
                own = found["boxes"].numpy()[found["labels"].numpy() == label]
                assert len(own), (name, label)
                better.append(vision.box_iou(box[None], own).max())
        assert name == "uncorrected" or (np.array(better) > 0.4).all(), better
        quality[name] = np.mean(better)
    assert quality["seen"] > 0.7
    assert quality["new"] > quality["uncorrected"] + 0.03
    model.box_weight.copy_(corrections[0])
    model.box_bias.copy_(corrections[1])
    # All of it is in the state.
    other = models.rcnn(3).eval()
    other.load_state_dict(model.state_dict())
    image, boxes = (v[0] for v in scenes(1)[:2])
    for key, value in model.detect(image, boxes).items():
        np.testing.assert_array_equal(other.detect(image, boxes)[key].numpy(), value.numpy())


def test_boxes_are_ridge_regressions_in_closed_form(narrow):
    pytest.importorskip("sklearn")
    images, proposals, targets = scenes(5)
    model = models.rcnn(2).fit(images, proposals, targets, ridge=3.0, rounds=0)
    for label in (1, 2):
        features, codes = [], []
        for image, boxes, target in zip(images, proposals, targets, strict=True):
            every, own = np.concatenate([boxes, target["boxes"]]), target["boxes"][label - 1:label]
            near = vision.box_iou(own, every)[0] > 0.6
            features.append(model.features(image, every)[0][near])
            codes.append(vision.encode_boxes(np.repeat(own, near.sum(), 0), every[near]))
        x, y = np.concatenate(features).astype(float), np.concatenate(codes).astype(float)
        assert len(x) > 20
        centred = x - x.mean(0)
        weight = np.linalg.solve(centred.T @ centred + 3.0 * np.eye(216), centred.T @ (y - y.mean(0))).T
        close(model.box_weight.numpy()[label - 1], weight, 1e-2)
        close(model.box_bias.numpy()[label - 1], y.mean(0) - weight @ x.mean(0), 1e-2)


def test_svms_learn_from_the_negatives_that_they_got_wrong(narrow):
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(0)
    # One image's negatives lie far away, another's close to the positives: only looking at all of them tells where to cut.
    box, away = np.float32([[0, 0, 10, 10]]), np.float32([[50, 50, 60, 60]])
    regions = []
    for i in range(20):
        negatives = rng.normal(-3 if i % 10 == 0 else 0.4, 0.05, (30, 2))
        fc7 = np.concatenate([negatives, rng.normal(1, 0.05, (1, 2))])
        regions.append((np.concatenate([np.repeat(away, 30, 0), box]), None, fc7, box, np.array([1])))
    from sklearn import svm

    def wrong(rounds):
        weight, bias = rcnn._svm(svm, regions, 1, 20.0, 1.0, rounds)
        return sum(int(((r[2][:30] * 20 @ weight + bias) > 0).sum()) for r in regions)

    assert wrong(0) > 100
    assert wrong(2) == 0


def test_a_class_that_no_picture_shows_never_fires(narrow):
    pytest.importorskip("sklearn")
    assert rcnn._svm(None, [(np.zeros((2, 4)), None, np.ones((2, 3)), np.zeros((0, 4)), np.zeros(0, int))], 1, 1.0, 1.0, 1) == (0.0, -1.0)


def test_training_regions_are_a_quarter_objects(narrow):
    model, data = models.rcnn(2), scenes(2)
    pyconv.manual_seed(1)
    regions, labels = model.training_regions(*data, count=40)
    assert regions.shape == (40, 3, 227, 227)
    assert labels.dtype == np.int64
    assert np.count_nonzero(labels.numpy()) == 10
    assert set(labels.tolist()) == {0, 1, 2}
    pyconv.manual_seed(1)
    np.testing.assert_array_equal(model.training_regions(*data, count=40)[1].numpy(), labels.numpy())
    empty = [{"boxes": np.zeros((0, 4), np.float32), "labels": np.zeros(0, int)}]
    assert set(model.training_regions(data[0][:1], data[1][:1], empty, count=8)[1].tolist()) == {0}


def test_without_scikit_learn(narrow, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r"\[rcnn\] fit needs scikit-learn: pip install pyconv\[demo\]"):
        models.rcnn(2).fit(*scenes(1))


IMAGE, BOX = np.zeros((3, 50, 60), np.float32), np.float32([[0, 0, 9, 9]])
TARGET = {"boxes": BOX, "labels": np.array([1])}


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda m: m.detect(IMAGE[0], BOX), ShapeError, r"\[rcnn\] image has shape \(50, 60\), expected \(3, H, W\)"),
    (lambda m: m.detect(IMAGE.astype(np.uint8), BOX), TypeError, "image has dtype uint8, expected float32, its mean taken off"),
    (lambda m: m.detect(IMAGE, BOX[0]), ShapeError, r"proposals has shape \(4,\), expected \(boxes, 4\)"),
    (lambda m: m.detect(IMAGE, BOX.astype(int)), TypeError, "proposals has dtype int64"),
    (lambda m: m.detect(IMAGE, BOX * np.nan), ValueError, r"proposals\[0\] is \[nan"),
    (lambda m: m.detect(IMAGE, [BOX]), TypeError, "proposals is list, expected a Tensor or a numpy array"),
    (lambda m: m.fit(IMAGE, [BOX], [TARGET]), TypeError, "images is ndarray, expected a list, one entry per image"),
    (lambda m: m.fit([IMAGE], [], [TARGET]), ValueError, "got 1 images and 0 proposals, expected as many"),
    (lambda m: m.fit([IMAGE], [BOX], [{**TARGET, "labels": np.array([3])}]), IndexError,
     r"targets\[0\]\['labels'\]\[0\] is 3, expected 1 to 2"),
    (lambda m: m.training_regions([IMAGE], [BOX], [TARGET], count=0), ValueError, r"\[rcnn\] count is 0"),
    (lambda m: models.rcnn(0), ValueError, r"\[rcnn\] num_classes is 0"),
])
def test_misuse(call, error, match, narrow):
    pytest.importorskip("sklearn")
    with pytest.raises(error, match=match):
        call(models.rcnn(2))
