"""Samples of the elementwise operations."""

from __future__ import annotations

import numpy as np

from pyconv.errors import ShapeError
from pyconv.ops import elementwise as e
from samples import Hostile, Sample, normal


def _torch(name):
    def call(*args, **kwargs):
        import torch

        return getattr(torch, name)(*args, **kwargs)

    return call


def _positive(*shapes):
    return lambda rng: [rng.uniform(0.3, 3.0, s) for s in shapes]


def _away_from_zero(*shapes):
    return lambda rng: [np.copysign(rng.uniform(0.3, 3.0, s), rng.standard_normal(s)) for s in shapes]


def _distinct(*shapes):
    """Pairs that differ by at least 0.1, so that a finite difference does not cross a tie."""
    def make(rng):
        a = rng.standard_normal(shapes[0])
        return [a, a + np.copysign(rng.uniform(0.1, 2.0, shapes[0]), rng.standard_normal(shapes[0]))]

    return make


def _whole(low, high, *shapes, dtype=np.int64):
    return lambda rng: [rng.integers(low, high, s).astype(dtype) for s in shapes]


def _scalar(function, *numbers, reflected=False):
    if reflected:
        return lambda x: function(*numbers, x)
    return lambda x: function(x, *numbers)


UNARY = {
    "neg": normal, "square": normal, "exp": normal, "expm1": normal, "sin": normal, "cos": normal, "erf": normal,
    "sigmoid": normal, "tanh": normal, "abs": _away_from_zero, "sign": _away_from_zero, "relu": _away_from_zero,
    "reciprocal": _away_from_zero, "log": _positive, "log1p": _positive, "sqrt": _positive, "rsqrt": _positive,
}
ROUNDING = ("floor", "ceil", "round")
BINARY = {"add": normal, "sub": normal, "mul": normal, "div": _away_from_zero, "pow": _positive,
          "minimum": _distinct, "maximum": _distinct}
COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor")

