"""`Function`: an operation written by the user, with its own backward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pyconv.errors import ShapeError
from pyconv.tensor import FLOATS, Array, Context, Op, Record, Shape, Tensor, apply, mode


class FunctionCtx:
    """What a `Function`'s forward leaves for its backward; any attribute may be set on it besides."""

    def __init__(self, needs: tuple[bool, ...]) -> None:
        #: Per argument of forward: whether its gradient is wanted.
        self.needs_input_grad = needs
        self._saved: list[tuple[Array, list[int]] | None] = []  # during forward, and again during backward
        self._versions: list[list[int] | None] = []
        self._frozen: set[int] = set()  # ids of outputs without gradient
        self._materialize = True

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors for backward; a later change in place to one of them is an error there."""
        for i, t in enumerate(tensors):
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(f"[save_for_backward] argument {i} is {type(t).__name__}, expected a Tensor or None")
        self._saved = [None if t is None else (t.array, t._version) for t in tensors]

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """The tensors given to `save_for_backward`, without their graph."""
        return tuple(None if s is None else Tensor(s[0], version=s[1]) for s in self._saved)

    def _stow(self) -> tuple[Array | None, ...]:
        """Hand the saved arrays over to the tape, which frees them after the backward pass."""
        arrays = tuple(None if s is None else s[0] for s in self._saved)
        self._versions = [None if s is None else s[1] for s in self._saved]
        self._saved = []
        return arrays

    def _unstow(self, arrays: Sequence[Array | None]) -> None:
        self._saved = [None if a is None or v is None else (a, v) for a, v in zip(arrays, self._versions, strict=True)]

    def mark_non_differentiable(self, *outputs: Tensor) -> None:
        """These outputs of forward have no gradient."""
        self._frozen = {id(t) for t in outputs}

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward gets zeros (the default) or None for an output that no gradient arrived for."""
        self._materialize = bool(value)

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Not supported: raises NotImplementedError."""
        raise NotImplementedError("[Function] mark_dirty: a forward that changes its input is not supported")


class _Call:
    """One application, on its way through the gate."""

    def __init__(self, function: type[Function], ctx: FunctionCtx, outputs: list[Tensor], slots: list[int | None],
                 tensors: list[int]) -> None:
        self.function = function
        self.ctx = ctx
        self.outputs = outputs  # the Tensors that forward returned
        self.slots = slots  # per value that forward returned: its number among the Tensors, or None
        self.tensors = tensors  # which arguments of forward were Tensors


class Function:
    """Base of user-written operations, used as in PyTorch: subclass, write two static methods, call ``apply``.

    ``forward(ctx, *args)`` computes with Tensors (nothing is recorded meanwhile) and returns one or a tuple;
    ``backward(ctx, *gradients)`` returns one gradient, or None, per argument of forward. Alternatively
    ``forward(*args)`` with ``setup_context(ctx, inputs, output)``.

    >>> import pyconv as pc
    >>> class Cube(pc.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x * x
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return g * x * x * 3
    >>> x = pc.tensor([2.0], requires_grad=True)
    >>> Cube.apply(x).backward()
    >>> x.grad.tolist()
    [12.0]
    """

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the output from the arguments of ``apply``."""
        raise NotImplementedError("[Function] a subclass must define the static method forward")

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        """Return one gradient per argument of forward."""
        raise NotImplementedError("[Function] a subclass must define the static method backward")

    setup_context: Any = None

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Run forward and record it. Raises what forward raises; RuntimeError or ShapeError for a wrong backward."""
        ctx = FunctionCtx(tuple(isinstance(a, Tensor) and a.requires_grad and mode.grad for a in args))
        before = mode.grad
        mode.grad = False
        try:
            if cls.setup_context is None:
                result = cls.forward(ctx, *args)
            else:
                result = cls.forward(*args)
                cls.setup_context(ctx, args, result)
        finally:
            mode.grad = before
        values = list(result) if isinstance(result, (tuple, list)) else [result]
        outputs = [v for v in values if isinstance(v, Tensor)]
        numbers = iter(range(len(outputs)))
        slots = [next(numbers) if isinstance(v, Tensor) else None for v in values]
        tensors = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        if not tensors or not outputs:
            return result
        through = apply(_FunctionOp.named(cls), *[args[i] for i in tensors],
                        call=_Call(cls, ctx, outputs, slots, tensors))
        passed = iter(through if isinstance(through, tuple) else (through,))
        final = []
        for value in values:
            new = next(passed) if isinstance(value, Tensor) else value
            if id(value) in ctx._frozen:
                new.requires_grad = False
                new._node = None
            final.append(new)
        return tuple(final) if isinstance(result, (tuple, list)) else final[0]


class _FunctionOp(Op):
    """Carries a `Function` through the gate."""

    @staticmethod
    def named(function: type[Function]) -> type[_FunctionOp]:
        if "_op" not in function.__dict__:
            function._op = type(function.__name__, (_FunctionOp,), {"name": function.__name__})  # type: ignore[attr-defined]
        return function._op  # type: ignore[attr-defined]

    @staticmethod
    def infer(shapes: Sequence[Shape | None], *, call: _Call) -> Record:
        return Record(tuple(t.shape for t in call.outputs), tuple(t.dtype for t in call.outputs))

    @staticmethod
    def forward(ctx: Context, *arrays: Array, call: _Call) -> tuple[Array, ...]:
        ctx.saved = call.ctx._stow()
        ctx.checks = [(version, version[0]) for version in call.ctx._versions if version is not None]
        ctx.record = ctx.record._replace(core=[(a.shape, a.dtype) for a in arrays])
        outputs = [t.array for t in call.outputs]
        call.outputs = []
        # An input returned as it is: a tensor of its own, so that each has its own version.
        return tuple(o.copy(order="K") if any(o is a for a in arrays) else o for o in outputs)

    @staticmethod
    def backward(ctx: Context, *gradients: Array | None) -> tuple[Array | None, ...]:
        call: _Call = ctx.attrs["call"]
        name = call.function.__name__
        dtypes = ctx.record.dtypes or ()
        args = []
        for slot in call.slots:
            array = None if slot is None else gradients[slot]
            if slot is not None and array is None and call.ctx._materialize and np.dtype(dtypes[slot]) in FLOATS:
                array = np.zeros(ctx.record.shapes[slot], dtypes[slot])
            args.append(None if array is None else Tensor(array))
        call.ctx._unstow(ctx.saved or ())
        try:
            result = call.function.backward(call.ctx, *args)
        finally:
            call.ctx._saved = []
        results = list(result) if isinstance(result, (tuple, list)) else [result]
        count = len(call.ctx.needs_input_grad)
        if len(results) < count or any(r is not None for r in results[count:]):
            raise RuntimeError(f"[{name}] backward returned {len(results)} gradients, expected {count}: one for each "
                               "argument of forward")
        arrays: list[Array | None] = []
        for number, (shape, dtype) in zip(call.tensors, ctx.record.core, strict=True):
            gradient = results[number]
            if gradient is None:
                arrays.append(None)
                continue
            if not isinstance(gradient, Tensor):
                raise TypeError(f"[{name}] backward returned {type(gradient).__name__} for argument {number}, "
                                "expected a Tensor or None")
            if gradient.shape != shape:
                raise ShapeError(f"[{name}] backward returned shape {gradient.shape} for argument {number}, "
                                 f"expected {shape}")
            if gradient.dtype != dtype and dtype in FLOATS:
                raise TypeError(f"[{name}] backward returned dtype {gradient.dtype} for argument {number}, "
                                f"expected {dtype}")
            arrays.append(gradient.array)
        return tuple(arrays)
