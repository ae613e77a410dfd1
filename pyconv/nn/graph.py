"""A network as blocks and what flows between them, found from a run on shapes alone.

A block is a layer, with the norms and activations behind it, or a module of a kind that the network repeats (a residual
block, an inception module). Equal blocks in a row are one block with a count.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pyconv.nn.containers import ModuleDict, ModuleList, Sequential
from pyconv.nn.layer_names import JOINS, SUFFIXES, named
from pyconv.nn.watching import Call, Shape, Step, Watch, shape_of
from pyconv.tensor import Tensor

#: More blocks than this are no picture any more: then blocks are what has the first so many parts of its path in common.
MOST = 40
_CONTAINERS = (Sequential, ModuleList, ModuleDict)
_SHORT = {"Batch Norm": "BN", "Instance Norm": "IN", "Group Norm": "GN", "Layer Norm": "LN", "Local Response Norm": "LRN"}


@dataclass(eq=False)
class Block:
    """What is drawn as one. ``kind``: input, conv, up, pool, dense, other, block (several layers) or join."""

    kind: str
    title: str
    path: str
    shape: Shape = ()  # of the output, without the batch
    inputs: set[Block] = field(default_factory=set)
    suffixes: list[str] = field(default_factory=list)
    inner: str = ""  # the layers inside
    count: int = 1
    label: str = ""  # the path, or what the paths of several equal ones have in common


def blocks(watch: Watch) -> list[Block]:
    """The blocks in the order in which they run, the inputs first."""
    children = Counter(path.rpartition(".")[0] for path in {call.path for call in watch.calls if call.path})
    found = _merged(_Builder(watch, _repeated(watch), 0).blocks, children)
    for levels in (4, 3, 2, 1):
        if len(found) <= MOST:
            break
        found = _merged(_Builder(watch, set(), levels).blocks, children)
    return found


def _repeated(watch: Watch) -> set[Call]:
    """Calls of modules with layers inside, of kinds of which there are several."""
    inner = {call.parent for call in watch.calls}
    whole = [call for call in watch.calls if call in inner and call.depth > 0
             and not isinstance(call.module, _CONTAINERS)]
    kinds = Counter(type(call.module) for call in whole)
    return {call for call in whole if kinds[type(call.module)] > 1}


class _Builder:
    """Goes through the operations in order, and remembers which blocks a tensor comes from."""

    def __init__(self, watch: Watch, atoms: set[Call], levels: int) -> None:
        self.watch = watch
        self.atoms = atoms
        self.levels = levels
        self.blocks: list[Block] = []
        self.sources: dict[int, frozenset[Block]] = {}
        self.open: dict[Call | str, Block] = {}  # blocks of several operations
        self.inside: dict[Block, list[Step]] = {}
        for i, x in enumerate(watch.inputs):
            self.sources[id(x)] = frozenset([self.add(Block("input", "Input", str(i) if i else "", tuple(x.shape[1:])))])
        for step in watch.steps:
            self.take(step)
        for block in self.inside:
            self.name(block)

    def add(self, block: Block) -> Block:
        self.blocks.append(block)
        return block

    def atom(self, call: Call | None) -> Call | str | None:
        """What is drawn as one block: the outermost of the calls chosen, or the first levels of a path."""
        found = None
        if self.levels and call is not None:
            head = ".".join(call.path.split(".")[:self.levels])
            return head if head and (head != call.path or call.module._modules) else None
        while call is not None:
            found = call if call in self.atoms else found
            call = call.parent
        return found

    def take(self, step: Step) -> None:
        known = [self.sources[id(x)] for x in step.inputs if isinstance(x, Tensor) and id(x) in self.sources]
        if not known:
            return  # something about parameters alone
        read = frozenset().union(*known)
        atom = self.atom(step.call)
        result = self.single(step, read) if atom is None else self.within(atom, step, read)
        for y in step.outputs:
            self.sources[id(y)] = result

    def within(self, atom: Call | str, step: Step, read: frozenset[Block]) -> frozenset[Block]:
        block = self.open.get(atom)
        if block is None or (isinstance(atom, str) and block is not self.blocks[-1]):
            path = atom if isinstance(atom, str) else atom.path
            module = self.watch.model.get_submodule(path)
            block = self.open[atom] = self.add(Block("block", type(module).__name__.lstrip("_"), path))
        block.inputs |= read - {block}
        self.inside.setdefault(block, []).append(step)
        return frozenset([block])

    def single(self, step: Step, read: frozenset[Block]) -> frozenset[Block]:
        name, path = named(step), step.call.path if step.call else ""
        suffix = name.title if name is not None and name.kind == "norm" else SUFFIXES.get(step.op.name)
        if suffix is not None and len(read) == 1:
            (block,) = read
            if block.kind != "input":
                block.suffixes.append(_SHORT.get(suffix, suffix))
            return read
        if step.op.name in JOINS and len(read) > 1:
            sign = {"add": "+", "sub": "−", "mul": "×", "cat": "cat"}.get(step.op.name, step.op.name)
            return frozenset([self.add(Block("join", sign, path, tuple(step.outputs[0].shape[1:]), set(read)))])
        if name is None or name.kind == "norm":
            return read
        groups = step.ctx.attrs.get("groups", 1)
        suffixes = [] if groups == 1 else [f"{groups} groups"]
        return frozenset([self.add(Block(name.kind, name.title, path, tuple(step.outputs[0].shape[1:]), set(read), suffixes))])

    def name(self, block: Block) -> None:
        """A block's output shape and words: those of its only layer, if there is no other."""
        steps = self.inside[block]
        block.shape = tuple(shape_of(steps[-1].outputs[0])[1:])
        layers = [n for step in steps if (n := named(step)) is not None and n.kind != "norm"]
        if len(layers) == 1:
            block.kind, block.title = layers[0].kind, layers[0].title
            words = [SUFFIXES.get(step.op.name) for step in steps]
            block.suffixes[:0] = [_SHORT.get(word, word) for word in words if word]
            return
        module = self.watch.model.get_submodule(block.path)
        if isinstance(module, _CONTAINERS):
            block.title = block.path.rpartition(".")[2]
        block.inner = _inside(steps, [n.title for n in layers], [type(m) for m in module.children()])


