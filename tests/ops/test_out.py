"""Results into the caller's memory."""

from __future__ import annotations

import numpy as np
import pytest

import pyconv as pc
from pyconv.nn import functional as F


def draw(*shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


X, Y, B = draw(2, 3, 8, 9), draw(2, 3, 8, 9, seed=1), draw(3, 1, 1, seed=2)
W, T, M = draw(4, 3, 3, 3, seed=3), draw(3, 4, 2, 2, seed=4), draw(9, 5, seed=5)

#: name, function of (operands, out), operands
CALLS = [
    *[(f.__name__, f, (X,)) for f in (
        pc.neg, pc.abs, pc.sign, pc.square, pc.exp, pc.expm1, pc.reciprocal, pc.sin, pc.cos, pc.erf, pc.floor,
        pc.ceil, pc.round, pc.sigmoid, pc.tanh, pc.relu, pc.isfinite, pc.isnan, pc.logical_not)],
    *[(f.__name__, f, (np.abs(X) + 1,)) for f in (pc.log, pc.log1p, pc.sqrt, pc.rsqrt)],
    *[(f.__name__, f, (X, Y)) for f in (
        pc.add, pc.sub, pc.mul, pc.div, pc.maximum, pc.minimum, pc.eq, pc.ne, pc.lt, pc.le, pc.gt, pc.ge,
        pc.logical_and, pc.logical_or, pc.logical_xor)],
    *[(f"{f.__name__} broadcast", f, (X, B)) for f in (pc.add, pc.mul, pc.gt)],
    *[(f"{f.__name__} of a number", f, (X, 3)) for f in (pc.add, pc.div, pc.pow, pc.lt)],
    ("a number and add", pc.add, (3, X)), ("square", pc.pow, (X, 2)),
    ("pow", pc.pow, (np.abs(X), Y)),
    ("where", pc.where, (X > 0, X, Y)),
    ("clamp", lambda x, **kw: pc.clamp(x, -0.5, 0.5, **kw), (X,)),
    ("clamp to tensors", lambda x, y, **kw: pc.clamp(x, y, **kw), (X, Y)),
    ("cat", lambda x, y, **kw: pc.cat([x, y], 1, **kw), (X, Y)),
    ("stack", lambda x, y, **kw: pc.stack([x, y], 1, **kw), (X, Y)),
    ("pad", lambda x, **kw: F.pad(x, (1, 2, 0, 1), "reflect", **kw), (X,)),
    ("matmul", pc.matmul, (X[0, 0], M)), ("matrix and vector", pc.matmul, (X[0, 0], M[:, 0])),
    ("linear", F.linear, (X, M.T)),
    ("conv1d", F.conv1d, (X[:, :, 0], W[:, :, 0])), ("conv2d", lambda x, w, **kw: F.conv2d(x, w, padding=1, **kw), (X, W)),
    ("conv2d of one image", F.conv2d, (X[0], W)), ("conv3d", F.conv3d, (X[None], draw(4, 2, 3, 3, 3))),
    ("conv_transpose1d", F.conv_transpose1d, (X[:, :, 0], T[:, :, 0])),
    ("conv_transpose2d", lambda x, w, **kw: F.conv_transpose2d(x, w, stride=2, **kw), (X, T)),
    ("conv_transpose3d", F.conv_transpose3d, (X[None], draw(2, 3, 1, 2, 2))),
    *[(f"{k}_pool{d}d", lambda x, k=k, d=d, **kw: getattr(F, f"{k}_pool{d}d")(x, 2, **kw), ((X[0], X, X[None])[d - 1],))
      for k in ("max", "avg", "adaptive_max", "adaptive_avg") for d in (1, 2, 3)],
    ("softmax", lambda x, **kw: pc.softmax(x, 1, **kw), (X,)),
    ("log_softmax", lambda x, **kw: pc.log_softmax(x, 1, **kw), (X,)),
    ("interpolate", lambda x, **kw: F.interpolate(x, scale_factor=2, mode="bilinear", **kw), (X,)),
]


@pytest.mark.parametrize(("name", "function", "operands"), CALLS, ids=[c[0] for c in CALLS])
def test_out_is_filled_and_returned(name, function, operands):
    expected = function(*operands)
    for memory in (np.zeros_like(expected, order="C"), np.zeros((*expected.shape, 2), expected.dtype)[..., 1]):
        assert function(*operands, out=memory) is memory
        np.testing.assert_array_equal(memory, expected)
    tensors = [pc.from_numpy(a) if isinstance(a, np.ndarray) else a for a in operands]
    out = pc.from_numpy(np.zeros_like(expected))
    version = out._version[0]
    assert function(*tensors, out=out) is out
    np.testing.assert_array_equal(out.numpy(), function(*tensors).numpy())
    assert out._version[0] == version + 1
    with pytest.raises(pc.ShapeError, match=r"out has shape .*, expected"):
        function(*operands, out=np.zeros((*expected.shape, 1), expected.dtype))
    with pytest.raises(TypeError, match=r"out has dtype uint8, expected"):
        function(*operands, out=np.zeros(expected.shape, np.uint8))
    read_only = np.zeros_like(expected)
    read_only.flags.writeable = False
    with pytest.raises(ValueError, match="out is read-only"):
        function(*operands, out=read_only)
    with pytest.raises(TypeError, match="out is list, expected a Tensor or a numpy array"):
        function(*operands, out=[])
    with pytest.raises(RuntimeError, match="out is a meta tensor"):
        function(*operands, out=pc.zeros(*expected.shape, device="meta"))


def test_operands_may_share_the_memory_of_out():
    base = draw(100)
    for to, x, y in ((base[:90], base[5:95], base[10:]), (base[:90], base[:90], base[90:0:-1]), (base[89::-1], base[:90], 2)):
        expected = x * y + 0
        before = base.copy()
        pc.mul(x, y, out=to)
        np.testing.assert_array_equal(to, expected)
        base[:] = before
    pc.cat([base[:50], base[50:]], out=base)
    np.testing.assert_array_equal(base, before)
    F.pad(base[2:], (2, 0), "replicate", out=base)
    np.testing.assert_array_equal(base[2:], before[2:])
    np.testing.assert_array_equal(base[:2], before[2])


@pytest.mark.parametrize(("shape", "strides"), [((4, 2), (4, 4)), ((4,), (0,)), ((2, 2), (-4, 4))])
def test_elements_of_out_are_apart(shape, strides):
    memory = np.lib.stride_tricks.as_strided(np.zeros(9, np.float32)[4:], shape, strides)
    x = np.ones(shape, np.float32)
    for function in (pc.exp, lambda x, out: pc.cat([x], out=out)):
        with pytest.raises(ValueError, match="out has elements that share memory"):
            function(x, out=memory)


def test_out_is_not_recorded():
    x, out = pc.ones(3, requires_grad=True), pc.zeros(3)
    for call in (lambda: pc.exp(x, out=out), lambda: pc.cat([x], out=out), lambda: pc.add(out, 1, out=x)):
        with pytest.raises(RuntimeError, match=r"\[\w+\] out cannot be recorded for a gradient"):
            call()
    with pc.no_grad():
        assert pc.exp(x, out=out) is out
    y = pc.tanh(pc.ones(3, requires_grad=True))  # its backward pass needs y
    with pc.no_grad():
        pc.exp(out, out=y)
    with pytest.raises(RuntimeError, match="changed in place"):
        y.sum().backward()


def test_one_result_only():
    with pytest.raises(ValueError, match=r"\[max_pool2d\] out is given, but this call has 2 results"):
        F.max_pool2d(X, 2, return_indices=True, out=np.zeros((2, 3, 4, 4), np.float32))


def test_memory_that_is_waited_for():
    norm = pc.nn.BatchNorm2d(3)
    with pc.no_grad():
        x = pc.from_numpy(X.copy())
        y = norm(x)
        pc.exp(x, out=x)  # y is computed from x as it was
    np.testing.assert_allclose(y.numpy().mean((0, 2, 3)), 0, atol=1e-6)


def test_signature_and_documentation():
    import inspect

    for function in (pc.exp, pc.add, F.conv2d, pc.cat):
        parameter = inspect.signature(function).parameters["out"]
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert parameter.default is None
    assert "``out``" in F.conv2d.__doc__
