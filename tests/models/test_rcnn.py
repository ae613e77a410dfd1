"""Faster, Mask and Keypoint R-CNN: counts, training steps, what images and targets may be; the layers they bring along."""

from __future__ import annotations

import re

import numpy as np
import pytest

import pyconv
from pyconv import models, nn
from pyconv.errors import ShapeError
from pyconv.models.detection import GeneralizedRCNNTransform, RPNHead, resnet_fpn_backbone
from pyconv.models.detection.keypoints import keypoints_to_heatmap
from pyconv.models.detection.rpn import TwoScoreRPNHead
from pyconv.models.keymaps import fit, load_fitted
from tests.peers import torchvision
from tests.zoo import close, counts, draw, load_from_torch, step_lowers_loss

# --- counts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "parameters", "trained_norms"), [
    ("faster_rcnn", 41_755_286, 41_808_406),
    ("mask_rcnn", 44_401_393, 44_454_513),
    ("keypoint_rcnn", 59_137_258, 59_190_378),
])
def test_parameters(name, parameters, trained_norms):
    with pyconv.device("meta"):
        for options, expected in (({}, parameters), ({"norm_layer": nn.BatchNorm2d}, trained_norms)):
            model = models.create_model(name, **options)
            assert sum(p.numel() for p in model.parameters()) == expected


def test_counts_of_the_first_form():
    """VGG-16's convolutions on 608x608 (multiples of 16), the proposals' on 38x38, the linear layers on 300 regions."""
    with pyconv.device("meta"):
        features = pyconv.summary(models.vgg16().features[:-1], (1, 3, 608, 608)).total_macs
    proposals = 38 * 38 * (512 * 512 * 9 + 512 * 9 * (2 + 4))
    regions = 300 * (25088 * 4096 + 4096 * 4096 + 4096 * 21 * 5)
    macs = features + proposals + regions
    assert counts("faster_rcnn_vgg16") == (137_078_239, macs) == (137_078_239, 152_501_022_720)


@pytest.mark.parametrize(("name", "found", "billions"), [
    ("faster_rcnn", 0, 134.38), ("mask_rcnn", 0, 134.38), ("keypoint_rcnn", 1, 137.42)])
def test_multiply_adds(name, found, billions):
    """As torchvision states them: one image of 800x800, 1000 proposals, and the heads of nothing or of one person."""
    assert round(counts(name, (3, 800, 800), box_detections_per_img=found)[1] / 1e9, 2) == billions


