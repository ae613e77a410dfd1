"""Samples of unfold, fold, the shuffles and power-average pooling."""

from __future__ import annotations

import numpy as np

from pyconv.errors import ShapeError
from pyconv.ops import lp_pool, shuffle
from pyconv.ops.unfold import fold, unfold
from samples import Hostile, Sample, normal


def _torch(name):
    def call(*args, **kwargs):
        import torch

        return getattr(torch.nn.functional, name)(*args, **kwargs)

    return call


WINDOWS = [
    ("3x3", (2, 3, 6, 7), {"kernel_size": 3}),
    ("padded", (2, 5, 6, 7), {"kernel_size": 3, "padding": 1}),
    ("stride", (1, 3, 9, 8), {"kernel_size": (3, 2), "stride": (2, 3), "padding": (1, 0)}),
    ("dilated", (1, 2, 9, 8), {"kernel_size": 3, "dilation": (1, 2), "padding": 2}),
    ("one-pixel", (2, 3, 1, 1), {"kernel_size": 1}),
    ("whole", (2, 3, 4, 5), {"kernel_size": (4, 5)}),
    ("padding-only-windows", (1, 2, 2, 2), {"kernel_size": 1, "padding": 3, "stride": 2}),
    ("stride-over-kernel", (1, 17, 8, 9), {"kernel_size": 2, "stride": (4, 3)}),
    ("unbatched", (3, 5, 6), {"kernel_size": 2, "stride": 2}),
    ("empty-batch", (0, 3, 5, 6), {"kernel_size": 2}),
    ("many-blocks", (3, 40, 12, 13), {"kernel_size": 3, "padding": 1}),
]


def _positions(size, kernel_size, stride=1, padding=0, dilation=1):
    count = 1
    for a in range(2):
        k, s, p, d = (v if isinstance(v, int) else v[a] for v in (kernel_size, stride, padding, dilation))
        count *= (size[a] + 2 * p - d * (k - 1) - 1) // s + 1
    return count


def _columns(shape, windows):
    k = windows["kernel_size"]
    taps = k * k if isinstance(k, int) else k[0] * k[1]
    return (*shape[:-3], shape[-3] * taps, _positions(shape[-2:], **windows))


SAMPLES = [
    *(Sample("unfold", case, unfold, normal(shape), windows, torch=_torch("unfold") if shape[0] else None, length=9)
      for case, shape, windows in WINDOWS),
    *(Sample("fold", case, fold, normal(_columns(shape, windows)), {"output_size": shape[-2:], **windows},
             torch=_torch("fold") if shape[0] else None, length=9) for case, shape, windows in WINDOWS),
    *(Sample("pixel_shuffle", case, shuffle.pixel_shuffle, normal(shape), {"upscale_factor": r},
             torch=_torch("pixel_shuffle") if shape[0] else None)
      for case, shape, r in (("2", (2, 12, 3, 4), 2), ("3", (1, 18, 2, 5), 3), ("1", (2, 3, 4, 5), 1),
                             ("unbatched", (8, 3, 2), 2), ("rank-5", (2, 3, 8, 2, 3), 2), ("empty", (0, 4, 2, 2), 2),
                             ("wide", (1, 64, 9, 11), 2))),
    *(Sample("pixel_unshuffle", case, shuffle.pixel_unshuffle, normal(shape), {"downscale_factor": r},
             torch=_torch("pixel_unshuffle"))
      for case, shape, r in (("2", (2, 3, 6, 8), 2), ("3", (1, 2, 6, 9), 3), ("unbatched", (2, 6, 4), 2))),
    *(Sample("channel_shuffle", case, shuffle.channel_shuffle, normal(shape), {"groups": g},
             torch=_torch("channel_shuffle"))
      for case, shape, g in (("2", (2, 6, 3, 4), 2), ("17", (1, 34, 2, 3), 17), ("line", (2, 6, 5), 3),
                             ("volume", (1, 8, 2, 3, 2), 4))),
]


def _powers(case, shape, *, spatial=2, positive=False, gradients=True, **kwargs):
    def build(rng):
        x = rng.standard_normal(shape)
        x = np.sign(x) * (np.abs(x) + 0.1)
        return [np.abs(x) if positive else x]
    name = f"lp_pool{spatial}d"
    # A root of a sum that nearly cancels loses digits; the samples have even powers or positive values.
    return Sample(name, case, getattr(lp_pool, name), build, kwargs, torch=_torch(name), gradients=gradients, length=64)


