"""Transfer learning: layers that stay as they are, and a head for other classes.

Yosinski, Clune, Bengio and Lipson, How transferable are features in deep neural networks?, 2014.
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pyconv import nn
from pyconv.device import device
from pyconv.tensor import FLOATS, Tensor

__all__ = ["freeze", "unfreeze"]


def layers_until(op: str, model: nn.Module, until: str | None) -> Iterator[nn.Module]:
    """The modules up to and including ``until`` with all that is in it, in the order of registration."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"[{op}] model is {type(model).__name__}, expected a Module")
    names = dict(model.named_modules())
    if until is None:
        yield from names.values()
        return
    check_layer(op, model, "until", until)
    for name, module in names.items():
        if until == name or until.startswith(f"{name}.") or name == "":
            if until == name:
                yield from module.modules()
                return
            continue  # what holds the last layer holds later ones, too
        yield module


def check_layer(op: str, model: nn.Module, argument: str, name: Any) -> None:
    """Raise ValueError unless a layer of the model has that name."""
    names = [path for path, _ in model.named_modules() if path]
    if name not in names:
        close = difflib.get_close_matches(str(name), names, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(path for path, _ in model.named_children())}"
        raise ValueError(f"[{op}] {argument} is {name!r}, which is no layer of {type(model).__name__}: {hint}")


def freeze(model: nn.Module, until: str | None = None) -> nn.Module:
    """Let layers stay as they are: their parameters get no gradient, and they stay in evaluation mode.

    Frozen are all layers up to and including ``until``, in the order in which they were registered, as
    ``named_modules`` lists them; None: all. Parameters lose their gradient and ``requires_grad``, so that the tape records
    nothing below the first layer that is trained, and an optimizer keeps no state for them. ``model.train()`` leaves frozen layers
    in evaluation mode: batch norm keeps its running statistics, dropout does nothing. A module that holds both frozen and
    trained layers is not frozen itself, nor are parameters of its own.

    Returns the model. Raises ValueError for a name that is no layer's, TypeError for another thing than a Module.

    >>> from pyconv import models
    >>> net = models.freeze(models.lenet5(), until="pool2")
    >>> [name for name, p in net.named_parameters() if p.requires_grad]
    ['fc1.weight', 'fc1.bias', 'fc2.weight', 'fc2.bias', 'fc3.weight', 'fc3.bias']
    """
    for module in list(layers_until("freeze", model, until)):
        module._frozen = True
        module.training = False
        for parameter in module.parameters(recurse=False):
            parameter.requires_grad = False
            parameter.grad = None
    return model


def unfreeze(model: nn.Module, since: str | None = None) -> nn.Module:
    """Undo `freeze` for the layer ``since`` and all that were registered after it; None: for all.

    What was not frozen by `freeze` stays as it is. The layers take on the model's training mode. An optimizer that was made from
    ``model.parameters()`` trains them from its next step on. Returns the model; raises as `freeze` does.

    >>> from pyconv import models
    >>> net = models.unfreeze(models.freeze(models.lenet5()), since="fc3")
    >>> [name for name, p in net.named_parameters() if p.requires_grad]
    ['fc3.weight', 'fc3.bias']
    """
    before = set(layers_until("unfreeze", model, since))
    before -= set((model if since is None else model.get_submodule(since)).modules())
    for name, module in model.named_modules():
        if not module._frozen or module in before:
            continue
        module._frozen = False
        module.training = model.training
        if since is None or not (name == "" or since.startswith(f"{name}.")):  # else it holds earlier layers, too
            for parameter in module.parameters(recurse=False):
                parameter.requires_grad = parameter.dtype in FLOATS
    return model


def with_new_head(factory: Callable[..., nn.Module], options: Mapping[str, Any], model: nn.Module,
                  state: Mapping[str, Any], source: str) -> Mapping[str, Any]:
    """A file's state for a model with another number of classes: what depends on that number is the model's own.

    Which tensors these are is found by building the network, without memory, for one class more. Says in a warning what is new.
    A state that differs in anything else is returned as it is, for ``load_state_dict`` to refuse.
    """
    own = model.state_dict()
    different = [name for name, value in state.items() if name in own and tuple(value.shape) != own[name].shape]
    if not different:
        return state
    with device("meta"):
        other = factory(**{**options, "num_classes": options["num_classes"] + 1}).state_dict()
    head = {name: shape for name, value in own.items()
            if name in other and (shape := _free(value, other[name])) is not None and None in shape}
    if not all(name in head and _fits(tuple(state[name].shape), head[name]) for name in different):
        return state
    text = ", ".join(f"{name} ({_text(state[name])} in the file)" for name in different)
    warnings.warn(f"[create_model] {source} holds other classes than the {options['num_classes']} asked for: new, and "
                  f"still to be trained, are {text}", stacklevel=3)
    return {**state, **{name: own[name] for name in head if name in state}}


def _free(value: Tensor, other: Tensor) -> tuple[int | None, ...] | None:
    """The shape of both, None for axes in which they differ."""
    if len(value.shape) != len(other.shape):
        return None
    return tuple(n if n == m else None for n, m in zip(value.shape, other.shape, strict=True))


def _fits(shape: tuple[int, ...], pattern: tuple[int | None, ...]) -> bool:
    return len(shape) == len(pattern) and all(p is None or n == p for n, p in zip(shape, pattern, strict=True))


def _text(value: Any) -> str:
    return " x ".join(map(str, value.shape))
