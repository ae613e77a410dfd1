"""Reductions."""

from __future__ import annotations

import math
from typing import Any

from pyconv.interop.onnx.trace import Step, form

_PLAIN = {"mean": "ReduceMean", "amax": "ReduceMax", "amin": "ReduceMin", "sum": "ReduceSum"}


def _reduced(s: Step, op: str, x: str, keep: bool | None = None) -> Any:
    axes = s.attrs["axes"]
    if not axes:
        return s.node("Identity", x)
    return s.node(op, x, s.ints(axes), keepdims=int(s.attrs.get("keepdim", False) if keep is None else keep))


@form(*_PLAIN)
def plain(s: Step) -> Any:
    """A reduction over axes."""
    return _reduced(s, _PLAIN[s.op.name], s.cast(s.x, s.dtype, s.outputs[0].dtype))


@form("var")
def var(s: Step) -> Any:
    """Squared distances from the mean, summed and divided."""
    if not s.attrs["axes"]:
        s.error("no axes")
    count = math.prod(s.inputs[0].shape[a] for a in s.attrs["axes"])
    divisor = count - s.attrs["correction"]
    if divisor <= 0:
        s.error(f"{count} elements and correction {s.attrs['correction']}")
    away = s.node("Sub", s.x, _reduced(s, "ReduceMean", s.x, True))
    return s.node("Mul", _reduced(s, "ReduceSum", s.node("Mul", away, away)), s.number(1 / divisor))


@form("argmax", "argmin")
def arg(s: Step) -> Any:
    """The index of the first extreme, along an axis or in the flattened tensor."""
    op = "ArgMax" if s.op.name == "argmax" else "ArgMin"
    axes, rank = s.attrs["axes"], len(s.inputs[0].shape)
    if len(axes) == 1:
        return s.node(op, s.x, axis=axes[0], keepdims=int(s.attrs.get("keepdim", False)))
    flat = s.node(op, s.node("Reshape", s.x, s.ints([-1])), axis=0, keepdims=0)
    return s.node("Reshape", flat, s.ints([1] * rank)) if s.attrs.get("keepdim") else flat


@form("max", "min")
def along(s: Step) -> Any:
    """The extreme along an axis, and its index."""
    if len(s.attrs["axes"]) != 1:
        s.error("expected one axis")
    reduction, index = ("ReduceMax", "ArgMax") if s.op.name == "max" else ("ReduceMin", "ArgMin")
    values = _reduced(s, reduction, s.x)
    return values, s.node(index, s.x, axis=s.attrs["axes"][0], keepdims=int(s.attrs.get("keepdim", False)))


@form("any", "all")
def truth(s: Step) -> Any:
    """Whether any, or all, are not 0."""
    whole = s.cast(s.cast(s.x, s.dtype, bool), bool, "int32")
    return s.cast(_reduced(s, "ReduceMax" if s.op.name == "any" else "ReduceMin", whole), "int32", bool)
