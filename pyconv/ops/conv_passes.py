"""The passes of one convolution, each on its own: its plan, its time, and a check of its result by the reference loops."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import numpy as np

from pyconv._backend import core

Array = np.ndarray
PASSES = ("forward", "grad_input", "grad_weight")


def layer(input_shape: Sequence[int], weight_shape: Sequence[int], stride: Sequence[int] = (1, 1),
          padding: Sequence[int] = (0, 0), dilation: Sequence[int] = (1, 1), groups: int = 1) -> Any:
    """The record of a 2-D convolution; ``padding`` is that of both sides per axis. Raises as `conv2d` does.

    >>> layer((8, 3, 224, 224), (64, 3, 7, 7), (2, 2), (3, 3)).output_shape
    (8, 64, 112, 112)
    """
    sides = tuple(p for p in padding for _ in range(2))
    return core.conv_shape("conv2d", tuple(input_shape), tuple(weight_shape), tuple(stride), sides, tuple(dilation),
                           groups)


def plans(record: Any) -> dict[str, dict[str, Any]]:
    """Per pass what the library chose: algorithm, why, sizes of its blocks.

    >>> plans(layer((8, 64, 56, 56), (256, 64, 1, 1)))["forward"]["algorithm"]
    'row_gemm'
    """
    return {name: record.plan(name) for name in PASSES}


class Passes:
    """The three passes of a record on random float32 data, as a training step runs them."""

    def __init__(self, record: Any) -> None:
        rng = np.random.default_rng(0)
        self.record = record
        x, self.w, gy = (rng.standard_normal(shape, np.float32)
                         for shape in (record.input_shape, record.weight_shape, record.output_shape))
        self.x, self.gy = core.copy(x, True), core.copy(gy, True)

    def run(self, name: str) -> Array:
        """The result of a pass."""
        return _run(self.record, name, self.x, self.w, self.gy)

    def error(self, name: str) -> float:
        """The largest error of a pass, as a share of what roundings may add up to; above 1 the result is wrong.

        Compared is a corner, the last image and channels, with the loops of the formula in double precision. A sum of
        products of a and b is allowed an error of eps times its length times max|a| max|b|.
        """
        x, w, gy, sub, corner = self._corner(name)
        got = self.run(name)[corner]
        want = _run(sub, name, *(v.astype(np.float64) for v in (x, w, gy)))
        operands = {"forward": (x, w), "grad_input": (gy, w), "grad_weight": (gy, x)}[name]
        taps, pixels = _product(w.shape[2:]), _product(gy.shape[2:])
        length = {"forward": w.shape[1] * taps, "grad_input": w.shape[0] * taps,
                  "grad_weight": gy.shape[0] * pixels}[name]
        largest = [max(float(a.max()), -float(a.min())) for a in operands if a.size]
        if len(largest) < 2 or not want.size:
            return 0.0
        return float(abs(got - want).max()) / (float(np.finfo(np.float32).eps) * (2 + length) * _product(largest))

    def _corner(self, name: str) -> tuple[Array, Array, Array, Any, tuple[slice, ...]]:
        """Arrays and record of a small part of the pass, and where its result stands in the whole."""
        r, some = self.record, 4
        out, inner = r.weight_shape[0] // r.groups, r.weight_shape[1]  # channels of the last group
        k = out if name == "grad_input" else min(some, out)
        c = inner if name == "forward" else min(some, inner)
        n = r.input_shape[0] if name == "grad_weight" else min(1, r.input_shape[0])
        images = slice(r.input_shape[0] - n, None)
        x, w, gy = self.x[images, -c:], self.w[-k:, -c:], self.gy[images, -k:]
        pads = tuple(p for pair in zip(r.pad_lo, r.pad_hi, strict=True) for p in pair)
        sub = core.conv_shape("conv2d", x.shape, w.shape, r.stride, pads, r.dilation, 1)
        corner = {"forward": (images, slice(-k, None)), "grad_input": (images, slice(-c, None)),
                  "grad_weight": (slice(-k, None), slice(-c, None))}[name]
        return x, w, gy, sub, corner

    def seconds(self, name: str, least: float = 0.3) -> float:
        """The median time of a call, over at least three calls and ``least`` seconds."""
        self.run(name)  # warm: pages and caches
        times: list[float] = []
        spent = 0.0
        while len(times) < 3 or spent < least:
            start = time.perf_counter()
            self.run(name)
            times.append(time.perf_counter() - start)
            spent += times[-1]
        return median(times)


def _run(record: Any, name: str, x: Array, w: Array, gy: Array) -> Array:
    calls: dict[str, Callable[[], Array]] = {
        "forward": lambda: core.conv_forward("conv2d", record, x, w),
        "grad_input": lambda: core.conv_grad_input(record, gy, w),
        "grad_weight": lambda: core.conv_grad_weight(record, gy, x),
    }
    return calls[name]()


def _product(values: Sequence[Any]) -> Any:
    result: Any = 1
    for v in values:
        result *= v
    return result
