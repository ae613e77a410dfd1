"""Methods and operators that change a tensor itself, against PyTorch: values, gradients, aliases, refusals."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import pyconv
from pyconv.errors import ShapeError
from pyconv.tensor import Tensor

CASES = {
    **{name: lambda x, y, m, name=name: getattr(x, name)() for name in (
        "abs_", "ceil_", "cos_", "erf_", "exp_", "expm1_", "floor_", "log_", "log1p_", "neg_", "reciprocal_", "round_",
        "rsqrt_", "sign_", "sin_", "sqrt_", "square_", "sigmoid_", "tanh_")},
    "add_": lambda x, y, m: x.add_(y, alpha=-0.5),
    "sub_": lambda x, y, m: x.sub_(y, alpha=2),
    "clip_": lambda x, y, m: x.clip_(0.7, 1.4),
    "clamp_min_": lambda x, y, m: x.clamp_min_(1.0),
    "clamp_max_": lambda x, y, m: x.clamp_max_(1.0),
    "addcmul_": lambda x, y, m: x.addcmul_(y, y, value=-3),
    "addcdiv_": lambda x, y, m: x.addcdiv_(y, y * 2 + 1, value=0.5),
    "lerp_": lambda x, y, m: x.lerp_(y, 0.3),
    "lerp_tensor": lambda x, y, m: x.lerp_(y, y),
    "masked_fill_": lambda x, y, m: x.masked_fill_(m, -2.0),
}
PLAIN = {
    "add": lambda x, y, m: x.add(y, alpha=-0.5),
    "sub": lambda x, y, m: x.sub(y, alpha=2),
    "clip": lambda x, y, m: x.clip(min=0.7),
    "addcmul": lambda x, y, m: x.addcmul(y, y, value=-3),
    "addcdiv": lambda x, y, m: x.addcdiv(y, y * 2 + 1),
    "lerp": lambda x, y, m: x.lerp(y, y),
    "masked_fill": lambda x, y, m: x.masked_fill(m, -2.0),
}


def operands():
    rng = np.random.default_rng(0)
    return rng.uniform(0.5, 2, (3, 4, 5, 6)), rng.uniform(0.5, 2, (4, 1, 6)), rng.random((5, 6)) < 0.4


@pytest.mark.parametrize("case", sorted({**CASES, **PLAIN}))
def test_as_in_torch(case, torch):
    function = {**CASES, **PLAIN}[case]
    results = []
    for library in (pyconv, torch):
        x, y, m = (library.from_numpy(np.array(a)) for a in operands())
        x.requires_grad_()
        y.requires_grad_()
        h = x * 1
        out = function(h, y, m)
        assert (out is h) == (case in CASES)
        (out * out).sum().backward()
        gradient = np.zeros(y.shape) if y.grad is None else y.grad.numpy()
        results.append([out.detach().numpy(), x.grad.numpy(), gradient])
    for got, want in zip(*results, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("change", "expected"), [
    (lambda x: x.__iadd__(1), [2, 3, 4]), (lambda x: x.__isub__(1), [0, 1, 2]), (lambda x: x.__imul__(3), [3, 6, 9]),
    (lambda x: x.__itruediv__(2), [0.5, 1, 1.5]), (lambda x: x.__ipow__(2), [1, 4, 9]),
])
def test_augmented_operators_change_what_shares_the_memory(change, expected):
    array = np.array([1.0, 2.0, 3.0])
    x = pyconv.from_numpy(array)
    alias = x.reshape(3, 1)
    assert change(x) is x
    assert array.tolist() == expected
    assert alias.array.ravel().tolist() == expected


def test_the_usual_update_of_a_parameter():
    w = pyconv.nn.Parameter(pyconv.ones(2))
    (w * w).sum().backward()
    with pyconv.no_grad():
        for p in [w]:
            p -= 0.25 * p.grad
    assert w.tolist() == [0.5, 0.5]
    with pytest.raises(RuntimeError, match=r"\[sub_\] a leaf that requires a gradient cannot be changed in place"):
        w -= 1.0


def test_masks_and_counters():
    mask = pyconv.tensor([True, True, False])
    same = mask
    mask &= pyconv.tensor([True, False, False])
    mask |= pyconv.tensor([False, False, True])
    mask ^= pyconv.tensor([True, False, False])
    assert same.tolist() == [False, False, True]
    count = pyconv.tensor(3)
    count += 2
    assert count.item() == 5
    with pytest.raises(TypeError, match=r"out has dtype int64, expected float32"):
        count += 0.5
    with pytest.raises(TypeError):
        count += "1"
    total = 0
    total += pyconv.tensor(2.0)
    assert total.item() == 2


def test_residual_sums_keep_their_gradients():
    x = pyconv.tensor([1.0, -2.0, 3.0], requires_grad=True)
    out = x * 3
    out += x
    out = out.relu()
    out.sum().backward()
    assert x.grad.tolist() == [4, 0, 4]


def test_retained_gradients_of_results():
    x = pyconv.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    y.retain_grad()
    x.retain_grad()  # a leaf: nothing to do
    (y * y).sum().backward(retain_graph=True)
    assert y.grad.tolist() == [6, 12]
    (y * y).sum().backward()
    assert y.grad.tolist() == [12, 24]
    alive = weakref.ref(y)
    del y
    gc.collect()
    assert alive() is None
    with pytest.raises(RuntimeError, match=r"\[retain_grad\] the tensor does not require a gradient"):
        pyconv.ones(2).retain_grad()


def test_detach_():
    x = pyconv.tensor([1.0], requires_grad=True)
    y = x * 2
    assert y.detach_() is y
    assert y.is_leaf
    assert not y.requires_grad
    with pytest.raises(RuntimeError, match=r"\[detach_\] the tensor is a view of another one; use detach\(\)"):
        (x * 2).reshape(1, 1)[0].detach_()


def test_a_stale_value_is_an_error():
    h = pyconv.tensor([1.0, 4.0], requires_grad=True) * 1
    y = h.sqrt_()  # needs its own result
    with pytest.raises(RuntimeError, match=r"\[exp_\] the tensor shares its memory with a view, or was saved"):
        h.exp_()
    with pyconv.no_grad():
        h.exp_()
    with pytest.raises(RuntimeError, match="sqrt needs a tensor that was changed in place after it was used"):
        y.sum().backward()


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda x: x.masked_fill_([True], 0), TypeError, r"\[masked_fill_\] mask is list"),
    (lambda x: x.masked_fill(x, 0), TypeError, r"\[masked_fill\] mask has dtype float32, expected bool"),
    (lambda x: x.masked_fill_(x > 0, x), ShapeError, r"\[masked_fill_\] value has shape 3, expected a number"),
    (lambda x: x.masked_fill_(pyconv.ones(2, 3) > 0, 0), ShapeError, r"mask has shape 2x3, which does not broadcast"),
    (lambda x: x.long().masked_fill_(x > 0, 0.5), TypeError, r"would make it float32, but the tensor has dtype int64"),
    (lambda x: x.addcmul_(1, x), TypeError, r"\[addcmul_\] tensor1 is int"),
    (lambda x: x.addcdiv(x, 1), TypeError, r"\[addcdiv\] tensor2 is int"),
    (lambda x: x.lerp_(1, x), TypeError, r"\[lerp_\] end is int"),
    (lambda x: x.addcmul_(x, pyconv.ones(2, 3)), ShapeError, r"\[addcmul_\] the result has shape 2x3, but x has 3"),
    (lambda x: x.long().exp_(), TypeError, r"out has dtype int64, expected float32"),
])
def test_misuse(call, error, match):
    x = Tensor(np.ones(3, np.float32))
    with pytest.raises(error, match=match):
        call(x)
    assert x.tolist() == [1, 1, 1]
