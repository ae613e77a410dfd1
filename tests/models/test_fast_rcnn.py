"""Fast R-CNN: counts, names, the outputs and both losses against PyTorch's operations, what is drawn and detected."""

from __future__ import annotations

import importlib

import numpy as np
import peers
import pytest
from samples.regions import _torch_pool
from zoo import close, counts, draw, step_lowers_loss

import pyconv
from pyconv import models, nn, vision
from pyconv.errors import ShapeError
from pyconv.tensor import Tensor

fast_rcnn = importlib.import_module("pyconv.models.fast_rcnn")  # models.fast_rcnn is the function


@pytest.fixture
def narrow(monkeypatch):
    """The same network with fewer channels."""
    monkeypatch.setattr(fast_rcnn, "_STAGES", ((3, 2), (4, 2), (5, 3), (6, 3), (7, 3)))
    monkeypatch.setattr(fast_rcnn, "_HIDDEN", 16)


def small(**options):
    pyconv.manual_seed(0)
    return models.fast_rcnn(num_classes=4, **options)


def some_boxes(rng, n, size=96):
    low = rng.uniform(0, 0.7 * size, (n, 2))
    return np.concatenate([low, low + rng.uniform(8, 0.5 * size, (n, 2))], 1).astype(np.float32)


TARGETS = [{"boxes": np.float32([[10, 10, 50, 60], [40, 30, 90, 70]]), "labels": np.array([1, 3])},
           {"boxes": np.zeros((0, 4), np.float32), "labels": np.zeros(0, int)}]


def test_counts():
    assert counts("fast_rcnn") == (134_690_729, 183_869_263_872 + 119_967_744)
    with pyconv.device("meta"):
        model = models.fast_rcnn()
    found = pyconv.summary(model)
    assert found.stopped
    assert sum(r.macs for r in found.rows if r.path.startswith("conv")) == 183_869_263_872


def test_names_of_the_state():
    with pyconv.device("meta"):
        state = models.fast_rcnn().state_dict()
    convolutions = [f"conv{s}_{i}" for s, n in enumerate((2, 2, 3, 3, 3), 1) for i in range(1, n + 1)]
    assert list(dict.fromkeys(k.rpartition(".")[0] for k in state)) == [*convolutions, "fc6", "fc7", "cls_score", "bbox_pred"]
    assert state["bbox_pred.weight"].shape == (84, 4096)


def torch_scores(torch, model, x, rois):
    """The network in PyTorch's operations on this model's numbers, which become leaves."""
    state = {k: torch.tensor(np.array(v.numpy()), requires_grad=True) for k, v in model.state_dict().items()}
    F = torch.nn.functional
    for stage, (_, count) in enumerate(fast_rcnn._STAGES, 1):
        x = F.max_pool2d(x, 2, ceil_mode=True) if stage > 1 else x
        for i in range(1, count + 1):
            x = F.relu(F.conv2d(x, state[f"conv{stage}_{i}.weight"], state[f"conv{stage}_{i}.bias"], padding=1))
    x = _torch_pool(x, rois, 7, 1 / 16).flatten(1)
    for name in ("fc6", "fc7"):
        x = F.relu(F.linear(x, state[f"{name}.weight"], state[f"{name}.bias"]))
    return state, F.linear(x, state["cls_score.weight"], state["cls_score.bias"]), F.linear(x, state["bbox_pred.weight"],
                                                                                             state["bbox_pred.bias"])


