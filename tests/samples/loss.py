"""Samples of the losses of an input and a target of one shape."""

from __future__ import annotations

import numpy as np

from pyconv.errors import ShapeError
from pyconv.ops.loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    smooth_l1_loss,
)
from samples import Hostile, Sample, normal


def _torch(name):
    def call(*args, **kwargs):
        import torch

        return getattr(torch.nn.functional, name)(*args, **kwargs)

    return call


def _probabilities(*shapes):
    """Away from 0 and 1, where the logarithms' slopes outgrow any difference quotient."""
    return lambda rng: [rng.uniform(0.05, 0.95, s) for s in shapes]


def _apart(shape):
    """Input and target whose distances stay clear of the kinks at 0, 0.5, 1 and 2."""

    def make(rng):
        target = rng.standard_normal(shape)
        distance = rng.choice([0.1, 0.3, 0.8, 1.5, 3.0], shape) + rng.uniform(0, 0.1, shape)
        return [target + rng.choice([-1.0, 1.0], shape) * distance, target]

    return make


_INPUTS = {
    mse_loss: lambda s: normal(s, s),
    l1_loss: _apart,
    smooth_l1_loss: _apart,
    huber_loss: _apart,
    binary_cross_entropy: lambda s: _probabilities(s, s),
    binary_cross_entropy_with_logits: lambda s: lambda rng: [3 * rng.standard_normal(s), rng.random(s)],
    kl_div: lambda s: lambda rng: [np.log(rng.uniform(0.05, 0.95, s)), rng.uniform(0.05, 0.95, s)],
}
_SHAPES = {
    "row": (17,),
    "scalar": (),
    "matrix": (5, 33),
    "maps": (2, 3, 5, 7),
    "volumes": (2, 3, 2, 3, 4),
    "blocks": (150, 130),
}


def _sample(function, case, shape, kwargs, inputs=None, **more):
    return Sample(
        function.__name__,
        case,
        function,
        inputs or _INPUTS[function](shape),
        kwargs,
        torch=_torch(function.__name__),
        length=4 * max(1, int(np.prod(shape))),
        **more,
    )


def _weighted(function, shape, weight_shape):
    """The weight comes third by name, so the function is wrapped."""
    inputs = _INPUTS[function](shape)
    return lambda rng: [*inputs(rng), 0.1 + rng.random(weight_shape)]


def _with(function, argument):
    def ours(x, t, w, **kwargs):
        return function(x, t, **{argument: w}, **kwargs)

    def theirs(x, t, w, **kwargs):
        return _torch(function.__name__)(x, t, **{argument: w}, **kwargs)

    return ours, theirs


def _weight_samples():
    out = []
    for function, argument, weight_shape in (
        (mse_loss, "weight", (4, 6)),
        (l1_loss, "weight", (4, 6)),
        (huber_loss, "weight", (4, 6)),
        (binary_cross_entropy, "weight", (6,)),
        (binary_cross_entropy_with_logits, "weight", (6,)),
        (binary_cross_entropy_with_logits, "pos_weight", (6,)),
        (binary_cross_entropy_with_logits, "pos_weight", (4, 6)),
    ):
        ours, theirs = _with(function, argument)
        out += [
            Sample(
                function.__name__,
                f"{argument}-{len(weight_shape)}-{reduction}",
                ours,
                _weighted(function, (4, 6), weight_shape),
                {"reduction": reduction},
                torch=theirs,
                constant=(2,),
                length=96,
            )
            for reduction in ("mean", "sum", "none")
        ]
    return out


