"""The list of networks that can be built by name."""

from __future__ import annotations

import difflib
import functools
import inspect
import os
import re
from collections.abc import Callable
from typing import Any, TypeVar, cast

from pyconv import nn
from pyconv.models.keymaps import fit, load_fitted
from pyconv.models.preprocessing import preprocessing_for
from pyconv.models.transfer import with_new_head
from pyconv.models.weights import as_trained, read_state

Factory = TypeVar("Factory", bound=Callable[..., nn.Module])

_factories: dict[str, Callable[..., nn.Module]] = {}


def register(factory: Factory) -> Factory:
    """Decorate a function that builds a network: it can then be built by its name.

    The module that it returns has ``input_size``, the (channels, height, width) that the network was made for. Torchvision's
    arguments for weights that it would fetch are taken where they ask for none (``progress`` is of fetching, too), and
    ``init_weights`` at its default: weights are always drawn as the network's paper or torchvision does.
    """
    name = factory.__name__

    @functools.wraps(factory)
    def build(*args: Any, **options: Any) -> nn.Module:
        for argument in ("weights", "weights_backbone", "pretrained", "pretrained_backbone"):
            value = options.pop(argument, None)
            if value is not None and value is not False:
                raise ValueError(f"[{name}] {argument} is {value!r}, but nothing is fetched: models.create_model({name!r}, "
                                 "weights=path) reads a file")
        options.pop("progress", None)
        if (init_weights := options.pop("init_weights", True)) is not True:
            raise ValueError(f"[{name}] init_weights is {init_weights!r}, expected True: weights are always drawn; the block "
                             "`with pyconv.device(\"meta\"):` draws none")
        try:
            return factory(*args, **options)
        except TypeError as error:
            unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
            if unknown is None or unknown[1] not in options:
                raise
            known = [p.name for p in inspect.signature(factory).parameters.values() if p.kind is not p.VAR_KEYWORD]
            raise TypeError(f"[{name}] {unknown[1]} is no option of this network, which has "
                            f"{', '.join(known) or 'none'}; help(models.{name}) says more") from None

    _factories[name] = build
    return cast(Factory, build)


def list_models() -> list[str]:
    """The names that `create_model` knows, sorted.

    >>> from pyconv import models
    >>> "lenet5" in models.list_models()
    True
    """
    return sorted(_factories)


def create_model(name: str, *, num_classes: int | None = None, in_channels: int | None = None,
                 weights: str | os.PathLike[str] | None = None, **options: Any) -> nn.Module:
    """Build a network; where it is known, ``preprocessing`` says what images it wants (`pyconv.data.Preprocessing`).

    Args:
        name: one of `list_models`.
        num_classes, in_channels: None takes the network's own default.
        weights: path of a file that `pyconv.io.load` reads. Names from elsewhere are brought to the network's first
            (`pyconv.models.load_weights`); then names and shapes have to fit exactly. But where ``num_classes`` is given
            and the file has another number, what depends on it is new (the last layer, as a rule), and a warning names it.
        options: what else the network's factory takes, such as ``activation="tanh"``.

    Raises:
        ValueError: an unknown name, or weights that do not fit (StateDictError); TypeError: an option that the
        factory does not know; OSError: an unreadable file.

    >>> from pyconv import models
    >>> models.create_model("lenet5", num_classes=3).fc3
    Linear(in_features=84, out_features=3, bias=True)
    """
    if name not in _factories:
        close = difflib.get_close_matches(str(name), _factories, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"expected one of {', '.join(list_models())}"
        raise ValueError(f"[create_model] name is {name!r}, which is no network of list_models(): {hint}")
    if num_classes is not None:
        options["num_classes"] = num_classes
    if in_channels is not None:
        options["in_channels"] = in_channels
    model = _factories[name](**options)
    if weights is not None:
        fitted = fit(model, read_state(model, weights))
        if num_classes is not None:
            state = with_new_head(_factories[name], options, model, fitted.state, os.path.basename(os.fspath(weights)))
            fitted = fitted._replace(state=dict(state))
        load_fitted(model, fitted)
        as_trained(model, weights)
    wanted = preprocessing_for(model, name, weights)
    if wanted is not None:
        model.preprocessing = wanted
    return model
