"""Copies and conversions of every type and stride; views, indexing and the protocols of Tensor."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import pyconv as pc
from pyconv._backend import core

DTYPES = ["float32", "float64", "int64", "int32", "uint8", "bool"]
# Around the widths of the vectors (4, 8, 16) and of a strip.
SIZES = [1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 35]


def values(shape, dtype, seed=0):
    return np.random.default_rng(seed).integers(0, 2 if dtype == "bool" else 100, shape).astype(dtype)


# --- copies -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels_last", [False, True])
def test_copy_of_every_type(isa, dtype, channels_last):
    a = values((2, 19, 5, 17), dtype)
    for x in (a, a.transpose(0, 2, 3, 1), a.transpose(3, 1, 0, 2), a[:, ::-2, 1:, ::3], a[::-1], a[:1, :, :0]):
        got = core.copy(x, channels_last)
        assert got.dtype == x.dtype
        np.testing.assert_array_equal(got, x)
        assert (got.transpose(0, 2, 3, 1) if channels_last else got).flags.c_contiguous


@pytest.mark.parametrize("rows", SIZES)
def test_transposition_at_every_size(isa, rows):
    for columns in SIZES:
        a = np.arange(rows * columns, dtype=np.float32).reshape(rows, columns)
        np.testing.assert_array_equal(core.copy(a.T, False), a.T.copy())
        wide = np.arange(2 * (rows + 1) * (columns + 3), dtype=np.int32).reshape(2, rows + 1, columns + 3)
        part = wide[:, 1:, 3:].transpose(2, 0, 1)
        np.testing.assert_array_equal(core.copy(part, False), part.copy())


def test_large_transposition_uses_every_thread_alike(threads):
    a = np.arange(3 * 257 * 1031, dtype=np.float32).reshape(1, 257, 3, 1031)
    np.testing.assert_array_equal(core.copy(a, True), a)
    np.testing.assert_array_equal(core.copy(core.copy(a, True), False), a)


def test_copy_keeps_the_bits_of_every_float():
    bits = np.array([0x7F800001, 0x7FC12345, 0xFFFFFFFF, 0x00000001, 0x80000000], np.uint32)
    x = np.tile(bits, (16, 7)).view(np.float32)
    np.testing.assert_array_equal(core.copy(x.T, False).view(np.uint32), x.T.copy().view(np.uint32))


@pytest.mark.parametrize("source", DTYPES)
@pytest.mark.parametrize("target", DTYPES)
def test_cast(source, target):
    x = values((5, 7, 3), source)
    for a in (x, x.transpose(2, 0, 1), x[::-2]):
        np.testing.assert_array_equal(core.cast(a, np.dtype(target), False), a.astype(target))


def test_cast_of_floats_that_fit_no_whole_number():
    """Towards zero; saturating at 64 bits, NaN is 0, narrower types take the lowest bits."""
    x = np.array([1.9, -1.9, np.nan, np.inf, -np.inf, 1e30, 300.7, -1.0])
    for dtype in (np.float64, np.float32):
        got = core.cast(x.astype(dtype), np.dtype("int64"), False)
        assert got.tolist() == [1, -1, 0, 2**63 - 1, -(2**63), 2**63 - 1, 300, -1]
        assert core.cast(x.astype(dtype)[-2:], np.dtype("uint8"), False).tolist() == [44, 255]
        assert core.cast(x.astype(dtype)[:3], np.dtype("bool"), False).tolist() == [True, True, True]


@pytest.mark.parametrize("dtype", DTYPES)
def test_full(dtype):
    a = core.full((3, 4, 5, 2), np.dtype(dtype), 1, True)
    assert a.dtype == dtype
    assert (a == 1).all()
    assert core.full((), np.dtype(dtype), 1, False).shape == ()
    assert core.full((0, 3), np.dtype(dtype), 1, False).size == 0


def test_full_of_large_whole_numbers_is_exact():
    assert pc.full((2,), 2**62 + 1).tolist() == [2**62 + 1] * 2


# --- creation -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("args", [(5,), (2, 9), (2, 9, 3), (9, 2, -3), (0.0, 1.0, 0.1), (5, 5), (1, 2, 0.25)])
def test_arange(args):
    whole = all(isinstance(v, int) for v in args)
    got = pc.arange(*args)
    assert got.dtype == (pc.int64 if whole else pc.float32)
    np.testing.assert_allclose(got.numpy(), np.arange(*args), rtol=1e-7, atol=1e-7)
    assert got.shape == np.arange(*args).shape


@pytest.mark.parametrize(("data", "dtype"), [
    (1.5, "float32"), (2, "int64"), (True, "bool"), ([1, 2], "int64"), ([1, 2.5], "float32"), ([True, False], "bool"),
    ([], "float32"), (np.ones(2), "float64"), (np.float64(1), "float64"), (np.arange(2, dtype=np.uint8), "uint8"),
    ([np.ones(2), np.ones(2)], "float64"), (range(3), "int64"),
])
def test_tensor_dtypes(data, dtype):
    x = pc.tensor(data)
    assert x.dtype == dtype
    np.testing.assert_array_equal(x.numpy(), np.asarray(data, dtype=dtype))


def test_tensor_copies_and_from_numpy_shares():
    a = np.zeros(3, np.float32)
    copied, shared = pc.tensor(a), pc.from_numpy(a)
    a[0] = 1
    assert copied[0].item() == 0
    assert shared[0].item() == 1
    assert pc.tensor(copied, requires_grad=True).requires_grad
    assert pc.tensor([pc.tensor(1.0), pc.tensor(2.0)]).tolist() == [1, 2]
    assert pc.tensor([0.1], dtype=pc.float64).tolist() == [0.1]  # rounded once, to what is wanted


def test_meta_tensors():
    x = pc.zeros(10**6, 10**4, device="meta")
    assert str(x.device) == "meta"
    for y, shape in ((x.T, (10**4, 10**6)), (x[0], (10**4,)), (x.flatten(), (10**10,)), (x[:, None], (10**6, 1, 10**4)),
                     (pc.cat([x, x], 1), (10**6, 2 * 10**4)), (x.to(pc.float64), x.shape),
                     (x.chunk(2)[0], (5 * 10**5, 10**4)),
                     (x[[1, 2, 3]], (3, 10**4)), (pc.stack([x, x]), (2, *x.shape)), (x.contiguous(), x.shape)):
        assert y.is_meta
        assert y.shape == shape
    assert x.to(pc.float64).dtype == pc.float64
    assert pc.ones(2).to("meta").is_meta
    assert pc.full((2,), 1, device=pc.device("meta")).dtype == pc.int64
    assert "meta" in repr(x)
    with pytest.raises(RuntimeError, match="meta tensor of shape"):
        x.numpy()


def test_devices():
    assert pc.device("cpu") == pc.ones(1).device
    assert pc.device("cpu") != pc.device("meta")
    assert pc.ones(1).cpu().shape == (1,)
    with pytest.raises(ValueError, match=r"\[device\] type is 'cuda'"):
        pc.device("cuda")


def test_a_device_around_a_block():
    with pc.device("meta"):
        layer = pc.nn.BatchNorm2d(7)
        assert layer.weight.is_meta
        assert layer.num_batches_tracked.is_meta
        assert pc.rand(2, 3).is_meta
        assert pc.tensor([1.0]).is_meta
        assert not pc.ones(2, device="cpu").is_meta
        with pc.device("cpu"):
            assert not pc.zeros(1).is_meta
        assert pc.zeros(1).is_meta
    assert not pc.zeros(1).is_meta
    with pytest.raises(KeyError), pc.device("meta"):
        raise KeyError
    assert not pc.nn.Linear(2, 3).weight.is_meta


# --- views and indexing -------------------------------------------------------------------------------------

KEYS = [
    0, -1, slice(1, 3), (slice(None), 2), (..., 1), (None, 0), (0, None, slice(None, None, 2)), (1, 2, 3),
    [0, 2], ([0, 2], slice(None), [1, 3]), ([0, 2], [1, 3]), (slice(None), [1, 3], [0, 5]), np.array([[0, 1], [2, 3]]),
    (slice(None), np.array([True, False, True, True, False])), np.ones(4, bool), np.zeros((4, 5), bool), (..., [0, -1]),
    ([[0], [1]], [0, 1, 2]), (slice(4, 1),), (),
]


@pytest.mark.parametrize("key", KEYS, ids=lambda k: repr(k).replace("\n", ""))
def test_indexing_is_numpys(key, isa):
    a = np.random.default_rng(0).standard_normal((4, 5, 6)).astype(np.float32)
    x = pc.tensor(a)
    np.testing.assert_array_equal(x[key].numpy(), a[key])
    v = np.random.default_rng(1).standard_normal(a[key].shape).astype(np.float32)
    a[key] = v
    x[key] = v
    np.testing.assert_array_equal(x.numpy(), a)


def test_ints_are_applied_before_arrays_as_in_torch(torch):
    a = np.arange(120, dtype=np.float32).reshape(4, 5, 6)
    for key in ((0, slice(None), [1, 2]), ([0, 1], 2, slice(None, None, 2)), ([0, 1], slice(None), 3),
                (slice(None), [0, 1], None, [1, 2])):
        np.testing.assert_array_equal(pc.from_numpy(a)[key].numpy(), torch.from_numpy(a)[key].numpy())


def test_index_by_tensors():
    x = pc.arange(10)
    assert x[pc.tensor([3, 1])].tolist() == [3, 1]
    assert x[pc.tensor(3)].item() == 3
    assert x[x > 7].tolist() == [8, 9]
    assert x[pc.tensor([1], dtype=pc.uint8)].tolist() == [1]
    assert pc.masked_select(x, x < 2).tolist() == [0, 1]


def test_repeated_indices():
    """Assignment: the last wins. The gradient of reading: all are added, in order."""
    x = pc.zeros(3)
    x[[1, 1, 1]] = pc.tensor([1.0, 2.0, 3.0])
    assert x.tolist() == [0, 3, 0]
    w = pc.ones(3, requires_grad=True)
    w[[1, 1, 2]].backward(pc.tensor([1.0, 2.0, 4.0]))
    assert w.grad.tolist() == [0, 3, 4]


def test_gradient_of_many_repeated_indices_has_the_same_bits_on_all_threads(threads):
    rng = np.random.default_rng(0)
    index, gy = rng.integers(0, 50, 20_000), rng.standard_normal((20_000, 3)).astype(np.float32)
    expected = np.zeros((50, 3), np.float32)
    for i, g in zip(index, gy, strict=True):
        expected[i] += g
    w = pc.zeros(50, 3, requires_grad=True)
    w[index].backward(pc.from_numpy(gy))
    assert w.grad.numpy().tobytes() == expected.tobytes()


def test_assignment_within_one_tensor_reads_before_it_writes():
    for key, source in ((slice(1, None), slice(None, -1)), (slice(None, -1), slice(1, None))):
        a = np.arange(100_000, dtype=np.float32)
        x = pc.tensor(a)
        x[key] = x[source]
        np.testing.assert_array_equal(x.numpy()[key], a[source])
    x = pc.arange(5)
    x[[4, 3, 2, 1, 0]] = x
    assert x.tolist() == [4, 3, 2, 1, 0]


def test_assignment_converts_and_broadcasts():
    x = pc.zeros(2, 3, dtype=pc.int64)
    x[0] = pc.tensor([1.9, -1.9, 0.0])
    x[1, 1:] = 7
    assert x.tolist() == [[1, -1, 0], [0, 7, 7]]


def test_assignment_follows_torchs_rules():
    w = pc.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf that requires a gradient"):
        w[0] = 1
    with pc.no_grad():
        w[0] = 5
    x = w * w
    w.data[0] = 4
    with pytest.raises(RuntimeError, match="changed in place"):
        x.sum().backward()
    out = pc.zeros(3)
    out[1] = w[2] * 2
    assert not out.is_leaf
    out.sum().backward()
    assert w.grad.tolist() == [0, 0, 2]


def test_gradient_through_assignment(torch):
    def run(lib, tensor):
        a, b = tensor(np.arange(12.0).reshape(3, 4)), tensor(np.array([[10.0], [20.0]]))
        y = a * a
        y[[0, 2]] = b * b
        y[1, :2] = 3.0
        (y * y).sum().backward()
        return [np.asarray(t.grad) for t in (a, b)]

    ours = run(pc, lambda a: pc.tensor(a, requires_grad=True))
    theirs = run(torch, lambda a: torch.tensor(a, requires_grad=True))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_split_gives_zero_for_pieces_that_were_not_used():
    x = pc.ones(5, requires_grad=True)
    x.split(2)[1].sum().backward()
    assert x.grad.tolist() == [0, 0, 1, 1, 0]


def test_cat_promotes():
    y = pc.cat([pc.tensor([1]), pc.tensor([2.5]), pc.tensor([True])])
    assert y.dtype == pc.float32
    assert y.tolist() == [1, 2.5, 1]
    a, b = pc.ones(1, requires_grad=True), pc.ones(1, dtype=pc.float64, requires_grad=True)
    pc.cat([a, b]).sum().backward()
    assert (a.grad.dtype, b.grad.dtype) == (pc.float32, pc.float64)


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8"])
def test_pad_is_numpys(mode, dtype):
    x = values((2, 5, 6), dtype)
    names = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    expected = np.pad(x, [(0, 0), (0, 4), (3, 1)], names[mode])
    np.testing.assert_array_equal(pc.ops.join.pad(x, (3, 1, 0, 4), mode), expected)


# --- protocols ----------------------------------------------------------------------------------------------


def test_numpy_is_zero_copy_and_refuses_tensors_with_a_gradient():
    x = pc.ones(3)
    x.numpy()[0] = 5
    assert x[0].item() == 5
    w = pc.ones(2, requires_grad=True)
    for action in (w.numpy, lambda: np.asarray(w), lambda: np.add(w, 1)):
        with pytest.raises(RuntimeError, match=r"\[numpy\] the tensor requires a gradient"):
            action()
    assert w.detach().numpy().tolist() == [1, 1]


def test_array_protocol():
    x = pc.ones(3)
    assert np.asarray(x) is x.array
    assert np.array(x, dtype=np.float64).dtype == np.float64
    assert not np.shares_memory(np.array(x), x.array)
    assert np.exp(x).shape == (3,)


def test_arrays_on_the_left_give_tensors():
    a, x = np.full(3, 2.0, np.float32), pc.ones(3)
    for y in (a + x, a - x, a * x, a / x, a ** x, a > x, a == x):
        assert isinstance(y, pc.Tensor)
        assert y.shape == (3,)
    assert isinstance(np.float32(2) * x, pc.Tensor)
    assert (a - x).tolist() == [1, 1, 1]


def test_dlpack():
    x = pc.ones(2, 3)
    assert np.shares_memory(np.from_dlpack(x), x.array)
    assert np.shares_memory(pc.from_dlpack(x).array, x.array)
    assert x.__dlpack_device__() == (1, 0)
    with pytest.raises(RuntimeError, match=r"\[__dlpack__\] the tensor requires a gradient"):
        np.from_dlpack(pc.ones(1, requires_grad=True))


def test_torch_exchanges_memory(torch):
    t = torch.arange(4.0)
    x = pc.from_dlpack(t)
    t[0] = 9
    assert x[0].item() == 9
    assert torch.from_dlpack(pc.randn(2, 3, 4, 5)).shape == (2, 3, 4, 5)


def test_numbers():
    x = pc.tensor([2.5])
    assert (float(x), int(x), x.item()) == (2.5, 2, 2.5)
    assert [10, 20, 30][pc.tensor(1)] == 20
    assert f"{pc.tensor(2.5):.2f}" == "2.50"
    assert pc.tensor([[1, 2]]).tolist() == [[1, 2]]
    for action, error, match in (
            (lambda: pc.ones(2).item(), RuntimeError, r"\[item\] the tensor has shape \(2,\)"),
            (lambda: float(pc.ones(2)), RuntimeError, r"\[item\]"),
            (lambda: [1][x], TypeError, r"\[index\]"), (lambda: len(pc.tensor(1)), TypeError, r"\[len\]"),
            (lambda: bool(pc.ones(2)), RuntimeError, r"\[bool\]")):
        with pytest.raises(error, match=match):
            action()


def test_sizes():
    x = pc.zeros(2, 3, dtype=pc.float64)
    assert (x.size(), x.size(1), x.size(-2), x.numel(), x.dim(), x.ndim, len(x), x.element_size()) == \
        ((2, 3), 3, 2, 6, 2, 2, 2, 8)
    assert [row.tolist() for row in x] == [[0, 0, 0]] * 2
    with pytest.raises(IndexError, match=r"\[size\] dim is 2"):
        x.size(2)


def test_conversions():
    x = pc.tensor([1.7, 0.0])
    assert x.float() is x
    assert x.to("cpu") is x
    assert x.to(x) is x
    for y, dtype in ((x.double(), "float64"), (x.long(), "int64"), (x.int(), "int32"), (x.bool(), "bool"),
                     (x.byte(), "uint8"), (x.to(pc.int64), "int64"), (x.to("cpu", pc.float64), "float64"),
                     (x.to(pc.zeros(1).double()), "float64")):
        assert y.dtype == dtype
    assert x.to(pc.float32, copy=True) is not x
    with pytest.raises(RuntimeError, match=r"\[requires_grad_\] only float32"):
        x.long().requires_grad_()


def test_data():
    w = pc.ones(2, requires_grad=True)
    assert not w.data.requires_grad
    w.data = pc.zeros(3)
    assert w.shape == (3,)
    assert w.requires_grad
    with pytest.raises(TypeError, match=r"\[data\] value is list"):
        w.data = [1.0]


@pytest.mark.parametrize(("make", "text"), [
    (lambda: pc.tensor([1.0, 2.5]), "tensor([1. , 2.5])"), (lambda: pc.tensor([1, 2]), "tensor([1, 2])"),
    (lambda: pc.tensor(1.0), "tensor(1.)"), (lambda: pc.zeros(0), "tensor([])"),
    (lambda: pc.zeros(2, 0), "tensor([], size=(2, 0))"),
    (lambda: pc.ones(1, dtype=pc.float64), "tensor([1.], dtype=float64)"),
    (lambda: pc.ones(1, requires_grad=True), "tensor([1.], requires_grad=True)"),
    (lambda: pc.ones(1, requires_grad=True).reshape(1, 1), "tensor([[1.]], grad_fn=<view>)"),
    (lambda: pc.zeros(2, device="meta"), "tensor(..., device='meta', size=(2,), dtype=float32)"),
])
def test_repr(make, text):
    assert repr(make()) == text


def test_deepcopy_and_pickle():
    x = pc.randn(2, 3, requires_grad=True)
    x.sum().backward()
    y, z = copy.deepcopy(x), pickle.loads(pickle.dumps(x))
    for t in (y, z):
        np.testing.assert_array_equal(t.detach().numpy(), x.detach().numpy())
        assert t.requires_grad
        assert not np.shares_memory(t.array, x.array)
    assert y.grad.tolist() == x.grad.tolist()
    for action in (copy.deepcopy, pickle.dumps):
        with pytest.raises(RuntimeError, match="only leaves can be"):
            action(x * 1)


def test_grad_modes():
    x = pc.ones(1, requires_grad=True)

    @pc.no_grad()
    def quiet():
        return (x * 1).requires_grad

    @pc.enable_grad
    def loud():
        return (x * 1).requires_grad

    @pc.no_grad()
    def generator():
        yield pc.is_grad_enabled()

    assert not quiet()
    with pc.no_grad():
        assert loud()
        with pc.enable_grad():
            assert pc.is_grad_enabled()
        with pc.set_grad_enabled(True):
            assert pc.is_grad_enabled()
        assert not pc.is_grad_enabled()
    assert pc.is_grad_enabled()
    for inside in generator():
        assert (inside, pc.is_grad_enabled()) == (False, True)
    pc.set_grad_enabled(False)
    assert not pc.is_grad_enabled()
    pc.set_grad_enabled(True)
    with pytest.raises(ZeroDivisionError), pc.no_grad():
        1 / 0  # noqa: B018
    assert pc.is_grad_enabled()


def test_a_tensor_without_axes_has_an_axis_0():
    x = pc.tensor(2.0)
    assert x.squeeze(0).shape == x.transpose(0, -1).shape == ()
    assert pc.index_select(x, 0, pc.tensor([0])).item() == 2
    assert pc.masked_select(x, x > 0).tolist() == [2]


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("axis", [0, 1, 2, 3])
@pytest.mark.parametrize("sizes", [(1, 2), (3, 16, 17), (16, 32), (0, 5)])
@pytest.mark.usefixtures("isa")
def test_concatenation_in_one_order(channels_last, axis, sizes):
    parts = []
    for i, n in enumerate(sizes):
        shape = [5, 6, 7, 9]
        shape[axis] = n
        parts.append(core.copy(np.random.default_rng(i).standard_normal(shape).astype(np.float32), channels_last))
    got = core.concat(parts, axis, channels_last)
    np.testing.assert_array_equal(got, np.concatenate(parts, axis))
    parts[0] = core.copy(parts[0], not channels_last)
    np.testing.assert_array_equal(core.concat(parts, axis, channels_last), got)


@pytest.mark.parametrize("channels", [(32, 32), (48, 16), (40, 24)])
@pytest.mark.usefixtures("isa")
def test_large_concatenation(channels):
    """From 8 MiB on past the caches, where all parts are whole cache lines."""
    parts = [core.copy(np.random.default_rng(c).standard_normal((2, c, 129, 129)).astype(np.float32), True) for c in channels]
    got = core.concat(parts, 1, True)
    assert got.nbytes >= 8 << 20
    np.testing.assert_array_equal(got, np.concatenate(parts, 1))