def test_outputs_and_losses_as_in_torch(narrow, torch):
    peers.torchvision()
    rng = np.random.default_rng(1)
    model = small(rois_per_image=4000)  # everything is drawn
    for layer in (model.cls_score, model.bbox_pred, model.fc6, model.fc7):
        nn.init.normal_(layer.weight, 0, 0.3)
    model.train()
    model.dropout.eval()
    x, proposals = draw(2, 3, 90, 110), [some_boxes(rng, 14), some_boxes(rng, 5)]
    losses = model(pyconv.from_numpy(x), [Tensor(p) for p in proposals], TARGETS)
    assert list(losses) == ["loss_classifier", "loss_box_reg"]
    (losses["loss_classifier"] + losses["loss_box_reg"]).backward()

    # Which region stands for what, in loops.
    rows, labels, goals = [], [], []
    for image, (boxes, target) in enumerate(zip(proposals, TARGETS, strict=True)):
        overlaps = vision.box_iou(target["boxes"], np.concatenate([boxes, target["boxes"]]))
        for j, box in enumerate([*boxes, *target["boxes"]]):
            best = overlaps[:, j].argmax() if len(overlaps) else None
            if best is None or 0.1 <= overlaps[best, j] < 0.5:
                labels.append(0)
                goals.append(box)
            elif overlaps[best, j] >= 0.5:
                labels.append(target["labels"][best])
                goals.append(target["boxes"][best])
            else:
                continue
            rows.append([image, *box])
    assert 2 <= np.count_nonzero(labels) < len(labels) < 21
    rois, labels = torch.tensor(np.array(rows)), torch.tensor(np.array(labels))
    state, scores, codes = torch_scores(torch, model, torch.from_numpy(x), rois)
    from torchvision.models.detection._utils import BoxCoder

    wanted = BoxCoder((10, 10, 5, 5)).encode_single(torch.tensor(np.array(goals, np.float32)), rois[:, 1:].float())
    held = torch.arange(len(labels))[labels > 0]
    own = codes.reshape(len(labels), 4, 4)[held, labels[held]]
    first = torch.nn.functional.cross_entropy(scores, labels)
    second = torch.nn.functional.smooth_l1_loss(own, wanted[held], reduction="sum") / len(labels)
    close(losses["loss_classifier"].item(), first.item(), 1e-5)
    close(losses["loss_box_reg"].item(), second.item(), 1e-5)
    (first + second).backward()
    for name, p in model.named_parameters():
        close(p.grad.numpy(), state[name].grad.numpy())

    with pyconv.no_grad():
        found = model.eval().scores(pyconv.from_numpy(x), [Tensor(p) for p in proposals])
    rows = np.concatenate([np.insert(p, 0, i, 1) for i, p in enumerate(proposals)])
    for ours, theirs in zip(found, torch_scores(torch, model, torch.from_numpy(x), torch.tensor(rows))[1:], strict=True):
        close(ours.numpy(), theirs.detach().numpy())


def test_detections_are_suppressed_within_their_class_and_clipped(narrow, monkeypatch):
    model = small(detections_per_image=5).eval()
    proposals = [np.float32([[0, 0, 40, 40], [2, 0, 42, 40], [60, 10, 90, 50]]), np.float32([[5, 5, 30, 30]]),
                 np.zeros((0, 4), np.float32)]
    chances = np.float32([[0, .9, .1, 0], [0, .8, .2, 0], [0.99, 0, 0.01, 0], [0.2, 0.4, 0, 0.4]])
    codes = np.zeros((4, 16), np.float32)
    codes[0, 4:8] = [-10 * 0.75, 0, 0, 0]  # three quarters of its width to the left, over the border
    codes[3, 4:8] = [-10 * 5, 0, 0, 0]  # out of the picture
    monkeypatch.setattr(model, "scores", lambda images, rois: (Tensor(np.log(chances + 1e-9)), Tensor(codes)))
    first, second, third = model(pyconv.zeros(3, 3, 64, 80), proposals)
    # Class 1: the box of 0.9 has moved away from that of 0.8; class 2: the better one takes the other with it.
    np.testing.assert_allclose(first["scores"].numpy(), [0.9, 0.8, 0.2], rtol=1e-5)
    assert first["labels"].tolist() == [1, 1, 2]
    np.testing.assert_allclose(first["boxes"].numpy(), [[0, 0, 10, 40], [2, 0, 42, 40], [2, 0, 42, 40]], atol=1e-4)
    assert second["labels"].tolist() == [3]
    assert (third["boxes"].shape, third["labels"].shape, third["labels"].dtype) == ((0, 4), (0,), np.int64)
    model.detections_per_image = 1
    assert model(pyconv.zeros(3, 3, 64, 80), proposals)[0]["labels"].tolist() == [1]


def test_draws_are_a_quarter_objects(narrow):
    model = small(rois_per_image=16).train()
    target = np.float32([[10, 10, 50, 60]])
    boxes = np.concatenate([target + np.float32(0.1) * i for i in range(20)] + [target + 15 + np.float32(0.1) * i for i in range(30)])
    rois, labels, codes = model._draw(boxes, target, np.array([2]))
    assert (len(rois), np.count_nonzero(labels)) == (16, 4)
    assert set(labels) == {0, 2}
    assert (codes[labels == 0] == 0).all()
    np.testing.assert_allclose(model.coder.decode_single(codes, rois)[labels == 2], np.repeat(target, 4, 0), atol=1e-4)


def test_a_step_lowers_the_loss(narrow):
    model = small().train()
    model.dropout.eval()
    rng = np.random.default_rng(2)
    x, proposals = pyconv.from_numpy(draw(2, 3, 64, 96)), [some_boxes(rng, 30, 60) for _ in range(2)]

    def loss():
        pyconv.manual_seed(5)
        return sum(model(x, proposals, TARGETS).values())

    step_lowers_loss(model, loss)


