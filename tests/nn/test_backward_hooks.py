"""register_full_backward_hook and its neighbours; scenarios of forward hooks against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

import pyconv
from pyconv import nn
from pyconv.tensor import Tensor


class Product(nn.Module):
    def forward(self, a, b):
        return a * b


def leaf(*values):
    return pyconv.tensor(list(values), requires_grad=True)


def test_sees_the_gradients_of_this_call_only():
    layer, seen = Product(), []

    def note(module, grad_input, grad_output):
        seen.append((module, [g.tolist() for g in grad_input], [g.tolist() for g in grad_output]))

    layer.register_full_backward_hook(note)
    a, b = leaf(2.0), leaf(5.0)
    (layer(a, b) + a * 100).sum().backward()  # a is used elsewhere, too
    assert seen == [(layer, [[5.0], [2.0]], [[1.0]])]
    assert a.grad.tolist() == [105.0]
    assert b.grad.tolist() == [2.0]


def test_replaces_the_gradients():
    layer = Product()
    layer.register_full_backward_hook(lambda m, gi, go: (gi[0] * 10, gi[1]))
    a, b = leaf(2.0), leaf(5.0)
    layer(a, b).backward(pyconv.ones(1))
    assert a.grad.tolist() == [50.0]
    assert b.grad.tolist() == [2.0]


def test_input_without_gradient():
    layer, seen = nn.Linear(2, 1), []
    handle = layer.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go[0].tolist())))
    layer(pyconv.ones(1, 2)).sum().backward()
    assert seen == [((None,), [[1.0]])]
    assert layer.weight.grad.tolist() == [[1.0, 1.0]]
    handle.remove()
    layer(pyconv.ones(1, 2)).sum().backward()
    assert len(seen) == 1


def test_wrong_number_of_gradients():
    layer = Product()
    layer.register_full_backward_hook(lambda m, gi, go: (gi[0],))
    with pytest.raises(RuntimeError, match=r"\[full_backward_hook\] returned 1 gradients, expected 2"):
        layer(leaf(1.0), leaf(2.0)).backward(pyconv.ones(1))


def test_same_gradients_as_without():
    x = np.random.default_rng(0).standard_normal((2, 3, 5, 5)).astype(np.float32)
    pyconv.manual_seed(1)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(36, 2))

    def gradients():
        model.zero_grad()
        a = Tensor(x, requires_grad=True)
        model(a).sum().backward()
        return [a.grad.array, *(p.grad.array for p in model.parameters())]

    plain = gradients()
    for module in model.modules():
        module.register_full_backward_hook(lambda m, gi, go: None)
    for expected, got in zip(plain, gradients(), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_gradients_before_the_module():
    layer, seen = nn.Tanh(), []
    layer.register_full_backward_pre_hook(lambda m, go: (go[0] * 3,))
    layer.register_full_backward_pre_hook(lambda m, go: seen.append(go[0].tolist()))
    layer.register_full_backward_hook(lambda m, gi, go: seen.append((gi[0].tolist(), go[0].tolist())))
    x = leaf(0.0, 0.0)
    layer(x).sum().backward()
    assert seen == [[3, 3], ([3, 3], [3, 3])]
    assert x.grad.tolist() == [3, 3]
    layer.register_full_backward_pre_hook(lambda m, go: (), prepend=True)
    with pytest.raises(RuntimeError, match=r"\[full_backward_pre_hook\] returned 0 gradients, expected 1"):
        layer(x).sum().backward()


def test_one_entry_per_argument_and_output():
    class Mixed(nn.Module):
        def forward(self, x, factor, constant):
            return [x * factor * constant, "text", x.detach()]

    layer, seen = Mixed(), []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    constant = pyconv.tensor([5.0])
    out = layer(leaf(2.0), 3.0, constant)
    assert type(out) is list
    out[0].backward(pyconv.ones(1))
    ((gi, go),) = seen
    assert [g and g.tolist() for g in gi] == [[15.0], None, None]
    assert [g and g.tolist() for g in go] == [[1.0], None, None]
    assert not constant.requires_grad


def test_outputs_by_name():
    class Named(nn.Module):
        def forward(self, x):
            return {"a": x * 2, "b": x * 3}

    layer, seen = Named(), []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append([g.tolist() for g in (*gi, *go)]))
    out = layer(leaf(1.0))
    (out["a"] + 10 * out["b"]).backward(pyconv.ones(1))
    assert seen == [[[32.0], [1.0], [10.0]]]


def scenarios(library):
    """What forward hooks do, as text."""
    log, T = [], library.tensor

    class Two(library.nn.Module):
        def forward(self, a, b=None):
            if b is None:
                raise KeyError("b")
            return a * b

    layer = Two()
    layer.register_forward_pre_hook(lambda m, a, k: ((a[0] * 10,), {"b": k["b"] + 1}), with_kwargs=True)
    layer.register_forward_hook(lambda m, a, k, o: log.append((a[0].tolist(), sorted(k), o.tolist())), with_kwargs=True)
    log.append(layer(T([1.0, 2.0]), b=T([1.0, 2.0])).tolist())

    relu = library.nn.ReLU()
    relu.register_forward_pre_hook(lambda m, a: a[0] - 1)
    relu.register_forward_hook(lambda m, a, o: o + 1)
    relu.register_forward_hook(lambda m, a, o: o * 2)
    handle = relu.register_forward_hook(lambda m, a, o: o - 5, prepend=True)
    log.append(relu(T([1.0, 3.0])).tolist())
    handle.remove()
    log.append(relu(T([1.0, 3.0])).tolist())

    failing = Two()
    failing.register_forward_hook(lambda m, a, o: log.append("never"))
    failing.register_forward_hook(lambda m, a, k, o: log.append(("always", a[0].tolist(), k, o)), always_call=True,
                                  with_kwargs=True)
    try:
        failing(T([1.0]))
    except KeyError:
        log.append("raised")
    failing(T([1.0]), T([2.0]))

    late = library.nn.ReLU()

    def fail(m, a, o):
        raise ValueError("hook")

    late.register_forward_hook(lambda m, a, o: log.append("first"), always_call=True)
    late.register_forward_hook(fail)
    late.register_forward_hook(lambda m, a, o: log.append(("last", o)), always_call=True)
    try:
        late(T([1.0]))
    except ValueError:
        log.append("hook failed")

    wrong = library.nn.ReLU()
    wrong.register_forward_pre_hook(lambda m, a, k: a, with_kwargs=True)
    try:
        wrong(T([1.0]))
    except RuntimeError:
        log.append("refused")
    return [str(entry) for entry in log]


def test_forward_hooks_as_in_torch(torch):
    found = scenarios(pyconv)
    assert found == scenarios(torch)
    assert "('always', [1.0], {}, None)" in found
    assert "never" in found  # the second call, which succeeds


def test_a_hook_that_fails_after_a_failure_is_a_warning():
    class Failing(nn.Module):
        def forward(self, x):
            raise KeyError("x")

    def hook(module, args, output):
        raise ValueError("hook")

    layer = Failing()
    layer.register_forward_hook(hook, always_call=True)
    with pytest.warns(RuntimeWarning, match=r"a hook with always_call=True failed in its turn: hook"), \
            pytest.raises(KeyError):
        layer(1)


def test_arguments_that_are_no_pair_are_refused():
    layer = nn.ReLU()
    layer.register_forward_pre_hook(lambda m, a, k: a[0], with_kwargs=True)
    with pytest.raises(RuntimeError, match=r"\[forward_pre_hook\] with_kwargs=True: the hook returned Tensor, expected"):
        layer(leaf(1.0))
