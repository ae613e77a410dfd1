"""Samples of the matrix product and the linear layer."""

from __future__ import annotations

from typing import Any

from pyconv.errors import ShapeError
from pyconv.ops import gemm
from samples import Hostile, Sample, normal


def _matmul(a: Any, b: Any) -> Any:
    import torch

    return torch.matmul(a, b)


def _bmm(a: Any, b: Any) -> Any:
    import torch

    return torch.bmm(a, b)


def _linear(*inputs: Any) -> Any:
    import torch

    return torch.nn.functional.linear(*inputs)


SAMPLES = [
    *(Sample("matmul", f"{m}x{k}x{n}", gemm.matmul, normal((m, k), (k, n)), {}, _matmul, length=max(m, k, n))
      for m, k, n in [(1, 1, 1), (2, 3, 4), (5, 7, 3), (6, 16, 64), (7, 17, 65), (13, 5, 130), (1, 40, 9), (9, 600, 1),
                      (0, 3, 4), (3, 0, 4), (3, 4, 0)]),
    Sample("matmul", "vector-right", gemm.matmul, normal((4, 5), (5,)), {}, _matmul, length=5),
    Sample("matmul", "vector-left", gemm.matmul, normal((5,), (5, 4)), {}, _matmul, length=5),
    Sample("matmul", "vectors", gemm.matmul, normal((5,), (5,)), {}, _matmul, length=5),
    *(Sample("matmul", f"stack-{case}", gemm.matmul, normal(a, b), {}, _matmul, length=max(*a[-2:], *b[-2:]) * repeats)
      for case, a, b, repeats in [
          ("pair", (2, 3, 4), (2, 4, 5), 1), ("one-matrix", (2, 3, 4), (4, 5), 6), ("broadcast", (5, 1, 3, 4), (2, 4, 6), 5),
          ("left-matrix", (3, 4), (2, 4, 5), 2), ("vector-right", (2, 3, 4), (4,), 6), ("vector-left", (4,), (2, 4, 5), 2),
          ("wide", (3, 17, 40), (3, 40, 65), 1), ("three-lead", (2, 1, 2, 3, 4), (3, 1, 4, 2), 4),
          ("empty", (0, 3, 4), (0, 4, 5), 1), ("no-inner", (2, 3, 0), (2, 0, 5), 1)]),
    Sample("bmm", "pair", gemm.bmm, normal((3, 5, 7), (3, 7, 2)), {}, _bmm, length=7),
    Sample("linear", "plain", gemm.linear, normal((4, 7), (5, 7), (5,)), {}, _linear, length=7),
    Sample("linear", "no-bias", gemm.linear, normal((4, 7), (5, 7)), {}, _linear, length=7),
    Sample("linear", "one-row", gemm.linear, normal((1, 33), (17, 33), (17,)), {}, _linear, length=33),
    Sample("linear", "vector", gemm.linear, normal((7,), (5, 7), (5,)), {}, _linear, length=7),
    Sample("linear", "three-axes", gemm.linear, normal((2, 3, 7), (5, 7), (5,)), {}, _linear, length=7),
    Sample("linear", "four-axes", gemm.linear, normal((2, 3, 4, 7), (5, 7), (5,)), {}, _linear, length=24),
    Sample("linear", "empty-batch", gemm.linear, normal((0, 7), (5, 7), (5,)), {}, _linear, length=7),
    *(Sample("linear", f"rows-{m}-of-{k}", gemm.linear, normal((m, k), (n, k), (n,)), {}, _linear, length=k)
      for m, k, n in [(2, 47, 19), (3, 64, 6), (5, 256, 13), (7, 145, 3), (12, 256, 25)]),
    Sample("matmul", "column", gemm.matmul, normal((37, 65), (65, 1)), {}, _matmul, length=65),
    Sample("matmul", "two-columns", gemm.matmul, normal((25, 51), (51, 2)), {}, _matmul, length=51),
    Sample("linear", "wide", gemm.linear, normal((3, 70), (131, 70), (131,)), {}, _linear, length=131),
]

