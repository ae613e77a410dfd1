"""Checkpoints: the same bits as the plain call, statistics and draws once, memory by segment."""

from __future__ import annotations

import gc

import numpy as np
import pytest

import pyconv
from pyconv import nn, runtime
from pyconv.autograd import checkpoint, checkpoint_sequential
from pyconv.nn import functional as F


def block(width: int = 4) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
                         nn.Dropout(0.5), nn.MaxPool2d(2, 1, 1), nn.InstanceNorm2d(width, track_running_stats=True))


def same(ours, plain):
    assert set(ours) == set(plain)
    for name, value in plain.items():
        assert ours[name].tobytes() == value.tobytes(), name


def step(model, run, x, steps=2):
    """Losses, gradients, state and the generator after some steps of SGD."""
    pyconv.manual_seed(3)
    optimizer = pyconv.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    found = {}
    for i in range(steps):
        optimizer.zero_grad()
        leaf = pyconv.tensor(x, requires_grad=True)
        loss = (run(model, leaf) ** 2).mean()
        loss.backward()
        optimizer.step()
        found[f"{i} loss"] = loss.detach().numpy().copy()
        found[f"{i} x"] = leaf.grad.numpy().copy()
        found.update({f"{i} {n}": p.grad.numpy().copy() for n, p in model.named_parameters()})
    found.update({n: v.numpy().copy() for n, v in model.state_dict().items()})
    found["next draw"] = pyconv.rand(3).numpy()
    return found


def plain(model, x):
    return model(x)


def each(model, x):
    for layer in model:
        x = checkpoint(layer, x)
    return x


def nested(model, x):
    middle = len(model) // 2
    inner = lambda v: checkpoint(model[middle:], v, use_reentrant=False)  # noqa: E731
    return checkpoint(lambda v: inner(checkpoint(model[:middle], v)), x)


@pytest.mark.parametrize("run", [each, nested, lambda m, x: checkpoint_sequential(m, 3, x),
                                 lambda m, x: checkpoint_sequential(m, 1, x),
                                 lambda m, x: checkpoint(m, x, use_reentrant=True, determinism_check="none")],
                         ids=["each", "nested", "sequential", "one", "whole"])
def test_bits_are_those_of_the_plain_call(run):
    pyconv.manual_seed(0)
    state = (model := nn.Sequential(*[block() for _ in range(6)])).state_dict()
    x = np.random.default_rng(0).standard_normal((3, 4, 9, 9)).astype(np.float32)
    expected = step(_copy(model, state), plain, x)
    same(step(_copy(model, state), run, x), expected)
    assert expected["0.1.num_batches_tracked"] == 2


def _copy(model, state):
    new = nn.Sequential(*[block() for _ in range(len(model))])
    new.load_state_dict({k: v.numpy().copy() for k, v in state.items()})
    return new


def test_memory_is_that_of_the_segments():
    """A stack of 64 layers in 8 segments: 8 + 8 values at a time where the plain call keeps 64."""
    layers = nn.Sequential(*[nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.Tanh()) for _ in range(64)])
    x = pyconv.randn(4, 4, 64, 64)
    size = 4 * x.numel()

    def peak(run):
        gc.collect()
        runtime.reset_peak()
        before = runtime.memory()["current_bytes"]
        run(x).sum().backward()
        found = {n: p.grad.numpy().copy() for n, p in layers.named_parameters()}
        layers.zero_grad()
        return (runtime.memory()["peak_bytes"] - before) / size, found

    most, expected = peak(layers)
    assert most >= 64  # tanh keeps its output, the convolution its input: the same memory
    for segments in (4, 8, 16):
        used, found = peak(lambda v, n=segments: checkpoint_sequential(layers, n, v))
        same(found, expected)
        # An input per segment, the values of one segment, and gradients and results under way.
        assert used <= segments + 64 // segments + 6, (segments, used)


def test_dropped_values_are_free_before_the_backward_pass():
    x = pyconv.randn(1, 4, 64, 64, requires_grad=True)
    layers = nn.Sequential(*[nn.Tanh() for _ in range(20)])
    before = runtime.memory()["current_bytes"]
    y = checkpoint(layers, x)
    assert runtime.memory()["current_bytes"] - before == 4 * y.numel()
    del y  # and a graph that nobody walks holds nothing, without help of the garbage collector
    assert runtime.memory()["current_bytes"] == before


