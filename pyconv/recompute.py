"""Checkpoints on the tape: what the backward pass needs is forgotten, and computed once more when it gets there.

Chen, Xu, Zhang and Guestrin, Training deep nets with sublinear memory cost, 2016: n layers in sqrt(n) segments keep the
sqrt(n) inputs of the segments, and the values inside of one segment at a time, for one more forward pass.

The tape is recorded as always, so that hooks, `autograd.grad` and the order in which gradients add up are the same;
only what operations saved is left out. The first of a segment's operations that the backward pass comes to runs the
segment's function again and puts into every operation what it would have kept.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pyconv.random import get_rng_state, set_rng_state
from pyconv.tensor import Context, Later, Node, Tensor, mode

__all__ = ["checkpoint", "checkpoint_sequential"]


class _Segment:
    """One call of a function under `checkpoint`: while it runs, what operations save is dropped."""

    def __init__(self, function: Callable[..., Any], args: Any, kwargs: Any, keep_random: bool, compare: bool) -> None:
        self.call: Any = (function, args, kwargs)
        self.versions = [(t._version, t._version[0]) for t in _tensors((args, kwargs))]
        self.random = get_rng_state() if keep_random else None
        self.compare = compare
        self.outer = mode.recorder
        #: Of each operation, in order: where what it saves belongs, and what it was. The tape alone keeps contexts alive.
        self.places: list[weakref.ref[Context]] = []
        self.kinds: list[Any] = []

    def run(self) -> Any:
        function, args, kwargs = self.call
        mode.recorder = self
        try:
            result = function(*args, **kwargs)
        finally:
            mode.recorder = self.outer
        for tensor in _tensors(result):
            if not tensor.is_meta:
                tensor.array  # noqa: B018 (computes what waits, so that nothing waits across the border)
        if any(version[0] != number for version, number in self.versions):
            raise RuntimeError("[checkpoint] the function changed one of its arguments in place: "
                               "it cannot be run a second time on the same values")
        return result

    def recorded(self, node: Node) -> None:
        """Heard from the tape."""
        ctx = node.ctx
        if ctx.saved or ctx.extra is not None:
            ctx.saved = Later(self, len(self.places))  # type: ignore[assignment]
            ctx.extra = None
        self.places.append(weakref.ref(ctx))
        self.kinds.append((node.name, ctx.record.shapes))
        if self.outer is not None:
            self.outer.recorded(node)

    def fill(self) -> None:
        """Run the function again, for what its operations save."""
        function, args, kwargs = self.call
        if any(version[0] != number for version, number in self.versions):
            raise RuntimeError("[checkpoint] an argument of the function was changed in place since it ran: "
                               "its gradients cannot be computed any more")
        before = mode.grad, mode.recorder, mode.recomputing
        random = get_rng_state()
        again = _Again(self)
        mode.grad, mode.recorder, mode.recomputing = True, again, True
        if self.random is not None:
            set_rng_state(self.random)
        try:
            function(*args, **kwargs)
        finally:
            mode.grad, mode.recorder, mode.recomputing = before
            if self.random is not None:
                set_rng_state(random)
        if again.count != len(self.places):
            again.differs(f"it ran {again.count} operations, {len(self.places)} the first time")
        self.call = None


class _Again:
    """The second run of a segment: what an operation saves goes to its counterpart of the first run."""

    def __init__(self, segment: _Segment) -> None:
        self.segment = segment
        self.count = 0

    def recorded(self, node: Node) -> None:
        """Heard from the tape."""
        number, new = self.count, node.ctx
        self.count += 1
        if number >= len(self.segment.places):
            self.differs(f"operation {number}, {node.name}, is one more than the first time")
        if self.segment.compare and self.segment.kinds[number] != (node.name, new.record.shapes):
            self.differs(f"operation {number} is {node.name} to {new.record.shapes}, "
                         "{} to {} the first time".format(*self.segment.kinds[number]))
        place = self.segment.places[number]
        old = place()
        if old is None or not isinstance(old.saved, Later):
            return
        old.saved, old.extra, old.attrs, old.record = new.saved, new.extra, new.attrs, new.record
        old.checks = old.checks + new.checks
        if isinstance(new.saved, Later):  # of a checkpoint inside of this one
            new.saved.segment.places[new.saved.number] = place

    def differs(self, how: str) -> None:
        raise RuntimeError(f"[checkpoint] the function did something else when it ran for the second time: {how}")


def _tensors(value: Any) -> Iterator[Tensor]:
    """The Tensors in an argument or result, also within tuples, lists and dicts."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, dict):
        yield from _tensors(tuple(value.values()))


