"""From a list of samples to a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pyconv.errors import ShapeError
from pyconv.tensor import Tensor


def default_collate(samples: Sequence[Any]) -> Any:
    """Stack samples into a batch, as PyTorch's function of that name does.

    Tensors and arrays are stacked along a new first axis, ints become an int64 tensor and floats a float64 one,
    tuples, lists and dicts are collated part by part, strings stay a list. Raises ShapeError for samples of
    different shapes, TypeError for anything else.

    >>> default_collate([(1, "a"), (2, "b")])[1]
    ['a', 'b']
    """
    first = samples[0]
    if isinstance(first, Tensor | np.ndarray | np.generic):
        arrays = [s.array if isinstance(s, Tensor) else np.asarray(s) for s in samples]
        for n, a in enumerate(arrays):
            if a.shape != arrays[0].shape:
                raise ShapeError(
                    f"[collate] sample {n} of the batch has shape {a.shape} but sample 0 has {arrays[0].shape}")
        return Tensor(np.stack(arrays))
    if isinstance(first, bool):
        return Tensor(np.array(samples, np.bool_))
    if isinstance(first, int):
        return Tensor(np.array(samples, np.int64))
    if isinstance(first, float):
        return Tensor(np.array(samples, np.float64))
    if isinstance(first, str | bytes):
        return list(samples)
    if isinstance(first, Mapping):
        return {key: default_collate([s[key] for s in samples]) for key in first}
    if isinstance(first, tuple | list):
        for n, s in enumerate(samples):
            if len(s) != len(first):
                raise ValueError(f"[collate] sample {n} of the batch has {len(s)} parts but sample 0 has {len(first)}")
        parts = [default_collate(column) for column in zip(*samples, strict=True)]
        if hasattr(first, "_fields"):
            return type(first)(*parts)
        return parts
    raise TypeError(f"[collate] cannot batch {type(first).__name__}; expected tensors, arrays, numbers, strings, "
                    "tuples, lists or dicts, or pass collate_fn")
