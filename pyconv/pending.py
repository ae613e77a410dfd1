"""A result that is computed when it is needed, or together with what comes next: relu(bn(x)) in one pass.

`batch_norm` takes its statistics at once, but writes its output later: an operation that has ``takes_pending`` gets the
`Pending` tensor itself and may compute both in one pass over memory; for everybody else it becomes an ordinary tensor
at the first look at its values. The tape is the same either way, and so are the bits. On the way back a `Masked` gradient
is masked by who reads it, and a `PendingGradient` is added and masked by the convolution that writes it.

What the values come from must not change meanwhile. Only memory that no array and no other tensor shares is waited for
(`unshared`); whatever changes a tensor in place, or hands its memory out, calls `settle` first.
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from pyconv._backend import core
from pyconv.tensor import Array, Shape, Tensor

_memory: Any = Tensor.__dict__["_array"]  # the slot that the class below hides
_waiting: deque[weakref.ref[Pending]] = deque()  # among them those that have values by now, or are gone:
_MANY = 64  # from this length on, two are looked at for each that comes
_settling = threading.RLock()  # held while some are computed: another thread may be about to change what they come from


class Pending(Tensor):
    """A tensor whose values ``make(residual, relu)`` gives; an ordinary one as soon as somebody has asked for them."""

    __slots__ = ()
    pending = True

    def __init__(self, shape: Shape, dtype: Any, make: Callable[[Array | None, bool], Array]) -> None:
        _memory.__set__(self, None)
        self._meta = (shape, dtype, make)
        self._version = [0]
        self._node = self._hooks = self._ready_hooks = self.grad = None
        self._slot = 0
        self.requires_grad = False
        if len(_waiting) >= _MANY:
            _forget_some()
        _waiting.append(weakref.ref(self))

    @property
    def shape(self) -> Shape:
        """Sizes of the axes."""
        return self._meta[0]

    @property
    def dtype(self) -> Any:
        """Element type, a numpy dtype."""
        return self._meta[1]

    @property
    def is_meta(self) -> bool:
        """Never: the values are only late."""
        return False

    @property
    def _array(self) -> Array:
        waiting = self._meta
        if waiting is not None:  # None: another thread has been here meanwhile
            self.become(waiting[2](None, False))
        return _memory.__get__(self)

    @_array.setter
    def _array(self, array: Array) -> None:
        self.become(array)

    def values(self, residual: Array | None = None, relu: bool = False) -> Array:
        """The values plus ``residual``, and max(0, that) with ``relu``, in one pass; this tensor stays as it is."""
        return self._meta[2](residual, relu)

    def become(self, array: Array) -> None:
        """An ordinary tensor with these values."""
        _memory.__set__(self, array)  # first: whoever sees an ordinary tensor sees its values
        self.__class__ = Tensor  # type: ignore[assignment]
        self._meta = None


def _next() -> weakref.ref[Pending] | None:
    try:
        return _waiting.popleft()
    except IndexError:  # none are left, or another thread has taken the last
        return None


def _forget_some() -> None:
    for _ in range(2):
        waiting = _next()
        if waiting is not None and getattr(waiting(), "pending", False):
            _waiting.append(waiting)


def settle() -> None:
    """Compute what still waits: called before memory changes in place or is handed out."""
    with _settling:
        while waiting := _next():
            tensor = waiting()
            if tensor is not None and tensor.pending:
                tensor.array  # noqa: B018


def _unlock() -> None:
    global _settling
    _settling = threading.RLock()


if hasattr(os, "register_at_fork"):  # the child has none of the threads that may hold it
    os.register_at_fork(after_in_child=_unlock)


class Masked:
    """A gradient still to be masked, ``relu_grad(gy, y)``: for an operation whose backward ``takes_masked``."""

    __slots__ = ("gy", "y")

    def __init__(self, gy: Array, y: Array) -> None:
        self.gy = gy
        self.y = y


class PendingGradient:
    """A gradient that ``make(residual, mask)`` computes: together with another that is added to it, and with the mask
    of the ReLU through which it goes next, in one pass. It waits no longer than until the next step of the walk."""

    __slots__ = ("make", "residual")

    def __init__(self, make: Callable[[Array | None, Array | None], Array], residual: Array | None = None) -> None:
        self.make = make
        self.residual = residual

    def plus(self, residual: Array) -> PendingGradient:
        """The sum with a gradient that is there already."""
        return PendingGradient(self.make, residual)

    def values(self, mask: Array | None = None) -> Array:
        """The gradient, ``relu_grad(gradient, mask)`` with a mask."""
        return self.make(self.residual, mask)


def whole(gradient: Any) -> Any:
    """The gradient as an array."""
    if type(gradient) is Masked:
        return core.binary("relu_grad", gradient.gy, gradient.y, True)
    return gradient.values() if type(gradient) is PendingGradient else gradient


def _references(x: Tensor) -> int:
    return sys.getrefcount(x._array)


_ALONE = _references(Tensor(core.empty((1,), np.dtype("float32"), False)))


def unshared(x: Tensor) -> bool:
    """Whether the tensor's memory is of ours, and nobody but the tensor holds it."""
    return _references(x) == _ALONE and core.owns(x._array)
