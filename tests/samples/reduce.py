"""Samples of the reductions."""

from __future__ import annotations

import numpy as np

from pyconv.errors import ShapeError
from pyconv.ops import reduce as r
from samples import Hostile, Sample, normal


def _torch(name):
    def call(*args, **kwargs):
        import torch

        return getattr(torch, name)(*args, **kwargs)

    return call


def _shuffled(shape):
    """No two elements alike, at least 0.1 apart."""
    return lambda rng: [rng.permutation(int(np.prod(shape))).reshape(shape) * 0.1]


def _ties(shape):
    return lambda rng: [rng.integers(0, 3, shape).astype(np.float64)]


def _terms(shape, dim):
    dims = range(len(shape)) if dim is None else (dim,) if isinstance(dim, int) else dim
    return int(np.prod([shape[d] for d in dims])) or 1


AXES = [((), None), ((37,), None), ((37,), 0), ((5, 19), 0), ((5, 19), -1), ((5, 19), None), ((2, 3, 4, 5), (0, 2, 3)),
        ((2, 3, 4, 5), 1), ((2, 3, 4, 5), (2, 3)), ((2, 3, 4, 5), None), ((3, 2, 2, 3, 4), (0, 2, 3, 4)),
        ((2, 17, 6, 6), (0, 2, 3)), ((3, 70, 9), 1), ((1, 1, 1), (0, 2))]


def _id(shape, dim):
    axes = "all" if dim is None else "_".join(map(str, dim if isinstance(dim, tuple) else (dim,)))
    return f"{'x'.join(map(str, shape)) or 'scalar'}-{axes}"


SAMPLES = [
    *(Sample(name, f"{_id(shape, dim)}{'-keep' * keep}", getattr(r, name), make(shape), {"dim": dim, "keepdim": keep},
             torch=_torch(name), length=_terms(shape, dim))
      for name, make in (("sum", normal), ("mean", normal), ("amax", _shuffled), ("amin", _shuffled))
      for shape, dim in AXES for keep in (False, True)
      if not (name in ("amax", "amin") and dim is None)),
    *(Sample(name, f"{_id(shape, dim)}-{correction}", getattr(r, name), normal(shape),
             {"dim": dim, "correction": correction}, torch=_torch(name), length=_terms(shape, dim))
      for name in ("var", "std") for shape, dim in AXES for correction in (0, 1) if _terms(shape, dim) > 1),
    Sample("var", "unbiased", r.var, normal((5, 19)), {"dim": 1, "unbiased": False}, torch=_torch("var"), length=19),
    Sample("var", "far-from-zero", r.var, lambda rng: [rng.standard_normal((3, 4000)) + 1000.0], {"dim": 1},
           torch=_torch("var"), length=4000),
    *(Sample(name, f"ties-{_id(shape, dim)}", getattr(r, name), _ties(shape), {"dim": dim}, torch=_torch(name),
             gradients=False)
      for name in ("amax", "amin") for shape, dim in (((4, 9), 1), ((2, 3, 4, 5), (0, 2, 3)))),
    *(Sample(name, f"all-{len(shape)}", getattr(r, name), _shuffled(shape), torch=_torch(name))
      for name in ("max", "min") for shape in ((37,), (2, 3, 4, 5))),
    *(Sample(name, f"along-{_id(shape, dim)}", getattr(r, name), _shuffled(shape), {"dim": dim, "keepdim": keep},
             torch=lambda x, dim, keepdim, name=name: tuple(_torch(name)(x, dim, keepdim)))
      for name in ("max", "min") for shape, dim, keep in (((37,), 0, False), ((5, 19), 1, True), ((5, 19), 0, False),
                                                          ((2, 3, 4, 5), 1, False), ((3, 70, 9), -2, True))),
    *(Sample(name, _id(shape, dim), getattr(r, name), _shuffled(shape), {"dim": dim}, torch=_torch(name), gradients=False)
      for name in ("argmax", "argmin") for shape, dim in (((37,), None), ((5, 19), 0), ((5, 19), 1),
                                                          ((2, 3, 4, 5), 1), ((2, 3, 4, 5), None), ((4, 900), -1))),
    *(Sample(name, f"whole-{_id(shape, dim)}", getattr(r, name), lambda rng, shape=shape: [rng.integers(-9, 9, shape)],
             {"dim": dim}, torch=_torch(name), gradients=False)
      for name in ("sum", "amax", "amin") for shape, dim in (((5, 19), 0), ((2, 3, 4, 5), (0, 2, 3)))),
    *(Sample(name, f"bool-{_id(shape, dim)}", getattr(r, name), lambda rng, shape=shape: [rng.random(shape) < 0.6],
             {"dim": dim}, torch=_torch(name), gradients=False)
      for name in ("sum", "any", "all") for shape, dim in (((5, 19), 0), ((5, 19), (0, 1)), ((2, 3, 4, 5), (0, 2)))),
    Sample("any", "floats", r.any, _ties((5, 3)), {"dim": 1}, torch=_torch("any"), gradients=False),
    Sample("all", "floats", r.all, _ties((5, 3)), {"dim": 1}, torch=_torch("all"), gradients=False),
    Sample("sum", "empty", r.sum, normal((0, 3)), {"dim": 0}, torch=_torch("sum")),
    Sample("sum", "empty-all", r.sum, normal((0, 3)), torch=_torch("sum")),
    Sample("sum", "long-row", r.sum, normal((2, 300000)), {"dim": 1}, torch=_torch("sum"), length=300000),
    Sample("sum", "long-column", r.sum, normal((300000, 3)), {"dim": 0}, torch=_torch("sum"), length=300000),
    Sample("mean", "long", r.mean, normal((2, 20, 70, 70)), {"dim": (0, 2, 3)}, torch=_torch("mean"), length=9800),
]

