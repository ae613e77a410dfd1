"""Ten points and a polynomial of degree ten."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np

from pyconv.course.item import Claim, item
from pyconv.ops.creation import tensor
from pyconv.ops.gemm import matmul
from pyconv.tensor import Tensor

POINTS = [Fraction(i, 9) for i in range(10)]


def vandermonde(degree: int) -> list[list[Fraction]]:
    """Row i holds 1, x, x^2, ... of point i."""
    return [[x**power for power in range(degree + 1)] for x in POINTS]


def eliminate(rows: Sequence[Sequence[Fraction]]) -> tuple[int, list[list[Fraction]]]:
    """Gauss and Jordan on exact fractions: the rank of the matrix left of the last column, and the reduced rows."""
    matrix = [list(row) for row in rows]
    rank = 0
    for column in range(len(matrix[0]) - 1):
        pivot = next((i for i in range(rank, len(matrix)) if matrix[i][column]), None)
        if pivot is None:
            continue
        matrix[rank], matrix[pivot] = matrix[pivot], matrix[rank]
        head = matrix[rank][column]
        matrix[rank] = [v / head for v in matrix[rank]]
        for i, row in enumerate(matrix):
            if i != rank and row[column]:
                matrix[i] = [a - row[column] * b for a, b in zip(row, matrix[rank], strict=True)]
        rank += 1
    return rank, matrix


def _curve(coefficients: Sequence[Fraction], dtype: str) -> Tensor:
    """The polynomial at the ten points, by a matrix product."""
    degree = len(coefficients) - 1
    return matmul(tensor(np.array(vandermonde(degree), dtype)), tensor(np.array(coefficients, dtype)))


@item("T35", "Chalmers, Overfitting: 10 data points, 10th degree polynomial")
def _polynomial(dtype: str) -> Iterator[Claim]:
    noise = [Fraction(n, 20) for n in (1, -2, 0, 3, -1, 2, -3, 1, 0, -1)]
    data = [x * x + e for x, e in zip(POINTS, noise, strict=True)]
    rank, _ = eliminate([[*row, y] for row, y in zip(vandermonde(10), data, strict=True)])
    yield Claim("degree 10: equations that are independent, coefficients", [10, 11], [rank, len(vandermonde(10)[0])])
    rank, solved = eliminate([[*row, y] for row, y in zip(vandermonde(9), data, strict=True)])
    yield Claim("degree 9: independent equations, coefficients", [10, 10], [rank, len(vandermonde(9)[0])])
    fit = [row[-1] for row in solved]
    observed = np.array(data, "float64")
    # The coefficients reach 1e4 and cancel: an exact fit shows as their rounding.
    size = max(map(abs, fit)) * 16
    near = float(size) * float(np.finfo(dtype).eps)
    yield Claim("degree 9 goes through all points", observed, _curve(fit, dtype), near)
    vanishing = [Fraction(1)]
    for x in POINTS:  # multiply by (t - x): a polynomial that is 0 at every point
        vanishing = [b - x * a for a, b in zip([*vanishing, Fraction(0)], [Fraction(0), *vanishing], strict=True)]
    other = [a + 100 * b for a, b in zip([*fit, Fraction(0)], vanishing, strict=True)]
    yield Claim("so does another one, of degree 10", observed, _curve(other, dtype), near)
