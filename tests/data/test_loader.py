"""The order, size and content of batches."""

import threading
import time

import numpy as np
import pytest

from pyconv.data import DataLoader, Dataset, TensorDataset, transforms
from pyconv.data.dataset import Subset


def flat(loader):
    return [value for batch in loader for value in batch[0].tolist()]


def numbers(n=10):
    return TensorDataset(np.arange(n))


@pytest.mark.parametrize(("drop_last", "sizes"), [(False, [4, 4, 2]), (True, [4, 4])])
def test_sizes_of_batches(drop_last, sizes):
    loader = DataLoader(numbers(), batch_size=4, drop_last=drop_last)
    assert [len(batch[0].array) for batch in loader] == sizes
    assert len(loader) == len(sizes)


def test_shuffling_visits_each_sample_once_and_differs_between_epochs():
    loader = DataLoader(numbers(100), batch_size=7, shuffle=True, generator=3)
    first, second = flat(loader), flat(loader)
    assert sorted(first) == sorted(second) == list(range(100))
    assert first != second
    assert first != list(range(100))


def test_the_order_belongs_to_seed_and_epoch():
    one = DataLoader(numbers(50), batch_size=5, shuffle=True, generator=3)
    two = DataLoader(numbers(50), batch_size=8, shuffle=True, generator=3)
    flat(one)
    expected = flat(one)
    two.set_epoch(1)
    assert flat(two) == expected
    assert flat(DataLoader(numbers(50), 5, True, generator=4)) != flat(DataLoader(numbers(50), 5, True, generator=3))


def test_samplers():
    assert flat(DataLoader(numbers(), batch_size=2, sampler=[5, 3, 1])) == [5, 3, 1]
    loader = DataLoader(numbers(), batch_sampler=[[1, 2], [7]])
    assert len(loader) == 2
    assert [batch[0].tolist() for batch in loader] == [[1, 2], [7]]


def test_collate_fn_gets_the_samples():
    assert list(DataLoader(numbers(3), batch_size=2, collate_fn=lambda s: [x.item() for (x,) in s])) == [[0, 1], [2]]


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_any_number_of_workers_yields_the_same_batches(workers):
    images = np.random.default_rng(0).random((40, 1, 9, 7), np.float32)

    class Augmented(Dataset):
        affine = transforms.RandomAffine(20, (0.1, 0.1), (0.8, 1.2))

        def __len__(self):
            return len(images)

        def batch(self, indices, draw):
            return [self.affine(images[list(indices)], draw, indices)]

    def batches(n):
        loader = DataLoader(Augmented(), 6, shuffle=True, generator=1, num_workers=n)
        return [batch[0] for _ in range(2) for batch in loader]

    for a, b in zip(batches(0), batches(workers), strict=True):
        np.testing.assert_array_equal(a, b)


def test_workers_run_ahead_by_a_bounded_number_of_batches_and_stop_when_left():
    fetched = []

    class Slow(Dataset):
        def __len__(self):
            return 1000

        def __getitem__(self, index):
            fetched.append(index)
            return index

    iterator = iter(DataLoader(Slow(), num_workers=2, prefetch_factor=3))
    next(iterator)
    time.sleep(0.2)
    assert len(fetched) <= 7  # one handed out, 2 * 3 ahead
    iterator.close()
    assert not any(t.name.startswith("pyconv-loader") for t in threading.enumerate())


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_of_the_dataset_reaches_the_caller(workers):
    class Broken(Dataset):
        def __len__(self):
            return 5

        def __getitem__(self, index):
            raise OSError("no such picture")

    with pytest.raises(OSError, match="no such picture"):
        list(DataLoader(Broken(), num_workers=workers))


def test_a_subset_keeps_the_fast_path_and_its_numbers():
    data = Subset(numbers(), [2, 4, 6])
    assert flat(DataLoader(data, batch_size=3)) == [2, 4, 6]


@pytest.mark.parametrize(("kwargs", "match"), [
    ({"batch_size": 0}, r"\[DataLoader\] batch_size is 0, expected an int of at least 1"),
    ({"batch_size": True}, r"\[DataLoader\] batch_size is True"),
    ({"num_workers": -1}, r"\[DataLoader\] num_workers is -1"),
    ({"prefetch_factor": 2}, r"\[DataLoader\] prefetch_factor is 2, expected at least 1 and num_workers > 0"),
    ({"sampler": [1], "shuffle": True}, r"\[DataLoader\] sampler excludes shuffle"),
    ({"batch_sampler": [[1]], "batch_size": 2}, r"\[DataLoader\] batch_sampler excludes"),
    ({"pin_memory": True}, r"\[DataLoader\] pin_memory=True is not supported, only the default False"),
    ({"timeout": 3}, r"\[DataLoader\] timeout=3 is not supported"),
    ({"persistent_workers": True}, r"\[DataLoader\] persistent_workers=True is not supported"),
])
def test_messages(kwargs, match):
    with pytest.raises(ValueError, match=match):
        DataLoader(numbers(), **kwargs)


def test_a_generator_of_the_wrong_type():
    with pytest.raises(TypeError, match=r"\[DataLoader\] generator is str, expected a Generator, an int or None"):
        DataLoader(numbers(), generator="x")
