"""YOLOv3 and its small form: counts, Darknet's order of weights, boxes and loss against the loops of Darknet's."""

from __future__ import annotations

import numpy as np
import pytest

import pyconv
from pyconv import models
from pyconv.errors import ShapeError
from pyconv.models.yolo_head import YOLOHead
from tests.zoo import close, counts, draw, step_lowers_loss


@pytest.mark.parametrize(("name", "parameters", "macs"), [
    ("yolov3", 61_949_149, 32_932_037_632),
    ("yolov3_tiny", 8_852_366, 2_782_480_896),
])
def test_counts(name, parameters, macs):
    assert counts(name) == (parameters, macs)


#: Darknet's files name the output channels and filter sizes of the convolutions in this order.
def residual(channels, blocks):
    return [(channels, 3)] + [(channels // 2, 1), (channels, 3)] * blocks


def head(channels):
    return [(channels, 1), (2 * channels, 3)] * 3 + [(255, 1)]


YOLOV3 = [(32, 3), *residual(64, 1), *residual(128, 2), *residual(256, 8), *residual(512, 8), *residual(1024, 4),
          *head(512), (256, 1), *head(256), (128, 1), *head(128)]
TINY = [(16, 3), (32, 3), (64, 3), (128, 3), (256, 3), (512, 3), (1024, 3), (256, 1), (512, 3), (255, 1), (128, 1),
        (256, 3), (255, 1)]


@pytest.mark.parametrize(("name", "expected", "file_bytes"), [
    ("yolov3", YOLOV3, 248_007_048), ("yolov3_tiny", TINY, 35_434_956)])
def test_layers_in_the_order_of_darknets_file(name, expected, file_bytes):
    with pyconv.device("meta"):
        layers = list(models.darknet_layers(models.create_model(name)))
    assert [(layer.out_channels, layer.kernel_size[0]) for layer, _ in layers] == expected
    assert [norm is None for _, norm in layers] == [channels == 255 for channels, _ in expected]
    numbers = sum(layer.weight.numel() + (layer.out_channels if norm is None else 4 * norm.num_features)
                  for layer, norm in layers)
    assert 20 + 4 * numbers == file_bytes  # the sizes of the published files; the header has 20 bytes


def test_the_small_networks_pool_sees_right_and_below():
    with pyconv.device("meta"):
        pools = models.yolov3_tiny().coarse[2:4]
    x = draw(2, 3, 5, 4)
    found = pools(pyconv.from_numpy(x)).numpy()
    padded = np.pad(x, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=-np.inf)
    shifts = [padded[..., i:i + 5, j:j + 4] for i in (0, 1) for j in (0, 1)]
    np.testing.assert_array_equal(found, np.max(shifts, 0))


def small_head():
    """Two scales of 3 and 2 anchors and 3 classes, on images of 64x96."""
    return YOLOHead(3, [(8, 8), (12, 30), (30, 14), (40, 40), (70, 50)], [(3, 4), (0, 1, 2)], (32, 16))


def maps(dtype=np.float64, images=4, seed=0):
    return [draw(images, 2 * 8, 2, 3, seed=seed).astype(dtype), draw(images, 3 * 8, 4, 6, seed=seed + 1).astype(dtype)]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def predicted(head, scale, numbers, anchor, row, column):
    """(centre x, centre y, width, height) in pixels of one prediction (tx, ty, tw, th, ...)."""
    stride, size = head.strides[scale], head.anchors[head.masks[scale][anchor]]
    return [(sigmoid(numbers[0]) + column) * stride, (sigmoid(numbers[1]) + row) * stride,
            np.exp(numbers[2]) * size[0], np.exp(numbers[3]) * size[1]]


def iou(a, b):
    sides = [min(a[i] + a[i + 2] / 2, b[i] + b[i + 2] / 2) - max(a[i] - a[i + 2] / 2, b[i] - b[i + 2] / 2)
             for i in (0, 1)]
    common = sides[0] * sides[1] if min(sides) > 0 else 0.0
    return common / (a[2] * a[3] + b[2] * b[3] - common)


def places(head, scale, found):
    for n in range(found.shape[0]):
        for anchor in range(len(head.masks[scale])):
            for row in range(found.shape[2]):
                for column in range(found.shape[3]):
                    at = slice(anchor * (5 + head.classes), (anchor + 1) * (5 + head.classes))
                    yield n, anchor, row, column, found[n, at, row, column]


def loops(head, outputs, targets, height, width):
    """Darknet's updates (target minus prediction), as it makes them: background first, then object after object."""
    deltas = [np.zeros_like(m) for m in outputs]
    for scale, (found, delta) in enumerate(zip(outputs, deltas, strict=True)):
        for (n, anchor, row, column, numbers), (*_, d) in zip(
                places(head, scale, found), places(head, scale, delta), strict=True):
            box = predicted(head, scale, numbers, anchor, row, column)
            overlaps = [iou(box, truth) for truth, _ in targets[n]]
            d[4] = 0 if overlaps and max(overlaps) > head.ignore else -sigmoid(numbers[4])
    for n, objects in enumerate(targets):
        for (x, y, w, h), label in objects:
            shapes = [iou([0, 0, w, h], [0, 0, *anchor]) for anchor in head.anchors]
            best = int(np.argmax(shapes))
            scale = next(s for s, mask in enumerate(head.masks) if best in mask)
            stride, anchor = head.strides[scale], head.masks[scale].index(best)
            row, column = int(y // stride), int(x // stride)
            at = slice(anchor * (5 + head.classes), (anchor + 1) * (5 + head.classes))
            numbers, d = outputs[scale][n, at, row, column], deltas[scale][n, at, row, column]
            factor = 2 - w * h / (width * height)
            d[0] = factor * (x / stride - column - sigmoid(numbers[0]))
            d[1] = factor * (y / stride - row - sigmoid(numbers[1]))
            d[2] = factor * (np.log(w / head.anchors[best][0]) - numbers[2])
            d[3] = factor * (np.log(h / head.anchors[best][1]) - numbers[3])
            d[4] = 1 - sigmoid(numbers[4])
            if d[5:].any():  # another object is here already
                d[5 + label] = 1 - sigmoid(numbers[5 + label])
            else:
                d[5:] = (np.arange(head.classes) == label) - sigmoid(numbers[5:])
    return deltas


#: Per image: ((centre x, centre y, width, height), label).
OBJECTS = [
    [((20, 30, 40, 38), 0), ((70, 10, 9, 7), 2), ((71, 9, 8, 8), 1)],  # the last two: one anchor, one point
    [],
    [((95, 63, 60, 50), 1), ((48, 32, 29, 15), 2), ((20, 32, 11, 28), 0)],
    [((48.5, 31.5, 90, 60), 0)],
]


def as_targets(objects):
    rows = [[[x - w / 2, y - h / 2, x + w / 2, y + h / 2] for (x, y, w, h), _ in image] for image in objects]
    return [{"boxes": np.array(boxes, np.float64).reshape(-1, 4), "labels": np.array([label for _, label in image], int)}
            for boxes, image in zip(rows, objects, strict=True)]


def test_boxes_are_those_of_the_loops():
    head, outputs = small_head(), maps()
    found = head.boxes([pyconv.from_numpy(m) for m in outputs])
    for scale, m in enumerate(outputs):
        assert found[scale].shape == (4, m.shape[2] * m.shape[3] * len(head.masks[scale]), 4)
        for n, anchor, row, column, numbers in places(head, scale, m):
            x, y, w, h = predicted(head, scale, numbers, anchor, row, column)
            at = (row * m.shape[3] + column) * len(head.masks[scale]) + anchor
            np.testing.assert_allclose(found[scale][n, at], [x - w / 2, y - h / 2, x + w / 2, y + h / 2], rtol=1e-6)


def test_detections():
    head = small_head()
    outputs = [np.full((2, 16, 2, 3), -20, np.float32), np.full((2, 24, 4, 6), -20, np.float32)]
    logit = np.float32(np.log(0.8 / 0.2))
    outputs[0][1, 8:16, 1, 2] = [0, 0, 0, 0, 20, 20, logit, -20]  # anchor 70x50 around (80, 48): reaches outside
    outputs[1][1, :8, 2, 1] = [0, 0, np.log(2), 0, logit, -20, -20, 20]  # 16x8 around (24, 40)
    outputs[1][1, 8:16, 2, 1] = [0, 0, np.log(16 / 12), np.log(9 / 30), 20, -20, -20, 0]  # 16x9 there: IoU 8/9
    nothing, found = head.detect([pyconv.from_numpy(m) for m in outputs], score_threshold=0.1)
    assert nothing["boxes"].shape == (0, 4)
    np.testing.assert_allclose(found["scores"].numpy(), [1, 0.8, 0.8], rtol=1e-5)
    order = np.lexsort(found["labels"].numpy()[None])
    assert found["labels"].numpy()[order].tolist() == [0, 1, 2]
    np.testing.assert_allclose(found["boxes"].numpy()[order],
                               [[45, 23, 96, 64], [45, 23, 96, 64], [16, 36, 32, 44]], rtol=1e-5)
    more = head.detect([pyconv.from_numpy(m) for m in outputs], score_threshold=0.1, nms_threshold=0.95, limit=3)[1]
    assert len(more["boxes"]) == 3
    assert len(head.detect([pyconv.from_numpy(m) for m in outputs], 0.1, 0.95)[1]["boxes"]) == 4


def test_gradients_of_the_loss_are_darknets_updates():
    head, outputs = small_head(), maps()
    # One prediction is so near an object that is not its own that it is no background either.
    outputs[0][3, :4, 0, 1] = [4, 4, np.log(88 / 40), np.log(60 / 40)]
    tensors = [pyconv.tensor(m, dtype=pyconv.float64, requires_grad=True) for m in outputs]
    terms = head.loss(tensors, as_targets(OBJECTS))
    sum(terms.values()).backward()
    expected = loops(head, outputs, OBJECTS, 64, 96)
    ignored = sum(numbers[4] == 0 for scale, d in enumerate(expected) for *_, numbers in places(head, scale, d))
    assert ignored >= 1
    for tensor, delta in zip(tensors, expected, strict=True):
        np.testing.assert_allclose(tensor.grad.numpy(), -delta / 4, rtol=1e-6, atol=1e-9)


def test_loss_of_a_perfect_prediction_is_that_of_its_targets():
    """With the numbers at their targets, squares vanish and cross-entropies are the targets' entropies."""
    head = small_head()
    outputs = [np.full_like(m, -50) for m in maps(images=1)]
    outputs[1][0, :8, 1, 2] = [0, 0, np.log(2), 0, 50, -50, 50, -50]
    box = ((40, 24, 16, 8), 1)
    terms = head.loss([pyconv.from_numpy(m) for m in outputs], as_targets([[box]]))
    factor = 2 - 16 * 8 / (64 * 96)
    np.testing.assert_allclose(terms["loss_box"].item(), factor * 2 * np.log(2), rtol=1e-6)
    np.testing.assert_allclose(terms["loss_objectness"].item(), 0, atol=1e-12)
    np.testing.assert_allclose(terms["loss_classes"].item(), 0, atol=1e-12)


def test_images_without_objects():
    head = small_head()
    tensors = [pyconv.tensor(m, requires_grad=True) for m in maps(np.float32)]
    terms = head.loss(tensors, as_targets([[]] * 4))
    expected = sum(np.log1p(np.exp(numbers[4])) for scale, m in enumerate(maps())
                   for *_, numbers in places(head, scale, m)) / 4
    close(sum(terms.values()).item(), expected, 1e-5)
    sum(terms.values()).backward()
    assert all(np.isfinite(t.grad.numpy()).all() for t in tensors)


@pytest.mark.parametrize("name", ["yolov3", "yolov3_tiny"])
def test_a_step_lowers_the_loss(name):
    pyconv.manual_seed(0)
    model = models.create_model(name, num_classes=3)
    x = pyconv.from_numpy(draw(2, 3, 64, 96))
    targets = as_targets([[((20, 30, 40, 38), 0)], [((70, 30, 9, 7), 2), ((40, 20, 70, 30), 1)]])
    step_lowers_loss(model, lambda: sum(model.loss(model(x), targets).values()), lr=1e-5)


@pytest.mark.full
@pytest.mark.parametrize("name", ["yolov3", "yolov3_tiny"])
def test_a_step_at_full_size(name):
    pyconv.manual_seed(0)
    model = models.create_model(name)
    x = pyconv.from_numpy(draw(2, 3, 416, 416))
    targets = as_targets([[((200, 300, 140, 98), 0)], [((70, 30, 9, 7), 79), ((140, 220, 300, 330), 1)]])
    step_lowers_loss(model, lambda: sum(model.loss(model(x), targets).values()), lr=1e-6)


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda m: m(pyconv.zeros(1, 3, 100, 96)), ShapeError, r"\[yolo\] x has 100 x 96 pixels, expected multiples of 32"),
    (lambda m: m(pyconv.zeros(1, 1, 64, 64)), ShapeError, r"\[yolo\] x has shape \(1, 1, 64, 64\), expected \(N, 3, H, W"),
    (lambda m: m([1]), TypeError, r"\[yolo\] x is list, expected a Tensor \(N, 3, H, W"),
    (lambda m: m(pyconv.zeros(3, 64, 64)), ShapeError, r"\[yolo\] x has shape \(3, 64, 64\), expected \(N, 3, H, W"),
    (lambda m: models.yolov3(num_classes=0), ValueError, r"num_classes is 0"),
    (lambda m: models.yolov3(in_channels=0), ValueError, r"in_channels is 0"),
    (lambda m: m.loss(pyconv.zeros(1, 24, 2, 2), []), TypeError, r"outputs is no tuple of 2 maps"),
    (lambda m: m.loss((pyconv.zeros(1, 24, 2, 2), pyconv.zeros(1, 21, 4, 4)), []), ShapeError,
     r"outputs\[1\] has shape \(1, 21, 4, 4\), expected \(N, 24, H, W\)"),
    (lambda m: m.loss((pyconv.zeros(1, 24, 2, 2), pyconv.zeros(1, 24, 4, 4)), []), ValueError,
     r"\[yolo\] targets has 0 entries, expected one per image, 1"),
    (lambda m: m.loss((pyconv.zeros(1, 24, 2, 2), pyconv.zeros(1, 24, 4, 4)), as_targets([[((9, 9, 3, 3), 3)]])),
     IndexError, r"targets\[0\]\['labels'\]\[0\] is 3, expected 0 to 2"),
])
def test_misuse(call, error, match):
    with pyconv.device("meta"):
        model = models.yolov3_tiny(num_classes=3)
        with pytest.raises(error, match=match):
            call(model)
