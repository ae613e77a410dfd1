"""Optimisers: worked numbers, trajectories against PyTorch, memory orders, threads, saving."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from pyconv import optim
from pyconv._backend import core
from pyconv.tensor import Tensor

# Every option, alone and together; the dampening and nesterov of SGD exclude each other.
OPTIONS = {
    "SGD": [
        {},
        {"lr": 0.1},
        {"momentum": 0.9},
        {"momentum": 0.9, "dampening": 0.3},
        {"momentum": 0.9, "nesterov": True},
        {"weight_decay": 0.1},
        {"maximize": True},
        {"lr": 0.05, "momentum": 0.8, "nesterov": True, "weight_decay": 0.01, "maximize": True},
    ],
    "Adam": [
        {},
        {"lr": 0.1},
        {"betas": (0.5, 0.9)},
        {"eps": 1e-3},
        {"weight_decay": 0.1},
        {"amsgrad": True},
        {"maximize": True},
        {"decoupled_weight_decay": True, "weight_decay": 0.1},
        {"lr": 0.02, "betas": (0.8, 0.95), "weight_decay": 0.05, "amsgrad": True, "maximize": True},
    ],
    "AdamW": [{}, {"lr": 0.1, "weight_decay": 0.2}, {"amsgrad": True, "weight_decay": 0}, {"maximize": True}],
    "Adagrad": [
        {},
        {"lr_decay": 0.1},
        {"weight_decay": 0.1},
        {"initial_accumulator_value": 0.5},
        {"eps": 1e-2},
        {"maximize": True},
    ],
    "Adadelta": [{}, {"lr": 0.5}, {"rho": 0.5}, {"eps": 1e-3}, {"weight_decay": 0.1}, {"maximize": True}],
    "RMSprop": [
        {},
        {"alpha": 0.5},
        {"eps": 1e-3},
        {"weight_decay": 0.1},
        {"momentum": 0.9},
        {"centered": True},
        {"centered": True, "momentum": 0.5, "weight_decay": 0.01, "maximize": True},
    ],
}
CASES = [
    pytest.param(name, options, id=f"{name}-{i}") for name, rows in OPTIONS.items() for i, options in enumerate(rows)
]
STEPS = 20
# Around the vector widths and the size of a block; a scalar; two memory orders.
SHAPES = [
    (1,),
    (3,),
    (4,),
    (7,),
    (8,),
    (15,),
    (16,),
    (17,),
    (33,),
    (),
    (5, 3, 2, 4),
    (2, 3, 2, 3, 2),
    (130, 131),
    (0, 4),
]


@functools.cache
def arrays(dtype, seed=0):
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.standard_normal(s), np.float32).astype(dtype) for s in SHAPES]


def channels_last(a):
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1) if a.ndim in (4, 5) else a.copy()


def run(name, options, dtype, steps=STEPS, param_order=np.array, grad_order=np.array):
    """The parameters after each step on fixed pseudo-random gradients, with a rate that changes."""
    params = [Tensor(param_order(a), requires_grad=True) for a in arrays(dtype)]
    optimizer = getattr(optim, name)(params, **options)
    out = []
    for step in range(steps):
        for i, (p, g) in enumerate(zip(params, arrays(dtype, 100 + step), strict=True)):
            p.grad = None if i == 2 and step % 3 == 1 else Tensor(grad_order(g))
        optimizer.param_groups[0]["lr"] *= 0.95
        optimizer.step()
        out.append([p.array.copy() for p in params])
    return out


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda p: optim.SGD(p, lr=0.1), [0.9, 0.81, 0.729]),
        (lambda p: optim.SGD(p, lr=0.1, momentum=0.9), [0.9, 0.72, 0.486]),
        (lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True), [0.81, 0.5751, 0.327321]),
        (lambda p: optim.SGD(p, lr=0.1, weight_decay=0.01), [0.899, 0.808201, 0.726572699]),
        (lambda p: optim.Adagrad(p, lr=0.1), [0.9000000000, 0.8331035268, 0.7804561814]),
        (lambda p: optim.Adadelta(p, lr=1.0, rho=0.9, eps=1e-6), [0.9968377382, 0.9935981984, 0.9903090829]),
        (lambda p: optim.Adam(p, lr=0.1), [0.9000000010, 0.8004122297, 0.7015862745]),
        (lambda p: optim.AdamW(p, lr=0.1, weight_decay=0.01), [0.8990000010, 0.7985190282, 0.6989111847]),
    ],
    ids=["sgd", "momentum", "nesterov", "decay", "adagrad", "adadelta", "adam", "adamw"],
)
def test_worked_numbers_on_half_w_squared(make, expected):
    """f(w) = w^2 / 2 from w = 1: the gradient is w. Ten decimals are given, cut or rounded."""
    w = Tensor(np.array([1.0]), requires_grad=True)
    optimizer = make([w])
    for value in expected:
        w.grad = Tensor(w.array.copy())
        optimizer.step()
        assert w.array[0] == pytest.approx(value, abs=1.01e-10)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_trajectory_matches_torch(name, options, dtype, torch):
    ours = run(name, options, dtype)
    params = [torch.nn.Parameter(torch.tensor(a)) for a in arrays(dtype)]
    optimizer = getattr(torch.optim, name)(params, **options)
    scale = max(float(np.abs(a).max(initial=0)) for a in ours[-1])
    for step in range(STEPS):
        for i, (p, g) in enumerate(zip(params, arrays(dtype, 100 + step), strict=True)):
            p.grad = None if i == 2 and step % 3 == 1 else torch.tensor(g)
        optimizer.param_groups[0]["lr"] *= 0.95
        optimizer.step()
        for shape, mine, theirs in zip(SHAPES, ours[step], params, strict=True):
            # About ten roundings of numbers of the parameters' size per step, on both sides.
            limit = 20 * (step + 1) * np.finfo(dtype).eps * scale
            error = np.abs(mine - theirs.detach().numpy()).max(initial=0)
            assert error <= limit, f"step {step}, shape {shape}: error {error:.2e}, allowed {limit:.2e}"


@pytest.mark.parametrize(("name", "options"), CASES)
def test_float32_follows_float64_on_every_instruction_set(name, options, isa):
    exact = run(name, options, np.float64)
    got = run(name, options, np.float32)
    scale = max(float(np.abs(a).max(initial=0)) for a in exact[-1])
    for step in range(STEPS):
        for a, b in zip(got[step], exact[step], strict=True):
            assert a.dtype == np.float32
            assert np.abs(a - b).max(initial=0) <= 20 * (step + 1) * np.finfo(np.float32).eps * scale


@pytest.mark.parametrize(("name", "options"), [(name, rows[-1]) for name, rows in OPTIONS.items()])
def test_bits_do_not_depend_on_threads_or_memory_order(name, options, keep_threads):
    first = run(name, options, np.float32, 3)[-1]
    for n in (1, 2, 3, 4, 7):
        core.set_num_threads(n)
        for param_order in (np.array, channels_last):
            for grad_order in (np.array, channels_last, lambda a: np.repeat(a[..., None], 2, -1)[..., 0]):
                got = run(name, options, np.float32, 3, param_order, grad_order)[-1]
                for a, b in zip(got, first, strict=True):
                    assert a.tobytes() == b.tobytes()


def test_strided_parameter_is_updated_in_place_and_nothing_else():
    memory = np.zeros((6, 8), np.float32)
    w = Tensor(memory[::2, 1::3], requires_grad=True)
    w.grad = Tensor(np.ones((3, 3), np.float32))
    optim.SGD([w], lr=1.0).step()
    expected = np.zeros((6, 8), np.float32)
    expected[::2, 1::3] = -1
    np.testing.assert_array_equal(memory, expected)


def test_a_broadcast_gradient_is_read_and_reversed_parameters_are_written():
    w = Tensor(np.zeros((3, 4))[::-1, ::-1], requires_grad=True)
    w.grad = Tensor(np.broadcast_to(np.arange(4.0), (3, 4)))
    optim.SGD([w], lr=1.0).step()
    np.testing.assert_array_equal(w.array, -np.broadcast_to(np.arange(4.0), (3, 4)))


def parameter(*shape, dtype=np.float32):
    return Tensor(np.ones(shape or (2,), dtype), requires_grad=True)


def test_step_bumps_versions_only_of_what_it_changed():
    a, b = parameter(), parameter()
    a.grad = Tensor(np.ones(2, np.float32))
    before = a._version[0], b._version[0]
    optim.SGD([a, b]).step()
    assert a._version[0] == before[0] + 1
    assert b._version[0] == before[1]
    np.testing.assert_array_equal(b.array, 1)


def test_mixed_dtypes_in_one_step():
    a, b = parameter(), parameter(dtype=np.float64)
    for p in (a, b):
        p.grad = Tensor(np.full(2, 0.5, p.dtype))
    optim.Adam([a, b], lr=0.1).step()
    assert a.dtype == np.float32
    np.testing.assert_allclose(a.array, b.array, rtol=1e-6)


def test_momentum_of_a_parameter_that_joins_later_starts_with_its_gradient():
    a, b = parameter(), parameter()
    optimizer = optim.SGD([a, b], lr=1.0, momentum=0.5)
    for step in range(2):
        a.grad = Tensor(np.ones(2, np.float32))
        b.grad = Tensor(np.ones(2, np.float32)) if step else None
        optimizer.step()
    np.testing.assert_array_equal(a.array, 1 - 1 - 1.5)
    np.testing.assert_array_equal(b.array, 0)


def test_zero_grad():
    w = parameter()
    optimizer = optim.SGD([w])
    w.grad = Tensor(np.ones(2, np.float32))
    kept = w.grad
    optimizer.zero_grad(set_to_none=False)
    assert w.grad is kept
    np.testing.assert_array_equal(w.grad.array, 0)
    optimizer.zero_grad()
    assert w.grad is None
    optimizer.zero_grad(set_to_none=False)


def test_closure_runs_with_gradients_enabled_and_its_loss_is_returned():
    from pyconv.tensor import mode

    w = parameter()
    optimizer = optim.SGD([w], lr=1.0)

    def closure():
        assert mode.grad
        w.grad = Tensor(np.ones(2, np.float32))
        return 3.5

    mode.grad = False
    try:
        assert optimizer.step(closure) == 3.5
        assert not mode.grad
    finally:
        mode.grad = True
    np.testing.assert_array_equal(w.array, 0)


def test_groups_have_options_of_their_own():
    a, b = parameter(), parameter()
    optimizer = optim.SGD([{"params": [a]}, {"params": b, "lr": 0.5, "name": "head"}], lr=0.25)
    for p in (a, b):
        p.grad = Tensor(np.ones(2, np.float32))
    optimizer.step()
    np.testing.assert_array_equal(a.array, 0.75)
    np.testing.assert_array_equal(b.array, 0.5)
    assert "lr: 0.5" in repr(optimizer)


@pytest.mark.parametrize(("name", "options"), [(name, rows[-1]) for name, rows in OPTIONS.items()])
def test_a_saved_state_continues_with_the_same_bits(name, options):
    def make():
        params = [Tensor(a.copy(), requires_grad=True) for a in arrays(np.float32)]
        return params, getattr(optim, name)(params, **options)

    def steps(params, optimizer, seeds):
        for seed in seeds:
            for p, g in zip(params, arrays(np.float32, seed), strict=True):
                p.grad = Tensor(g)
            optimizer.step()

    straight, optimizer = make()
    steps(straight, optimizer, range(1, 7))
    half, first = make()
    steps(half, first, range(1, 4))
    rest, second = make()
    for p, q in zip(rest, half, strict=True):
        p.array[...] = q.array
    saved = first.state_dict()
    second.load_state_dict(saved)
    steps(rest, second, range(4, 7))
    for a, b in zip(straight, rest, strict=True):
        assert a.array.tobytes() == b.array.tobytes()
    assert first.state_dict()["param_groups"][0]["params"] == list(range(len(SHAPES)))


def test_a_loaded_state_is_a_copy():
    w = parameter()
    w.grad = Tensor(np.ones(2, np.float32))
    one, two = optim.SGD([w], momentum=0.9), optim.SGD([w], momentum=0.9)
    one.step()
    two.load_state_dict(one.state_dict())
    two.step()
    np.testing.assert_array_equal(one.state[w]["momentum_buffer"].array, 1)
