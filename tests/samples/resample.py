"""Samples of interpolate, grid_sample and affine_grid."""

from __future__ import annotations

import numpy as np

from pyconv.errors import ShapeError
from pyconv.ops.grid_sample import affine_grid, grid_sample
from pyconv.ops.resample import interpolate
from samples import Hostile, Sample, normal


def _torch(name):
    def call(*args, **kwargs):
        import torch

        return getattr(torch.nn.functional, name)(*args, **kwargs)

    return call


def _resize(case, shape, *, torch=True, length=64, **kwargs):
    return Sample("interpolate", case, interpolate, normal(shape), kwargs,
                  torch=_torch("interpolate") if torch else None, length=length)


#: 1, w - 1, w, w + 1, 2w + 3 for 4, 8 and 16 lanes, and more than four vectors with a rest.
CHANNELS = (1, 3, 4, 5, 7, 8, 9, 11, 15, 16, 17, 19, 35, 64, 71)
_SMOOTH = {"linear": (2, 5, 7), "bilinear": (2, 5, 7, 6), "bicubic": (2, 5, 7, 6), "trilinear": (2, 5, 4, 3, 5)}
_UP, _DOWN = {3: (11,), 4: (13, 9), 5: (5, 7, 6)}, {3: (3,), 4: (3, 4), 5: (2, 2, 3)}

SAMPLES = [
    *(_resize(f"{mode}-{way}-{'aligned' if align else 'edges'}", shape, mode=mode, align_corners=align,
              size=sizes[len(shape)])
      for mode, shape in _SMOOTH.items() for way, sizes in (("up", _UP), ("down", _DOWN)) for align in (True, False)),
    *(_resize(f"{mode}-rank-{len(shape)}-{way}", shape, mode=mode, size=sizes[len(shape)])
      for mode in ("nearest", "nearest-exact", "area") for shape in ((2, 5, 7), (2, 5, 7, 6), (2, 5, 4, 3, 5))
      for way, sizes in (("up", _UP), ("down", _DOWN))),
    *(_resize(f"antialias-{mode}-{way}-{'aligned' if align else 'edges'}", (2, 5, 17, 12), mode=mode, antialias=True,
              align_corners=align, size=size)
      for mode in ("bilinear", "bicubic") for way, size in (("down", (5, 7)), ("mixed", (23, 3)), ("one", (1, 2)))
      for align in (True, False)),
    *(_resize(f"channels-{c}", (1, c, 5, 4), mode="bilinear", scale_factor=2) for c in CHANNELS),
    *(_resize(f"bicubic-channels-{c}", (1, c, 3, 4), mode="bicubic", size=(5, 3)) for c in (1, 17, 67)),
    _resize("factor-uneven", (1, 3, 7, 9), mode="bilinear", scale_factor=(1.5, 0.7)),
    _resize("factor-recomputed", (1, 3, 7, 9), mode="bilinear", scale_factor=(1.5, 0.7), recompute_scale_factor=True),
    _resize("factor-cubic", (1, 3, 7, 9), mode="bicubic", scale_factor=(1.3, 2.7)),
    _resize("factor-cubic-kept-size", (1, 3, 3, 9), mode="bicubic", scale_factor=(1.3, 2.7), torch=False),
    _resize("factor-linear-kept-size", (1, 3, 3), mode="linear", scale_factor=1.3),
    _resize("factor-nearest", (2, 3, 7, 9), scale_factor=(1.5, 0.5)),
    _resize("factor-nearest-doubled", (2, 4, 3, 7), scale_factor=(1, 2.13)),
    _resize("factor-exact", (2, 3, 7), mode="nearest-exact", scale_factor=2.13),
    _resize("factor-area", (2, 3, 7, 9), mode="area", scale_factor=0.5),
    _resize("identity", (2, 3, 4, 5), mode="bilinear", size=(4, 5)),
    _resize("one-pixel", (2, 3, 1, 1), mode="bilinear", size=(4, 5), align_corners=True),
    _resize("to-one-pixel", (2, 3, 4, 5), mode="bilinear", size=1, align_corners=True),
    _resize("empty-batch", (0, 3, 4, 5), mode="bilinear", size=7, torch=False),
    _resize("many-blocks", (3, 9, 40, 60), mode="bilinear", scale_factor=2),
    _resize("few-rows", (1, 150, 2, 30), mode="bilinear", size=(3, 50)),
    # PyTorch computes positions in the type of the data: their error grows with the row.
    _resize("long-row", (1, 2, 3000), mode="linear", size=4567, torch=False),
]


