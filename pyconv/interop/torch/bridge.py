"""One operation of pyconv inside PyTorch's autograd.

`Call` is the operation with its attributes and its tensors' memory; `Bridge` is the node that PyTorch records for it.
PyTorch keeps what the backward pass needs (`save_for_backward`), so that its checks of values changed in place, its
hooks on saved tensors and its checkpointing work as for its own operations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from pyconv._backend import core
from pyconv.interop.torch.gate import tensor_obstacle, transforming
from pyconv.interop.torch.memory import array, is_channels_last, tensor
from pyconv.pending import whole
from pyconv.tensor import Context, Op

#: The place of an output among what an operation saves; it then saves nothing else.
_OUTPUT = -1


class Call:
    """One run of an operation on tensors (or None), of which the ``constants`` never have a gradient.

    ``reference(*tensors)`` is the same in PyTorch's own operations. Making a call checks shapes and memory; it raises
    a ShapeError, TypeError, ValueError or RuntimeError if pyconv cannot do it.
    """

    __slots__ = ("arrays", "attrs", "channels_last", "constants", "context", "count", "inplace", "keeps_gx",
                 "kept", "op", "places", "reference", "tensors")

    def __init__(self, op: type[Op], attrs: dict[str, Any], tensors: tuple[Any, ...], channels_last: bool,
                 reference: Callable[..., Any], count: Callable[[str], None],
                 constants: tuple[Any, ...] = (), inplace: bool = False) -> None:
        self.inplace = inplace
        self.op, self.attrs, self.channels_last = op, attrs, channels_last
        self.reference, self.count, self.constants = reference, count, len(constants)
        self.tensors = tensors
        self.arrays = [None if t is None else array(t) for t in (*tensors, *constants)]
        record = op.infer([None if a is None else a.shape for a in self.arrays], **attrs)
        self.context = Context(record, attrs, (False,) * len(self.arrays), channels_last)
        self.places: list[int | None] = []
        self.kept: list[Any] = []

    def apply(self) -> Any:
        """Run it, with a node only where a gradient is wanted: without one the call is cheaper by half."""
        if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in self.tensors):
            self.keeps_gx = self.channels_last or is_channels_last(self.tensors[0])
            return (InPlace if self.inplace else Bridge).apply(self, *self.tensors)
        if not self.inplace:
            return self.run()
        (x,) = self.tensors
        self.run(out=self.arrays[0])
        if not x.is_inference():
            torch.autograd.graph.increment_version(x)
        return x

    def run(self, needs: tuple[bool, ...] | None = None, **out: Any) -> torch.Tensor:
        """Forward; what the operation saves is sorted into tensors, by their numbers, and arrays of its own."""
        context, arrays = self.context, self.arrays
        if needs is not None:
            context.needs = needs + context.needs[len(needs):]
        self.tensors, self.arrays = (), []  # PyTorch keeps what the backward pass needs
        y = self.op.forward(context, *arrays, **self.attrs, **out)
        for saved in context.saved or ():
            place = _OUTPUT if saved is y else _place(saved, arrays)
            self.places.append(place)
            self.kept.append(saved if place is None else None)
        context.saved = None
        return tensor(y)

    def backward(self, g: np.ndarray, saved: Sequence[Any], needs: tuple[bool, ...]) -> list[Any]:
        """One gradient per tensor from that of the output; the input's in the memory order of input or output."""
        context = self.context
        context.needs = needs + (False,) * self.constants
        context.saved = tuple([kept if place is None else array(saved[place])
                               for place, kept in zip(self.places, self.kept, strict=True)])
        try:
            gradients = tuple(map(whole, self.op.backward(context, g)))
        finally:
            context.saved = None
        found = [None if g is None or not need else g for g, need in zip(gradients[:len(needs)], needs, strict=True)]
        if found[0] is not None and not self.keeps_gx:
            found[0] = _c_order(found[0])  # whoever looks at it may call view
        return [None if g is None else tensor(g) for g in found]

    def differentiable(self, gy: Any, tensors: Sequence[Any], needs: tuple[bool, ...]) -> list[Any]:
        """The gradients by PyTorch's own operations: recorded when gradients of gradients are wanted."""
        create_graph = torch.is_grad_enabled()
        with torch.enable_grad():
            y = self.reference(*tensors)
            wanted = [t for t, need in zip(tensors, needs, strict=True) if need]
            found = iter(torch.autograd.grad(y, wanted, gy, create_graph=create_graph))
        return [next(found) if need else None for need in needs]


def _place(saved: Any, arrays: Sequence[Any]) -> int | None:
    if saved is not None:
        for i, a in enumerate(arrays):
            if a is saved:
                return i
    return None


def _c_order(a: np.ndarray) -> np.ndarray:
    # Axes of size 1 may have any stride; flat and back again gives them those that C order has.
    return a.reshape(-1).reshape(a.shape) if a.flags.c_contiguous else core.copy(a, False)


class Bridge(torch.autograd.Function):
    """The node in PyTorch's graph."""

    @staticmethod
    def forward(ctx: Any, call: Call, *tensors: Any) -> Any:
        """The tensors are those of the call."""
        y = call.run(tuple(ctx.needs_input_grad[1:]))
        ctx.call = call
        ctx.save_for_backward(*((y,) if _OUTPUT in call.places else tensors))
        return y

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        """By pyconv; by PyTorch where the gradients themselves are to be differentiated or transformed."""
        call, saved, needs = ctx.call, ctx.saved_tensors, tuple(ctx.needs_input_grad[1:])
        g, why = _readable(gy)
        if g is None:
            call.count(why)
            return (None, *call.differentiable(gy, saved, needs))
        return (None, *call.backward(g, saved, needs))


def _readable(gy: Any) -> tuple[np.ndarray | None, str]:
    """The gradient's memory, or None and the reason."""
    if torch.is_grad_enabled():
        return None, "the backward pass is differentiated (create_graph=True)"
    why = "the backward pass is transformed by torch.func" if transforming() else tensor_obstacle(gy, "the gradient")
    if why is None:
        try:
            return array(gy), ""
        except RuntimeError as error:  # a batch of gradients, which has no memory of its own
            why = f"the gradient has no memory that numpy can see: {error}"
    return None, why


class InPlace(torch.autograd.Function):
    """The same for an operation of one tensor that writes into its input."""

    @staticmethod
    def forward(ctx: Any, call: Call, x: Any) -> Any:
        """Returns the input, marked as changed."""
        call.run(tuple(ctx.needs_input_grad[1:]), out=call.arrays[0])
        ctx.call = call
        ctx.mark_dirty(x)
        ctx.save_for_backward(x)
        return x

    backward = Bridge.backward
