"""The neocognitron."""

from __future__ import annotations

import numpy as np
import pytest
from zoo import counts, draw

import pyconv
from pyconv import models
from pyconv.models.neocognitron import _S, _winners

DIGITS = (
    ("..####..", ".#....#.", "#......#", "#......#", "#......#", "#......#", "#......#", "#......#", ".#....#.", "..####.."),
    ("...#....",) * 10,
    (".#####..", "#.....#.", ".......#", ".......#", "......#.", "....##..", "..##....", ".#......", "#.......", "########"),
    ("#######.", "......#.", ".....#..", "....#...", "...###..", "......#.", ".......#", ".......#", "#.....#.", ".#####.."),
    (".....#..", "....##..", "...#.#..", "..#..#..", ".#...#..", "#....#..", "########", ".....#..", ".....#..", ".....#.."),
)


def pictures(down=0, right=0):
    """The digits 0 to 4, drawn in 8 x 10 pixels, in the middle or away from it, (5, 1, 16, 16)."""
    x = np.zeros((5, 1, 16, 16), np.float32)
    for i, rows in enumerate(DIGITS):
        x[i, 0, 3 + down:13 + down, 4 + right:12 + right] = np.array([list(row) for row in rows]) == "#"
    return pyconv.from_numpy(x)


@pytest.fixture(scope="module")
def taught():
    """A network that has seen five digits twenty times each, as in the paper."""
    pyconv.manual_seed(1)
    model = models.neocognitron()
    for _ in range(20):
        model.fit_step(pictures())
    return model


def test_counts():
    assert counts("neocognitron") == (3 * 24 + 25 * 24 + 2 * 25 * 24 * 24, 1_261_696)
    assert not any(p.requires_grad for p in models.neocognitron().parameters())


def test_layers_have_the_papers_sizes():
    model, x, sizes = models.neocognitron(), pyconv.zeros(2, 1, 16, 16), []
    for layer in (model.s1, model.c1, model.s2, model.c2, model.s3, model.c3):
        x = layer(x)
        sizes.append(x.shape[1:])
    assert sizes == [(24, n, n) for n in (16, 10, 8, 6, 2, 1)]
    assert list(model.state_dict()) == [f"s{i}.{k}" for i in (1, 2, 3) for k in "ab"]


def test_every_digit_has_a_cell_of_its_own(taught):
    answers = taught(pictures()).numpy()
    assert len(set(answers.argmax(1))) == 5
    first, second = np.sort(answers, 1)[:, ::-1][:, :2].T
    assert (first > 0.5).all()
    assert (first > 3 * second).all()


def test_the_answer_stays_where_the_digit_moves(taught):
    home = taught(pictures()).numpy().argmax(1)
    for down in range(-3, 4):
        for right in range(-4, 5):
            np.testing.assert_array_equal(taught(pictures(down, right)).numpy().argmax(1), home)


def test_the_answer_survives_a_missing_pixel_and_noise(taught):
    home, rng = taught(pictures()).numpy().argmax(1), np.random.default_rng(0)
    right = []
    for _ in range(20):
        x = pictures().numpy().copy()
        for picture in x[:, 0]:
            ink = np.argwhere(picture > 0)
            picture[tuple(ink[rng.integers(len(ink))])] = 0
            picture[tuple(rng.integers(0, 16, 2))] = 1
        right.append(taught(pyconv.from_numpy(x)).numpy().argmax(1) == home)
    assert np.mean(right) > 0.9


def test_a_network_that_has_seen_nothing_answers_faintly(taught):
    pyconv.manual_seed(1)
    assert models.neocognitron()(pictures()).numpy().max() < 0.1
    assert taught(pyconv.zeros(1, 1, 16, 16)).numpy().max() == 0


