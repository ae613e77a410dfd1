"""What the tests of convolution share: how far float32 may be off, and a shape in all passes."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyconv._backend import core

EPS = float(np.finfo(np.float32).eps)


def bound(length: int, a: np.ndarray, b: np.ndarray) -> float:
    """Rounding of a sum of ``length`` products: the partial sums grow like a random walk, and so do their errors,
    eps times the length times a product's size; the largest product leaves room for the tail."""
    scale = float(np.abs(a).max(initial=0) * np.abs(b).max(initial=0))
    return EPS * (2 + length) * scale


def check_passes(shape: Any, rng: np.random.Generator, exact_sums: bool = False) -> None:
    """Against float64; the same bits for any number of threads; with an epilogue, and with statistics (``exact_sums``: added
    up in double)."""
    x, w, out = shape.input_shape, shape.weight_shape, shape.output_shape
    a, f, g, r = (rng.standard_normal(s).astype("f") for s in (x, w, out, out))
    b, pixels, taps = rng.standard_normal(w[0]).astype("f"), g.size // w[0], f[0].size

    def results(t: type) -> tuple[np.ndarray, ...]:
        a_, f_, g_ = (v.astype(t) for v in (a, f, g))
        return (core.conv_forward("conv", shape, a_, f_, b.astype(t)), core.conv_grad_input(shape, g_, f_),
                core.conv_grad_weight(shape, g_, a_))

    got = results(np.float32)
    for length, operands, y, want in zip((taps, taps * w[0] // x[1], pixels), ((a, f), (g, f), (g, a)), got,
                                         results(np.float64), strict=True):
        assert np.abs(y - want).max() <= bound(length, *operands)
    for threads in (1, 2, 3, 4, 7):
        core.set_num_threads(threads)
        assert all(np.array_equal(*pair) for pair in zip(results(np.float32), got, strict=True))
    assert np.array_equal(core.conv_forward("conv", shape, a, f, b, r, True), np.maximum(got[0] + r, 0))
    y, total, squares = core.conv_forward_statistics(shape, a, f, b)
    d = np.moveaxis(y, 1, -1).astype("d").reshape(-1, w[0]) - b
    assert np.array_equal(y, core.conv_forward("conv", shape, a, f))
    assert np.abs(total - d.sum(0)).max() <= (1e-9 if exact_sums else bound(len(d), d, np.ones(1)))
    assert np.allclose(squares, (d * d).sum(0))
