"""Pooling, and the transposed convolution that undoes a stride."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pyconv.course.convolution import maps
from pyconv.course.item import Claim, item
from pyconv.nn import functional as F
from pyconv.ops.creation import tensor
from pyconv.ops.elementwise import mul
from pyconv.ops.reduce import sum

POOLED = [[1, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]]
COARSE = [[4, 2, 4], [6, 4, 6], [2, 12, 2]]
TENT = [[0.25, 0.5, 0.25], [0.5, 1, 0.5], [0.25, 0.5, 0.25]]
FINE = [[4, 3, 2, 3, 4], [5, 4, 3, 4, 5], [6, 5, 4, 5, 6], [4, 6, 8, 6, 4], [2, 7, 12, 7, 2]]


@item("T12", "UCSD, Pooling: 2x2 filters, stride 2")
def _pooled(dtype: str) -> Iterator[Claim]:
    x = maps(POOLED, dtype, True)
    y = F.max_pool2d(x, 2)
    yield Claim("largest", [[[[6, 8], [3, 4]]]], y)
    sum(y).backward()
    where = np.zeros((4, 4))
    where[[1, 1, 2, 3], [1, 3, 0, 3]] = 1
    yield Claim("its gradient", [[where]], x.grad)
    yield Claim("mean", [[[[3.25, 5.25], [2, 2]]]], F.avg_pool2d(maps(POOLED, dtype), 2))


@item("T13", "UCSD, AlexNet: overlapping 3x3 windows, stride 2")
def _overlapping(dtype: str) -> Iterator[Claim]:
    yield Claim("of 0 to 24", [[[[12, 14], [22, 24]]]], F.max_pool2d(maps(np.arange(25).reshape(5, 5), dtype), 3, 2))


@item("T14", "Chalmers, What's the point?: transposed strided filtering")
def _upsampled(dtype: str) -> Iterator[Claim]:
    x, w = maps(COARSE, dtype), maps(TENT, dtype)
    up = F.conv_transpose2d(x, w, stride=2, padding=1)
    yield Claim("all 25 values", FINE, up.array[0, 0])
    stuffed = np.zeros((5, 5))
    stuffed[::2, ::2] = COARSE
    yield Claim("zeros between, then filtered", up, F.conv2d(maps(stuffed, dtype), w, padding=1))
    yield Claim("without padding 7x7, first row", [1, 2, 1.5, 1, 1.5, 2, 1],
                F.conv_transpose2d(x, w, stride=2).array[0, 0, 0])
    yield Claim("bilinear, aligned corners", FINE,
                F.interpolate(x, size=(5, 5), mode="bilinear", align_corners=True).array[0, 0], 1e-12)
    yield Claim("bilinear, corners not aligned: first row differs", [4, 3.2, 2, 3.2, 4],
                F.interpolate(x, size=(5, 5), mode="bilinear", align_corners=False).array[0, 0, 0], 1e-12)


@item("T15", "Chalmers, Transposed convolution: the adjoint")
def _adjoint(dtype: str) -> Iterator[Claim]:
    """<conv(x), y> = <x, conv_transpose(y)>: both sides are sums of the same products, here of whole numbers."""
    rng = np.random.default_rng(0)
    for stride, padding, dilation, groups in ((1, 0, 1, 1), (2, 1, 1, 1), (3, 2, 2, 1), (2, 0, 3, 2), (1, 3, 1, 4)):
        x = tensor(rng.integers(-4, 5, (2, 4, 13, 13)).astype(dtype))
        w = tensor(rng.integers(-4, 5, (8, 4 // groups, 3, 3)).astype(dtype))
        z = F.conv2d(x, w, None, stride, padding, dilation, groups)
        y = tensor(rng.integers(-4, 5, z.shape).astype(dtype))
        more = 13 - ((z.shape[2] - 1) * stride - 2 * padding + 2 * dilation + 1)
        back = F.conv_transpose2d(y, w, None, stride, padding, more, groups, dilation)
        yield Claim(f"stride {stride}, padding {padding}, dilation {dilation}, {groups} groups",
                    sum(mul(z, y)), sum(mul(x, back)))
