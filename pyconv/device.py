"""Devices: ``cpu``, and ``meta`` for tensors that are a shape without memory."""

from __future__ import annotations

import threading


class _Default(threading.local):
    """The devices of the ``with`` blocks that this thread is in, the innermost last."""

    def __init__(self) -> None:
        self.stack = [device("cpu")]


class device:
    """Where a tensor lives: ``device("cpu")`` or ``device("meta")``. Raises ValueError for any other.

    As a context manager, it is where the tensors and modules made within it live, unless they name a device
    themselves; for the thread that enters it alone.

    >>> device("cpu")
    device(type='cpu')
    >>> from pyconv import nn
    >>> with device("meta"):
    ...     layer = nn.Linear(100_000, 10_000)  # 10^9 weights, no memory
    >>> layer.weight.device
    device(type='meta')
    """

    __slots__ = ("type",)
    index = None

    def __init__(self, type: str | device = "cpu") -> None:
        name = type.type if isinstance(type, device) else type
        if name not in ("cpu", "meta"):
            raise ValueError(f"[device] type is {name!r}, expected 'cpu' or 'meta'")
        self.type: str = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and other.type == self.type

    def __hash__(self) -> int:
        return hash(self.type)

    def __repr__(self) -> str:
        return f"device(type={self.type!r})"

    def __str__(self) -> str:
        return self.type

    def __enter__(self) -> device:
        _default.stack.append(self)
        return self

    def __exit__(self, *exception: object) -> None:
        _default.stack.pop()


_default = _Default()


def chosen(argument: str | device | None) -> device:
    """The device that an argument names; for None that of the ``with`` block around, or the CPU."""
    return _default.stack[-1] if argument is None else device(argument)
