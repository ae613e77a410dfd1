"""Reductions beyond the table: accuracy, order of memory, NaN, ties, determinism."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pyconv._backend import core
from pyconv.errors import ShapeError
from pyconv.ops import reduce as r
from pyconv.tensor import Tensor

EPS = float(np.finfo(np.float32).eps)
SHAPES = [(3,), (33,), (70, 5), (5, 70), (2, 3, 4, 5), (4, 17, 9, 33), (1, 1, 7, 1), (40, 3, 20, 20), (70000, 3)]


def rand(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def channels_last(x: np.ndarray) -> np.ndarray:
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1) if x.ndim > 1 else x


ORDERS = {"c": lambda x: x, "fortran": np.asfortranarray, "channels-last": channels_last,
          "backwards": lambda x: x[tuple(slice(None, None, -1) for _ in x.shape)],
          "gaps": lambda x: np.repeat(x, 2, axis=-1)[..., ::2]}


@pytest.mark.parametrize("order", sorted(ORDERS))
@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: "x".join(map(str, s)))
def test_every_set_of_axes(shape: tuple[int, ...], order: str, isa: str):
    x = ORDERS[order](rand(*shape))
    exact = x.astype(np.float64)
    for k in range(1, len(shape) + 1):
        for axes in itertools.combinations(range(len(shape)), k):
            n = int(np.prod([shape[i] for i in axes]))
            # A lane sums at most 64 terms in float32, each rounded; the rest is in double.
            limit = 64 * EPS * np.abs(exact).sum(axis=axes)
            assert (np.abs(core.reduce("sum", x, axes, False, True) - exact.sum(axis=axes)) <= limit).all()
            assert (np.abs(core.reduce("mean", x, axes, False, True) - exact.mean(axis=axes)) <= limit / n + EPS).all()
            if n > 1:
                want = exact.var(axis=axes, ddof=1)
                assert (np.abs(core.reduce("var", x, axes, False, True) - want) <= 64 * EPS * want + 1e-12).all()
            np.testing.assert_array_equal(core.reduce("amax", x, axes, True, True), x.max(axis=axes, keepdims=True))
            np.testing.assert_array_equal(core.reduce("amin", x, axes, False, True), x.min(axis=axes))
            if k == 1:
                np.testing.assert_array_equal(core.reduce("argmax", x, axes, False, True), x.argmax(axes[0]))
                np.testing.assert_array_equal(core.reduce("argmin", x, axes, False, True), x.argmin(axes[0]))
    assert core.reduce("argmax", x, None, False, True) == x.argmax()
    assert core.reduce("argmin", x, None, False, True) == x.argmin()


@pytest.mark.parametrize("shape", [(300000,), (2, 300000), (300000, 2), (150000, 5), (70000, 20), (1000, 700)],
                         ids=lambda s: "x".join(map(str, s)))
def test_bits_of_long_reductions_do_not_depend_on_threads(shape: tuple[int, ...], isa: str, keep_threads: None):
    x = rand(*shape)
    for name in ("sum", "mean", "var", "amax", "argmax"):
        for axes in ([0], [len(shape) - 1], None):
            results = set()
            for threads in (1, 2, 3, 4, 7):
                core.set_num_threads(threads)
                results.add(core.reduce(name, x, axes, False, True).tobytes())
            assert len(results) == 1


def test_the_error_of_a_sum_does_not_grow_with_its_length(isa: str):
    x = np.random.default_rng(0).uniform(0, 1, 4_000_000).astype(np.float32)
    for a, axis in ((x, 0), (x.reshape(-1, 4), 0), (x.reshape(4, -1), 1)):
        got, want = core.reduce("sum", a, (axis,), False, True), a.sum(axis=axis, dtype=np.float64)
        assert (np.abs(got - want) <= 4 * EPS * want).all()


@pytest.mark.parametrize("axis", [0, 1])
def test_variance_far_from_zero(axis: int, isa: str):
    x = 1000 + rand(*((40, 4000) if axis else (4000, 40)))
    want = x.astype(np.float64).var(axis=axis, ddof=1)
    got = core.reduce("var", x, (axis,), False, True)
    assert (np.abs(got - want) <= 8 * EPS * want).all()


def test_variance_of_equal_and_of_single_elements(isa: str):
    assert core.reduce("var", np.full(1001, 0.1, np.float32), None, False, True) <= (0.1 * EPS) ** 2
    assert np.isnan(core.reduce("var", np.ones(1, np.float32), None, False, True))
    assert core.reduce("var", np.ones(1, np.float32), None, False, True, 0.0) == 0
    assert core.reduce("var", np.float32([1, 2]), None, False, True, 3.0) == np.inf


@pytest.mark.parametrize("shape", [(40,), (3, 40), (40, 3), (40, 40), (200000,)], ids=lambda s: "x".join(map(str, s)))
def test_nan_wins(shape: tuple[int, ...], isa: str):
    rng = np.random.default_rng(1)
    for _ in range(5):
        x = rng.standard_normal(shape).astype(np.float32)
        x.ravel()[rng.integers(0, x.size, 3)] = np.nan
        for axis in range(len(shape)):
            for name, function in (("amax", np.max), ("amin", np.min), ("argmax", np.argmax), ("argmin", np.argmin)):
                np.testing.assert_array_equal(core.reduce(name, x, (axis,), False, True), function(x, axis=axis))


def test_infinite_elements(isa: str):
    x = np.float32([[np.inf, 1, 2], [-np.inf, -np.inf, -np.inf]])
    assert core.reduce("amax", x, (1,), False, True).tolist() == [np.inf, -np.inf]
    assert core.reduce("argmax", x, (1,), False, True).tolist() == [0, 0]
    assert core.reduce("amin", -x, (1,), False, True).tolist() == [-np.inf, np.inf]


def test_the_first_of_equals_is_found(isa: str):
    for n in (5, 17, 40, 300000):
        x = np.zeros(n, np.float32)
        x[n // 2:] = 1
        assert core.reduce("argmax", x, None, False, True) == n // 2
        assert core.reduce("argmin", x, None, False, True) == 0
        assert core.reduce("argmax", np.stack([x, x], 1), (0,), False, True).tolist() == [n // 2] * 2


def test_nothing_to_reduce():
    empty = np.zeros((0, 3), np.float32)
    np.testing.assert_array_equal(core.reduce("sum", empty, (0,), False, True), [0, 0, 0])
    assert np.isnan(core.reduce("mean", empty, (0,), False, True)).all()
    assert np.isnan(core.reduce("var", empty, (0,), False, True)).all()
    assert core.reduce("sum", empty, (1,), False, True).shape == (0,)
    assert core.reduce("amax", empty, (1,), False, True).shape == (0,)
    assert core.reduce("any", empty, None, False, True) == np.False_
    assert core.reduce("all", empty, None, False, True) == np.True_


def test_types():
    assert core.reduce("sum", np.ones(300, np.uint8), None, False, True) == 300
    assert core.reduce("sum", np.ones(300, bool), None, False, True).dtype == np.int64
    big = np.full(4, 2**62, np.int64)
    with np.errstate(over="ignore"):
        assert core.reduce("sum", big, None, False, True) == big.sum()
    assert core.reduce("amax", np.uint8([3, 200]), None, False, True).dtype == np.uint8


def test_repeated_memory_and_broadcast_inputs(isa: str):
    x = np.broadcast_to(rand(3, 1, 5), (3, 4, 5))
    for axes in ((0,), (1,), (2,), (0, 1, 2)):
        np.testing.assert_allclose(core.reduce("sum", x, axes, False, True), x.sum(axis=axes), rtol=1e-5, atol=1e-5)


def test_sum_to_shape(isa: str):
    x = rand(2, 3, 4, 5)
    for shape in ((2, 3, 4, 5), (3, 1, 1), (1, 3, 4, 1), (5,), (1,), (), (1, 1, 1, 1), (4, 5)):
        lead = x.ndim - len(shape)
        axes = tuple(range(lead)) + tuple(lead + i for i, v in enumerate(shape) if v != x.shape[lead + i])
        want = x.astype(np.float64).sum(axis=axes).reshape(shape)
        np.testing.assert_allclose(core.sum_to_shape(x, shape, True), want, rtol=1e-5, atol=1e-5)
    with pytest.raises(ShapeError, match=r"\[sum_to_shape\] 2x1 does not broadcast to x \(x: 2x3x4x5\)"):
        core.sum_to_shape(x, (2, 1), True)


def test_put_along_axis():
    gy, index = rand(2, 1, 3), np.array([[[0, 3, 1]], [[2, 2, 0]]])
    got = core.put_along_axis(gy, index, (2, 4, 3), 1, True)
    want = np.zeros((2, 4, 3), np.float32)
    np.put_along_axis(want, index, gy, 1)
    np.testing.assert_array_equal(got, want)
    with pytest.raises(IndexError, match=r"\[put_along_axis\] index 3 is outside 0 to 2"):
        core.put_along_axis(gy, index, (2, 3, 3), 1, True)
    with pytest.raises(IndexError, match=r"\[put_along_axis\] axis is 3, expected 0 to 2"):
        core.put_along_axis(gy, index, (2, 4, 3), 3, True)
    with pytest.raises(ShapeError, match=r"\[put_along_axis\] gy is 2x1x3 and index 2x1x3, expected 2x1x4"):
        core.put_along_axis(gy, index, (2, 4, 4), 1, True)


def test_unknown_name_and_axes_of_the_kernel():
    with pytest.raises(ValueError, match=r"\[reduce\] name is 'prod', expected one of sum, mean"):
        core.reduce("prod", rand(3), None, False, True)
    with pytest.raises(IndexError, match=r"\[sum\] dim is 1, expected -1 to 0 \(x: 3\)"):
        core.reduce("sum", rand(3), (1,), False, True)
    with pytest.raises(ValueError, match=r"\[sum\] dim 0 is given twice"):
        core.reduce("sum", rand(3), (0, -1), False, True)


@pytest.mark.parametrize("dim", [0, 1, (0, 1)])
@pytest.mark.parametrize("name", ["amax", "amin"])
def test_ties_share_the_gradient_as_in_torch(name: str, dim, torch):
    x = np.random.default_rng(0).integers(0, 3, (4, 9)).astype(np.float32)
    ours, theirs = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    getattr(r, name)(ours, dim).sum().backward()
    getattr(torch, name)(theirs, dim).sum().backward()
    np.testing.assert_array_equal(ours.grad.array, theirs.grad.numpy())


@pytest.mark.parametrize("name", ["max", "min"])
def test_full_extremes_share_and_those_along_an_axis_do_not(name: str, torch):
    x = np.float32([[1, 2, 2], [2, 1, 1]])
    ours, theirs = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    (getattr(ours, name)() + getattr(ours, name)(1).values.sum()).backward()
    (getattr(theirs, name)() + getattr(theirs, name)(1).values.sum()).backward()
    np.testing.assert_array_equal(ours.grad.array, theirs.grad.numpy())


def test_max_of_two_tensors_and_of_a_scalar():
    a, b = Tensor(rand(3)), Tensor(rand(3, seed=1))
    np.testing.assert_array_equal(a.max(b).array, np.maximum(a.array, b.array))
    values, indices = Tensor(np.ones((), np.float32)).max(0)
    assert (float(values.array), int(indices.array)) == (1.0, 0)


def test_numpy_in_numpy_out():
    x = channels_last(rand(2, 3, 4, 5))
    assert isinstance(r.sum(x, (0, 2, 3)), np.ndarray)
    assert r.sum(rand(2, 3, 4, 5), 1, keepdim=True).flags.c_contiguous
    assert np.moveaxis(Tensor(x).sum(1, keepdim=True).array, 1, -1).flags.c_contiguous