def _points(shape, grid, scale=1.3):
    return lambda rng: [rng.standard_normal(shape), scale * rng.uniform(-1, 1, grid)]


def _sampled(case, shape, out, scale=1.3, length=256, **kwargs):
    grid = (shape[0], *out, len(out))
    return Sample("grid_sample", case, grid_sample, _points(shape, grid, scale), kwargs, torch=_torch("grid_sample"),
                  length=length)


def _whole_points(rng):
    """On pixels, between them, on the edges, and far away; no gradient: it has steps there."""
    xs = np.array([-1, -0.5, 0, 0.25, 0.5, 1, -1.5, 2, 7, -1e4])
    return [rng.standard_normal((1, 3, 5, 5)), np.stack(np.meshgrid(xs, xs), -1)[None]]


SAMPLES += [
    *(_sampled(f"{mode}-{padding}-{'aligned' if align else 'edges'}-rank-{len(out) + 2}", (2, 5, *size), out,
               mode=mode, padding_mode=padding, align_corners=align)
      for mode in ("bilinear", "nearest", "bicubic") for padding in ("zeros", "border", "reflection")
      for align in (True, False) for size, out in (((6, 7), (5, 4)), ((3, 4, 5), (2, 4, 3)))
      if mode != "bicubic" or len(out) == 2),
    *(_sampled(f"channels-{c}", (1, c, 5, 4), (4, 3), align_corners=False) for c in CHANNELS),
    *(_sampled(f"far-{padding}", (1, 2, 5, 4), (6, 6), 20.0, padding_mode=padding, align_corners=False)
      for padding in ("zeros", "border", "reflection")),
    *(Sample("grid_sample", f"whole-{mode}-{padding}", grid_sample, _whole_points,
             {"mode": mode, "padding_mode": padding, "align_corners": True}, torch=_torch("grid_sample"),
             gradients=False, length=64)
      for mode in ("bilinear", "nearest", "bicubic") for padding in ("zeros", "border", "reflection")),
    _sampled("one-pixel", (2, 3, 1, 1), (3, 3), align_corners=False),
    _sampled("many-points-on-few", (2, 40, 2, 3), (40, 30), length=2000, align_corners=False),
    _sampled("many-blocks", (3, 17, 20, 30), (50, 40), align_corners=False),
    Sample("grid_sample", "empty-batch", grid_sample, normal((0, 3, 4, 5), (0, 2, 3, 2)), {"align_corners": False}),
    Sample("grid_sample", "no-points", grid_sample, normal((2, 3, 4, 5), (2, 0, 3, 2)), {"align_corners": False}),
    *(Sample("affine_grid", f"rank-{len(size)}-{'aligned' if align else 'edges'}", affine_grid,
             normal((size[0], len(size) - 2, len(size) - 1)), {"size": size, "align_corners": align},
             torch=_torch("affine_grid"), length=64)
      for size in ((2, 3, 4, 5), (3, 1, 2, 3, 4)) for align in (True, False)),
    Sample("affine_grid", "one-pixel", affine_grid, normal((1, 2, 3)), {"size": (1, 1, 1, 4), "align_corners": False},
           torch=_torch("affine_grid"), length=8),
]

_S, _T, _V = (ShapeError,), (TypeError,), (ValueError,)
BIG = 2**62


def _hostile(op, rows):
    return [Hostile(op, case, f"F.{op}({arguments})", raises, rf"\[{op}\] {match}")
            for case, arguments, raises, match in rows]


