"""Running the items, each in both precisions: float64 takes the reference loops, float32 the vector kernels."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest
from types import ModuleType

from pyconv.course import convolution, counts, learning, normalization, optimizers, overfitting, pooling, tasks
from pyconv.course.item import Claim, Item, Row, holds, plain

TOPICS: tuple[ModuleType, ...] = (
    convolution, pooling, counts, learning, normalization, tasks, overfitting, optimizers)
DTYPES = ("float64", "float32")


def items() -> list[Item]:
    """All items, by topic."""
    return [value for topic in TOPICS for value in vars(topic).values() if isinstance(value, Item)]


def run(tests: Iterable[str] | None = None) -> list[Row]:
    """Compute and compare; ``tests`` names the items wanted (default: all). Raises KeyError for an unknown one."""
    every = items()
    if tests is not None:
        wanted = list(tests)
        unknown = set(wanted) - {i.test for i in every}
        if unknown:
            raise KeyError(f"[selftest] there is no test {min(unknown)!r}")
        every = [i for i in every if i.test in wanted]
    return [row for i in every for row in _rows(i)]


def _rows(item: Item) -> list[Row]:
    rows = []
    columns = [_claims(item, dtype) for dtype in DTYPES]
    for found in zip_longest(*columns):
        first = next(c for c in found if c is not None)
        wrong = [(c, dtype) for c, dtype in zip(found, DTYPES, strict=True) if c is None or not holds(c, dtype)]
        shown = first if not wrong or wrong[0][0] is None else wrong[0][0]
        got = plain(shown.got)
        if wrong and wrong[0][1] != DTYPES[0]:
            got = f"{got} in {wrong[0][1]}"
        rows.append(Row(item.test, item.slide, first.what, plain(first.expected), got, not wrong))
    return rows


def _claims(item: Item, dtype: str) -> list[Claim]:
    """The item's claims; an exception is one more, which cannot hold."""
    claims: list[Claim] = []
    try:
        for claim in item.claims(dtype):
            claims.append(claim)
    except Exception as error:
        claims.append(Claim("(the computation)", "a result", f"{type(error).__name__}: {error}"))
    return claims
