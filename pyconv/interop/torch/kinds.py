"""The layers of PyTorch that have a counterpart here: which operation each is, with which attributes and tensors.

A kind has ``obstacle(module)``, asked when the layer is swapped, and ``call(module, x, layer, last)``, asked at every
forward pass, since attributes may have been changed meanwhile. ``last`` says whether the result is to be channels-last;
None: as PyTorch's would be. It returns the `Call`, or the reason why PyTorch's own code has to run; an error on the way is
such a reason, too, since PyTorch then raises its own, or can do what pyconv cannot.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from pyconv.interop.torch.bridge import Call
from pyconv.interop.torch.gate import tensor_obstacle
from pyconv.interop.torch.memory import is_channels_last
from pyconv.ops.conv import Conv
from pyconv.ops.conv_transpose import ConvTranspose
from pyconv.ops.gemm import Linear
from pyconv.ops.norm import BatchNorm
from pyconv.ops.pool import AdaptiveAvgPool, AdaptiveMaxPool, AvgPool, MaxPool
from pyconv.ops.unary import Relu

nn = torch.nn
Prepared = Call | str


class Kind:
    """One sort of layer. ``axes``: how many spatial axes, where the class tells; ``keeps_order``: as in `order`."""

    keeps_order = True

    def __init__(self, axes: int = 0) -> None:
        self.axes = axes

    def order(self, layer: Any, last: bool | None, x: Any, weight: Any = None) -> bool:
        """Whether the result is channels-last: on request, or because PyTorch's would be, for a batch."""
        if layer.channels_last or last:
            return True
        if not self.keeps_order or (self.axes and x.dim() != self.axes + 2):
            return False
        return (last is None and is_channels_last(x)) or (weight is not None and is_channels_last(weight))

    def obstacle(self, module: Any) -> str | None:
        """What about the layer itself forbids it."""
        return None

    def call(self, module: Any, x: Any, layer: Any, last: bool | None) -> Prepared:
        """See the module's text."""
        raise NotImplementedError


def spread(value: Any, axes: int) -> tuple[Any, ...]:
    """One entry per axis, as PyTorch's layers and functions read them."""
    if isinstance(value, (tuple, list)):
        return tuple(value) * axes if len(value) == 1 else tuple(value)
    return (value,) * axes


class Convolution(Kind):
    """Conv1d, 2d, 3d."""

    def obstacle(self, module: Any) -> str | None:
        return None if module.padding_mode == "zeros" else f"padding_mode is {module.padding_mode!r}, not 'zeros'"

    def call(self, module: Any, x: Any, layer: Any, last: bool | None) -> Prepared:
        if module.padding_mode != "zeros":
            return f"padding_mode is {module.padding_mode!r}, not 'zeros'"
        weight, bias, padding = module.weight, module.bias, module.padding
        why = tensor_obstacle(weight, "weight") or (bias is not None and tensor_obstacle(bias, "bias"))
        if why:
            return why
        attrs = {"op": f"conv{self.axes}d", "stride": module.stride, "dilation": module.dilation,
                 "padding": padding if isinstance(padding, str) else tuple([p for q in padding for p in (q, q)]),
                 "groups": module.groups}
        return Call(Conv, attrs, (x, weight, bias), self.order(layer, last, x, weight), module._conv_forward,
                    layer.fell_back)


class TransposedConvolution(Kind):
    """ConvTranspose1d, 2d, 3d."""

    def obstacle(self, module: Any) -> str | None:
        return None if module.padding_mode == "zeros" else f"padding_mode is {module.padding_mode!r}, not 'zeros'"

    def call(self, module: Any, x: Any, layer: Any, last: bool | None) -> Prepared:
        weight, bias = module.weight, module.bias
        why = tensor_obstacle(weight, "weight") or (bias is not None and tensor_obstacle(bias, "bias"))
        if why:
            return why
        attrs = {"stride": module.stride, "padding": module.padding, "output_padding": module.output_padding,
                 "groups": module.groups, "dilation": module.dilation}
        function = getattr(functional, f"conv_transpose{self.axes}d")
        return Call(ConvTranspose, {"op": f"conv_transpose{self.axes}d", **attrs}, (x, weight, bias),
                    self.order(layer, last, x, weight), lambda *tensors: function(*tensors, **attrs), layer.fell_back)


class Normalisation(Kind):
    """BatchNorm1d, 2d, 3d: the batch's statistics, or the running ones, which move in place."""

    def call(self, module: Any, x: Any, layer: Any, last: bool | None) -> Prepared:
        module._check_input_dim(x)
        weight, bias = module.weight, module.bias
        mean, variance, eps = module.running_mean, module.running_var, module.eps
        for tensor, what in ((weight, "weight"), (bias, "bias"), (mean, "running_mean"), (variance, "running_var")):
            if tensor is not None and (why := tensor_obstacle(tensor, what)):
                return why
        training = module.training or (mean is None and variance is None)
        if module.training and not module.track_running_stats:
            mean = variance = None
        if (mean is None) != (variance is None):
            return "one of running_mean and running_var is None"
        counter = module.num_batches_tracked if module.training and module.track_running_stats else None
        momentum = module.momentum
        if counter is not None and momentum is None:
            momentum = 1.0 / (float(counter) + 1.0)
        momentum = 0.0 if momentum is None else momentum
        if not (0 < eps < math.inf and math.isfinite(momentum)):
            return f"eps is {eps} and momentum {momentum}"
        attrs = {"training": training, "momentum": momentum, "eps": eps}

        def reference(x: Any, weight: Any, bias: Any) -> Any:
            if training:
                return functional.batch_norm(x, None, None, weight, bias, True, 0.0, eps)
            return functional.batch_norm(x, mean, variance, weight, bias, False, 0.0, eps)

        call = Call(BatchNorm, attrs, (x, weight, bias), self.order(layer, last, x), reference, layer.fell_back,
                    (mean, variance))
        if training and x.numel():
            if counter is not None:
                counter.add_(1)
            if mean is not None:
                torch.autograd.graph.increment_version((mean, variance))
        return call