SAMPLES = [
    *(Sample(name, f"{'x'.join(map(str, shape)) or 'scalar'}", getattr(e, name), make(shape), torch=_torch(name))
      for name, make in UNARY.items() for shape in [(), (33,), (2, 3, 5, 7)]),
    *(Sample(name, "fractions", getattr(e, name), lambda rng: [np.floor(rng.uniform(-9, 9, 37)) + 0.3],
             torch=_torch(name)) for name in ROUNDING),
    *(Sample(name, "same-shape", getattr(e, name), make((3, 17), (3, 17)), torch=_torch(name))
      for name, make in BINARY.items()),
    *(Sample(name, "4d", getattr(e, name), make((2, 3, 4, 5), (2, 3, 4, 5)), torch=_torch(name))
      for name, make in BINARY.items()),
    *(Sample(name, "column-by-row", getattr(e, name), make((5, 1), (1, 19)), torch=_torch(name), length=19)
      for name, make in BINARY.items() if make is not _distinct),
    *(Sample(name, "channels", getattr(e, name), make((2, 3, 4, 5), (3, 1, 1)), torch=_torch(name), length=40)
      for name, make in BINARY.items() if make is not _distinct),
    *(Sample(name, "scalar-array", getattr(e, name), make((4, 9), ()), torch=_torch(name), length=36)
      for name, make in BINARY.items() if make is not _distinct),
    *(Sample(name, "empty", getattr(e, name), make((0, 3), (1, 3)), torch=_torch(name))
      for name, make in BINARY.items() if make is not _distinct),
    *(Sample(name, "number", _scalar(getattr(e, name), 1.7), make((3, 11)), torch=_scalar(_torch(name), 1.7))
      for name, make in BINARY.items() if make is not _distinct),
    *(Sample(name, "whole", getattr(e, name), _whole(-9, 9, (4, 5), (5,)), torch=_torch(name), gradients=False)
      for name in ("add", "sub", "mul", "minimum", "maximum", *COMPARISONS)),
    *(Sample(name, "bytes", getattr(e, name), _whole(1, 5, (4, 5), (5,), dtype=np.uint8), torch=_torch(name),
             gradients=False) for name in ("add", "sub", "mul", "div", "pow", *COMPARISONS)),
    *(Sample(name, "floats", getattr(e, name), _whole(-2, 3, (4, 37), (4, 37), dtype=np.float64), torch=_torch(name),
             gradients=False) for name in COMPARISONS),
    Sample("sub", "number-minus", _scalar(e.sub, 1.5, reflected=True), normal((3, 11)), torch=lambda x: 1.5 - x),
    Sample("div", "number-over", _scalar(e.div, 1.5, reflected=True), _away_from_zero((3, 11)), torch=lambda x: 1.5 / x),
    Sample("pow", "number-to-the", _scalar(e.pow, 1.5, reflected=True), normal((3, 11)), torch=lambda x: 1.5 ** x),
    Sample("pow", "square", _scalar(e.pow, 2), normal((3, 11)), torch=lambda x: x ** 2),
    Sample("pow", "negative-base", _scalar(e.pow, 3), normal((3, 11)), torch=lambda x: x ** 3),
    Sample("pow", "zeroth", _scalar(e.pow, 0), normal((3, 11)), torch=lambda x: x ** 0),
    Sample("div", "whole", e.div, _whole(1, 9, (4, 5), (5,)), torch=_torch("div"), gradients=False),
    Sample("logical_not", "floats", e.logical_not, _whole(-1, 2, (37,), dtype=np.float64),
           torch=_torch("logical_not"), gradients=False),
    Sample("isfinite", "mixed", e.isfinite, lambda rng: [np.array([1.0, np.inf, np.nan, -np.inf, 0.0])],
           torch=_torch("isfinite"), gradients=False),
    Sample("isnan", "mixed", e.isnan, lambda rng: [np.array([1.0, np.inf, np.nan, -np.inf, 0.0])],
           torch=_torch("isnan"), gradients=False),
    Sample("clamp", "both", e.clamp, normal((4, 17)), {"min": -0.5, "max": 0.75}, torch=_torch("clamp")),
    Sample("clamp", "min-only", e.clamp, normal((2, 3, 4, 5)), {"min": 0.1}, torch=_torch("clamp")),
    Sample("clamp", "max-only", e.clamp, normal((4, 17)), {"max": 0.1}, torch=_torch("clamp")),
    Sample("clamp", "crossed", e.clamp, normal((4, 17)), {"min": 1.0, "max": -1.0}, torch=_torch("clamp")),
    Sample("clamp", "tensors", e.clamp, normal((4, 17), (17,), (4, 1)), torch=_torch("clamp")),
    Sample("clamp_min", "tensor", e.clamp_min, normal((4, 1), (3, 1, 5)), torch=_torch("clamp_min")),
    Sample("clamp", "whole", e.clamp, _whole(-9, 9, (5, 5)), {"min": -3, "max": 4}, torch=_torch("clamp"),
           gradients=False),
    Sample("where", "same-shape", lambda c, a, b: e.where(c, a, b),
           lambda rng: [rng.random((3, 17)) < 0.5, rng.standard_normal((3, 17)), rng.standard_normal((3, 17))],
           torch=_torch("where")),
    Sample("where", "broadcast", lambda c, a, b: e.where(c, a, b),
           lambda rng: [rng.random((2, 1, 4, 5)) < 0.5, rng.standard_normal((3, 1, 1)), rng.standard_normal(())],
           torch=_torch("where"), length=120),
    Sample("where", "number", lambda c, a: e.where(c, a, -1.0),
           lambda rng: [rng.random((3, 17)) < 0.5, rng.standard_normal((3, 17))], torch=lambda c, a: _torch("where")(c, a, -1.0)),
    Sample("where", "whole", lambda c, a, b: e.where(c, a, b),
           lambda rng: [rng.random((3, 17)) < 0.5, rng.integers(0, 9, (3, 17)), rng.integers(0, 9, (3, 17))],
           torch=_torch("where"), gradients=False),
]

