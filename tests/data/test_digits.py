"""The handwritten digits."""

import sys

import numpy as np
import pytest

from pyconv.data import DataLoader, Digits, transforms
from pyconv.data.digits import like_digit
from pyconv.data.draws import Draw


def test_the_split_is_the_fixed_one():
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    train, test = Digits(size=8), Digits(train=False, size=8)
    assert (len(train), len(test)) == (1437, 360)
    x, y = load_digits(return_X_y=True)
    parts = train_test_split(x, y, test_size=360, stratify=y, random_state=0)
    np.testing.assert_array_equal(train.data.reshape(1437, 64), (parts[0] / 16).astype(np.float32))
    np.testing.assert_array_equal(test.targets, parts[3])


def test_samples():
    data = Digits(train=False)
    image, label = data[-1]
    assert image.shape == (1, 32, 32)
    assert image.dtype == np.float32
    assert 0 <= image.min() < image.max() <= 1
    assert image[0, [0, -1]].mean() < image[0, 8:24, 8:24].mean()  # bright on dark
    assert label == data.targets[359]
    x, y = next(iter(DataLoader(data, batch_size=7)))
    assert (x.shape, x.dtype, y.shape, y.dtype) == ((7, 1, 32, 32), np.float32, (7,), np.int64)


def test_the_transform_sees_seed_epoch_and_sample():
    data = Digits(transform=transforms.RandomAffine(20))
    a = data.batch([3, 4], Draw(1, 1))[0].array
    np.testing.assert_array_equal(a[1], data.batch([4], Draw(1, 1))[0].array[0])
    assert not np.array_equal(a, data.batch([3, 4], Draw(1, 2))[0].array)


def test_a_size_below_8():
    with pytest.raises(ValueError, match=r"\[Digits\] size is 4, expected at least 8"):
        Digits(size=4)


@pytest.mark.parametrize(("module", "match"), [
    ("sklearn.datasets", r'scikit-learn: pip install "pyconv\[demo\]"'),
    ("PIL", r'Pillow: pip install "pyconv\[image\]"'),
])
def test_without_the_extra(monkeypatch, module, match):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=match):
        Digits()


def test_a_drawing_is_cut_out_centred_and_brightened():
    gray = np.full((60, 90), 0.2, np.float32)
    gray[10:50, 70:72] = 0.9  # a thin upright stroke near the edge, low contrast
    image = like_digit(gray)
    assert image.shape == (1, 32, 32)
    assert image.dtype == np.float32
    columns = np.flatnonzero(image[0].max(axis=0) > 0.1)
    assert abs(columns.mean() - 15.5) <= 1
    assert image[0].max(axis=1).min() > 0.2  # from top to bottom
    faint = like_digit(gray * 0.5)
    np.testing.assert_allclose(image, faint, atol=1e-5)


def test_a_drawing_of_the_data_set_comes_back():
    data = Digits(train=False)
    small = Digits(train=False, size=8)
    same = [np.abs(like_digit(small.data[i, 0]) - data.data[i]).mean() for i in range(50)]
    assert np.median(same) < 0.05


def test_a_blank_picture():
    with pytest.raises(ValueError, match="the picture is blank: nothing on it stands out"):
        like_digit(np.full((9, 9), 0.5, np.float32))
