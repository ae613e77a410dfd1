"""DLPack, out and in: the same memory, for as long as anybody uses it."""

from __future__ import annotations

import gc
import importlib
import warnings

import numpy as np
import pytest

import pyconv as pc
from pyconv import runtime

DTYPES = ("float32", "float64", "int64", "int32", "uint8", "bool")
SHAPES = ((), (0,), (3,), (2, 0, 3), (2, 3), (2, 3, 4, 5), (1, 1, 3, 3), (2, 3, 2, 2, 2))


def numpy_side():
    return np.from_dlpack, lambda a: a, lambda a: a.ctypes.data, np.asarray


def torch_side():
    torch = library("torch")
    return torch.from_dlpack, lambda a: torch.tensor(a), lambda t: t.data_ptr(), lambda t: t.numpy()


def jax_side():
    jax = library("jax")
    return jax.dlpack.from_dlpack, jax.numpy.asarray, lambda a: a.unsafe_buffer_pointer(), np.asarray


def library(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own imports
        return pytest.importorskip(name, reason=f"{name} is not installed: nobody to exchange memory with")


SIDES = {"numpy": numpy_side, "torch": torch_side, "jax": jax_side}


@pytest.fixture(params=SIDES)
def side(request):
    """from_dlpack, an array made by the library, its address, and it as a numpy array."""
    return SIDES[request.param]()


def values(shape, dtype):
    return (np.arange(np.prod(shape, dtype=int)) % 5).reshape(shape).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_out(side, shape, dtype):
    take, _, address, as_array = side
    if take.__module__.startswith("jax") and (0 in shape or dtype in ("float64", "int64")):
        pytest.skip("JAX has neither 64-bit types by default nor addresses of nothing")
    x = pc.tensor(values(shape, dtype))
    got = take(x)
    assert tuple(got.shape) == shape
    assert as_array(got).dtype == dtype
    np.testing.assert_array_equal(as_array(got), values(shape, dtype))
    if x.numel():
        assert address(got) == x.numpy().ctypes.data


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_in(side, shape, dtype):
    take, make, address, _ = side
    if take.__module__.startswith("jax") and (0 in shape or dtype in ("float64", "int64")):
        pytest.skip("JAX has neither 64-bit types by default nor addresses of nothing")
    theirs = make(values(shape, dtype))
    x = pc.from_dlpack(theirs)
    assert isinstance(x, pc.Tensor)
    assert (x.shape, x.dtype, x.requires_grad) == (shape, np.dtype(dtype), False)
    np.testing.assert_array_equal(x.numpy(), values(shape, dtype))
    if x.numel():
        assert x.numpy().ctypes.data == address(theirs)
        copied = pc.from_dlpack(theirs, copy=True)
        assert copied.numpy().ctypes.data != address(theirs)
        np.testing.assert_array_equal(copied.numpy(), x.numpy())


def test_memory_order_travels(torch):
    x = pc.randn(2, 3, 4, 5)
    assert torch.from_dlpack(x).is_contiguous(memory_format=torch.channels_last)
    t = torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    assert pc.from_dlpack(t).numpy().strides == tuple(4 * s for s in t.stride())
    part = torch.arange(12.0).view(3, 4)[:, ::2].t()
    got = pc.from_dlpack(part)
    np.testing.assert_array_equal(got.numpy(), part.numpy())
    assert got.numpy().ctypes.data == part.data_ptr()
    assert torch.equal(torch.from_dlpack(pc.from_numpy(np.arange(12.0).reshape(3, 4)).transpose(0, 1)[::2]),
                       torch.arange(12.0).double().view(3, 4).t()[::2])


def test_writes_are_seen_on_both_sides(torch):
    t = torch.zeros(3)
    x = pc.from_dlpack(t)
    x += 1
    assert t.tolist() == [1, 1, 1]
    back = torch.from_dlpack(x)
    back[0] = 5
    assert x.tolist() == [5, 1, 1]
    assert t.tolist() == [5, 1, 1]
    x.requires_grad_()
    (x * x).sum().backward()
    assert x.grad.tolist() == [10, 2, 2]


def test_memory_lives_as_long_as_somebody_uses_it(side):
    take, make, _, as_array = side
    x = pc.ones(1000)
    got = take(x)
    del x
    gc.collect()
    others = [pc.zeros(1000) for _ in range(20)]
    np.testing.assert_array_equal(as_array(got), np.ones(1000))
    theirs = make(np.full(1000, 2, np.float32))
    mine = pc.from_dlpack(theirs)
    part = mine[10:20]
    del theirs, mine
    gc.collect()
    others += [make(np.zeros(1000, np.float32)) for _ in range(20)]
    np.testing.assert_array_equal(part.numpy(), np.full(10, 2))


def test_memory_goes_back_when_nobody_does(torch):
    gc.collect()
    before = runtime.memory()["current_bytes"]
    x = pc.ones(1 << 20)
    held = torch.from_dlpack(x), np.from_dlpack(x), x.__dlpack__(), x.__dlpack__(max_version=(1, 0))
    del x
    assert runtime.memory()["current_bytes"] > before
    del held  # two capsules among them that nobody took
    gc.collect()
    assert runtime.memory()["current_bytes"] == before


versioned = pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.1.0", reason="numpy 2.1 made DLPack versioned")


@versioned
def test_versions_and_copies():
    x = pc.ones(3)
    assert 'capsule object "dltensor"' in repr(x.__dlpack__())
    assert 'capsule object "dltensor"' in repr(x.__dlpack__(max_version=(0, 8)))
    for version in ((1, 0), (1, 1), (2, 0)):
        assert 'capsule object "dltensor_versioned"' in repr(x.__dlpack__(max_version=version))
    assert np.from_dlpack(x, copy=False).ctypes.data == x.numpy().ctypes.data
    copied = np.from_dlpack(x, copy=True)
    assert copied.ctypes.data != x.numpy().ctypes.data
    assert x.__dlpack_device__() == (1, 0)
    assert 'dltensor"' in repr(x.__dlpack__(stream=None, dl_device=(1, 0), copy=False))


@versioned
def test_read_only_memory_stays_read_only(torch):
    a = np.zeros(3, np.float32)
    a.flags.writeable = False
    x = pc.from_dlpack(a)
    assert not x.numpy().flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        x += 1
    assert a.tolist() == [0, 0, 0]
    assert not np.from_dlpack(x).flags.writeable
    with pytest.raises(BufferError, match="readonly"):
        x.__dlpack__()  # the old form cannot say so
    assert pc.from_dlpack(a, copy=True).add_(1).tolist() == [1, 1, 1]
    assert pc.from_dlpack(torch.zeros(3)).numpy().flags.writeable


class Giver:
    """Whatever one likes for a capsule and a device."""

    def __init__(self, capsule, device=(1, 0)):
        self.capsule, self.device = capsule, device

    def __dlpack__(self, **_):
        return self.capsule() if callable(self.capsule) else self.capsule

    def __dlpack_device__(self):
        return self.device


def foreign_capsule():
    datetime = importlib.import_module("datetime")
    return datetime.datetime_CAPI


def used_capsule():
    capsule = np.ones(3).__dlpack__()
    np.from_dlpack(Giver(capsule))
    return capsule


def refuse():
    raise BufferError("not today")


@pytest.mark.parametrize(("source", "kwargs", "error", "text"), [
    ([1.0], {}, TypeError, r"\[from_dlpack\] source is list, which has no __dlpack__"),
    (None, {}, TypeError, "source is NoneType"),
    (np.ones(3).__dlpack__(), {}, TypeError, "source is PyCapsule"),
    (Giver(5), {}, ValueError, r"\[from_dlpack\] source gives no usable capsule"),
    (Giver(None), {}, ValueError, "no usable capsule"),
    (Giver(foreign_capsule), {}, ValueError, "no usable capsule"),
    (Giver(used_capsule), {}, ValueError, "no usable capsule"),
    (Giver(refuse), {}, BufferError, r"\[from_dlpack\] source cannot be shared: not today"),
    (Giver(None, (2, 0)), {}, BufferError, r"source is on device \(2, 0\), expected the CPU, \(1, 0\)"),
    (Giver(None, None), {}, BufferError, "source is on device None"),
    (np.ones(3, np.float16), {}, TypeError, r"\[from_dlpack\] dtype is dtype\('float16'\)"),
    (np.ones(3, np.complex64), {}, TypeError, r"\[from_dlpack\] dtype is dtype\('complex64'\)"),
    (np.ones(3), {"device": "meta"}, BufferError, r"\[from_dlpack\] device is 'meta', expected None or 'cpu'"),
    (np.ones(3), {"copy": 1.5}, TypeError, r"\[from_dlpack\] copy is 1.5, expected None, True or False"),
])
def test_what_cannot_be_taken(source, kwargs, error, text):
    with pytest.raises(error, match=text):
        pc.from_dlpack(source, **kwargs)


@pytest.mark.parametrize(("make", "kwargs", "error", "text"), [
    (lambda: pc.ones(1, requires_grad=True), {}, RuntimeError, r"\[__dlpack__\] the tensor requires a gradient"),
    (lambda: pc.ones(1).to("meta"), {}, RuntimeError, "a meta tensor of shape .* has no data"),
    (lambda: pc.ones(1), {"stream": 1}, ValueError, r"\[__dlpack__\] stream is 1, expected None on the CPU"),
    (lambda: pc.ones(1), {"dl_device": (2, 0)}, BufferError, r"\[__dlpack__\] dl_device is \(2, 0\), expected the CPU"),
])
def test_what_cannot_be_given(make, kwargs, error, text):
    with pytest.raises(error, match=text):
        make().__dlpack__(**kwargs)


def test_a_gradient_is_no_obstacle_to_taking_a_detached_tensor(torch):
    t = torch.ones(3, requires_grad=True)
    with pytest.raises(BufferError, match=r"\[from_dlpack\] source cannot be shared: .*gradient"):
        pc.from_dlpack(t)
    assert pc.from_dlpack(t.detach()).tolist() == [1, 1, 1]
    with pytest.raises((BufferError, ValueError), match=r"\[from_dlpack\]"):
        pc.from_dlpack(torch.ones(3, dtype=torch.bfloat16))
    assert pc.from_dlpack(np.ones(3), device="cpu").shape == (3,)


def test_a_capsule_outlives_its_tensor():
    capsule = pc.full((100,), 3.0).__dlpack__()
    gc.collect()
    others = [pc.zeros(100) for _ in range(20)]
    np.testing.assert_array_equal(np.from_dlpack(Giver(capsule)), np.full(100, 3.0))
    assert len(others) == 20
