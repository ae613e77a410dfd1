"""Samples of softmax, log_softmax, cross_entropy and nll_loss."""

from __future__ import annotations

import numpy as np

from pyconv.errors import ShapeError
from pyconv.ops.softmax import cross_entropy, log_softmax, nll_loss, softmax
from samples import Hostile, Sample, normal


def _torch(name):
    def call(*args, **kwargs):
        import torch

        return getattr(torch.nn.functional, name)(*args, **kwargs)

    return call


def _softmax(case, shape, dim, scale=1.0):
    return [
        Sample(
            f.__name__,
            case,
            f,
            lambda rng: [scale * rng.standard_normal(shape)],
            {"dim": dim},
            torch=_torch(f.__name__),
            length=2 * shape[dim] if shape else 1,
        )
        for f in (softmax, log_softmax)
    ]


# Along the innermost axis of memory, around each vector width; along others; both memory orders.
_AXES = [
    *(s for n in (1, 2, 3, 4, 5, 7, 8, 9, 11, 15, 16, 17, 19, 31, 33, 35) for s in _softmax(f"row-{n}", (3, n), 1)),
    *(s for n in (1, 3, 4, 5, 8, 15, 16, 17, 35) for s in _softmax(f"columns-{n}", (6, n), 0)),
    *_softmax("one-axis", (10,), 0),
    *_softmax("scalar", (), 0),
    *_softmax("last-of-3", (2, 3, 18), -1),
    *_softmax("middle-of-3", (2, 5, 18), 1),
    *_softmax("first-of-3", (4, 3, 5), 0),
    *_softmax("channels-of-4", (2, 21, 5, 7), 1),
    *_softmax("height-of-4", (2, 3, 9, 4), 2),
    *_softmax("width-of-4", (2, 3, 4, 17), 3),
    *_softmax("batch-of-4", (3, 2, 4, 5), 0),
    *_softmax("channels-of-5", (2, 6, 3, 4, 5), 1),
    *_softmax("depth-of-5", (2, 3, 4, 2, 5), 2),
    *_softmax("many-blocks", (40, 1000), 1),
    *_softmax("many-columns", (5, 700), 0),
    *_softmax("long-row", (1, 5000), 1),
    *_softmax("steep", (4, 33), 1, 30.0),
]


def _labels(shape, classes, dtype=np.int64, ignore=None, share=0.3):
    def make(rng):
        labels = rng.integers(0, classes, shape)
        if ignore is not None:
            labels = np.where(rng.random(shape) < share, ignore, labels)
            labels.reshape(-1)[:1] = 0  # one counts at least
        return np.asarray(labels, dtype)

    return make


def _class_loss(function, case, shape, *, weight=False, soft=False, dtype=np.int64, ignore=None, **kwargs):
    axis = 0 if len(shape) == 1 else 1
    classes, rest = shape[axis], shape[:1] + shape[2:] if axis else ()
    label = _labels(rest, classes, dtype, ignore)

    def inputs(rng):
        x = 2 * rng.standard_normal(shape)
        if soft:
            target = rng.random(shape)
            target /= target.sum(axis, keepdims=True)
        else:
            target = label(rng)
        return [x, target, 0.2 + rng.random(classes)] if weight else [x, target]

    if ignore is not None:
        kwargs["ignore_index"] = ignore
    of_torch = _torch(function.__name__)
    if not soft and dtype != np.int64:  # PyTorch knows int64 and uint8 only

        def of_torch(x, t, *rest, **kw):
            import torch

            return getattr(torch.nn.functional, function.__name__)(x, t.to(torch.int64), *rest, **kw)

    return Sample(
        function.__name__, case, function, inputs, kwargs, torch=of_torch, constant=(2,), length=2 * int(np.prod(shape))
    )


