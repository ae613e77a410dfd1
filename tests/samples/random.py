"""Dropout and random draws."""

from __future__ import annotations

import pyconv as pc
from pyconv.ops import random
from samples import Hostile, Sample, normal

SAMPLES = [
    Sample("dropout", "half", random.dropout, normal((3, 50)), {"p": 0.5}),
    Sample("dropout", "rank-4", random.dropout, normal((2, 3, 5, 7)), {"p": 0.2}),
    Sample("dropout", "all", random.dropout, normal((70,)), {"p": 1.0}),
    Sample("dropout", "empty", random.dropout, normal((0, 3)), {"p": 0.5}),
    Sample("dropout1d", "batched", random.dropout1d, normal((2, 9, 4)), {"p": 0.5}),
    Sample("dropout2d", "batched", random.dropout2d, normal((2, 9, 3, 4)), {"p": 0.5}),
    Sample("dropout2d", "unbatched", random.dropout2d, normal((9, 3, 4)), {"p": 0.3}),
    Sample("dropout3d", "batched", random.dropout3d, normal((2, 9, 3, 2, 2)), {"p": 0.5}),
]

BIG = 2**62
_SHAPE, _TYPE, _VALUE = (pc.ShapeError,), (TypeError,), (ValueError,)

HOSTILE = [
    Hostile(op, case, call, raises, match) for op, case, call, raises, match in (
        ("dropout", "nan", "pc.dropout(x(3), float('nan'), True)", _VALUE, "p is nan"),
        ("dropout", "negative", "pc.dropout(x(3), -0.1, True)", _VALUE, "p is -0.1, expected 0 to 1"),
        ("dropout", "above-1", "pc.dropout(x(3), 1.5, True)", _VALUE, "p is 1.5, expected 0 to 1"),
        ("dropout", "inf", "pc.dropout(x(3), float('inf'), True)", _VALUE, "p is inf"),
        ("dropout", "text", "pc.dropout(x(3), 'a', True)", _TYPE, "p is 'a', expected a number"),
        ("dropout", "none", "pc.dropout(x(3), None, True)", _TYPE, "p is None"),
        ("dropout", "tensor-p", "pc.dropout(x(3), x(2), True)", _TYPE, "p is tensor"),
        ("dropout", "bad-p-in-evaluation", "pc.dropout(x(3), 2.0, False)", _VALUE, "p is 2.0"),
        ("dropout", "ints", "pc.dropout(i(3), 0.5, True)", _TYPE, "dtype int64, expected float32 or float64"),
        ("dropout", "list", "pc.dropout([1.0], 0.5, True)", _TYPE, "x is list"),
        ("dropout", "big-endian", "pc.dropout(np.ones(2, '>f4'), 0.5, True)", _TYPE, "has dtype >f4"),
        ("dropout", "float16", "pc.dropout(np.ones(2, np.float16), 0.5, True)", _TYPE, "dtype float16"),
        ("dropout1d", "rank", "pc.ops.random.dropout1d(x(2, 3, 4, 5))", _SHAPE, r"4 axes, expected 2 .* or 3"),
        ("dropout2d", "rank", "pc.ops.random.dropout2d(x(2, 3))", _SHAPE, r"2 axes, expected 3 .* or 4"),
        ("dropout2d", "p", "pc.ops.random.dropout2d(x(2, 3, 4), 7)", _VALUE, "p is 7"),
        ("dropout3d", "rank", "pc.ops.random.dropout3d(x(2))", _SHAPE, "1 axes, expected 4"),
        ("dropout", "beyond-64-bits", "F.dropout(x(3), 2**70)", _VALUE, "p is 1180591620717411303424, expected 0 to 1"),
        ("dropout", "complex-p", "F.dropout(x(3), 1j)", _TYPE, "p is 1j, expected a number"),
        ("dropout", "list-p", "F.dropout(x(3), [0.5])", _TYPE, r"p is \[0.5\], expected a number"),
        ("dropout", "bools", "F.dropout(x(3) > 0, 0.5)", _TYPE, "dtype bool, expected float32 or float64"),
        ("dropout", "complex", "F.dropout(a(3).astype('complex64'))", _TYPE, "dtype complex64"),
        ("dropout", "object", "F.dropout(a(3).astype(object))", _TYPE, "dtype object"),
        ("dropout", "text-x", "F.dropout('abc')", _TYPE, "x is str, expected a Tensor"),
        ("dropout", "giant", "F.dropout(np.broadcast_to(np.float32(0), (2**20,3,2**18,2**18)))", _VALUE, "shape 1048576x3x262144x262144 needs more than"),
        ("dropout", "inplace", "pc.ops.random.dropout(a(3), inplace=True)", _TYPE, "x is ndarray, expected a Tensor to"),
        ("rand", "negative", "pc.rand(-1)", _SHAPE, "negative size"),
        ("rand", "huge", f"pc.rand({BIG})", _SHAPE, "limit of"),
        ("rand", "too-much", "pc.rand(2**30, 2**10)", (MemoryError,), ""),
        ("rand", "dtype", "pc.rand(2, dtype=pc.int64)", _TYPE, "dtype is int64, expected float32 or float64"),
        ("rand", "generator", "pc.rand(2, generator=3)", _TYPE, "generator is int"),
        ("randn", "bool-dtype", "pc.randn(2, dtype=pc.bool)", _TYPE, "dtype is bool"),
        ("normal", "no-size", "pc.normal(0.0, 1.0)", _TYPE, "size is None, expected a shape"),
        ("randint", "empty", "pc.randint(3, 3, (2,))", _VALUE, "high is 3, expected more than low"),
        ("randint", "huge", f"pc.randint(0, {BIG * 4}, (2,))", _VALUE, "does not fit int64"),
        ("randint", "dtype", "pc.randint(0, 300, (2,), dtype=pc.uint8)", _VALUE, "does not fit dtype uint8"),
        ("randint", "float", "pc.randint(0, 2.5, (2,))", _TYPE, "high is 2.5"),
        ("randint", "float-dtype", "pc.randint(0, 2, (2,), dtype=pc.float32)", _TYPE, "expected int64, int32 or uint8"),
        ("randint", "size", "pc.randint(0, 2, 3)", _TYPE, "size is 3, expected a tuple"),
        ("randperm", "negative", "pc.randperm(-1)", _VALUE, "n is -1"),
        ("randperm", "huge", f"pc.randperm({BIG})", _SHAPE, "limit of"),
        ("randperm", "float", "pc.randperm(2.0)", _TYPE, "n is 2.0"),
        ("normal", "negative", "pc.normal(0, -1, (2,))", _VALUE, "std -1"),
        ("normal_", "nan", "x(2).normal_(float('nan'))", _VALUE, "mean is nan"),
        ("normal_", "ints", "i(2).normal_()", _TYPE, "dtype int64"),
        ("uniform_", "order", "x(2).uniform_(1, 0)", _VALUE, "from 1 to 0"),
        ("uniform_", "inf", "x(2).uniform_(0, float('inf'))", _VALUE, "b is inf"),
        ("uniform_", "leaf", "pc.ones(2, requires_grad=True).uniform_()", (RuntimeError,), "leaf that requires"),
        ("bernoulli", "range", "pc.bernoulli(x(2) + 1)", _VALUE, r"outside \[0, 1\]"),
        ("bernoulli", "nan", "pc.bernoulli(x(2) * float('nan'))", _VALUE, r"outside \[0, 1\]"),
        ("bernoulli", "ints", "pc.bernoulli(i(2))", _TYPE, "dtype int64"),
        ("manual_seed", "float", "pc.manual_seed(1.5)", _TYPE, "seed is 1.5"),
        ("manual_seed", "text", "pc.manual_seed('1')", _TYPE, "seed is '1'"),
        ("set_state", "short", "pc.set_rng_state((1, 2))", _TYPE, "the three numbers"),
        ("Generator", "device", "pc.Generator('cuda')", _VALUE, "device is 'cuda'"),
    )
]
