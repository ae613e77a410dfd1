"""Convolution beyond the table: worked numbers, random shapes, the epilogue, the plan."""

from __future__ import annotations

import os
import random

import numpy as np
import pytest
from convolution import EPS, bound, check_passes

from pyconv._backend import core
from pyconv.ops.conv import conv2d

IMAGE = [[1, 2, 3, 0], [0, 1, 2, 3], [3, 0, 1, 2], [2, 3, 0, 1]]
FILTER = [[2, 0, 1], [0, 1, 2], [1, 0, 2]]


def planes(rows, dtype=np.float32):
    return np.array(rows, dtype)[None, None]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_worked_numbers(isa, dtype):
    x, w = planes(IMAGE, dtype), planes(FILTER, dtype)
    assert conv2d(x, w)[0, 0].tolist() == [[15, 16], [6, 15]]
    assert conv2d(x, w, np.array([3], dtype))[0, 0].tolist() == [[18, 19], [9, 18]]
    assert conv2d(x, w, padding=1)[0, 0].tolist() == [[7, 12, 10, 2], [4, 15, 16, 10], [10, 6, 15, 6], [8, 10, 4, 3]]
    cyclic = planes([[(1 + j - i) % 4 for j in range(7)] for i in range(7)], dtype)
    assert conv2d(cyclic, w, stride=2)[0, 0].tolist() == [[15, 17, 15], [17, 15, 17], [15, 17, 15]]


def test_worked_gradients(isa):
    x, w = planes(IMAGE), planes(FILTER)
    shape = core.conv_shape("conv2d", x.shape, w.shape, (1, 1), (0,) * 4, (1, 1), 1)
    gy = np.ones(shape.output_shape, np.float32)
    assert core.conv_grad_weight(shape, gy, x)[0, 0].tolist() == [[4, 8, 8], [4, 4, 8], [8, 4, 4]]
    assert core.conv_grad_input(shape, gy, w)[0, 0].tolist() == [[2, 2, 1, 1], [2, 3, 4, 3], [1, 2, 5, 4], [1, 1, 2, 2]]
    assert core.conv_grad_bias(shape, gy).tolist() == [4]


def random_case(r: random.Random):
    """Shapes and parameters of any kind, small enough for the reference."""
    axes, groups = r.choice([1, 2, 2, 2, 3]), r.choice([1, 1, 1, 2, 3, 4, 9, 17, 33])
    if groups > 4:
        c, k = r.choice([(1, 1), (1, 1), (1, 2), (2, 2), (3, 3), (4, 4), (5, 5), (8, 8), (3, 1), (2, 3)])
    else:
        c, k = r.choice([1, 2, 3, 4, 7, 8, 16, 17, 33]), r.choice([1, 2, 3, 5, 8, 16, 17, 40, 65, 70])
    filter_ = [r.choice([1, 2, 3, 3, 4, 5]) for _ in range(axes)]
    stride = [r.choice([1, 1, 2, 3, 4]) for _ in filter_]
    dilation = [r.choice([1, 1, 1, 2, 3]) for _ in filter_]
    padding = [r.choice([0, 0, 1, 2, 3, 5]) for _ in range(2 * axes)]
    size = [max(r.randint(1, 9 if axes == 3 else 18), d * (f - 1) + 1 - lo - hi)
            for f, d, lo, hi in zip(filter_, dilation, padding[::2], padding[1::2], strict=True)]
    x, w = (r.choice([0, 1, 1, 2, 3, 5]), groups * c, *size), (groups * k, c, *filter_)
    return core.conv_shape("conv", x, w, stride, padding, dilation, groups)


def test_random_shapes_match_the_reference(isa, request):
    seed = int(os.environ.get("PYCONV_TEST_SEED", random.randrange(2**32)))
    print(f"PYCONV_TEST_SEED={seed}")  # shown by pytest when this fails
    r, rng = random.Random(seed), np.random.default_rng(seed)
    for _ in range(2000 if request.config.getoption("--full") else 150):
        shape = random_case(r)
        x, w = rng.standard_normal(shape.input_shape), rng.standard_normal(shape.weight_shape)
        gy, b = rng.standard_normal(shape.output_shape), rng.standard_normal(shape.output_shape[1])
        x32, w32, gy32, b32 = (np.float32(v) for v in (x, w, gy, b))
        x, w, gy, b = (np.float64(v) for v in (x32, w32, gy32, b32))
        taps = int(np.prod(shape.weight_shape[1:]))
        pixels = gy.size // gy.shape[1]
        back = taps * shape.output_shape[1] // shape.input_shape[1] + 1
        for length, scale, got, want in [
            (taps + 1, (x, w), core.conv_forward("conv", shape, x32, w32, b32),
             core.conv_forward("conv", shape, x, w, b)),
            (back, (gy, w), core.conv_grad_input(shape, gy32, w32), core.conv_grad_input(shape, gy, w)),
            (pixels, (gy, x), core.conv_grad_weight(shape, gy32, x32), core.conv_grad_weight(shape, gy, x)),
            (pixels, (gy, np.ones(1)), core.conv_grad_bias(shape, gy32), core.conv_grad_bias(shape, gy)),
        ]:
            error = float(np.abs(got - want).max(initial=0))
            assert error <= bound(length, *scale), (shape.input_shape, shape.weight_shape, shape.stride, shape.pad_lo,
                                                    shape.pad_hi, shape.dilation, shape.groups)


