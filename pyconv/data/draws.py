"""Random draws that belong to a place, not to a moment.

A draw is a hash of (seed, epoch, stream, sample, position): the same for any batch size, order of arrival or number
of threads, and for any version of numpy. The hash is the finaliser of SplitMix64 (Steele, Lea, Flood: "Fast
Splittable Pseudorandom Number Generators", OOPSLA 2014), applied once per coordinate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)

#: Streams: what is drawn. Two uses of one stream would be correlated.
ORDER, SPLIT, AFFINE, NOISE = range(4)


class Draw(NamedTuple):
    """The moment of training that random choices are keyed by."""

    seed: int = 0
    epoch: int = 0


def _mix(x: np.ndarray) -> np.ndarray:
    x = (x ^ (x >> np.uint64(30))) * _MIX1
    x = (x ^ (x >> np.uint64(27))) * _MIX2
    return x ^ (x >> np.uint64(31))


def _absorb(state: np.ndarray, value: np.ndarray) -> np.ndarray:
    return _mix((state ^ value) + _GOLDEN)


def bits(draw: Draw, stream: int, samples: Sequence[int] | np.ndarray, count: int) -> np.ndarray:
    """64 random bits for each sample and position: uint64, shape (len(samples), count)."""
    state = np.zeros(1, np.uint64)
    for part in (draw.seed, draw.epoch, stream):
        state = _absorb(state, np.array([part & 0xFFFFFFFFFFFFFFFF], np.uint64))
    rows = _absorb(state, np.asarray(samples, np.int64).astype(np.uint64))
    return _absorb(rows[:, None], np.arange(count, dtype=np.uint64)[None, :])


def uniform(draw: Draw, stream: int, samples: Sequence[int] | np.ndarray, count: int) -> np.ndarray:
    """Numbers in [0, 1) for each sample and position: float64, shape (len(samples), count)."""
    return (bits(draw, stream, samples, count) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def permutation(draw: Draw, stream: int, n: int) -> np.ndarray:
    """A random order of ``range(n)``: int64, shape (n,)."""
    return np.argsort(bits(draw, stream, np.arange(n), 1)[:, 0], kind="stable")
