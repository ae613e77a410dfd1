"""register_full_backward_hook."""

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
    with pytest.raises(ValueError, match=r"\[full_backward_hook\] returned 1 gradients, expected 2"):
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
