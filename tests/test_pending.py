"""Batch norm's output waits for what comes next, and its gradient is added to what is there: the same bits as without
waiting, whatever happens in between."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support import nothing_waits

import pyconv
from pyconv import nn
from pyconv.nn import functional as F
from pyconv.pending import Masked, Pending, settle


def tensor(shape: tuple[int, ...], seed: int, requires_grad: bool = True) -> Any:
    return pyconv.tensor(np.random.default_rng(seed).standard_normal(shape, np.float32), requires_grad=requires_grad)


def fresh(x: Any) -> Any:
    """A result that nobody else holds, as a convolution's."""
    return x * 1.5


def in_place(y: Any, z: Any) -> Any:
    y += z
    return F.relu_(y)


CALLS: dict[str, Callable[[Any, Any, Callable[[Any], Any]], Any]] = {
    "relu": lambda x, z, bn: F.relu(bn(x)),
    "relu_": lambda x, z, bn: F.relu_(bn(x)),
    "add": lambda x, z, bn: F.relu(bn(x) + z),
    "radd": lambda x, z, bn: F.relu(z + bn(x)),
    "iadd": lambda x, z, bn: in_place(bn(x), z),
    "two": lambda x, z, bn: F.relu(bn(x) + bn(fresh(z))),
    "broadcast": lambda x, z, bn: F.relu(bn(x) + z[:1, :, :1, :1]),
    "number": lambda x, z, bn: F.relu(bn(x) + 0.5),
    "subtract": lambda x, z, bn: F.relu(bn(x) - z),
    "nothing": lambda x, z, bn: bn(x),
    "twice": lambda x, z, bn: (lambda y: F.relu(y) + y.sigmoid())(bn(x)),
    "pool": lambda x, z, bn: F.max_pool2d(F.relu(bn(x)), 2),
    # The gradient of x has a part by now to which batch norm adds its own: dense, or a slice of another tensor.
    "skip": lambda x, z, bn: F.relu(bn(x)) + x,
    "dense": lambda x, z, bn: dense(x, z, bn, 1),
    "rows": lambda x, z, bn: dense(x, z, bn, 2),
    "images": lambda x, z, bn: dense(x, z, bn, 0),
}


def dense(x: Any, z: Any, bn: Callable[[Any], Any], axis: int) -> Any:
    """A layer of a DenseNet: of a channel slice the gradient's rows lie apart, of others they lie anyhow."""
    return pyconv.cat([x, z, F.relu(bn(x))], axis)


def run(call: Callable[..., Any], shape: tuple[int, ...], training: bool) -> list[np.ndarray]:
    x, z = tensor(shape, 0), tensor(shape, 1)
    weight, bias = tensor(shape[1:2], 2), tensor(shape[1:2], 3)
    mean, var = np.zeros(shape[1], np.float32), np.ones(shape[1], np.float32)
    running = pyconv.from_numpy(mean), pyconv.from_numpy(var)
    y = call(fresh(x), z, lambda v: F.batch_norm(v, *running, weight, bias, training))
    y.backward(tensor(y.shape, 4, False))
    gradients = [t.grad.numpy() for t in (x, z, weight, bias) if t.grad is not None]
    return [y.detach().numpy(), mean, var, *gradients]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(2, 3, 4, 4), (4, 33, 9, 7), (2, 128, 6, 6), (3, 16, 40, 40)])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.usefixtures("isa")
def test_bits_do_not_depend_on_waiting(call: str, shape: tuple[int, ...], training: bool) -> None:
    got = run(CALLS[call], shape, training)
    with nothing_waits():
        want = run(CALLS[call], shape, training)
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_array_equal(a, b)


def test_batch_norm_adds_to_the_gradient_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    from pyconv.ops import norm

    plain, seen = norm.core.batch_norm_backward, []
    monkeypatch.setattr(norm.core, "batch_norm_backward", lambda *args: seen.append(args[-1]) or plain(*args))
    for call in ("skip", "dense", "nothing"):
        run(CALLS[call], (2, 3, 4, 4), True)
    assert [prior is not None for prior in seen] == [True, True, False]


def test_settling_waits_for_another_thread_that_settles() -> None:
    """Whoever changes memory after `settle` must not do so while somebody else still computes from it."""
    started, go_on, log = threading.Event(), threading.Event(), []

    def make(residual: Any, relu: bool) -> np.ndarray:
        started.set()
        assert go_on.wait(10)
        log.append("computed")
        return np.zeros(1, np.float32)

    def other() -> None:
        settle()
        log.append("free to change")

    late = Pending((1,), np.dtype("float32"), make)
    first, second = threading.Thread(target=settle), threading.Thread(target=other)
    first.start()
    assert started.wait(10)
    second.start()
    second.join(0.2)
    assert log == []
    go_on.set()
    first.join()
    second.join()
    assert log == ["computed", "free to change"]
    assert not late.pending


def test_nan_goes_the_same_way() -> None:
    def call(x: Any, z: Any, bn: Any) -> Any:
        return F.relu(bn(x * pyconv.tensor(np.where(np.arange(16).reshape(4, 4) == 5, np.nan, 1).astype(np.float32))))

    got = run(call, (2, 3, 4, 4), False)
    with nothing_waits():
        want = run(call, (2, 3, 4, 4), False)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bool, bool]]:
    """How outputs are written: (with a residual, with ReLU)."""
    from pyconv.ops import norm

    calls: list[tuple[bool, bool]] = []
    original = norm.core.batch_norm_map

    def count(shape: Any, x: Any, factors: Any, residual: Any, relu: bool) -> Any:
        calls.append((residual is not None, relu))
        return original(shape, x, factors, residual, relu)

    class Counting:
        batch_norm_map = staticmethod(count)

        def __getattr__(self, name: str) -> Any:
            return getattr(pyconv._backend.core, name)

    monkeypatch.setattr(norm, "core", Counting())
    return calls


