"""Distances between rows of features, as layers."""

from __future__ import annotations

from typing import Any

from pyconv.nn import functional
from pyconv.nn.arguments import flag, number, whole
from pyconv.nn.module import Module


class CosineSimilarity(Module):
    """The cosine of the angle between the vectors of two tensors: `functional.cosine_similarity` as a layer.

    >>> from pyconv import nn
    >>> nn.CosineSimilarity(dim=-1).dim
    -1
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim = whole("CosineSimilarity", "dim", dim, -(2**63))
        self.eps = number("CosineSimilarity", "eps", eps, 0, float("inf"))

    def forward(self, x1: Any, x2: Any) -> Any:
        """Two tensors to one without the axis ``dim``."""
        return functional.cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """The distance of each pair of rows: `functional.pairwise_distance` as a layer.

    >>> from pyconv import nn
    >>> nn.PairwiseDistance(p=1).norm
    1.0
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm = number("PairwiseDistance", "p", p, float("-inf"), float("inf"))
        self.eps = number("PairwiseDistance", "eps", eps, float("-inf"), float("inf"))
        self.keepdim = flag("PairwiseDistance", "keepdim", keepdim)

    def forward(self, x1: Any, x2: Any) -> Any:
        """(..., D) and (..., D) to (...), or (..., 1) with ``keepdim``."""
        return functional.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)
