"""Swapping and swapping back: what a script can tell, and what it cannot."""

from __future__ import annotations

import copy
import io
import pickle
import subprocess
import sys

import pytest


@pytest.fixture
def model(torch):
    torch.manual_seed(0)
    nn = torch.nn
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Sequential(nn.MaxPool2d(2), nn.Flatten()),
                         nn.Linear(36, 5))


@pytest.fixture
def x(torch):
    return torch.randn(2, 3, 8, 8)


def test_state_stays_the_same_objects(torch, accelerate, model, x):
    before = list(model.named_parameters()), list(model.named_buffers()), model.state_dict(keep_vars=True)
    text, modules = repr(model), list(model.modules())
    dictionaries = [dict(m.__dict__) for m in modules]
    types = [type(m) for m in modules]
    handle = accelerate(model)
    model.eval()(x)
    model.train()
    after = list(model.named_parameters()), list(model.named_buffers()), model.state_dict(keep_vars=True)
    for old, new in zip(before[:2], after[:2], strict=True):
        assert [name for name, _ in old] == [name for name, _ in new]
        assert all(a is b for (_, a), (_, b) in zip(old, new, strict=True))
    assert list(before[2]) == list(after[2])
    assert all(before[2][k] is after[2][k] for k in before[2])
    assert repr(model) == text
    assert list(model.modules()) == modules
    assert isinstance(model[0], torch.nn.Conv2d)
    assert isinstance(model[1], torch.nn.BatchNorm2d)
    handle.undo()
    assert [type(m) for m in modules] == types
    for m, old in zip(modules, dictionaries, strict=True):
        assert m.__dict__.keys() == old.keys()
        assert all(m.__dict__[k] is old[k] for k in old)
    handle.undo()
    assert [row.accelerated for row in handle.report()] == [False] * 6


def test_the_report(torch, accelerate, model, x):
    handle = accelerate(model)
    model(x)
    model(x)
    rows = handle.report()
    assert [(r.path, r.type, r.accelerated, r.calls) for r in rows] == [
        ("0", "Conv2d", True, 2), ("1", "BatchNorm2d", True, 2), ("2", "ReLU", True, 2), ("3.0", "MaxPool2d", True, 2),
        ("3.1", "Flatten", False, 0), ("4", "Linear", True, 2)]
    assert rows[4].reason == "pyconv has nothing for a Flatten"
    assert str(rows).splitlines()[:2] == ["5 of 6 layers run on pyconv", "0 (Conv2d): 2 calls"]
    assert "3.1 (Flatten): PyTorch's own: pyconv has nothing for a Flatten" in str(handle.report())


def test_the_handle_calls_the_module(torch, accelerate, model, x):
    handle = accelerate(model)
    assert handle.module is model
    model.eval()
    assert torch.equal(handle(x), model(x))
    assert "5 of 6 layers" in repr(handle)
    assert next(handle.parameters()) is model[0].weight
    assert handle.train().training
    with pytest.raises(AttributeError, match="has no attribute 'missing'"):
        handle.missing  # noqa: B018
    with pytest.raises(AttributeError):
        copy.copy(handle).__missing__  # noqa: B018


def test_twice(torch, accelerate, model, x):
    first = accelerate(model)
    assert model[0](x).is_contiguous()
    second = accelerate(model, memory_format="channels_last")
    assert not model[0](x).is_contiguous()
    assert second.report()[0].calls == 1
    second.undo()
    assert model[0](x).is_contiguous()
    assert first.report()[0].accelerated
    first.undo()
    assert type(model[0]) is torch.nn.Conv2d


def test_a_layer_alone_and_a_layer_used_twice(torch, accelerate, x):
    conv = torch.nn.Conv2d(3, 3, 3, padding=1)
    expected = conv(x)
    handle = accelerate(conv)
    assert torch.allclose(conv(x), expected, atol=1e-5)
    assert handle.report()[0].path == ""
    assert str(handle.report()[0]).startswith("(model) (Conv2d): 1 calls")
    handle.undo()
    both = torch.nn.Sequential(conv, conv)
    handle = accelerate(both)
    both(x)
    assert [(row.path, row.calls) for row in handle.report()] == [("0", 2)]