def test_gradients_of_chosen_tensors_hooks_and_a_second_pass():
    weight = pyconv.randn(3, 3, requires_grad=True)
    x = pyconv.randn(2, 3, requires_grad=True)
    heard = []

    def function(a, scale, *, extra):
        inner = (a @ weight).tanh()
        if inner.requires_grad:
            inner.register_hook(lambda g: heard.append(g.shape))
        return [inner * scale, {"sum": (inner + extra["b"]).exp()}]

    b = pyconv.randn(2, 3, requires_grad=True)
    first, rest = checkpoint(function, x, 2.0, extra={"b": b})
    loss = (first * rest["sum"]).sum()
    got = pyconv.autograd.grad(loss, [x, weight, b], retain_graph=True)
    again = pyconv.autograd.grad(loss, [x, weight, b])
    heard_by_checkpoint = len(heard)
    first, rest = function(x, 2.0, extra={"b": b})
    expected = pyconv.autograd.grad((first * rest["sum"]).sum(), [x, weight, b])
    for g, a, e in zip(got, again, expected, strict=True):
        assert g.numpy().tobytes() == e.numpy().tobytes() == a.numpy().tobytes()
    assert heard_by_checkpoint == 2  # once per pass
    with pytest.raises(RuntimeError, match=r"second pass through"):
        loss.backward()


def test_own_functions_and_nothing_to_record():
    class Square(pyconv.autograd.Function):
        @staticmethod
        def forward(ctx, v):
            ctx.save_for_backward(v)
            return v * v

        @staticmethod
        def backward(ctx, g):
            (v,) = ctx.saved_tensors
            return g * v * 2

    x = pyconv.tensor([3.0], requires_grad=True)
    checkpoint(lambda v: Square.apply(Square.apply(v)), x).backward()
    assert x.grad.tolist() == [108.0]
    with pyconv.no_grad():
        assert not checkpoint(lambda v: v * v, x).requires_grad
    assert checkpoint(lambda: 5) == 5
    with pyconv.device("meta"):
        layer = nn.Linear(10**5, 10**4)
        assert checkpoint(layer, pyconv.zeros(1, 10**5)).shape == (1, 10**4)


def test_without_the_state_of_the_generator_the_draws_differ():
    x = pyconv.ones(1000, requires_grad=True)
    pyconv.manual_seed(0)
    y = checkpoint(lambda v: F.dropout(v) * v, x, preserve_rng_state=False)
    y.sum().backward()
    assert not np.array_equal(x.grad.numpy() > 0, y.detach().numpy() > 0)


def test_batch_norm_averaging_all_batches():
    plainly, checked = nn.BatchNorm1d(2, momentum=None), nn.BatchNorm1d(2, momentum=None)
    for seed in range(3):
        x = np.random.default_rng(seed).standard_normal((5, 2)).astype(np.float32)
        plainly(pyconv.tensor(x, requires_grad=True)).sum().backward()
        checkpoint(checked, pyconv.tensor(x, requires_grad=True)).sum().backward()
    same(*[{n: v.numpy() for n, v in m.state_dict().items()} for m in (checked, plainly)])
    assert checked.num_batches_tracked.item() == 3


def test_what_waits_for_its_consumer_crosses_the_border():
    """Batch norm writes together with the relu behind it; here they stand on two sides of a border."""
    pyconv.manual_seed(0)
    convolution, norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
    x = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)
    found = []
    for wrap in (lambda f, v: f(v), checkpoint):
        leaf = pyconv.tensor(x, requires_grad=True)
        y = wrap(lambda v: norm(convolution(v)), leaf)
        wrap(lambda v: F.relu(v) * 2, F.relu(y) + norm(convolution(leaf))).sum().backward()
        found.append({"x": leaf.grad.numpy(), **{n: p.grad.numpy().copy() for n, p in norm.named_parameters()}})
        norm.zero_grad()
    same(found[1], found[0])