SAMPLES = [
    *(
        _sample(f, f"{case}-{reduction}", shape, {"reduction": reduction})
        for f in _INPUTS
        for case, shape in _SHAPES.items()
        for reduction in ("mean", "sum", "none")
    ),
    *(_sample(smooth_l1_loss, f"beta-{beta}", (5, 7), {"beta": beta}) for beta in (0.0, 0.5, 2.0)),
    *(_sample(huber_loss, f"delta-{delta}", (5, 7), {"delta": delta}) for delta in (0.5, 2.0)),
    *(
        _sample(
            kl_div,
            f"logarithms-{reduction}",
            (5, 7),
            {"reduction": reduction, "log_target": True},
            inputs=lambda rng: [np.log(rng.uniform(0.05, 0.95, (5, 7))) for _ in range(2)],
        )
        for reduction in ("mean", "batchmean", "none")
    ),
    _sample(kl_div, "batchmean", (5, 7), {"reduction": "batchmean"}),
    *(_sample(f, "empty", (0, 3), {"reduction": "sum"}) for f in _INPUTS if f is not binary_cross_entropy),
    _sample(
        binary_cross_entropy_with_logits,
        "steep",
        (4, 9),
        {"reduction": "none"},
        inputs=lambda rng: [80 * rng.standard_normal((4, 9)), rng.random((4, 9))],
    ),
    *_weight_samples(),
]

_S, _T, _V = (ShapeError,), (TypeError,), (ValueError,)
_NAMES = [f.__name__ for f in _INPUTS]


def _each(case, call, raises, match, names=_NAMES):
    return [Hostile(n, case, call.replace("LOSS", f"F.{n}"), raises, match.replace("LOSS", n)) for n in names]