@pytest.mark.parametrize(("call", "error", "text"), [
    (lambda f, torch: f(lambda x: x), TypeError, r"\[accelerate\] module is function, expected a torch.nn.Module"),
    (lambda f, torch: f(torch.nn.ReLU(), "nhwc"), ValueError, r"\[accelerate\] memory_format is 'nhwc', expected"),
    (lambda f, torch: f(torch.nn.ReLU(), torch.channels_last), ValueError, r"\[accelerate\] memory_format is"),
])
def test_bad_arguments(torch, accelerate, call, error, text):
    with pytest.raises(error, match=text):
        call(accelerate, torch)


def test_deepcopy_stays_accelerated_and_has_its_own_weights(torch, accelerate, model, x):
    handle = accelerate(model)
    model.eval()
    twin = copy.deepcopy(model)
    before = model(x)
    assert torch.equal(twin(x), before)
    with torch.no_grad():
        for p in twin.parameters():
            p.zero_()
    assert torch.equal(model(x), before)
    assert float(twin(x).detach().abs().max()) == 0
    assert handle.report()[0].calls == 2
    other = accelerate(twin)
    handle.undo()
    twin(x)
    assert other.report()[0].calls == 1
    shallow = copy.copy(twin[0])
    shallow.bias = torch.nn.Parameter(torch.ones(4))
    assert torch.equal(shallow(x), torch.ones(2, 4, 6, 6))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_hold_the_plain_layers(torch, accelerate, model, x, protocol):
    accelerate(model)
    model.eval()
    expected = model(x)
    loaded = pickle.loads(pickle.dumps(model, protocol))
    assert type(loaded[0]) is torch.nn.Conv2d
    assert loaded[0].__dict__.keys() == torch.nn.Conv2d(3, 4, 3).__dict__.keys()
    assert torch.allclose(loaded(x), expected, atol=1e-5)
    assert torch.equal(accelerate(loaded)(x), expected)


