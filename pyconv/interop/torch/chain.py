"""Sequential: what passes from one child to the next is seen by nobody else, so it may lie in channels-last order.

With memory_format="preserve" every layer gives contiguous results for contiguous input, at the price of reordering what
goes in and out. Inside a Sequential that is only needed where its result leaves, or where a hook or a child that pyconv
does not know looks at a tensor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.modules import module as module_internals

from pyconv.interop.torch.gate import mode_obstacle
from pyconv.interop.torch.layer import STATE, Layer
from pyconv.interop.torch.memory import is_channels_last

nn = torch.nn
#: Elementwise: the order of the result is that of the input. (Which elements Dropout drops depends on their order.)
_PASSING = frozenset((nn.Dropout2d, nn.Dropout3d, nn.ELU, nn.GELU, nn.Hardswish, nn.Hardtanh, nn.Identity,
                      nn.LeakyReLU, nn.ReLU, nn.ReLU6, nn.SiLU, nn.Sigmoid, nn.Softplus, nn.Tanh))
_any_global_hook = getattr(module_internals, "_has_any_global_hook", lambda: True)


class Chain:
    """A swapped Sequential."""

    __slots__ = ("origin",)
    channels_last = False

    def __init__(self, origin: type) -> None:
        self.origin = origin

    def __deepcopy__(self, memo: dict) -> Chain:
        return Chain(self.origin)

    def forward(self, module: Any, x: Any, last: bool | None = None) -> Any:
        """The children in turn; ``last``: the result is to be channels-last or not (None: as the input is)."""
        children = tuple(module._modules.values())
        if last is None:
            if type(x) is not torch.Tensor or x.dim() not in (4, 5) or is_channels_last(x) or mode_obstacle():
                return self.origin.forward(module, x)  # type: ignore[attr-defined]
            last = False
        orders, _ = _plan(children, last)
        for child, order in zip(children, orders, strict=True):
            state = child.__dict__.get(STATE)
            x = child(x) if state is None or _watched(child) else state.forward(child, x, last=order)
        return x


def _plan(children: Sequence[Any], last: bool) -> tuple[list[bool], bool]:
    """Per child whether its result may be channels-last, and whether the input may; ``last``: whether the end may."""
    orders = [False] * len(children)
    for i in range(len(children) - 1, -1, -1):
        child = children[i]
        if _watched(child):
            last = False
            continue
        orders[i] = last
        last = _takes(child, last)
    return orders, last


def _takes(child: Any, last: bool) -> bool:
    """Whether an unwatched child's input may be channels-last, if that of its result may or not."""
    state = child.__dict__.get(STATE)
    if isinstance(state, Chain):
        return _plan(tuple(child._modules.values()), last)[1]
    if isinstance(state, Layer):
        return last if getattr(child, "inplace", False) else True
    if type(child) is nn.Flatten:
        return (child.start_dim, child.end_dim) == (1, -1)  # a copy in the order of the axes
    return last and type(child) in _PASSING


def _watched(child: Any) -> bool:
    """Whether a hook sees the child's input or output."""
    return bool(child._forward_hooks or child._forward_pre_hooks or child._backward_hooks or child._backward_pre_hooks
                or child._compiled_call_impl is not None or _any_global_hook())
