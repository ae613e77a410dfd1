"""Convolution as row GEMM: borders kept apart or copied, groups, depth, wide rows, few channels, many panels."""

from __future__ import annotations

import numpy as np
import pytest
from convolution import bound, check_passes

from pyconv._backend import core

SHAPES = [  # x, w, stride, padding, dilation
    ((2, 20, 25, 24), (70, 20, 3, 3), 2, 1, 1), ((1, 33, 30, 31), (40, 33, 3, 3), 1, 3, 3),
    ((3, 140, 9, 9), (130, 140, 3, 3), 2, 1, 1), ((2, 24, 20, 20), (96, 12, 5, 5), 2, 2, 1),
    ((1, 5, 6, 20, 21), (66, 5, 3, 3, 3), 2, 1, 1), ((2, 3, 7, 1100), (64, 3, 3, 7), 1, 3, 1),
    ((2, 40, 300), (50, 40, 3), 3, 1, 1), ((5, 17, 40, 5), (33, 17, 3, 3), (1, 2), 1, 1),
    ((2, 64, 31, 31), (200, 64, 1, 1), 1, 0, 1), ((2, 7, 31, 31), (64, 7, 1, 1), 1, 0, 1),
    ((1, 300, 23, 20), (64, 300, 3, 3), 2, 1, 1), ((3, 3, 30, 30), (64, 3, 3, 3), 1, 1, 1),
    ((9, 1, 28, 28), (6, 1, 5, 5), 1, 2, 1), ((9, 6, 14, 14), (16, 6, 5, 5), 1, 0, 1),
    ((1, 30, 2, 40), (20, 30, 5, 3), 2, 2, 1),
]


@pytest.mark.parametrize(("x", "w", "stride", "padding", "dilation"), SHAPES, ids=str)
def test_all_passes(isa, keep_threads, x, w, stride, padding, dilation):
    axes, rng = len(x) - 2, np.random.default_rng(0)
    stride = (stride,) * axes if isinstance(stride, int) else stride
    shape = core.conv_shape("conv", x, w, stride, (padding,) * (2 * axes), (dilation,) * axes, x[1] // w[1])
    check_passes(shape, rng)


def test_a_phase_bypasses_the_caches(isa, keep_threads):
    """17 MB of input gradient, one pixel in four at a time, by streaming stores; another thread reads them."""
    rng = np.random.default_rng(0)
    shape = core.conv_shape("conv", (1, 64, 260, 260), (16, 64, 3, 3), (2, 2), (1,) * 4, (1, 1), 1)
    g, f = rng.standard_normal(shape.output_shape, np.float32), rng.standard_normal((16, 64, 3, 3), np.float32)
    core.set_num_threads(2)
    got = core.conv_grad_input(shape, g, f)
    want = core.conv_grad_input(shape, np.float64(g), np.float64(f))
    assert np.abs(got - want).max() <= bound(16 * 9, g, f)
    core.set_num_threads(1)
    assert np.array_equal(got, core.conv_grad_input(shape, g, f))
