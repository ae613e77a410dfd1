"""Elementwise operations beyond the table: memory, types, edges, in place."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import pyconv
from pyconv._backend import core
from pyconv.errors import ShapeError
from pyconv.ops import elementwise as e
from pyconv.tensor import Tensor, mode

LENGTHS = [n for w in (4, 8, 16) for n in (1, w - 1, w, w + 1, 2 * w + 3)]
EXACT = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "eq": np.equal, "lt": np.less,
         "ge": np.greater_equal, "minimum": np.minimum, "maximum": np.maximum}


def rand(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def leaf(*shape: int, seed: int = 0) -> Tensor:
    return Tensor(rand(*shape, seed=seed), requires_grad=True)


# --- memory ---


@pytest.mark.parametrize("name", sorted(EXACT))
def test_lengths_around_the_vector_width(name: str, isa: str):
    for n in sorted(set(LENGTHS)):
        a, b = rand(n), rand(n, seed=1)
        got = core.binary(name, a, b, False)
        np.testing.assert_array_equal(got, EXACT[name](a, b))


@pytest.mark.parametrize("name", sorted(EXACT))
def test_any_strides(name: str, isa: str):
    a, b = rand(6, 40), rand(6, 40, seed=1)
    for left in (a[:, ::-1], a[::-1], a[:, ::2], a[:, 3:], a.T, np.broadcast_to(a[:1], a.shape), a[:1, :1]):
        shape = left.shape if left.size > 1 else b.shape
        right = np.resize(b, shape)
        want = EXACT[name](left, right)
        np.testing.assert_array_equal(core.binary(name, left, right, False), want)
        np.testing.assert_array_equal(core.binary(name, right, left, False), EXACT[name](right, left))
        out = np.full((*shape[:-1], 2 * shape[-1]), 7, want.dtype)[..., ::-2]
        core.binary(name, left, right, False, out)
        np.testing.assert_array_equal(out, want)
        assert (out.base[..., ::2] == np.array(7, want.dtype)).all(), "wrote between the elements"


def test_axes_up_to_eight(isa: str):
    a = rand(2, 1, 3, 2, 1, 2, 3, 2)
    b = rand(1, 2, 3, 1, 2, 2, 1, 2, seed=1)
    np.testing.assert_array_equal(core.binary("add", a, b, False), a + b)
    np.testing.assert_array_equal(core.binary("add", a.T, b.T, False), a.T + b.T)


def test_misaligned_operands_are_copied_and_a_misaligned_out_is_refused():
    memory = np.zeros(41, np.uint8)
    x = memory[1:].view(np.float32)
    x[...] = np.arange(10)
    np.testing.assert_array_equal(core.unary("neg", x, False), -x)
    with pytest.raises(ValueError, match=r"\[neg\] out is not aligned to its element size"):
        core.unary("neg", rand(10), False, x)


@pytest.mark.parametrize("shift", [-17, -1, 0, 1, 17])
def test_an_output_that_overlaps_its_inputs_is_right(shift: int, isa: str):
    memory = rand(200)
    a, out = memory[50:150].copy(), memory[50 + shift:150 + shift]
    want = a * 2
    core.binary("add", memory[50:150], memory[50:150], False, out)
    np.testing.assert_array_equal(out, want)


def test_an_output_that_overlaps_in_another_order_is_right(isa: str):
    m = rand(23, 23)
    want = m + m.T
    core.binary("add", m, m.T, False, m)
    np.testing.assert_array_equal(m, want)
    m = rand(40000)
    want = -m[::-1]
    core.unary("neg", m[::-1], False, m)
    np.testing.assert_array_equal(m, want)
    row = rand(1, 30)
    m = np.concatenate([row, rand(3, 30, seed=2)])
    want = m + m[:1]
    core.binary("add", m, m[:1], False, m)
    np.testing.assert_array_equal(m, want)


def test_assignment_within_one_memory(isa: str):
    m = np.arange(30, dtype=np.float32)
    core.assign(m[5:], m[:-5])
    np.testing.assert_array_equal(m, np.concatenate([np.arange(5), np.arange(25)]))


def test_what_out_must_be():
    a = rand(3)
    frozen = np.zeros(3, np.float32)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match=r"\[add\] out is read-only"):
        core.binary("add", a, a, False, frozen)
    with pytest.raises(ShapeError, match=r"\[add\] out has shape 4, expected 3"):
        core.binary("add", a, a, False, np.zeros(4, np.float32))
    with pytest.raises(TypeError, match=r"\[add\] out has dtype float64, expected float32"):
        core.binary("add", a, a, False, np.zeros(3))
    with pytest.raises(TypeError, match=r"\[add\] out is list, expected a numpy array"):
        core.binary("add", a, a, False, [0.0] * 3)
    with pytest.raises(ValueError, match=r"\[add\] out has elements that share memory \(shape 3, strides 0\)"):
        core.binary("add", a, a, False, np.lib.stride_tricks.as_strided(np.zeros(1, np.float32), (3,), (0,)))
    with pytest.raises(ValueError, match=r"\[accumulate\] dst has elements that share memory"):
        core.accumulate(np.lib.stride_tricks.as_strided(np.zeros(1, np.float32), (3,), (0,)), a)
    with pytest.raises(ValueError, match=r"\[assign\] dst has elements that share memory"):
        core.assign(np.lib.stride_tricks.as_strided(np.zeros(4, np.float32), (3, 2), (4, 4)), 1.0)


def test_accumulate():
    a, b = rand(5, 7), rand(5, 7, seed=1)
    want = a + b
    core.accumulate(a, b)
    np.testing.assert_array_equal(a, want)
    with pytest.raises(ShapeError, match=r"\[accumulate\] dst has shape 5x7, expected 7"):
        core.accumulate(a, b[0])


@pytest.mark.parametrize(("function", "word"), [("unary", "exp"), ("binary", "add"), ("ternary", "where")])
def test_unknown_names(function: str, word: str):
    operands = {"unary": 1, "binary": 2, "ternary": 3}[function]
    with pytest.raises(ValueError, match=rf"\[{function}\] name is 'fuse', expected one of .*{word}"):
        getattr(core, function)("fuse", *[rand(2)] * operands, False)


def test_rank_4_results_are_channels_last_on_tensors_and_c_order_on_arrays():
    a = rand(2, 3, 4, 5)
    assert np.moveaxis((Tensor(a) + 1).array, 1, -1).flags.c_contiguous
    assert e.add(a, 1).flags.c_contiguous


# --- types ---


DTYPES = ("bool", "uint8", "int32", "int64", "float32", "float64")


def _operand(torch, dtype: str, shape: tuple[int, ...]):
    return np.ones(shape, dtype), torch.ones(shape, dtype=getattr(torch, dtype))


@pytest.mark.parametrize("b_shape", [(3,), ()], ids=["array", "0-d"])
@pytest.mark.parametrize("name", ["add", "mul", "div", "pow", "lt", "maximum"])
def test_promotion_is_torchs(name: str, b_shape: tuple[int, ...], torch):
    for da in DTYPES:
        for db in DTYPES:
            (a, ta), (b, tb) = _operand(torch, da, (3,)), _operand(torch, db, b_shape)
            try:
                want = getattr(torch, name)(ta, tb)
            except RuntimeError:
                with pytest.raises(TypeError):
                    getattr(e, name)(Tensor(a), Tensor(b))
                continue
            got = getattr(e, name)(Tensor(a), Tensor(b))
            assert str(got.dtype) == str(want.dtype).removeprefix("torch."), (da, db)
            np.testing.assert_array_equal(got.array, want.numpy())


@pytest.mark.parametrize("number", [True, 2, 2.0], ids=["bool", "int", "float"])
@pytest.mark.parametrize("name", ["add", "mul", "div", "lt", "maximum"])
def test_numbers_promote_as_torchs(name: str, number: float, torch):
    for dtype in DTYPES:
        a, ta = _operand(torch, dtype, (3,))
        function = torch.maximum if name == "maximum" else getattr(torch, name)
        want = function(ta, torch.tensor(number) if name == "maximum" else number)
        got = getattr(e, name)(Tensor(a), number)
        assert str(got.dtype) == str(want.dtype).removeprefix("torch."), dtype
        np.testing.assert_array_equal(got.array, want.numpy())


def test_whole_number_arithmetic_never_traps():
    low = np.iinfo(np.int64).min
    a = np.array([low, low, -1, 5, 0], np.int64)
    b = np.array([-1, 1, low, 0, 0], np.int64)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(core.binary("add", a, b, False), a + b)
        np.testing.assert_array_equal(core.binary("mul", a, b, False), a * b)
        np.testing.assert_array_equal(core.unary("neg", a, False), -a)
        np.testing.assert_array_equal(core.unary("abs", a, False), np.abs(a))
        got = core.binary("div", a, b, False)
        np.testing.assert_array_equal(got, a.astype(np.float32) / b.astype(np.float32))
    base, power = np.array([2, -1, -1, 1, 0, 3, 7], np.int64), np.array([-1, -3, -2, -5, 0, 4, 70], np.int64)
    wrapped = np.array([pow(7, 70, 2**64)], np.uint64).astype(np.int64)[0]
    assert core.binary("pow", base, power, False).tolist() == [0, -1, 1, 1, 1, 81, wrapped]


def test_comparing_with_a_number_that_does_not_fit():
    a = Tensor(np.array([0, 255], np.uint8))
    assert (a < 300).array.tolist() == [True, True]
    assert (a == -1).array.tolist() == [False, False]


def test_clamp_of_whole_numbers_with_distant_bounds():
    a = np.array([-5, 0, 200], np.int64)
    for dtype in (np.int64, np.int32):
        np.testing.assert_array_equal(e.clamp(a.astype(dtype), -10**30, 100), np.clip(a, None, 100))
    np.testing.assert_array_equal(e.clamp(np.array([1, 200], np.uint8), -1, 300), [1, 200])
    assert e.clamp(a, 0.5).dtype == np.float32


def test_nan_passes_through(isa: str):
    a = np.array([np.nan, 1, np.nan, 2], np.float32)
    b = np.array([1, np.nan, np.nan, 3], np.float32)
    for name in ("maximum", "minimum", "add"):
        assert np.isnan(core.binary(name, a, b, False)).tolist() == [True, True, True, False]
    assert np.isnan(e.relu(a)).tolist() == [True, False, True, False]
    assert np.isnan(e.clamp(a, 0, 1)).tolist() == [True, False, True, False]
    assert (core.binary("eq", a, a, False)).tolist() == [False, True, False, True]
    assert (core.binary("ne", a, a, False)).tolist() == [True, False, True, False]


@pytest.mark.parametrize("name", ["sign", "floor", "ceil", "round", "abs", "neg", "relu", "reciprocal", "sqrt"])
def test_edges_match_torch(name: str, isa: str, torch):
    x = np.array([0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 1e10, -1e10, np.inf, -np.inf, 1e37, 8388607.5], np.float32)
    np.testing.assert_array_equal(core.unary(name, x, False), getattr(torch, name)(torch.from_numpy(x)).numpy())


def test_all_finite():
    for dtype in (np.float32, np.float64):
        x = np.ones((3, 50000), dtype)
        assert core.all_finite(x)
        for bad in (np.nan, np.inf, -np.inf):
            for at in ((0, 0), (2, 49999), (1, 777)):
                y = x.copy()
                y[at] = bad
                assert not core.all_finite(y)
                assert not core.all_finite(y[::-1, ::-1])
        assert core.all_finite(x[:0])
    assert core.all_finite(np.ones(3, np.int64))


# --- Tensor ---


def test_arrays_and_numbers_on_the_left():
    t, a = Tensor(rand(3)), rand(3, seed=1)
    for got, want in ((a * t, a * t.array), (2 - t, 2 - t.array), (np.float64(2) / t, 2 / t.array), (2 ** t, None)):
        assert isinstance(got, Tensor)
        assert got.dtype == np.float32
        if want is not None:
            np.testing.assert_array_equal(got.array, want.astype(np.float32))


def test_equality_with_something_else_is_false():
    assert (Tensor(rand(2)) == "a") is False
    assert (Tensor(rand(2)) != None) is True  # noqa: E711
    assert len({Tensor(rand(2)), Tensor(rand(2))}) == 2


def test_truth():
    assert not Tensor(np.zeros(1, np.float32))
    assert Tensor(np.float32([[2]]))


def test_gradients_keep_each_operands_type():
    a, b = leaf(3), Tensor(np.ones((2, 3)), requires_grad=True)
    (a * b).sum().backward()
    assert (a.grad.dtype, b.grad.dtype) == (np.float32, np.float64)
    np.testing.assert_array_equal(a.grad.array, [2, 2, 2])


def test_a_tie_halves_the_gradient():
    a, b = leaf(4), None
    b = Tensor(a.array.copy(), requires_grad=True)
    e.maximum(a, b).sum().backward()
    np.testing.assert_array_equal(a.grad.array, np.full(4, 0.5))
    np.testing.assert_array_equal(b.grad.array, np.full(4, 0.5))


def test_rounding_has_no_gradient():
    x = leaf(3)
    (x.floor() + x.ceil() + x.round() + x.sign()).sum().backward()
    np.testing.assert_array_equal(x.grad.array, np.zeros(3))


# --- in place ---

IN_PLACE = {
    "add_": (lambda x, y: x.add_(y), lambda x, y: x + y), "sub_": (lambda x, y: x.sub_(y), lambda x, y: x - y),
    "mul_": (lambda x, y: x.mul_(y), lambda x, y: x * y), "div_": (lambda x, y: x.div_(y), lambda x, y: x / y),
    "pow_": (lambda x, y: x.pow_(3.0), lambda x, y: x.pow(3.0)),
    "mul_number": (lambda x, y: x.mul_(3.0), lambda x, y: x * 3.0),
    "relu_": (lambda x, y: x.relu_(), lambda x, y: x.relu()),
    "clamp_": (lambda x, y: x.clamp_(-0.5, 0.5), lambda x, y: x.clamp(-0.5, 0.5)),
    "copy_": (lambda x, y: x.copy_(y), lambda x, y: x * 0 + y),
    "fill_": (lambda x, y: x.fill_(2.0), lambda x, y: x * 0 + 2.0),
    "zero_": (lambda x, y: x.zero_(), lambda x, y: x * 0),
}


@pytest.mark.parametrize("case", sorted(IN_PLACE))
def test_in_place_has_the_gradients_of_the_plain_operation(case: str):
    grads = []
    for function in IN_PLACE[case]:
        x, y = leaf(3, 5), leaf(5, seed=1)
        h = x * 2.0
        result = function(h, y)
        if function is IN_PLACE[case][0]:
            assert result is h
        (result * Tensor(rand(3, 5, seed=3))).sum().backward()
        grads.append((result.array.copy(), x.grad.array, np.zeros(5) if y.grad is None else y.grad.array))
    for got, want in zip(*grads, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "pow"])
def test_in_place_with_itself_has_the_gradients_of_the_plain_operation(name: str):
    grads = []
    for suffix in ("_", ""):
        x = Tensor(np.abs(rand(3, 5)) + 0.5, requires_grad=True)
        h = x * 2.0
        getattr(h, name + suffix)(h).sum().backward()
        grads.append(x.grad.array)
    np.testing.assert_array_equal(*grads)


def test_in_place_counts_versions_and_makes_stale_uses_an_error():
    x = leaf(3)
    h = x * 1.0
    y = h.square()
    with pytest.raises(RuntimeError, match=r"\[add_\] the tensor shares its memory with a view, or was saved"):
        h.add_(1.0)
    with pyconv.no_grad():
        h.add_(1.0)
    assert h._version[0] == 1
    with pytest.raises(RuntimeError, match="changed in place after it was used"):
        y.sum().backward()


def test_in_place_on_leaves_and_views():
    x = leaf(3)
    for call in (lambda: x.add_(1), lambda: x.zero_(), lambda: x.relu_(), lambda: x.copy_(rand(3)),
                 lambda: x.clamp_(0)):
        with pytest.raises(RuntimeError, match="a leaf that requires a gradient cannot be changed in place"):
            call()
    h = x * 1.0
    v = h.reshape(3, 1)
    for t in (h, v):
        with pytest.raises(RuntimeError, match="shares its memory with a view"):
            t.mul_(2.0)
    with pyconv.no_grad():
        x.add_(1)
    assert x._version[0] == 1
    assert x._node is None
    assert mode.grad


def test_in_place_without_gradients():
    x = Tensor(rand(3, 4))
    kept = x.array
    want = kept * 2 + 1
    x.mul_(2).add_(1)
    assert x.array is kept
    np.testing.assert_array_equal(x.array, want)
    view = x.reshape(4, 3)
    view.zero_()
    assert not x.array.any()
    assert x._version is view._version
    assert x._version[0] == 3


def test_in_place_with_itself():
    x = Tensor(rand(4, 4))
    want = x.array + x.array.T
    x.add_(Tensor(x.array.T))
    np.testing.assert_array_equal(x.array, want)


def test_an_unrecorded_tensor_joins_the_tape():
    h, y = Tensor(rand(3)), leaf(3, seed=1)
    h.mul_(y)
    h.sum().backward()
    np.testing.assert_array_equal(y.grad.array, rand(3))


def test_empty_and_scalar(isa: str):
    for shape in ((), (0,), (0, 3), (3, 0, 2)):
        a = rand(*shape) if shape else np.float32(0.5) * np.ones(())
        a = a.astype(np.float32)
        assert core.unary("exp", a, False).shape == shape
        assert core.binary("add", a, 1.0, True).shape == shape
        assert core.ternary("where", a > 0, a, 0.0, True).shape == shape


def test_no_numpy_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        e.div(Tensor(np.ones(3, np.float32)), 0)
        e.log(Tensor(-np.ones(3, np.float32)))


@pytest.mark.parametrize("count", [(8 << 18) + 5, (9 << 18) + 16])
def test_large_results_have_the_bits_of_small_ones(count, isa):
    """They are written past the caches; results in place, strided or of broadcasts are not."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, count), np.float32)
    wide = rng.standard_normal(2 * count, np.float32)
    np.testing.assert_array_equal(pyconv.relu(a), np.maximum(a, 0))
    np.testing.assert_array_equal(pyconv.add(a, b), a + b)
    np.testing.assert_array_equal(pyconv.mul(a, b), a * b)
    np.testing.assert_array_equal(pyconv.add(a, wide[::2]), a + wide[::2])
    np.testing.assert_array_equal(pyconv.mul(a, b[:1]), a * b[:1])
    x = Tensor(a.copy(), requires_grad=True)
    pyconv.relu(x).backward(Tensor(b))
    np.testing.assert_array_equal(x.grad.numpy(), np.where(a > 0, b, 0))
    y = Tensor(a.copy())
    y += Tensor(b)
    np.testing.assert_array_equal(y.numpy(), a + b)