SAMPLES += [
    _powers("2", (2, 3, 6, 8), norm_type=2, kernel_size=2),
    _powers("overlapping", (2, 17, 7, 8), norm_type=2.0, kernel_size=3, stride=2),
    _powers("ceil", (1, 3, 6, 7), norm_type=4, kernel_size=(3, 2), stride=2, ceil_mode=True),
    _powers("1", (1, 3, 6, 7), positive=True, norm_type=1, kernel_size=2),
    _powers("3", (1, 3, 6, 7), positive=True, norm_type=3, kernel_size=2),
    _powers("half", (1, 3, 6, 7), positive=True, norm_type=0.5, kernel_size=2),
    _powers("infinite", (1, 3, 6, 7), norm_type=float("inf"), kernel_size=2),
    _powers("minus-infinite", (1, 3, 6, 7), norm_type=float("-inf"), kernel_size=2),
    _powers("unbatched", (3, 6, 7), norm_type=2, kernel_size=2),
    _powers("2", (2, 3, 9), spatial=1, norm_type=2, kernel_size=3, stride=2),
    _powers("2", (2, 3, 4, 5, 6), spatial=3, norm_type=2, kernel_size=2),
    Sample("lp_pool2d", "zeros", lp_pool.lp_pool2d, lambda rng: [np.zeros((1, 2, 4, 4))],
           {"norm_type": 2, "kernel_size": 2}, torch=_torch("lp_pool2d")),
]

_S, _T, _V = (ShapeError,), (TypeError,), (ValueError,)
BIG = 2**62


def _hostile(op, rows):
    return [Hostile(op, case, f"F.{op}({arguments})", raises, rf"\[{op}\] {match}")
            for case, arguments, raises, match in rows]


