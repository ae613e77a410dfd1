"""Datasets: things with a length whose items are samples."""

from __future__ import annotations

import bisect
import itertools
import math
import operator
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from pyconv.data.draws import SPLIT, Draw, permutation
from pyconv.data.seeds import seed_of
from pyconv.tensor import Tensor


class Dataset:
    """Base of all datasets: define ``__getitem__(index)`` and ``__len__()``.

    A dataset that can fetch many samples at once also defines ``batch(indices, draw)``: the collated samples, random
    choices keyed by ``draw`` (`pyconv.data.draws.Draw`). `DataLoader` uses it when it has no ``collate_fn``.

    >>> class Squares(Dataset):
    ...     def __len__(self): return 4
    ...     def __getitem__(self, i): return i, i * i
    >>> (Squares() + Squares())[5]
    (1, 1)
    """

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not define __getitem__")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} does not define __len__")

    def __add__(self, other: Dataset) -> ConcatDataset:
        return ConcatDataset([self, other])


def position(index: Any, length: int, where: str) -> int:
    """A valid index in 0..length-1; negative ones count from the end. Raises IndexError and TypeError."""
    try:
        i = operator.index(index)
    except TypeError:
        raise TypeError(f"[{where}] index is {type(index).__name__}, expected an int") from None
    if not -length <= i < length:
        raise IndexError(f"[{where}] index {i} is out of range for {length} samples")
    return i + length if i < 0 else i


class TensorDataset(Dataset):
    """Samples are the rows of one or more tensors of equal length: item ``i`` is ``(t0[i], t1[i], ...)``.

    Tensors or numpy arrays. Raises ValueError for unequal lengths or none at all, TypeError for anything else.

    >>> import numpy as np
    >>> data = TensorDataset(np.zeros((3, 2), np.float32), np.arange(3))
    >>> len(data), data[1][1].item()
    (3, 1)
    """

    def __init__(self, *tensors: Tensor | np.ndarray) -> None:
        if not tensors:
            raise ValueError("[TensorDataset] expected at least one tensor, got none")
        self._arrays: list[np.ndarray] = []
        for n, t in enumerate(tensors):
            if not isinstance(t, Tensor | np.ndarray):
                raise TypeError(f"[TensorDataset] tensor {n} is {type(t).__name__}, expected a Tensor or a numpy array")
            array = t.array if isinstance(t, Tensor) else t
            if array.ndim == 0:
                raise ValueError(f"[TensorDataset] tensor {n} has no axes, expected samples along the first")
            if len(array) != len(self._arrays[0] if self._arrays else array):
                raise ValueError(
                    f"[TensorDataset] tensor {n} has {len(array)} samples but tensor 0 has {len(self._arrays[0])}")
            self._arrays.append(array)
        self.tensors = tuple(t if isinstance(t, Tensor) else Tensor(t) for t in tensors)

    def __len__(self) -> int:
        return len(self._arrays[0])

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        i = position(index, len(self), "TensorDataset")
        return tuple(Tensor(a[i:i + 1].reshape(a.shape[1:])) for a in self._arrays)

    def batch(self, indices: Sequence[int], draw: Draw) -> list[Tensor]:
        """The samples at ``indices``, one tensor per tensor of the dataset."""
        rows = np.asarray(indices, np.intp)
        return [Tensor(a[rows]) for a in self._arrays]


class Subset(Dataset):
    """The samples of ``dataset`` at ``indices``, in that order."""

    def __init__(self, dataset: Dataset, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices
        if hasattr(dataset, "batch"):
            self.batch = self._batch

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        return self.dataset[self.indices[position(index, len(self), "Subset")]]

    def _batch(self, indices: Sequence[int], draw: Draw) -> Any:
        return self.dataset.batch([self.indices[i] for i in indices], draw)  # type: ignore[attr-defined]


class ConcatDataset(Dataset):
    """Datasets one after another. Raises ValueError for none at all."""

    def __init__(self, datasets: Iterable[Dataset]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("[ConcatDataset] expected at least one dataset, got none")
        self.cumulative_sizes = list(itertools.accumulate(len(d) for d in self.datasets))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> Any:
        i = position(index, len(self), "ConcatDataset")
        which = bisect.bisect_right(self.cumulative_sizes, i)
        return self.datasets[which][i - (self.cumulative_sizes[which - 1] if which else 0)]


def random_split(dataset: Dataset, lengths: Sequence[int | float], generator: Any = None) -> list[Subset]:
    """Split at random into subsets of these lengths, or of these fractions if they add up to 1.

    Fractions are rounded down and the remainder handed out one by one, first subset first. ``generator`` is a
    ``Generator``, a seed, or None for the seed of `pyconv.manual_seed`. Raises ValueError when the lengths don't fit.

    >>> [len(part) for part in random_split(TensorDataset(np.arange(10)), [0.75, 0.25], generator=0)]
    [8, 2]
    """
    n = len(dataset)
    if any(not isinstance(k, int | float) or k < 0 or not math.isfinite(k) for k in lengths):
        raise ValueError(f"[random_split] lengths are {list(lengths)}, expected numbers of at least 0")
    if lengths and sum(lengths) != n and math.isclose(sum(lengths), 1.0):
        sizes = [math.floor(n * fraction) for fraction in lengths]
        for i in range(n - sum(sizes)):
            sizes[i % len(sizes)] += 1
    else:
        sizes = [int(k) for k in lengths]
        if any(isinstance(k, float) for k in lengths) or sum(sizes) != n:
            raise ValueError(
                f"[random_split] lengths {list(lengths)} add up to {sum(lengths)}, expected {n} samples or fractions "
                "of 1")
    order = permutation(Draw(seed_of(generator, "random_split")), SPLIT, n).tolist()
    ends = list(itertools.accumulate(sizes))
    return [Subset(dataset, order[end - size:end]) for size, end in zip(sizes, ends, strict=True)]
