"""Samples of the activations."""

from __future__ import annotations

import numpy as np

from pyconv.errors import ShapeError
from pyconv.ops import activation as a
from samples import Hostile, Sample

SIZES = sorted({n for w in (4, 8, 16) for n in (1, w - 1, w, w + 1, 2 * w + 3)})


def _torch(name):
    def call(*args, **kwargs):
        import torch

        if name == "hardsigmoid":  # PyTorch 2.13's own gradient multiplies float64 by 1/6 in float32
            return torch.clamp(args[0] + 3, 0, 6) / 6
        return getattr(torch.nn.functional, name)(*args, **kwargs)

    return call


def _torch_swish(x, beta=1.0):
    import torch

    if isinstance(beta, torch.Tensor) and beta.numel() > 1:
        beta = beta.reshape(-1, *[1] * (x.ndim - 2))
    return x * torch.sigmoid(beta * x)


def _values(shape, scale=2.0, kinks=()):
    """Normal numbers, at least 1e-3 away from the places where the slope jumps."""
    def make(rng):
        x = scale * rng.standard_normal(shape)
        for kink in kinks:
            x = np.where(np.abs(x - kink) < 1e-3, x + 0.01, x)
        return [x]

    return make


#: name: (keyword arguments of each case, where the slope jumps)
FUNCTIONS = {
    "relu6": ([{}], (0, 6)),
    "leaky_relu": ([{}, {"negative_slope": 0.3}, {"negative_slope": 0.0}, {"negative_slope": -0.5}], (0,)),
    "elu": ([{}, {"alpha": 0.4}, {"alpha": 0.0}, {"alpha": -1.5}], (0,)),
    "selu": ([{}], (0,)),
    "celu": ([{}, {"alpha": 2.5}, {"alpha": -0.5}], (0,)),
    "gelu": ([{}, {"approximate": "tanh"}], ()),
    "silu": ([{}], ()),
    "hardswish": ([{}], (-3, 3)),
    "hardsigmoid": ([{}], (-3, 3)),
    "hardtanh": ([{}, {"min_val": -2.5, "max_val": 0.5}], (-2.5, -1, 0.5, 1)),
    "softplus": ([{}, {"beta": 3.0, "threshold": 5.0}, {"beta": -2.0}], (5 / 3,)),
    "softsign": ([{}], (0,)),
    "logsigmoid": ([{}], ()),
    "mish": ([{}], ()),
    "threshold": ([{"threshold": 0.5, "value": 7.0}, {"threshold": -1.0, "value": -9.0}], (-1, 0.5)),
    "tanhshrink": ([{}], ()),
    "hardshrink": ([{}, {"lambd": 1.5}, {"lambd": -1.0}], (-1.5, -0.5, 0.5, 1.5)),
    "softshrink": ([{}, {"lambd": 1.5}, {"lambd": 0.0}], (-1.5, -0.5, 0, 0.5, 1.5)),
}
IN_PLACE = ("relu6", "leaky_relu", "elu", "selu", "celu", "silu", "hardswish", "hardsigmoid", "hardtanh", "mish",
            "threshold")


def _label(kwargs):
    return "-".join(f"{k}={v}" for k, v in kwargs.items()) or "default"


def _one(name, kwargs, case, shape, scale=2.0, length=1):
    _, kinks = FUNCTIONS[name]
    return Sample(name, f"{_label(kwargs)}-{case}", getattr(a, name), _values(shape, scale, kinks), kwargs,
                  torch=_torch(name), length=length)


def _in_place(name, kwargs, mixed=False):
    """On a result that nothing else needs: the gradient is that of the plain call."""
    def call(x, **kw):
        return getattr(a, name)(x * 1.0, inplace=True, **kw)

    def of_torch(x, **kw):
        # PyTorch refuses a gradient in place where y does not tell the branch.
        return _torch(name)(x * 1.0, **kw)

    return Sample(name, f"{_label(kwargs)}-in-place", call, _values((3, 37), 2.0, FUNCTIONS[name][1]), kwargs,
                  torch=of_torch)


