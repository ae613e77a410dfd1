"""Transforms against written-out examples, and what their randomness depends on."""

import math

import numpy as np
import pytest

from pyconv.data.draws import AFFINE, ORDER, Draw, bits, permutation, uniform
from pyconv.data.transforms import Compose, Normalize, RandomAffine, ToTensor, warp_affine
from pyconv.errors import ShapeError


def picture(n=3, c=2, h=9, w=7):
    return np.random.default_rng(0).random((n, c, h, w), np.float32)


def test_draws_are_these_numbers_for_ever():
    # Written down once: runs are repeatable across versions only if the hash never changes.
    assert bits(Draw(1, 2), AFFINE, [3], 2).tolist() == [[1391792557327118106, 16593769204214982257]]
    assert permutation(Draw(5, 0), ORDER, 8).tolist() == [4, 0, 2, 3, 1, 5, 6, 7]


def test_draws_are_uniform_and_uncorrelated():
    u = uniform(Draw(7, 1), AFFINE, range(20000), 2)
    n = len(u)
    # Standard errors of a mean, a variance and a correlation of n uniform numbers; five of them.
    assert abs(u.mean(axis=0) - 0.5).max() < 5 / math.sqrt(12 * n)
    assert abs(u.var(axis=0) - 1 / 12).max() < 5 / math.sqrt(180 * n)
    assert abs(np.corrcoef(u[:, 0], u[:, 1])[0, 1]) < 5 / math.sqrt(n)
    other = uniform(Draw(8, 1), AFFINE, range(20000), 1)[:, 0]
    assert abs(np.corrcoef(u[:, 0], other)[0, 1]) < 5 / math.sqrt(n)
    assert ((u >= 0) & (u < 1)).all()


def test_the_identity_changes_no_bit():
    x = picture()
    np.testing.assert_array_equal(warp_affine(x, np.tile(np.float32([[1, 0, 0], [0, 1, 0]]), (3, 1, 1))), x)
    np.testing.assert_array_equal(RandomAffine(0)(x, Draw()), x)


def test_whole_shifts_move_pixels_and_fill_the_rest():
    x = picture(n=1)
    out = warp_affine(x, np.float32([[[1, 0, 2], [0, 1, -1]]]), fill=9)
    np.testing.assert_array_equal(out[0, :, 1:, :-2], x[0, :, :-1, 2:])
    assert (out[0, :, 0] == 9).all()
    assert (out[0, :, :, -2:] == 9).all()


def test_a_quarter_turn():
    x = picture(n=1, h=8, w=8)
    out = warp_affine(x, np.float32([[[0, -1, 0], [1, 0, 0]]]))
    np.testing.assert_array_equal(out, np.rot90(x, 1, (2, 3)))


def test_bilinear_values_against_the_formula():
    x = picture(n=1, c=1)
    m = np.float32([[0.9, 0.2, 0.3], [-0.1, 1.1, -0.4]])
    out = warp_affine(x, m[None])[0, 0]
    padded = np.pad(x[0, 0].astype(np.float64), 2)
    for y in range(9):
        for column in range(7):
            u, v = m.astype(np.float64) @ [column - 3, y - 4, 1] + [3, 4]
            i, j = math.floor(v), math.floor(u)
            if not (-1 <= i < 9 and -1 <= j < 7):
                expected = 0.0
            else:
                q, p = v - i, u - j
                a = padded[i + 2:i + 4, j + 2:j + 4]
                expected = (1 - q) * ((1 - p) * a[0, 0] + p * a[0, 1]) + q * ((1 - p) * a[1, 0] + p * a[1, 1])
            # Coordinates up to 16 carry an error of a few eps * 16, and values change by at most 1 per pixel.
            assert abs(out[y, column] - expected) < 64 * np.finfo(np.float32).eps


def test_augmentation_belongs_to_seed_epoch_and_sample():
    x = picture(n=6)
    affine = RandomAffine(15, (0.1, 0.1), (0.8, 1.2), shear=5)
    whole = affine(x, Draw(1, 4), range(6))
    np.testing.assert_array_equal(affine(x[[5, 2]], Draw(1, 4), [5, 2]), whole[[5, 2]])
    assert not np.array_equal(affine(x, Draw(1, 5), range(6)), whole)
    assert not np.array_equal(affine(x, Draw(2, 4), range(6)), whole)


def test_compose_passes_the_draw_on():
    x = picture(n=2)
    affine = RandomAffine(30)
    composed = Compose([Compose([affine]), Normalize([0.5, 0.25], 0.5)])
    expected = (affine(x, Draw(3, 1), [4, 7]) - np.float32([0.5, 0.25]).reshape(2, 1, 1)) / np.float32(0.5)
    np.testing.assert_array_equal(composed(x, Draw(3, 1), [4, 7]), expected)


def test_to_tensor():
    x = ToTensor()(np.full((2, 3, 4), 51, np.uint8))
    assert x.shape == (4, 2, 3)
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, np.float32(51) / np.float32(255))
    np.testing.assert_array_equal(ToTensor()(np.full((2, 3), 7.0)), np.full((1, 2, 3), 7, np.float32))


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: ToTensor()(np.zeros(3)), ShapeError, r"\[ToTensor\] image has shape \(3,\)"),
    (lambda: Normalize(0, 0), ValueError, r"\[Normalize\] mean is 0 and std 0"),
    (lambda: Normalize(float("nan"), 1), ValueError, r"\[Normalize\] mean is nan"),
    (lambda: Normalize([0, 0, 0], 1)(picture()), ShapeError, r"\[Normalize\] mean has 3 channels but the image has 2"),
    (lambda: Normalize(0, 1)([1]), TypeError, r"\[Normalize\] image is list"),
    (lambda: Normalize(0, 1)(np.zeros((1, 2, 2))), TypeError, r"\[Normalize\] image has dtype float64, expected"),
    (lambda: RandomAffine(5)(np.zeros((2, 2), np.float32)), ShapeError, r"\[RandomAffine\] image has shape \(2, 2\)"),
    (lambda: RandomAffine(-5), ValueError, r"\[RandomAffine\] degrees is -5"),
    (lambda: RandomAffine(float("nan")), ValueError, r"\[RandomAffine\] degrees is nan"),
    (lambda: RandomAffine(0, (2, 0)), ValueError, r"\[RandomAffine\] translate is \(2, 0\)"),
    (lambda: RandomAffine(0, scale=(0, 1)), ValueError, r"\[RandomAffine\] scale is \(0, 1\)"),
    (lambda: RandomAffine(0, shear=90), ValueError, r"\[RandomAffine\] shear is 90"),
])
def test_messages(call, error, match):
    with pytest.raises(error, match=match):
        call()
