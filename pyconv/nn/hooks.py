"""Hooks of modules: removable handles, and the boundary that a backward hook listens at."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Sequence
from typing import Any

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
    """``values`` with their Tensors passed through one `_Boundary`; ``seen`` gets their gradient arrays."""
    places = [i for i, value in enumerate(values) if isinstance(value, Tensor)]
    if not places:
        return values
    tensors = [values[i] for i in places]
    passed = apply(_Boundary, *tensors, dtypes=tuple(t.dtype for t in tensors))
    passed = passed if isinstance(passed, tuple) else (passed,)
    result = list(values)
    for i, old, new in zip(places, tensors, passed, strict=True):
        new._version = old._version  # the same memory
        if new._node is not None:
            new._node.ctx.extra = seen
        result[i] = new
    return tuple(result)


def with_backward_hooks(module: Any, call: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """Call ``call(*args)`` between two boundaries and run the module's backward hooks when both have been
    passed."""
    got_output: list[tuple[Any, ...]] = []
    records = any(isinstance(a, Tensor) and a.requires_grad for a in args)

    def run_hooks(grad_input: tuple[Any, ...], grad_output: tuple[Any, ...]) -> tuple[Any, ...]:
        for hook in tuple(module._backward_hooks.values()):
            replaced = hook(module, grad_input, grad_output)
            if replaced is not None:
                grad_input = replaced if isinstance(replaced, tuple) else (replaced,)
        return grad_input

    def wrap(gradients: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(None if g is None else Tensor(g) for g in gradients)

    def at_output(gradients: tuple[Any, ...]) -> tuple[Any, ...]:
        got_output.append(wrap(gradients))
        if not records:
            run_hooks((None,) * sum(isinstance(a, Tensor) for a in args), got_output.pop())
        return gradients

    def at_input(gradients: tuple[Any, ...]) -> tuple[Any, ...]:
        replaced = run_hooks(wrap(gradients), got_output.pop() if got_output else ())
        if len(replaced) != len(gradients):
            raise ValueError(
                f"[full_backward_hook] returned {len(replaced)} gradients, expected {len(gradients)}"
            )
        return tuple(g.array if isinstance(g, Tensor) else g for g in replaced)

    result = call(*_boundary(args, at_input))
    if isinstance(result, tuple):
        return _boundary(result, at_output)
    return _boundary((result,), at_output)[0]
