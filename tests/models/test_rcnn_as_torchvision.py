"""Faster, Mask and Keypoint R-CNN: whole networks against torchvision's, on the same weights and images.

Sampling is switched off by samples as large as there are anchors and proposals, so that both learn from the same ones.
"""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

import pyconv
from pyconv import models, nn, vision
from pyconv.models.detection import FeaturePyramidNetwork, LastLevelMaxPool
from tests.peers import torchvision
from tests.zoo import close, load_from_torch

SIZES = [(80, 100), (96, 64)]
CLASSES = 4
SETTINGS = {
    "min_size": 96, "max_size": 140, "rpn_pre_nms_top_n_train": 60, "rpn_pre_nms_top_n_test": 60,
    "rpn_post_nms_top_n_train": 24, "rpn_post_nms_top_n_test": 24, "rpn_batch_size_per_image": 100_000,
    "box_batch_size_per_image": 10_000, "box_positive_fraction": 0.5, "box_detections_per_img": 12,
    "box_score_thresh": 0.1}


def naive_nms(boxes, scores, iou_threshold):
    """Stands for torchvision's compiled operator."""
    import torch
    from torchvision.ops import box_iou

    overlaps, order, kept = box_iou(boxes, boxes), torch.argsort(scores, descending=True, stable=True).tolist(), []
    for i in order:
        if all(overlaps[i, k] <= iou_threshold for k in kept):
            kept.append(i)
    return torch.tensor(kept, dtype=torch.int64)


@pytest.fixture
def detection(monkeypatch):
    tv = torchvision()
    monkeypatch.setattr(sys.modules["torchvision.ops.boxes"], "nms", naive_nms)
    align = sys.modules["torchvision.ops.roi_align"]  # its form in Python, not compiled on the first call
    monkeypatch.setattr(align, "_roi_align", align._roi_align.__wrapped__)
    monkeypatch.setattr(align, "_has_ops", lambda: False)
    return tv.models.detection


def tiny(nn, pyramid, extra):
    """A backbone of four small maps and a pyramid, in either library: rounding does not decide here, sizes do not matter."""

    class Tiny(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 6, 4, 4)
            self.stages = nn.ModuleList([nn.Conv2d(6 + i, 7 + i, 3, 2 if i else 1, 1) for i in range(4)])
            self.fpn = pyramid([7, 8, 9, 10], self.out_channels, extra())

        out_channels = 12

        def forward(self, x):
            x, maps = self.stem(x), {}
            for i, stage in enumerate(self.stages):
                x = maps[str(i)] = stage(x).relu()
            return self.fpn(maps)

    return Tiny()


def heads(library, align, kind):
    """Small heads, from torchvision's modules or from ours."""
    box = {"box_head": library.TwoMLPHead(12 * 49, 20), "box_predictor": library.FastRCNNPredictor(20, CLASSES)}
    if kind == "MaskRCNN":
        # torchvision's layers take the dilation as well.
        more = (1,) if library is not models else ()
        return {**box, "mask_roi_pool": align(["0", "1", "2", "3"], 5, 2), "mask_head": library.MaskRCNNHeads(12, (6, 5), *more),
                "mask_predictor": library.MaskRCNNPredictor(5, 4, CLASSES)}
    if kind == "KeypointRCNN":
        return {**box, "keypoint_head": library.KeypointRCNNHeads(12, (6, 5)),
                "keypoint_predictor": library.KeypointRCNNPredictor(5, 17)}
    return box


def pair(detection, kind, **settings):
    """Torchvision's network and ours, float64, with equal weights that tell boxes and classes apart."""
    import torch
    from torchvision.models.detection import faster_rcnn, keypoint_rcnn, mask_rcnn
    from torchvision.ops import MultiScaleRoIAlign
    from torchvision.ops import feature_pyramid_network as fpn

    torch.manual_seed(3)
    settings = {**SETTINGS, **settings}
    theirs_library = SimpleNamespace(**{name: value for module in (faster_rcnn, keypoint_rcnn, mask_rcnn)
                                        for name, value in vars(module).items()})
    theirs = getattr(detection, kind)(tiny(torch.nn, fpn.FeaturePyramidNetwork, fpn.LastLevelMaxPool),
                                      **heads(theirs_library, MultiScaleRoIAlign, kind), **settings).double()
    ours = getattr(models, kind)(tiny(nn, FeaturePyramidNetwork, LastLevelMaxPool), **heads(models, vision.MultiScaleRoIAlign, kind),
                                 **settings).double()
    with torch.no_grad():
        for name, p in theirs.named_parameters():
            if name.startswith(("rpn.head", "roi_heads.box_predictor")):
                p.copy_(torch.randn(p.shape) * (0.5 if p.ndim > 1 else 0.3))
    load_from_torch(ours, theirs)
    assign = theirs.rpn.assign_targets_to_anchors

    def in_double(*args):  # float32 labels would make PyTorch compute the loss in float32
        labels, boxes = assign(*args)
        return [label.double() for label in labels], boxes

    theirs.rpn.assign_targets_to_anchors = in_double
    return theirs, ours


def pictures():
    rng = np.random.default_rng(5)
    return [rng.random((3, *size)) for size in SIZES]


