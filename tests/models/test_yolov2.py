"""YOLOv2 and its small form: counts, Darknet's order of weights and places, boxes and loss against the loops of Darknet's."""

from __future__ import annotations

import numpy as np
import pytest

import pyconv
from pyconv import models
from pyconv.models.yolo_head import RegionHead
from pyconv.models.yolov2 import space_to_depth
from tests.models.test_yolov3 import as_targets, iou, places, predicted, sigmoid
from tests.zoo import counts, draw, step_lowers_loss


@pytest.mark.parametrize(("name", "parameters", "macs"), [
    ("yolov2", 50_962_889, 14_732_084_224),
    ("yolov2_voc", 50_655_389, 14_680_167_424),
    ("yolov2_tiny_voc", 15_861_773, 3_485_520_896),
])
def test_counts(name, parameters, macs):
    assert counts(name) == (parameters, macs)


YOLOV2 = [(32, 3), (64, 3), (128, 3), (64, 1), (128, 3), (256, 3), (128, 1), (256, 3), (512, 3), (256, 1), (512, 3), (256, 1),
          (512, 3), (1024, 3), (512, 1), (1024, 3), (512, 1), (1024, 3), (1024, 3), (1024, 3), (64, 1), (1024, 3), (425, 1)]
TINY = [(16, 3), (32, 3), (64, 3), (128, 3), (256, 3), (512, 3), (1024, 3), (1024, 3), (125, 1)]


@pytest.mark.parametrize(("name", "expected", "file_bytes"), [("yolov2", YOLOV2, 203_934_260), ("yolov2_tiny_voc", TINY, None)])
def test_layers_in_the_order_of_darknets_file(name, expected, file_bytes):
    with pyconv.device("meta"):
        layers = list(models.darknet_layers(models.create_model(name)))
    assert [(layer.out_channels, layer.kernel_size[0]) for layer, _ in layers] == expected
    assert [norm is None for _, norm in layers] == [False] * (len(layers) - 1) + [True]
    if file_bytes:  # the size of the published file; its header has 16 bytes
        numbers = sum(layer.weight.numel() + (layer.out_channels if norm is None else 4 * norm.num_features)
                      for layer, norm in layers)
        assert 16 + 4 * numbers == file_bytes