_SHAPES = (ShapeError,)
HOSTILE = [
    *(Hostile(name, "shapes", f"x(2, 3).{name}(x(2, 4))", _SHAPES, rf"\[{name}\] shapes 2x3 and 2x4 do not broadcast: 3 and 4")
      for name in ("add", "sub", "mul", "div", "pow", "minimum", "maximum", "eq", "lt", "logical_and")),
    Hostile("add", "ranks", "x(2, 3) + x(3, 1, 4)", _SHAPES, "shapes 2x3 and 3x1x4 do not broadcast: 3 and 4"),
    Hostile("add", "zero-against-two", "x(0, 3) + x(2, 3)", _SHAPES, "0x3 and 2x3 do not broadcast"),
    Hostile("add", "string-argument", "x(2).add('a')", (TypeError,), r"\[add\] b is str, expected an array or a number"),
    Hostile("add", "none", "x(2).add(None)", (TypeError,), r"\[add\] b is NoneType"),
    Hostile("add", "list", "x(2).add([1, 2])", (TypeError,), r"\[add\] b is list"),
    Hostile("add", "complex-number", "x(2).add(1j)", (TypeError,), r"\[add\] b is complex"),
    Hostile("add", "complex-array", "x(2).add(np.ones(2, complex))", (TypeError,), r"\[add\] b has dtype complex128"),
    Hostile("add", "float16", "x(2).add(np.ones(2, np.float16))", (TypeError,), r"\[add\] b has dtype float16"),
    Hostile("add", "big-endian", "x(2).add(np.ones(2, '>f4'))", (TypeError,), r"\[add\] b has dtype >f4"),
    Hostile("add", "objects", "x(2).add(np.array([1, 'a'], object))", (TypeError,), r"\[add\] b has dtype object"),
    Hostile("add", "nine-axes", "x(2).add(np.ones((1,) * 9, np.float32))", _SHAPES, r"\[add\] b has 9 axes, expected at most 8"),
    Hostile("add", "huge-whole", "i(2).add(10**30)", (ValueError,), r"\[add\] b is 1000.*does not fit int64"),
    Hostile("mul", "byte-overflow", "pc.from_numpy(np.ones(2, np.uint8)).mul(300)", (ValueError,), r"\[mul\] b is 300, which does not fit uint8"),
    Hostile("sub", "negative-byte", "pc.from_numpy(np.ones(2, np.uint8)) - -1", (ValueError,), r"\[sub\] b is -1, which does not fit uint8"),
    Hostile("sub", "bool", "(x(2) > 0) - (x(2) > 0)", (TypeError,), r"\[sub\] is not defined on bool"),
    Hostile("neg", "bool", "-(x(2) > 0)", (TypeError,), r"\[neg\] is not defined on bool"),
    Hostile("pow", "negative-power", "i(3) ** -1", (ValueError,), r"\[pow\] b is -1, expected at least 0"),
    Hostile("broadcast", "memory", "x(200000, 1) + x(1, 200000)", (MemoryError, ShapeError), ""),
    Hostile("where", "float-condition", "pc.where(x(2), x(2), x(2))", (TypeError,), r"\[where\] condition has dtype float32, expected bool"),
    Hostile("where", "shapes", "pc.where(x(2) > 0, x(2), x(3))", _SHAPES, r"\[where\] shapes 2 and 3 do not broadcast"),
    Hostile("where", "string", "pc.where(x(2) > 0, x(2), 'a')", (TypeError,), r"\[where\] b is str"),
    Hostile("clamp", "no-bounds", "x(2).clamp()", (ValueError,), r"\[clamp\] min and max are both None"),
    Hostile("clamp_", "no-bounds", "x(2).clamp_()", (ValueError,), r"\[clamp_\] min and max are both None"),
    Hostile("clamp", "string", "x(2).clamp('a')", (TypeError,), r"\[clamp\] min is str"),
    Hostile("clamp", "array-bound", "x(2).clamp(a(3))", _SHAPES, "shapes 2 and 3 do not broadcast"),
    Hostile("clamp_", "tensor", "x(2).clamp_(x(2))", (TypeError,), r"\[clamp_\] min is Tensor, expected a number"),
    Hostile("clamp_min_", "array", "x(2).clamp_min_(a(2))", (TypeError,), r"\[clamp_min_\] min is ndarray, expected a number"),
    Hostile("clamp_max_", "tensor", "x(2).clamp_max_(x(2))", (TypeError,), r"\[clamp_max_\] max is Tensor, expected a number"),
    Hostile("div", "rounding", "pc.div(x(2), 2, rounding_mode='floor')", (ValueError,), r"\[div\] rounding_mode is 'floor', only None"),
    Hostile("round", "decimals", "pc.round(x(2), decimals=1)", (ValueError,), r"\[round\] decimals is 1, only 0"),
    Hostile("clamp", "huge-bound", "i(2).clamp(max=10**400)", (ValueError,), r"\[clamp\] max is 1000.*does not fit float64"),
    Hostile("add_", "grows", "x(3).add_(x(2, 3))", _SHAPES, r"\[add_\] the result has shape 2x3, but x has 3"),
    Hostile("add_", "widens", "i(3).add_(x(3))", (TypeError,), r"\[add\] out has dtype int64, expected float32"),
    Hostile("div_", "widens", "i(3).div_(2)", (TypeError,), r"\[div\] out has dtype int64, expected float32"),
    Hostile("add_", "leaf", "pc.tensor([1.0], requires_grad=True).add_(1)", (RuntimeError,), r"\[add_\] a leaf that requires a gradient"),
    Hostile("copy_", "list", "x(2).copy_([1, 2])", (TypeError,), r"\[copy_\] source is list"),
    Hostile("copy_", "shapes", "x(2).copy_(x(3))", _SHAPES, r"\[assign\] src is 3, which does not broadcast to dst \(2\)"),
    Hostile("copy_", "grows", "x(2).copy_(x(4, 2))", _SHAPES, r"\[assign\] src is 4x2, which does not broadcast to dst \(2\)"),
    Hostile("fill_", "string", "x(2).fill_('a')", (TypeError,), r"\[assign\] src is str"),
    Hostile("fill_", "fraction", "pc.from_numpy(np.ones(2, np.uint8)).fill_(300)", (ValueError,), r"\[assign\] src is 300, which does not fit uint8"),
    Hostile("bool", "several", "bool(x(2))", (RuntimeError,), r"\[bool\] the truth of a tensor of shape \(2,\) is ambiguous"),
    Hostile("relu", "string", "pc.Tensor.relu('a')", (TypeError,), r"\[relu\] got str"),
    Hostile("exp", "list", "pc.Tensor.exp([1.0])", (TypeError,), r"\[exp\] got list"),
]
