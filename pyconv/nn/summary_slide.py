"""A summary as lectures print it: weights and multiply-adds of a chain of layers, the output on top.

The table that it follows, AlexNet's (Ranzato, CVPR tutorial on deep learning, 2014), takes the weights of its fourth
convolution without groups and everything else with groups, and rounds its first row to the nearest and all others down.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable
from typing import Any, NamedTuple

from pyconv.errors import ShapeError
from pyconv.nn.layer_names import JOINS, SUFFIXES, named
from pyconv.nn.summary_table import columns, shape_text
from pyconv.nn.watching import Watch
from pyconv.tensor import Tensor

#: AlexNet's table in the lecture, input first: layer, weights, multiply-adds.
LECTURE = [
    ("Conv 11x11s4, 96 / ReLU", "35K", "105M"), ("Local Response Norm", "", ""), ("Max Pool 3x3s2", "", ""),
    ("Conv 5x5s1, 256 / ReLU", "307K", "223M"), ("Local Response Norm", "", ""), ("Max Pool 3x3s2", "", ""),
    ("Conv 3x3s1, 384 / ReLU", "884K", "149M"), ("Conv 3x3s1, 384 / ReLU", "1.3M", "112M"),
    ("Conv 3x3s1, 256 / ReLU", "442K", "74M"), ("Max Pool 3x3s2", "", ""),
    ("FC 4096 / ReLU", "37M", "37M"), ("FC 4096 / ReLU", "16M", "16M"), ("FC 1000", "4M", "4M"),
]
#: Both give a whole number from tenths of a unit.
ROUNDINGS: dict[str, Callable[[float], int]] = {"slide": math.floor, "floor": math.floor,
                                                "nearest": lambda x: math.floor(x + 0.5)}


class Line(NamedTuple):
    """A layer: weights without biases, 0 where it has none, and multiply-adds for one image."""

    layer: str
    weights: int
    macs: int
    groups: int


def lines(watch: Watch) -> list[Line]:
    """The layers in the order in which they run. Raises ValueError for a network that is no chain."""
    made = {id(x) for x in watch.inputs}
    end = next(iter(made), None)
    batch = max(1, watch.inputs[0].shape[0]) if watch.inputs and watch.inputs[0].shape else 1
    found: list[Line] = []
    for step in watch.steps:
        read = [id(x) for x in step.inputs if isinstance(x, Tensor) and id(x) in made]
        if not read:
            continue  # something about parameters alone
        if any(x != end for x in read) or (step.op.name in JOINS and len(read) > 1):
            where = step.call.path if step.call is not None and step.call.path else type(watch.model).__name__
            raise ShapeError(f"[summary] style is 'slide', for networks that are a chain of layers; this one has branches, "
                             f"which meet at {step.op.name} in {where}: use the style 'table'")
        made.update(map(id, step.outputs))
        end = id(step.outputs[0])
        name, suffix = named(step), SUFFIXES.get(step.op.name)
        if name is not None:
            text = name.title if name.maps is None else f"{name.title}, {name.maps}".replace("FC, ", "FC ")
            weight = math.prod(step.inputs[1].shape) if step.ctx.record.macs else 0
            groups = step.ctx.attrs.get("groups", 1)
            found.append(Line(text, weight, step.ctx.record.macs // batch, groups))
        elif suffix and found:
            found[-1] = found[-1]._replace(layer=f"{found[-1].layer} / {suffix}")
    return found


def short(n: int, rounding: str) -> str:
    """4,096,000 as 4M, 1,327,104 as 1.3M, 663,552 as 663K; an empty text for 0."""
    if n == 0:
        return ""
    for size, unit in ((10**9, "B"), (10**6, "M"), (10**3, "K"), (1, "")):
        if n >= size:
            tenths = 10 if n < 10 * size and size > 1 else 1
            value = ROUNDINGS[rounding](n / size * tenths) / tenths
            return f"{value:g}{unit}"
    raise AssertionError(n)


def text(found: Any, watch: Watch) -> str:
    """The table of a `Summary`, with notes."""
    rows = lines(watch)
    lecture = LECTURE if [row.layer for row in rows] == [layer for layer, _, _ in LECTURE] else None
    body, notes = [], []
    for i, row in enumerate(rows):
        weights, macs, mark = short(row.weights, found.rounding), short(row.macs, found.rounding), ""
        if lecture and found.rounding == "slide" and weights != lecture[i][1]:
            if lecture[i][1] == short(row.weights, "nearest"):
                weights = lecture[i][1]
            elif row.groups > 1 and lecture[i][1] == short(row.weights * row.groups, "floor"):
                mark = " *"
                notes.append(f"* The lecture's table has {lecture[i][1]} weights beside {lecture[i][2]} multiply-adds: "
                             f"{row.weights * row.groups:,} are the weights without groups, {row.macs:,} the multiply-adds "
                             f"with {row.groups} groups, whose weights are {row.weights:,}. Its other rows count with "
                             "groups, and so does this one.")
        body.append((weights, row.layer + mark, macs))
    all_weights, all_macs = sum(row.weights for row in rows), sum(row.macs for row in rows)
    head = ("params", found.name, "multiply-adds")
    total = (short(all_weights, found.rounding), "Total", short(all_macs, found.rounding))
    table = columns(head, body[::-1], total, left=2)
    rounded = {"slide": "down, the lecture's 35K excepted" if lecture else "down", "floor": "down",
               "nearest": "to the nearest"}[found.rounding]
    notes.append(f"Weights without biases and norms: {all_weights:,} of {found.total_parameters:,} parameters. One image of "
                 f"{shape_text(found.input_size[1:])}: {all_macs:,} multiply-adds, twice as many floating-point operations. "
                 f"Rounded {rounded}.")
    return "\n".join([*table, *(line for note in notes for line in textwrap.wrap(note, 100))])
