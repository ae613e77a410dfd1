"""Pictures of networks: which blocks there are, what is joined to what, and that everything stands on the canvas."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ElementTree

import pytest

import pyconv
from pyconv import models, nn
from pyconv.nn import picture
from pyconv.nn.graph import blocks


def found(model, size=None):
    return blocks(pyconv.summary(model, size)._watch)


def meta(name, **options):
    with pyconv.device("meta"):
        return models.create_model(name, **options)


def told(model, size=None):
    """Blocks as text: count × title [words] path, and where each one's inputs stand."""
    row = found(model, size)
    place = {block: i for i, block in enumerate(row)}
    return [(f"{b.count} {b.title} [{b.inner or ' '.join(b.suffixes)}] {b.label}", sorted(place[s] for s in b.inputs)) for b in row]


def test_a_chain():
    assert told(models.lenet5()) == [
        ("1 Input [] ", []), ("1 Conv 5x5s1 [ReLU] conv1", [0]), ("1 Max Pool 2x2s2 [] pool1", [1]),
        ("1 Conv 5x5s1 [ReLU] conv2", [2]), ("1 Max Pool 2x2s2 [] pool2", [3]), ("1 FC [ReLU] fc1", [4]),
        ("1 FC [ReLU] fc2", [5]), ("1 FC [] fc3", [6])]


def test_repeated_blocks_are_one_with_a_number():
    assert told(meta("resnet50")) == [
        ("1 Input [] ", []), ("1 Conv 7x7s2 [BN ReLU] conv1", [0]), ("1 Max Pool 3x3s2 [] maxpool", [1]),
        *[(f"{n} Bottleneck [1x1, 3x3, 1x1, skip] layer{i}", [i + 1]) for i, n in ((1, 3), (2, 4), (3, 6), (4, 3))],
        ("1 Avg Pool to 1x1 [] avgpool", [6]), ("1 FC [] fc", [7])]
    assert [t for t, _ in told(meta("vgg11"))[1:4]] == [
        "1 Conv 3x3s1 [ReLU] features.0", "1 Max Pool 2x2s2 [] features.2", "1 Conv 3x3s1 [ReLU] features.3"]
    assert "2 Conv 3x3s1 [ReLU] features.6 … 8" in [t for t, _ in told(meta("vgg11"))]


class Skips(nn.Module):
    """Two ways around, of which one begins at the end of two equal layers."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = (nn.Conv2d(4, 4, 3, padding=1) for _ in range(3))
        self.d = nn.Conv2d(8, 4, 3, padding=1, groups=4)

    def forward(self, x):
        y = self.b(self.a(x).relu()).relu()
        z = pyconv.cat([self.c(y), y], 1)
        return (self.d(z) + x).sigmoid()


def test_ways_around_and_joins():
    assert told(Skips(), (1, 4, 8, 8)) == [
        ("1 Input [] ", []), ("2 Conv 3x3s1 [ReLU] a … b", [0]), ("1 Conv 3x3s1 [] c", [1]), ("1 cat [] ", [1, 2]),
        ("1 Conv 3x3s1 [4 groups] d", [3]), ("1 + [Sigmoid] ", [0, 4])]


class Middle(nn.Module):
    """What lies between two equal layers is read again: they are not one."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)

    def forward(self, x):
        y = self.a(x)
        return self.b(y) * y


def test_equal_layers_stay_two_where_something_leaves_between():
    assert [t for t, _ in told(Middle(), (1, 4, 8, 8))] == ["1 Input [] ", "1 Conv 1x1s1 [] a", "1 Conv 1x1s1 [] b", "1 × [] "]


@pytest.mark.parametrize("name", ["densenet121", "hourglass"])
def test_large_networks_are_drawn_by_the_beginnings_of_paths(name):
    row = found(meta(name))
    assert len(row) <= {"densenet121": 12, "hourglass": 70}[name]  # eight stacks, each with ways around
    assert any(block.kind == "block" for block in row)
    assert sum(block.count for block in row) < 100


