"""Hooks of modules: removable handles, and the boundary that a backward hook listens at."""

from __future__ import annotations

import itertools
import warnings
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from pyconv.errors import ShapeError
from pyconv.tensor import Context, Op, Record, Shape, Tensor, apply

_ids = itertools.count()


class RemovableHandle:
    """What registering a hook returns; ``remove()``, or the end of a ``with`` block, takes the hook away."""

    def __init__(self, hooks: dict[int, Any]) -> None:
        self.id = next(_ids)
        self._hooks = weakref.ref(hooks)

    def remove(self) -> None:
        """Take the hook away; a second time does nothing."""
        hooks = self._hooks()
        if hooks is not None:
            hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


class Hooks(dict[int, Any]):
    """Hooks by the number of their handle, in the order in which they run."""

    def add(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Register ``hook``, first of all if ``prepend``."""
        if not callable(hook):
            raise TypeError(f"[register_hook] hook is {type(hook).__name__}, expected a callable")
        handle = RemovableHandle(self)
        while handle.id in self:  # hooks that were unpickled bring the numbers of another process
            handle.id = next(_ids)
        others = dict(self) if prepend else {}
        for key in others:
            del self[key]
        self[handle.id] = hook
        self.update(others)
        return handle


class _Boundary(Op):
    """The identity of several tensors; its backward sees all their gradients at once."""

    name = "module_boundary"

    @staticmethod
    def infer(shapes: Sequence[Shape | None], **attrs: Any) -> Record:
        return Record(tuple(s for s in shapes if s is not None), attrs["dtypes"])

    @staticmethod
    def forward(ctx: Context, *arrays: Any, **attrs: Any) -> Any:
        return arrays

    @staticmethod
    def backward(ctx: Context, *gradients: Any) -> tuple[Any, ...]:
        return ctx.extra(gradients)


def _boundary(values: tuple[Any, ...], seen: Callable[[tuple[Any, ...]], tuple[Any, ...]]) -> tuple[Any, ...]:
    """``values`` with their Tensors that require a gradient passed through one `_Boundary`.

    ``seen`` gets one gradient per value, None for those that have none, and returns as many.
    """
    places = [i for i, value in enumerate(values) if isinstance(value, Tensor) and value.requires_grad]
    if not places:
        return values
    tensors = [values[i] for i in places]
    passed = apply(_Boundary, *tensors, dtypes=tuple(t.dtype for t in tensors))
    passed = passed if isinstance(passed, tuple) else (passed,)

    def spread(gradients: tuple[Any, ...]) -> tuple[Any, ...]:
        full: list[Any] = [None] * len(values)
        for i, gradient in zip(places, gradients, strict=True):
            full[i] = None if gradient is None else Tensor(gradient)
        changed = seen(tuple(full))
        return tuple(g.array if isinstance(g, Tensor) else g for g in (changed[i] for i in places))

    result = list(values)
    for i, old, new in zip(places, tensors, passed, strict=True):
        new._version = old._version  # the same memory
        if new._node is not None:
            new._node.ctx.extra = spread
        result[i] = new
    return tuple(result)


def _replaced(what: str, hooks: Hooks, gradients: tuple[Any, ...], call: Callable[..., Any]) -> tuple[Any, ...]:
    """The gradients after hooks that may return others."""
    for hook in tuple(hooks.values()):
        changed = call(hook, gradients)
        if changed is None:
            continue
        changed = changed if isinstance(changed, tuple) else (changed,)
        if len(changed) != len(gradients):
            raise ShapeError(f"[{what}] returned {len(changed)} gradients, expected {len(gradients)}")
        gradients = changed
    return gradients


def with_backward_hooks(module: Any, call: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """Call ``call(*args)`` between two boundaries and run the module's backward hooks when both have been
    passed."""
    got_output: list[tuple[Any, ...]] = []
    records = any(isinstance(a, Tensor) and a.requires_grad for a in args)

    def run_hooks(grad_input: tuple[Any, ...], grad_output: tuple[Any, ...]) -> tuple[Any, ...]:
        return _replaced("full_backward_hook", module._backward_hooks, grad_input,
                         lambda hook, gradients: hook(module, gradients, grad_output))

    def at_output(gradients: tuple[Any, ...]) -> tuple[Any, ...]:
        gradients = _replaced("full_backward_pre_hook", module._backward_pre_hooks, gradients,
                              lambda hook, given: hook(module, given))
        got_output.append(gradients)
        if not records:
            run_hooks((None,) * len(args), got_output.pop())
        return gradients

    def at_input(gradients: tuple[Any, ...]) -> tuple[Any, ...]:
        return run_hooks(gradients, got_output.pop() if got_output else ())

    result = call(*_boundary(args, at_input))
    if type(result) in (tuple, list):
        return type(result)(_boundary(tuple(result), at_output))
    if type(result) is dict:
        return dict(zip(result, _boundary(tuple(result.values()), at_output), strict=True))
    return _boundary((result,), at_output)[0]


def call_with_hooks(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``module.forward(*args, **kwargs)`` with all its hooks around it."""
    done: set[int] = set()
    result = None
    try:
        args, kwargs = _run_pre_hooks(module, args, kwargs)
        if module._backward_hooks or module._backward_pre_hooks:
            result = with_backward_hooks(module, lambda *inputs: module.forward(*inputs, **kwargs), args)
        else:
            result = module.forward(*args, **kwargs)
        for key, hook in tuple(module._forward_hooks.items()):
            done.add(key)
            changed = _run_forward_hook(module, key, hook, args, kwargs, result)
            if changed is not None:
                result = changed
        return result
    except Exception:
        for key, hook in tuple(module._forward_hooks.items()):
            if key in done or key not in module._always_called:
                continue
            try:
                _run_forward_hook(module, key, hook, args, kwargs, result)
            except Exception as error:
                warnings.warn(f"[forward_hook] a hook with always_call=True failed in its turn: {error}",
                              RuntimeWarning, stacklevel=2)
        raise


def _run_pre_hooks(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    """The arguments that forward is to get."""
    for key, hook in tuple(module._forward_pre_hooks.items()):
        if key not in module._with_kwargs:
            changed = hook(module, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
            continue
        changed = hook(module, args, kwargs)
        if changed is not None:
            if not isinstance(changed, tuple) or len(changed) != 2:
                raise RuntimeError(f"[forward_pre_hook] with_kwargs=True: the hook returned {type(changed).__name__}, "
                                   "expected None or (args, kwargs)")
            args, kwargs = changed
    return args, kwargs


def _run_forward_hook(module: Any, key: int, hook: Any, args: Any, kwargs: Any, result: Any) -> Any:
    return hook(module, args, kwargs, result) if key in module._with_kwargs else hook(module, args, result)