def test_values_changed_meanwhile_are_an_error():
    x = pyconv.ones(3, requires_grad=True) * 2
    with pytest.raises(RuntimeError, match=r"\[checkpoint\] the function changed one of its arguments in place"):
        checkpoint(lambda v: v.relu_() * x, pyconv.ones(3))
    with pytest.raises(RuntimeError, match=r"\[relu_\] the tensor shares its memory with a view, or was saved"):
        checkpoint(lambda v: v.relu_().exp(), x * 1)
    y = checkpoint(lambda v: v.exp(), x)
    with pyconv.no_grad():
        x.add_(1)
    with pytest.raises(RuntimeError, match=r"\[checkpoint\] an argument of the function was changed in place"):
        y.sum().backward()
    weight = pyconv.ones(3, requires_grad=True)
    y = checkpoint(lambda v: (v * weight).exp(), pyconv.ones(3, requires_grad=True))
    with pyconv.no_grad():
        weight.add_(1)
    with pytest.raises(RuntimeError, match=r"changed in place after it was used"):
        y.sum().backward()


@pytest.mark.parametrize(("second", "match"), [
    (lambda v: v.tanh() * v, r"operation 0 is tanh to .* exp to"),
    (lambda v: v.exp(), r"it ran 1 operations, 2 the first time"),
    (lambda v: v.exp().exp().exp(), r"operation 2, exp, is one more"),
])
def test_a_function_that_does_something_else(second, match):
    calls = []

    def function(v):
        calls.append(1)
        return v.exp().exp() if len(calls) == 1 else second(v)

    y = checkpoint(function, pyconv.ones(3, requires_grad=True))
    with pytest.raises(RuntimeError, match=match):
        y.sum().backward()
    z = pyconv.ones(3, requires_grad=True)  # nothing is left behind
    checkpoint(lambda v: v.exp(), z).sum().backward()
    assert z.grad is not None


def test_an_error_in_the_second_run_leaves_nothing_behind():
    calls = []

    def function(v):
        calls.append(1)
        if len(calls) == 2:
            raise KeyError("mine")
        return v.exp()

    x = pyconv.ones(2, requires_grad=True)
    with pytest.raises(KeyError, match="mine"):
        checkpoint(function, x).sum().backward()
    norm = nn.BatchNorm1d(2)
    norm(pyconv.randn(4, 2))
    assert norm.num_batches_tracked.item() == 1


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda x: checkpoint(3, x), TypeError, r"\[checkpoint\] function is int, expected a callable"),
    (lambda x: checkpoint(nn.ReLU(), x, context_fn=len), ValueError, r"\[checkpoint\] context_fn is .*, expected None"),
    (lambda x: checkpoint(nn.ReLU(), x, debug=True), ValueError, r"\[checkpoint\] debug is True, expected False"),
    (lambda x: checkpoint(nn.ReLU(), x, early_stop=False), ValueError, r"early_stop is False, expected True"),
    (lambda x: checkpoint(nn.ReLU(), x, use_reentrant=2), ValueError, r"use_reentrant is 2, expected None or True or"),
    (lambda x: checkpoint(nn.ReLU(), x, determinism_check="all"), ValueError, r"is 'all', expected 'default' or 'none'"),
    (lambda x: checkpoint_sequential([nn.ReLU()], 2, x), ValueError, r"segments is 2, expected 1 to 1, the number of"),
    (lambda x: checkpoint_sequential([nn.ReLU()], 0, x), ValueError, r"segments is 0, expected 1 to 1"),
    (lambda x: checkpoint_sequential([nn.ReLU()], 1.5, x), TypeError, r"segments is 1.5, expected a whole number"),
])
def test_misuse(call, error, match):
    with pytest.raises(error, match=match):
        call(pyconv.ones(2, requires_grad=True))


def test_like_torch(torch):
    from torch.utils.checkpoint import checkpoint_sequential as theirs

    ours = nn.Sequential(*[nn.Sequential(nn.Linear(5, 5), nn.Tanh()) for _ in range(7)])
    twin = torch.nn.Sequential(*[torch.nn.Sequential(torch.nn.Linear(5, 5), torch.nn.Tanh()) for _ in range(7)])
    twin.load_state_dict({k: torch.tensor(v.numpy()) for k, v in ours.state_dict().items()})
    x = np.random.default_rng(0).standard_normal((4, 5)).astype(np.float32)
    y = checkpoint_sequential(ours, 3, pyconv.tensor(x), use_reentrant=False)
    z = theirs(twin, 3, torch.tensor(x), use_reentrant=False)
    y.sum().backward()
    z.sum().backward()
    for p, q in zip(ours.parameters(), twin.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-5, atol=1e-6)
