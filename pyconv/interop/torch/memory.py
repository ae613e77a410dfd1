"""Tensors as arrays and arrays as tensors, sharing memory; and which order a result has to have."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

#: Axes from the innermost outwards, by rank.
_CHANNELS_LAST = {4: (1, 3, 2, 0), 5: (1, 4, 3, 2, 0)}


def array(tensor: Any) -> np.ndarray:
    """The tensor's own memory; RuntimeError where numpy cannot say what it is."""
    return tensor.detach().numpy()


def tensor(values: np.ndarray) -> torch.Tensor:
    """A tensor on the array's own memory, which goes back to pyconv's arena with the last tensor that uses it."""
    return torch.from_numpy(values)


def is_channels_last(x: Any) -> bool:
    """What PyTorch's operations take the strides for, when they choose the order of their result.

    Sizes of 1 make strides ambiguous; then the steps from axis to axis decide, and contiguous wins a draw.
    """
    strides = x.stride()
    axes = _CHANNELS_LAST.get(len(strides))
    if axes is None:
        return False
    sizes = x.shape
    step = strides[1]
    if step == 0 or step * max(sizes[1], 1) > strides[-1]:  # the common contiguous case, quickly
        return False
    least = 0
    for axis in axes:
        if sizes[axis] == 0 or strides[axis] < least or (axis == 0 and least == strides[1]):
            return False
        least = strides[axis] * max(sizes[axis], 1)
    return True