_LOSSES = [
    *(
        _class_loss(f, f"{reduction}-{case}", shape, reduction=reduction, **options)
        for f in (cross_entropy, nll_loss)
        for reduction in ("mean", "sum", "none")
        for case, shape, options in (
            ("rows", (5, 10), {}),
            ("one-sample", (7,), {}),
            ("weight", (6, 17), {"weight": True}),
            ("ignore", (9, 5), {"ignore": -100}),
            ("ignore-weight", (9, 5), {"ignore": 2, "weight": True}),
            ("1d", (3, 4, 6), {}),
            ("2d", (2, 21, 3, 5), {"weight": True, "ignore": 255}),
            ("3d", (2, 3, 2, 4, 3), {}),
        )
    ),
    *(
        _class_loss(cross_entropy, f"{reduction}-{case}", shape, reduction=reduction, **options)
        for reduction in ("mean", "sum", "none")
        for case, shape, options in (
            ("smooth", (5, 10), {"label_smoothing": 0.1}),
            ("smooth-weight-ignore", (8, 6), {"label_smoothing": 0.3, "weight": True, "ignore": 1}),
            ("soft", (5, 19), {"soft": True}),
            ("soft-one-sample", (5,), {"soft": True}),
            ("soft-weight-smooth", (4, 7), {"soft": True, "weight": True, "label_smoothing": 0.2}),
            ("soft-2d", (2, 6, 3, 4), {"soft": True, "weight": True}),
        )
    ),
    *(_class_loss(cross_entropy, f"classes-{n}", (3, n)) for n in (1, 2, 4, 8, 15, 16, 33, 1000)),
    _class_loss(cross_entropy, "many-blocks", (200, 300)),
    _class_loss(cross_entropy, "int32", (5, 10), dtype=np.int32),
    _class_loss(cross_entropy, "uint8", (5, 10), dtype=np.uint8),
    _class_loss(nll_loss, "int32", (5, 10), dtype=np.int32),
    _class_loss(nll_loss, "uint8", (5, 10), dtype=np.uint8),
    Sample(
        "cross_entropy",
        "smooth-all",
        cross_entropy,
        lambda rng: [rng.standard_normal((4, 5)), np.arange(4)],
        {"label_smoothing": 1.0},
        torch=_torch("cross_entropy"),
        length=40,
    ),
]

SAMPLES = [
    *_AXES,
    *_LOSSES,
    Sample("softmax", "empty", softmax, normal((0, 3)), {"dim": 1}, torch=_torch("softmax")),
    Sample("log_softmax", "empty-axis", log_softmax, normal((3, 0)), {"dim": 1}, torch=_torch("log_softmax")),
    Sample(
        "cross_entropy",
        "empty-sum",
        cross_entropy,
        lambda rng: [np.zeros((0, 3)), np.zeros(0, np.int64)],
        {"reduction": "sum"},
        torch=_torch("cross_entropy"),
    ),
]

_S, _T, _V, _I = (ShapeError,), (TypeError,), (ValueError,), (IndexError,)


def _both(case, call, raises, match):
    return [
        Hostile(f, case, call.replace("LOSS", f"F.{f}"), raises, match.replace("LOSS", f))
        for f in ("cross_entropy", "nll_loss")
    ]


def _soft(case, call, raises, match):
    return [
        Hostile(f, case, call.replace("SOFT", f"F.{f}"), raises, match.replace("SOFT", f))
        for f in ("softmax", "log_softmax")
    ]


