"""What pyconv can compute on: looked up at every call, since dtype, device and PyTorch's modes change at run time.

Each function returns None, or the reason for which PyTorch's own code has to run. They cost a few hundred
nanoseconds together, which is why they ask for types and flags alone.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd import forward_ad

_PLAIN = (torch.Tensor, torch.nn.Parameter)


def _nothing() -> None:
    return None


def _none_active() -> int:
    return 0


# Not public, but what PyTorch itself asks for; a version without them has no such state either.
_tracing = getattr(torch._C, "_get_tracing_state", _nothing)
_functorch = getattr(getattr(torch._C, "_functorch", None), "peek_interpreter_stack", _nothing)
_dispatch_modes = getattr(torch._C, "_len_torch_dispatch_stack", _none_active)
_function_modes = getattr(torch._C, "_len_torch_function_stack", _none_active)
_function_mode_at = getattr(torch._C, "_get_function_stack_at", None)


def transforming() -> bool:
    """Whether torch.func (vmap, grad, ...) stands between the caller and memory."""
    return _functorch() is not None


def mode_obstacle() -> str | None:
    """The mode of PyTorch that wants to see its own operations."""
    if torch.is_autocast_enabled("cpu"):
        return "autocast is on"
    if _tracing() is not None:
        return "torch.jit.trace is recording"
    if _functorch() is not None:
        return "a torch.func transform (vmap, grad, ...) is active"
    if _dispatch_modes():
        return "a dispatch mode (fake tensors, counters, ...) is active"
    if _function_modes() and any(type(mode).__name__ != "DeviceContext" for mode in _function_mode_stack()):
        return "a torch function mode is active"
    if forward_ad._current_level >= 0:
        return "forward-mode differentiation is active"
    return None


def _function_mode_stack() -> list[Any]:
    # DeviceContext is that of set_default_device, which changes nothing about a layer.
    return [] if _function_mode_at is None else [_function_mode_at(i) for i in range(_function_modes())]


def tensor_obstacle(tensor: Any, what: str) -> str | None:
    """Whether the tensor's memory is dense float32 in this process; "input is torch.float64, not float32"."""
    if type(tensor) not in _PLAIN:
        return f"{what} is {_article(type(tensor).__name__)}, not a plain Tensor"
    if tensor.dtype is not torch.float32:
        return f"{what} is {tensor.dtype}, not float32"
    if not tensor.is_cpu:
        return f"{what} is on {tensor.device}, not on the CPU"
    if tensor.layout is not torch.strided:
        return f"{what} has layout {tensor.layout}, not strided"
    return None


def _article(name: str) -> str:
    return f"{'an' if name[:1] in 'AEIOU' else 'a'} {name}"
