"""A classifier made fully convolutional: the same weights, asked at every place of a larger picture.

A linear layer on a flattened map of C x H x W is a convolution with filters of H x W without padding, on a map that is
just as large. On a larger map it gives a score for each place. Pooling to a fixed size becomes pooling of a fixed step.

Source: Long, Shelhamer and Darrell, Fully convolutional networks for semantic segmentation, 2015.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from pyconv import nn
from pyconv.errors import ShapeError
from pyconv.grad_mode import no_grad
from pyconv.nn.arguments import whole
from pyconv.nn.observing import observed
from pyconv.ops.creation import zeros

__all__ = ["to_fcn"]

Size = tuple[int, ...]


class _Layers:
    """The flattening, pooling and linear layers that a model calls, in order, with the shapes of their inputs."""

    def __init__(self, model: nn.Module) -> None:
        self.names = {id(module): name for name, module in model.named_modules()}
        self.calls: list[tuple[str, nn.Module, Size]] = []

    def enter(self, module: nn.Module, args: Any) -> None:
        """Before a layer's forward."""
        if isinstance(module, (nn.Flatten, nn.AdaptiveAvgPool2d, nn.Linear)):
            self.calls.append((self.names[id(module)], module, tuple(args[0].shape)))

    def leave(self, module: nn.Module, args: Any, output: Any) -> None:
        """After it."""

    def on_forward(self, *_: Any) -> None:
        """At every operation."""


def to_fcn(model: nn.Module, input_size: Sequence[int] | None = None) -> nn.Module:
    """A copy of a classifier that gives scores (N, num_classes, H', W') on pictures of any larger size.

    On pictures of ``input_size`` H' and W' are 1 and the scores the classifier's. A network without padding, such as
    LeNet-5, says of each window of a larger picture what the classifier would; others see the neighbourhood
    where the classifier sees its padding.

    Args:
        model: a network whose `nn.Flatten`, `nn.AdaptiveAvgPool2d` and `nn.Linear` are modules, as in AlexNet, VGG, ResNet
            and LeNet.
        input_size: (channels, height, width) of the classifier's pictures; None takes ``model.input_size``.

    Raises:
        TypeError: ``model`` is no Module or has no ``input_size``. ValueError: a network that flattens in another way, or
        pools to a size that does not divide its input's.

    >>> import pyconv
    >>> from pyconv import models
    >>> dense = models.to_fcn(models.lenet5())
    >>> dense.fc1
    Conv2d(16, 120, kernel_size=(5, 5), stride=(1, 1))
    >>> dense(pyconv.zeros(1, 1, 40, 64)).shape
    (1, 10, 3, 9)
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"[to_fcn] model is {type(model).__name__}, expected a Module")
    given = getattr(model, "input_size", None) if input_size is None else input_size
    if not isinstance(given, (tuple, list)) or len(given) != 3:
        raise TypeError(f"[to_fcn] input_size is {given!r}, expected (channels, height, width) of the classifier's pictures")
    size = (1, *[whole("to_fcn", "input_size", n, 1) for n in given])
    dense = copy.deepcopy(model)
    layers = _Layers(dense)
    with observed(dense, layers, layers.enter, layers.leave):
        expected = dense(zeros(*size, device="meta"))
    flattened: Size | None = None  # what the next linear layer sees
    new: nn.Module
    for name, layer, shape in layers.calls:
        if isinstance(layer, nn.Linear):
            new, flattened = _convolution(name, layer, shape, flattened), None
        elif isinstance(layer, nn.AdaptiveAvgPool2d):
            new = _pool(name, layer, shape)
        else:
            new, flattened = nn.Identity(), shape[1:]
        parent, _, last = name.rpartition(".")
        setattr(dense.get_submodule(parent), last, new)
    was = [module.training for module in dense.modules()]
    try:
        with no_grad():
            found = dense.eval()(zeros(*size, device="meta"))
    except ShapeError as error:
        raise ValueError(f"[to_fcn] {type(model).__name__} does something else than flatten, pool and multiply behind its "
                         "convolutions, or does so outside of modules") from error
    finally:
        for module, training in zip(dense.modules(), was, strict=True):
            module.training = training
    if found.shape != (*expected.shape, 1, 1):
        raise ValueError(f"[to_fcn] {type(model).__name__} gives scores {expected.shape} and would give {found.shape}, expected "
                         f"{(*expected.shape, 1, 1)}: input_size has to be the size it was made for")
    return dense


def _pool(name: str, layer: nn.AdaptiveAvgPool2d, shape: Size) -> nn.Module:
    """Pooling with the windows that the adaptive one has on a map of this shape."""
    wanted = layer.output_size if isinstance(layer.output_size, (tuple, list)) else (layer.output_size,) * 2
    steps = []
    for have, want in zip(shape[2:], wanted, strict=True):
        want = have if want is None else want
        if not want or have % want:
            raise ValueError(f"[to_fcn] {name} (AdaptiveAvgPool2d) pools {have} pixels to {want}, expected a divisor of {have}")
        steps.append((have // want, 1 if want == 1 else have // want))
    if all(window == 1 for window, _ in steps):
        return nn.Identity()
    return nn.AvgPool2d(tuple(window for window, _ in steps), tuple(step for _, step in steps))


def _convolution(name: str, layer: nn.Linear, shape: Size, flattened: Size | None) -> nn.Module:
    """The convolution with the linear layer's weights."""
    channels, *taps = flattened if flattened is not None and len(flattened) == 3 else (layer.in_features, 1, 1)
    if len(shape) != 2 or channels * taps[0] * taps[1] != layer.in_features:
        raise ValueError(f"[to_fcn] {name} (Linear) sees {shape}, expected (N, {layer.in_features}) from a Flatten of maps")
    new = nn.Conv2d(channels, layer.out_features, tuple(taps), bias=layer.bias is not None, device="meta",
                    dtype=layer.weight.dtype)
    new.weight = nn.Parameter(layer.weight.data.reshape(new.weight.shape), layer.weight.requires_grad)
    if layer.bias is not None:
        new.bias = layer.bias
    new.training = layer.training
    return new
