"""Activations beyond the table: worked numbers, special values, kinks, memory."""

from __future__ import annotations

import numpy as np
import pytest

import pyconv
from pyconv import nn
from pyconv._backend import core
from pyconv.errors import ShapeError
from pyconv.ops import activation as a
from pyconv.tensor import Tensor


def gradient(function, x, *others):
    leaf = Tensor(np.array(x), requires_grad=True)
    function(leaf, *others).sum().backward()
    return leaf.grad.array


def test_worked_numbers_of_swish():
    """Ten decimals are given, the minimum is at -1.2784645428."""
    x = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    np.testing.assert_allclose(a.silu(x), [-0.2384058440, -0.2689414214, 0, 0.7310585786, 1.7615941560], atol=5.1e-11)
    np.testing.assert_allclose(gradient(a.silu, x), [-0.0907842488, 0.0723294881, 0.5, 0.9276705119, 1.0907842488],
                               atol=5.1e-11)
    lowest = np.array([-1.2784645428])
    assert a.swish(lowest)[0] == pytest.approx(-0.2784645428, abs=5.1e-11)
    assert gradient(a.swish, lowest)[0] == pytest.approx(0, abs=1e-9)


def test_worked_numbers_of_prelu():
    x, w = Tensor(np.array([-2.0, -1, 0, 1, 2]), requires_grad=True), Tensor(np.array([0.25]), requires_grad=True)
    y = a.prelu(x, w)
    y.sum().backward()
    assert y.tolist() == [-0.5, -0.25, 0, 1, 2]
    assert x.grad.tolist() == [0.25, 0.25, 0.25, 1, 1]
    assert w.grad.tolist() == [-3]


SPECIAL = [-3.0, 3.0, 0.0, -0.0, np.nan, -np.inf, np.inf, -4.0, 4.0, 6.0, 1.0, -1.0, 0.5, -0.5, 88.0, -88.0, 1e30, -1e30]
#: x times 0 at infinity: NaN in PyTorch; ours may be the limit.
LIMITS = {"gelu", "gelu_tanh", "silu", "mish", "softsign"}
CALLS = {
    "relu6": {}, "hardswish": {}, "hardsigmoid": {}, "hardtanh": {"min_val": -3.0, "max_val": 3.0},
    "leaky_relu": {"negative_slope": 0.1}, "elu": {}, "selu": {}, "celu": {}, "softplus": {}, "logsigmoid": {},
    "threshold": {"threshold": 3.0, "value": 7.0}, "hardshrink": {"lambd": 3.0}, "softshrink": {"lambd": 3.0},
    "gelu": {}, "silu": {}, "mish": {}, "softsign": {},
}


@pytest.mark.parametrize("name", sorted(CALLS))
def test_special_values_and_kinks_as_in_torch(name: str, isa: str, torch):
    x = np.array(SPECIAL, np.float32)
    if name in LIMITS:
        x = x[np.isfinite(x) & (np.abs(x) < 100)]
    t = torch.tensor(x, requires_grad=True)
    want = getattr(torch.nn.functional, name)(t, **CALLS[name])
    want.sum().backward()
    leaf = Tensor(x, requires_grad=True)
    got = getattr(a, name)(leaf, **CALLS[name])
    got.sum().backward()
    np.testing.assert_allclose(got.array, want.detach().numpy(), rtol=1e-6, atol=1e-6)
    known = ~np.isnan(x)  # the slope at a NaN depends on its place in PyTorch's vectors
    np.testing.assert_allclose(leaf.grad.array[known], t.grad.numpy()[known], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["mish", "gelu", "silu", "softplus", "logsigmoid", "elu", "selu"])
def test_far_from_zero_nothing_overflows(name: str, isa: str):
    """float32 against float64 relative to each value: small results keep their digits."""
    x = np.concatenate([np.linspace(-80, -5, 100), np.linspace(5, 80, 100), [1e4, 1e18]])
    for exact, got in ((getattr(a, name)(x), getattr(a, name)(x.astype(np.float32))),):
        if name == "gelu":  # 1 + erf cancels below -5
            exact, got = exact[100:], got[100:]
        keep = np.abs(exact) > 1e-30
        np.testing.assert_allclose(got[keep], exact[keep], rtol=4e-5)  # e^x at x = -80: 80 roundings of x
        assert np.isfinite(got).all()


@pytest.mark.parametrize("count", [(8 << 18) + 5, (9 << 18) + 16])
def test_large_results_have_the_bits_of_small_ones(count: int, isa: str):
    """They are written past the caches."""
    rng = np.random.default_rng(0)
    x, g = rng.standard_normal((2, count), np.float32)
    w = np.array([0.3], np.float32)
    for function in (a.leaky_relu, a.silu, lambda v: a.prelu(v, w)):
        whole = function(Tensor(x)).array
        grads = gradient(lambda v, f=function: f(v) * Tensor(g), x)
        for begin in range(0, count, 300_001):
            part = slice(begin, begin + 300_001)
            np.testing.assert_array_equal(function(Tensor(x[part].copy())).array, whole[part])
            small = gradient(lambda v, f=function, p=part: f(v) * Tensor(g[p].copy()), x[part].copy())
            np.testing.assert_array_equal(small, grads[part])


