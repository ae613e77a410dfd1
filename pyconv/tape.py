"""The walk back along the tape: newest operation first, one gradient per tensor, each leaf told when it is ready.

No recursion (a graph may be a hundred thousand operations deep) and no state outside the call (a backward pass may
run inside another). Contributions to one gradient are added in the order of the operations' sequence numbers, which
is the order in which the program ran: the bits do not depend on anything else.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from pyconv._backend import core
from pyconv.errors import ShapeError
from pyconv.pending import PendingGradient, whole
from pyconv.tensor import Array, Later, Node, Tensor, listeners, mode, raw

Edge = Any  # None, a leaf Tensor, or (Node, output number)
_FLOAT32 = np.dtype("float32")


def run_backward(roots: Sequence[Tensor], gradients: Sequence[Any], *, retain_graph: bool = False,
                 capture: Iterable[Tensor] | None = None) -> dict[int, Array]:
    """Propagate ``gradients`` (None: 1, for a one-element root) from ``roots`` to the leaves.

    Leaves accumulate into ``.grad``; with ``capture`` only the gradients of these tensors are computed, and returned
    by ``id``. Nothing is recorded meanwhile, in hooks neither.
    """
    if len(roots) != len(gradients):
        raise ValueError(f"[backward] got {len(gradients)} gradients for {len(roots)} tensors")
    starts = []
    for root, gradient in zip(roots, gradients, strict=True):
        if not root.requires_grad:
            raise RuntimeError("[backward] the tensor does not require a gradient: nothing was recorded for it")
        starts.append((_edge(root), _root_gradient(root, gradient)))
    before = mode.grad
    mode.grad = False
    try:
        return _Walk(retain_graph, capture).run(starts)
    finally:
        mode.grad = before


def _edge(tensor: Tensor) -> Edge:
    return tensor if tensor._node is None else (tensor._node, tensor._slot)


def _root_gradient(root: Tensor, gradient: Any) -> Array:
    if gradient is None:
        if root.array.size != 1:
            raise RuntimeError(
                f"[backward] the tensor has shape {root.shape}; without `gradient` it must have one element")
        return core.full(root.shape, root.dtype, 1.0, root.array.ndim in (4, 5))
    array = raw(gradient, "backward", "gradient")
    _check_like(array, root.shape, root.dtype, "gradient")
    return array


def _check_like(array: Array, shape: tuple[int, ...], dtype: Any, what: str) -> None:
    if array.shape != shape:
        raise ShapeError(f"[backward] {what} has shape {array.shape}, expected {shape}")
    if array.dtype != dtype:
        raise TypeError(f"[backward] {what} has dtype {array.dtype}, expected {dtype}")


class _Sum:
    """A gradient being added up, in the order in which the contributions arrive."""

    __slots__ = ("array", "owned")

    def __init__(self, array: Array) -> None:
        self.array = array
        self.owned = False  # whether we allocated it and may write to it

    def add(self, other: Array) -> None:
        if type(other) is PendingGradient and type(self.array) is np.ndarray:
            self.array = other.plus(self.array)
            self.owned = True
        elif self.owned:
            self.settle()
            core.accumulate(self.array, whole(other))
        else:
            self.array = core.binary("add", whole(self.array), whole(other), True)
            self.owned = True

    def settle(self) -> None:
        self.array = whole(self.array)


class _Walk:
    """One backward pass."""

    def __init__(self, retain_graph: bool, capture: Iterable[Tensor] | None) -> None:
        self.retain_graph = retain_graph
        self.sums: dict[Any, _Sum] = {}  # by (node, slot), or id(leaf)
        self.waiting: dict[int, int] = {}  # by id(leaf): contributions that are still to come
        self.shared: set[int] = set()  # ids of arrays that somebody else holds: never to become a .grad as they are
        self.late: _Sum | None = None  # what waits for the next step: nothing but the tape's own code runs meanwhile
        self.heap: list[tuple[int, Node]] = []
        self.queued: set[Node] = set()
        self.captured: dict[int, Array] = {}
        self.wanted: dict[Any, int] | None = None  # with capture: (node, slot) or id(leaf) -> id(tensor)
        self.useful: dict[Node, tuple[bool, ...]] = {}  # with capture: which inputs lead to something wanted
        if capture is not None:
            self.wanted = {id(t) if t._node is None else (t._node, t._slot): id(t) for t in capture}

    def run(self, starts: Sequence[tuple[Edge, Array]]) -> dict[int, Array]:
        nodes = self._reachable([edge for edge, _ in starts])
        if self.wanted is not None:
            self._find_useful(nodes)
        for edge in (e for e, _ in starts):
            self._expect(edge)
        for node in nodes:
            for edge, use in zip(node.edges, self._uses(node), strict=True):
                if use:
                    self._expect(edge)
        for edge, array in starts:
            self.shared.add(id(array))
            self._deliver(edge, array)
        while self.heap:
            self._step(heapq.heappop(self.heap)[1])
        return self.captured

    @staticmethod
    def _reachable(edges: Iterable[Edge]) -> list[Node]:
        stack = [edge[0] for edge in edges if isinstance(edge, tuple)]
        seen = set(stack)
        stack = list(seen)
        nodes = []
        while stack:
            node = stack.pop()
            nodes.append(node)
            for edge in node.edges:
                if isinstance(edge, tuple) and edge[0] not in seen:
                    seen.add(edge[0])
                    stack.append(edge[0])
        return nodes

    def _find_useful(self, nodes: Iterable[Node]) -> None:
        """Which inputs of which nodes lead to a wanted tensor; the oldest first, so one sweep is enough."""
        wanted = self.wanted or {}
        alive = {key[0] for key in wanted if isinstance(key, tuple)}  # nodes whose gradients are needed at all
        for node in sorted(nodes, key=lambda n: n.seq):
            uses = tuple((edge in wanted or edge[0] in alive) if isinstance(edge, tuple)
                         else edge is not None and id(edge) in wanted for edge in node.edges)
            self.useful[node] = uses
            if any(uses):
                alive.add(node)

    def _uses(self, node: Node) -> tuple[bool, ...]:
        if self.wanted is None:
            return tuple(edge is not None for edge in node.edges)
        return self.useful[node]

    def _expect(self, edge: Edge) -> None:
        if not isinstance(edge, tuple):
            self.waiting[id(edge)] = self.waiting.get(id(edge), 0) + 1

    def _deliver(self, edge: Edge, gradient: Array | None) -> None:
        """Hand a contribution, or None for none, to a node or a leaf. Every expected one has to arrive."""
        is_node = isinstance(edge, tuple)
        key = edge if is_node else id(edge)
        if gradient is not None:
            if key in self.sums:
                self.sums[key].add(gradient)
            else:
                self.sums[key] = _Sum(gradient)
            if type(gradient) is PendingGradient:
                self.late = self.sums[key]
        if is_node:
            if edge[0] not in self.queued:
                self.queued.add(edge[0])
                heapq.heappush(self.heap, (-edge[0].seq, edge[0]))
            return
        self.waiting[key] -= 1
        if self.waiting[key] == 0 and key in self.sums:
            if edge._hooks or edge._ready_hooks:
                self._settle()
            self._finish_leaf(edge, whole(self.sums.pop(key).array))

    def _step(self, node: Node) -> None:
        if node.hooks or not node.op.takes_pending_gradient:
            self._settle()
        gradients = self._collect(node)
        self._settle()
        uses = self._uses(node)
        if not any(uses):
            return
        if all(g is None for g in gradients):
            results: Sequence[Array | None] = (None,) * len(uses)
        else:
            results = self._run(node, gradients, uses)
        for edge, gradient, use in zip(node.edges, results, uses, strict=True):
            if use:
                self._deliver(edge, gradient)

    def _collect(self, node: Node) -> list[Array | None]:
        """The complete gradients of the node's outputs, after their hooks; None where none arrived."""
        outputs: list[Array | None] = []
        for slot in range(len(node.ctx.record.shapes)):
            total = self.sums.pop((node, slot), None)
            array = None if total is None else total.array
            takes = node.op.takes_pending_gradient if type(array) is PendingGradient else node.op.takes_masked
            if total is not None and total is self.late:
                self.late = None
            if node.hooks or self.wanted is not None or not takes:
                array = whole(array)
            if array is not None and node.hooks:
                array = self._run_hooks(node.hooks.get(slot), array)
            if array is not None and self.wanted is not None and (node, slot) in self.wanted:
                self.captured[self.wanted[(node, slot)]] = self._own(array)
            outputs.append(array)
        return outputs

    def _settle(self) -> None:
        """Compute the gradient that waits: before anything else runs, be it a hook or another operation."""
        if self.late is not None:
            self.late.settle()
            self.late = None

    def _run(self, node: Node, gradients: Sequence[Array | None], uses: tuple[bool, ...]) -> Sequence[Array | None]:
        ctx = node.ctx
        while isinstance(ctx.saved, Later):  # again, if what was computed again has checkpoints of its own
            ctx.saved.segment.fill()
        if ctx.saved is None:
            raise RuntimeError(
                f"[backward] second pass through {node.name}: what it saved was freed by the first; "
                "call backward(retain_graph=True) the first time"
            )
        for version, expected in ctx.checks:
            if version[0] != expected:
                raise RuntimeError(
                    f"[backward] {node.name} needs a tensor that was changed in place after it was used "
                    f"(version {version[0]}, expected {expected})"
                )
        sum_so_far = self._sum_so_far(node, uses) if node.op.takes_prior else None
        needs, ctx.needs = ctx.needs, uses
        backward: Callable[..., Sequence[Any]] = node.op.backward
        try:
            if sum_so_far is None:
                results = backward(ctx, *gradients)
            else:
                sum_so_far.array, *others = backward(ctx, *gradients, prior=sum_so_far.array)
                sum_so_far.owned = True
                results = (None, *others)
        finally:
            ctx.needs = needs
        if listeners:
            results = tuple(map(whole, results))
        if len(results) != len(node.edges):
            raise RuntimeError(
                f"[backward] {node.name} returned {len(results)} gradients, expected {len(node.edges)}")
        for listener in listeners:
            listener.on_backward(node, results)
        self._note_shared(results, gradients, ctx.saved)
        if not self.retain_graph and (ctx.saved or ctx.extra is not None):
            ctx.saved = ctx.extra = None
            ctx.checks = []
        return results

    def _sum_so_far(self, node: Node, uses: tuple[bool, ...]) -> _Sum | None:
        """What the gradient of the node's first input will be added to, if that is a float32 array already."""
        if not uses[0] or listeners:
            return None
        edge = node.edges[0]
        found = self.sums.get(edge if isinstance(edge, tuple) else id(edge))
        return None if found is None or getattr(found.array, "dtype", None) != _FLOAT32 else found

    def _note_shared(self, results: Sequence[Array | None], *others: Sequence[Any]) -> None:
        """Mark results that are also somebody else's: passed through, returned twice, or kept in the context."""
        held = [id(a) for group in others for a in group if a is not None]
        for array in results:
            if array is not None:
                if id(array) in held:
                    self.shared.add(id(array))
                held.append(id(array))

    def _run_hooks(self, hooks: Iterable[Callable] | None, array: Array) -> Array:
        for hook in tuple(hooks or ()):
            replaced = hook(Tensor(array))
            if replaced is not None:
                new = raw(replaced, "hook", "gradient")
                _check_like(new, array.shape, array.dtype, "the gradient that a hook returned")
                array = new
                self.shared.add(id(array))
        return array

    def _own(self, array: Array) -> Array:
        """The array, or a copy where somebody else holds its memory: the caller's, another leaf's, a view's base."""
        if isinstance(array.base, np.ndarray) or id(array) in self.shared:
            array = core.copy(array, True)
        self.shared.add(id(array))
        return array

    def _finish_leaf(self, leaf: Tensor, array: Array) -> None:
        _check_like(array, leaf.shape, leaf.dtype, "the gradient of a leaf")
        array = self._run_hooks(leaf._hooks, array)
        if self.wanted is not None:
            self.captured[id(leaf)] = self._own(array)
            return
        if leaf.grad is None:
            leaf.grad = Tensor(self._own(array))
        else:
            # New memory under the old object: arrays taken from it earlier keep their values.
            leaf.grad._array = core.binary("add", leaf.grad.array, array, True)
            leaf.grad._version[0] += 1
        for hook in tuple(leaf._ready_hooks or ()):
            hook(leaf)