def test_s_cells_compute_the_papers_formula():
    pyconv.manual_seed(0)
    layer = _S(before=2, planes=3, r=1.5, q=16.0, padding=1, column=5)
    layer.a.copy_(np.abs(draw(3, 2, 5, 5)))
    layer.b.copy_(np.array([0.5, 1.0, 2.0], np.float32))
    x = np.abs(draw(1, 2, 6, 7, seed=1))
    padded, c = np.pad(x[0], ((0, 0), (1, 1), (1, 1))), layer.c.numpy()[0]
    np.testing.assert_allclose(c.sum(), 1, rtol=1e-6)
    assert c[0, 2, 2] > c[0, 2, 3] > c[0, 3, 3] > c[0, 2, 4] > c[0, 4, 4] > 0
    expected = np.zeros((3, 4, 5))
    for i in range(4):
        for j in range(5):
            seen = padded[:, i:i + 5, j:j + 5].astype(np.float64)
            v = np.sqrt((c * seen**2).sum())
            for k in range(3):
                e, h = (layer.a.numpy()[k] * seen).sum(), layer.b.numpy()[k] * v
                expected[k, i, j] = 1.5 * max(0, (1 + e) / (1 + 2 * 1.5 / 2.5 * h) - 1)
    np.testing.assert_allclose(layer(pyconv.from_numpy(x)).numpy()[0], expected, rtol=1e-4, atol=1e-5)


def test_a_cell_that_has_learned_answers_to_what_is_alike():
    """Above a cosine of r / (1 + r), however bright."""
    layer = _S(before=1, planes=1, r=4.0, q=1.0, padding=0, column=1)
    layer.a.zero_()
    feature = np.abs(draw(1, 1, 5, 5))
    layer.learn(pyconv.from_numpy(feature), np.ones((1, 1, 1)))
    c = layer.c.numpy()
    np.testing.assert_allclose(layer.a.numpy(), c * feature, rtol=1e-6)
    np.testing.assert_allclose(layer.b.numpy(), np.sqrt((c * feature**2).sum()) / 2, rtol=1e-6)
    others = np.abs(draw(300, 1, 5, 5, seed=1)) * 0.7 + feature * np.linspace(0, 3, 300, dtype=np.float32).reshape(-1, 1, 1, 1)
    cosine = (c * feature * others).sum((1, 2, 3)) / np.sqrt((c * feature**2).sum() * (c * others**2).sum((1, 2, 3)))
    answers = layer(pyconv.from_numpy(others)).numpy().ravel() > 0
    clear = np.abs(cosine - 0.8) > 1e-4
    assert 50 < answers.sum() < 290
    np.testing.assert_array_equal(answers[clear], (cosine > 0.8)[clear])
    dim = layer(pyconv.from_numpy(others * np.float32(0.01))).numpy().ravel() > 0
    np.testing.assert_array_equal(dim[clear], answers[clear])


def test_winners():
    answers = np.zeros((3, 6, 6))
    answers[0, 1, 1] = 5  # wins
    answers[1, 2, 2] = 4  # loses to it in every window of 2 x 2 but one
    answers[0, 4, 4] = 3  # its plane has a better one
    answers[2, 5, 0] = 1  # alone
    assert sorted(_winners(answers, 2)) == [(0, 1, 1), (1, 2, 2), (2, 5, 0)]
    assert sorted(_winners(answers, 6)) == [(0, 1, 1)]
    assert _winners(np.zeros((2, 3, 3)), 2) == []


def test_pictures_are_shown_one_after_the_other():
    both, single = models.neocognitron(), models.neocognitron()
    single.load_state_dict(both.state_dict())
    both.fit_step(pictures())
    for i in range(5):
        single.fit_step(pictures()[i:i + 1])
    for key, value in both.state_dict().items():
        np.testing.assert_array_equal(single.state_dict()[key].numpy(), value.numpy())


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: models.neocognitron(planes=1), ValueError, r"\[neocognitron\] planes is 1, expected at least 2"),
    (lambda: models.neocognitron(planes=2.5), TypeError, r"\[neocognitron\] planes is 2.5, expected a whole number"),
    (lambda: models.neocognitron()(pyconv.zeros(1, 1, 28, 28)), ValueError,
     r"\[neocognitron\] x has 28 x 28 pixels, expected 16 x 16"),
    (lambda: models.neocognitron().fit_step(pyconv.zeros(1, 16, 16)), ValueError,
     r"\[neocognitron\] x has shape \(1, 16, 16\), expected \(N, 1, H, W\)"),
])
def test_misuse(call, error, match):
    with pytest.raises(error, match=match):
        call()