def _slopes(case, x, count, scale=2.0):
    """prelu and swish with `count` numbers; both gradients sum over what they belong to."""
    def inputs(rng):
        return [*_values(x, scale, (0,))(rng), rng.uniform(-0.5, 1.5, count)]

    terms = max(1, int(np.prod(x)) // max(1, int(np.prod(count))))
    return [Sample(f.__name__, case, f, inputs, torch=t, length=terms)
            for f, t in ((a.prelu, _torch("prelu")), (a.swish, _torch_swish))]


SAMPLES = [
    *(_one(name, kwargs, case, shape) for name, (cases, _) in FUNCTIONS.items() for kwargs in cases
      for case, shape in (("scalar", ()), ("flat", (33,)), ("4d", (2, 3, 5, 7)), ("5d", (2, 3, 2, 3, 5)))),
    *(_one(name, cases[0], f"length-{n}", (n,)) for name, (cases, _) in FUNCTIONS.items() for n in SIZES),
    *(_one(name, cases[0], case, shape) for name, (cases, _) in FUNCTIONS.items()
      for case, shape in (("empty", (0, 3)), ("blocks", (3, 17, 1000)))),
    *(_one(name, cases[0], "wide", (4, 33), 12.0) for name, (cases, _) in FUNCTIONS.items()),
    *(_in_place(name, kwargs) for name in IN_PLACE for kwargs in FUNCTIONS[name][0]),
    Sample("softmin", "rows", a.softmin, _values((3, 17)), {"dim": 1}, torch=_torch("softmin"), length=34),
    Sample("softmin", "channels", a.softmin, _values((2, 5, 3, 4)), {"dim": 1}, torch=_torch("softmin"), length=10),
    Sample("swish", "number", a.swish, _values((3, 37)), {"beta": 1.7}, torch=_torch_swish),
    Sample("swish", "number-0", a.swish, _values((3, 37)), {"beta": 0}, torch=_torch_swish),
    *(s for case, x, count in (
        ("one", (2, 3, 5, 7), (1,)), ("one-flat", (37,), (1,)), ("one-rows", (3, 37), (1,)), ("one-3d", (2, 3, 17), (1,)),
        ("one-5d", (2, 3, 2, 3, 5), (1,)), ("one-blocks", (3, 40, 31, 33), (1,)),
        ("channels", (2, 3, 5, 7), (3,)), ("channels-2d", (9, 5), (5,)), ("channels-3d", (2, 5, 9), (5,)),
        ("channels-5d", (2, 4, 2, 3, 5), (4,)), ("channels-empty", (0, 4, 3, 3), (4,)),
        ("channels-blocks", (5, 24, 31, 33), (24,)), ("one-pixel", (3, 200, 1, 1), (200,)),
        *((f"channels-{n}", (3, n, 4, 5), (n,)) for n in (1, 7, 8, 9, 15, 16, 17, 35, 64, 127, 129)))
      for s in _slopes(case, x, count)),
    Sample("prelu", "scalar", a.prelu, lambda rng: [rng.standard_normal(()), rng.standard_normal((1,))],
           torch=_torch("prelu")),
    Sample("prelu", "scalar-weight", a.prelu, lambda rng: [rng.standard_normal((3, 4)), rng.standard_normal(())],
           torch=_torch("prelu"), length=12),
]

_T, _V, _S, _R = (TypeError,), (ValueError,), (ShapeError,), (RuntimeError,)
_ARGS = {"threshold": ", 1, 2"}

HOSTILE = [
    *(Hostile(name, case, f"F.{name}({x}{_ARGS.get(name, '')})", _T, rf"\[{name}\] input {text}")
      for name in (*FUNCTIONS, "softmin", "swish")
      for case, x, text in (("list", "[1.0]", "is list, expected a Tensor or a numpy array"), ("none", "None", "is None"),
                            ("whole", "i(2)", "has dtype int64, expected float32 or float64"),
                            ("half", "np.ones(2, np.float16)", "has dtype float16"))),
    *(Hostile(name, f"in-place-{case}", f"F.{name}({x}{_ARGS.get(name, '')}, inplace={flag})", _T, rf"\[{op}\] {text}")
      for name in IN_PLACE
      for case, x, flag, op, text in (
          ("array", "a(2)", "True", f"{name}_", "input is ndarray, expected a Tensor to change in place"),
          ("flag", "x(2)", "1", name, "inplace is 1, expected True or False"))),
    *(Hostile(name, "in-place-leaf", f"F.{name}(pc.ones(2, requires_grad=True){_ARGS.get(name, '')}, inplace=True)", _R,
              rf"\[{name}_\] a leaf that requires a gradient") for name in IN_PLACE),
    *(Hostile(name, f"{argument}-{case}", f"F.{name}(x(2), **{{'{argument}': {value}}}{rest})", _T,
              rf"\[{name}\] {argument} is {text}, expected a number")
      for name, argument, rest in (("leaky_relu", "negative_slope", ""), ("elu", "alpha", ""), ("celu", "alpha", ""),
                                   ("hardtanh", "min_val", ""), ("hardtanh", "max_val", ""), ("softplus", "beta", ""),
                                   ("softplus", "threshold", ""), ("hardshrink", "lambd", ""),
                                   ("softshrink", "lambd", ""), ("threshold", "threshold", ", value=1"),
                                   ("threshold", "value", ", threshold=1"), ("swish", "beta", ""))
      for case, value, text in (("text", "'a'", "'a'"), ("none", "None", "None"), ("bool", "True", "True"),
                                ("complex", "1j", "1j"))),
    Hostile("leaky_relu", "huge-slope", "F.leaky_relu(x(2), 10**400)", _V, r"\[leaky_relu\] negative_slope is 1000\d*, which does not fit"),
    Hostile("celu", "alpha-0", "F.celu(x(2), 0.0)", _V, r"\[celu\] alpha is 0, expected another number"),
    Hostile("softplus", "beta-0", "F.softplus(x(2), 0)", _V, r"\[softplus\] beta is 0, expected another number"),
    Hostile("hardtanh", "crossed", "F.hardtanh(x(2), 2, 1)", _V, r"\[hardtanh\] min_val is 2.0, expected at most max_val, 1.0"),
    Hostile("hardtanh", "nan", "F.hardtanh(x(2), float('nan'), 1)", _V, r"\[hardtanh\] min_val is nan, expected at most"),
    Hostile("softshrink", "negative", "F.softshrink(x(2), -1)", _V, r"\[softshrink\] lambd is -1.0, expected at least 0"),
    Hostile("gelu", "form", "F.gelu(x(2), 'fast')", _V, r"\[gelu\] approximate is 'fast', expected 'none' or 'tanh'"),
    Hostile("softmin", "no-axis", "F.softmin(x(2, 3))", _V, r"\[softmax\] dim is None, expected the number of an axis"),
    *(h for f, w in (("prelu", "weight"), ("swish", "beta")) for h in (
        Hostile(f, "channels", f"F.{f}(x(2, 3, 4, 4), x(4))", _S, rf"\[{f}\] {w} has 4 numbers but x has 3 channels \(x: 2x3x4x4\), expected 1 or 3"),
        Hostile(f, "one-axis", f"F.{f}(x(3), x(3))", _S, rf"\[{f}\] {w} has 3 numbers but x has 1 channel \(x: 3\), expected 1"),
        Hostile(f, "no-numbers", f"F.{f}(x(2, 3), x(0))", _S, rf"\[{f}\] {w} has 0 numbers"),
        Hostile(f, "matrix", f"F.{f}(x(2, 3), x(1, 3))", _S, rf"\[{f}\] {w} has shape 1x3, expected one number"),
        Hostile(f, "double-weight", f"F.{f}(x(2, 3), np.ones(3))", _T, rf"\[{f}\] {w} has dtype float64, expected x's, float32"),
        Hostile(f, "whole-weight", f"F.{f}(x(2, 3), np.ones(3, np.int64))", _T, rf"\[{f}\] {w} has dtype int64"),
        Hostile(f, "whole-input", f"F.{f}(i(2, 3), x(3))", _T, rf"\[{f}\] input has dtype int64"),
        Hostile(f, "list-input", f"F.{f}([1.0], x(1))", _T, rf"\[{f}\] input is list"),
        Hostile(f, "nine-axes", f"F.{f}(np.ones((1,) * 9, np.float32), x(1))", _S, r"has 9 (axes|entries), expected at most 8"))),
    Hostile("prelu", "weight-number", "F.prelu(x(2, 3), 0.25)", _T, r"\[prelu\] weight is float, expected a Tensor or a numpy array"),
    Hostile("prelu", "method", "x(2, 3).prelu(x(2))", _S, r"\[prelu\] weight has 2 numbers but x has 3 channels"),
    Hostile("sigmoid_", "leaf", "pc.ones(2, requires_grad=True).sigmoid_()", _R, r"\[sigmoid_\] a leaf that requires"),
    Hostile("tanh_", "leaf", "pc.ones(2, requires_grad=True).tanh_()", _R, r"\[tanh_\] a leaf that requires"),
]
