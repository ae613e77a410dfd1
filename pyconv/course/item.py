"""What the self-test is made of: items, their claims, and the rows that come of checking them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from pyconv.tensor import Tensor


class Claim(NamedTuple):
    """One statement of a slide: ``expected``, what it says; ``got``, what was computed.

    ``tolerance`` is the largest difference of an element in float64: 0 for numbers that are exact, half a unit of the
    last digit for those that the slide (or the acceptance table) rounds.
    """

    what: str
    expected: Any
    got: Any
    tolerance: float = 0.0


class Item(NamedTuple):
    """A worked example. ``claims`` takes the dtype to compute in."""

    test: str
    slide: str
    claims: Callable[[str], Iterator[Claim]]


class Row(NamedTuple):
    """A line of the table. ``ok`` tells whether the claim holds."""

    test: str
    slide: str
    what: str
    expected: Any
    got: Any
    ok: bool


def item(test: str, slide: str) -> Callable[[Callable[[str], Iterator[Claim]]], Item]:
    """Decorator: a generator of claims becomes an `Item`."""
    return lambda claims: Item(test, slide, claims)


def plain(value: Any) -> Any:
    """Numbers, texts and nested lists of them."""
    if isinstance(value, Tensor):
        value = value.array
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    return [plain(v) for v in value] if isinstance(value, (tuple, list)) else value


def holds(claim: Claim, dtype: str) -> bool:
    """Whether what was computed is what was expected; in float32 a few roundings more are allowed."""
    expected, got = plain(claim.expected), plain(claim.got)
    try:
        e, g = np.asarray(expected, np.float64), np.asarray(got, np.float64)
    except (TypeError, ValueError):  # texts
        return expected == got
    if e.shape != g.shape:
        return False
    tolerance = claim.tolerance
    if tolerance and dtype == "float32":
        tolerance += 16 * float(np.finfo(np.float32).eps) * float(np.abs(e).max(initial=0))
    return bool((np.abs(g - e) <= tolerance).all())  # NaN is no number: it does not hold