def test_a_saved_model_loads_without_pyconv(torch, accelerate, model, x, tmp_path):
    accelerate(model)
    torch.save(model, tmp_path / "model.pt")
    torch.save(model.state_dict(), tmp_path / "state.pt")
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", f"""
import sys, torch
sys.modules["pyconv"] = None
model = torch.load({str(tmp_path / 'model.pt')!r}, weights_only=False)
model.load_state_dict(torch.load({str(tmp_path / 'state.pt')!r}))
print(tuple(model(torch.ones(2, 3, 8, 8)).shape))
"""], capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout == "(2, 5)\n", done.stderr
    buffer = io.BytesIO()
    torch.save(model[0], buffer)
    buffer.seek(0)
    assert type(torch.load(buffer, weights_only=False)) is torch.nn.Conv2d


def test_hooks_see_what_they_saw(torch, accelerate, model, x):
    seen = []
    model[0].register_forward_pre_hook(lambda m, args: seen.append(("before", tuple(args[0].shape))))
    model[0].register_forward_hook(lambda m, args, y: y * 2)
    model[0].register_full_backward_hook(lambda m, gx, gy: seen.append(("backward", tuple(gy[0].shape))))
    x.requires_grad_()
    model(x).sum().backward()
    expected, before = list(seen), x.grad.clone()
    seen.clear()
    x.grad = None
    handle = accelerate(model)
    model(x).sum().backward()
    assert seen == expected == [("before", (2, 3, 8, 8)), ("backward", (2, 4, 6, 6))]
    assert torch.allclose(x.grad, before, atol=1e-5)
    assert handle.report()[0].calls == 1


def double_weights(torch):
    class Twice(torch.nn.Module):
        def forward(self, weight):
            return 2 * weight
    return Twice()


@pytest.mark.parametrize("first", ["parametrization", "accelerate"])
def test_parametrizations(torch, accelerate, x, first):
    from torch.nn.utils import parametrize

    conv = torch.nn.Conv2d(3, 4, 3)
    plain = conv(x)
    doubled = 2 * plain - conv.bias.view(1, 4, 1, 1)
    if first == "parametrization":
        parametrize.register_parametrization(conv, "weight", double_weights(torch))
    handle = accelerate(conv)
    if first == "accelerate":
        parametrize.register_parametrization(conv, "weight", double_weights(torch))
    assert torch.allclose(conv(x), doubled, atol=1e-4)
    assert type(conv).__name__ == "ParametrizedConv2d"
    assert handle.report()[0].calls == 1
    conv(x).sum().backward()
    assert conv.parametrizations.weight.original.grad is not None
    twin = copy.deepcopy(conv)
    assert torch.equal(twin(x), conv(x))
    handle.undo()
    assert torch.allclose(conv(x), doubled, atol=1e-4)
    assert torch.allclose(twin(x), doubled, atol=1e-4)
    parametrize.remove_parametrizations(conv, "weight", leave_parametrized=False)
    assert type(conv) is torch.nn.Conv2d
    assert torch.allclose(conv(x), plain, atol=1e-4)


def test_a_parametrization_that_is_removed_leaves_an_accelerated_layer(torch, accelerate, x):
    from torch.nn.utils import parametrize

    conv = torch.nn.Conv2d(3, 4, 3)
    plain = conv(x)
    parametrize.register_parametrization(conv, "weight", double_weights(torch))
    handle = accelerate(conv)
    parametrize.remove_parametrizations(conv, "weight", leave_parametrized=False)
    assert torch.allclose(conv(x), plain, atol=1e-5)
    assert handle.report()[0].calls == 1
    handle.undo()
    assert type(conv) is torch.nn.Conv2d


@pytest.mark.filterwarnings("ignore")  # weight_norm's deprecation
def test_weight_norm_and_spectral_norm(torch, accelerate, x):
    for wrap in (torch.nn.utils.weight_norm, torch.nn.utils.parametrizations.weight_norm,
                 torch.nn.utils.parametrizations.spectral_norm):
        torch.manual_seed(0)
        conv = wrap(torch.nn.Conv2d(3, 4, 3)).eval()
        expected = conv(x)
        handle = accelerate(conv)
        assert torch.allclose(conv(x), expected, atol=1e-5)
        assert handle.report()[0].calls == 1
        conv(x).sum().backward()


def own_forward(torch):
    class Standardised(torch.nn.Conv2d):
        def forward(self, x):
            return self._conv_forward(x, self.weight - self.weight.mean(), self.bias)
    return Standardised(3, 4, 3)


def own_inner_forward(torch):
    class Doubled(torch.nn.Conv2d):
        def _conv_forward(self, x, weight, bias):
            return super()._conv_forward(x, 2 * weight, bias)
    return Doubled(3, 4, 3)


def replaced_forward(torch):
    conv = torch.nn.Conv2d(3, 4, 3)
    conv.forward = lambda x: x
    return conv


@pytest.mark.filterwarnings("ignore")  # of lazy modules
@pytest.mark.parametrize(("make", "reason"), [
    (own_forward, "Standardised has a forward pass of its own"),
    (own_inner_forward, "Doubled has a forward pass of its own"),
    (replaced_forward, "its forward pass was replaced on the instance"),
    (lambda torch: torch.nn.LazyConv2d(4, 3), "it is lazy: call accelerate after its first forward pass"),
    (lambda torch: torch.nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), "padding_mode is 'reflect', not 'zeros'"),
    (lambda torch: torch.nn.Hardswish(), "pyconv has nothing for a Hardswish"),
    (lambda torch: torch.nn.MaxPool2d(2, return_indices=True), "return_indices is set"),
    (lambda torch: torch.nn.SyncBatchNorm(4), "pyconv has nothing for a SyncBatchNorm"),
])
def test_layers_that_stay_as_they_are(torch, accelerate, make, reason):
    layer = make(torch)
    before = type(layer)
    handle = accelerate(torch.nn.Sequential(layer))
    (row,) = handle.report()
    assert (row.accelerated, row.reason) == (False, reason)
    assert type(layer) is before
    assert reason in str(handle.report())


def test_a_subclass_without_a_forward_pass_of_its_own(torch, accelerate, x):
    class Named(torch.nn.Conv2d):
        def extra_repr(self):
            return "named"

        def helper(self):
            return super().extra_repr()

    conv = Named(3, 4, 3)
    expected = conv(x)
    handle = accelerate(conv)
    assert isinstance(conv, Named)
    assert repr(conv) == "Named(named)"
    assert conv.helper().startswith("3, 4")
    assert torch.allclose(conv(x), expected, atol=1e-5)
    handle.undo()
    assert type(conv) is Named


def test_memory_is_freed_without_the_garbage_collector(torch, accelerate, x):
    import gc
    import weakref

    conv = torch.nn.Conv2d(3, 4, 3)
    accelerate(conv)
    conv(x)
    seen = weakref.ref(conv.weight)
    gc.disable()
    try:
        del conv
        assert seen() is None
    finally:
        gc.enable()
