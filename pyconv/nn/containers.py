"""Modules that hold modules."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pyconv.nn import functional
from pyconv.nn.module import Module


def _position(container: Module, index: Any) -> int:
    """``index``, negative ones counted from the end. Raises TypeError, or IndexError out of range."""
    name, size = type(container).__name__, len(container._modules)
    try:
        number = operator.index(index)
    except TypeError:
        raise TypeError(f"[{name}] index is {type(index).__name__}, expected an int or a slice") from None
    if not -size <= number < size:
        raise IndexError(f"[{name}] index {number} is out of range for {size} modules")
    return number % size


def _module(container: Module, value: Any) -> Module:
    if not isinstance(value, Module):
        raise TypeError(f"[{type(container).__name__}] got {type(value).__name__}, expected a Module")
    return value


class _Numbered(Module):
    """What Sequential and ModuleList share: submodules in order, named "0", "1", ... unless given other
    names."""

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self._like(list(self._modules.items())[index])
        return list(self._modules.values())[_position(self, index)]

    def __setitem__(self, index: int, module: Module) -> None:
        self._modules[list(self._modules)[_position(self, index)]] = _module(self, module)

    def __delitem__(self, index: int | slice) -> None:
        names = list(self._modules)
        gone = names[index] if isinstance(index, slice) else [names[_position(self, index)]]
        self._renumber([(name, m) for name, m in self._modules.items() if name not in gone])

    def _like(self, items: list[tuple[str, Module]]) -> Any:
        raise NotImplementedError

    def _renumber(self, items: list[tuple[str, Module]]) -> None:
        """Hold exactly ``items``; names that are numbers become positions again."""
        named = {(str(i) if name.isdigit() else name): module for i, (name, module) in enumerate(items)}
        self._modules.clear()
        self._modules.update(named)

    def append(self, module: Module) -> Any:
        """Add a module at the end; returns the container."""
        self.add_module(str(len(self)), _module(self, module))
        return self

    def extend(self, modules: Iterable[Module]) -> Any:
        """Add modules at the end; returns the container."""
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Any:
        """Put a module in front of position ``index`` (up to the length); returns the container."""
        size = len(self)
        position = size if operator.index(index) == size else _position(self, index)
        items = list(self._modules.items())
        items.insert(position, (str(position), _module(self, module)))
        self._renumber(items)
        return self

    def pop(self, index: int = -1) -> Module:
        """Take the module at ``index`` out and return it."""
        module = self[_position(self, index)]
        del self[index]
        return module


class Sequential(_Numbered):
    """Modules called one after the other: ``Sequential(a, b)(x)`` is ``b(a(x))``.

    Takes modules, or one mapping of names to modules. A slice is a Sequential of the same modules. Raises
    TypeError for anything that is no Module.

    >>> from pyconv import nn
    >>> nn.Sequential(nn.Flatten(), nn.Identity())
    Sequential(
      (0): Flatten(start_dim=1, end_dim=-1)
      (1): Identity()
    )
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            for name, module in args[0].items():
                self.add_module(name, _module(self, module))
        else:
            self.extend(args)

    def _like(self, items: list[tuple[str, Module]]) -> Sequential:
        return Sequential(dict(items))

    def forward(self, x: Any) -> Any:
        """Call the modules in order."""
        for module in self._modules.values():
            x = module(x)
        return x


class ModuleList(_Numbered):
    """A list whose modules are registered. It has no forward.

    >>> from pyconv import nn
    >>> len(nn.ModuleList([nn.Identity()]).append(nn.Flatten()))
    2
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(modules or ())

    def _like(self, items: list[tuple[str, Module]]) -> ModuleList:
        return ModuleList([module for _, module in items])

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def __iadd__(self, other: Iterable[Module]) -> ModuleList:
        return self.extend(other)


class ModuleDict(Module):
    """A dict whose modules are registered. It has no forward.

    >>> from pyconv import nn
    >>> list(nn.ModuleDict({"flat": nn.Flatten()}).keys())
    ['flat']
    """

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None) -> None:
        super().__init__()
        self.update(modules or {})

    def __getitem__(self, key: str) -> Module:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, _module(self, module))

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: object) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Take all modules out."""
        self._modules.clear()

    def pop(self, key: str) -> Module:
        """Take one module out and return it."""
        return self._modules.pop(key)

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._modules.keys()

    def values(self) -> Iterable[Module]:
        """The modules."""
        return self._modules.values()

    def items(self) -> Iterable[tuple[str, Module]]:
        """Names and modules."""
        return self._modules.items()

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Add or replace modules, from a mapping or from pairs."""
        for key, module in dict(modules).items():
            self[key] = module


class Identity(Module):
    """Returns its argument; constructor arguments are ignored, as in PyTorch.

    >>> from pyconv import nn
    >>> nn.Identity()(3)
    3
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, x: Any) -> Any:
        """Return ``x``."""
        return x


class Flatten(Module):
    """Flattens axes ``start_dim`` to ``end_dim`` into one: (N, C, H, W) to (N, C*H*W) by default.

    >>> from pyconv import nn
    >>> nn.Flatten()
    Flatten(start_dim=1, end_dim=-1)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, x: Any) -> Any:
        """(N, *) to (N, product of *)."""
        return functional.flatten(x, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"