def _inside(steps: list[Step], titles: list[str], children: list[type]) -> str:
    """A few words on a block of several layers: "3x3, 3x3, skip", "6 × DenseLayer"."""
    joined = any(step.op.name == "add" and sum(isinstance(x, Tensor) and x.shape == step.outputs[0].shape
                                               for x in step.inputs) == 2 for step in steps)
    words = [title.removeprefix("Conv ").removesuffix("s1") for title in titles]
    if len(words) > 5:
        alike = len(children) > 1 and len(set(children)) == 1 and children[0] not in _CONTAINERS
        words = [f"{len(children)} × {children[0].__name__.lstrip('_')}" if alike else f"{len(words)} layers"]
    return ", ".join([*words, "skip"] if joined else words)


def _merged(found: list[Block], children: Counter[str]) -> list[Block]:
    """Equal blocks in a row become one; ``children`` counts the layers called in each module."""
    readers = Counter(source for block in found for source in block.inputs)
    result: list[Block] = []
    stand_for: dict[Block, Block] = {}
    last: dict[Block, Block] = {}  # of the blocks that one stands for: whoever reads it reads that one's output
    for block in found:
        block.inputs = {stand_for.get(b, b) for b in block.inputs}
        before = result[-1] if result else None
        if (before is not None and block.inputs == {before} and _look(block) == _look(before) and before.kind != "input"
                and readers[last.get(before, before)] == 1):
            before.count += 1
            before.inner = block.inner  # the first one's may have a shortcut of its own
            before.label = _common(before.path, block.path, before.count, children)
            stand_for[block], last[before] = before, block
        else:
            block.label = block.path
            result.append(block)
    return result


def _common(first: str, last: str, count: int, children: Counter[str]) -> str:
    """``layer1`` for all of its blocks; ``features.0 … 2`` for some."""
    parent, _, end = last.rpartition(".")
    if parent != first.rpartition(".")[0]:
        return f"{first} … {last}"
    return parent if parent and children[parent] == count else f"{first} … {end}"


def _look(block: Block) -> Any:
    return block.kind, block.title, block.shape, block.suffixes
