"""Devices: ``cpu``, and ``meta`` for tensors that are a shape without memory."""

from __future__ import annotations


class device:
    """Where a tensor lives: ``device("cpu")`` or ``device("meta")``. Raises ValueError for any other.

    >>> device("cpu")
    device(type='cpu')
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
