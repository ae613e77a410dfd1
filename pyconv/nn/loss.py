"""Losses as modules; `pyconv.nn.functional` has the formulas and the errors."""

from __future__ import annotations

from typing import Any

from pyconv.nn import functional
from pyconv.nn.arguments import flag, number, only, positive, whole
from pyconv.nn.module import Module
from pyconv.tensor import Tensor


class _Loss(Module):
    reduction: str
    _reductions: tuple[str, ...] = ("none", "mean", "sum")

    def __init__(self, size_average: None = None, reduce: None = None, reduction: str = "mean") -> None:
        super().__init__()
        layer = self._get_name()
        only(layer, "size_average", size_average, None)
        only(layer, "reduce", reduce, None)
        if reduction not in self._reductions:
            known = ", ".join(map(repr, self._reductions))
            raise ValueError(f"[{layer}] reduction is {reduction!r}, expected one of {known}")
        self.reduction = reduction


class _WeightedLoss(_Loss):
    """With a weight per class, which is a buffer: it moves and is saved with the module."""

    weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, size_average: None = None, reduce: None = None,
                 reduction: str = "mean") -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


class CrossEntropyLoss(_WeightedLoss):
    """Softmax and cross-entropy of class scores (N, C, ...) with labels (N, ...) or probabilities (N, C, ...).

    ``CrossEntropyLoss(weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean",
    label_smoothing=0.0)``; see `functional.cross_entropy`.

    >>> import pyconv
    >>> from pyconv import nn
    >>> round(nn.CrossEntropyLoss()(pyconv.tensor([[0.0, 0.0]]), pyconv.tensor([1])).item(), 4)
    0.6931
    """

    def __init__(self, weight: Tensor | None = None, size_average: None = None, ignore_index: int = -100,
                 reduce: None = None, reduction: str = "mean", label_smoothing: float = 0.0) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = whole("CrossEntropyLoss", "ignore_index", ignore_index, -(2**63))
        self.label_smoothing = number("CrossEntropyLoss", "label_smoothing", label_smoothing, 0, 1)

    def forward(self, input: Any, target: Any) -> Any:
        """Scores and labels to a scalar, or to (N, ...) without reduction."""
        return functional.cross_entropy(input, target, weight=self.weight, ignore_index=self.ignore_index,
                                        reduction=self.reduction, label_smoothing=self.label_smoothing)


class NLLLoss(_WeightedLoss):
    """Negative log-likelihood of log-probabilities (N, C, ...) with labels (N, ...); see `functional.nll_loss`."""

    def __init__(self, weight: Tensor | None = None, size_average: None = None, ignore_index: int = -100,
                 reduce: None = None, reduction: str = "mean") -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = whole("NLLLoss", "ignore_index", ignore_index, -(2**63))

    def forward(self, input: Any, target: Any) -> Any:
        """Log-probabilities and labels to a scalar, or to (N, ...) without reduction."""
        return functional.nll_loss(input, target, weight=self.weight, ignore_index=self.ignore_index,
                                   reduction=self.reduction)


class MSELoss(_Loss):
    """The square of the difference, ``(input - target)**2``; see `functional.mse_loss`."""

    def forward(self, input: Any, target: Any) -> Any:
        """Two tensors of one shape to a scalar, or to that shape without reduction."""
        return functional.mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """The size of the difference, ``|input - target|``; see `functional.l1_loss`."""

    def forward(self, input: Any, target: Any) -> Any:
        """Two tensors of one shape to a scalar, or to that shape without reduction."""
        return functional.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """A square below a distance of ``beta``, straight beyond; see `functional.smooth_l1_loss`."""

    def __init__(self, size_average: None = None, reduce: None = None, reduction: str = "mean",
                 beta: float = 1.0) -> None:
        super().__init__(size_average, reduce, reduction)
        self.beta = number("SmoothL1Loss", "beta", beta, 0, float("inf"))

    def forward(self, input: Any, target: Any) -> Any:
        """Two tensors of one shape to a scalar, or to that shape without reduction."""
        return functional.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(_Loss):
    """Half the square below a distance of ``delta``, straight beyond; see `functional.huber_loss`."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = positive("HuberLoss", "delta", delta)

    def forward(self, input: Any, target: Any) -> Any:
        """Two tensors of one shape to a scalar, or to that shape without reduction."""
        return functional.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class BCELoss(_WeightedLoss):
    """Cross-entropy of probabilities with targets between 0 and 1; see `functional.binary_cross_entropy`."""

    def forward(self, input: Any, target: Any) -> Any:
        """Two tensors of one shape to a scalar, or to that shape without reduction."""
        return functional.binary_cross_entropy(input, target, weight=self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """Sigmoid and `BCELoss` in one, without overflow; see `functional.binary_cross_entropy_with_logits`."""

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, size_average: None = None, reduce: None = None,
                 reduction: str = "mean", pos_weight: Tensor | None = None) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Any, target: Any) -> Any:
        """Two tensors of one shape to a scalar, or to that shape without reduction."""
        return functional.binary_cross_entropy_with_logits(input, target, weight=self.weight, reduction=self.reduction,
                                                           pos_weight=self.pos_weight)


class KLDivLoss(_Loss):
    """Kullback-Leibler divergence of log-probabilities from targets; see `functional.kl_div`."""

    _reductions = ("none", "mean", "sum", "batchmean")

    def __init__(self, size_average: None = None, reduce: None = None, reduction: str = "mean",
                 log_target: bool = False) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_target = flag("KLDivLoss", "log_target", log_target)

    def forward(self, input: Any, target: Any) -> Any:
        """Two tensors of one shape to a scalar, or to that shape without reduction."""
        return functional.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)
