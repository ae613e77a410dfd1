"""If, Loop and Scan: subgraphs, which see the values around them."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyconv.interop.onnx.operators.shape import concatenated, reshaped
from pyconv.interop.onnx.registry import Call, operator
from pyconv.tensor import FLOATS, Tensor


@operator("If", wide=False)
def if_(at: Call, condition: Any) -> Any:
    """One of two subgraphs."""
    branch = at.body("then_branch" if at.scalar(condition, "cond") else "else_branch")
    return tuple(at.execute(branch, []))


def _stacked(at: Call, values: list[Any], axis: int = 0) -> Any:
    """The values of all turns along a new axis."""
    first = values[0]
    for v in values:
        if tuple(v.shape) != tuple(first.shape) or v.dtype != first.dtype:
            at.error(f"an output that is collected has shape {tuple(v.shape)} in one turn and {tuple(first.shape)} in "
                     "another")
    place = axis if axis >= 0 else axis + first.ndim + 1
    if not 0 <= place <= first.ndim:
        at.error(f"an output axis is {axis}, expected {-first.ndim - 1} to {first.ndim}")
    shape = (*first.shape[:place], 1, *first.shape[place:])
    return concatenated(at, [reshaped(v, at.bound(shape, np.bool_)) for v in values], place)


@operator("Loop", wide=False)
def loop(at: Call, trips: Any = None, condition: Any = None, *carried: Any) -> Any:
    """A subgraph again and again: carried values, and outputs that are collected."""
    body = at.body("body")
    count = len(carried)
    collected = len(body.outputs) - 1 - count
    if collected < 0:
        at.error(f"the body has {len(body.outputs)} outputs, expected at least {1 + count}")
    limit = None if trips is None else int(at.scalar(trips, "M"))
    going = condition is None or bool(at.scalar(condition, "cond"))
    values, turn = list(carried), 0
    rows: list[list[Any]] = [[] for _ in range(collected)]
    held = at.run.live
    while going and (limit is None or turn < limit):
        results = at.execute(body, [np.asarray(turn, np.int64), np.asarray(True), *values])
        going = bool(at.scalar(results[0], "the body's condition"))
        values = results[1:1 + count]
        for row, value in zip(rows, results[1 + count:], strict=True):
            row.append(value)
            at.run.live += max(1, value.array.nbytes if isinstance(value, Tensor) else value.nbytes)
            at.bound((1,), np.bool_)
        turn += 1
    at.run.live = held
    return (*values, *(_stacked(at, row) if row else _nothing(body, 1 + count + i) for i, row in enumerate(rows)))


def _nothing(body: Any, output: int) -> Any:
    """What a loop without a turn collects."""
    dtype = body.output_types[output] or np.dtype("float32")
    array = np.zeros((0,), dtype)
    return Tensor(array) if dtype in FLOATS else array


@operator("Scan", wide=False)
def scan(at: Call, *inputs: Any) -> Any:
    """A subgraph for each slice of the scanned inputs; the other inputs are carried."""
    body, number = at.body("body"), at["num_scan_inputs"]
    if at.node.schema.since < 9:
        return _scan_batches(at, body, number, inputs)
    if not 1 <= number <= len(inputs):
        at.error(f"num_scan_inputs is {number}, expected 1 to {len(inputs)}")
    return _scan(at, body, list(inputs[:len(inputs) - number]), list(inputs[len(inputs) - number:]))


def _listed(at: Call, name: str, count: int) -> tuple[int, ...]:
    values = at[name] or (0,) * count
    if len(values) != count:
        at.error(f"{name} has {len(values)} entries, expected {count}")
    return values


def _scan(at: Call, body: Any, state: list[Any], scanned: list[Any]) -> tuple[Any, ...]:
    collected = len(body.outputs) - len(state)
    if collected < 0:
        at.error(f"the body has {len(body.outputs)} outputs, expected at least {len(state)}")
    axes = [at.axis(a, x.ndim, "scan_input_axes") for a, x in
            zip(_listed(at, "scan_input_axes", len(scanned)), scanned, strict=True)]
    backward = _listed(at, "scan_input_directions", len(scanned))
    lengths = {x.shape[a] for a, x in zip(axes, scanned, strict=True)}
    if len(lengths) != 1:
        at.error(f"the scanned inputs have lengths {sorted(lengths)}, expected one")
    length, = lengths
    rows: list[list[Any]] = [[] for _ in range(collected)]
    for turn in range(length):
        slices = [x[(slice(None),) * a + (length - 1 - turn if back else turn,)]
                  for x, a, back in zip(scanned, axes, backward, strict=True)]
        results = at.execute(body, [*state, *(np.asarray(s) if isinstance(s, np.generic) else s for s in slices)])
        state = results[:len(state)]
        for row, value in zip(rows, results[len(state):], strict=True):
            row.append(value)
    out_axes = _listed(at, "scan_output_axes", collected)
    out_back = _listed(at, "scan_output_directions", collected)
    return (*state, *(_stacked(at, row[::-1] if back else row, axis) if row else _nothing(body, len(state) + i)
                      for i, (row, axis, back) in enumerate(zip(rows, out_axes, out_back, strict=True))))


def _scan_batches(at: Call, body: Any, number: int, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """The first version: a batch axis in front of everything, and optional lengths."""
    if inputs[0] is not None:
        at.error("sequence_lens is not supported")
    values = inputs[1:]
    if not 1 <= number <= len(values):
        at.error(f"num_scan_inputs is {number}, expected 1 to {len(values)}")
    if any(v.ndim == 0 or v.shape[0] != values[0].shape[0] for v in values) or not values[0].shape[0]:
        at.error("the inputs have no common batch axis")
    if any(at["directions"] or ()):
        at.error("directions is not supported in this version")
    split = len(values) - number
    samples = [_scan(at, body, [v[i] for v in values[:split]], [v[i] for v in values[split:]])
               for i in range(values[0].shape[0])]
    return tuple(_stacked(at, [sample[k] for sample in samples]) for k in range(len(samples[0])))

