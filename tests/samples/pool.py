"""Samples of pooling."""

from __future__ import annotations

import numpy as np

from pyconv.ops import pool
from samples import Hostile, Sample

try:
    import torch.nn.functional as tf
except ImportError:
    tf = None


def torch_name(name):
    return getattr(tf, name) if tf else None


def distinct(*shape):
    """Values that differ by at least 1, so that a finite difference never changes who is the maximum."""
    def build(rng):
        size = int(np.prod(shape))
        return [(rng.permutation(size).astype(np.float64) - size // 2).reshape(shape)]
    return build


def ties(*shape):
    """Few different values: the first of equal maxima counts."""
    return lambda rng: [rng.integers(-1, 2, shape).astype(np.float64)]


def special(*shape):
    """With NaN and infinities, also in one window."""
    def build(rng):
        x = rng.standard_normal(shape)
        x.flat[::7] = np.nan
        x.flat[3::11] = -np.inf
        x.flat[5::13] = np.inf
        return [x]
    return build


def maxima(case, x, *, spatial=2, build=distinct, gradients=True, prefix="", length=4, **kwargs):
    name = f"{prefix}max_pool{spatial}d"
    return Sample(name, case, getattr(pool, name), build(*x), kwargs, torch_name(name), gradients=gradients,
                  length=length)


def averages(case, x, *, spatial=2, prefix="", length=16, **kwargs):
    name = f"{prefix}avg_pool{spatial}d"
    return Sample(name, case, getattr(pool, name), lambda rng: [rng.standard_normal(x)], kwargs, torch_name(name),
                  length=length)


def pairs(case, x, spatial=2, prefix="", **kwargs):
    return [maxima(case, x, spatial=spatial, prefix=prefix, return_indices=True, **kwargs),
            averages(case, x, spatial=spatial, prefix=prefix, **kwargs)]


WINDOWS = [
    ("2x2", (2, 5, 6, 8), {"kernel_size": 2}),
    ("overlapping", (2, 16, 9, 11), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ("stride-1", (1, 3, 5, 6), {"kernel_size": 3, "stride": 1, "padding": 1}),
    ("kernel-1", (1, 4, 4, 5), {"kernel_size": 1}),
    ("stride-over-kernel", (2, 3, 9, 10), {"kernel_size": 2, "stride": (4, 3)}),
    ("one-number-tuple", (1, 2, 6, 6), {"kernel_size": (3,), "stride": (2,)}),
    ("rectangle", (1, 7, 8, 9), {"kernel_size": (2, 5), "stride": (3, 2), "padding": (1, 2)}),
    ("ceil", (2, 3, 7, 8), {"kernel_size": 3, "stride": 2, "ceil_mode": True}),
    ("ceil-padded", (2, 3, 6, 9), {"kernel_size": (4, 3), "stride": (3, 4), "padding": (2, 1), "ceil_mode": True}),
    ("ceil-window-over-input", (1, 3, 2, 2), {"kernel_size": 3, "stride": 2, "ceil_mode": True}),
    ("whole-plane", (2, 19, 5, 7), {"kernel_size": (5, 7)}),
    ("unbatched", (3, 7, 6), {"kernel_size": 3, "stride": 2}),
    ("empty-batch", (0, 3, 6, 6), {"kernel_size": 2}),
]
#: 1, w - 1, w, w + 1, 2w + 3 for 4, 8 and 16 lanes, and more than four vectors with a rest.
CHANNELS = (1, 3, 4, 5, 7, 8, 9, 11, 15, 16, 17, 19, 35, 64, 71)

SAMPLES = [s for case, x, kwargs in WINDOWS for s in pairs(case, x, **kwargs)]
SAMPLES += [s for c in CHANNELS for s in pairs(f"channels-{c}", (1, c, 6, 5), kernel_size=3, stride=2, padding=1)]
SAMPLES += [
    *pairs("line", (2, 3, 11), spatial=1, kernel_size=3, stride=2, padding=1),
    *pairs("line-ceil", (1, 18, 10), spatial=1, kernel_size=4, stride=3, ceil_mode=True),
    *pairs("line-unbatched", (3, 9), spatial=1, kernel_size=2),
    *pairs("volume", (2, 3, 5, 6, 4), spatial=3, kernel_size=2),
    *pairs("volume-mixed", (1, 17, 5, 6, 7), spatial=3, kernel_size=(3, 2, 3), stride=(2, 1, 3), padding=(1, 0, 1)),
    *pairs("volume-unbatched", (2, 4, 4, 4), spatial=3, kernel_size=2),
    maxima("values-only", (2, 3, 6, 6), kernel_size=2),
    maxima("dilated", (2, 5, 11, 10), kernel_size=3, stride=2, dilation=2, return_indices=True),
    maxima("dilated-padded", (1, 17, 9, 8), kernel_size=(3, 2), stride=(1, 3), padding=1, dilation=(3, 4),
           return_indices=True),
    maxima("dilated-volume", (1, 2, 6, 6, 6), spatial=3, kernel_size=2, stride=1, dilation=(2, 3, 1)),
    maxima("dilated-line", (1, 9, 17), spatial=1, kernel_size=4, stride=2, padding=2, dilation=3, return_indices=True),
    maxima("256-taps", (1, 3, 18, 17), kernel_size=16, stride=1, return_indices=True, length=16),
    maxima("257-taps", (1, 18, 300), spatial=1, kernel_size=257, stride=40, return_indices=True),
    maxima("289-taps", (1, 5, 19, 18), kernel_size=17, stride=1, return_indices=True, length=16),
    maxima("ties", (2, 9, 8, 8), build=ties, kernel_size=3, stride=1, return_indices=True, gradients=False),
    maxima("special", (2, 17, 9, 8), build=special, kernel_size=3, stride=2, padding=1, return_indices=True,
           gradients=False),
    averages("without-padding", (2, 5, 7, 8), kernel_size=3, stride=2, padding=1, count_include_pad=False),
    averages("ceil-without-padding", (1, 3, 6, 9), kernel_size=(4, 3), stride=(3, 4), padding=(2, 1), ceil_mode=True,
             count_include_pad=False),
    averages("line-without-padding", (1, 3, 9), spatial=1, kernel_size=3, stride=2, padding=1, ceil_mode=True,
             count_include_pad=False),
    averages("divisor", (2, 3, 6, 7), kernel_size=3, stride=2, padding=1, divisor_override=5),
    averages("negative-divisor", (1, 3, 6, 7), kernel_size=2, divisor_override=-3),
    averages("divisor-volume", (1, 2, 4, 5, 4), spatial=3, kernel_size=2, divisor_override=7),
    averages("long-window", (1, 2, 1000), spatial=1, kernel_size=900, stride=50, length=900),
]
for _case, _x, _size in [
    ("global", (2, 71, 7, 6), 1), ("global-one-image", (1, 140, 9, 9), (1, 1)), ("uneven", (2, 3, 7, 10), (3, 4)),
    ("larger-than-input", (1, 3, 3, 4), (5, 7)), ("keep-height", (1, 2, 5, 8), (None, 3)), ("same", (1, 17, 4, 5), (4, 5)),
    ("unbatched", (3, 6, 7), 2), ("empty-batch", (0, 3, 5, 5), 2), ("300-taps", (1, 2, 20, 15), 1),
]:
    SAMPLES += [maxima(_case, _x, prefix="adaptive_", output_size=_size, return_indices=True),
                averages(_case, _x, prefix="adaptive_", output_size=_size, length=300)]
SAMPLES += [
    *pairs("line", (2, 3, 10), spatial=1, prefix="adaptive_", output_size=4),
    *pairs("volume", (1, 18, 4, 5, 6), spatial=3, prefix="adaptive_", output_size=(2, 3, 4)),
    *pairs("volume-kept", (1, 2, 4, 5, 3), spatial=3, prefix="adaptive_", output_size=(2, None, 1)),
]


def unpooling(case, x, plane, *, spatial=2, **kwargs):
    """Each value goes to a place of its own, as pooling's indices do when windows don't overlap."""
    def build(rng):
        pixels = int(np.prod(x[-spatial:]))
        lead = x[:len(x) - spatial]
        indices = [rng.permutation(int(np.prod(plane)))[:pixels] for _ in range(int(np.prod(lead)))]
        return [rng.standard_normal(x), np.array(indices, np.int64).reshape(x)]
    name = f"max_unpool{spatial}d"
    return Sample(name, case, getattr(pool, name), build, kwargs, torch_name(name))


SAMPLES += [
    unpooling("2x2", (2, 5, 3, 4), (6, 8), kernel_size=2),
    unpooling("channels-19", (1, 19, 3, 3), (7, 7), kernel_size=3, stride=2),
    unpooling("size", (1, 3, 3, 3), (7, 6), kernel_size=2, output_size=(7, 6)),
    unpooling("whole-size", (1, 3, 3, 3), (7, 7), kernel_size=2, output_size=(1, 3, 7, 7)),
    unpooling("padded", (1, 2, 3, 4), (5, 7), kernel_size=3, stride=2, padding=1),
    unpooling("unbatched", (2, 3, 4), (6, 8), kernel_size=2),
    unpooling("line", (2, 3, 5), (10,), spatial=1, kernel_size=2),
    unpooling("volume", (1, 2, 2, 3, 2), (4, 6, 4), spatial=3, kernel_size=2),
]

BAD_VALUE, BAD_TYPE = (ValueError,), (TypeError,)


def hostile(op, rows):
    """Rows of (case, arguments, exceptions, what the text says after the op's name)."""
    return [Hostile(op, case, f"pc.ops.pool.{op}({arguments})", raises, rf"\[{op}\] {match}")
            for case, arguments, raises, match in rows]


HUGE = 2**62
COMMON = [
    ("zero-kernel", "x(1, 2, 6, 6), 0", BAD_VALUE, "kernel_size is 0, expected 1 to"),
    ("negative-kernel", "x(1, 2, 6, 6), (2, -1)", BAD_VALUE, "kernel_size is -1, expected 1 to"),
    ("huge-kernel", "x(1, 2, 6, 6), 8600000000000000000", BAD_VALUE, "kernel_size is 8600000000000000000, expected 1 to"),
    ("kernel-beyond-64-bits", "x(1, 2, 6, 6), 10**30", BAD_VALUE, "kernel_size is 1000.*64 bits"),
    ("kernel-over-input", "x(1, 2, 6, 6), 7", BAD_VALUE, "the window spans 7 in height but x with its padding only has 6"),
    ("kernel-2-to-31", "x(1, 2, 6, 6), 2**31 - 1, 1, 2**30 - 1", BAD_VALUE, "a window has .* taps|size overflows"),
    ("zero-stride", "x(1, 2, 6, 6), 2, 0", BAD_VALUE, "stride is 0, expected 1 to"),
    ("negative-stride", "x(1, 2, 6, 6), 2, -1", BAD_VALUE, "stride is -1"),
    ("huge-stride", "x(1, 2, 6, 6), 2, 2**62", BAD_VALUE, f"stride is {HUGE}, expected 1 to"),
    ("huge-padding", "x(1, 2, 6, 6), 2, 1, 2**62", BAD_VALUE, f"padding is {HUGE}, expected 0 to"),
    ("negative-padding", "x(1, 2, 6, 6), 2, 1, -1", BAD_VALUE, "padding is -1, expected 0 to"),
    ("padding-over-half", "x(1, 2, 6, 6), 3, 1, 2", BAD_VALUE, r"padding is 2, expected at most half the window \(3 / 2\)"),
    ("rank-2", "x(6, 6), 2", BAD_VALUE, r"x has shape 6x6 \(2 axes\), expected 4, or 3 without a batch"),
    ("rank-5", "x(1, 1, 1, 6, 6), 2", BAD_VALUE, "x has shape 1x1x1x6x6"),
    ("scalar", "x(), 2", BAD_VALUE, r"x has shape \(\)"),
    ("int-input", "i(1, 1, 4, 4), 2", BAD_TYPE, "x has dtype int64, expected float32 or float64"),
    ("half-input", "np.ones((1, 1, 4, 4), np.float16), 2", BAD_TYPE, "x has dtype float16"),
    ("list-input", "[[1.0]], 2", BAD_TYPE, "x is list, expected a Tensor or a numpy array"),
    ("none-input", "None, 2", BAD_TYPE, "x is NoneType, expected a Tensor or a numpy array"),
    ("three-kernels", "x(1, 2, 6, 6), (2, 2, 2)", BAD_VALUE, "kernel_size has 3 entries, expected 1 or 2"),
    ("no-kernel", "x(1, 2, 6, 6), ()", BAD_VALUE, "kernel_size has 0 entries, expected 1 or 2"),
    ("float-kernel", "x(1, 2, 6, 6), 2.0", BAD_TYPE, "kernel_size is 2.0, expected a whole number"),
    ("text-stride", "x(1, 2, 6, 6), 2, 'same'", BAD_TYPE, "stride is 'same', expected a whole number"),
    ("no-pixels", "x(1, 2, 0, 6), 2", BAD_VALUE, "x has shape 1x2x0x6, expected at least one channel and one pixel"),
    ("no-channels", "x(1, 0, 6, 6), 2", BAD_VALUE, "x has shape 1x0x6x6, expected at least one channel and one pixel"),
    ("number-as-ceil-mode", "x(1, 2, 6, 6), 2, ceil_mode=3", BAD_TYPE, "ceil_mode is 3, expected True or False"),
    ("repeated-giant", "np.broadcast_to(a(1, 1, 1, 1), (2**31 - 1, 2**20, 4, 4)), 2", BAD_VALUE, "shape .* needs more than 2"),
]
ADAPTIVE = [
    ("zero-size", "x(1, 2, 6, 6), 0", BAD_VALUE, "output_size is 0, expected 1 to"),
    ("negative-size", "x(1, 2, 6, 6), -1", BAD_VALUE, "output_size is -1, expected sizes of at least 1"),
    ("huge-size", "x(1, 2, 6, 6), 2**62", BAD_VALUE, f"output_size is {HUGE}, expected 1 to"),
    ("size-beyond-64-bits", "x(1, 2, 6, 6), 2**70", BAD_VALUE, "output_size is .*64 bits"),
    ("giant-output", "x(1, 2, 6, 6), 2**31 - 1", BAD_VALUE, "shape 1x2x2147483647x2147483647 needs more than"),
    ("three-sizes", "x(1, 2, 6, 6), (1, 1, 1)", BAD_VALUE, "output_size has 3 entries, expected 1 or 2"),
    ("no-size", "x(1, 2, 6, 6), ()", BAD_VALUE, "output_size has 0 entries"),
    ("float-size", "x(1, 2, 6, 6), 1.5", BAD_TYPE, "output_size is 1.5, expected a whole number"),
    ("rank-2", "x(6, 6), 1", BAD_VALUE, "x has shape 6x6"),
    ("rank-5", "x(1, 1, 1, 6, 6), 1", BAD_VALUE, "x has shape 1x1x1x6x6"),
    ("int-input", "i(1, 1, 4, 4), 1", BAD_TYPE, "x has dtype int64"),
    ("list-input", "[1.0], 1", BAD_TYPE, "x is list"),
    ("no-pixels", "x(1, 2, 0, 6), 1", BAD_VALUE, "x has shape 1x2x0x6, expected at least"),
    ("text-size", "x(1, 2, 6, 6), 'a'", BAD_TYPE, "output_size is 'a', expected a whole number"),
    ("text-in-sizes", "x(1, 2, 6, 6), [2, 'a']", BAD_TYPE, "output_size is 'a', expected a whole number"),
    ("nan-size", "x(1, 2, 6, 6), float('nan')", BAD_TYPE, "output_size is nan, expected a whole number"),
    ("dict-size", "x(1, 2, 6, 6), {}", BAD_TYPE, "output_size is {}, expected a whole number"),
    ("half-input", "a(1, 2, 6, 6).astype('float16'), 2", BAD_TYPE, "x has dtype float16"),
    ("big-endian-input", "a(1, 2, 6, 6).astype('>f4'), 2", BAD_TYPE, "x has dtype >f4"),
    ("object-input", "a(1, 2, 6, 6).astype(object), 2", BAD_TYPE, "x has dtype object"),
]
UNPOOL = [
    ("index-too-large", "x(1, 1, 2, 2), pc.from_numpy(np.full((1, 1, 2, 2), 16)), 2", (IndexError,),
     r"indices holds 16, expected 0 to 15 \(the output plane is 4x4\)"),
    ("negative-index", "x(1, 1, 2, 2), pc.from_numpy(np.full((1, 1, 2, 2), -1)), 2", (IndexError,), "indices holds -1"),
    ("huge-index", "x(1, 1, 2, 2), pc.from_numpy(np.full((1, 1, 2, 2), 2**62)), 2", (IndexError,), f"indices holds {HUGE}"),
    ("one-bad-index-among-many", "x(2, 20, 9, 9), pc.from_numpy(np.where(np.arange(3240).reshape(2, 20, 9, 9) == 3239, "
     "400, 7)), 2", (IndexError,), "indices holds 400, expected 0 to 323"),
    ("float-indices", "x(1, 1, 2, 2), x(1, 1, 2, 2), 2", BAD_TYPE, "indices has dtype float32, expected int64"),
    ("short-indices", "x(1, 1, 2, 2), i(1, 1, 2, 1), 2", BAD_VALUE, "indices has shape 1x1x2x1, expected 1x1x2x2"),
    ("unbatched-indices", "x(2, 1, 2, 2), i(1, 2, 2), 2", BAD_VALUE, "indices has shape 1x2x2, expected 2x1x2x2"),
    ("list-indices", "x(1, 1, 2, 2), [0], 2", BAD_TYPE, "indices is list, expected a Tensor or a numpy array"),
    ("list-input", "[1.0], i(1, 1, 2, 2), 2", BAD_TYPE, "x is list"),
    ("int-input", "i(1, 1, 2, 2), i(1, 1, 2, 2), 2", BAD_TYPE, "x has dtype int64"),
    ("rank-2", "x(2, 2), i(2, 2), 2", BAD_VALUE, "x has shape 2x2"),
    ("rank-5", "x(1, 1, 1, 2, 2), i(1, 1, 1, 2, 2), 2", BAD_VALUE, "x has shape 1x1x1x2x2"),
    ("huge-kernel", "x(1, 1, 2, 2), i(1, 1, 2, 2), 8600000000000000000", BAD_VALUE, "output_size would be .*expected 1 to"),
    ("zero-kernel", "x(1, 1, 2, 2), i(1, 1, 2, 2), 0, 1", BAD_VALUE, "kernel_size is 0, expected at least 1"),
    ("zero-stride", "x(1, 1, 2, 2), i(1, 1, 2, 2), 2, 0", BAD_VALUE, "stride is 0, expected at least 1"),
    ("huge-stride", "x(1, 1, 2, 2), i(1, 1, 2, 2), 2, 2**62", BAD_VALUE, "output_size would be"),
    ("huge-padding", "x(1, 1, 2, 2), i(1, 1, 2, 2), 2, 2, 2**62", BAD_VALUE, "output_size would be"),
    ("negative-padding", "x(1, 1, 2, 2), i(1, 1, 2, 2), 2, 2, -1", BAD_VALUE, "padding is -1, expected at least 0"),
    ("size-too-large", "x(1, 1, 2, 2), i(1, 1, 2, 2), 2, output_size=(6, 4)", BAD_VALUE,
     r"output_size is \(6, 4\), expected 3 to 5 in axis 0"),
    ("size-too-small", "x(1, 1, 2, 2), i(1, 1, 2, 2), 2, output_size=(4, 2)", BAD_VALUE,
     r"output_size is \(4, 2\), expected 3 to 5 in axis 1"),
    ("one-size", "x(1, 1, 2, 2), i(1, 1, 2, 2), 2, output_size=(4,)", BAD_VALUE, "output_size has 1 entries, expected 2"),
    ("number-as-size", "x(1, 1, 2, 2), i(1, 1, 2, 2), 2, output_size=4", BAD_TYPE, "output_size is 4, expected a sequence"),
    ("float-size", "x(1, 1, 2, 2), i(1, 1, 2, 2), 2, output_size=(4.0, 4.0)", BAD_TYPE, "output_size is 4.0, expected a whole"),
    ("giant-output", "x(1, 1, 2, 2), i(1, 1, 2, 2), 2, 2**30", BAD_VALUE, "shape .* needs more than"),
]

HOSTILE = [
    *hostile("max_pool2d", [
        *COMMON,
        ("zero-dilation", "x(1, 2, 6, 6), 2, 1, 0, 0", BAD_VALUE, "dilation is 0, expected 1 to"),
        ("huge-dilation", "x(1, 2, 6, 6), 2, 1, 0, 2**62", BAD_VALUE, f"dilation is {HUGE}"),
        ("wide-dilation", "x(1, 2, 6, 6), 2, 1, 0, 2**31 - 1", BAD_VALUE, "the window spans 2147483648 in height"),
        ("number-as-return-indices", "x(1, 2, 6, 6), 2, return_indices=1", BAD_TYPE, "return_indices is 1, expected True"),
    ]),
    *hostile("avg_pool2d", [
        *COMMON,
        ("zero-divisor", "x(1, 2, 6, 6), 2, divisor_override=0", BAD_VALUE, "divisor_override is 0, expected"),
        ("huge-divisor", "x(1, 2, 6, 6), 2, divisor_override=2**70", BAD_VALUE, "divisor_override is .*64-bit"),
        ("float-divisor", "x(1, 2, 6, 6), 2, divisor_override=1.5", BAD_TYPE, "divisor_override is 1.5, expected a whole"),
        ("number-as-include", "x(1, 2, 6, 6), 2, count_include_pad=2", BAD_TYPE, "count_include_pad is 2, expected True"),
    ]),
    *hostile("max_pool1d", [
        ("rank-4", "x(1, 2, 6, 6), 2", BAD_VALUE, r"x has shape 1x2x6x6 \(4 axes\), expected 3, or 2 without a batch"),
        ("kernel-over-input", "x(1, 2, 6), 7", BAD_VALUE, "the window spans 7 in width"),
        ("two-kernels", "x(1, 2, 6), (2, 2)", BAD_VALUE, "kernel_size has 2 entries, expected 1$"),
    ]),
    *hostile("avg_pool3d", [
        ("rank-3", "x(1, 2, 6), 2", BAD_VALUE, r"x has shape 1x2x6 \(3 axes\), expected 5, or 4 without a batch"),
        ("kernel-over-input", "x(1, 2, 6, 9, 9), 7", BAD_VALUE, "the window spans 7 in depth"),
    ]),
    *hostile("adaptive_avg_pool2d", ADAPTIVE),
    *hostile("adaptive_max_pool2d", [
        *ADAPTIVE,
        ("number-as-return-indices", "x(1, 2, 6, 6), 2, 1", BAD_TYPE, "return_indices is 1, expected True"),
    ]),
    *hostile("max_unpool2d", UNPOOL),
]