# --- training -------------------------------------------------------------------------------------
def target(*boxes, labels=None, size=None, points=0):
    found = {"boxes": np.array(boxes, np.float32).reshape(-1, 4),
             "labels": np.array(labels or [1] * len(boxes), np.int64)}
    if size:
        found["masks"] = np.zeros((len(boxes), *size), np.uint8)
        for mask, box in zip(found["masks"], found["boxes"].astype(int), strict=True):
            mask[box[1]:box[3], box[0]:(box[0] + box[2]) // 2] = 1
    if points:
        middle = (found["boxes"][:, None, :2] + found["boxes"][:, None, 2:]) / 2
        found["keypoints"] = np.concatenate([np.repeat(middle, points, 1), np.ones((len(boxes), points, 1))], 2)
    return found


SMALL = {"faster_rcnn": {}, "mask_rcnn": {}, "keypoint_rcnn": {"num_keypoints": 5, "min_size": 64}}


@pytest.mark.parametrize("name", SMALL)
def test_a_step_lowers_the_loss(name):
    pyconv.manual_seed(0)
    options = {"min_size": 64, "num_classes": 3, "rpn_post_nms_top_n_train": 30, **SMALL[name]}
    if name == "keypoint_rcnn":
        options["num_classes"] = 2
    model = models.create_model(name, backbone_name="resnet18", norm_layer=nn.BatchNorm2d, **options)
    images = [draw(3, 64, 80), draw(3, 72, 64, seed=1)]
    targets = [target((5, 5, 60, 40), (30, 30, 70, 60), size=(64, 80), points=5), target(size=(72, 64), points=5)]

    def loss():
        pyconv.manual_seed(1)  # which anchors and proposals are sampled
        return sum(model(images, targets).values())

    step_lowers_loss(model, loss, lr=1e-4)


@pytest.mark.full
@pytest.mark.parametrize("name", ["faster_rcnn", "mask_rcnn", "keypoint_rcnn", "faster_rcnn_vgg16"])
def test_a_step_at_full_size(name):
    pyconv.manual_seed(0)
    options = {} if name == "faster_rcnn_vgg16" else {"norm_layer": nn.BatchNorm2d}
    model = models.create_model(name, **options)
    if name == "faster_rcnn_vgg16":
        model.roi_heads.box_head.eval()  # no dropout
    images = [np.random.default_rng(0).random((3, 480, 640)).astype(np.float32)]
    targets = [target((50, 50, 300, 240), (300, 130, 470, 360), size=(480, 640), points=17)]

    def loss():
        pyconv.manual_seed(1)
        return sum(model(images, targets).values())

    step_lowers_loss(model, loss, lr=1e-5)
    with pyconv.no_grad():
        [found] = model.eval()(images)
    assert found["boxes"].shape == (len(found["labels"]), 4)


def small(name="faster_rcnn", **options):
    pyconv.manual_seed(0)
    return models.create_model(name, backbone_name="resnet18", min_size=64, **{"num_classes": 3, **options})


def test_sampling_follows_the_seed():
    model = small(rpn_batch_size_per_image=8, box_batch_size_per_image=4)
    images, targets = [draw(3, 64, 64)], [target((5, 5, 60, 40))]
    found = []
    for seed in (1, 1, 2):
        pyconv.manual_seed(seed)
        found.append({name: value.item() for name, value in model(images, targets).items()})
    assert found[0] == found[1] != found[2]


def test_images_may_be_arrays_tensors_or_one_batch():
    model = small(box_score_thresh=0.0, box_detections_per_img=5).eval()
    batch = np.random.default_rng(0).random((2, 3, 64, 80)).astype(np.float32)
    found = [model(images) for images in (list(batch), [pyconv.from_numpy(i) for i in batch], pyconv.from_numpy(batch))]
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(one["boxes"].numpy(), two["boxes"].numpy())
    assert [len(one["boxes"]) for one in found[0]] == [5, 5]
    scores = found[0][0]["scores"].numpy()
    assert (np.diff(scores) <= 0).all()


@pytest.mark.parametrize("name", ["faster_rcnn", "mask_rcnn", "keypoint_rcnn"])
def test_images_of_other_channels(name):
    model = small(name, in_channels=1, num_classes=2).eval()
    assert model.input_size == (1, 64, 64)
    [found] = model([np.zeros((1, 64, 80), np.float32)])
    assert found["boxes"].shape[1:] == (4,)
    with pyconv.device("meta"):
        assert models.faster_rcnn_vgg16(in_channels=4).backbone.features[0].in_channels == 4


def test_gradients_reach_the_images():
    x = pyconv.tensor(draw(3, 64, 64), requires_grad=True)
    sum(small()([x], [target((5, 5, 60, 40))]).values()).backward()
    assert np.abs(x.grad.numpy()).max() > 0


def test_new_heads_for_other_classes():
    model = small()
    model.roi_heads.box_predictor = models.FastRCNNPredictor(1024, 6)
    assert set(model([draw(3, 64, 64)], [target((5, 5, 60, 40), labels=[5])])) == {
        "loss_classifier", "loss_box_reg", "loss_objectness", "loss_rpn_box_reg"}


def test_frozen_layers():
    for layers, frozen in ((5, []), (3, ["conv1", "layer1"]), (0, ["conv1", "layer1", "layer2", "layer3", "layer4"])):
        backbone = resnet_fpn_backbone(backbone_name="resnet18", norm_layer=nn.BatchNorm2d, trainable_layers=layers)
        found = {name.split(".")[1] for name, p in backbone.named_parameters() if not p.requires_grad}
        assert found == {*frozen, *(["bn1"] if layers < 5 else [])}


def test_fewer_maps():
    backbone = resnet_fpn_backbone(backbone_name="resnet18", returned_layers=[2, 3])
    assert {k: v.shape[1:] for k, v in backbone(pyconv.zeros(1, 3, 64, 64)).items()} == {
        "0": (256, 8, 8), "1": (256, 4, 4), "pool": (256, 2, 2)}
    assert not hasattr(backbone.body, "layer4")


# --- parts ----------------------------------------------------------------------------------------
def test_backbone_as_torchvision():
    torchvision()
    import torch
    from torchvision.models.detection.backbone_utils import resnet_fpn_backbone as theirs_backbone

    torch.manual_seed(0)
    theirs = theirs_backbone(backbone_name="resnet18", weights=None, trainable_layers=3)
    with torch.no_grad():
        for b in theirs.buffers():
            b.copy_(0.5 + torch.rand(b.shape))
    ours = resnet_fpn_backbone(backbone_name="resnet18", trainable_layers=3)
    load_from_torch(ours, theirs)
    assert {n: p.requires_grad for n, p in ours.named_parameters()} == {
        n: p.requires_grad for n, p in theirs.named_parameters()}
    x = draw(2, 3, 64, 96)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x))
    found = ours(pyconv.from_numpy(x))
    assert list(found) == list(expected)
    for name, value in expected.items():
        close(found[name].detach().numpy(), value.numpy())