class Pooling(Kind):
    """The pools without parameters; ``attributes(module, axes)`` gives what their operation takes."""

    def __init__(self, axes: int, op: Any, name: str, attributes: Callable[[Any, int], dict[str, Any]]) -> None:
        super().__init__(axes)
        self.op, self.name, self.attributes = op, f"{name}{axes}d", attributes
        self.keeps_order = axes < 3 or op is MaxPool  # PyTorch's others of three axes return contiguous tensors

    def obstacle(self, module: Any) -> str | None:
        return "return_indices is set" if getattr(module, "return_indices", False) else None

    def call(self, module: Any, x: Any, layer: Any, last: bool | None) -> Prepared:
        if getattr(module, "return_indices", False):
            return "return_indices is set"
        attrs = {"op": self.name, **self.attributes(module, self.axes)}
        return Call(self.op, attrs, (x,), self.order(layer, last, x), lambda x: layer.plain(module, x), layer.fell_back)


def _window(module: Any, axes: int) -> dict[str, Any]:
    stride = module.kernel_size if module.stride is None else module.stride
    return {"window": spread(module.kernel_size, axes), "stride": spread(stride, axes),
            "padding": spread(module.padding, axes), "ceil_mode": module.ceil_mode}


def _maxima(module: Any, axes: int) -> dict[str, Any]:
    return {**_window(module, axes), "dilation": spread(module.dilation, axes), "return_indices": False}


def _averages(module: Any, axes: int) -> dict[str, Any]:
    return {**_window(module, axes), "count_padding": module.count_include_pad,
            "divisor": getattr(module, "divisor_override", None) or 0}


def _size(module: Any, axes: int) -> tuple[int, ...]:
    return tuple([-1 if n is None else n for n in spread(module.output_size, axes)])


def _adaptive_maxima(module: Any, axes: int) -> dict[str, Any]:
    return {"output_size": _size(module, axes), "return_indices": False}


def _adaptive_averages(module: Any, axes: int) -> dict[str, Any]:
    return {"output_size": _size(module, axes), "count_padding": False, "divisor": 0}


class FullyConnected(Kind):
    """Linear."""

    def call(self, module: Any, x: Any, layer: Any, last: bool | None) -> Prepared:
        weight, bias = module.weight, module.bias
        why = tensor_obstacle(weight, "weight") or (bias is not None and tensor_obstacle(bias, "bias"))
        if why:
            return why
        return Call(Linear, {}, (x, weight, bias), False, functional.linear, layer.fell_back)


class Rectifier(Kind):
    """ReLU, also in place, on tensors that are large enough for the memory of its results to matter."""

    least = 1 << 15  # elements: below, PyTorch's call is cheaper than ours, and wakes none of its threads

    def call(self, module: Any, x: Any, layer: Any, last: bool | None) -> Prepared:
        if x.numel() < self.least:
            return "it is small"
        if not module.inplace:
            return Call(Relu, {}, (x,), self.order(layer, last, x), torch.relu, layer.fell_back)
        if x._is_view() or (x.is_leaf and x.requires_grad):
            return "it works in place on a view or a leaf"
        if not x.is_contiguous() and not is_channels_last(x):
            return "it works in place on strided memory"
        return Call(Relu, {}, (x,), is_channels_last(x), torch.relu, layer.fell_back, inplace=True)


def _each(name: str, make: Callable[[int], Kind]) -> dict[type, Kind]:
    return {getattr(nn, f"{name}{axes}d"): make(axes) for axes in (1, 2, 3)}


KINDS: dict[type, Kind] = {
    **_each("Conv", Convolution),
    **_each("ConvTranspose", TransposedConvolution),
    **_each("BatchNorm", Normalisation),
    **_each("MaxPool", lambda axes: Pooling(axes, MaxPool, "max_pool", _maxima)),
    **_each("AvgPool", lambda axes: Pooling(axes, AvgPool, "avg_pool", _averages)),
    **_each("AdaptiveMaxPool", lambda axes: Pooling(axes, AdaptiveMaxPool, "adaptive_max_pool", _adaptive_maxima)),
    **_each("AdaptiveAvgPool", lambda axes: Pooling(axes, AdaptiveAvgPool, "adaptive_avg_pool", _adaptive_averages)),
    nn.Linear: FullyConnected(),
    nn.ReLU: Rectifier(),
}