def checkpoint(function: Callable[..., Any], *args: Any, use_reentrant: bool | None = None, context_fn: Any = None,
               determinism_check: str = "default", debug: bool = False, early_stop: bool = True,
               preserve_rng_state: bool = True, **kwargs: Any) -> Any:
    """``function(*args, **kwargs)``, whose intermediate values are not kept but computed again in the backward pass.

    The values and gradients are those of the plain call, bit for bit: dropout draws the same numbers again
    (``preserve_rng_state``), running statistics of norms move once, hooks on gradients run once. Hooks of modules and
    whatever else the function does besides (printing, counting) happen twice. Memory: the arguments, and during the
    backward pass the function's own values.

    Args:
        function: what to call; it must do the same again, and must not change its arguments in place.
        args, kwargs: its arguments; Tensors may stand within tuples, lists and dicts.
        use_reentrant: None, True or False, all the same here: there is one way, and it asks nothing of the inputs.
        determinism_check: "default" compares the operations of both runs and their shapes, "none" only their number.
        context_fn, debug, early_stop: at their defaults only.

    Raises:
        RuntimeError: the function changes an argument in place, or (from ``backward``) does something else the
        second time. ValueError for an option that is not supported. TypeError for a function that cannot be called.

    Source: Chen et al., Training deep nets with sublinear memory cost, 2016. Names: ``torch.utils.checkpoint``.

    >>> import pyconv as pc
    >>> x = pc.tensor([1.0, 2.0], requires_grad=True)
    >>> pc.autograd.checkpoint(lambda v: (v * v).exp().sum(), x).backward()
    >>> [round(g, 3) for g in x.grad.tolist()]
    [5.437, 218.393]
    """
    if not callable(function):
        raise TypeError(f"[checkpoint] function is {type(function).__name__}, expected a callable")
    for name, value, known in (("use_reentrant", use_reentrant, (None, True, False)), ("context_fn", context_fn, (None,)),
                               ("determinism_check", determinism_check, ("default", "none")), ("debug", debug, (False,)),
                               ("early_stop", early_stop, (True,))):
        if value not in known:
            raise ValueError(f"[checkpoint] {name} is {value!r}, expected {' or '.join(map(repr, known))}")
    for tensor in _tensors((args, kwargs)):
        if not tensor.is_meta:
            tensor.array  # noqa: B018 (computes what waits for its consumer)
    if not mode.grad:
        return function(*args, **kwargs)
    return _Segment(function, args, kwargs, bool(preserve_rng_state), determinism_check == "default").run()


def checkpoint_sequential(functions: Any, segments: int, input: Any, use_reentrant: bool | None = None,
                          preserve_rng_state: bool = True) -> Any:
    """Call functions one after another in ``segments`` parts of equal length, all but the last under `checkpoint`.

    Memory grows like the number of segments plus the length of one: least for about sqrt(length) of them.

    Args:
        functions: a `nn.Sequential`, or callables of one argument.
        segments: 1 to the number of functions.
        input: the first one's argument.
        use_reentrant, preserve_rng_state: as for `checkpoint`.

    Raises ValueError for another number of segments, TypeError for what is no whole number.

    >>> from pyconv import nn, randn
    >>> layers = nn.Sequential(*[nn.Linear(4, 4) for _ in range(9)])
    >>> checkpoint_sequential(layers, 3, randn(2, 4)).shape
    (2, 4)
    """
    parts: Sequence[Callable[..., Any]] = list(functions.children() if hasattr(functions, "children") else functions)
    if isinstance(segments, bool) or not isinstance(segments, int):
        raise TypeError(f"[checkpoint_sequential] segments is {segments!r}, expected a whole number")
    if not 1 <= segments <= max(1, len(parts)):
        raise ValueError(f"[checkpoint_sequential] segments is {segments}, expected 1 to {max(1, len(parts))}, the number "
                         "of functions")
    size = len(parts) // segments
    for i in range(segments - 1):
        input = checkpoint(_Chain(parts[i * size:(i + 1) * size]), input, use_reentrant=use_reentrant,
                           preserve_rng_state=preserve_rng_state)
    return _Chain(parts[(segments - 1) * size:])(input)


class _Chain:
    """Functions one after another."""

    def __init__(self, functions: Sequence[Callable[..., Any]]) -> None:
        self.functions = functions

    def __call__(self, value: Any) -> Any:
        for function in self.functions:
            value = function(value)
        return value