def test_frozen_batch_norm():
    layer = nn.FrozenBatchNorm2d(3, eps=1e-3)
    norm = nn.BatchNorm2d(3, eps=1e-3)
    for t in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        t.data.copy_(pyconv.from_numpy(draw(3, seed=t.numel()) ** 2 + 0.5))
    assert repr(layer.load_state_dict(norm.state_dict())) == "<All keys matched successfully>"
    x = pyconv.tensor(draw(2, 3, 4, 5), requires_grad=True)
    y = layer.train()(x)
    scale = norm.weight.detach().numpy() / np.sqrt(norm.running_var.numpy() + 1e-3)
    close(y.detach().numpy(), (x.detach().numpy() - norm.running_mean.numpy()[:, None, None]) * scale[:, None, None]
          + norm.bias.detach().numpy()[:, None, None], 1e-6)
    y.sum().backward()
    close(x.grad.numpy(), np.broadcast_to(scale[:, None, None], x.shape), 1e-6)
    assert list(layer.state_dict()) == ["weight", "bias", "running_mean", "running_var"]
    with pytest.raises(ValueError, match="Unexpected"):
        layer.load_state_dict({**norm.state_dict(), "more": norm.state_dict()["weight"]})
    with pytest.raises(ValueError, match=r"\[FrozenBatchNorm2d\] num_features is 0"):
        nn.FrozenBatchNorm2d(0)


def test_two_scores_are_one_logit():
    """The logit of the object is that of a softmax over both scores."""
    pyconv.manual_seed(0)
    head = TwoScoreRPNHead(4, 3)
    x = pyconv.from_numpy(draw(2, 4, 5, 6))
    [logit], [boxes] = head([x])
    assert logit.shape == (2, 3, 5, 6)
    assert boxes.shape == (2, 12, 5, 6)
    scores = head.cls_logits(head.conv(x)).detach().numpy().astype(np.float64).reshape(2, 2, 3, 5, 6)
    expected = np.exp(scores[:, 1]) / np.exp(scores).sum(1)
    np.testing.assert_allclose(logit.sigmoid().detach().numpy(), expected, rtol=1e-5)


def test_deeper_proposal_heads_keep_torchvisions_names():
    assert list(RPNHead(4, 3, conv_depth=2).state_dict())[:4] == [
        "conv.0.0.weight", "conv.0.0.bias", "conv.1.0.weight", "conv.1.0.bias"]


@pytest.mark.parametrize(("sizes", "batch"), [
    ([(80, 100)], (64, 96)),  # 64x80, filled up to a multiple of 32
    ([(80, 100), (30, 90)], (64, 128)),  # the second one to 42x126: its longer side is bounded
])
def test_transform_sizes(sizes, batch):
    transform = GeneralizedRCNNTransform(64, 127, [0.5], [0.25])
    images, targets = transform([np.ones((1, *size), np.float32) for size in sizes],
                                [{"boxes": np.float32([[0, 0, w, h]])} for h, w in sizes])
    assert images.tensors.shape == (len(sizes), 1, *batch)
    for picture, (h, w), one in zip(images.tensors.numpy(), images.image_sizes, targets, strict=True):
        assert (picture[0, :h, :w] == 2).all()
        assert not picture[0, h:].any()
        assert not picture[0, :, w:].any()
        np.testing.assert_allclose(one["boxes"], [[0, 0, w, h]], rtol=1e-6)


