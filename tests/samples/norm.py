"""Samples of batch normalisation."""

from __future__ import annotations

import numpy as np

from pyconv.ops.norm import batch_norm
from samples import Hostile, Sample

try:
    import torch.nn.functional as tf
except ImportError:
    tf = None


def training(x, weight=None, bias=None, **kwargs):
    return batch_norm(x, None, None, weight, bias, True, **kwargs)


def torch_training(x, weight=None, bias=None, **kwargs):
    return tf.batch_norm(x, None, None, weight, bias, True, **kwargs)


def arrays(x, affine, running, mean=0.0):
    """x, then the running vectors, then weight and bias."""
    def build(rng):
        c = x[1]
        out = [rng.standard_normal(x) + mean]
        if running:
            out += [rng.standard_normal(c) + mean, rng.uniform(0.5, 2.0, c)]
        if affine:
            out += [rng.standard_normal(c), rng.standard_normal(c)]
        return out
    return build


def train(case, x, affine=True, mean=0.0, **kwargs):
    return Sample("batch_norm", f"train-{case}", training, arrays(x, affine, False, mean), kwargs,
                  torch_training if tf else None, length=int(np.prod(x)) // max(1, x[1]))


def evaluate(case, x, affine=True, mean=0.0, **kwargs):
    return Sample("batch_norm", f"eval-{case}", batch_norm, arrays(x, affine, True, mean), kwargs,
                  tf.batch_norm if tf else None, constant=(1, 2), length=int(np.prod(x)) // max(1, x[1]))


SHAPES = [("rank-2", (6, 5)), ("rank-3", (4, 3, 7)), ("rank-4", (3, 5, 4, 6)), ("rank-5", (2, 4, 3, 4, 5)),
          ("one-pixel", (7, 9, 1, 1)), ("one-image", (1, 6, 5, 5))]
CHANNELS = (1, 3, 4, 5, 7, 8, 9, 11, 15, 16, 17, 19, 35, 64, 71)

SAMPLES = [f(case, x) for f in (train, evaluate) for case, x in SHAPES]
SAMPLES += [f(f"channels-{c}", (3, c, 4, 5)) for f in (train, evaluate) for c in CHANNELS]
SAMPLES += [f(f"plain-{case}", x, affine=False) for f in (train, evaluate) for case, x in SHAPES[:4]]
SAMPLES += [
    train("eps", (3, 4, 5, 5), eps=0.5),
    train("two-values", (2, 3), eps=0.5),  # with a small eps all that is left of this gradient is rounding
    evaluate("eps", (3, 4, 5, 5), eps=0.5),
    evaluate("eps-0", (3, 4, 5, 5), eps=0.0),
    train("empty-batch", (0, 3, 4, 4)),
    evaluate("empty-batch", (0, 3, 4, 4)),
    train("several-chunks", (3, 70, 40, 41)),
    train("64-rows-and-1", (65, 3)),
]


def hostile(case, arguments, raises, match):
    return Hostile("batch_norm", case, f"pc.ops.norm.batch_norm({arguments})", raises, rf"\[batch_norm\] {match}")


VALUE, TYPE = (ValueError,), (TypeError,)
READ_ONLY = "np.broadcast_to(np.float32(1), (3,))"
STRIDE_0 = "np.lib.stride_tricks.as_strided(a(1), (3,), (0,))"

HOSTILE = [
    hostile("nan-eps", "x(2, 3), a(3), a(3), eps=float('nan')", VALUE, "eps is nan, expected a positive number, or 0"),
    hostile("negative-eps", "x(2, 3), a(3), a(3), eps=-1e-5", VALUE, "eps is -1e-05, expected"),
    hostile("infinite-eps", "x(2, 3), a(3), a(3), eps=float('inf')", VALUE, "eps is inf, expected"),
    hostile("zero-eps-in-training", "x(2, 3), a(3), a(3), training=True, eps=0", VALUE, "eps is 0, expected a positive number$"),
    hostile("text-eps", "x(2, 3), a(3), a(3), eps='small'", TYPE, "eps is 'small', expected a number"),
    hostile("nan-momentum", "x(2, 3), a(3), a(3), momentum=float('nan')", VALUE, "momentum is nan, expected a finite number"),
    hostile("no-momentum", "x(2, 3), a(3), a(3), momentum=None", TYPE, "momentum is None, expected a number"),
    hostile("number-as-training", "x(2, 3), a(3), a(3), training=1", TYPE, "training is 1, expected True or False"),
    hostile("rank-1", "x(3), a(3), a(3)", VALUE, r"x has shape 3 \(1 axes\), expected \(batch, channels\)"),
    hostile("rank-6", "x(1, 3, 1, 1, 1, 1), a(3), a(3)", VALUE, r"x has shape 1x3x1x1x1x1 \(6 axes\)"),
    hostile("no-channels", "x(2, 0), a(0), a(0)", VALUE, "x has shape 2x0, expected at least one channel"),
    hostile("one-value", "x(1, 3, 1, 1), a(3), a(3), training=True", VALUE,
            r"x has one value per channel \(x: 1x3x1x1\), of which training cannot take a variance: use a larger batch"),
    hostile("short-mean", "x(2, 3), a(2), a(3)", VALUE, r"running_mean has shape 2, expected 3, one value per channel of x \(x: 2x3\)"),
    hostile("long-var", "x(2, 3), a(3), a(4)", VALUE, "running_var has shape 4, expected 3, one value per channel"),
    hostile("short-weight", "x(2, 3), a(3), a(3), a(1)", VALUE, "weight has shape 1, expected 3"),
    hostile("matrix-bias", "x(2, 3), a(3), a(3), None, a(3, 1)", VALUE, "bias has shape 3x1, expected 3"),
    hostile("empty-weight", "x(2, 3), a(3), a(3), a(0)", VALUE, "weight has shape 0, expected 3"),
    hostile("no-running-in-eval", "x(2, 3), None, None", VALUE, "running_mean and running_var are None, which only training=True"),
    hostile("no-running-var", "x(2, 3), a(3), None", VALUE, "running_var is None, expected both running vectors or neither"),
    hostile("no-running-mean", "x(2, 3), None, a(3), training=True", VALUE, "running_mean is None, expected both"),
    hostile("int-input", "i(2, 3), a(3), a(3)", TYPE, "x has dtype int64, expected float32 or float64"),
    hostile("list-input", "[[1.0]], a(1), a(1)", TYPE, "x is list, expected a Tensor or a numpy array"),
    hostile("none-input", "None, a(1), a(1)", TYPE, "x is NoneType"),
    hostile("list-weight", "x(2, 1), a(1), a(1), [1.0]", TYPE, "weight is list, expected a Tensor or a numpy array"),
    hostile("double-mean", "x(2, 3), np.ones(3), a(3)", TYPE, "running_mean has dtype float64, expected float32, the dtype of x"),
    hostile("double-mean-in-training", "x(2, 3), np.ones(3), a(3), training=True", TYPE, "running_mean has dtype float64, expected float32"),
    hostile("int-var", "x(2, 3), a(3), np.ones(3, np.int64), training=True", TYPE, "running_var has dtype int64, expected float32"),
    hostile("double-weight", "x(2, 3), a(3), a(3), np.ones(3)", TYPE, "weight has dtype float64, expected float32, the dtype of x"),
    hostile("half-bias", "x(2, 3), a(3), a(3), None, np.ones(3, np.float16)", TYPE, "bias has dtype float16"),
    hostile("read-only-mean", f"x(2, 3), {READ_ONLY}, a(3), training=True", VALUE, "running_mean is read-only"),
    hostile("read-only-var", f"x(2, 3), a(3), {READ_ONLY}, training=True", VALUE, "running_var is read-only"),
    hostile("stride-0-mean", f"x(2, 3), {STRIDE_0}, a(3), training=True", VALUE, "running_mean has stride 0"),
    hostile("same-running", "x(2, 3), *[a(3)] * 2, training=True", VALUE, "running_mean and running_var overlap in memory"),
    hostile("overlapping-running", "x(2, 3), *(lambda v: (v[:3], v[2:]))(a(5)), training=True", VALUE, "running_mean and running_var overlap"),
    hostile("misaligned-mean", "x(2, 3), np.zeros(13, np.uint8)[1:].view(np.float32), a(3), training=True", VALUE,
            "running_mean is not aligned to its element size"),
    hostile("gradient-of-mean", "x(2, 3), pc.ones(3, requires_grad=True), a(3)", VALUE, "running_mean requires a gradient"),
    hostile("giant", "np.broadcast_to(a(1, 1, 1, 1), (2**22, 3, 2**22, 4)), a(3), a(3)", VALUE, "shape .* needs more than"),
]