NETWORKS = ["lenet5", "resnet18", "unet", "vgg16", "carn", "yolov3", "segnet"]


@pytest.mark.parametrize("name", NETWORKS)
def test_everything_stands_on_the_canvas_and_no_words_on_others(name):
    drawn = pyconv.summary(meta(name)).picture()
    words: dict[float, list[tuple[float, float, str]]] = {}
    for shape in drawn.shapes:
        wide = picture._width(shape.text, shape.size) * (1.08 if shape.bold else 1) if shape.text else 0
        for x, y in shape.points:
            left = x - wide / 2 if shape.closed else x
            assert left >= -0.5
            assert left + wide <= drawn.width + 0.5
            assert 0 <= y <= drawn.height
        if shape.text:
            words.setdefault(shape.points[0][1], []).append((left, left + wide, shape.text))
    for line in words.values():
        line.sort()
        for (_, end, a), (start, _, b) in itertools.pairwise(line):
            assert end < start, (a, b)


def test_ways_around_do_not_cross_where_they_run_side_by_side():
    lanes = picture._lanes([(1, 8), (2, 5), (3, 4), (5, 7), (0, 9)])
    assert lanes[3, 4] < lanes[2, 5] < lanes[1, 8] < lanes[0, 9]
    assert lanes[5, 7] == 0
    assert lanes == picture._lanes([(0, 9), (5, 7), (3, 4), (2, 5), (1, 8)])


def test_sizes_are_to_scale():
    row = found(meta("vgg16"))
    sizes = [picture._size(block, 224, 4096) for block in row]
    by_shape = {block.shape: size for block, size in zip(row, sizes, strict=True)}
    assert by_shape[64, 224, 224][0] > by_shape[64, 112, 112][0] > by_shape[512, 7, 7][0]
    assert by_shape[64, 224, 224][1] == pytest.approx(2 * by_shape[64, 224, 224][0] * 0.32)
    assert by_shape[512, 28, 28][2] > by_shape[256, 56, 56][2]


def test_svg_is_a_document_without_anything_from_outside():
    class Odd(nn.Sequential):
        pass

    found = pyconv.summary(Odd(nn.Conv2d(1, 2, 3), nn.ReLU()), (1, 1, 8, 8))
    found.title = "a <b> & \"c\""
    root = ElementTree.fromstring(found.to_svg())
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root[0].text == "a <b> & \"c\""
    text = [e.text for e in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "Conv 3x3s1" in text
    assert "2×6×6" in text
    assert "href" not in found.to_svg()


@pytest.mark.parametrize(("model", "size"), [
    (nn.Sequential(nn.Conv1d(1, 2, 3), nn.Flatten(), nn.Linear(12, 3)), (1, 1, 8)),
    (nn.Sequential(nn.Conv3d(1, 2, 3)), (1, 1, 8, 8, 8)),
    (nn.Linear(3, 4), (5, 3)),
    (nn.Identity(), (5,)),
    (nn.Sequential(), (1, 3, 4, 4)),
])
def test_any_rank(model, size):
    ElementTree.fromstring(pyconv.summary(model, size).to_svg())


def test_png(tmp_path):
    pytest.importorskip("matplotlib")
    image = pytest.importorskip("PIL.Image")
    pyconv.summary(models.lenet5()).save_picture(tmp_path / "net.png")
    with image.open(tmp_path / "net.png") as found:
        drawn = pyconv.summary(models.lenet5()).picture()
        assert found.width == pytest.approx(2 * drawn.width, abs=2)
        assert len(found.convert("RGB").getcolors(10**6)) > 50


def test_another_ending(tmp_path):
    with pytest.raises(ValueError, match=r"\[save_picture\] path is '.*net.jpg', expected one that ends in .svg or .png"):
        pyconv.summary(models.lenet5()).save_picture(tmp_path / "net.jpg")
