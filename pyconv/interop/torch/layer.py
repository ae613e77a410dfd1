"""A layer that has been swapped: its class, its forward pass, and what became of its calls.

The instance gets a subclass of its own class, made here, whose ``forward`` asks pyconv first. Unlike a ``forward`` put
on the instance, a class survives `copy.deepcopy`, `copy.copy` and a parametrization without being bound to the wrong
module; the instance's dictionary, and so the state_dict, hooks and buffers, stays as it is, but for one entry that
counts. Pickles name the original class: they load where pyconv is not installed, as the plain layer.
"""

from __future__ import annotations

import copy
import copyreg
import functools
from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.utils.parametrize import is_parametrized

from pyconv.interop.torch.gate import mode_obstacle, tensor_obstacle
from pyconv.interop.torch.kinds import Kind

#: The entry in a swapped layer's dictionary.
STATE = "_pyconv_layer"


class Layer:
    """What is known of one swapped layer."""

    __slots__ = ("calls", "channels_last", "fallbacks", "kind", "origin")

    def __init__(self, kind: Kind, origin: type, channels_last: bool) -> None:
        self.kind, self.origin, self.channels_last = kind, origin, channels_last
        self.calls = 0
        self.fallbacks: Counter[str] = Counter()

    def __deepcopy__(self, memo: dict) -> Layer:
        return Layer(self.kind, self.origin, self.channels_last)

    def plain(self, module: Any, *args: Any, **kwargs: Any) -> Any:
        """PyTorch's own forward pass."""
        return self.origin.forward(module, *args, **kwargs)  # type: ignore[attr-defined]

    def fell_back(self, why: str) -> None:
        """Count a call, or a backward pass, that PyTorch did instead."""
        self.fallbacks[why] += 1

    def forward(self, module: Any, x: Any, *args: Any, last: bool | None = None, **kwargs: Any) -> Any:
        """By pyconv where that is possible, else by PyTorch, counted.

        ``last``: whether the result is to be channels-last; None: as PyTorch's would be.
        """
        why = "it was called with more than the input" if args or kwargs else (
            tensor_obstacle(x, "input") or mode_obstacle())
        if why is None:
            try:
                prepared = self.kind.call(module, x, self, last)
            except (TypeError, ValueError, RuntimeError) as error:  # of shapes, before anything is computed
                prepared = str(error)
            if not isinstance(prepared, str):
                self.calls += 1
                return prepared.apply()
            why = prepared
        self.fell_back(why)
        return self.plain(module, x.contiguous() if last is False else x, *args, **kwargs)


class _Swapped:
    """What the classes made here have on top of their origin; ``_pyconv_origin`` is that class."""

    _pyconv_origin: type
    __setstate__: Any  # the module's

    def __deepcopy__(self, memo: dict) -> Any:
        own = getattr(super(), "__deepcopy__", None)
        if own is not None:
            return own(memo)
        new = memo[id(self)] = type(self).__new__(type(self))
        if is_parametrized(self):  # such a class refuses to give its state away
            new.__dict__ = copy.deepcopy(self.__dict__, memo)
        else:
            new.__setstate__(copy.deepcopy(super().__reduce_ex__(2)[2], memo))
        return new

    def __reduce_ex__(self, protocol: Any) -> Any:
        state = super().__reduce_ex__(2)[2]
        if isinstance(state, dict):
            state = {k: v for k, v in state.items() if k != STATE}
        # The way of the first protocols: the later ones insist on the object's own class.
        return copyreg._reconstructor, (restored(type(self)), object, None), state  # type: ignore[attr-defined]


@functools.cache
def swapped(origin: type) -> type:
    """The class that an instance of ``origin`` gets."""
    plain: Any = origin.forward  # type: ignore[attr-defined]

    @functools.wraps(plain)
    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling():  # nothing else that a compiler would have to look into
            return plain(self, *args, **kwargs)
        state = self.__dict__.get(STATE)  # what a swapped class makes itself, a slice of a Sequential, has none
        return plain(self, *args, **kwargs) if state is None else state.forward(self, *args, **kwargs)

    names = {"forward": forward, "_pyconv_origin": origin, "__module__": origin.__module__, "__doc__": origin.__doc__,
             "__qualname__": origin.__qualname__}
    return type(origin.__name__, (_Swapped, origin), names)


def restored(cls: type) -> type:
    """The class before `swapped`; a parametrized class on top of one is built anew on what is below."""
    if not issubclass(cls, _Swapped):
        return cls
    if "_pyconv_origin" in vars(cls):
        return cls._pyconv_origin
    return rebuilt(cls, restored(cls.__bases__[0]))


def rebuilt(cls: type, base: type) -> type:
    """A class like ``cls``, which has a single base, with another base.

    `torch.nn.utils.parametrize` gives an instance a class of that form, and takes it away by going back to the base:
    the swapped class has to stand below it.
    """
    own = {k: v for k, v in vars(cls).items() if k not in ("__dict__", "__weakref__")}
    return type(cls.__name__, (base,), own)


@dataclass(frozen=True)
class LayerReport:
    """One layer: its path in the model, its type, whether it was swapped, the reason if not, and what happened since.

    ``calls`` forward passes ran here; ``fallbacks`` maps reasons to how many forward or backward passes PyTorch did.
    """

    path: str
    type: str
    accelerated: bool
    reason: str
    calls: int
    fallbacks: dict[str, int]

    def __str__(self) -> str:
        told = f"{self.calls} calls" if self.accelerated else f"PyTorch's own: {self.reason}"
        return "; ".join([f"{self.path or '(model)'} ({self.type}): {told}",
                          *(f"{n} by PyTorch: {why}" for why, n in self.fallbacks.items())])


class Report(list):
    """`LayerReport` after `LayerReport`, in the order of the model; as text, one line each."""

    def __str__(self) -> str:
        count = sum(row.accelerated for row in self)
        return "\n".join([f"{count} of {len(self)} layers run on pyconv", *map(str, self)])
