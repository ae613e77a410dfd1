"""Batch normalisation layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyconv.errors import ShapeError
from pyconv.nn import functional, init
from pyconv.nn.arguments import allocate, flag, number, parameter, whole
from pyconv.nn.module import Module
from pyconv.nn.parameter import Parameter
from pyconv.tensor import Tensor, mode


class _BatchNorm(Module):
    """What the three have in common; a subclass says which ranks it takes."""

    _ranks: tuple[int, ...]
    _optional_state = ("num_batches_tracked",)  # files from before PyTorch 0.4.1 lack it
    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
                 track_running_stats: bool = True, device: Any = None, dtype: Any = None, *,
                 bias: bool = True) -> None:
        super().__init__()
        layer = self._get_name()
        self.num_features = whole(layer, "num_features", num_features, 1)
        self.eps = number(layer, "eps", eps, 0, float("inf"))
        self.momentum = None if momentum is None else number(layer, "momentum", momentum, 0, 1)
        self.affine = flag(layer, "affine", affine)
        self.track_running_stats = flag(layer, "track_running_stats", track_running_stats)
        shape = (self.num_features,)
        flag(layer, "bias", bias)
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            self.register_parameter(name, parameter(layer, shape, device, dtype) if wanted else None)
        tracked = track_running_stats
        for name in ("running_mean", "running_var"):
            self.register_buffer(name, allocate(layer, shape, device, dtype) if tracked else None)
        count = Tensor(np.zeros((), np.int64))
        if tracked and self.running_mean is not None and self.running_mean.is_meta:
            count = Tensor(None, meta=((), count.dtype))
        self.register_buffer("num_batches_tracked", count if tracked else None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget the running statistics: mean 0, variance 1, no batches."""
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            init.zeros_(self.running_mean)
            init.ones_(self.running_var)
            init.zeros_(self.num_batches_tracked)

    def reset_parameters(self) -> None:
        """Weight 1, bias 0, running statistics forgotten."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Any) -> Any:
        """(N, num_features, ...) to the same shape."""
        rank = len(input.shape) if hasattr(input, "shape") else None
        if rank is not None and rank not in self._ranks:
            text = "x".join(map(str, input.shape)) or "()"
            expected = " or ".join(map(str, self._ranks))
            raise ShapeError(f"[{self._get_name()}] input has {rank} axes ({text}), expected {expected}")
        own, buffers = self._parameters, self._buffers
        weight, bias = self._held(own, "weight"), self._held(own, "bias")
        mean, var = self._held(buffers, "running_mean"), self._held(buffers, "running_var")
        if not self.training:
            momentum = 0.0 if self.momentum is None else self.momentum
            return functional.batch_norm(input, mean, var, weight, bias, mean is None, momentum, self.eps)
        return self._train(input, mean, var, weight, bias)

    def _train(self, input: Any, mean: Any, var: Any, weight: Any, bias: Any) -> Any:
        momentum = 0.0 if self.momentum is None else self.momentum
        count = None if getattr(input, "is_meta", False) else self.num_batches_tracked
        batches = None if count is None or count.is_meta else int(count.array) + (not mode.recomputing)
        if batches is not None and self.momentum is None:  # the plain average over all batches so far
            momentum = 1.0 / batches
        if not self.track_running_stats:  # switched off after construction
            mean = var = None
        result = functional.batch_norm(input, mean, var, weight, bias, True, momentum, self.eps)
        if count is not None and batches is not None:
            # Not through `add_`: an operation in place has to wait for all results that still wait, such as this one.
            count.array[...] = batches
            count._version[0] += 1
        return result

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return (f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
                f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}")


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of (N, C) or (N, C, L); see `BatchNorm2d`."""

    _ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """``(x - mean) / sqrt(var + eps) * weight + bias`` per channel of (N, C, H, W).

    In training the statistics are those of the batch (variance divided by the number of elements) and the running
    ones move towards them, ``running = (1 - momentum) * running + momentum * batch``, there with the unbiased
    variance; in evaluation the running ones are used.

    Args:
        num_features: C, at least 1.
        eps: added to the variance.
        momentum: of the running statistics; None averages all batches equally.
        affine: whether there are a ``weight`` (1 at first) and a ``bias`` (0).
        track_running_stats: whether there are running statistics; without, evaluation uses the batch's, too.
        device, dtype: "cpu" or "meta"; float32 (default) or float64.
        bias: whether an affine layer has the ``bias``, too.

    State: ``weight``, ``bias``, ``running_mean``, ``running_var`` (C,) and ``num_batches_tracked`` (int64; a file may
    lack it). Raises ShapeError for an input of another rank. Source: Ioffe and Szegedy, 2015.

    >>> from pyconv import nn
    >>> nn.BatchNorm2d(8)
    BatchNorm2d(8, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    """

    _ranks = (4,)


class BatchNorm3d(_BatchNorm):
    """Batch normalisation of (N, C, D, H, W); see `BatchNorm2d`."""

    _ranks = (5,)
