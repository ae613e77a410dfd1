"""Where a seed comes from when the caller gives none."""

from __future__ import annotations

from typing import Any


def seed_of(generator: Any, where: str) -> int:
    """The seed behind ``generator``: None (that of `pyconv.manual_seed`), an int, or a ``Generator``."""
    if generator is None:
        from pyconv import random

        return int(random.default_generator.initial_seed())
    if isinstance(generator, int) and not isinstance(generator, bool):
        return generator
    if hasattr(generator, "initial_seed"):
        return int(generator.initial_seed())
    raise TypeError(f"[{where}] generator is {type(generator).__name__}, expected a Generator, an int or None")
