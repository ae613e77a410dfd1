"""``out=``: a result into memory that the caller already has."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np

from pyconv._backend import core
from pyconv.errors import ShapeError
from pyconv.grad_mode import no_grad
from pyconv.ops.operands import text
from pyconv.pending import settle
from pyconv.tensor import Context, Op, Tensor, listeners, mode

_NOTE = """

    ``out``: a Tensor or array of the result's shape and dtype that is filled and returned; its memory may be that of
    an operand. Raises RuntimeError where a gradient would have to be recorded.
    """


F = TypeVar("F", bound=Callable[..., Any])


def takes_out(function: F) -> F:
    """Decorate a function of one result with a keyword ``out``: the result is copied there."""
    return _with_out(function, lambda value: value)


def takes_out_in_order(function: F) -> F:
    """`takes_out` for a driver that works channels-last whatever it gets: for arrays in C order the way into ``out``
    is the one conversion that the call makes anyway."""
    return _with_out(function, _tensor)


def _with_out(function: F, given: Callable[[Any], Any]) -> F:

    @functools.wraps(function)
    def call(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        if out is None:
            return function(*args, **kwargs)
        name = function.__name__
        _check_memory(name, out, (*args, *kwargs.values()))
        with no_grad():
            result = function(*map(given, args), **{k: given(v) for k, v in kwargs.items()})
        if isinstance(result, tuple):
            raise ValueError(f"[{name}] out is given, but this call has {len(result)} results")
        _check_result(name, out, result.shape, result.dtype)
        settle()
        core.assign(_memory(out), _memory(result))
        return _written(out)

    signature = inspect.signature(function)
    call.__signature__ = signature.replace(parameters=[  # type: ignore[attr-defined]
        *signature.parameters.values(), inspect.Parameter("out", inspect.Parameter.KEYWORD_ONLY, default=None)])
    call.__doc__ = f"{(function.__doc__ or '').rstrip()}{_NOTE}"
    return cast(F, call)


def into(op: type[Op], out: Any, *inputs: Any, **attrs: Any) -> Any:
    """Run an elementwise operation whose kernel writes to ``out`` itself: no memory of its own, no second pass."""
    for x in inputs:
        if x is not None and not isinstance(x, (Tensor, np.ndarray)):
            raise TypeError(f"[{op.name}] got {type(x).__name__}, expected Tensors or numpy arrays")
    _check_memory(op.name, out, inputs)
    settle()
    arrays = [x.array if isinstance(x, Tensor) else x for x in inputs]
    memory = _memory(out)
    record = op.infer([None if a is None else a.shape for a in arrays], **attrs)
    _check_result(op.name, out, record.shapes[0], out.dtype)
    ctx = Context(record, attrs, (False,) * len(inputs), True)
    op.forward(ctx, *[_apart(a, memory) for a in arrays], out=memory, **attrs)
    if any(isinstance(x, Tensor) for x in (out, *inputs)):  # arrays alone are nobody's business, as at the gate
        for listener in listeners:
            listener.on_forward(op, ctx, inputs, (out if isinstance(out, Tensor) else Tensor(memory),))
    return _written(out)


def _apart(array: Any, memory: np.ndarray) -> Any:
    """An operand as the kernel may read it while it writes: the very same elements, or none of them."""
    if array is None or not np.may_share_memory(array, memory):
        return array
    same = (array.shape == memory.shape and array.strides == memory.strides and array.dtype == memory.dtype
            and array.__array_interface__["data"][0] == memory.__array_interface__["data"][0])
    return array if same else core.copy(array, True)


def _tensor(value: Any) -> Any:
    """An array as a Tensor, so that the result stays in its driver's order."""
    return Tensor(value) if isinstance(value, np.ndarray) else value


def _memory(out: Any) -> np.ndarray:
    return out.array if isinstance(out, Tensor) else out


def _check_memory(name: str, out: Any, inputs: tuple[Any, ...]) -> None:
    if not isinstance(out, (Tensor, np.ndarray)):
        raise TypeError(f"[{name}] out is {type(out).__name__}, expected a Tensor or a numpy array")
    if isinstance(out, Tensor) and out.is_meta:
        raise RuntimeError(f"[{name}] out is a meta tensor, which has no memory for a result")
    memory = _memory(out)
    if not memory.flags.writeable:
        raise ValueError(f"[{name}] out is read-only")
    if _overlaps(memory):
        raise ValueError(f"[{name}] out has elements that share memory (shape {memory.shape}, strides {memory.strides})")
    tensors = [t for x in (out, *inputs) for t in (x if isinstance(x, (list, tuple)) else (x,)) if isinstance(t, Tensor)]
    if mode.grad and any(t.requires_grad for t in tensors):
        raise RuntimeError(f"[{name}] out cannot be recorded for a gradient: leave it out, or use no_grad()")


def _overlaps(memory: np.ndarray) -> bool:
    """Whether an axis steps over less than what the axes of smaller steps cover, as in an expanded array."""
    reach = memory.itemsize
    for step, size in sorted((abs(s), n) for s, n in zip(memory.strides, memory.shape, strict=True) if n != 1):
        if step < reach:
            return memory.size > 0
        reach += step * (size - 1)
    return False


def _check_result(name: str, out: Any, shape: tuple[int, ...], dtype: np.dtype) -> None:
    if tuple(out.shape) != tuple(shape):
        raise ShapeError(f"[{name}] out has shape {text(tuple(out.shape))}, expected {text(tuple(shape))}")
    if out.dtype != dtype:
        raise TypeError(f"[{name}] out has dtype {out.dtype}, expected {dtype}")


def _written(out: Any) -> Any:
    if isinstance(out, Tensor):
        out._version[0] += 1
    return out
