"""Winograd convolution: the transforms derived from their points, the error they cost, edges, the direct way out."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

from pyconv import runtime
from pyconv._backend import core

UNIT = float(np.finfo(np.float32).eps) / 2  # the largest relative error of one rounding
POINTS = [Fraction(0), Fraction(2, 3), Fraction(-2, 3), Fraction(3, 2), Fraction(-3, 2), None]  # None: infinity
PASSES = ("forward", "grad_input", "grad_weight")


def product_of_roots(roots: list[Fraction]) -> list[Fraction]:
    """Coefficients of the product of (x - root), lowest first, filled up to six."""
    c = [Fraction(1)]
    for root in roots:
        c = [(c[i - 1] if i else 0) - root * (c[i] if i < len(c) else 0) for i in range(len(c) + 1)]
    return c + [Fraction(0)] * (6 - len(c))


def evaluation(n: int) -> list[list[Fraction]]:
    """E_n: row p holds 1, p, p^2, ...; that of infinity reads off the leading coefficient."""
    return [[Fraction(int(i == n - 1)) if p is None else p**i for i in range(n)] for p in POINTS]


def matrices(m: int):
    """A (6 x m), G (6 x r, with 1/f) and C (6 x 6) of F(m, r), r = 7 - m, as exact fractions."""
    finite = [p for p in POINTS if p is not None]
    c = [product_of_roots([q for q in finite if q != p]) for p in POINTS]
    f = [Fraction(1) if p is None else Fraction(np.prod([p - q for q in finite if q != p])) for p in POINTS]
    g = [[v / d for v in row] for row, d in zip(evaluation(7 - m), f, strict=True)]
    return evaluation(m), g, c


def amplification(m: int) -> float:
    """How much a relative rounding error of the six (36) products grows in the outputs, root mean square.

    With independent random inputs of unit size a product has variance Σ G² Σ C²; an output is Σ A times them, which
    cancel to r (r²) terms of unit variance.
    """
    a, g, c = (np.array(v, float) for v in matrices(m))
    variance = ((g**2).sum(1) * (c**2).sum(1)) @ a**2
    return float(np.sqrt(np.outer(variance, variance).mean()) / (7 - m))


def channels_last(a: np.ndarray) -> np.ndarray:
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1)


class Case:
    """Inputs in float32 and float64 and the three passes of one shape."""

    def __init__(self, x, w, rng, stride=1, padding=None, dilation=1, groups=1):
        axes = len(w) - 2
        pads = (w[-1] // 2,) * (2 * axes) if padding is None else padding
        self.stride = stride
        self.shape = core.conv_shape("conv", x, w, (stride,) * axes, pads, (dilation,) * axes, groups)
        sizes = (self.shape.input_shape, self.shape.weight_shape, self.shape.output_shape)
        self.x, self.w, self.gy = (rng.standard_normal(s, np.float32) for s in sizes)
        self.x, self.gy = channels_last(self.x), channels_last(self.gy)

    def run(self, what: str, dtype=np.float32) -> np.ndarray:
        x, w, gy = (a.astype(dtype) for a in (self.x, self.w, self.gy))
        if what == "forward":
            return core.conv_forward("conv", self.shape, x, w)
        return core.conv_grad_input(self.shape, gy, w) if what == "grad_input" else core.conv_grad_weight(
            self.shape, gy, x)

    def algorithm(self, what: str) -> str:
        return self.shape.plan(what)["algorithm"]

    def terms(self, what: str) -> int:
        """Products that one plane adds up."""
        n, k, *out = self.shape.output_shape
        channels = self.shape.weight_shape[1] * int(np.prod(self.shape.weight_shape[2:-2])) * self.stride**2
        groups = self.shape.groups
        return {"forward": channels, "grad_input": channels * k // self.shape.input_shape[1] * groups,
                "grad_weight": n * int(np.prod(out))}[what]

    def limit(self, what: str) -> float:
        """Of the root mean square error, relative to that of the result: the products' amplified error, from a few
        roundings in the transforms and a random walk over the sum of n terms (n/2 in the mean, a third for the
        variance of a rounding)."""
        m = 7 - int(np.clip(-(-self.shape.weight_shape[-1] // self.stride), 2, 5))  # folded taps
        return max(amplification(m), amplification(7 - m)) * UNIT * (4 + np.sqrt(self.terms(what) / 6))


@pytest.mark.parametrize("m", [2, 3, 4, 5])
def test_the_points_give_a_correlation(m):
    """Σ_p A[p,i] G[p,k] C[p,j] is 1 where j = i + k and else 0: y_i = Σ_k d_{i+k} g_k, exactly."""
    a, g, c = matrices(m)
    for i in range(m):
        for k in range(7 - m):
            for j in range(6):
                assert sum(a[p][i] * g[p][k] * c[p][j] for p in range(6)) == int(j == i + k)


@pytest.mark.parametrize("channels", [32, 64, 256])
@pytest.mark.parametrize("r", [2, 3, 4, 5])
def test_rounding_error_is_that_of_the_analysis(isa, r, channels):
    case = Case((2, channels, 14, 15), (min(33, channels), channels, r, r), np.random.default_rng(r))
    for what in PASSES:
        few = channels == 32 and (what != "grad_weight" or isa == "avx512")
        assert case.algorithm(what) == ("winograd_few" if few else "winograd")
        want = case.run(what, np.float64)
        error, size = case.run(what) - want, float(np.sqrt((want**2).mean()))
        assert np.sqrt((error**2).mean()) <= case.limit(what) * size
        assert np.abs(error).max() <= 16 * case.limit(what) * size


def random_case(r: random.Random, rng: np.random.Generator) -> Case:
    """Shapes that have Winograd tiles: odd sizes, any padding, dilation, groups, one to three axes, phases."""
    axes, groups = r.choice([1, 2, 2, 2, 3]), r.choice([1, 1, 1, 2])
    stride = r.choice([1, 1, 1, 2, 2, 3, 4])
    taps = r.choice([2, 3, 3, 3, 4, 5]) if stride == 1 else r.randint(2, min(5 * stride, 12))
    dilation = r.choice([1, 1, 1, 2, 3]) if stride == 1 else 1
    filter_ = [taps] * axes
    if axes == 3:
        filter_[0] = r.randint(1, 3)
    padding = tuple(r.choice([0, 0, 1, 1, 2, 4]) for _ in range(2 * axes))
    size = [max(1, dilation * (f - 1) + 1 - lo - hi) + r.randint(2, 7 if axes == 3 else 25)
            for f, lo, hi in zip(filter_, padding[::2], padding[1::2], strict=True)]
    c, k = groups * r.choice([16, 17, 31, 48] if stride == 1 else [1, 3, 4, 16, 33]), groups * r.choice([16, 23, 64, 65, 80])
    return Case((r.choice([1, 2, 3]), c, *size), (k, c // groups, *filter_), rng, stride, padding, dilation, groups)


def test_random_shapes_match_the_reference(isa, request):
    seed = int(os.environ.get("PYCONV_TEST_SEED", random.randrange(2**32)))
    print(f"PYCONV_TEST_SEED={seed}")  # shown by pytest when this fails
    r, rng = random.Random(seed), np.random.default_rng(seed)
    used = dict.fromkeys(PASSES, 0)
    while min(used.values()) < (1000 if request.config.getoption("--full") else 25):
        case = random_case(r, rng)
        for what in PASSES:
            got, want = case.run(what), case.run(what, np.float64)
            used[what] += case.algorithm(what).startswith("winograd")
            # Few values have no reliable mean square: the size of a sum of that many unit products is the measure.
            size = np.sqrt(case.terms(what) * case.shape.weight_shape[-1] ** min(2, got.ndim - 2))
            assert np.abs(got - want).max() <= 16 * case.limit(what) * size, (
                what, case.shape.input_shape, case.shape.weight_shape, case.shape.stride, case.shape.pad_lo,
                case.shape.pad_hi, case.shape.dilation, case.shape.groups)


@pytest.mark.parametrize("case", [
    ((2, 17, 23, 19), (70, 17, 3, 3)), ((1, 32, 9, 9), (130, 32, 5, 5)), ((3, 48, 40), (33, 48, 3)),
    ((1, 48, 4, 9, 10), (40, 48, 3, 3, 3)), ((2, 300, 7, 7), (290, 300, 3, 3)), ((20, 16, 17, 19), (16, 16, 3, 3)),
    ((9, 24, 23, 21), (30, 24, 2, 2)), ((4, 96, 14, 14), (96, 16, 3, 3), 6), ((5, 64, 13, 13), (64, 32, 3, 3), 2),
], ids=str)
def test_bits_do_not_depend_on_the_number_of_threads(isa, keep_threads, case):
    x, w, *groups = case
    c = Case(x, w, np.random.default_rng(0), groups=groups[0] if groups else 1)
    for what in PASSES:
        results = []
        for n in (1, 2, 3, 4, 7):
            core.set_num_threads(n)
            results.append(c.run(what).tobytes())
        assert c.algorithm(what).startswith("winograd")
        assert len(set(results)) == 1, what


@pytest.mark.parametrize(("x", "w", "stride", "passes"), [
    ((2, 3, 67, 70), (64, 3, 11, 11), 4, PASSES), ((2, 3, 64, 61), (64, 3, 7, 7), 2, PASSES),
    ((2, 24, 41, 44), (32, 24, 5, 5), 2, PASSES), ((2, 48, 128), (64, 48, 9), 3, ("forward", "grad_weight")),
], ids=str)
def test_strides_become_channels(isa, keep_threads, x, w, stride, passes):
    """Blocks that hang over each border, all passes, the same bits for any number of threads."""
    for padding in (0, 1, stride, w[-1] - 1):
        case = Case(x, w, np.random.default_rng(0), stride, (padding,) * (2 * (len(w) - 2)))
        for what in passes:
            assert "of a stride as channels of one" in case.shape.plan(what)["why"]
            want = case.run(what, np.float64)
            core.set_num_threads(1)
            got = case.run(what)
            assert np.abs(got - want).max() <= 16 * case.limit(what) * float(np.sqrt((want**2).mean()))
            for n in (2, 3, 7):
                core.set_num_threads(n)
                assert np.array_equal(got, case.run(what))


def test_a_transposed_convolution_adds_its_bias_to_every_folded_output(isa):
    case = Case((2, 3, 40, 40), (64, 3, 11, 11), np.random.default_rng(0), 4, (2,) * 4)
    bias = np.float32([1, 2, 3])
    plain = case.run("grad_input")
    got = core.conv_transpose_forward("t", case.shape, case.gy, case.w, bias)
    assert np.allclose(got, plain + bias[:, None, None], rtol=0, atol=4 * UNIT * np.abs(plain).max())


def test_epilogue(isa):
    rng = np.random.default_rng(0)
    for k, filter_ in [(16, 3), (70, 3), (33, 5)]:
        case = Case((2, 20, 13, 11), (k, 20, filter_, filter_), rng)
        b, residual = rng.standard_normal(k, np.float32), channels_last(rng.standard_normal(case.gy.shape, np.float32))
        plain = case.run("forward")
        fused = core.conv_forward("conv", case.shape, case.x, case.w, b, residual, True)
        assert np.array_equal(fused, np.maximum(plain + b[:, None, None] + residual, 0))
        shift = plain[0, :, 5, 5].copy()
        y, total, squares = core.conv_forward_statistics(case.shape, case.x, case.w, shift)
        assert np.array_equal(y, plain)
        d = y.astype("d") - shift[:, None, None]
        assert np.allclose(total, d.sum((0, 2, 3)), rtol=0, atol=128 * UNIT * np.abs(d).sum((0, 2, 3)).max())
        assert np.allclose(squares, (d * d).sum((0, 2, 3)), rtol=128 * UNIT, atol=0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_spoils_its_tiles_and_no_others(isa, keep_algorithm, value):
    """A pixel is seen by the tiles whose 6 x 6 inputs hold it, here (3, 9) by rows 0 ... 3 and columns 8 ... 11 of the
    outputs, and as the overlap of the tiles to its top and left: rows 0 ... 3, columns 4 ... 11."""
    x = np.zeros((1, 32, 16, 16), np.float32)
    x[0, 5, 2, 8] = value
    w = np.ones((32, 32, 3, 3), np.float32)
    shape = core.conv_shape("conv", x.shape, w.shape, (1, 1), (1,) * 4, (1, 1), 1)
    assert shape.plan()["algorithm"] == "winograd_few"
    spoilt = ~np.isfinite(core.conv_forward("conv", shape, x, w))
    assert spoilt[0, :, 1:4, 7:10].all()
    tiles = np.zeros((16, 16), bool)
    tiles[0:4, 4:12] = True
    assert not spoilt[0, :, ~tiles].any()
    runtime.use_algorithm("direct")
    direct = ~np.isfinite(core.conv_forward("conv", shape, x, w))
    assert direct.sum() == 32 * 9


def test_the_direct_way(keep_algorithm):
    case = Case((1, 32, 12, 12), (32, 32, 3, 3), np.random.default_rng(0))
    runtime.use_algorithm("auto")
    fast = [case.run(p) for p in PASSES]
    assert {case.algorithm(p) for p in PASSES} <= {"winograd", "winograd_few"}
    assert "F(4x4, 3x3): 36 products per tile instead of 144" in case.shape.plan("forward")["why"]
    assert "F(3x3, 4x4)" in case.shape.plan("grad_weight")["why"]
    runtime.use_algorithm("direct")
    assert runtime.algorithm() == "direct"
    for what, a in zip(PASSES, fast, strict=True):
        assert case.algorithm(what) == "row_gemm"
        assert not np.array_equal(a, case.run(what))
        assert np.allclose(a, case.run(what), rtol=0, atol=1e-4 * np.abs(a).max())
    with pytest.raises(ValueError, match=r"\[use_algorithm\] name is 'fast', expected 'auto' or 'direct'"):
        runtime.use_algorithm("fast")
    with pytest.raises(TypeError, match=r"\[use_algorithm\] name is 3, expected a string"):
        runtime.use_algorithm(3)


@pytest.mark.parametrize(("word", "expected"), [("direct", "direct"), ("", "auto"), ("quick", "ValueError")])
def test_the_environment_chooses(word, expected):
    script = "from pyconv import runtime\ntry: print(runtime.algorithm())\nexcept ValueError as e: print('ValueError', e)"
    out = subprocess.run([sys.executable, "-c", script], env={**os.environ, "PYCONV_ALGORITHM": word}, text=True,
                         capture_output=True, check=True).stdout
    assert out.startswith(expected)
    assert expected != "ValueError" or "PYCONV_ALGORITHM is 'quick', expected 'auto' or 'direct'" in out


def test_large_filters_are_transformed_where_they_are_used():
    """The whole of a transformed 512 x 512 filter is 38 MB; its pieces are half a megabyte."""
    shape = core.conv_shape("conv", (8, 512, 7, 7), (512, 512, 3, 3), (1, 1), (1,) * 4, (1, 1), 1)
    assert shape.plan()["algorithm"] == "winograd_panels"
    assert shape.plan()["workspace_bytes"] < 4e6
