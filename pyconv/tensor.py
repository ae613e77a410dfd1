"""Tensor and the tape.

An operation is a subclass of `Op` with three static methods that stand side by side: ``infer`` (shapes and
attributes to a `Record`: no data needed), ``forward`` and ``backward`` (on raw numpy arrays). Every operation,
views included, passes through one gate, `apply`; summaries, capture, anomaly detection and other observers listen
there (`listeners`) and nowhere else.

Memory order: results of rank 4 and 5 on Tensors are channels-last, whatever came in; a call on plain numpy arrays
alone returns C order and records nothing. ``ctx.channels_last`` tells an operation which of the two it is.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pyconv.errors import NoDataError

Array = np.ndarray
Shape = tuple[int, ...]
FLOATS = (np.dtype("float32"), np.dtype("float64"))

_sequence = itertools.count(1)
#: Observers of the gate: objects with ``on_forward(op, ctx, inputs, outputs)`` and ``on_backward(node, gradients)``.
listeners: list[Any] = []


class _Mode(threading.local):
    grad = True
    recorder: Any = None  # told of every node that is put on the tape, ``recorded(node)``: see pyconv.recompute
    recomputing = False  # a function runs for the second time: running statistics have moved already


mode = _Mode()


class Record(NamedTuple):
    """What ``Op.infer`` knows from shapes alone: output shapes and dtypes, multiply-adds, the C++ shape record."""

    shapes: tuple[Shape, ...]
    dtypes: tuple[Any, ...] | None = None  # None, also as an entry: that of the first input
    macs: int = 0
    core: Any = None


class Context:
    """What an operation's forward leaves for its backward."""

    __slots__ = ("__weakref__", "attrs", "channels_last", "checks", "extra", "needs", "record", "saved")

    def __init__(self, record: Record, attrs: dict[str, Any], needs: tuple[bool, ...], channels_last: bool) -> None:
        self.record = record
        self.attrs = attrs
        self.needs = needs  # per input: is its gradient wanted?
        self.channels_last = channels_last
        self.saved: tuple[Any, ...] | None = ()  # None: freed. A Later may stand here: see pyconv.recompute
        self.extra: Any = None  # anything of the op's own: drawn masks, statistics
        self.checks: list[tuple[list[int], int]] = []

    def save(self, *arrays: Any) -> None:
        """Keep arrays for the backward pass; those that are inputs or outputs are checked for later changes."""
        self.saved = arrays


class Later:
    """In place of what an operation saved: ``segment.fill()`` computes it again."""

    __slots__ = ("number", "segment")

    def __init__(self, segment: Any, number: int) -> None:
        self.segment = segment
        self.number = number


class Op:
    """Base of all operations; see the module's text. Attributes are plain data (numbers, strings, tuples)."""

    name = "op"
    view = False  # the output shares the first input's memory
    effects: tuple[str, ...] = ()  # "random", "running_stats"
    takes_pending = False  # ``forward`` may get a `Pending` tensor in place of an array
    takes_masked = False  # ``backward`` may get a `Masked` gradient in place of an array
    takes_pending_gradient = False  # ``backward`` may get a `PendingGradient` in place of an array
    takes_prior = False  # ``backward`` may get ``prior``, to which it adds the gradient of the first input
    tries_types = False  # the types of results, for inputs without data, are those of a run on one element

    @staticmethod
    def infer(shapes: Sequence[Shape | None], **attrs: Any) -> Record:
        """Validate shapes and attributes."""
        raise NotImplementedError

    @staticmethod
    def forward(ctx: Context, *arrays: Any, **attrs: Any) -> Any:
        """Compute the output array, or a tuple of them."""
        raise NotImplementedError

    @staticmethod
    def backward(ctx: Context, *gradients: Any) -> tuple[Any, ...]:
        """One gradient array (or None) per input, given one per output."""
        raise NotImplementedError


class Node:
    """One applied operation on the tape. ``edges``: per input None, a leaf Tensor, or (Node, output number)."""

    __slots__ = ("ctx", "edges", "hooks", "op", "seq")

    def __init__(self, op: type[Op], ctx: Context, edges: list[Any]) -> None:
        self.op = op
        self.ctx = ctx
        self.edges = edges
        self.seq = next(_sequence)
        self.hooks: dict[int, list[Callable]] | None = None

    @property
    def name(self) -> str:
        """The operation's name."""
        return self.op.name


