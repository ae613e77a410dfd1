"""A convolution's input gradient waits one step of the walk, for what is added to it and for ReLU's mask: the same bits as
without waiting, whatever else happens meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support import nothing_waits

import pyconv
from pyconv import _core as core
from pyconv import autograd, nn, optim
from pyconv.nn import functional as F


def normal(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


#: Convolutions on every path: input channels and size, weight, and the other arguments.
CONVOLUTIONS: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "winograd": ((2, 32, 13, 14), (48, 32, 3, 3), {"padding": 1}),
    "winograd in pieces": ((1, 256, 14, 14), (256, 256, 3, 3), {"padding": 1}),
    "winograd 5x5": ((1, 32, 15, 12), (32, 32, 5, 5), {"padding": 2}),
    "few channels": ((4, 16, 32, 32), (16, 16, 3, 3), {"padding": 1}),
    "more channels": ((2, 40, 16, 16), (24, 40, 3, 3), {"padding": 1}),
    "dilated": ((1, 32, 16, 15), (32, 32, 3, 3), {"padding": 2, "dilation": 2}),
    "rows": ((2, 24, 9, 10), (40, 24, 3, 3), {"stride": 2, "padding": 1}),
    "strides folded": ((2, 16, 33, 33), (64, 16, 7, 7), {"stride": 2, "padding": 3}),
    "inputs that no tap reaches": ((2, 24, 9, 10), (40, 24, 1, 1), {"stride": 2}),
    "pixel by pixel": ((2, 64, 9, 9), (32, 64, 1, 1), {}),
    "one product": ((1, 512, 7, 7), (512, 512, 3, 3), {"padding": 1}),
    "one product of pixels": ((2, 512, 7, 7), (2048, 512, 1, 1), {}),
    "outputs share a vector": ((2, 3, 20, 22), (16, 3, 3, 3), {"padding": 1}),
    "depthwise": ((2, 24, 10, 10), (24, 1, 3, 3), {"padding": 1, "groups": 24}),
    "groups": ((2, 40, 10, 10), (40, 8, 3, 3), {"padding": 1, "groups": 5}),
    "a group per vector": ((2, 64, 14, 14), (64, 16, 3, 3), {"padding": 1, "groups": 4}),
    "groups of winograd": ((1, 96, 16, 16), (96, 48, 3, 3), {"padding": 1, "groups": 2}),
    "nothing but padding": ((1, 4, 3, 3), (4, 4, 3, 3), {"padding": 9, "dilation": 9}),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.usefixtures("isa")
def test_the_driver_adds_and_masks(name: str) -> None:
    x, w, options = CONVOLUTIONS[name]
    per_axis = {k: (v,) * 2 for k, v in options.items() if k != "groups"}
    pad = per_axis.get("padding", (0, 0))
    shape = core.conv_shape("conv2d", x, w, per_axis.get("stride", (1, 1)), (pad[0], pad[0], pad[1], pad[1]),
                            per_axis.get("dilation", (1, 1)), options.get("groups", 1))
    gy, weight, residual, mask = (normal(s, i) for i, s in enumerate((shape.output_shape, w, x, x)))
    mask.flat[::7] = np.nan  # as relu_grad: a NaN lets the gradient through
    mask.flat[::5] = 0
    gx = np.ascontiguousarray(core.conv_grad_input(shape, gy, weight))
    for add in (False, True):
        want = gx + residual if add else gx
        got = core.conv_grad_input(shape, gy, weight, residual if add else None, mask)
        np.testing.assert_array_equal(got, np.where(mask <= 0, np.float32(0), want))
        np.testing.assert_array_equal(core.conv_grad_input(shape, gy, weight, residual if add else None), want)
    back = normal(shape.output_shape, 9)
    y = np.ascontiguousarray(core.conv_forward("conv2d", shape, residual, weight))
    got = core.conv_forward("conv2d", shape, residual, weight, None, gy, False, back)
    np.testing.assert_array_equal(got, np.where(back <= 0, np.float32(0), y + gy))


CALLS: dict[str, Callable[..., Any]] = {
    "chain": lambda x, conv, other: conv(F.relu(conv(F.relu(conv(x))))),
    "in place": lambda x, conv, other: conv(F.relu_(conv(x))),
    "block": lambda x, conv, other: (lambda y: F.relu(y + conv(F.relu(conv(y)))))(F.relu(other(x))),
    "two blocks": lambda x, conv, other: CALLS["block"](CALLS["block"](x, conv, other), other, conv),
    "twice": lambda x, conv, other: (lambda y: conv(y) + other(y))(F.relu(conv(x))),
    "three times": lambda x, conv, other: (lambda y: conv(y) + other(y) * y + conv(y))(F.relu(conv(x))),
    "no relu": lambda x, conv, other: (lambda y: conv(y) + y)(conv(x) * 0.5),
    "norm": lambda x, conv, other: conv(F.relu(F.batch_norm(conv(x), None, None, training=True))),
    "norm block": lambda x, conv, other: (lambda y: F.relu(F.batch_norm(conv(y), None, None, training=True) + y))(
        F.relu(F.batch_norm(other(x), None, None, training=True))),
    "masked sum": lambda x, conv, other: (lambda y: F.relu(y) + conv(y))(F.batch_norm(conv(x), None, None, training=True)),
    "pool": lambda x, conv, other: conv(F.max_pool2d(F.relu(conv(x)), 2)),
    "cat": lambda x, conv, other: (lambda y: pyconv.cat([y, conv(y)], 1))(F.relu(conv(x))),
    "view": lambda x, conv, other: conv(F.relu(conv(x))[:, :, 1:]),
}


def layers(double: bool = False) -> tuple[Any, Any]:
    pyconv.manual_seed(0)
    conv, other = nn.Conv2d(16, 16, 3, padding=1), nn.ConvTranspose2d(16, 16, 3, padding=1)
    return (conv.double(), other.double()) if double else (conv, other)


def run(call: Callable[..., Any], dtype: Any = np.float32) -> list[np.ndarray]:
    conv, other = layers(dtype is np.float64)
    x = pyconv.tensor(normal((2, 16, 12, 12)).astype(dtype), requires_grad=True)
    y = call(x, conv, other)
    y.backward(pyconv.tensor(normal(y.shape, 1).astype(dtype)))
    return [t.grad.numpy() for t in (x, *conv.parameters(), *other.parameters()) if t.grad is not None]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("call", CALLS)
def test_bits_do_not_depend_on_waiting(call: str, dtype: Any) -> None:
    got = run(CALLS[call], dtype)
    with nothing_waits():
        want = run(CALLS[call], dtype)
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bool, bool]]:
    """How input gradients of convolutions are written: (with another one added, with a mask)."""
    from pyconv.ops import conv

    calls: list[tuple[bool, bool]] = []

    class Counting:
        @staticmethod
        def conv_grad_input(shape: Any, gy: Any, weight: Any, residual: Any = None, mask: Any = None) -> Any:
            calls.append((residual is not None, mask is not None))
            return core.conv_grad_input(shape, gy, weight, residual, mask)

        def __getattr__(self, name: str) -> Any:
            return getattr(core, name)

    monkeypatch.setattr(conv, "core", Counting())
    return calls


def test_one_pass_does_all(passes: list[tuple[bool, bool]]) -> None:
    conv, _ = layers()
    x = pyconv.tensor(normal((2, 16, 12, 12)))
    y = F.relu(conv(x))  # the first needs no gradient of x
    F.relu(y + conv(F.relu(conv(y)))).sum().backward()
    assert passes == [(False, True), (True, True)]


def test_hooks_see_whole_gradients(passes: list[tuple[bool, bool]]) -> None:
    conv, _ = layers()
    y = F.relu(conv(pyconv.tensor(normal((2, 16, 12, 12)))))
    seen: list[np.ndarray] = []
    y.register_hook(lambda g: seen.append(g.numpy().copy()))
    conv(y).sum().backward()
    assert passes == [(False, False)]
    shape = core.conv_shape("conv2d", y.shape, (16, 16, 3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 1)
    np.testing.assert_array_equal(seen[0], core.conv_grad_input(shape, np.ones(y.shape, np.float32), conv.weight.detach().numpy()))


def test_a_step_inside_the_backward_pass_comes_after_the_gradient() -> None:
    """Whoever updates a weight as soon as its gradient is there must not change what waits."""

    def gradient(hooked: bool) -> np.ndarray:
        conv, other = layers()
        x = pyconv.tensor(normal((2, 16, 12, 12)), requires_grad=True)
        if hooked:
            sgd = optim.SGD(conv.parameters(), lr=1.0)
            raw = conv.weight.detach().numpy()  # memory that was handed out before

            def step(p: Any) -> None:
                sgd.step()
                raw[:] = 0

            conv.weight.register_post_accumulate_grad_hook(step)
            conv.weight.register_hook(lambda g: g * 2)
        conv(F.relu(other(x))).sum().backward()
        return x.grad.numpy()

    np.testing.assert_array_equal(gradient(True), gradient(False))


def test_gradients_of_some_tensors() -> None:
    conv, other = layers()
    x = pyconv.tensor(normal((2, 16, 12, 12)), requires_grad=True)
    middle = other(x)
    y = F.relu(middle)
    got = autograd.grad(conv(y).sum(), [middle, y])
    conv(F.relu(other(x))).sum().backward()
    np.testing.assert_array_equal(got[0].numpy(), np.where(y.detach().numpy() <= 0, 0, got[1].numpy()))


def test_a_second_pass_through_the_graph() -> None:
    conv, other = layers()
    x = pyconv.tensor(normal((2, 16, 12, 12)), requires_grad=True)
    y = conv(F.relu(other(x))).sum()
    y.backward(retain_graph=True)
    once = x.grad.numpy().copy()
    y.backward()
    np.testing.assert_array_equal(x.grad.numpy(), once + once)


def test_refused() -> None:
    shape = core.conv_shape("conv2d", (1, 4, 6, 6), (4, 4, 3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 1)
    gy, w = normal((1, 4, 6, 6)), normal((4, 4, 3, 3))
    with pytest.raises(ValueError, match=r"\[conv_grad_input\] residual has shape 1x4x6x5, expected 1x4x6x6"):
        core.conv_grad_input(shape, gy, w, gy[..., :5])
    with pytest.raises(ValueError, match=r"\[conv_grad_input\] mask has shape"):
        core.conv_grad_input(shape, gy, w, None, gy[:, :2])
    with pytest.raises(TypeError, match="residual, mask and relu are for float32 alone"):
        core.conv_grad_input(shape, gy.astype(float), w.astype(float), gy.astype(float))