def test_large_channels_have_the_gradients_of_small_ones(isa: str):
    rng = np.random.default_rng(1)
    x, g = (rng.standard_normal((5, 48, 100, 100)).astype(np.float32) for _ in range(2))
    w = rng.uniform(0, 1, 48).astype(np.float32)
    leaf, slopes = Tensor(x, requires_grad=True), Tensor(w, requires_grad=True)
    y = a.prelu(leaf, slopes)
    y.backward(Tensor(g))
    column = w.reshape(-1, 1, 1)
    np.testing.assert_array_equal(y.array, np.where(x > 0, x, x * column))
    np.testing.assert_array_equal(leaf.grad.array, np.where(x > 0, g, g * column))
    exact = np.where(x > 0, 0, g.astype(np.float64) * x).sum((0, 2, 3))
    np.testing.assert_allclose(slopes.grad.array, exact, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("order", ["c", "reversed", "broadcast"])
def test_memory_of_the_output(order: str):
    x = np.random.default_rng(0).standard_normal((4, 50)).astype(np.float32)
    out = {"c": np.zeros((4, 50), np.float32), "reversed": np.zeros((4, 50), np.float32)[::-1, ::-1],
           "broadcast": np.broadcast_to(np.zeros(50, np.float32), (4, 50))}[order]
    if order == "broadcast":
        with pytest.raises(ValueError, match=r"\[silu\] out is read-only"):
            core.activation_forward("silu", x, [1.0], False, out)
        shared = np.lib.stride_tricks.as_strided(np.zeros(50, np.float32), (4, 50), (0, 4))
        with pytest.raises(ValueError, match=r"\[silu\] out has elements that share memory"):
            core.activation_forward("silu", x, [1.0], False, shared)
        with pytest.raises(ValueError, match=r"\[silu\] out has elements that share memory"):
            core.activation_forward("silu", x[:2], [1.0], False, x[1:3])
        return
    core.activation_forward("silu", x, [1.0], False, out)
    np.testing.assert_array_equal(out, a.silu(x))


def test_the_core_checks_its_arguments():
    x = np.zeros(3, np.float32)
    with pytest.raises(ValueError, match=r"\[activation_forward\] name is 'step', expected one of leaky_relu, .*softshrink"):
        core.activation_forward("step", x, [], False)
    with pytest.raises(ValueError, match=r"\[activation\] params has 4 numbers, expected at most 3"):
        core.activation_forward("silu", x, [1.0] * 4, False)
    with pytest.raises(ShapeError, match=r"\[silu\] gradient has shape 2, expected 3"):
        core.activation_backward("silu", x[:2], x, [1.0], False)
    with pytest.raises(TypeError, match=r"\[silu\] gradient has dtype float64, expected x's, float32"):
        core.activation_backward("silu", np.zeros(3), x, [1.0], False)
    with pytest.raises(ValueError, match=r"\[parametric_forward\] name is 'silu', expected one of prelu, swish"):
        core.parametric_forward("silu", x, x[:1], False)


def test_a_pass_in_place_keeps_the_result_alone():
    """What y tells is taken from y: nothing is copied, and the input's memory is not kept."""
    x = pyconv.ones(3, requires_grad=True) * 2.0
    memory = x.array
    y = nn.functional.leaky_relu_(x, 0.1)
    assert y is x
    assert y.array is memory
    assert y._node.ctx.saved[0] is memory
    y = nn.functional.silu(pyconv.ones(3, requires_grad=True) * 2.0, inplace=True)
    assert y._node.ctx.saved[0] is not y.array


def test_methods_and_top_level_names():
    x = np.array([-2.0, 1.0], np.float32)
    assert Tensor(x.copy()).prelu(Tensor(x[1:] / 4)).tolist() == [-0.5, 1.0]
    assert Tensor(x.copy()).hardshrink(1.5).tolist() == [-2.0, 0.0]
    t = Tensor(x.copy())
    assert t.sigmoid_() is t
    np.testing.assert_array_equal(t.array, pyconv.sigmoid(x))
    assert pyconv.tanh_(Tensor(np.zeros(1, np.float32))).tolist() == [0.0]
    assert pyconv.threshold_(Tensor(x.copy()), 0, 5).tolist() == [5.0, 1.0]
    assert pyconv.celu_(Tensor(x.copy())).tolist() == pyconv.celu(x).tolist()


def test_swish_layer():
    layer = nn.Swish(0.5)
    assert list(layer.state_dict()) == ["beta"]
    x = pyconv.tensor([[-1.0, 2.0]])
    layer(x).sum().backward()
    s = 1 / (1 + np.exp(-0.5 * x.array.astype(np.float64)))
    np.testing.assert_allclose(layer.beta.grad.array, [(x.array ** 2 * s * (1 - s)).sum()], rtol=1e-6)
    fixed = nn.Swish(0.5, learnable=False)
    assert fixed.state_dict() == {}
    np.testing.assert_allclose(fixed(x).array, x.array * s, rtol=1e-6)
    assert repr(fixed) == "Swish(beta=0.5, learnable=False)"
    assert nn.Swish(device="meta").beta.is_meta


@pytest.mark.parametrize("layer", [nn.PReLU(4), nn.Swish(), nn.GELU(), nn.Softmax2d(), nn.Hardtanh(), nn.Softmin(1)])
def test_layers_on_shapes_alone(layer):
    assert pyconv.summary(layer, (2, 4, 5, 5)).rows[0].output_shape == (2, 4, 5, 5)


def test_learned_slopes_train():
    """One step on each layer moves its number against the gradient."""
    for layer in (nn.PReLU(3), nn.Swish()):
        parameter = next(layer.parameters())
        before = parameter.array.copy()
        layer(pyconv.tensor(-np.ones((2, 3, 4, 4), np.float32))).sum().backward()
        pyconv.optim.SGD(layer.parameters(), lr=0.1).step()
        np.testing.assert_allclose(parameter.array, before - 0.1 * parameter.grad.array, rtol=1e-6)
        assert (parameter.array != before).all()