HOSTILE = [
    *_soft("axis-above", "SOFT(x(2, 3), 2)", _I, r"\[SOFT\] dim is 2, expected -2 to 1 \(input: 2x3\)"),
    *_soft("axis-below", "SOFT(x(2, 3), -3)", _I, r"\[SOFT\] dim is -3, expected -2 to 1"),
    *_soft("axis-huge", "SOFT(x(2, 3), 2**62)", _I, r"\[SOFT\] dim is 4611686018427387904"),
    *_soft("axis-of-scalar", "SOFT(x(), 1)", _I, r"\[SOFT\] dim is 1, expected -1 to 0"),
    *_soft("no-axis", "SOFT(x(2, 3))", _V, r"\[SOFT\] dim is None, expected the number of an axis"),
    *_soft("axis-float", "SOFT(x(2, 3), 1.0)", _T, r"\[SOFT\] dim is 1.0, expected a whole number"),
    *_soft("axis-text", "SOFT(x(2, 3), '1')", _T, r"\[SOFT\] dim is '1', expected a whole number"),
    *_soft("axis-bool", "SOFT(x(2, 3), True)", _T, r"\[SOFT\] dim is True, expected a whole number"),
    *_soft("axis-tuple", "SOFT(x(2, 3), (0, 1))", _T, r"\[SOFT\] dim is \(0, 1\), expected a whole number"),
    *_soft("dtype", "SOFT(x(2, 3), 1, dtype=pc.int64)", _T, r"\[SOFT\] dtype is int64, expected float32 or float64"),
    *_soft("whole-numbers", "SOFT(i(2, 3), 1)", _T, r"\[SOFT\] input has dtype int64, expected float32 or float64"),
    *_soft("complex", "SOFT(a(2, 3).astype(complex), 1)", _T, r"\[SOFT\] input has dtype complex128"),
    *_soft("half", "SOFT(a(2, 3).astype('float16'), 1)", _T, r"\[SOFT\] input has dtype float16"),
    *_soft("big-endian", "SOFT(a(2, 3).astype('>f4'), 1)", _T, r"\[SOFT\] input has dtype >f4"),
    *_soft("objects", "SOFT(a(2, 3).astype(object), 1)", _T, r"\[SOFT\] input has dtype object"),
    *_soft("none", "SOFT(None, 1)", _T, r"\[softmax\] got NoneType|\[SOFT\] input is NoneType"),
    *_soft("list", "SOFT([1.0, 2.0], 0)", _T, r"\[softmax\] got list|\[SOFT\] input is list"),
    *_soft("number", "SOFT(1.0, 0)", _T, r"\[softmax\] got float|\[SOFT\] input is float"),
    *_soft("text", "SOFT('x', 0)", _T, r"\[softmax\] got str|\[SOFT\] input is str"),
    *_soft("too-many-axes", "SOFT(a(*[1] * 9), 0)", _S, r"has 9 (axes|entries), expected at most 8"),
    *_both(
        "label-above",
        "LOSS(x(6, 10), np.array([0, 1, 2, 3, 4, 12]))",
        _I,
        r"\[LOSS\] target\[5\] is 12, expected 0 to 9 \(or ignore_index -100\)",
    ),
    *_both("label-negative", "LOSS(x(2, 3), np.array([0, -1]))", _I, r"\[LOSS\] target\[1\] is -1, expected 0 to 2"),
    *_both(
        "label-in-map",
        "LOSS(x(2, 3, 4, 5), np.full((2, 4, 5), 3))",
        _I,
        r"\[LOSS\] target\[0, 0, 0\] is 3, expected 0 to 2",
    ),
    *_both("label-of-one-sample", "LOSS(x(3), np.array(3))", _I, r"\[LOSS\] target is 3, expected 0 to 2"),
    *_both("label-huge", "LOSS(x(1, 3), np.array([2**63 - 1]))", _I, r"\[LOSS\] target\[0\] is 9223372036854775807"),
    *_both("label-lowest", "LOSS(x(1, 3), np.array([-2**63]))", _I, r"\[LOSS\] target\[0\] is -9223372036854775808"),
    *_both(
        "label-uint8", "LOSS(x(1, 3), np.array([255], 'uint8'))", _I, r"\[LOSS\] target\[0\] is 255, expected 0 to 2"
    ),
    *_both(
        "label-after-ignored",
        "LOSS(x(2, 3), np.array([7, 8]), ignore_index=7)",
        _I,
        r"\[LOSS\] target\[1\] is 8, expected 0 to 2 \(or ignore_index 7\)",
    ),
    *_both("target-shape", "LOSS(x(2, 3), i(3))", _S, r"\[LOSS\] target has shape 3, expected 2 \(input: 2x3\)"),
    *_both("target-axes", "LOSS(x(2, 3, 4), i(2))", _S, r"\[LOSS\] target has shape 2, expected 2x4 \(input: 2x3x4\)"),
    *_both("target-column", "LOSS(x(2, 3), i(2, 1))", _S, r"\[LOSS\] target has shape 2x1, expected 2"),
    *_both("target-list", "LOSS(x(2, 3), [0, 1])", _T, r"\[LOSS\] target is list, expected a Tensor or a numpy array"),
    *_both("target-none", "LOSS(x(2, 3), None)", _T, r"\[LOSS\] target is NoneType"),
    *_both(
        "target-bool",
        "LOSS(x(2, 3), np.zeros(2, bool))",
        _T,
        r"\[LOSS\] target has dtype bool, expected int64, int32 or uint8",
    ),
    *_both("target-int16", "LOSS(x(2, 3), np.zeros(2, 'int16'))", _T, r"\[LOSS\] target has dtype int16"),
    *_both("target-unsigned", "LOSS(x(2, 3), np.zeros(2, 'uint64'))", _T, r"\[LOSS\] target has dtype uint64"),
    *_both("input-scalar", "LOSS(x(), i())", _S, r"\[LOSS\] input is a scalar"),
    *_both("input-whole", "LOSS(i(2, 3), i(2))", _T, r"\[LOSS\] input has dtype int64, expected float32 or float64"),
    *_both("input-none", "LOSS(None, i(2))", _T, r"\[LOSS\] "),
    *_both("no-classes", "LOSS(x(2, 0), i(2))", _S, r"\[LOSS\] input has 0 classes \(input: 2x0\)"),
    *_both(
        "weight-shape",
        "LOSS(x(2, 3), i(2), weight=x(2))",
        _S,
        r"\[LOSS\] weight has shape 2, expected 3, one number per class",
    ),
    *_both("weight-matrix", "LOSS(x(2, 3), i(2), weight=x(1, 3))", _S, r"\[LOSS\] weight has shape 1x3"),
    *_both(
        "weight-dtype",
        "LOSS(x(2, 3), i(2), weight=a(3).astype('float64'))",
        _T,
        r"\[LOSS\] weight has dtype float64, expected float32",
    ),
    *_both("weight-list", "LOSS(x(2, 3), i(2), weight=[1.0, 1.0, 1.0])", _T, r"\[LOSS\] "),
    *_both(
        "weight-gradient",
        "LOSS(x(2, 3), i(2), weight=pc.Tensor(a(3), requires_grad=True))",
        _V,
        r"\[LOSS\] weight requires a gradient, which is not supported",
    ),
    *_both(
        "reduction",
        "LOSS(x(2, 3), i(2), reduction='avg')",
        _V,
        r"\[LOSS\] reduction is 'avg', expected 'none', 'mean' or 'sum'",
    ),
    *_both("reduction-none", "LOSS(x(2, 3), i(2), reduction=None)", _V, r"\[LOSS\] reduction is None"),
    *_both(
        "size-average",
        "LOSS(x(2, 3), i(2), size_average=True)",
        _V,
        r"\[LOSS\] size_average and reduce are not supported",
    ),
    *_both("reduce", "LOSS(x(2, 3), i(2), reduce=False)", _V, r"\[LOSS\] size_average and reduce are not supported"),
    *_both(
        "ignore-float",
        "LOSS(x(2, 3), i(2), ignore_index=0.5)",
        _T,
        r"\[LOSS\] ignore_index is 0.5, expected a whole number",
    ),
    *_both(
        "ignore-huge",
        "LOSS(x(2, 3), i(2), ignore_index=2**64)",
        _V + _T,
        r"\[LOSS\] ignore_index is 18446744073709551616",
    ),
    Hostile(
        "nll_loss",
        "target-float",
        "F.nll_loss(x(2, 3), x(2))",
        _T,
        r"\[nll_loss\] target has dtype float32, expected int64",
    ),
    Hostile(
        "cross_entropy",
        "float-labels",
        "F.cross_entropy(x(2, 3), x(2))",
        _S,
        r"\[cross_entropy\] target has shape 2, expected 2x3",
    ),
    Hostile(
        "cross_entropy",
        "whole-probabilities",
        "F.cross_entropy(x(2, 3), i(2, 3))",
        _S,
        r"\[cross_entropy\] target has shape 2x3, expected 2 ",
    ),
    Hostile(
        "cross_entropy",
        "soft-dtype",
        "F.cross_entropy(x(2, 3), a(2, 3).astype('float64'))",
        _T,
        r"\[cross_entropy\] target has dtype float64, expected the input's, float32",
    ),
    Hostile(
        "cross_entropy",
        "soft-ignore",
        "F.cross_entropy(x(2, 3), x(2, 3), ignore_index=1)",
        _V,
        r"\[cross_entropy\] ignore_index is 1, which has no meaning for a target of probabilities",
    ),
    Hostile(
        "cross_entropy",
        "smoothing-negative",
        "F.cross_entropy(x(2, 3), i(2), label_smoothing=-0.1)",
        _V,
        r"\[cross_entropy\] label_smoothing is -0.1, expected 0 to 1",
    ),
    Hostile(
        "cross_entropy",
        "smoothing-above",
        "F.cross_entropy(x(2, 3), i(2), label_smoothing=1.5)",
        _V,
        r"\[cross_entropy\] label_smoothing is 1.5, expected 0 to 1",
    ),
    Hostile(
        "cross_entropy",
        "smoothing-nan",
        "F.cross_entropy(x(2, 3), i(2), label_smoothing=float('nan'))",
        _V,
        r"\[cross_entropy\] label_smoothing is nan, expected 0 to 1",
    ),
    Hostile(
        "cross_entropy",
        "smoothing-text",
        "F.cross_entropy(x(2, 3), i(2), label_smoothing='0.1')",
        _T,
        r"\[cross_entropy\] label_smoothing is '0.1', expected a number",
    ),
]
