"""Samples of group, instance, layer and RMS norm."""

from __future__ import annotations

import numpy as np

from pyconv.errors import ShapeError
from pyconv.ops.group_norm import group_norm, instance_norm, layer_norm, rms_norm
from samples import Hostile, Sample


def _torch(name):
    def call(*args, **kwargs):
        import torch

        return getattr(torch.nn.functional, name)(*args, **kwargs)

    return call


def _arrays(x, weight, affine, mean=0.0):
    def build(rng):
        out = [rng.standard_normal(x) + mean]
        return [*out, *(rng.standard_normal(weight) for _ in range(affine))]

    return build


def group(case, x, groups, affine=2, mean=0.0, **kwargs):
    # Without pixels PyTorch's gradient of the weight is NaN; a sum of nothing is 0.
    of_torch = None if 0 in x[2:] else lambda v, *rest, **k: _torch("group_norm")(v, groups, *rest, **k)
    terms = int(np.prod(x)) // max(1, min(x[0] * groups, x[1]))
    return Sample("group_norm", case, lambda v, *rest, **k: group_norm(v, groups, *rest, **k),
                  _arrays(x, (x[1],), affine, mean), kwargs,
                  of_torch, length=max(1, terms))


def instance(case, x, affine=2, mean=0.0, **kwargs):
    # torch's instance norm takes no weight by position before the running vectors
    def ours(v, w=None, b=None, **k):
        return instance_norm(v, weight=w, bias=b, **k)

    def theirs(v, w=None, b=None, **k):
        return _torch("instance_norm")(v, weight=w, bias=b, **k)

    # PyTorch's gradient of an empty batch is an error.
    return Sample("instance_norm", case, ours, _arrays(x, (x[1],), affine, mean), kwargs, theirs if x[0] else None,
                  length=max(1, int(np.prod(x)) // x[1]))


def layer(case, x, axes=1, affine=2, mean=0.0, op=layer_norm, **kwargs):
    shape = x[-axes:]
    return Sample(op.__name__, case, lambda v, *rest, **k: op(v, shape, *rest, **k),
                  _arrays(x, shape, affine, mean), kwargs,
                  lambda v, *rest, **k: _torch(op.__name__)(v, shape, *rest, **k),
                  length=max(1, int(np.prod(shape)), int(np.prod(x[:-axes]))))


def rms(case, x, axes=1, affine=1, **kwargs):
    return layer(case, x, axes, affine, op=rms_norm, **kwargs)


def _running(rng):
    return [rng.standard_normal((3, 4, 5, 6)), rng.standard_normal(4), rng.uniform(0.5, 2.0, 4),
            rng.standard_normal(4), rng.standard_normal(4)]


ROWS = sorted({n for w in (4, 8, 16) for n in (w - 1, w, w + 1, 2 * w + 3)} | {2, 64, 65, 100, 257})
EPS = {2: 0.5}  # with a small eps all that is left of the gradient of two values is rounding

SAMPLES = [
    # rows: one pixel; pixels: channels-last; each with several groups, one group, a group per channel
    group("rows", (6, 12), 3), group("rows-one-group", (6, 12), 1), group("one-pixel", (5, 12, 1, 1), 4),
    group("rows-many-samples", (150, 12), 3), group("pixels-3d", (3, 8, 7), 2), group("pixels", (2, 8, 5, 6), 4),
    group("pixels-one-group", (2, 8, 5, 6), 1), group("pixels-own-group", (2, 8, 5, 6), 8),
    group("pixels-5d", (2, 6, 3, 4, 2), 3), group("one-sample", (1, 6, 5, 5), 2), group("plain", (2, 8, 5, 6), 4, 0),
    group("weight-only", (2, 8, 5, 6), 4, 1), group("eps", (2, 8, 5, 6), 4, eps=0.5),
    group("empty", (0, 8, 3, 3), 4), group("empty-pixels", (2, 8, 0, 3), 4),
    group("far-from-0", (2, 8, 9, 9), 4, mean=30.0), group("stretches", (1, 16, 70, 71), 4),
    group("many-stretches", (2, 64, 50, 51), 8), group("many-samples", (70, 4, 3, 5), 2),
    *(group(f"channels-{n}", (2, 2 * n, 3, 5), 2) for n in (1, 3, 4, 7, 8, 9, 15, 16, 17, 35)),
    *(group(f"row-{n}", (3, 2 * n), 2, eps=EPS.get(n, 1e-5)) for n in ROWS),
    instance("3d", (3, 4, 7)), instance("4d", (2, 5, 4, 6)), instance("5d", (2, 3, 2, 3, 4)),
    instance("plain", (2, 5, 4, 6), 0), instance("eps", (2, 5, 4, 6), 2, eps=0.5), instance("empty", (0, 5, 4, 6)),
    instance("stretches", (1, 16, 70, 71)),
    Sample("instance_norm", "running", lambda x, m, v, w, b: instance_norm(x, m, v, w, b, False), _running,
           torch=lambda x, m, v, w, b: _torch("instance_norm")(x, m, v, w, b, False), constant=(1, 2), length=90),
    layer("2d", (6, 12)), layer("1d", (12,)), layer("3d", (2, 5, 19)), layer("last-of-4", (2, 3, 4, 9)),
    layer("two-axes", (3, 5, 7), 2), layer("all-but-batch", (3, 5, 4, 6), 3), layer("5d", (2, 3, 2, 3, 4), 4),
    layer("all", (3, 5), 2), layer("plain", (6, 12), 1, 0), layer("weight-only", (6, 12), 1, 1),
    layer("eps", (6, 12), eps=0.5), layer("empty", (0, 12)), layer("empty-row", (3, 0)),
    layer("far-from-0", (4, 100), mean=30.0), layer("many-rows", (300, 24)), layer("more-rows", (70, 2000)),
    layer("many-weights", (3, 9001)), layer("segments", (2, 40001)), layer("segments-3d", (2, 16, 53, 47), 3),
    *(layer(f"row-{n}", (3, n), eps=EPS.get(n, 1e-5)) for n in ROWS),
    rms("2d", (6, 12)), rms("plain", (6, 12), 1, 0), rms("eps", (6, 12), eps=0.5), rms("two-axes", (3, 5, 7), 2),
    rms("all-but-batch", (3, 5, 4, 6), 3), rms("empty", (0, 12)), rms("many-rows", (300, 24)),
    rms("segments", (2, 40001)), *(rms(f"row-{n}", (3, n), eps=EPS.get(n, 1e-5)) for n in ROWS),
]

_T, _V, _S = (TypeError,), (ValueError,), (ShapeError,)
_CALLS = {"group_norm": "F.group_norm({x}, 2{rest})", "instance_norm": "F.instance_norm({x}{rest})",
          "layer_norm": "F.layer_norm({x}, (5,){rest})", "rms_norm": "F.rms_norm({x}, (5,){rest})"}


def _each(case, x, rest, raises, match, ops=tuple(_CALLS)):
    return [Hostile(op, case, _CALLS[op].format(x=x, rest=rest), raises, rf"\[{op}\] {match}") for op in ops]


_AFFINE = ("group_norm", "instance_norm", "layer_norm")
READ_ONLY = "np.broadcast_to(np.float32(1), 4)"

HOSTILE = [
    *_each("list", "[1.0]", "", _T, "input is list, expected a Tensor or a numpy array"),
    *_each("none", "None", "", _T, "input is NoneType"),
    *_each("whole", "i(2, 4, 5)", "", _T, "input has dtype int64, expected float32 or float64"),
    *_each("half", "np.ones((2, 4, 5), np.float16)", "", _T, "input has dtype float16"),
    *_each("weight-dtype", "x(2, 4, 5)", ", weight=np.ones(4)", _T, "weight has dtype float64, expected float32, the dtype of input"),
    *_each("weight-list", "x(2, 4, 5)", ", weight=[1.0]", _T, "weight is list"),
    *_each("weight-whole", "x(2, 4, 5)", ", weight=i(4)", _T, "weight has dtype int64, expected float32 or float64"),
    *_each("bias-dtype", "x(2, 4, 5)", ", bias=np.ones(4)", _T, "bias has dtype float64, expected float32", _AFFINE),
    *_each("eps-negative", "x(2, 4, 5)", ", eps=-1e-5", _V, "eps is -1e-05, expected a finite number of at least 0"),
    *_each("eps-nan", "x(2, 4, 5)", ", eps=float('nan')", _V, "eps is nan, expected a finite number"),
    *_each("eps-inf", "x(2, 4, 5)", ", eps=float('inf')", _V, "eps is inf, expected a finite number"),
    *_each("eps-text", "x(2, 4, 5)", ", eps='a'", _T, "eps is 'a', expected a number"),
    *_each("eps-bool", "x(2, 4, 5)", ", eps=True", _T, "eps is True, expected a number"),
    *_each("weight-length", "x(2, 4, 5)", ", weight=x(3)", _S, r"weight has shape 3, expected 4, one value per channel \(input: 2x4x5\)", ("group_norm", "instance_norm")),
    *_each("weight-shape", "x(2, 4, 5)", ", weight=x(4, 1)", _S, "weight has shape 4x1, expected 4", ("group_norm", "instance_norm")),
    *_each("bias-length", "x(2, 4, 5)", ", bias=x(5)", _S, "bias has shape 5, expected 4, one value per channel", ("group_norm", "instance_norm")),
    *_each("weight-length", "x(2, 4, 5)", ", weight=x(4)", _S, r"weight has shape 4, expected 5, the normalized_shape \(input: 2x4x5\)", ("layer_norm", "rms_norm")),
    *_each("bias-length", "x(2, 4, 5)", ", bias=x(4)", _S, "bias has shape 4, expected 5, the normalized_shape", ("layer_norm",)),
    *_each("one-axis", "x(5)", "", _S, r"input has shape 5, expected \(batch, channels, ...\)", ("group_norm", "instance_norm")),
    *_each("scalar", "x()", "", _S, r"input has shape \(\), expected", ("group_norm", "instance_norm", "layer_norm", "rms_norm")),
    Hostile("group_norm", "groups", "F.group_norm(x(2, 5, 3), 2)", _S, r"\[group_norm\] input has 5 channels, expected a multiple of num_groups, 2 \(input: 2x5x3\)"),
    Hostile("group_norm", "groups-0", "F.group_norm(x(2, 4), 0)", _V, r"\[group_norm\] num_groups is 0, expected at least 1"),
    Hostile("group_norm", "groups-negative", "F.group_norm(x(2, 4), -2)", _V, r"\[group_norm\] num_groups is -2"),
    Hostile("group_norm", "groups-huge", "F.group_norm(x(2, 4), 2**70)", _V, r"\[group_norm\] num_groups is 118\d+"),
    Hostile("group_norm", "groups-float", "F.group_norm(x(2, 4), 2.0)", _T, r"\[group_norm\] num_groups is 2.0, expected a whole number"),
    Hostile("group_norm", "groups-none", "F.group_norm(x(2, 4), None)", _T, r"\[group_norm\] num_groups is None"),
    Hostile("group_norm", "no-channels", "F.group_norm(x(2, 0, 3), 1)", _S, r"\[group_norm\] input has 0 channels"),
    Hostile("group_norm", "one-value", "F.group_norm(x(1, 3), 3)", _S, r"\[group_norm\] input has one value per group, which has no variance \(input: 1x3, num_groups: 3\)"),
    Hostile("group_norm", "giant", "F.group_norm(np.broadcast_to(a(1, 1, 1, 1), (2**22, 4, 2**22, 4)), 2)", _S, r"shape .* needs more than"),
    Hostile("instance_norm", "one-pixel", "F.instance_norm(x(2, 3, 1, 1))", _S, r"\[instance_norm\] input has one pixel per channel, which has no variance \(input: 2x3x1x1\)"),
    Hostile("instance_norm", "no-pixels", "F.instance_norm(x(2, 3))", _S, r"\[instance_norm\] input has one pixel per channel"),
    Hostile("instance_norm", "no-channels", "F.instance_norm(x(2, 0, 3))", _S, r"\[instance_norm\] input has shape 2x0x3"),
    Hostile("instance_norm", "one-running", "F.instance_norm(x(2, 4, 5), x(4))", _V, r"\[instance_norm\] running_var is None, expected both running vectors or neither"),
    Hostile("instance_norm", "other-running", "F.instance_norm(x(2, 4, 5), None, x(4))", _V, r"\[instance_norm\] running_mean is None, expected both"),
    Hostile("instance_norm", "no-running", "F.instance_norm(x(2, 4, 5), use_input_stats=False)", _V, r"\[instance_norm\] running_mean and running_var are None, which only use_input_stats=True"),
    Hostile("instance_norm", "running-length", "F.instance_norm(x(2, 4, 5), x(3), x(4))", _S, r"\[instance_norm\] running_mean has shape 3, expected 4, one value per channel"),
    Hostile("instance_norm", "running-var-length", "F.instance_norm(x(2, 4, 5), x(4), x(4, 1))", _S, r"\[instance_norm\] running_var has shape 4x1, expected 4"),
    Hostile("instance_norm", "running-dtype", "F.instance_norm(x(2, 4, 5), np.ones(4), np.ones(4))", _T, r"\[instance_norm\] running_mean has dtype float64, expected float32"),
    Hostile("instance_norm", "running-gradient", "F.instance_norm(x(2, 4, 5), pc.ones(4, requires_grad=True), x(4))", _V, r"\[instance_norm\] running_mean requires a gradient"),
    Hostile("instance_norm", "running-read-only", f"F.instance_norm(x(2, 4, 5), x(4), {READ_ONLY})", _V, r"\[instance_norm\] running_var is read-only, expected memory to update"),
    Hostile("instance_norm", "stats-flag", "F.instance_norm(x(2, 4, 5), use_input_stats=1)", _T, r"\[instance_norm\] use_input_stats is 1, expected True or False"),
    Hostile("instance_norm", "momentum", "F.instance_norm(x(2, 4, 5), momentum=float('inf'))", _V, r"\[instance_norm\] momentum is inf, expected a finite number"),
    Hostile("instance_norm", "momentum-none", "F.instance_norm(x(2, 4, 5), momentum=None)", _T, r"\[instance_norm\] momentum is None, expected a number"),
    *(Hostile(op, case, f"F.{op}({x}, {shape})", raises, rf"\[{op}\] {match}") for op in ("layer_norm", "rms_norm")
      for case, x, shape, raises, match in (
          ("last-axes", "x(2, 4, 5)", "(4,)", _S, "input has shape 2x4x5, expected its last axes to be 4, the normalized_shape"),
          ("more-axes", "x(4)", "(2, 4)", _S, "input has shape 4, expected its last axes to be 2x4"),
          ("no-axes", "x(4)", "()", _V, "normalized_shape is empty, expected at least one axis"),
          ("whole-shape", "x(4)", "4", _T, "normalized_shape is 4, expected a tuple or a list of sizes"),
          ("none-shape", "x(4)", "None", _T, "normalized_shape is None"),
          ("float-size", "x(4)", "(4.0,)", _T, "normalized_shape is 4.0, expected a whole number"),
          ("negative-size", "x(4)", "(-4,)", _V, r"normalized_shape is \(-4,\), expected sizes of at least 0"),
          ("huge-size", "x(4)", "(2**70,)", _V, r"normalized_shape is \(118\d+,\)"),
          ("nine-sizes", "x(4)", "(1,) * 9", _S, r"normalized_shape has 9 (axes|entries), expected at most 8"))),
]
