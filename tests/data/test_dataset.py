"""Datasets and how they are divided and joined."""

import numpy as np
import pytest

from pyconv.data import ConcatDataset, Dataset, Subset, TensorDataset, default_collate, random_split
from pyconv.data.draws import Draw
from pyconv.errors import ShapeError
from pyconv.tensor import Tensor


class Items(Dataset):
    def __init__(self, items):
        self.items = list(items)

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


def test_items_of_a_tensor_dataset_share_its_memory():
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    data = TensorDataset(Tensor(x), np.array([7, 8, 9]))
    row, label = data[-1]
    assert row.shape == (2,)
    assert label.item() == 9
    assert np.shares_memory(row.array, x)


def test_batch_of_a_tensor_dataset():
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    batch = TensorDataset(x).batch([3, 0, 3], Draw())
    np.testing.assert_array_equal(batch[0].array, x[[3, 0, 3]])


def test_concat_and_plus_find_the_right_part():
    joined = Items("abc") + Items("") + Items("de")
    assert [joined[i] for i in range(len(joined))] == list("abcde")
    assert joined[-1] == "e"
    with pytest.raises(IndexError, match=r"\[ConcatDataset\] index 5 is out of range for 5 samples"):
        joined[5]


def test_random_split_covers_everything_once_and_depends_on_the_seed():
    data = Items(range(100))
    first, second = random_split(data, [70, 30], generator=1)
    assert (len(first), len(second)) == (70, 30)
    assert sorted([*first, *second]) == list(range(100))
    assert list(first) == list(random_split(data, [70, 30], generator=1)[0])
    assert list(first) != list(random_split(data, [70, 30], generator=2)[0])


def test_random_split_by_fractions_hands_out_the_remainder_from_the_front():
    assert [len(part) for part in random_split(Items(range(11)), [0.5, 0.25, 0.25], generator=0)] == [6, 3, 2]


def test_a_batch_through_a_subset_is_that_of_the_whole():
    data = TensorDataset(np.arange(10))
    assert Subset(data, [9, 8, 7]).batch([0, 2], Draw())[0].tolist() == [9, 7]
    assert not hasattr(Subset(Items("abc"), [0]), "batch")


def test_collate_follows_the_structure_of_the_samples():
    samples = [{"x": np.ones(2, np.float32), "y": (i, 0.5, True, "name")} for i in range(3)]
    batch = default_collate(samples)
    assert batch["x"].shape == (3, 2)
    number, real, flag, name = batch["y"]
    assert (number.dtype, real.dtype, flag.dtype) == (np.int64, np.float64, np.bool_)
    assert name == ["name"] * 3


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: TensorDataset(), ValueError, r"\[TensorDataset\] expected at least one tensor"),
    (lambda: TensorDataset([1]), TypeError, r"\[TensorDataset\] tensor 0 is list"),
    (lambda: TensorDataset(np.array(1)), ValueError, r"\[TensorDataset\] tensor 0 has no axes"),
    (lambda: TensorDataset(np.zeros(3), np.zeros(2)), ValueError, r"tensor 1 has 2 samples but tensor 0 has 3"),
    (lambda: TensorDataset(np.zeros(3))[3], IndexError, r"\[TensorDataset\] index 3 is out of range for 3 samples"),
    (lambda: TensorDataset(np.zeros(3))["a"], TypeError, r"\[TensorDataset\] index is str, expected an int"),
    (lambda: Subset(Items("abc"), [0])[1], IndexError, r"\[Subset\] index 1 is out of range for 1 samples"),
    (lambda: ConcatDataset([]), ValueError, r"\[ConcatDataset\] expected at least one dataset"),
    (lambda: random_split(Items("abc"), [1, 1], 0), ValueError, r"\[random_split\] lengths .* expected 3 samples"),
    (lambda: random_split(Items("abc"), [4, -1], 0), ValueError, r"\[random_split\] .* expected numbers of at least 0"),
    (lambda: random_split(Items("abc"), [3], "x"), TypeError, r"\[random_split\] generator is str"),
    (lambda: default_collate([np.zeros(2), np.zeros(3)]), ShapeError, r"\[collate\] sample 1 .* \(3,\) .* \(2,\)"),
    (lambda: default_collate([(1, 2), (1,)]), ValueError, r"\[collate\] sample 1 of the batch has 1 parts"),
    (lambda: default_collate([object()]), TypeError, r"\[collate\] cannot batch object"),
    (lambda: Dataset()[0], NotImplementedError, r"Dataset does not define __getitem__"),
    (lambda: len(Dataset()), NotImplementedError, r"Dataset does not define __len__"),
])
def test_messages(call, error, match):
    with pytest.raises(error, match=match):
        call()