def test_space_to_depth_as_in_darknets_loops():
    n, c, h, w, stride = 2, 8, 4, 6, 2
    x = draw(n, c, h, w)
    flat, expected = x.ravel(), np.empty(x.size, np.float32)
    fewer = c // stride**2
    for b in range(n):
        for k in range(c):
            for j in range(h):
                for i in range(w):
                    offset = k // fewer
                    column, row = i * stride + offset % stride, j * stride + offset // stride
                    at = i + w * (j + h * (k + c * b))
                    expected[at] = flat[column + w * stride * (row + h * stride * (k % fewer + fewer * b))]
    found = space_to_depth(pyconv.from_numpy(x))
    np.testing.assert_array_equal(found.numpy(), expected.reshape(n, c * 4, h // 2, w // 2))


def small_head():
    """Three anchors and 3 classes, on images of 64x96."""
    return RegionHead(3, [(8, 8), (40, 40), (70, 50)], [(0, 1, 2)], (32,), ignore=0.6)


def softmax(x):
    return np.exp(x - x.max()) / np.exp(x - x.max()).sum()


def loops(head, outputs, targets, height, width):
    """Darknet's updates (target minus prediction), as it makes them: background first, then object after object."""
    delta = np.zeros_like(outputs)
    for (n, anchor, row, column, numbers), (*_, d) in zip(places(head, 0, outputs), places(head, 0, delta), strict=True):
        box = predicted(head, 0, numbers, anchor, row, column)
        overlaps = [iou(box, truth) for truth, _ in targets[n]]
        d[4] = 0 if overlaps and max(overlaps) > head.ignore else -sigmoid(numbers[4])
    for n, objects in enumerate(targets):
        for (x, y, w, h), label in objects:
            best = int(np.argmax([iou([0, 0, w, h], [0, 0, *anchor]) for anchor in head.anchors]))
            row, column = int(y // 32), int(x // 32)
            at = slice(best * 8, (best + 1) * 8)
            numbers, d = outputs[n, at, row, column], delta[n, at, row, column]
            factor = 2 - w * h / (width * height)
            d[0] = factor * (x / 32 - column - sigmoid(numbers[0]))
            d[1] = factor * (y / 32 - row - sigmoid(numbers[1]))
            d[2] = factor * (np.log(w / head.anchors[best][0]) - numbers[2])
            d[3] = factor * (np.log(h / head.anchors[best][1]) - numbers[3])
            d[4] = 5 * (iou(predicted(head, 0, numbers, best, row, column), [x, y, w, h]) - sigmoid(numbers[4]))
            d[5:] = (np.arange(3) == label) - softmax(numbers[5:])
    return delta


OBJECTS = [
    [((20, 30, 40, 38), 0), ((70, 10, 9, 7), 2), ((71, 9, 8, 8), 1)],  # the last two: one anchor, one point
    [],
    [((95, 63, 60, 50), 1), ((48, 32, 29, 15), 2), ((20, 32, 11, 28), 0)],
    [((48.5, 31.5, 90, 60), 0)],
]


def test_gradients_of_the_loss_are_darknets_updates():
    head, outputs = small_head(), draw(4, 24, 2, 3, seed=2).astype(np.float64)
    # One prediction is so near an object that is not its own that it is no background either.
    outputs[3, 8:12, 0, 1] = [4, 4, np.log(88 / 40), np.log(60 / 40)]
    tensor = pyconv.tensor(outputs, dtype=pyconv.float64, requires_grad=True)
    sum(head.loss((tensor,), as_targets(OBJECTS)).values()).backward()
    expected = loops(head, outputs, OBJECTS, 64, 96)
    assert any(numbers[4] == 0 for *_, numbers in places(head, 0, expected))
    np.testing.assert_allclose(tensor.grad.numpy(), -expected / 4, rtol=1e-6, atol=1e-9)


def test_one_class_per_object():
    head, outputs = small_head(), np.full((1, 24, 2, 3), -20, np.float32)
    outputs[0, 8:16, 1, 1] = [0, 0, 0, 0, 20, 1, 2, 3]
    [found] = head.detect((pyconv.from_numpy(outputs),), score_threshold=0.2)
    np.testing.assert_allclose(found["scores"].numpy(), softmax(np.array([3.0, 2.0, 1.0]))[:2], rtol=1e-5)
    assert found["labels"].tolist() == [2, 1]
    np.testing.assert_allclose(found["boxes"].numpy(), [[28, 28, 68, 64]] * 2, rtol=1e-6)


@pytest.mark.parametrize("name", ["yolov2", "yolov2_tiny_voc"])
def test_a_step_lowers_the_loss(name):
    pyconv.manual_seed(0)
    model = models.create_model(name, num_classes=3)
    x = pyconv.from_numpy(draw(2, 3, 64, 96))
    targets = as_targets([[((20, 30, 40, 38), 0)], [((70, 30, 9, 7), 2), ((40, 20, 70, 30), 1)]])
    step_lowers_loss(model, lambda: sum(model.loss(model(x), targets).values()), lr=1e-5)


@pytest.mark.full
@pytest.mark.parametrize("name", ["yolov2", "yolov2_tiny_voc"])
def test_a_step_at_full_size(name):
    pyconv.manual_seed(0)
    model = models.create_model(name)
    x = pyconv.from_numpy(draw(2, 3, 416, 416))
    targets = as_targets([[((200, 300, 140, 98), 0)], [((70, 30, 9, 7), 19), ((140, 220, 300, 330), 1)]])
    step_lowers_loss(model, lambda: sum(model.loss(model(x), targets).values()), lr=1e-6)
