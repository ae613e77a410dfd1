"""A convolution step by step: every window, product and sum, as seen from the outputs or from the inputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from pyconv.errors import ShapeError
from pyconv.explain.text import beside, grid, number
from pyconv.ops.arguments import whole
from pyconv.ops.conv import Conv, Padding, Size, check_operands, pair_paddings, per_axis
from pyconv.tensor import Array, Tensor


class Gather(NamedTuple):
    """One output: the window that the filter sees, and what becomes of it.

    ``sum(products) + bias == total``. Where the window reaches into the padding it holds 0 and ``inside`` is False.
    """

    sample: int
    channel: int  # of the output
    position: tuple[int, int]  # in the output
    origin: tuple[int, int]  # of the window in the input; negative in the padding
    window: Array  # (C/groups, R, S)
    inside: Array  # bool, the same shape
    filter: Array  # (C/groups, R, S)
    products: Array
    bias: float
    total: float

    def __str__(self) -> str:
        lines = [f"output[{self.sample}, {self.channel}, {self.position[0]}, {self.position[1]}]: "
                 f"the window at row {self.origin[0]}, column {self.origin[1]}"]
        for c in range(len(self.window)):
            lines.append(beside(grid(self.window[c], self.inside[c]), "*", grid(self.filter[c]), "=",
                                grid(self.products[c])))
        terms = " + ".join(number(p) for p in self.products[self.inside].ravel()) or "0"
        bias = f" + bias {number(self.bias)}" if self.bias else ""
        return "\n".join([*lines, f"{terms}{bias} = {number(self.total)}"])


class Scatter(NamedTuple):
    """One input value and one output channel: where its multiples of the filter are added.

    ``targets`` lists (row, column) of the output and the filter tap (r, s) that leads there; ``products`` what is
    added, in the same order; ``output`` is the map after it (a copy). The maps start at the bias.
    """

    sample: int
    channel: int  # of the input
    position: tuple[int, int]  # in the input
    value: float
    output_channel: int
    targets: tuple[tuple[tuple[int, int], tuple[int, int]], ...]
    products: tuple[float, ...]
    output: Array  # (OH, OW)

    def __str__(self) -> str:
        head = (f"input[{self.sample}, {self.channel}, {self.position[0]}, {self.position[1]}] = "
                f"{number(self.value)} into output channel {self.output_channel}:")
        if not self.targets:
            return f"{head} no filter position sees it"
        added = np.zeros(self.output.shape)
        hit = np.zeros(self.output.shape, bool)
        for (where, _), product in zip(self.targets, self.products, strict=True):
            added[where] = product
            hit[where] = True
        before = self.output - added
        return "\n".join([head, beside(grid(before), "+", grid(added, hit), "=", grid(self.output))])


class ConvTrace:
    """What `trace_conv` returns: iterate over it for the steps, ``print`` it for all of them."""

    def __init__(self, x: Array, weight: Array, bias: Array, record: Any, stride: tuple[int, ...],
                 dilation: tuple[int, ...], groups: int, mode: str) -> None:
        self.mode = mode
        self.output_shape: tuple[int, ...] = record.output_shape
        self._x, self._weight, self._bias = x, weight, bias
        self._low, self._stride, self._dilation, self._groups = record.pad_lo, stride, dilation, groups

    def __len__(self) -> int:
        n, k, oh, ow = self.output_shape
        return n * k * oh * ow if self.mode == "gather" else self._x.size * (k // self._groups)

    def __iter__(self) -> Iterator[Any]:
        return self._gather() if self.mode == "gather" else self._scatter()

    def _gather(self) -> Iterator[Gather]:
        n, k, oh, ow = self.output_shape
        _, per_group, r, s = self._weight.shape
        h, w = self._x.shape[2:]
        for b, f, i, j in np.ndindex(n, k, oh, ow):
            first = f // (k // self._groups) * per_group
            top, left = i * self._stride[0] - self._low[0], j * self._stride[1] - self._low[1]
            rows = (top + np.arange(r) * self._dilation[0])[:, None]
            columns = (left + np.arange(s) * self._dilation[1])[None]
            inside = (rows >= 0) & (rows < h) & (columns >= 0) & (columns < w)
            seen = self._x[b][first : first + per_group, rows.clip(0, h - 1), columns.clip(0, w - 1)]
            window = np.where(inside, seen, 0.0)
            products = window * self._weight[f]
            yield Gather(b, f, (i, j), (top, left), window, np.broadcast_to(inside, window.shape).copy(),
                         self._weight[f], products, float(self._bias[f]), float(products.sum() + self._bias[f]))

    def _scatter(self) -> Iterator[Scatter]:
        _, k, oh, ow = self.output_shape
        _, per_group, r, s = self._weight.shape
        per_output = k // self._groups
        out = np.empty(self.output_shape)
        out[...] = self._bias[:, None, None]
        for b, c, y, x in np.ndindex(*self._x.shape):
            value = float(self._x[b, c, y, x])
            group = c // per_group
            for f in range(group * per_output, (group + 1) * per_output):
                targets, products = [], []
                for tap in np.ndindex(r, s):
                    i, rest_i = divmod(y + self._low[0] - tap[0] * self._dilation[0], self._stride[0])
                    j, rest_j = divmod(x + self._low[1] - tap[1] * self._dilation[1], self._stride[1])
                    if rest_i or rest_j or not (0 <= i < oh and 0 <= j < ow):
                        continue
                    product = value * float(self._weight[f, c - group * per_group][tap])
                    out[b, f, i, j] += product
                    targets.append(((i, j), tap))
                    products.append(product)
                yield Scatter(b, c, (y, x), value, f, tuple(targets), tuple(products), out[b, f].copy())

    def __str__(self) -> str:
        return "\n\n".join(map(str, self))


def trace_conv(input: Any, weight: Any, bias: Any = None, stride: Size = 1, padding: Padding = 0, dilation: Size = 1,
               groups: int = 1, mode: str = "gather") -> ConvTrace:
    """The steps of ``conv2d(input, weight, bias, stride, padding, dilation, groups)``, for printing and teaching.

    Args:
        input: (N, C, H, W), (C, H, W) or (H, W).
        weight: (K, C/groups, R, S), or (R, S) with an input of two axes.
        bias, stride, padding, dilation, groups: as for `conv2d`.
        mode: "gather" asks each output where it comes from: one `Gather` per output, in the order of the output.
            "scatter" asks each input value where it goes: one `Scatter` per input value and output channel that it
            reaches; the maps of the last ones are the convolution.

    Returns:
        A `ConvTrace`: ``len()`` tells the number of steps, nothing is computed before iteration; everything is
        computed in float64 as written, on one thread: for small pictures.

    Raises:
        ShapeError: shapes that do not fit; TypeError: operands that are no tensors; ValueError: other bad arguments.

    Source: Dumoulin & Visin, A guide to convolution arithmetic for deep learning, 2016.

    >>> import numpy as np
    >>> image = np.array([[1.0, 2, 3, 0], [0, 1, 2, 3], [3, 0, 1, 2], [2, 3, 0, 1]])
    >>> filter = np.array([[2.0, 0, 1], [0, 1, 2], [1, 0, 2]])
    >>> print(next(iter(trace_conv(image, filter))))
    output[0, 0, 0, 0]: the window at row 0, column 0
    1 2 3   2 0 1   2 0 3
    0 1 2 * 0 1 2 = 0 1 4
    3 0 1   1 0 2   3 0 2
    2 + 0 + 3 + 0 + 1 + 4 + 3 + 0 + 2 = 15
    >>> [step.total for step in trace_conv(image, filter)]
    [15.0, 16.0, 6.0, 15.0]
    """
    op = "trace_conv"
    if mode not in ("gather", "scatter"):
        raise ValueError(f"[{op}] mode is {mode!r}, expected 'gather' or 'scatter'")
    if getattr(input, "ndim", 0) == 2 and getattr(weight, "ndim", 0) == 2:
        input, weight = input.reshape(1, 1, *input.shape), weight.reshape(1, 1, *weight.shape)
    check_operands(op, 2, input, weight, bias)
    x, w = (np.asarray(t.array if isinstance(t, Tensor) else t, np.float64) for t in (input, weight))
    x = x[None] if x.ndim == 3 else x
    b = np.zeros(len(w)) if bias is None else np.asarray(bias.array if isinstance(bias, Tensor) else bias, np.float64)
    if x.ndim != 4:
        raise ShapeError(f"[{op}] input has shape {tuple(input.shape)}, expected 2, 3 or 4 axes")
    steps, gaps = per_axis(stride, 2, op, "stride"), per_axis(dilation, 2, op, "dilation")
    groups = whole(groups, op, "groups")
    record = Conv.infer([x.shape, w.shape, b.shape], op=op, stride=steps, padding=pair_paddings(padding, 2, op),
                        dilation=gaps, groups=groups)
    return ConvTrace(x, w, b, record.core, steps, gaps, groups, mode)
