"""Whether operations are recorded: ``no_grad``, ``enable_grad``, ``set_grad_enabled``. Per thread."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from pyconv.tensor import mode


class set_grad_enabled:
    """Record operations from now on, or not; as a context manager or decorator, within it.

    >>> import pyconv
    >>> x = pyconv.ones(2, requires_grad=True)
    >>> with pyconv.set_grad_enabled(False):
    ...     (x.reshape(1, 2)).requires_grad
    False
    """

    def __init__(self, enabled: bool) -> None:
        self._enabled = bool(enabled)
        self._before = mode.grad
        mode.grad = self._enabled

    def __enter__(self) -> None:
        mode.grad = self._enabled

    def __exit__(self, *exception: object) -> None:
        mode.grad = self._before

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Decorate a function: the mode holds while it runs."""
        mode.grad = self._before  # decorating changes nothing outside the function
        return _within(function, self._enabled)


class _Fixed:
    _value = False

    def __init__(self) -> None:
        self._before: list[bool] = []

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        return super().__new__(cls) if function is None else _within(function, cls._value)

    def __enter__(self) -> None:
        self._before.append(mode.grad)
        mode.grad = self._value

    def __exit__(self, *exception: object) -> None:
        mode.grad = self._before.pop()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Decorate a function: the mode holds while it runs."""
        return _within(function, self._value)


class no_grad(_Fixed):
    """Record nothing within; a context manager or a decorator (with or without parentheses).

    >>> import pyconv
    >>> x = pyconv.ones(2, requires_grad=True)
    >>> with pyconv.no_grad():
    ...     x.reshape(1, 2).requires_grad
    False
    """

    _value = False


class enable_grad(_Fixed):
    """Record within, also inside `no_grad`; a context manager or a decorator."""

    _value = True


def is_grad_enabled() -> bool:
    """Whether operations are recorded in this thread now."""
    return mode.grad


def _within(function: Callable[..., Any], enabled: bool) -> Callable[..., Any]:
    if not callable(function):
        raise TypeError(f"[no_grad] got {type(function).__name__}, expected a function to decorate")
    if inspect.isgeneratorfunction(function):
        return _generator_within(function, enabled)

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        before, mode.grad = mode.grad, enabled
        try:
            return function(*args, **kwargs)
        finally:
            mode.grad = before

    return wrapped


def _generator_within(function: Callable[..., Any], enabled: bool) -> Callable[..., Any]:
    """The mode holds while the generator runs, not while its consumer does."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        iterator = function(*args, **kwargs)
        while True:
            before, mode.grad = mode.grad, enabled
            try:
                value = next(iterator)
            except StopIteration as stop:
                return stop.value
            finally:
                mode.grad = before
            yield value

    return wrapped
