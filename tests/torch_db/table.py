"""Holding what happened to samples against the table of what may."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Row(NamedTuple):
    """``count`` samples of one of PyTorch's entries that end in ``error``, with ``match`` in its text, for a reason.

    ``forms``: function, method, inplace for operations; train, eval for modules. An AssertionError is a result that
    differs; the others are refusals.
    """

    entry: str
    forms: str
    count: int
    error: type[Exception]
    match: str
    reason: str
    dtype: str = ""  # the one that it is about, if not both


def check(entry: str, form: str, errors: Iterable[tuple[str, Exception]], rows: Iterable[Row], complete: bool,
          dtype: str = "float32") -> None:
    """Every error has its row, and every row as many errors as it says (fewer, where not all samples ran)."""
    mine = [row for row in rows if row.entry == entry and form in row.forms.split() and row.dtype in ("", dtype)]
    counts = [0] * len(mine)
    unlisted = []
    for sample, error in errors:
        for i, row in enumerate(mine):
            if isinstance(error, row.error) and row.match in str(error):
                counts[i] += 1
                break
        else:
            unlisted.append(f"{type(error).__name__}: {error}\n    {sample[:400]}")
    assert not unlisted, f"{entry}, {form}: {len(unlisted)} samples fail:\n" + "\n".join(unlisted[:5])
    for row, n in zip(mine, counts, strict=True):
        assert n == row.count or (n < row.count and not complete), f"{n} samples instead of {row.count}: {row}"
