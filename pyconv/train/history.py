"""What happened in each epoch."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any


class History(list[dict[str, Any]]):
    """One dict per epoch: epoch, loss, accuracy, val_loss, val_accuracy, lr, seconds, images_per_second.

    >>> History([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}]).column("loss")
    [0.5, 0.25]
    """

    def column(self, name: str) -> list[Any]:
        """The values of one quantity, epoch by epoch; KeyError for a name that no epoch has."""
        return [row[name] for row in self]

    def csv(self) -> str:
        """The table as comma-separated text with a header; numbers as Python writes them, so nothing is lost."""
        text = io.StringIO()
        names = list(dict.fromkeys(name for row in self for name in row))
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self)
        return text.getvalue()

    @classmethod
    def from_csv(cls, text: str) -> History:
        """The inverse of `csv`. Raises ValueError for text that is no such table."""
        rows: Iterable[dict[str, str]] = csv.DictReader(io.StringIO(text))
        return cls({name: _number(value) for name, value in row.items()} for row in rows)


def _number(text: str) -> int | float | None:
    if text is None or text == "":
        return None
    return int(text) if text.lstrip("-").isdigit() else float(text)