HOSTILE = [
    *_hostile("interpolate", [
        ("nothing", "x(1, 2, 3, 4)", _V, "size is None and scale_factor None, expected one of the two"),
        ("both", "x(1, 2, 3, 4), 2, 2", _V, "size is 2 and scale_factor 2, expected one of the two"),
        ("zero-size", "x(1, 2, 3, 4), 0", _V, "size is 0, expected at least 1"),
        ("negative-size", "x(1, 2, 3, 4), (3, -1)", _V, r"size is \(3, -1\), expected at least 1"),
        ("huge-size", "x(1, 2, 3, 4), 2**62", _V, f"size is {BIG}, expected 1 to 2147483647"),
        ("size-beyond-64-bits", "x(1, 2, 3, 4), 2**70", _V, "size is .*64 bits"),
        ("giant-output", "x(1, 2, 3, 4), 2**31 - 1", _S, "shape 1x2x2147483647x2147483647 needs more than"),
        ("float-size", "x(1, 2, 3, 4), 2.0", _T, "size is 2.0, expected a whole number"),
        ("bool-size", "x(1, 2, 3, 4), True", _T, "size is True, expected a whole number"),
        ("three-sizes", "x(1, 2, 3, 4), (1, 2, 3)", _S, "size has 3 entries, expected one number or 2"),
        ("zero-factor", "x(1, 2, 3, 4), scale_factor=0", _V, "scale_factor is 0.0, expected a positive number"),
        ("negative-factor", "x(1, 2, 3, 4), scale_factor=-2", _V, "scale_factor is -2.0, expected a positive number"),
        ("nan-factor", "x(1, 2, 3, 4), scale_factor=float('nan')", _V, "scale_factor is nan, expected a positive"),
        ("infinite-factor", "x(1, 2, 3, 4), scale_factor=float('inf')", _V, "scale_factor is inf, expected a positive"),
        ("huge-factor", "x(1, 2, 3, 4), scale_factor=1e300", _V, "scale_factor is 1e[+]300, which makes sizes of"),
        ("tiny-factor", "x(1, 2, 3, 4), scale_factor=1e-9", _V, "scale_factor is 1e-09, which makes sizes of .* from"),
        ("text-factor", "x(1, 2, 3, 4), scale_factor='2'", _T, "scale_factor is '2', expected a number"),
        ("one-factor", "x(1, 2, 3, 4), scale_factor=(2,)", _S, "scale_factor has 1 entries, expected one number or 2"),
        ("mode", "x(1, 2, 3, 4), 2, mode='lanczos'", _V, "mode is 'lanczos', expected one of nearest, nearest-exact"),
        ("mode-none", "x(1, 2, 3, 4), 2, mode=None", _V, "mode is None, expected one of"),
        ("mode-for-one-axis", "x(1, 2, 3, 4), 2, mode='linear'", _S, "input has 2 spatial axes .* 'linear' is for 1"),
        ("mode-for-images", "x(1, 2, 3), 2, mode='bicubic'", _S, "input has 1 spatial axes .* 'bicubic' is for 2"),
        ("aligned-nearest", "x(1, 2, 3, 4), 2, align_corners=True", _V, "align_corners is True, which mode 'nearest'"),
        ("number-as-align", "x(1, 2, 3, 4), 2, mode='bilinear', align_corners=1", _T, "align_corners is 1, expected True"),
        ("antialiased-nearest", "x(1, 2, 3, 4), 2, antialias=True", _V, "antialias is for the modes bilinear and bicubic"),
        ("number-as-antialias", "x(1, 2, 3, 4), 2, antialias=1", _T, "antialias is 1, expected True, False"),
        ("recompute-size", "x(1, 2, 3, 4), 2, recompute_scale_factor=True", _V, "recompute_scale_factor is True, which needs"),
        ("rank-2", "x(3, 4), 2", _S, r"input has 2 axes \(3, 4\), expected 3, 4 or 5"),
        ("rank-6", "x(1, 1, 1, 1, 3, 4), 2", _S, "input has 6 axes"),
        ("no-pixels", "x(1, 2, 0, 4), 2", _S, "input has shape 1x2x0x4, expected at least one channel and one pixel"),
        ("no-channels", "x(1, 0, 3, 4), 2", _S, "input has shape 1x0x3x4, expected at least one channel"),
        ("int-input", "i(1, 2, 3, 4), 2", _T, "input has dtype int64, expected float32 or float64"),
        ("half-input", "a(1, 2, 3, 4).astype('float16'), 2", _T, "input has dtype float16"),
        ("list-input", "[[[1.0]]], 2", _T, "input is list, expected a Tensor or a numpy array"),
        ("none-input", "None, 2", _T, "input is NoneType"),
        ("repeated-giant", "np.broadcast_to(a(1, 1, 1, 1), (2**31 - 1, 2**20, 4, 4)), 2", _S, "shape .* needs more than"),
    ]),
    *_hostile("grid_sample", [
        ("grid-axes", "x(1, 2, 3, 4), x(1, 5, 2)", _S, "grid has shape 1x5x2, expected 4 axes, .* last of size 2"),
        ("grid-last", "x(1, 2, 3, 4), x(1, 5, 5, 3)", _S, "grid has shape 1x5x5x3, expected 4 axes"),
        ("grid-batch", "x(1, 2, 3, 4), x(2, 5, 5, 2)", _S, "grid has shape 2x5x5x2, expected 4 axes, the first of size 1"),
        ("rank-3", "x(2, 3, 4), x(5, 5, 2)", _S, r"input has shape 2x3x4 \(3 axes\), expected 4 or 5"),
        ("cubic-volume", "x(1, 2, 3, 4, 5), x(1, 2, 2, 2, 3), 'bicubic'", _V, "mode is 'bicubic', which needs an input of 4"),
        ("mode", "x(1, 2, 3, 4), x(1, 5, 5, 2), 'linear'", _V, "mode is 'linear', expected bilinear, nearest or bicubic"),
        ("mode-none", "x(1, 2, 3, 4), x(1, 5, 5, 2), None", _T, "mode is None, expected a name"),
        ("padding", "x(1, 2, 3, 4), x(1, 5, 5, 2), padding_mode='reflect'", _V, "padding_mode is 'reflect', expected zeros"),
        ("padding-number", "x(1, 2, 3, 4), x(1, 5, 5, 2), padding_mode=0", _T, "padding_mode is 0, expected a name"),
        ("align", "x(1, 2, 3, 4), x(1, 5, 5, 2), align_corners='no'", _T, "align_corners is 'no', expected True, False"),
        ("no-pixels", "x(1, 2, 0, 4), x(1, 5, 5, 2)", _S, "input has shape 1x2x0x4, expected at least one channel"),
        ("grid-dtype", "x(1, 2, 3, 4), a(1, 5, 5, 2).astype('float64')", _T, "grid has dtype float64 but the input has"),
        ("grid-int", "x(1, 2, 3, 4), i(1, 5, 5, 2)", _T, "grid has dtype int64, expected float32 or float64"),
        ("int-input", "i(1, 2, 3, 4), x(1, 5, 5, 2)", _T, "input has dtype int64"),
        ("list-grid", "x(1, 2, 3, 4), [0.0]", _T, "grid is list, expected a Tensor or a numpy array"),
        ("none-input", "None, x(1, 5, 5, 2)", _T, "input is NoneType"),
        ("giant-output", "np.broadcast_to(a(1, 1, 1, 1), (1, 2**20, 1, 1)), "
         "np.broadcast_to(a(1, 1, 1, 2), (1, 2**15, 2**15, 2))", _S, "shape 1x1048576x32768x32768 needs more than"),
    ]),
    *_hostile("affine_grid", [
        ("theta-shape", "x(1, 2, 2), (1, 1, 3, 3)", _S, r"theta has shape \(1, 2, 2\), expected \(1, 2, 3\)"),
        ("theta-batch", "x(1, 2, 3), (2, 1, 3, 3)", _S, r"theta has shape \(1, 2, 3\), expected \(2, 2, 3\)"),
        ("theta-int", "i(1, 2, 3), (1, 1, 3, 3)", _T, "theta has dtype int64"),
        ("theta-list", "[1.0], (1, 1, 3, 3)", _T, "theta is list"),
        ("size-number", "x(1, 2, 3), 4", _T, "size is 4, expected the output's shape"),
        ("size-rank", "x(1, 2, 3), (1, 1, 3)", _S, r"size is \(1, 1, 3\), expected 4 or 5 sizes"),
        ("size-zero", "x(1, 2, 3), (1, 1, 0, 3)", _S, r"size is \(1, 1, 0, 3\), expected 4 or 5 sizes of at least 1"),
        ("size-float", "x(1, 2, 3), (1, 1, 3.0, 3)", _T, "size is 3.0, expected a whole number"),
        ("size-huge", "x(1, 2, 3), (1, 1, 2**30, 2**30)", _S, r"size is \(.*\), which needs more than"),
        ("align", "x(1, 2, 3), (1, 1, 3, 3), 2", _T, "align_corners is 2, expected True, False"),
    ]),
]