HOSTILE = [
    Hostile(op, case, call, raises, match)
    for op, case, call, raises, match in [
        ("matmul", "inner", "x(2,3) @ x(4,5)", (ShapeError,), r"\[matmul\] cannot multiply \(2, 3\) by \(4, 5\)"),
        ("matmul", "inner-vector", "x(2,3) @ x(4)", (ShapeError,), r"\[matmul\] cannot multiply \(2, 3\) by \(4,\): inner"),
        ("matmul", "scalar", "x() @ x(4)", (ShapeError,), r"\[matmul\] cannot multiply \(\) by \(4,\)"),
        ("matmul", "stack", "x(2,3,4) @ x(2,5,6)", (ShapeError,), r"\[matmul\] cannot multiply .*: inner sizes differ"),
        ("matmul", "stacks", "x(2,3,4) @ x(3,4,5)", (ShapeError,), r"\[matmul\] shapes 2 and 3 do not broadcast"),
        ("matmul", "stack-mixed", "x(2,3,4) @ x(2,4,5).double()", (TypeError,), r"\[matmul\] b has dtype float64 but a has float32"),
        ("matmul", "stack-int", "i(2,3,4) @ i(2,4,5)", (TypeError,), r"\[matmul\] a has dtype int64, expected float32"),
        ("bmm", "matrices", "pc.bmm(x(3,4), x(4,5))", (ShapeError,), r"\[bmm\] cannot multiply \(3, 4\) by \(4, 5\): expected \(b, m, k\)"),
        ("bmm", "batches", "pc.bmm(x(2,3,4), x(3,4,5))", (ShapeError,), r"\[bmm\] cannot multiply"),
        ("bmm", "list", "pc.bmm([1.0], x(3,4,5))", (TypeError,), r"\[bmm\] input is list"),
        ("matmul", "int", "i(2,3) @ i(3,4)", (TypeError,), r"\[matmul\] a has dtype int64, expected float32 or float64"),
        ("matmul", "mixed", "x(2,3) @ x(3,4).double()", (TypeError,), r"\[matmul\] b has dtype float64 but a has float32"),
        ("matmul", "bool", "(x(2,3) > 0) @ x(3,4)", (TypeError,), r"\[matmul\] a has dtype bool"),
        ("matmul", "half", "pc.ops.gemm.matmul(a(2,3).astype('float16'), a(3,4))", (TypeError,), r"\[matmul\] a has dtype float16"),
        ("matmul", "object", "pc.ops.gemm.matmul(a(2,3).astype(object), a(3,4))", (TypeError,), r"\[matmul\] a has dtype object"),
        ("matmul", "big-endian", "pc.ops.gemm.matmul(a(2,3).astype('>f4'), a(3,4))", (TypeError,), r"\[matmul\] a has dtype >f4"),
        ("matmul", "overflow", "pc.ops.gemm.matmul(np.broadcast_to(np.float32(1),(2**31-1,1)), np.broadcast_to(np.float32(1),(1,2**31-1)))", (ShapeError, MemoryError), r"\[matmul\]|\[allocate\] shape 2147483647x2147483647 needs more than"),
        ("matmul", "inner-swapped", "x(0,3) @ x(4,0)", (ShapeError,), r"\[matmul\] cannot multiply \(0, 3\) by \(4, 0\): inner sizes differ"),
        ("matmul", "vectors", "x(3) @ x(4)", (ShapeError,), r"\[matmul\] cannot multiply \(3,\) by \(4,\): inner sizes differ"),
        ("matmul", "scalars", "x() @ x()", (ShapeError,), r"\[matmul\] cannot multiply \(\) by \(\)"),
        ("matmul", "none", "x(2,3) @ None", (TypeError,), r"\[matmul\] other is NoneType, expected a Tensor"),
        ("matmul", "text", "x(2,3) @ 'a'", (TypeError,), r"\[matmul\] other is str"),
        ("matmul", "list", "x(2,3) @ [[1.0], [2.0], [3.0]]", (TypeError,), r"\[matmul\] other is list"),
        ("matmul", "number", "x(2,3).matmul(2.0)", (TypeError,), r"\[matmul\] other is float"),
        ("matmul", "number-left", "2.0 @ x(2,3)", (TypeError,), r"\[matmul\] input is float"),
        ("matmul", "bool-right", "x(2,3) @ (x(3,4) > 0)", (TypeError,), r"\[matmul\] b has dtype bool but a has float32"),
        ("matmul", "complex", "pc.ops.gemm.matmul(a(2,3).astype('complex64'), a(3,4))", (TypeError,), r"\[matmul\] a has dtype complex64"),
        ("matmul", "int-right", "pc.ops.gemm.matmul(a(2,3), a(3,4).astype('int32'))", (TypeError,), r"\[matmul\] b has dtype int32 but a has"),
        ("linear", "features", "F.linear(x(2,7200), x(10,1000))", (ShapeError,), r"\[linear\] input has 7200 features, expected 1000"),
        ("linear", "weight-rank", "F.linear(x(2,7), x(7))", (ShapeError,), r"\[linear\] weight has shape \(7,\), expected \(out"),
        ("linear", "weight-4", "F.linear(x(2,7), x(5,7,1,1))", (ShapeError,), r"\[linear\] weight has shape"),
        ("linear", "bias", "F.linear(x(2,7), x(5,7), x(7))", (ShapeError,), r"\[linear\] bias has shape \(7,\), expected \(5,\)"),
        ("linear", "bias-rank", "F.linear(x(2,7), x(5,7), x(1,5))", (ShapeError,), r"\[linear\] bias has shape \(1, 5\)"),
        ("linear", "scalar", "F.linear(x(), x(5,7))", (ShapeError,), r"\[linear\] input has no axes, expected 7"),
        ("linear", "int", "F.linear(i(2,7), x(5,7))", (TypeError,), r"\[linear\] a has dtype int64|\[linear\] input has dtype int64"),
        ("linear", "weight-double", "F.linear(x(2,7), x(5,7).double())", (TypeError,), r"\[linear\] weight has dtype float64 but input has float32"),
        ("linear", "bias-double", "F.linear(x(2,7), x(5,7), x(5).double())", (TypeError,), r"\[linear\] bias has dtype float64"),
        ("linear", "list", "F.linear([1.0], x(5,1))", (TypeError,), r"\[linear\] got list, expected Tensors or numpy arrays"),
        ("linear", "none", "F.linear(None, x(5,1))", (TypeError, ShapeError), r"\[linear\] input"),
        ("linear", "weight-none", "F.linear(x(2,7), None)", (TypeError,), r"\[linear\] weight"),
        ("linear", "features-one-off", "F.linear(x(2,7), x(5,8))", (ShapeError,), r"\[linear\] input has 7 features, expected 8 \(input: \(2, 7\), weight: \(5, 8\)\)"),
        ("linear", "features-empty", "F.linear(x(0,7), x(0,8))", (ShapeError,), r"\[linear\] input has 7 features, expected 8"),
        ("linear", "bias-column", "F.linear(x(2,7), x(5,7), x(5,1))", (ShapeError,), r"\[linear\] bias has shape \(5, 1\), expected \(5,\)"),
        ("linear", "bias-number", "F.linear(x(2,7), x(5,7), 1.0)", (TypeError,), r"\[linear\] got float, expected Tensors"),
        ("linear", "bias-int", "F.linear(x(2,7), x(5,7), i(5))", (TypeError,), r"\[linear\] bias has dtype int64, expected float32"),
        ("linear", "weight-list", "F.linear(x(2,7), a(5,7).tolist())", (TypeError,), r"\[linear\] got list, expected Tensors"),
        ("linear", "half", "F.linear(a(2,7).astype('float16'), a(5,7))", (TypeError,), r"\[linear\] input has dtype float16"),
        ("linear", "weight-big-endian", "F.linear(a(2,7), a(5,7).astype('>f4'))", (TypeError,), r"\[linear\] weight has dtype >f4"),
        ("linear", "weight-object", "F.linear(a(2,7), a(5,7).astype(object))", (TypeError,), r"\[linear\] weight has dtype object"),
        ("linear", "overflow", "F.linear(np.broadcast_to(np.float32(1),(2**31-1,1)), np.broadcast_to(np.float32(1),(2**31-1,1)))", (ShapeError, MemoryError), r"\[\w+\] shape 2147483647x2147483647 needs more than"),
    ]
]