class Tensor:
    """An array with a gradient. Construct one with `pyconv.tensor` or `pyconv.from_numpy`.

    Arithmetic, reductions, views and the rest of its methods are added by `pyconv.ops` from one table.
    """

    __slots__ = ("__weakref__", "_array", "_hooks", "_meta", "_node", "_ready_hooks", "_slot", "_version", "grad",
                 "requires_grad")
    __array_priority__ = 1000.0  # numpy_array * tensor is a Tensor
    pending = False  # whether the values are still to be computed: see pyconv.pending

    def __init__(self, array: Array | None, requires_grad: bool = False, *, meta: tuple[Shape, Any] | None = None,
                 version: list[int] | None = None) -> None:
        self._array: Any = array
        self._meta: Any = meta  # (shape, dtype) of a tensor without memory
        self._version = [0] if version is None else version  # shared by views of one memory
        self._node: Node | None = None
        self._slot = 0
        self._hooks: list[Callable] | None = None
        self._ready_hooks: list[Callable] | None = None
        self.grad: Tensor | None = None
        self.requires_grad = requires_grad

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """The methods that pyconv.ops adds."""

    # --- what it is -----------------------------------------------------------------------------
    @property
    def shape(self) -> Shape:
        """Sizes of the axes."""
        return self._meta[0] if self._array is None else self._array.shape

    @property
    def dtype(self) -> np.dtype:
        """Element type, a numpy dtype."""
        return self._meta[1] if self._array is None else self._array.dtype

    @property
    def is_meta(self) -> bool:
        """Whether this tensor is a shape without memory."""
        return self._array is None

    @property
    def is_leaf(self) -> bool:
        """Whether this tensor was made by the user rather than by a recorded operation."""
        return self._node is None

    @property
    def array(self) -> Array:
        """The memory. Raises NoDataError, a RuntimeError, for a meta tensor."""
        if self._array is None:
            raise NoDataError(f"[tensor] a meta tensor of shape {self.shape} has no data")
        return self._array

    # --- gradients ------------------------------------------------------------------------------
    def backward(self, gradient: Tensor | Array | None = None, retain_graph: bool = False) -> None:
        """Accumulate the gradient of this tensor into ``.grad`` of the leaves it was computed from.

        ``gradient`` (default: 1 for a one-element tensor) has this tensor's shape. Raises RuntimeError when nothing
        was recorded, when a needed value was changed in place since, or when the graph was already freed.
        """
        from pyconv.tape import run_backward

        run_backward([self], [gradient], retain_graph=retain_graph)

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> HookHandle:
        """Call ``hook(gradient)`` when this tensor's gradient is complete; what it returns replaces the gradient."""
        if not self.requires_grad:
            raise RuntimeError("[register_hook] this tensor does not require a gradient")
        if self._node is None:
            self._hooks = self._hooks or []
            return HookHandle(self._hooks, hook)
        hooks = self._node.hooks = self._node.hooks or {}
        return HookHandle(hooks.setdefault(self._slot, []), hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> HookHandle:
        """Call ``hook(self)`` as soon as a backward pass has put this leaf's complete gradient into ``.grad``."""
        if self._node is not None or not self.requires_grad:
            raise RuntimeError("[register_post_accumulate_grad_hook] expected a leaf that requires a gradient")
        self._ready_hooks = self._ready_hooks or []
        return HookHandle(self._ready_hooks, hook)


class HookHandle:
    """What registering a hook returns: ``remove()`` undoes it."""

    def __init__(self, hooks: list[Callable], hook: Callable) -> None:
        self._hooks = hooks
        self._hook: Callable | None = hook
        hooks.append(hook)

    def remove(self) -> None:
        """Take the hook away; a second call does nothing."""
        if self._hook is not None:
            self._hooks.remove(self._hook)
            self._hook = None


def raw(value: Any, op: str, argument: str) -> Array:
    """The array behind a Tensor or an ndarray; TypeError for anything else."""
    if isinstance(value, Tensor):
        return value.array
    if isinstance(value, np.ndarray):
        return value
    raise TypeError(f"[{op}] {argument} is {type(value).__name__}, expected a Tensor or a numpy array")


def apply(op: type[Op], /, *inputs: Any, **attrs: Any) -> Any:
    """Run one operation: infer, forward, and a node on the tape when a gradient is wanted.

    Inputs are Tensors, numpy arrays or None (an optional input left out). Returns Tensors if any input is one, else
    arrays.
    """
    arrays: list[Any] = []
    shapes: list[Shape | None] = []
    tensors = meta = wanted = False
    for x in inputs:
        if x is None:
            arrays.append(None)
            shapes.append(None)
        elif isinstance(x, Tensor):
            tensors = True
            if x.requires_grad:
                wanted = True
            array = x if op.takes_pending and x.pending else x._array
            arrays.append(array)
            if array is None:
                meta = True
                shapes.append(x.shape)
            else:
                shapes.append(array.shape)
        elif isinstance(x, np.ndarray):
            arrays.append(x)
            shapes.append(x.shape)
        else:
            raise TypeError(f"[{op.name}] got {type(x).__name__}, expected Tensors or numpy arrays")
    wanted = wanted and mode.grad
    record = op.infer(shapes, **attrs)
    needs = tuple([isinstance(x, Tensor) and x.requires_grad for x in inputs]) if wanted else (False,) * len(inputs)
    ctx = Context(record, attrs, needs, tensors)
    outputs: tuple[Tensor, ...]
    if meta:
        outputs = _meta_outputs(op, record, inputs, attrs)
    else:
        result = op.forward(ctx, *arrays, **attrs)
        if not tensors:
            return result
        shared = inputs[0]._version if op.view and isinstance(inputs[0], Tensor) else None
        outputs = tuple([a if isinstance(a, Tensor) else Tensor(a, version=shared)
                         for a in (result if isinstance(result, tuple) else (result,))])
        if wanted:
            record_node(op, ctx, inputs, outputs)
    if listeners:
        for listener in listeners:
            listener.on_forward(op, ctx, inputs, outputs)
    return outputs[0] if len(outputs) == 1 else outputs


def _meta_outputs(op: type[Op], record: Record, inputs: Sequence[Any], attrs: dict[str, Any]) -> tuple[Tensor, ...]:
    """Shapes without memory, for inputs that have none."""
    kinds = [x.dtype for x in inputs if x is not None]
    first = kinds[0]
    dtypes = record.dtypes or (first,) * len(record.shapes)
    if op.tries_types and record.dtypes is None and (first not in FLOATS or any(k != first for k in kinds)):
        dtypes = _tried(op, inputs, attrs)
    return tuple(Tensor(None, meta=(tuple(s), np.dtype(first if d is None else d)))
                 for s, d in zip(record.shapes, dtypes, strict=True))


def _tried(op: type[Op], inputs: Sequence[Any], attrs: dict[str, Any]) -> tuple[Any, ...]:
    """The types of an operation's results, from a run on arrays of one element."""
    ones = [None if x is None else np.ones((1,) * len(x.shape), x.dtype) for x in inputs]
    record = op.infer([None if x is None else x.shape for x in ones], **attrs)
    result = op.forward(Context(record, attrs, (False,) * len(ones), True), *ones, **attrs)
    return tuple(y.dtype for y in (result if isinstance(result, tuple) else (result,)))


def record_node(op: type[Op], ctx: Context, inputs: Sequence[Any], outputs: Sequence[Tensor]) -> None:
    """Put an applied operation on the tape; ``outputs`` become its results, one of them may be an input as well."""
    edges: list[Any] = []
    for x, need in zip(inputs, ctx.needs, strict=True):
        if not need:
            edges.append(None)
        else:
            node = x._node
            edges.append(x if node is None else (node, x._slot))
    node = Node(op, ctx, edges)
    for slot, out in enumerate(outputs):
        if out.dtype in FLOATS:
            out.requires_grad = True
            out._node = node
            out._slot = slot
    if ctx.saved:
        tensors = [t for t in (*inputs, *outputs) if isinstance(t, Tensor) and not t.pending]
        for saved in ctx.saved:
            if isinstance(saved, np.ndarray):
                same = [t for t in tensors if t._array is saved]
                if not same:  # a view of an input or output, perhaps
                    owner = _owner(saved)
                    same = [t for t in tensors if _owner(t.array) is owner]
                for t in same:
                    ctx.checks.append((t._version, t._version[0]))
    if mode.recorder is not None:
        mode.recorder.recorded(node)


def _owner(array: Array) -> Array:
    """The array that a chain of views begins with: equal for arrays that may share memory."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array