def test_epilogue_bias_residual_relu(isa):
    rng = np.random.default_rng(0)
    for k, groups in [(1, 1), (3, 1), (16, 1), (17, 1), (70, 1), (17, 17), (32, 32), (24, 8), (40, 5)]:
        c = 5 if groups == 1 else k
        x, w = rng.standard_normal((2, c, 9, 7)).astype("f"), rng.standard_normal((k, c // groups, 3, 3)).astype("f")
        b = rng.standard_normal(k).astype("f")
        shape = core.conv_shape("conv", x.shape, w.shape, (1, 1), (1,) * 4, (1, 1), groups)
        residual = rng.standard_normal(shape.output_shape).astype("f")
        plain = core.conv_forward("conv", shape, x, w)
        fused = core.conv_forward("conv", shape, x, w, b, residual, True)
        assert np.array_equal(fused, np.maximum(plain + b[:, None, None] + residual, 0))


@pytest.mark.parametrize(("k", "groups"), [(35, 1), (35, 5), (35, 35), (1, 1), (2, 1), (3, 1)])
def test_epilogue_statistics(isa, k, groups):
    rng = np.random.default_rng(1)
    c = 6 if groups == 1 else 35
    x, w = rng.standard_normal((3, c, 20, 21)).astype("f") + 10, rng.standard_normal((k, c // groups, 3, 3)).astype("f")
    shape = core.conv_shape("conv", x.shape, w.shape, (1, 1), (1,) * 4, (1, 1), groups)
    shift = core.conv_forward("conv", shape, x, w)[0, :, 5, 5].copy()
    y, total, squares = core.conv_forward_statistics(shape, x, w, shift)
    assert np.array_equal(y, core.conv_forward("conv", shape, x, w))
    d = y.astype("d") - shift[:, None, None]
    count = d.size // k
    assert np.allclose(total, d.sum((0, 2, 3)), rtol=0, atol=8 * EPS * np.abs(d).max() * count**0.5 * 8)
    assert np.allclose(squares, (d * d).sum((0, 2, 3)), rtol=64 * EPS, atol=0)


def test_nan_reaches_exactly_its_outputs(isa):
    x = np.zeros((1, 3, 7, 7), np.float32)
    x[0, 1, 3, 3] = np.nan
    y = conv2d(x, np.ones((20, 3, 3, 3), np.float32), padding=1)
    assert np.isnan(y[0, :, 2:5, 2:5]).all()
    assert np.isnan(y).sum() == 20 * 9
    relu = core.conv_forward("conv", core.conv_shape("conv", x.shape, (20, 3, 3, 3), (1, 1), (1,) * 4, (1, 1), 1), x,
                             np.ones((20, 3, 3, 3), np.float32), relu=True)
    assert np.isnan(relu).sum() == 20 * 9


def test_few_output_channels_share_a_vector(isa, keep_algorithm):
    """In the plan, and in how far a NaN reaches: as many outputs as share a vector, one without."""
    shape = core.conv_shape("conv", (1, 3, 7, 28), (1, 3, 3, 3), (1, 1), (1,) * 4, (1, 1), 1)
    x, w = np.zeros(shape.input_shape, np.float32), np.ones(shape.weight_shape, np.float32)
    x[0, 1, 3, 3] = np.nan
    nan = np.isnan(core.conv_forward("conv", shape, x, w)[0, 0])
    assert nan[2:5, 2:5].all()
    assert not nan[[0, 1, 5, 6]].any()
    assert "outputs per vector" in shape.plan()["why"]
    assert nan.sum() > 9
    core.use_algorithm("direct")
    assert "outputs per vector" not in shape.plan()["why"]
    assert np.isnan(core.conv_forward("conv", shape, x, w)).sum() == 9


@pytest.mark.parametrize(("x", "w", "stride", "padding", "dilation"), [
    ((1, 1, 4, 4), (1, 1, 3, 3), (1, 1), (2**24,) * 4, (2**24, 2**24)),
    ((1, 2, 3, 3), (2, 2, 2, 2), (2**30, 2**30), (2**30,) * 4, (1, 1)),
])
def test_shapes_that_no_strip_fits_take_the_reference(x, w, stride, padding, dilation):
    shape = core.conv_shape("conv", x, w, stride, padding, dilation, 1)
    assert shape.plan()["algorithm"] == "reference"
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal(x), rng.standard_normal(w)
    gy = rng.standard_normal(shape.output_shape)
    for got, want in [
        (core.conv_forward("conv", shape, a.astype("f"), b.astype("f"), relu=True),
         np.maximum(core.conv_forward("conv", shape, a, b), 0)),
        (core.conv_grad_input(shape, gy.astype("f"), b.astype("f")), core.conv_grad_input(shape, gy, b)),
        (core.conv_grad_weight(shape, gy.astype("f"), a.astype("f")), core.conv_grad_weight(shape, gy, a)),
    ]:
        assert np.allclose(got, want, rtol=1e-5, atol=1e-5)


def test_the_plan_is_a_value_of_the_shape():
    shape = core.conv_shape("conv", (8, 64, 56, 56), (64, 64, 3, 3), (1, 1), (1,) * 4, (1, 1), 1)
    threads = core.get_num_threads()
    try:
        plans = []
        for n in (1, 2, 7):
            core.set_num_threads(n)
            plans.append([shape.plan(p) for p in ("forward", "grad_input", "grad_weight")])
    finally:
        core.set_num_threads(threads)
    assert plans[0] == plans[1] == plans[2]
    assert [p["algorithm"] for p in plans[0]] == ["winograd"] * 3
    assert plans[0][0]["why"]
    with pytest.raises(ValueError, match=r"\[plan\] pass is 'sideways'"):
        shape.plan("sideways")
    with pytest.raises(ValueError, match=r"\[plan\] mode is 'eager'"):
        shape.plan("forward", "eager")


@pytest.mark.parametrize(("c", "k", "groups", "algorithm"), [
    (144, 144, 144, "depthwise"), (72, 144, 72, "grouped"), (128, 128, 32, "grouped"), (15, 15, 5, "grouped"),
    (64, 64, 1, "row_gemm"), (128, 128, 4, "row_gemm"),
])
@pytest.mark.parametrize("stride", [1, 2])
def test_groups_that_share_a_vector(c, k, groups, algorithm, stride):
    shape = core.conv_shape("conv", (2, c, 14, 14), (k, c // groups, 3, 3), (stride,) * 2, (1,) * 4, (1, 1), groups)
    for what in ("forward", "grad_input", "grad_weight"):
        tiles = "winograd_few" if c // groups <= 32 else "winograd"
        expected = tiles if algorithm == "row_gemm" and stride == 1 else algorithm
        assert shape.plan(what)["algorithm"] == expected


@pytest.mark.parametrize(("x", "w", "stride", "padding", "algorithm"), [
    ((8, 128, 7, 7), (128, 128, 1, 1), 1, 0, "product"),
    ((8, 128, 7, 7), (127, 128, 1, 1), 1, 0, "row_gemm"),  # too narrow
    ((8, 128, 7, 7), (128, 128, 1, 1), 2, 0, "row_gemm"),  # not all pixels
    ((8, 128, 7, 7), (128, 128, 1, 1), 1, 1, "row_gemm"),  # more than all
    ((8, 256, 7, 7), (256, 128, 1, 1), 1, 0, "row_gemm"),  # groups
    ((8, 128, 56, 56), (128, 128, 1, 1), 1, 0, "row_gemm"),  # a long sum
])
def test_a_weight_gradient_as_one_product(x, w, stride, padding, algorithm):
    shape = core.conv_shape("conv", x, w, (stride,) * 2, (padding,) * 4, (1, 1), x[1] // w[1])
    assert shape.plan("grad_weight")["algorithm"] == algorithm


@pytest.mark.parametrize(("x", "w", "stride", "padding", "dilation"), [
    ((1, 257, 7, 7), (300, 257, 3, 3), 1, 1, 1), ((1, 256, 14, 13), (260, 256, 3, 3), 2, 1, 1),
    ((3, 130, 5, 4), (520, 130, 3, 3), 1, (0, 2, 3, 1), 2), ((1, 1030, 9, 9), (512, 1030, 1, 1), 2, 0, 1),
    ((4, 513, 7, 7), (515, 513, 1, 1), 1, 0, 1), ((1, 600, 31), (300, 600, 3), 1, 1, 1),
    ((1, 100, 4, 3, 5), (200, 100, 3, 3, 3), 1, 1, 1), ((1, 64, 3, 3), (200, 64, 7, 7), 1, 3, 1),
], ids=str)
def test_few_pixels_as_one_product(isa, keep_threads, x, w, stride, padding, dilation):
    axes, rng = len(x) - 2, np.random.default_rng(0)
    padding = (padding,) * (2 * axes) if isinstance(padding, int) else padding
    shape = core.conv_shape("conv", x, w, (stride,) * axes, padding, (dilation,) * axes, 1)
    assert [shape.plan(p)["algorithm"] for p in ("forward", "grad_input", "grad_weight")] == ["product"] * 3
    check_passes(shape, rng, exact_sums=True)


def test_an_input_gradient_of_few_outputs_and_many_inputs():
    shape = core.conv_shape("conv", (1, 300, 90, 90), (300, 300, 3, 3), (30, 30), (0,) * 4, (1, 1), 1)
    assert [shape.plan(p)["algorithm"] for p in ("forward", "grad_input")] == ["product", "row_gemm"]


@pytest.mark.parametrize(("x", "w", "groups"), [
    ((2, 32, 260, 260), (32, 1, 3, 3), 32), ((2, 32, 260, 260), (32, 4, 3, 3), 8), ((2, 8, 260, 260), (32, 8, 1, 1), 1),
    ((2, 32, 260, 260), (32, 32, 3, 3), 1),
], ids=str)
def test_outputs_that_bypass_the_caches(isa, keep_threads, x, w, groups):
    """17 MB: written by streaming stores, read here by another thread than wrote them."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal(x, np.float32), rng.standard_normal(w, np.float32)
    shape = core.conv_shape("conv", x, w, (1, 1), (w[-1] // 2,) * 4, (1, 1), groups)
    core.set_num_threads(2)
    y = core.conv_forward("conv", shape, a, b)
    rows = (slice(1, 2), slice(None), slice(100, 110))
    part = np.float64(a[1:2, :, 99:111] if w[-1] == 3 else a[1:2, :, 100:110])
    small = core.conv_shape("conv", part.shape, w, (1, 1), (0, 0, w[-1] // 2, w[-1] // 2), (1, 1), groups)
    want = core.conv_forward("conv", small, part, np.float64(b))
    assert np.abs(y[rows] - want).max() <= bound(int(np.prod(w[1:])), a, b)
    core.set_num_threads(1)
    assert np.array_equal(y, core.conv_forward("conv", shape, a, b))


def test_float64_has_no_fused_epilogue():
    x = np.ones((1, 1, 3, 3))
    shape = core.conv_shape("conv", x.shape, (1, 1, 1, 1), (1, 1), (0,) * 4, (1, 1), 1)
    with pytest.raises(TypeError, match=r"\[conv\] residual, mask and relu are for float32 alone"):
        core.conv_forward("conv", shape, x, np.ones((1, 1, 1, 1)), relu=True)


@pytest.mark.parametrize(("call", "match"), [
    (lambda s, x, w, g: core.conv_grad_input(s, g[:, :1], w),
     r"\[conv_grad_input\] gy has shape 2x1x6x6, expected 2x4x6x6"),
    (lambda s, x, w, g: core.conv_grad_input(s, g, w[:2]), r"\[conv_grad_input\] weight has shape 2x3x3x3"),
    (lambda s, x, w, g: core.conv_grad_weight(s, g[:1], x), r"\[conv_grad_weight\] gy has shape 1x4x6x6"),
    (lambda s, x, w, g: core.conv_grad_weight(s, g, x[:, :, 1:]), r"\[conv_grad_weight\] x has shape 2x3x7x8"),
    (lambda s, x, w, g: core.conv_grad_bias(s, g[..., 1:]), r"\[conv_grad_bias\] gy has shape 2x4x6x5"),
    (lambda s, x, w, g: core.conv_forward("conv", s, x[:1], w), r"\[conv\] input has shape 1x3x8x8, expected 2x3x8x8"),
])
def test_a_gradient_is_checked_against_the_record(call, match):
    x, w, g = np.ones((2, 3, 8, 8), "f"), np.ones((4, 3, 3, 3), "f"), np.ones((2, 4, 6, 6), "f")
    shape = core.conv_shape("conv", x.shape, w.shape, (1, 1), (0,) * 4, (1, 1), 1)
    with pytest.raises(ValueError, match=match):
        call(shape, x, w, g)
