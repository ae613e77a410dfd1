"""Detectors learn a handful of pictures by heart: afterwards they find every rectangle in them, and its mask."""

from __future__ import annotations

import numpy as np
import pytest

import pyconv
from pyconv import models, nn
from pyconv.vision import box_iou


def scenes(count, size):
    """Pictures of noise with a red and a green rectangle, which may hide part of the red one; classes 0 and 1."""
    rng, images, targets = np.random.default_rng(0), [], []
    for _ in range(count):
        image, boxes = 0.1 * rng.random((3, size, size)).astype(np.float32), []
        for channel in range(2):
            w, h = rng.integers(size // 4, size // 2, 2)
            x, y = rng.integers(0, size - w), rng.integers(0, size - h)
            image[:, y:y + h, x:x + w] = 0.1
            image[channel, y:y + h, x:x + w] = 1
            boxes.append([x, y, x + w, y + h])
        images.append(image)
        targets.append({"boxes": np.array(boxes, np.float32), "labels": np.array([0, 1]),
                        "masks": (image[:2] == 1).astype(np.uint8)})
    return images, targets


def train(model, loss, steps, lr):
    optimizer = pyconv.optim.Adam(model.parameters(), lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        sum(loss().values()).backward()
        optimizer.step()
    model.eval()


def best(found, label):
    """The number of the most probable detection of a class."""
    return int(np.flatnonzero(found["labels"].numpy() == label)[0])


def check_boxes(found, targets):
    for one, target in zip(found, targets, strict=True):
        for box, label in zip(target["boxes"], target["labels"], strict=True):
            assert box_iou(one["boxes"].numpy()[[best(one, label)]], box[None])[0, 0] > 0.5


@pytest.mark.full
@pytest.mark.parametrize(("name", "count", "size"), [("yolov2_tiny_voc", 4, 192), ("yolov3_tiny", 8, 96)])
def test_yolo(name, count, size):
    """YOLOv2's map is so coarse that in smaller pictures two rectangles may meet at one point and anchor."""
    pyconv.manual_seed(0)
    images, targets = scenes(count, size)
    model, x = models.create_model(name, num_classes=2), pyconv.from_numpy(np.stack(images))
    train(model, lambda: model.loss(model(x), targets), steps=80, lr=1e-3)
    with pyconv.no_grad():
        found = model.detect(model(x), score_threshold=0.3)
    check_boxes(found, targets)
    assert [len(one["boxes"]) for one in found] == [2] * count


@pytest.mark.full
def test_mask_rcnn():
    pyconv.manual_seed(0)
    images, targets = scenes(4, 96)
    targets = [{**target, "labels": target["labels"] + 1} for target in targets]
    model = models.mask_rcnn(num_classes=3, backbone_name="resnet18", norm_layer=nn.BatchNorm2d, min_size=96,
                             rpn_post_nms_top_n_train=100, box_batch_size_per_image=64)
    train(model, lambda: model(images, targets), steps=50, lr=2e-4)
    with pyconv.no_grad():
        found = model(images)
    check_boxes(found, targets)
    for one, target in zip(found, targets, strict=True):
        for mask, label in zip(target["masks"] > 0, target["labels"], strict=True):
            predicted = one["masks"].numpy()[best(one, label), 0] > 0.5
            assert (predicted & mask).sum() > 0.7 * (predicted | mask).sum()
