"""Random geometries of convolutions and pools, and the sizes that come out of them, from their definitions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st


@dataclass(frozen=True)
class Conv:
    """A convolution that has at least one output. ``sizes``, ``kernel``...: one entry per axis."""

    batch: int
    groups: int
    channels: int  # in, per group
    filters: int  # out, per group
    sizes: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    seed: int

    @property
    def options(self) -> dict[str, object]:
        return {"stride": self.stride, "padding": self.padding, "dilation": self.dilation, "groups": self.groups}

    @property
    def x_shape(self) -> tuple[int, ...]:
        return (self.batch, self.groups * self.channels, *self.sizes)

    @property
    def w_shape(self) -> tuple[int, ...]:
        return (self.groups * self.filters, self.channels, *self.kernel)

    @property
    def out(self) -> tuple[int, ...]:
        return tuple(positions(n + 2 * p, (k - 1) * d + 1, s) for n, k, s, p, d in
                     zip(self.sizes, self.kernel, self.stride, self.padding, self.dilation, strict=True))

    @property
    def left_over(self) -> tuple[int, ...]:
        """What the last window does not reach: the output_padding of the convolution's transpose."""
        return tuple((n + 2 * p - ((k - 1) * d + 1)) % s for n, k, s, p, d in
                     zip(self.sizes, self.kernel, self.stride, self.padding, self.dilation, strict=True))

    @property
    def terms(self) -> int:
        return self.channels * self.filters * int(np.prod(self.kernel))


def positions(size: int, span: int, stride: int) -> int:
    """How many windows of ``span`` fit into ``size``, counted one by one."""
    return len(range(0, size - span + 1, stride))


@st.composite
def convolutions(draw, axes: int | None = None) -> Conv:
    axes = draw(st.integers(1, 3)) if axes is None else axes
    one = st.integers
    kernel = draw(st.tuples(*[one(1, 4)] * axes))
    dilation = draw(st.tuples(*[one(1, 3)] * axes))
    padding = draw(st.tuples(*[one(0, 3)] * axes))
    stride = draw(st.tuples(*[one(1, 3)] * axes))
    room = draw(st.tuples(*[one(0, 9 if axes < 3 else 4)] * axes))
    sizes = tuple(max(1, (k - 1) * d + 1 - 2 * p + r) for k, d, p, r in zip(kernel, dilation, padding, room, strict=True))
    return Conv(draw(one(1, 3)), draw(one(1, 3)), draw(one(1, 9)), draw(one(1, 9)), sizes, kernel, stride, padding, dilation,
                draw(one(0, 2**32 - 1)))


def arrays(seed: int, dtype: type, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def inner(a: np.ndarray, b: np.ndarray) -> float:
    assert a.shape == b.shape
    return float(np.vdot(a.astype(np.float64), b.astype(np.float64)))


def bound(dtype: type, terms: int, size: float) -> float:
    """The error of a sum of so many rounded terms whose magnitudes sum up to ``size``, transformed tiles included."""
    return float(np.finfo(dtype).eps) * (terms + 16) * size
