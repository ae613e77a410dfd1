"""A network that is watched while it runs: by summaries and by what writes it down for other programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pyconv.grad_mode import no_grad
from pyconv.nn.module import Module
from pyconv.tensor import listeners


@contextmanager
def observed(model: Module, listener: Any, enter: Callable[..., Any], leave: Callable[..., Any]) -> Iterator[None]:
    """Evaluation mode and no gradients; ``enter(module, args)`` and ``leave(module, args, output)`` around every layer's forward; the
    listener at the operations' gate. Everything is put back at the end.
    """
    modules = list(model.modules())
    training = [module.training for module in modules]
    handles = []
    listeners.append(listener)
    try:
        for module in modules:
            module.training = False
            handles.append(module.register_forward_pre_hook(enter, prepend=True))
            handles.append(module.register_forward_hook(leave))
        with no_grad():
            yield
    finally:
        listeners.remove(listener)
        for handle in handles:
            handle.remove()
        for module, was in zip(modules, training, strict=True):
            module.training = was
