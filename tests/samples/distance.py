"""Samples of cosine_similarity and pairwise_distance."""

from __future__ import annotations

import numpy as np

from pyconv.errors import ShapeError
from pyconv.ops.distance import cosine_similarity, pairwise_distance
from samples import Hostile, Sample, normal


def _torch(name):
    def call(*args, **kwargs):
        import torch

        return getattr(torch.nn.functional, name)(*args, **kwargs)

    return call


def _same(f, case, *shapes, inputs=None, **kwargs):
    return Sample(f.__name__, case, f, inputs or normal(*shapes), kwargs, torch=_torch(f.__name__), length=256)


SAMPLES = [
    _same(cosine_similarity, "rows", (5, 7), (5, 7)),
    _same(cosine_similarity, "last", (2, 3, 17), (2, 3, 17), dim=-1),
    _same(cosine_similarity, "maps", (2, 19, 4, 5), (2, 19, 4, 5)),
    _same(cosine_similarity, "broadcast", (4, 1, 6), (3, 6), dim=2),
    # One number along the whole axis: only its sign counts, its gradient is nothing but rounding.
    Sample("cosine_similarity", "broadcast-along", cosine_similarity, normal((4, 1), (4, 6)), {"dim": 1},
           torch=_torch("cosine_similarity"), constant=(0,), length=256),
    _same(cosine_similarity, "one-vector", (9,), (9,), dim=0),
    _same(cosine_similarity, "short", inputs=lambda rng: [0.1 * rng.standard_normal((3, 4)), rng.standard_normal((3, 4))],
          eps=1e-3),
    _same(cosine_similarity, "zeros", inputs=lambda rng: [np.zeros((2, 3)), rng.standard_normal((2, 3))], eps=0.5),
    _same(cosine_similarity, "empty", (0, 3), (0, 3)),
    *(_same(pairwise_distance, f"p-{p}", (5, 17), (5, 17), p=p) for p in (1, 1.5, 2, 3, float("inf"), float("-inf"))),
    _same(pairwise_distance, "keepdim", (5, 3), (5, 3), keepdim=True),
    _same(pairwise_distance, "one-row", (7,), (7,)),
]

_S, _T, _V, _I = (ShapeError,), (TypeError,), (ValueError,), (IndexError,)


def _hostile(op, rows):
    return [Hostile(op, case, f"F.{op}({arguments})", raises, rf"\[{op}\] {match}")
            for case, arguments, raises, match in rows]


HOSTILE = [
    *_hostile("cosine_similarity", [
        ("shapes", "x(2, 3), x(2, 4)", _S, "shapes 2x3 and 2x4 do not broadcast"),
        ("dim", "x(2, 3), x(2, 3), 2", _I, "dim is 2, expected -2 to 1"),
        ("dim-float", "x(2, 3), x(2, 3), 1.0", _T, "dim is 1.0, expected a whole number"),
        ("eps", "x(2, 3), x(2, 3), 1, 'a'", _T, "eps is 'a', expected a number"),
        ("eps-nan", "x(2, 3), x(2, 3), 1, float('nan')", _V, "eps is nan"),
        ("int", "i(2, 3), x(2, 3)", _T, "x1 has dtype int64, expected float32 or float64"),
        ("list", "x(2, 3), [1.0]", _T, "x2 is list, expected a Tensor or a numpy array"),
    ]),
    *_hostile("pairwise_distance", [
        ("shapes", "x(2, 3), x(2, 4)", _S, "shapes 2x3 and 2x4 do not broadcast"),
        ("scalars", "x(), x()", _V, "x1 and x2 are scalars"),
        ("p-zero", "x(2, 3), x(2, 3), 0", _V, "p is 0, expected a number above 0"),
        ("p-nan", "x(2, 3), x(2, 3), float('nan')", _V, "p is nan"),
        ("p-text", "x(2, 3), x(2, 3), '2'", _T, "p is '2', expected a number"),
        ("keepdim", "x(2, 3), x(2, 3), keepdim=1", _T, "keepdim is 1, expected True or False"),
        ("none", "x(2, 3), None", _T, "x2 is NoneType"),
    ]),
]
