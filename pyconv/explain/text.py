"""Numbers and small matrices as text."""

from __future__ import annotations

from typing import Any

import numpy as np


def number(value: Any) -> str:
    """Six significant digits, whole numbers without a point.

    >>> number(3.0), number(-0.0), number(1 / 3)
    ('3', '0', '0.333333')
    """
    return f"{float(value) + 0.0:.6g}"


def grid(matrix: Any, inside: Any = None) -> list[str]:
    """The rows of a matrix, columns aligned; a dot where ``inside`` is False.

    >>> grid(np.array([[1, 20], [3, 4]]), np.array([[True, True], [False, True]]))
    ['1 20', '.  4']
    """
    cells = [[number(v) if inside is None or inside[i][j] else "." for j, v in enumerate(row)]
             for i, row in enumerate(np.asarray(matrix))]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [" ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in cells]


def beside(*blocks: list[str] | str) -> str:
    """Grids and signs next to each other, the signs in the middle row.

    >>> print(beside(["1 2", "3 4"], "=", ["5", "6"]))
    1 2   5
    3 4 = 6
    """
    height = max(len(block) for block in blocks if isinstance(block, list))
    columns = []
    for block in blocks:
        if isinstance(block, str):
            lines = [" " * len(block)] * height
            lines[height // 2] = block
        else:
            width = max(map(len, block), default=0)
            lines = [line.ljust(width) for line in block] + [" " * width] * (height - len(block))
        columns.append(lines)
    return "\n".join(" ".join(row).rstrip() for row in zip(*columns, strict=True))
