"""DataLoader: batches of a dataset in an order that depends on the seed and the epoch alone."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from pyconv.data.collate import default_collate
from pyconv.data.dataset import Dataset
from pyconv.data.draws import ORDER, Draw, permutation
from pyconv.data.seeds import seed_of


class DataLoader:
    """Iterate over ``dataset`` in batches.

    ``shuffle`` draws a new order each epoch from (seed, epoch); the seed is that of ``generator`` (a ``Generator`` or
    an int) or of `pyconv.manual_seed`. Each ``iter()`` starts the next epoch; `set_epoch` chooses it. ``sampler`` is
    an iterable of indices, ``batch_sampler`` one of lists of indices. ``num_workers`` threads (not processes) prepare
    up to ``prefetch_factor`` batches each ahead of time; batches and their contents are the same for any number.
    The names and defaults are PyTorch's; arguments that make no sense here are accepted at their default only.

    Raises ValueError for a bad batch size or arguments that exclude each other, and whatever the dataset raises.

    >>> import numpy as np
    >>> from pyconv.data import TensorDataset
    >>> [batch[0].tolist() for batch in DataLoader(TensorDataset(np.arange(5)), batch_size=2)]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, dataset: Dataset, batch_size: int | None = 1, shuffle: bool | None = None,
                 sampler: Iterable[int] | None = None, batch_sampler: Iterable[Sequence[int]] | None = None,
                 num_workers: int = 0, collate_fn: Callable[[list[Any]], Any] | None = None, pin_memory: bool = False,
                 drop_last: bool = False, timeout: float = 0, worker_init_fn: Any = None,
                 multiprocessing_context: Any = None, generator: Any = None, *, prefetch_factor: int | None = None,
                 persistent_workers: bool = False, pin_memory_device: str = "", in_order: bool = True) -> None:
        unsupported = {"pin_memory": (pin_memory, False), "timeout": (timeout, 0),
                       "worker_init_fn": (worker_init_fn, None),
                       "multiprocessing_context": (multiprocessing_context, None),
                       "persistent_workers": (persistent_workers, False),
                       "pin_memory_device": (pin_memory_device, ""), "in_order": (in_order, True)}
        for name, (value, default) in unsupported.items():
            if value != default:
                raise ValueError(f"[DataLoader] {name}={value!r} is not supported, only the default {default!r}")
        if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
            raise ValueError("[DataLoader] batch_sampler excludes batch_size, shuffle, sampler and drop_last")
        if sampler is not None and shuffle:
            raise ValueError("[DataLoader] sampler excludes shuffle=True")
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
            raise ValueError(f"[DataLoader] batch_size is {batch_size!r}, expected an int of at least 1")
        if not isinstance(num_workers, int) or num_workers < 0:
            raise ValueError(f"[DataLoader] num_workers is {num_workers!r}, expected an int of at least 0")
        if prefetch_factor is not None and (num_workers == 0 or prefetch_factor < 1):
            raise ValueError(
                f"[DataLoader] prefetch_factor is {prefetch_factor}, expected at least 1 and num_workers > 0")
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = bool(shuffle)
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.num_workers = num_workers
        self.prefetch_factor = prefetch_factor or 2
        self.collate_fn = collate_fn
        self.drop_last = drop_last
        self.generator = generator
        self._next_epoch = 0
        if generator is not None:
            seed_of(generator, "DataLoader")

    def set_epoch(self, epoch: int) -> None:
        """Make the next ``iter()`` that of ``epoch``."""
        self._next_epoch = epoch

    def __len__(self) -> int:
        if self.batch_sampler is not None:
            return len(self.batch_sampler)  # type: ignore[arg-type]
        n = len(self.dataset if self.sampler is None else self.sampler)  # type: ignore[arg-type]
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        draw = Draw(seed_of(self.generator, "DataLoader"), self._next_epoch)
        self._next_epoch += 1
        batches = self._batches(draw)
        return self._prefetch(batches, draw) if self.num_workers else (self._fetch(b, draw) for b in batches)

    def _batches(self, draw: Draw) -> Iterator[Sequence[int]]:
        if self.batch_sampler is not None:
            yield from self.batch_sampler
            return
        n = len(self.dataset) if self.sampler is None else 0
        order = iter(self.sampler if self.sampler is not None
                     else permutation(draw, ORDER, n).tolist() if self.shuffle else range(n))
        while indices := list(itertools.islice(order, self.batch_size)):
            if len(indices) == self.batch_size or not self.drop_last:
                yield indices

    def _fetch(self, indices: Sequence[int], draw: Draw) -> Any:
        if self.collate_fn is None and hasattr(self.dataset, "batch"):
            return self.dataset.batch(indices, draw)
        return (self.collate_fn or default_collate)([self.dataset[i] for i in indices])

    def _prefetch(self, batches: Iterator[Sequence[int]], draw: Draw) -> Iterator[Any]:
        pool = ThreadPoolExecutor(self.num_workers, thread_name_prefix="pyconv-loader")
        waiting: deque[Future[Any]] = deque()
        try:
            for indices in itertools.islice(batches, self.num_workers * self.prefetch_factor):
                waiting.append(pool.submit(self._fetch, indices, draw))
            while waiting:
                ready = waiting.popleft().result()
                for indices in itertools.islice(batches, 1):
                    waiting.append(pool.submit(self._fetch, indices, draw))
                yield ready
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
