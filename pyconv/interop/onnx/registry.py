"""The table of operators, and what an operator's function is given."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np

from pyconv.interop.onnx.proto import MAX_RANK, OnnxError
from pyconv.tensor import Context, Op, Record, Tensor, apply

if TYPE_CHECKING:
    from pyconv.interop.onnx.program import Node, Program
    from pyconv.interop.onnx.run import Run


class Entry(NamedTuple):
    """One implementation: from this version of the standard on."""

    since: int
    function: Callable[..., Any]
    wide: bool  # computes half precision in float32
    settings: tuple[int, ...]  # inputs that are settings rather than weights: never parameters


OPERATORS: dict[str, list[Entry]] = {}


def operator(*names: str, since: int = 1, wide: bool = True, settings: Sequence[int] = ()) -> Any:
    """Enter a function ``f(at, *inputs)`` for operators; missing optional inputs are None.

    Floating values (float32, float64) come as Tensors and all others as arrays; with ``wide`` half precision comes as
    float32 and results are rounded back. ``settings``: inputs that are no weights.
    """

    def enter(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            entries = OPERATORS.setdefault(name, [])
            entries.append(Entry(since, function, wide, tuple(settings)))
            entries.sort(key=lambda entry: -entry.since)
        return function

    return enter


def entry_of(op: str, since: int) -> Entry | None:
    """The implementation of an operator whose schema is of version ``since``."""
    return next((e for e in OPERATORS.get(op, ()) if e.since <= since), None)


class Call:
    """One execution of a node: its attributes, and the limits of the run."""

    __slots__ = ("env", "node", "run")

    def __init__(self, node: Node, run: Run, env: dict[str, Any]) -> None:
        self.node = node
        self.run = run
        self.env = env

    def __getitem__(self, name: str) -> Any:
        """An attribute, or its default; None if it has none or this version of the operator lacks it."""
        return self.node.attrs.get(name)

    def error(self, text: str) -> NoReturn:
        """Raise OnnxError; the run adds the node's name."""
        raise OnnxError(f"[{self.node.op}] {text}")

    def choice(self, name: str, *allowed: str) -> str:
        """An attribute that is one of a few words."""
        value = self[name]
        if value not in allowed:
            self.error(f"{name} is {value!r}, expected {', '.join(allowed)}")
        return value

    def flag(self, name: str) -> bool:
        """An attribute that is 0 or 1; missing is 0."""
        value = self[name] or 0
        if value not in (0, 1):
            self.error(f"{name} is {value}, expected 0 or 1")
        return bool(value)

    def bound(self, shape: Sequence[int], dtype: Any) -> tuple[int, ...]:
        """The shape, if a value of it may take memory now; OnnxError else."""
        sizes = tuple(int(n) for n in shape)
        if any(n < 0 for n in sizes):
            self.error(f"the result would have shape {sizes}, with a negative size")
        if len(sizes) > MAX_RANK:
            self.error(f"the result would have {len(sizes)} axes, expected at most {MAX_RANK}")
        needed = math.prod(sizes) * np.dtype(dtype).itemsize
        if needed > self.run.limit - self.run.live:
            self.error(f"the result would have shape {sizes} and {needed} bytes; {self.run.live} are in use and "
                       f"{self.run.limit} allowed (see max_bytes of load)")
        return sizes

    def axis(self, value: int, rank: int, name: str = "axis") -> int:
        """An axis counted from the front."""
        if not -rank <= value < rank:
            self.error(f"{name} is {value}, expected {-rank} to {rank - 1} for {rank} axes")
        return int(value) + rank if value < 0 else int(value)

    def axes(self, values: Sequence[int], rank: int, name: str = "axes") -> tuple[int, ...]:
        """Several axes counted from the front, each once."""
        found = tuple(self.axis(v, rank, name) for v in values)
        if len(set(found)) != len(found):
            self.error(f"{name} is {tuple(values)}, which names an axis twice")
        return found

    def ints(self, value: Any, name: str) -> tuple[int, ...]:
        """A vector of whole numbers, from an array or an attribute."""
        if isinstance(value, np.ndarray):
            if value.ndim > 1 or value.dtype.kind not in "iu":
                self.error(f"{name} has shape {value.shape} and type {value.dtype}, expected a vector of whole numbers")
            return tuple(int(v) for v in value.reshape(-1)[:1_000_000])
        return tuple(int(v) for v in value)

    def scalar(self, value: Any, name: str) -> Any:
        """The one element of a value, a Python number."""
        array = numpy(value)
        if array.size != 1:
            self.error(f"{name} has shape {tuple(array.shape)}, expected one element")
        return array.reshape(()).item()

    def body(self, name: str) -> Program:
        """An attribute that is a graph."""
        return self.node.attrs[name]

    def execute(self, program: Program, inputs: Sequence[Any]) -> list[Any]:
        """Run a subgraph; it sees the values around it."""
        return self.run.inner(program, inputs, self.env)


def numpy(x: Any) -> np.ndarray:
    """The array of a value."""
    return x.array if isinstance(x, Tensor) else x


def tensor(x: Any) -> Tensor:
    """A floating value as a Tensor."""
    return x if isinstance(x, Tensor) else Tensor(x)


class _Foreign(Op):
    """A result that numpy computed: it has no gradient, and says so rather than let training go wrong."""

    name = "onnx"

    @staticmethod
    def infer(shapes: Any, *, op: str, results: tuple[np.ndarray, ...]) -> Record:
        return Record(tuple(r.shape for r in results), tuple(r.dtype for r in results))

    @staticmethod
    def forward(ctx: Context, *arrays: Any, op: str, results: tuple[np.ndarray, ...]) -> Any:
        ctx.attrs = {"op": op}
        return results

    @staticmethod
    def backward(ctx: Context, *gradients: Any) -> Any:
        raise NotImplementedError(f"[{ctx.attrs['op']}] this ONNX operator has no gradient in pyconv")


def foreign(at: Call, results: np.ndarray | tuple[np.ndarray, ...], *inputs: Any) -> Any:
    """Floating results that numpy computed from ``inputs``, as Tensors whose gradient is refused."""
    arrays = tuple(np.asarray(r) for r in (results if isinstance(results, tuple) else (results,)))
    given = [x for x in inputs if isinstance(x, Tensor)]
    if given and any(x.requires_grad for x in given):
        out = apply(_Foreign, *given, op=at.node.op, results=arrays)
        return out if isinstance(results, tuple) or not isinstance(out, tuple) else out[0]
    return arrays if isinstance(results, tuple) else arrays[0]
