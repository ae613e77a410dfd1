"""Random numbers from a counter-based generator.

Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", 2011) enciphers the
number of a draw under the seed: the same seed gives the same draws with any number of threads and on any
instruction set. Draws fill memory in its own order, which for ranks 4 and 5 is channels-last.
"""

from __future__ import annotations

import operator
import os
import threading
from typing import Any

from pyconv._backend import core

_MASK = 2**64 - 1


class Generator:
    """A sequence of draws: a seed, the number of a stream under it, and a position.

    Streams of one seed are independent: give each worker its own. ``get_state`` and ``set_state`` exchange the three
    numbers, so that a checkpoint continues where it stopped.

    >>> g = Generator().manual_seed(1)
    >>> state = g.get_state()
    >>> import pyconv
    >>> a = pyconv.randn(3, generator=g)
    >>> g.set_state(state)
    >>> bool((a.numpy() == pyconv.randn(3, generator=g).numpy()).all())
    True
    """

    def __init__(self, device: Any = "cpu", *, stream: int = 0) -> None:
        if str(device) != "cpu":
            raise ValueError(f"[Generator] device is {device!r}, only 'cpu' is supported")
        self._lock = threading.Lock()
        self._seed, self._stream, self._position = 0, _word(stream, "Generator", "stream"), 0

    def manual_seed(self, seed: int) -> Generator:
        """Start again under this seed (any whole number; taken modulo 2^64)."""
        value = _word(seed, "manual_seed", "seed")
        with self._lock:
            self._seed, self._position = value, 0
        return self

    def initial_seed(self) -> int:
        """The seed."""
        return self._seed

    def seed(self) -> int:
        """Start again under a seed from the operating system, and return it."""
        value = int.from_bytes(os.urandom(8), "little")
        self.manual_seed(value)
        return value

    def get_state(self) -> tuple[int, int, int]:
        """(seed, stream, position)."""
        with self._lock:
            return self._seed, self._stream, self._position

    def set_state(self, state: tuple[int, int, int]) -> None:
        """Continue from a state that ``get_state`` returned."""
        if not isinstance(state, (tuple, list)) or len(state) != 3:
            raise TypeError(f"[set_state] state is {state!r}, expected the three numbers of get_state")
        seed, stream, position = [_word(v, "set_state", "state") for v in state]
        with self._lock:
            self._seed, self._stream, self._position = seed, stream, position

    def take(self, draws: int, words: int = 1) -> tuple[int, int, int]:
        """Reserve ``draws`` numbers of ``words`` 32-bit words each: (seed, stream, position of the first group)."""
        groups = -(-draws * words // core.random_group)
        with self._lock:
            at = self._seed, self._stream, self._position
            self._position = (self._position + groups) % 2**60
        return at


def _word(value: Any, op: str, argument: str) -> int:
    try:
        return operator.index(value) & _MASK
    except TypeError:
        raise TypeError(f"[{op}] {argument} is {value!r}, expected a whole number") from None


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Seed the default generator, and return it.

    >>> import pyconv
    >>> a = manual_seed(0) and pyconv.randn(2)
    >>> b = manual_seed(0) and pyconv.randn(2)
    >>> a.tolist() == b.tolist()
    True
    """
    return default_generator.manual_seed(seed)


def get_rng_state() -> tuple[int, int, int]:
    """The state of the default generator."""
    return default_generator.get_state()


def set_rng_state(state: tuple[int, int, int]) -> None:
    """Continue the default generator from a state."""
    default_generator.set_state(state)


def pick(generator: Generator | None, op: str) -> Generator:
    """The generator, or the default one for None; TypeError for anything else."""
    if generator is None:
        return default_generator
    if not isinstance(generator, Generator):
        raise TypeError(f"[{op}] generator is {type(generator).__name__}, expected a Generator")
    return generator
