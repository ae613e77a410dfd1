"""Group, instance, layer and RMS norm layers."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

from pyconv.errors import ShapeError
from pyconv.nn import functional, init
from pyconv.nn.arguments import flag, number, parameter, whole
from pyconv.nn.module import Module
from pyconv.nn.norm import BatchNorm1d
from pyconv.nn.parameter import Parameter
from pyconv.ops.shape import squeeze, unsqueeze


class _Affine(Module):
    """Weight 1 and bias 0 at first, where there are any."""

    weight: Parameter | None
    bias: Parameter | None

    def _make(self, shape: tuple[int, ...], device: Any, dtype: Any, **wanted: bool) -> None:
        for name, want in wanted.items():
            self.register_parameter(name, parameter(self._get_name(), shape, device, dtype) if want else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        for name, value in self._parameters.items():
            if value is not None:
                init.constant_(value, 1.0 if name == "weight" else 0.0)


class GroupNorm(_Affine):
    """``(x - mean) / sqrt(var + eps) * weight + bias``, the statistics being those of groups of channels of a sample.

    Args:
        num_groups: groups of neighbouring channels; 1 takes all channels together, num_channels each by itself.
        num_channels: C, a multiple of num_groups.
        eps: added to the variance.
        affine: whether there are a ``weight`` (1 at first) and a ``bias`` (0), one value per channel.
        device, dtype: "cpu" or "meta"; float32 (default) or float64.
        bias: whether an affine layer has the ``bias``, too.

    State: ``weight`` and ``bias`` (C,). Training and evaluation are the same. Source: Wu and He, 2018.

    >>> from pyconv import nn
    >>> nn.GroupNorm(4, 8)
    GroupNorm(4, 8, eps=1e-05, affine=True, bias=True)
    """

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, device: Any = None,
                 dtype: Any = None, *, bias: bool = True) -> None:
        super().__init__()
        self.num_groups = whole("GroupNorm", "num_groups", num_groups, 1)
        self.num_channels = whole("GroupNorm", "num_channels", num_channels, 1)
        if self.num_channels % self.num_groups:
            raise ValueError(f"[GroupNorm] num_channels is {num_channels}, expected a multiple of num_groups={num_groups}")
        self.eps = number("GroupNorm", "eps", eps, 0, float("inf"))
        self.affine = flag("GroupNorm", "affine", affine)
        self._make((self.num_channels,), device, dtype, weight=affine, bias=flag("GroupNorm", "bias", bias) and affine)

    def forward(self, input: Any) -> Any:
        """(N, num_channels, ...) to the same shape."""
        shape = getattr(input, "shape", None)
        if shape is not None and (len(shape) < 2 or shape[1] != self.num_channels):
            text = "x".join(map(str, shape)) or "()"
            raise ShapeError(f"[GroupNorm] input has shape {text}, expected (batch, {self.num_channels}, ...)")
        return functional.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return (f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
                f"bias={self.bias is not None}")


class InstanceNorm1d(BatchNorm1d):
    """Instance normalisation of (N, C, L) or (C, L); see `InstanceNorm2d`."""

    _ranks = (2, 3)

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = False,
                 track_running_stats: bool = False, device: Any = None, dtype: Any = None, *, bias: bool = True) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input: Any) -> Any:
        """(N, num_features, ...), or the same without a batch axis, to the same shape."""
        shape = tuple(input.shape) if hasattr(input, "shape") else None
        alone = shape is not None and len(shape) == self._ranks[0]
        if shape is not None and (len(shape) not in self._ranks or shape[0 if alone else 1] != self.num_features):
            text = "x".join(map(str, shape)) or "()"
            raise ShapeError(f"[{self._get_name()}] input has shape {text}, expected (batch, {self.num_features}, ...) "
                             f"with {self._ranks[1]} axes, or {self._ranks[0]} without the batch")
        batch = unsqueeze(input, 0) if alone else input
        y = functional.instance_norm(batch, self.running_mean, self.running_var, self.weight, self.bias,
                                     self.training or self.running_mean is None,
                                     0.0 if self.momentum is None else self.momentum, self.eps)
        return squeeze(y, 0) if alone else y


class InstanceNorm2d(InstanceNorm1d):
    """``(x - mean) / sqrt(var + eps)`` per channel of each sample of (N, C, H, W) or (C, H, W).

    Args:
        num_features: C.
        eps: added to the variance.
        momentum: of the running statistics; None leaves them as they are.
        affine: whether there are a ``weight`` (1 at first) and a ``bias`` (0).
        track_running_stats: whether there are running statistics, which evaluation then uses; they move towards the
            mean over the samples, ``running = (1 - momentum) * running + momentum * batch``, the variance unbiased.
        device, dtype: "cpu" or "meta"; float32 (default) or float64.
        bias: whether an affine layer has the ``bias``, too.

    State: ``weight``, ``bias``, ``running_mean``, ``running_var`` (C,) and ``num_batches_tracked``, as far as there are
    any. Raises ShapeError for another number of channels and for a single pixel. Source: Ulyanov et al., 2016.

    >>> from pyconv import nn
    >>> nn.InstanceNorm2d(8)
    InstanceNorm2d(8, eps=1e-05, momentum=0.1, affine=False, bias=False, track_running_stats=False)
    """

    _ranks = (3, 4)


class InstanceNorm3d(InstanceNorm1d):
    """Instance normalisation of (N, C, D, H, W) or (C, D, H, W); see `InstanceNorm2d`."""

    _ranks = (4, 5)


def _sizes(layer: str, value: Any) -> tuple[int, ...]:
    sizes = (value,) if isinstance(value, numbers.Integral) else value
    if not isinstance(sizes, (tuple, list)) or not sizes:
        raise TypeError(f"[{layer}] normalized_shape is {value!r}, expected a size or a tuple of sizes")
    return tuple(whole(layer, "normalized_shape", n, 0) for n in sizes)


class LayerNorm(_Affine):
    """``(x - mean) / sqrt(var + eps) * weight + bias`` over the last axes, which are ``normalized_shape``.

    Args:
        normalized_shape: sizes of the last axes, or one size for the last.
        eps: added to the variance.
        elementwise_affine: whether there are a ``weight`` (1 at first) and a ``bias`` (0) of that shape.
        bias: whether an affine layer has the ``bias``, too.
        device, dtype: "cpu" or "meta"; float32 (default) or float64.

    State: ``weight`` and ``bias``. Source: Ba, Kiros and Hinton, 2016.

    >>> from pyconv import nn
    >>> nn.LayerNorm(64)
    LayerNorm((64,), eps=1e-05, elementwise_affine=True, bias=True)
    """

    def __init__(self, normalized_shape: int | Sequence[int], eps: float = 1e-5, elementwise_affine: bool = True,
                 bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.normalized_shape = _sizes("LayerNorm", normalized_shape)
        self.eps = number("LayerNorm", "eps", eps, 0, float("inf"))
        self.elementwise_affine = flag("LayerNorm", "elementwise_affine", elementwise_affine)
        self._make(self.normalized_shape, device, dtype, weight=elementwise_affine,
                   bias=flag("LayerNorm", "bias", bias) and elementwise_affine)

    def forward(self, input: Any) -> Any:
        """(..., *normalized_shape) to the same shape."""
        return functional.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return (f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
                f"bias={self.bias is not None}")


class RMSNorm(_Affine):
    """``x / sqrt(mean(x^2) + eps) * weight`` over the last axes; arguments as `LayerNorm`'s.

    ``eps`` None is the smallest step of the input's dtype at 1. State: ``weight``. Source: Zhang and Sennrich, 2019.

    >>> from pyconv import nn
    >>> nn.RMSNorm(64)
    RMSNorm((64,), eps=None, elementwise_affine=True)
    """

    def __init__(self, normalized_shape: int | Sequence[int], eps: float | None = None,
                 elementwise_affine: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.normalized_shape = _sizes("RMSNorm", normalized_shape)
        self.eps = None if eps is None else number("RMSNorm", "eps", eps, 0, float("inf"))
        self.elementwise_affine = flag("RMSNorm", "elementwise_affine", elementwise_affine)
        self._make(self.normalized_shape, device, dtype, weight=elementwise_affine)

    def forward(self, input: Any) -> Any:
        """(..., *normalized_shape) to the same shape."""
        return functional.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