@pytest.mark.parametrize(("call", "passes"), [("relu", [(False, True)]), ("relu_", [(False, True)]),
                                              ("add", [(True, False)]), ("iadd", [(True, False)]),
                                              ("nothing", [(False, False)]),
                                              ("two", [(False, False), (True, False)])])
def test_one_pass_writes_both(call: str, passes: list[tuple[bool, bool]], written: list[tuple[bool, bool]]) -> None:
    run(CALLS[call], (2, 8, 4, 4), True)
    assert sorted(written) == passes


def test_the_gradient_of_relu_is_masked_by_batch_norm(monkeypatch: pytest.MonkeyPatch) -> None:
    from pyconv.ops.norm import BatchNorm

    seen = []
    original = BatchNorm.backward
    monkeypatch.setattr(BatchNorm, "backward", staticmethod(lambda ctx, gy: seen.append(type(gy)) or original(ctx, gy)))
    run(CALLS["relu"], (2, 8, 4, 4), True)
    run(CALLS["twice"], (2, 8, 4, 4), True)  # two contributions: an array
    assert seen == [Masked, np.ndarray]


def normed(x: Any) -> Any:
    return F.batch_norm(x, None, None, training=True)


def test_waits_only_for_memory_that_nobody_else_holds() -> None:
    x = tensor((2, 3, 4, 4), 0, False)
    assert isinstance(normed(fresh(x)), Pending)
    shared = fresh(x)
    view = shared.numpy()
    assert not isinstance(normed(shared), Pending)
    del view
    assert not isinstance(normed(fresh(x)[:1]), Pending)
    assert not isinstance(normed(pyconv.from_numpy(np.ones((2, 3, 4, 4), np.float32))), Pending)
    assert not isinstance(normed(fresh(x).double()), Pending)


def test_a_change_in_place_comes_after_it() -> None:
    x = fresh(tensor((2, 3, 4, 4), 0, False))
    want = normed(pyconv.tensor(x.numpy().copy())).numpy()
    y = normed(x)
    assert isinstance(y, Pending)
    x.zero_()
    np.testing.assert_array_equal(y.numpy(), want)


@pytest.mark.parametrize("export", [lambda x: x.numpy(), np.asarray, np.from_dlpack], ids=["numpy", "asarray", "dlpack"])
def test_memory_that_is_handed_out_may_change_after_it(export: Callable[[Any], np.ndarray]) -> None:
    x = fresh(tensor((2, 3, 4, 4), 0, False))
    want = normed(pyconv.tensor(x.numpy().copy())).numpy()
    y = normed(x)
    assert isinstance(y, Pending)
    out = export(x)
    if out.flags.writeable:  # numpy takes foreign memory as read-only
        out[...] = 0
    else:
        x.array[...] = 0
    np.testing.assert_array_equal(y.numpy(), want)


def test_a_step_of_an_optimizer_comes_after_it() -> None:
    w = nn.Parameter(fresh(tensor((2, 3, 4, 4), 0, False)))
    want = normed(pyconv.tensor(w.detach().numpy().copy())).numpy()
    optimizer = pyconv.optim.SGD([w], lr=0.1)
    (w * w).sum().backward()
    y = normed(w)
    optimizer.step()
    np.testing.assert_array_equal(y.detach().numpy(), want)


def test_looks_like_any_tensor() -> None:
    x = fresh(tensor((2, 3, 4, 4), 0))
    y = normed(x)
    assert isinstance(y, Pending)
    assert (y.shape, y.dtype, y.ndim, y.numel(), y.is_meta, y.is_leaf, y.requires_grad) == (
        (2, 3, 4, 4), np.float32, 4, 96, False, False, True)
    assert isinstance(y, Pending)
    assert "Pending" not in repr(y)
    assert type(y) is pyconv.Tensor
    for made in (copy.deepcopy(normed(fresh(x.detach()))), pickle.loads(pickle.dumps(normed(fresh(x.detach()))))):
        assert type(made) is pyconv.Tensor
        np.testing.assert_array_equal(made.numpy(), normed(fresh(x.detach())).numpy())


def test_hooks_and_captured_gradients_of_what_waits() -> None:
    x = tensor((2, 3, 4, 4), 0)
    seen = []
    y = normed(fresh(x))
    y.register_hook(lambda g: seen.append(g.numpy().copy()))
    z = F.relu(y)
    (captured,) = pyconv.autograd.grad([(z * z).sum()], [y], retain_graph=True)
    (z * z).sum().backward()
    want = 2 * np.maximum(y.detach().numpy(), 0)
    np.testing.assert_array_equal(captured.numpy(), want)
    np.testing.assert_array_equal(seen[-1], want)


def test_a_graph_is_walked_twice() -> None:
    x = tensor((2, 8, 4, 4), 0)
    loss = (F.relu(normed(fresh(x))) ** 2).sum()
    loss.backward(retain_graph=True)
    first = x.grad.numpy().copy()
    x.grad = None
    loss.backward()
    np.testing.assert_array_equal(x.grad.numpy(), first)


def test_what_nobody_asks_for_is_never_computed(written: list[tuple[bool, bool]]) -> None:
    y = normed(fresh(tensor((2, 3, 4, 4), 0)))
    alive = weakref.ref(y)
    del y
    gc.collect()
    assert alive() is None
    assert written == []
