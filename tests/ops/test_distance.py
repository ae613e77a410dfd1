"""Distances where they have no derivative: the gradient is 0, not NaN."""

from __future__ import annotations

import numpy as np
import pytest

import pyconv
from pyconv.nn import functional as F


@pytest.mark.parametrize("p", [1.5, 2, 3])
def test_the_distance_of_equal_rows(p: float):
    a, b = (pyconv.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True) for _ in "ab")
    d = F.pairwise_distance(a, b, p, eps=0.0)
    d.sum().backward()
    assert d.tolist() == [0.0, 0.0]
    assert not a.grad.array.any()
    assert not b.grad.array.any()


def test_the_angle_of_a_vector_of_zeros():
    a, b = pyconv.zeros(1, 3, requires_grad=True), pyconv.ones(1, 3, requires_grad=True)
    y = F.cosine_similarity(a, b)
    y.sum().backward()
    assert y.tolist() == [0.0]
    assert np.isfinite(a.grad.array).all()
    assert not b.grad.array.any()