def targets(kind, empty=()):
    """Boxes with masks and keypoints; none in the images ``empty``."""
    rng = np.random.default_rng(7)
    found = []
    for i, (height, width) in enumerate(SIZES):
        boxes = np.array([[5, 8, 60, 50], [30, 20, 62, 78], [1, 1, 20, 15]], np.float64)[:0 if i in empty else 3 - i]
        target = {"boxes": boxes, "labels": np.array([1, 3, 2])[:len(boxes)]}
        if kind == "MaskRCNN":
            target["masks"] = (rng.random((len(boxes), height, width)) > 0.4).astype(np.uint8)
        if kind == "KeypointRCNN":
            points = rng.random((len(boxes), 17, 3)).astype(np.float32) * [width, height, 1.5]
            target["keypoints"] = np.concatenate([points[..., :2], np.floor(points[..., 2:] + 0.5)], 2).astype(np.float32)
            target["keypoints"][:, 0, :2] = boxes[:, 2:]  # on the lower right corner
        found.append(target)
    return found


@pytest.mark.parametrize("kind", ["FasterRCNN", "MaskRCNN", "KeypointRCNN"])
def test_detections(detection, kind):
    import torch

    theirs, ours = pair(detection, kind)
    with torch.no_grad():
        expected = theirs.eval()([torch.from_numpy(p) for p in pictures()])
    with pyconv.no_grad():
        found = ours.eval()([pyconv.from_numpy(p) for p in pictures()])
    for ours_one, theirs_one, size in zip(found, expected, SIZES, strict=True):
        assert set(ours_one) == set(theirs_one)
        assert 0 < len(theirs_one["boxes"]) <= 12
        np.testing.assert_array_equal(ours_one["labels"].numpy(), theirs_one["labels"].numpy())
        for name in set(theirs_one) - {"labels"}:
            close(ours_one[name].numpy(), theirs_one[name].numpy(), 1e-6)
        if kind == "MaskRCNN":
            assert ours_one["masks"].shape[1:] == (1, *size)


def losses_of(detection, kind, wanted, **options):
    import torch

    theirs, ours = pair(detection, kind, **options)
    in_torch = [{name: torch.from_numpy(v) for name, v in target.items()} for target in wanted]
    expected = theirs.train()([torch.from_numpy(p) for p in pictures()], in_torch)
    found = ours.train()([pyconv.from_numpy(p) for p in pictures()],
                         [{name: pyconv.from_numpy(v) for name, v in target.items()} for target in wanted])
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name].item(), value.item(), rtol=1e-9, atol=1e-12, err_msg=name)
    sum(expected.values()).backward()
    sum(found.values()).backward()
    gradients = {name: p.grad.numpy() for name, p in theirs.named_parameters() if p.grad is not None}
    assert len(gradients) == len(list(theirs.parameters()))
    for name, p in ours.named_parameters():
        scale = float(np.abs(gradients[name]).max())
        np.testing.assert_allclose(p.grad.numpy(), gradients[name], rtol=0, atol=1e-9 * scale + 1e-15, err_msg=name)
    return found


@pytest.mark.parametrize(("kind", "names"), [
    ("FasterRCNN", set()), ("MaskRCNN", {"loss_mask"}), ("KeypointRCNN", {"loss_keypoint"})])
def test_losses_and_gradients(detection, kind, names):
    found = losses_of(detection, kind, targets(kind))
    assert set(found) == names | {"loss_classifier", "loss_box_reg", "loss_objectness", "loss_rpn_box_reg"}


@pytest.mark.parametrize("kind", ["FasterRCNN", "MaskRCNN", "KeypointRCNN"])
def test_an_image_without_objects(detection, kind):
    losses_of(detection, kind, targets(kind, empty=(1,)))


@pytest.mark.parametrize("kind", ["FasterRCNN", "MaskRCNN", "KeypointRCNN"])
def test_no_image_with_objects(detection, kind):
    found = losses_of(detection, kind, targets(kind, empty=(0, 1)))
    assert found["loss_box_reg"].item() == 0


def test_no_detections(detection):
    import torch

    theirs, ours = pair(detection, "MaskRCNN", box_score_thresh=1.1)
    with torch.no_grad():
        expected = theirs.eval()([torch.from_numpy(p) for p in pictures()])
    found = ours.eval()(pictures())
    for one, other in zip(found, expected, strict=True):
        assert {k: tuple(v.shape) for k, v in one.items()} == {k: tuple(v.shape) for k, v in other.items()}


@pytest.mark.parametrize(("name", "theirs"), [
    ("faster_rcnn", "fasterrcnn_resnet50_fpn"), ("mask_rcnn", "maskrcnn_resnet50_fpn"),
    ("keypoint_rcnn", "keypointrcnn_resnet50_fpn")])
def test_state_names(detection, name, theirs):
    import torch

    with torch.device("meta"), pyconv.device("meta"):
        expected = getattr(detection, theirs)(weights=None, weights_backbone=None).state_dict()
        found = getattr(models, name)(norm_layer=nn.BatchNorm2d).state_dict()
        assert list(getattr(models, theirs)().state_dict()) == [
            key for key in found if not key.endswith("num_batches_tracked")]
    assert {k: tuple(v.shape) for k, v in found.items()} == {k: tuple(v.shape) for k, v in expected.items()}