def test_transform_draws_from_several_sizes():
    pyconv.manual_seed(0)
    transform = GeneralizedRCNNTransform([32, 64], 100, [0.5], [0.25])
    image = [np.ones((1, 50, 50), np.float32)]
    assert {transform(image)[0].image_sizes[0] for _ in range(20)} == {(32, 32), (64, 64)}
    assert {transform.eval()(image)[0].image_sizes[0] for _ in range(20)} == {(64, 64)}
    fixed = GeneralizedRCNNTransform(64, 100, [0.5], [0.25], fixed_size=(40, 24))
    assert fixed(image)[0].image_sizes == [(24, 40)]


def test_keypoints_at_the_border_belong_to_the_last_cell():
    boxes = np.float32([[10, 20, 30, 60]])
    points = np.float32([[[10, 20, 1], [30, 60, 1], [29.9, 59.9, 1], [9.9, 30, 1], [20, 40, 0], [30.1, 40, 1]]])
    cells, valid = keypoints_to_heatmap(points, boxes, 4)
    assert cells.tolist() == [[0, 15, 15, 0, 0, 0]]
    assert valid.tolist() == [[True, True, True, False, False, False]]


# --- files from elsewhere -------------------------------------------------------------------------
def test_names_of_the_first_version():
    """They say nothing about eps: files of that version were trained with and without one."""
    model = small("mask_rcnn")
    state = {name: value.array for name, value in model.state_dict().items()}
    old = {re.sub(r"(blocks\.\d)\.0\.|(rpn\.head\.conv)\.0\.0\.", r"\1\2.", name): value for name, value in state.items()}
    old = {re.sub(r"mask_head\.(\d)\.0", lambda m: f"mask_head.mask_fcn{int(m[1]) + 1}", name): v for name, v in old.items()}
    assert len(set(old) - set(state)) == 8 * 2 + 2 + 4 * 2

    def eps(network):
        return {module.eps for module in network.modules() if isinstance(module, nn.FrozenBatchNorm2d)}

    load_fitted(model, fit(model, state))
    assert eps(model) == {1e-5}
    load_fitted(model, fit(model, old))
    assert eps(model) == {1e-5}
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.array, state[name])


def test_caffes_names():
    with pyconv.device("meta"):
        model = models.faster_rcnn_vgg16()
    own = model.state_dict()
    layers = [f"conv{block}_{i + 1}" for block, depth in enumerate((2, 2, 3, 3, 3), 1) for i in range(depth)]
    layers += ["rpn_conv/3x3", "rpn_cls_score", "rpn_bbox_pred", "fc6", "fc7", "cls_score", "bbox_pred"]
    names = [f"{layer}.{part}" for layer in layers for part in ("weight", "bias")]
    found = fit(model, dict(zip(names, own.values(), strict=True)))
    assert found.steps == ["renamed Caffe's layers of VGG"]
    assert {name: value.shape for name, value in found.state.items()} == {name: v.shape for name, v in own.items()}
    assert list(found.state) == list(own)


# --- misuse ---------------------------------------------------------------------------------------
IMAGE = np.zeros((3, 40, 48), np.float32)
GOOD = target((5, 5, 30, 30), size=(40, 48), points=17)


