"""The figures: complete files of the promised size, and the numbers they show."""

import sys

import numpy as np
import pytest
from PIL import Image

from pyconv.train import History, pictures


def history(epochs):
    return History({"epoch": i + 1, "loss": 2.0 / (i + 1), "accuracy": 1 - 0.5 / (i + 1), "val_loss": 1.5 / (i + 1),
                    "val_accuracy": 1 - 0.4 / (i + 1)} for i in range(epochs))


def pixels(path):
    with Image.open(path) as image:
        return image.convert("RGB")


@pytest.mark.parametrize("epochs", [1, 2, 25])
def test_curves(tmp_path, epochs):
    pictures.draw_curves(history(epochs), tmp_path / "c.png", "title", "subtitle")
    image = pixels(tmp_path / "c.png")
    assert image.size == (1500, 690)
    assert len(image.getcolors(10**6)) > 50
    assert [p.name for p in tmp_path.iterdir()] == ["c.png"]


def test_the_same_figure_has_the_same_bytes(tmp_path):
    for name in "ab":
        pictures.draw_curves(history(3), tmp_path / name, "title")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("shape", [(6, 1, 5, 5), (1, 1, 3, 3), (7, 3, 3, 3), (20, 2, 3, 3), (96, 3, 11, 11)])
def test_filters(tmp_path, shape):
    rng = np.random.default_rng(0)
    before, after = rng.standard_normal(shape), rng.standard_normal(shape)
    pictures.draw_filters(before, after, tmp_path / "f.png", "title")
    assert min(pixels(tmp_path / "f.png").size) > 150


def test_filters_that_are_all_zero(tmp_path):
    pictures.draw_filters(np.zeros((2, 1, 3, 3)), np.zeros((2, 1, 3, 3)), tmp_path / "f.png", "title")
    assert (tmp_path / "f.png").exists()


def test_confusion(tmp_path):
    matrix = pictures.confusion_matrix(np.array([0, 0, 1, 2, 2]), np.array([0, 2, 1, 2, 2]), 3)
    np.testing.assert_array_equal(matrix, [[1, 0, 1], [0, 1, 0], [0, 0, 2]])
    pictures.draw_confusion(matrix, "abc", tmp_path / "m.png", "title")
    colors = pixels(tmp_path / "m.png").getcolors(10**6)
    assert any(r > 180 > 120 > g for _, (r, g, b) in colors), "a mistake is red"


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r'matplotlib: pip install "pyconv\[demo\]"'):
        pictures.need_matplotlib()
