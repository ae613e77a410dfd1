"""Receptive fields, computed from the records of operations.

A value on a map sees r consecutive inputs per axis, and its neighbour sees the same shifted by j (the jump). A window
of k taps, dilation d and stride s makes of it

    r' = r + (k - 1) d j,    j' = j s

and where branches meet the larger field counts. A linear layer behind a flattened map sees all of its values:
r + (size - 1) j. A transposed convolution divides the jump: of its k taps, those of one phase of the stride meet a
value of the output, and they lie next to each other on the input,

    r' = r + (ceil(k / (s / g)) - 1) (d / g) j,    j' = j / s,    g = gcd(s, d)

A field that is no whole number is rounded up. Behind a transposed convolution positions differ in what they see, and
the field is a bound: that of the one that sees most, or one input more.
Source: Araujo, Norris and Sim, Computing receptive fields of convolutional neural networks, 2019.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from pyconv.tensor import Context, Op, Tensor


class Field(NamedTuple):
    """What a value of a tensor sees, per spatial axis of the input."""

    size: tuple[Fraction | int, ...]  # r
    jump: tuple[Fraction | int, ...]  # j
    positions: tuple[int, ...]  # of the map that the tensor is, or was before it was flattened


def of_input(shape: Sequence[int]) -> Field | None:
    """An input (N, C, ...) sees itself; None where there are no spatial axes."""
    spatial = tuple(shape[2:])
    return Field((1,) * len(spatial), (1,) * len(spatial), spatial) if spatial else None


def whole(field: Field) -> tuple[int, ...]:
    """The size in inputs."""
    return tuple(math.ceil(r) for r in field.size)


def _slide(field: Field, taps: Sequence[int], stride: Sequence[int], dilation: Sequence[int],
           positions: Sequence[int]) -> Field:
    axes = zip(field.size, field.jump, taps, dilation, strict=True)
    size = tuple(r + (k - 1) * d * j for r, j, k, d in axes)
    return Field(size, tuple(j * s for j, s in zip(field.jump, stride, strict=True)), tuple(positions))


def _rise(field: Field, taps: Sequence[int], stride: Sequence[int], dilation: Sequence[int],
          positions: Sequence[int]) -> Field:
    """Through a transposed convolution."""
    size = []
    for r, j, k, s, d in zip(field.size, field.jump, taps, stride, dilation, strict=True):
        g = math.gcd(s, d)
        size.append(r + (-(-k * g // s) - 1) * (d // g) * j)
    jump = tuple(Fraction(j) / s for j, s in zip(field.jump, stride, strict=True))
    return Field(tuple(size), jump, tuple(positions))


def _all(field: Field) -> Field:
    """What sees every position of the map."""
    reach = zip(field.size, field.jump, field.positions, strict=True)
    return Field(tuple(r + (n - 1) * j for r, j, n in reach), field.jump, (1,) * len(field.size))


def _join(fields: Sequence[Field]) -> Field | None:
    """The largest of several branches; None where their numbers of axes differ."""
    if len({len(f.size) for f in fields}) != 1:
        return None
    size, jump = (tuple(max(v) for v in zip(*values, strict=True)) for values in
                  ([f.size for f in fields], [f.jump for f in fields]))
    return Field(size, jump, fields[0].positions)


def after(op: type[Op], ctx: Context, inputs: Sequence[Any], output: Tensor, fields: Sequence[Field]) -> Field | None:
    """The field of an operation's output; ``fields`` are those known of its inputs."""
    field = _join(fields)
    if field is None:
        return None
    attrs = ctx.attrs
    if op.name in ("conv", "conv_transpose"):
        taps = inputs[1].shape[2:]
        through = _slide if op.name == "conv" else _rise
        return _windows(through, field, taps, attrs["stride"], attrs["dilation"], output)
    if "window" in attrs:
        taps = attrs["window"]
        dilation = attrs.get("dilation") or (1,) * len(taps)
        return _windows(_slide, field, taps, attrs["stride"], dilation, output)
    if op.name == "locally_connected":
        taps = inputs[1].shape[-len(attrs["stride"]):]
        return _windows(_slide, field, taps, attrs["stride"], (1,) * len(taps), output)
    if op.name.startswith("adaptive"):
        return _adaptive(field, output)
    if op.name in ("interpolate", "rearrange"):
        return _resized(field, attrs, output)
    if op.name in ("linear", "matmul"):
        return _all(field)
    if op.name in ("sum", "mean", "max", "min", "amax", "amin") and len(output.shape) < len(inputs[0].shape):
        return _all(field)
    return field


def _windows(through: Callable[..., Field], field: Field, taps: Any, stride: Any, dilation: Any,
             output: Tensor) -> Field | None:
    axes = len(taps)
    return through(field, taps, stride, dilation, output.shape[-axes:]) if axes == len(field.size) else None


#: Inputs behind an output along an axis.
_TAPS = {"linear": 2, "cubic": 4}


def _resized(field: Field, attrs: dict[str, Any], output: Tensor) -> Field | None:
    """Another size: the jump shrinks as the map grows. An antialiasing filter is as wide as the step is long."""
    axes = len(field.size)
    sizes = output.shape[-axes:]
    if any(n == 0 for n in sizes):
        return None
    size, jump = [], []
    for r, j, m, n in zip(field.size, field.jump, field.positions, sizes, strict=True):
        step = Fraction(m, n)
        taps = _TAPS.get(attrs["mode"], 1) if "mode" in attrs else max(1, math.floor(step))
        if attrs.get("antialias"):
            taps = math.ceil(taps * max(step, Fraction(1)))
        size.append(r + (taps - 1) * j)
        jump.append(j * step)
    return Field(tuple(size), tuple(jump), tuple(sizes))


def _adaptive(field: Field, output: Tensor) -> Field | None:
    """Output i of n reads positions floor(i m / n) to ceil((i + 1) m / n) of m; the widest such window counts."""
    axes = len(field.size)
    sizes = list(zip(field.positions, output.shape[-axes:], strict=True))
    if any(n == 0 for _, n in sizes):
        return None
    taps = [max(-(-(i + 1) * m // n) - i * m // n for i in range(n)) for m, n in sizes]
    return _slide(field, taps, [max(1, m // n) for m, n in sizes], [1] * axes, output.shape[-axes:])