_OLD = [n for n in _NAMES if n != "huber_loss"]
HOSTILE = [
    *_each("target-shape", "LOSS(x(2, 3), x(3))", _S, r"\[LOSS\] target has shape 3, expected the input's, 2x3"),
    *_each("target-column", "LOSS(x(4), x(4, 1))", _S, r"\[LOSS\] target has shape 4x1, expected the input's, 4"),
    *_each("target-scalar", "LOSS(x(4), x())", _S, r"\[LOSS\] target has shape \(\), expected the input's, 4"),
    *_each("target-number", "LOSS(x(4), 1.0)", _T, r"\[LOSS\] target is float, expected a Tensor or a numpy array"),
    *_each("target-none", "LOSS(x(4), None)", _T, r"\[LOSS\] target is NoneType"),
    *_each("target-list", "LOSS(x(1), [1.0])", _T, r"\[LOSS\] target is list"),
    *_each("target-whole", "LOSS(x(4), i(4))", _T, r"\[LOSS\] target has dtype int64, expected float32 or float64"),
    *_each(
        "target-double",
        "LOSS(x(4), a(4).astype('float64'))",
        _T,
        r"\[LOSS\] target has dtype float64, expected the input's, float32",
    ),
    *_each("input-none", "LOSS(None, x(4))", _T, r"\[LOSS\] input is NoneType"),
    *_each("input-text", "LOSS('x', x(4))", _T, r"\[LOSS\] input is str"),
    *_each("input-whole", "LOSS(i(4), x(4))", _T, r"\[LOSS\] input has dtype int64, expected float32 or float64"),
    *_each("input-bool", "LOSS(np.ones(4, bool), x(4))", _T, r"\[LOSS\] input has dtype bool"),
    *_each("input-half", "LOSS(a(4).astype('float16'), x(4))", _T, r"\[LOSS\] input has dtype float16"),
    *_each("input-complex", "LOSS(a(4).astype(complex), x(4))", _T, r"\[LOSS\] input has dtype complex128"),
    *_each("input-big-endian", "LOSS(a(4).astype('>f4'), x(4))", _T, r"\[LOSS\] input has dtype >f4"),
    *_each(
        "reduction",
        "LOSS(x(4), x(4), reduction='avg')",
        _V,
        r"\[LOSS\] reduction is 'avg', expected 'none', 'mean' or 'sum'",
    ),
    *_each("reduction-none", "LOSS(x(4), x(4), reduction=None)", _V, r"\[LOSS\] reduction is None"),
    *_each("reduction-number", "LOSS(x(4), x(4), reduction=1)", _V, r"\[LOSS\] reduction is 1"),
    *_each(
        "size-average",
        "LOSS(x(4), x(4), size_average=False)",
        _V,
        r"\[LOSS\] size_average and reduce are not supported",
        _OLD,
    ),
    *_each("reduce", "LOSS(x(4), x(4), reduce=True)", _V, r"\[LOSS\] size_average and reduce are not supported", _OLD),
    *_each(
        "weight-shape",
        "LOSS(x(4), x(4), weight=x(1))",
        _S,
        r"\[LOSS\] weight has shape 1, expected the input's, 4",
        ["mse_loss", "l1_loss", "huber_loss"],
    ),
    *_each(
        "weight-list",
        "LOSS(x(4), x(4), weight=[1.0])",
        _T,
        r"\[LOSS\] weight is list",
        ["mse_loss", "l1_loss", "huber_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits"],
    ),
    *_each(
        "weight-grows",
        "LOSS(x(4), x(4), weight=x(3, 4))",
        _S,
        r"\[LOSS\] weight has shape 3x4, which does not broadcast to the input's, 4",
        ["binary_cross_entropy", "binary_cross_entropy_with_logits"],
    ),
    Hostile(
        "binary_cross_entropy_with_logits",
        "pos-weight-grows",
        "F.binary_cross_entropy_with_logits(x(4), x(4), pos_weight=x(3, 4))",
        _S,
        r"\[binary_cross_entropy_with_logits\] pos_weight has shape 3x4, which does not broadcast to the input's, 4",
    ),
    Hostile(
        "binary_cross_entropy_with_logits",
        "pos-weight-list",
        "F.binary_cross_entropy_with_logits(x(1), x(1), pos_weight=[2.0])",
        _T,
        r"\[binary_cross_entropy_with_logits\] pos_weight is list",
    ),
    Hostile(
        "binary_cross_entropy",
        "above",
        "F.binary_cross_entropy(x(3) + 0.5, x(3))",
        _V,
        r"\[binary_cross_entropy\] input reaches from 1.5 to 1.5, expected probabilities, 0 to 1",
    ),
    Hostile(
        "binary_cross_entropy",
        "below",
        "F.binary_cross_entropy(-x(3), x(3))",
        _V,
        r"\[binary_cross_entropy\] input reaches from -1",
    ),
    Hostile(
        "binary_cross_entropy",
        "nan",
        "F.binary_cross_entropy(x(3) * float('nan'), x(3))",
        _V,
        r"\[binary_cross_entropy\] input reaches from nan",
    ),
    Hostile(
        "smooth_l1_loss",
        "beta-negative",
        "F.smooth_l1_loss(x(3), x(3), beta=-1.0)",
        _V,
        r"\[smooth_l1_loss\] beta is -1.0, expected at least 0",
    ),
    Hostile(
        "smooth_l1_loss",
        "beta-nan",
        "F.smooth_l1_loss(x(3), x(3), beta=float('nan'))",
        _V,
        r"\[smooth_l1_loss\] beta is nan",
    ),
    Hostile(
        "smooth_l1_loss",
        "beta-text",
        "F.smooth_l1_loss(x(3), x(3), beta='1')",
        _T,
        r"\[smooth_l1_loss\] beta is str, expected a number",
    ),
    Hostile(
        "huber_loss",
        "delta-zero",
        "F.huber_loss(x(3), x(3), delta=0.0)",
        _V,
        r"\[huber_loss\] delta is 0.0, expected more than 0",
    ),
    Hostile(
        "huber_loss",
        "delta-none",
        "F.huber_loss(x(3), x(3), delta=None)",
        _T,
        r"\[huber_loss\] delta is NoneType, expected a number",
    ),
    Hostile(
        "kl_div",
        "batchmean-empty",
        "F.kl_div(x(0, 3), x(0, 3), reduction='batchmean')",
        _S,
        r"\[kl_div\] input has shape 0x3, expected at least one",
    ),
]
