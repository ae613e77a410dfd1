"""YOLO, the first version: counts, Darknet's order of weights, the loss against the loops of Darknet's."""

from __future__ import annotations

import numpy as np
import pytest

import pyconv
from pyconv import models, nn
from pyconv.errors import ShapeError
from tests.zoo import counts, draw, step_lowers_loss


@pytest.mark.parametrize(("name", "parameters", "macs"), [
    ("yolov1", 271_703_550, 20_285_153_280),
    ("yolov1_darknet", 197_301_875, 20_210_729_728),
])
def test_counts(name, parameters, macs):
    assert counts(name) == (parameters, macs)


def test_layers_in_the_order_of_darknets_file():
    with pyconv.device("meta"):
        paper, darknet = models.yolov1(), models.yolov1_darknet()
    layers = list(models.darknet_layers(paper))
    assert [norm for _, norm in layers] == [None] * 26
    assert [type(layer) for layer, _ in layers] == [nn.Conv2d] * 24 + [nn.Linear] * 2
    layers = list(models.darknet_layers(darknet))
    assert [type(layer) for layer, _ in layers] == [nn.Conv2d] * 24 + [nn.LocallyConnected2d, nn.Linear]
    assert all(norm.num_features == layer.out_channels for layer, norm in layers[:24])
    assert [layer.out_channels for layer, _ in layers[:8]] == [64, 192, 128, 256, 256, 512, 256, 512]
    # Every number of the state, but the counters of batches, is in one of the layers.
    held = sum(t.numel() for pair in layers for module in pair if module is not None
               for name, t in module.state_dict().items() if name != "num_batches_tracked")
    assert held == sum(t.numel() for n, t in darknet.state_dict().items() if not n.endswith("num_batches_tracked"))


class Numbered(nn.Module):
    """Stands for the head: its outputs are their own positions."""

    def forward(self, x):
        return pyconv.arange(4 * 13).float().reshape(1, -1)


