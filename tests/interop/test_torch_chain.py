"""Inside a Sequential activations lie in channels-last order; nobody outside of it can tell."""

from __future__ import annotations

import copy

import pytest


@pytest.fixture
def orders(torch, monkeypatch):
    """The strides of the second axis of what each convolution was given, in the order of the calls."""
    from pyconv.interop.torch.kinds import Convolution

    seen = []
    plain = Convolution.call

    def call(self, module, x, layer, last):
        seen.append("last" if x.stride(1) == 1 else "first")
        return plain(self, module, x, layer, last)

    monkeypatch.setattr(Convolution, "call", call)
    return seen


def convolutions(torch, *between, end=()):
    nn = torch.nn
    return nn.Sequential(nn.Conv2d(3, 4, 3), *between, nn.Conv2d(4, 5, 3), *end)


def run(torch, model, x, close):
    """Results and gradients of the model before and after, from equal states; the handle."""
    from pyconv.interop.torch import accelerate

    other = copy.deepcopy(model)
    handle = accelerate(model)
    results = []
    for m in (model, other):
        torch.manual_seed(3)  # of dropout
        leaf = x.clone(memory_format=torch.preserve_format).requires_grad_()
        y = m(leaf)
        (y * torch.linspace(-1, 1, y.numel()).view(y.shape)).sum().backward()
        results.append([y, leaf.grad, *(p.grad for p in m.parameters())])
    for got, expected in zip(*results, strict=True):
        close(got, expected, relative=1e-4, floor=1e-4)  # norms make the gradient of a bias before them zero
    assert results[0][0].stride() == results[1][0].stride()
    return handle


@pytest.mark.parametrize(("between", "second"), [
    (lambda nn: [], "last"),
    (lambda nn: [nn.ReLU()], "last"),
    (lambda nn: [nn.ReLU(inplace=True)], "last"),
    (lambda nn: [nn.BatchNorm2d(4), nn.LeakyReLU(), nn.Dropout2d(), nn.MaxPool2d(2)], "last"),
    (lambda nn: [nn.ReLU(), nn.Dropout()], "first"),
    (lambda nn: [nn.Identity(), nn.Sequential(nn.BatchNorm2d(4), nn.ReLU(inplace=True))], "last"),
    (lambda nn: [nn.Softmax(1)], "first"),
    (lambda nn: [nn.BatchNorm2d(4), nn.LocalResponseNorm(2)], "first"),
])
def test_what_stands_between(torch, accelerate, close, orders, between, second):
    model = convolutions(torch, *between(torch.nn))
    handle = run(torch, model, torch.randn(2, 3, 12, 12), close)
    assert orders == ["first", second]
    assert all(row.fallbacks == {} for row in handle.report())


@pytest.mark.parametrize("end", [
    lambda nn: [nn.ReLU(inplace=True)], lambda nn: [nn.Dropout(0.5)], lambda nn: [nn.MaxPool2d(2), nn.Sigmoid()],
    lambda nn: [nn.Flatten()], lambda nn: [nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(20, 3)],
    lambda nn: [nn.Flatten(2)], lambda nn: [nn.Sequential(nn.Tanh(), nn.Sequential(nn.Identity()))],
    lambda nn: [nn.Sequential()],
])
@pytest.mark.parametrize("order", ["contiguous", "channels_last"])
def test_what_comes_out(torch, accelerate, close, end, order):
    x = torch.randn(2, 3, 12, 12)
    if order == "channels_last":
        x = x.contiguous(memory_format=torch.channels_last)
    run(torch, convolutions(torch, end=end(torch.nn)), x, close)


def test_children_called_alone_give_what_they_gave(torch, accelerate):
    """Style transfer: the features are walked through by hand, and looked at with view."""
    model = convolutions(torch, torch.nn.ReLU())
    accelerate(model)
    x = torch.randn(1, 3, 12, 12)
    for layer in model:
        x = layer(x)
        assert x.is_contiguous()
        assert x.view(x.size(1), -1).ndim == 2
    assert model[:1](torch.randn(1, 3, 12, 12)).is_contiguous()


@pytest.mark.parametrize("kind", ["forward", "pre", "backward", "global"])
def test_hooks_see_contiguous_activations(torch, accelerate, orders, kind):
    model = convolutions(torch, torch.nn.ReLU())
    accelerate(model)
    seen = []
    if kind == "forward":
        handle = model[0].register_forward_hook(lambda m, args, y: seen.append(y.is_contiguous()))
    elif kind == "pre":
        handle = model[2].register_forward_pre_hook(lambda m, args: seen.append(args[0].is_contiguous()))
    elif kind == "backward":
        handle = model[2].register_full_backward_hook(lambda m, gx, gy: seen.append(gy[0].shape == (1, 5, 8, 8)))
    else:
        handle = torch.nn.modules.module.register_module_forward_hook(lambda m, args, y: seen.append(y.is_contiguous()))
    model(torch.randn(1, 3, 12, 12, requires_grad=True)).sum().backward()
    handle.remove()
    assert seen
    assert all(seen)
    assert orders[1] == ("last" if kind == "forward" else "first")  # then the ReLU reorders
    model(torch.randn(1, 3, 12, 12))
    assert orders[3] == "last"


def test_a_child_that_falls_back_at_the_end(torch, accelerate, close):
    model = convolutions(torch, torch.nn.ReLU(), end=(torch.nn.ReLU(),))
    x = torch.randn(2, 3, 12, 12)
    expected = model(x)
    handle = accelerate(model)
    for layer in model[2:]:
        layer._pyconv_layer.kind.call, kept = lambda *_: "it is only a test", layer._pyconv_layer.kind.call
        got = model(x)
        close(got, expected)
        assert got.is_contiguous()
        layer._pyconv_layer.kind.call = kept
    assert [row.fallbacks for row in handle.report()][2:] == [{"it is only a test": 1}, {"it is only a test": 1}]


def test_a_chain_is_swapped_back_and_copied(torch, accelerate):
    model = convolutions(torch)
    before = dict(model.__dict__)
    handle = accelerate(model)
    assert type(copy.deepcopy(model)) is type(model) is not torch.nn.Sequential
    assert [row.type for row in handle.report()] == ["Conv2d", "Conv2d"]
    handle.undo()
    assert type(model) is torch.nn.Sequential
    assert model.__dict__ == before

    class Own(torch.nn.Sequential):
        def forward(self, x):
            return super().forward(x) + 1

    own = Own(torch.nn.Conv2d(3, 4, 3))
    accelerate(own)
    assert type(own) is Own


def test_an_input_that_is_no_batch_of_maps(torch, accelerate):
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU())
    expected = model(torch.ones(2, 4))
    accelerate(model)
    assert torch.allclose(model(torch.ones(2, 4)), expected)
    assert model(torch.ones(2, 4).double().float()).shape == (2, 3)
    with pytest.raises(TypeError):
        model(None)


def test_gradients_of_activations_have_the_order_of_the_activations(torch, accelerate):
    """Grad-CAM: the gradient of a feature map is looked at with view, whenever it was asked for."""
    features, head = convolutions(torch, torch.nn.ReLU()), torch.nn.Conv2d(5, 2, 3)
    accelerate(torch.nn.ModuleList([features, head]))
    maps = features(torch.randn(2, 3, 12, 12))
    seen = []
    result = head(maps)
    maps.register_hook(lambda g: seen.append(g.view(2, 5, -1).shape))
    (gradient,) = torch.autograd.grad(result.sum(), maps)
    assert seen == [(2, 5, 64)]
    assert gradient.view(2, 5, -1).shape == (2, 5, 64)