_NUMBERS = ("sum", "mean", "var", "std", "amax", "amin")
HOSTILE = [
    *(Hostile(name, "dim", f"x(2, 3).{name}(2)", (IndexError,), rf"\[{name}\] dim is 2, expected -2 to 1 \(x: 2x3\)")
      for name in (*_NUMBERS, "max", "min", "argmax", "argmin", "any", "all")),
    *(Hostile(name, "negative-dim", f"x(2, 3).{name}(-3)", (IndexError,), rf"\[{name}\] dim is -3, expected -2 to 1")
      for name in _NUMBERS),
    *(Hostile(name, "twice", f"x(2, 3).{name}((0, -2))", (ValueError,), rf"\[{name}\] dim is \(0, -2\), which names an axis twice")
      for name in _NUMBERS),
    *(Hostile(name, "fraction", f"x(2, 3).{name}(0.5)", (TypeError,), rf"\[{name}\] dim holds 0.5, expected whole numbers")
      for name in _NUMBERS),
    *(Hostile(name, "nothing", f"x(0, 3).{name}(0)", (ShapeError,), rf"\[{kernel}\] x has no elements along the reduced axes \(x: 0x3\)")
      for name, kernel in (("amax", "amax"), ("amin", "amin"), ("max", "amax"), ("min", "amin"), ("argmax", "argmax"), ("argmin", "argmin"))),
    Hostile("max", "nothing-all", "x(0).max()", (ShapeError,), "has no elements along the reduced axes"),
    Hostile("mean", "whole", "i(3).mean()", (TypeError,), r"\[mean\] x has dtype int64, expected float32 or float64"),
    Hostile("var", "bool", "(x(3) > 0).var()", (TypeError,), r"\[var\] x has dtype bool, expected float32 or float64"),
    Hostile("std", "whole", "i(3).std()", (TypeError,), r"\[var\] x has dtype int64"),
    Hostile("var", "both", "x(3).var(0, True, correction=1)", (ValueError,), r"\[var\] unbiased and correction are both given"),
    Hostile("var", "correction", "x(3).var(0, correction='a')", (TypeError,), r"\[var\] correction is str, expected a number"),
    Hostile("var", "correction-nan", "x(3).var(0, correction=float('nan'))", (ValueError,), r"\[var\] correction is nan, expected a finite number"),
    Hostile("max", "two-axes", "x(2, 3).max((0, 1))", (TypeError,), r"\[max\] dim is \(0, 1\), expected one axis; amax takes several"),
    Hostile("min", "two-axes", "x(2, 3).min((0, 1))", (TypeError,), r"\[min\] dim is \(0, 1\), expected one axis; amin takes several"),
    Hostile("max", "keepdim-alone", "x(2, 3).max(keepdim=True)", (ValueError,), r"\[max\] keepdim needs a dim"),
    Hostile("argmax", "two-axes", "x(2, 3).argmax((0, 1))", (TypeError,), r"\[argmax\] dim is \(0, 1\), expected one axis or None"),
    Hostile("sum", "list", "pc.Tensor.sum([1.0])", (TypeError,), r"\[sum\] x is list, expected a Tensor or a numpy array"),
    Hostile("sum", "string-dim", "x(2).sum('a')", (TypeError,), r"\[sum\] dim holds 'a', expected whole numbers"),
    Hostile("sum", "huge-dim", "x(2).sum(10**30)", (IndexError,), r"\[sum\] dim is 10+, expected"),
    Hostile("max", "shapes", "x(2, 3).max(x(4))", (ShapeError,), r"\[maximum\] shapes 2x3 and 4 do not broadcast"),
]