def test_the_grid_is_in_darknets_order():
    with pyconv.device("meta"):
        model = models.yolov1(num_classes=3, image_size=128)
    model.features, model.head = nn.Identity(), Numbered()
    flat = np.arange(4 * 13)
    grid = model(pyconv.zeros(1, 3, 128, 128)).numpy()
    assert grid.shape == (1, 2, 2, 13)
    for cell in range(4):
        values = grid[0, cell // 2, cell % 2]
        assert values[:3].tolist() == flat[3 * cell:3 * cell + 3].tolist()
        assert values[3:5].tolist() == [12 + 2 * cell, 12 + 2 * cell + 1]
        assert values[5:].tolist() == (20 + 8 * cell + np.arange(8)).tolist()


def iou(a, b):
    """Of two boxes (centre x, centre y, width, height)."""
    sides = [min(a[i] + a[i + 2] / 2, b[i] + b[i + 2] / 2) - max(a[i] - a[i + 2] / 2, b[i] - b[i + 2] / 2)
             for i in (0, 1)]
    common = sides[0] * sides[1] if min(sides) > 0 else 0.0
    return common / (a[2] * a[3] + b[2] * b[3] - common)


def loops(grid, targets, side, classes, count, size):
    """The loss of equation 3 and half its gradient, cell by cell, box by box; targets as (x1, y1, x2, y2, label)."""
    terms, deltas = {"box": 0.0, "confidence": 0.0, "classes": 0.0}, np.zeros(grid.shape)
    for n, objects in enumerate(targets):
        for row in range(side):
            for column in range(side):
                cell, delta = grid[n, row, column], deltas[n, row, column]
                for b in range(count):
                    delta[classes + b] = 0.5 * cell[classes + b]
                    terms["confidence"] += 0.5 * cell[classes + b] ** 2
                here = [o for o in objects if int((o[0] + o[2]) / 2 / size * side) == column
                        and int((o[1] + o[3]) / 2 / size * side) == row]
                if not here:
                    continue
                x1, y1, x2, y2, label = here[0]
                truth = [(x1 + x2) / 2 / size, (y1 + y2) / 2 / size, (x2 - x1) / size, (y2 - y1) / size]
                for c in range(classes):
                    error = cell[c] - (c == label)
                    delta[c] = error
                    terms["classes"] += error**2
                best, most, nearest = -1, 0.0, np.inf
                for b in range(count):
                    x, y, w, h = cell[classes + count + 4 * b:][:4]
                    box = [(x + column) / side, (y + row) / side, w * w, h * h]
                    overlap = iou(box, truth)
                    distance = sum((p - q) ** 2 for p, q in zip(box, truth, strict=True))
                    if most > 0 or overlap > 0:
                        if overlap > most:
                            best, most = b, overlap
                    elif distance < nearest:
                        best, nearest = b, distance
                terms["confidence"] += (cell[classes + best] - most) ** 2 - 0.5 * cell[classes + best] ** 2
                delta[classes + best] = cell[classes + best] - most
                wanted = [truth[0] * side - column, truth[1] * side - row, np.sqrt(truth[2]), np.sqrt(truth[3])]
                for k in range(4):
                    at = classes + count + 4 * best + k
                    error = cell[at] - wanted[k]
                    delta[at] = 5 * error
                    terms["box"] += 5 * error**2
    return terms, deltas


def as_targets(objects):
    return [{"boxes": np.array([o[:4] for o in image], np.float32).reshape(-1, 4),
             "labels": np.array([o[4] for o in image], np.int64)} for image in objects]


@pytest.mark.parametrize("count", [2, 3])
def test_loss_is_that_of_the_loops(count):
    with pyconv.device("meta"):
        model = models.YOLOv1(num_classes=3, image_size=256, boxes=count)
    objects = [
        [(10, 20, 110, 90, 2), (40, 30, 90, 70, 1), (200, 200, 256, 256, 0)],  # the first two in one cell
        [],
        [(100, 130, 101, 131, 1)],  # small: no predicted box meets it
        [(0, 0, 256, 256, 0), (64.5, 3, 127, 60, 2)],
    ]
    grid = 0.5 * draw(4, 4, 4, 3 + 5 * count, seed=1).astype(np.float64)
    grid[0, 0, 0, 3 + count:] = [0.9, 0.8, 0.6, 0.5] * count
    grid[0, 0, 0, 3 + count + 6] = 0.55  # the second box fits a little better
    outputs = pyconv.tensor(grid, dtype=pyconv.float64, requires_grad=True)
    found = model.loss(outputs, as_targets(objects))
    terms, deltas = loops(grid, objects, 4, 3, count, 256)
    for name, value in terms.items():
        np.testing.assert_allclose(found[f"loss_{name}"].item(), value / 4, rtol=1e-12)
    sum(found.values()).backward()
    np.testing.assert_allclose(outputs.grad.numpy(), 2 * deltas / 4, rtol=1e-12, atol=1e-14)


def test_images_without_objects():
    with pyconv.device("meta"):
        model = models.YOLOv1(num_classes=3, image_size=64)
    outputs = pyconv.tensor(draw(2, 1, 1, 13), requires_grad=True)
    terms = model.loss(outputs, as_targets([[], []]))
    assert terms["loss_box"].item() == terms["loss_classes"].item() == 0
    np.testing.assert_allclose(terms["loss_confidence"].item(), 0.25 * (draw(2, 1, 1, 13)[..., 3:5] ** 2).sum(),
                               rtol=1e-6)
    sum(terms.values()).backward()
    assert np.isfinite(outputs.grad.numpy()).all()


def test_detections():
    with pyconv.device("meta"):
        model = models.YOLOv1(num_classes=3, image_size=128)
    grid = np.zeros((2, 2, 2, 13), np.float32)
    # Cell (row 1, column 0) of the second image: two boxes over one another, and a third in its right neighbour.
    grid[1, 1, 0] = [0.1, 0.9, 0.3, 0.5, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.6, 0.5]
    grid[1, 1, 1] = [1, 0, 0, 0.25, 0, 0.5, 0.5, 1, 1, 0, 0, 0, 0]
    nothing, found = model.detect(pyconv.from_numpy(grid), score_threshold=0.2, nms_threshold=0.4)
    assert nothing["boxes"].shape == (0, 4)
    assert nothing["labels"].shape == nothing["scores"].shape == (0,)
    assert found["labels"].tolist() == [1, 2, 0]
    np.testing.assert_allclose(found["scores"].numpy(), [0.9, 0.3, 0.25], rtol=1e-6)
    # Centre (32, 96), size (0.36, 0.25) * 128; centre (96, 96), the whole image's size, cut at its borders.
    first = [32 - 23.04, 96 - 16, 32 + 23.04, 96 + 16]
    np.testing.assert_allclose(found["boxes"].numpy(), [first, first, [32, 32, 128, 128]], rtol=1e-6)
    both = model.detect(pyconv.from_numpy(grid), score_threshold=0.2, nms_threshold=0.95)[1]
    assert both["labels"].tolist() == [1, 1, 2, 0]
    assert len(model.detect(pyconv.from_numpy(grid), limit=1)[1]["boxes"]) == 1


@pytest.mark.parametrize(("name", "size"), [("yolov1", 64), ("yolov1_darknet", 128)])
def test_a_step_lowers_the_loss(name, size):
    pyconv.manual_seed(0)
    model = models.create_model(name, num_classes=3, image_size=size)
    model.head[3].eval()  # no dropout
    x = pyconv.from_numpy(draw(2, 3, size, size))
    targets = as_targets([[(5, 5, 60, 50, 0)], [(10, 10, 50, 40, 2), (0, 32, 60, 64, 1)]])
    step_lowers_loss(model, lambda: sum(model.loss(model(x), targets).values()), lr=1e-6)


@pytest.mark.full
@pytest.mark.parametrize("name", ["yolov1", "yolov1_darknet"])
def test_a_step_at_full_size(name):
    pyconv.manual_seed(0)
    model = models.create_model(name)
    model.head[3].eval()
    x = pyconv.from_numpy(draw(2, 3, 448, 448))
    targets = as_targets([[(5, 5, 260, 150, 0)], [(70, 10, 120, 300, 19), (200, 264, 448, 448, 7)]])
    # Which box is responsible may change with the weights: a very small step may meet a jump.
    step_lowers_loss(model, lambda: sum(model.loss(model(x), targets).values()), lr=1e-5)


GOOD = {"boxes": np.array([[1, 2, 30, 40]], np.float32), "labels": np.array([0])}


@pytest.mark.parametrize(("targets", "error", "match"), [
    (None, TypeError, r"\[yolov1\] targets is NoneType, expected a list with a dictionary per image"),
    ([GOOD], ValueError, r"\[yolov1\] targets has 1 entries, expected one per image, 2"),
    ([GOOD, 3], TypeError, r"targets\[1\] is int, expected a dictionary"),
    ([GOOD, {"boxes": GOOD["boxes"]}], KeyError, r"targets\[1\] has no 'labels'"),
    ([GOOD, GOOD | {"boxes": [[1, 2, 3, 4]]}], TypeError, r"targets\[1\]\['boxes'\] is list, expected a Tensor"),
    ([GOOD, GOOD | {"boxes": np.zeros(4, np.float32)}], ShapeError, r"\['boxes'\] has shape \(4,\), expected \(boxes"),
    ([GOOD, GOOD | {"boxes": np.array([[1, 2, 3, 4]])}], TypeError, r"\['boxes'\] has dtype int64"),
    ([GOOD, GOOD | {"labels": np.array([0, 1])}], ShapeError, r"\['labels'\] has shape \(2,\), expected one label"),
    ([GOOD, GOOD | {"labels": np.array([0.0])}], TypeError, r"\['labels'\] has dtype float64, expected whole"),
    ([GOOD, GOOD | {"labels": np.array([3])}], IndexError, r"targets\[1\]\['labels'\]\[0\] is 3, expected 0 to 2"),
    ([GOOD, GOOD | {"boxes": np.array([[9, 2, 9, 40]], np.float32)}], ValueError,
     r"targets\[1\]\['boxes'\]\[0\] is \[9.0, 2.0, 9.0, 40.0\], expected .* x1 < x2"),
    ([GOOD, GOOD | {"boxes": np.array([[9, 2, np.nan, 40]], np.float32)}], ValueError, r"\['boxes'\]\[0\] is .*nan"),
    ([GOOD, GOOD | {"boxes": np.array([[9, 2, np.inf, 40]], np.float32)}], ValueError, r"\['boxes'\]\[0\] is .*inf"),
    ([GOOD, GOOD | {"boxes": np.array([[60, 2, 80, 40]], np.float32)}], ValueError,
     r"\['boxes'\]\[0\] is .* expected its centre within the image of 64x64 pixels"),
])
def test_targets_that_cannot_be_meant(targets, error, match):
    with pyconv.device("meta"):
        model = models.YOLOv1(num_classes=3, image_size=64)
    with pytest.raises(error, match=match):
        model.loss(pyconv.zeros(2, 1, 1, 13), targets)


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda m: models.yolov1(image_size=100), ValueError, r"\[yolov1\] image_size is 100, expected a multiple of 64"),
    (lambda m: models.yolov1(image_size=0), ValueError, r"image_size is 0, expected at least 64"),
    (lambda m: models.yolov1(num_classes=0), ValueError, r"num_classes is 0"),
    (lambda m: models.yolov1(in_channels=0), ValueError, r"in_channels is 0"),
    (lambda m: m(pyconv.zeros(1, 3, 96, 96)), ShapeError, r"\[yolov1\] x has 96 x 96 pixels, expected 64 x 64"),
    (lambda m: m.loss(pyconv.zeros(1, 2, 2, 13), []), ShapeError, r"outputs has shape \(1, 2, 2, 13\), expected \(N, 1"),
])
def test_misuse(call, error, match):
    with pyconv.device("meta"):
        model = models.YOLOv1(num_classes=3, image_size=64)
        with pytest.raises(error, match=match):
            call(model)