def test_begins_from_vgg16(narrow, monkeypatch):
    model, rng = small(), np.random.default_rng(3)
    convolutions = [name for name in dict(model.named_children()) if name.startswith("conv")]
    numbers = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
    sources = {f"features.{n}": name for n, name in zip(numbers, convolutions, strict=True)}
    sources |= {"classifier.0": "fc6", "classifier.3": "fc7"}
    state = {f"{source}.{k}": rng.standard_normal(v.shape).astype(np.float32)
             for source, name in sources.items() for k, v in getattr(model, name).state_dict().items()}
    before = model.cls_score.weight.array.copy()
    model.load_vgg16(state | {"classifier.6.weight": np.zeros((1000, 16))})
    np.testing.assert_array_equal(model.conv3_2.weight.array, state["features.12.weight"])
    np.testing.assert_array_equal(model.fc7.bias.array, state["classifier.3.bias"])
    np.testing.assert_array_equal(model.cls_score.weight.array, before)
    with pytest.raises(ValueError, match=r"\[fast_rcnn\] state has 0 layers features.N.weight, expected VGG-16's 13"):
        model.load_vgg16({})


BOX = np.float32([[0, 0, 9, 9]])


@pytest.mark.parametrize(("arguments", "error", "match"), [
    ((np.zeros((1, 3, 64, 64), np.float32), BOX), TypeError, r"\[fast_rcnn\] proposals is ndarray, expected a list"),
    ((np.zeros((1, 3, 64, 64), np.float32), [BOX, BOX]), ValueError, "proposals has 2 entries, expected one per image, 1"),
    ((np.zeros((1, 3, 64, 64), np.float32), [BOX[0]]), ShapeError, r"proposals\[0\] has shape \(4,\), expected \(boxes, 4\)"),
    ((np.zeros((1, 3, 64, 64), np.float32), [BOX.astype(int)]), TypeError, r"proposals\[0\] has dtype int64"),
    ((np.zeros((1, 3, 64, 64), np.float32), [[1]]), TypeError, r"proposals\[0\] is list, expected a Tensor"),
    ((np.zeros((1, 3, 64, 64), np.float32), [BOX[:, ::-1]]), ValueError, r"proposals\[0\]\[0\] is \[9.0, 9.0, 0.0, 0.0\], expected"),
    ((np.zeros((1, 3, 64, 64), np.float32), [BOX * np.nan]), ValueError, r"proposals\[0\]\[0\] is \[nan"),
    ((np.zeros((1, 4, 64, 64), np.float32), [BOX]), ShapeError, r"\[fast_rcnn\] x has shape \(1, 4, 64, 64\)"),
    ((np.zeros((1, 3, 64, 64), np.float32), [BOX]), ValueError, "targets is None, expected one dictionary per image in training"),
    ((np.zeros((1, 3, 64, 64), np.float32), [BOX], [{"boxes": BOX, "labels": np.array([4])}]), IndexError,
     r"targets\[0\]\['labels'\]\[0\] is 4, expected 1 to 3"),
    ((np.zeros((1, 3, 64, 64), np.float32), [np.zeros((0, 4), np.float32)],
      [{"boxes": np.zeros((0, 4)), "labels": np.zeros(0, int)}]), ValueError, "proposals holds no region to learn from"),
])
def test_misuse(arguments, error, match, narrow):
    images, *rest = arguments
    with pytest.raises(error, match=match):
        small().train()(Tensor(images), *rest)


@pytest.mark.parametrize(("options", "error", "match"), [
    ({"num_classes": 1}, ValueError, r"\[fast_rcnn\] num_classes is 1"),
    ({"detections_per_image": 0}, ValueError, "detections_per_image is 0"),
    ({"box_weights": (1, 2)}, ValueError, r"weights is \(1, 2\)"),
    ({"rois_per_image": -1}, ValueError, "batch_size_per_image is -1"),
])
def test_arguments_that_make_no_network(options, error, match, narrow):
    with pytest.raises(error, match=match):
        models.fast_rcnn(**options)


@pytest.mark.full
def test_a_step_at_full_size():
    pyconv.manual_seed(0)
    model = models.fast_rcnn().train()
    target = [{"boxes": np.float32([[30, 40, 200, 220]]), "labels": np.array([7])}]
    losses = model(pyconv.from_numpy(draw(1, 3, 224, 304)), [some_boxes(np.random.default_rng(4), 20, 220)], target)
    (losses["loss_classifier"] + losses["loss_box_reg"]).backward()
    assert np.isfinite(model.conv1_1.weight.grad.numpy()).all()
    with pyconv.no_grad():
        assert len(model.eval()(pyconv.from_numpy(draw(1, 3, 224, 304)))) == 1