_UNFOLD = [
    ("zero-kernel", "X, 0", _V, "kernel_size is 0, expected 1 to"),
    ("negative-kernel", "X, (2, -1)", _V, "kernel_size is -1"),
    ("huge-kernel", "X, 2**62", _V, f"kernel_size is {BIG}, expected 1 to"),
    ("three-kernels", "X, (2, 2, 2)", _S, "kernel_size has 3 entries, expected one number or 2"),
    ("float-kernel", "X, 2.0", _T, "kernel_size is 2.0, expected a whole number"),
    ("zero-stride", "X, 2, stride=0", _V, "stride is 0, expected 1 to"),
    ("huge-stride", "X, 2, stride=2**62", _V, f"stride is {BIG}"),
    ("zero-dilation", "X, 2, dilation=0", _V, "dilation is 0, expected 1 to"),
    ("huge-dilation", "X, 2, dilation=2**62", _V, f"dilation is {BIG}"),
    ("negative-padding", "X, 2, padding=-1", _V, "padding is -1, expected 0 to"),
    ("huge-padding", "X, 2, padding=2**62", _V, f"padding is {BIG}"),
    ("giant-padding", "X, 2, padding=2**31 - 1", _S, ".*(needs more than|overflows|limit)"),
    ("text-padding", "X, 2, padding='same'", _T, "padding is 'same', expected a whole number"),
]
HOSTILE = [
    *_hostile("unfold", [
        *((case, arguments.replace("X", "x(1, 2, 6, 6)"), raises, match) for case, arguments, raises, match in _UNFOLD),
        ("kernel-over-input", "x(1, 2, 6, 6), 7", _S, "the filter spans 7 in height but x with its padding only has 6"),
        ("rank-2", "x(6, 6), 2", _S, r"input has shape \(6, 6\), expected \(N, C, H, W\) or \(C, H, W\)"),
        ("rank-5", "x(1, 1, 1, 6, 6), 2", _S, r"input has shape \(1, 1, 1, 6, 6\)"),
        ("no-channels", "x(1, 0, 6, 6), 2", _S, "input has shape 1x0x6x6, expected at least one channel"),
        ("int-input", "i(1, 2, 6, 6), 2", _T, "input has dtype int64, expected float32 or float64"),
        ("list-input", "[1.0], 2", _T, "input is list"),
        ("repeated-giant", "np.broadcast_to(a(1, 1, 1, 1), (2**31 - 1, 2**10, 99, 99)), 9", _S, ".*(needs more than|overflows)"),
    ]),
    *_hostile("fold", [
        *((case, arguments.replace("X", "x(1, 8, 25), 6"), raises, match) for case, arguments, raises, match in _UNFOLD
          if "kernel" not in case),
        ("rows", "x(1, 7, 25), 6, 2", _S, "input has 7 rows, expected a multiple of the 4 taps"),
        ("zero-kernel", "x(1, 8, 25), 6, 0", _S, "input has 8 rows, expected a multiple of the 0 taps"),
        ("huge-kernel", "x(1, 8, 25), 6, 2**62", _S, "input has 8 rows, expected a multiple of the"),
        ("columns", "x(1, 8, 24), 6, 2", _S, "input has 24 columns, expected 25: as many as there are windows"),
        ("rank-1", "x(8), 6, 2", _S, r"input has shape \(8,\), expected \(N, C \* taps, positions\)"),
        ("rank-4", "x(1, 8, 5, 5), 6, 2", _S, r"input has shape \(1, 8, 5, 5\)"),
        ("size-zero", "x(1, 8, 25), 0, 2", _S, "the filter spans 2 in height"),
        ("size-negative", "x(1, 8, 25), (-6, 6), 2", _S, ".*negative size in shape"),
        ("size-huge", "x(1, 8, 25), 2**62, 2", _S, ".*(exceeds the limit|overflows)"),
        ("size-float", "x(1, 8, 25), 6.0, 2", _T, "output_size is 6.0, expected a whole number"),
        ("int-input", "i(1, 8, 25), 6, 2", _T, "input has dtype int64"),
        ("none-input", "None, 6, 2", _T, "input is NoneType"),
    ]),
    *_hostile("pixel_shuffle", [
        ("channels", "x(1, 6, 2, 2), 2", _S, "input has 6 channels, expected a multiple of upscale_factor² = 4"),
        ("zero", "x(1, 4, 2, 2), 0", _V, "upscale_factor is 0, expected 1 to"),
        ("negative", "x(1, 4, 2, 2), -2", _V, "upscale_factor is -2"),
        ("huge", "x(1, 4, 2, 2), 2**62", _V, f"upscale_factor is {BIG}"),
        ("float", "x(1, 4, 2, 2), 2.0", _T, "upscale_factor is 2.0, expected a whole number"),
        ("rank-2", "x(4, 4), 2", _S, r"input has shape \(4, 4\), expected at least 3 axes"),
        ("rank-7", "x(1, 1, 1, 1, 4, 2, 2), 2", _S, "input has 7 axes, expected at most 6"),
        ("list", "[1.0], 2", _T, "input is list"),
    ]),
    *_hostile("pixel_unshuffle", [
        ("pixels", "x(1, 1, 3, 4), 2", _S, "input has pixels 3x4, expected multiples of downscale_factor=2"),
        ("zero", "x(1, 4, 2, 2), 0", _V, "downscale_factor is 0"),
        ("none", "None, 2", _T, "input is NoneType"),
    ]),
    *_hostile("channel_shuffle", [
        ("channels", "x(1, 5, 2, 2), 2", _S, "input has 5 channels, expected a multiple of groups=2"),
        ("zero", "x(1, 4, 2, 2), 0", _V, "groups is 0"),
        ("rank-2", "x(4, 4), 2", _S, r"input has shape \(4, 4\), expected at least 3 axes"),
    ]),
    *_hostile("lp_pool2d", [
        ("zero-norm", "x(1, 2, 6, 6), 0, 2", _V, "norm_type is 0, expected a number other than 0"),
        ("nan-norm", "x(1, 2, 6, 6), float('nan'), 2", _V, "norm_type is nan"),
        ("text-norm", "x(1, 2, 6, 6), '2', 2", _T, "norm_type is '2', expected a number"),
        ("float-kernel", "x(1, 2, 6, 6), 2, 2.0", _T, "kernel_size is 2.0, expected a whole number"),
        ("three-kernels", "x(1, 2, 6, 6), 2, (1, 2, 3)", _S, "kernel_size has 3 entries, expected 1 or 2"),
        ("list", "[1.0], 2, 2", _T, "input is list"),
    ]),
    Hostile("lp_pool2d", "huge-kernel", "F.lp_pool2d(x(1, 2, 6, 6), 2, 2**62)", _V,
            rf"\[lp_pool2d\] kernel_size is {BIG}, expected 1 to"),
]