@pytest.mark.parametrize(("name", "images", "targets", "error", "match"), [
    ("faster_rcnn", [IMAGE], None, ValueError, r"\[detector\] targets is None, expected a list in training"),
    ("faster_rcnn", [], [], ValueError, r"\[detector\] images is empty"),
    ("faster_rcnn", 3, [], TypeError, r"\[detector\] images is int, expected a list of images"),
    ("faster_rcnn", [IMAGE], [GOOD, GOOD], ValueError, r"targets has 2 entries, expected one per image, 1"),
    ("faster_rcnn", [3], [GOOD], TypeError, r"images\[0\] is int, expected a Tensor or a numpy array"),
    ("faster_rcnn", [IMAGE, IMAGE[:1]], [GOOD] * 2, ShapeError, r"images\[1\] has shape \(1, 40, 48\), expected \(3, h"),
    ("faster_rcnn", [IMAGE[0]], [GOOD], ShapeError, r"images\[0\] has shape \(40, 48\)"),
    ("faster_rcnn", [IMAGE[:, :0]], [GOOD], ShapeError, r"images\[0\] has shape \(3, 0, 48\)"),
    ("faster_rcnn", [IMAGE.astype(np.uint8)], [GOOD], TypeError, r"images\[0\] has dtype uint8, expected .* from 0 to 1"),
    ("faster_rcnn", [IMAGE, IMAGE], [GOOD, target((1, 2, 3, 4), (5, 5, 5, 9))], ValueError,
     r"targets\[1\]\['boxes'\]\[1\] is \[5.0, 5.0, 5.0, 9.0\], expected .* x1 < x2 and y1 < y2"),
    ("faster_rcnn", [IMAGE], [target((1, 2, 3, 4), labels=[0])], IndexError,
     r"targets\[0\]\['labels'\]\[0\] is 0, expected 1 to 2; 0 is the background"),
    ("faster_rcnn", [IMAGE], [target((1, 2, 3, 4), labels=[3])], IndexError, r"\['labels'\]\[0\] is 3, expected 1 to 2"),
    ("mask_rcnn", [IMAGE], [target((1, 2, 3, 4))], KeyError, r"targets\[0\] has no 'masks'"),
    ("mask_rcnn", [IMAGE], [GOOD | {"masks": np.zeros((1, 48, 40))}], ShapeError,
     r"targets\[0\]\['masks'\] has shape \(1, 48, 40\), expected \(boxes, height, width\) = \(1, 40, 48\)"),
    ("keypoint_rcnn", [IMAGE], [target((1, 2, 3, 4))], KeyError, r"targets\[0\] has no 'keypoints'"),
    ("keypoint_rcnn", [IMAGE], [GOOD | {"keypoints": np.zeros((1, 16, 3))}], ShapeError,
     r"targets\[0\]\['keypoints'\] has shape \(1, 16, 3\), expected \(boxes, points, 3\) = \(1, 17, 3\)"),
])
def test_images_and_targets_that_cannot_be_meant(name, images, targets, error, match):
    with pyconv.device("meta"):
        model = models.create_model(name, backbone_name="resnet18", num_classes=3)
    with pytest.raises(error, match=match):
        model(images, targets)


class Bare(nn.Module):
    out_channels = 8


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: models.FasterRCNN(nn.Identity(), 3), ValueError, r"\[FasterRCNN\] backbone is Identity without out_channels"),
    (lambda: models.FasterRCNN(Bare()), ValueError, r"\[FasterRCNN\] expected either num_classes or box_predictor"),
    (lambda: models.FasterRCNN(Bare(), 3, box_predictor=Bare()), ValueError, r"expected either num_classes or box_pred"),
    (lambda: models.MaskRCNN(Bare(), 3, mask_predictor=Bare()), ValueError, r"\[MaskRCNN\] expected either num_classes"),
    (lambda: models.KeypointRCNN(Bare(), 3, num_keypoints=4, keypoint_predictor=Bare()), ValueError,
     r"\[KeypointRCNN\] expected either num_keypoints or keypoint_predictor"),
    (lambda: models.faster_rcnn(num_classes=1), ValueError, r"num_classes is 1, expected at least 2"),
    (lambda: models.faster_rcnn_vgg16(num_classes=1), ValueError, r"num_classes is 1, expected at least 2"),
    (lambda: models.faster_rcnn(trainable_backbone_layers=6), ValueError, r"trainable_layers is 6, expected 0 to 5"),
    (lambda: models.faster_rcnn(backbone_name="resnet51"), ValueError, r"name is 'resnet51'"),
    (lambda: models.faster_rcnn(box_size=3), TypeError, r"box_size"),
    (lambda: resnet_fpn_backbone(returned_layers=[0]), ValueError, r"returned_layers is \[0\], expected numbers from 1"),
    (lambda: resnet_fpn_backbone(returned_layers=[]), ValueError, r"returned_layers is \[\]"),
])
def test_misuse(call, error, match):
    with pyconv.device("meta"), pytest.raises(error, match=match):
        call()
