"""Batch normalisation whose numbers are given."""

from __future__ import annotations

from typing import Any

from pyconv.nn import functional, init
from pyconv.nn.arguments import allocate, number, whole
from pyconv.nn.module import Module
from pyconv.tensor import Tensor


class FrozenBatchNorm2d(Module):
    """`BatchNorm2d` of (N, num_features, H, W) that learns nothing: ``(x - mean) / sqrt(var + eps) * weight + bias``.

    Statistics, weight and bias are buffers, in training and in evaluation. Detectors use it in pre-trained backbones:
    their batches of one or two images are too small for statistics of their own.

    Args:
        num_features: channels, at least 1.
        eps: added to the variance.

    State: ``weight``, ``bias``, ``running_mean``, ``running_var`` (num_features,); the count ``num_batches_tracked`` of
    a `BatchNorm2d`'s state is passed over. Raises TypeError and ValueError for arguments that can never work, ShapeError
    for an input of other channels.

    >>> from pyconv import nn
    >>> layer = nn.FrozenBatchNorm2d(8)
    >>> layer, len(list(layer.parameters()))
    (FrozenBatchNorm2d(8, eps=1e-05), 0)
    """

    _superfluous_state = ("num_batches_tracked",)
    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.num_features = whole("FrozenBatchNorm2d", "num_features", num_features, 1)
        self.eps = number("FrozenBatchNorm2d", "eps", eps, 0, float("inf"))
        for name, fill in (("weight", init.ones_), ("bias", init.zeros_), ("running_mean", init.zeros_),
                           ("running_var", init.ones_)):
            self.register_buffer(name, fill(allocate("FrozenBatchNorm2d", (num_features,), None, None)))

    def forward(self, input: Any) -> Any:
        """(N, num_features, H, W) to the same shape."""
        return functional.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0,
                                     self.eps)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"{self.num_features}, eps={self.eps}"
