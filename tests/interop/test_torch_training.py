"""Whole networks: several steps with PyTorch's optimizers, the same losses with and without."""

from __future__ import annotations

import copy

import pytest

BUILDERS = {}


def net(build):
    BUILDERS[build.__name__] = build
    return build


@net
def lenet(torch):
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)), (8, 1, 16, 16)


@net
def vgg(torch):
    nn = torch.nn
    layers, c = [], 3
    for width in (16, 32):
        for _ in range(2):
            layers += [nn.Conv2d(c, width, 3, padding=1), nn.ReLU(inplace=True)]
            c = width
        layers.append(nn.MaxPool2d(2))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.features, self.classifier = nn.Sequential(*layers), nn.Linear(32 * 16, 10)

        def forward(self, x):
            x = self.features(x)
            return self.classifier(x.view(x.size(0), -1))  # legal on contiguous activations alone

    return Net(), (4, 3, 16, 16)


@net
def resnet(torch):
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self, c, k, stride):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(c, k, 3, stride, 1, bias=False), nn.BatchNorm2d(k)
            self.conv2, self.bn2 = nn.Conv2d(k, k, 3, 1, 1, bias=False), nn.BatchNorm2d(k)
            self.relu = nn.ReLU(inplace=True)
            self.down = None
            if stride > 1 or c != k:
                self.down = nn.Sequential(nn.Conv2d(c, k, 1, stride, bias=False), nn.BatchNorm2d(k))

        def forward(self, x):
            y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
            y += x if self.down is None else self.down(x)
            return self.relu(y)

    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(3, 2, 1),
        Block(16, 16, 1), Block(16, 32, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)), (8, 3, 16, 16)


def losses(torch, model, shape, steps=5, optimizer="SGD", accumulate=1):
    torch.manual_seed(1)
    options = {"momentum": 0.9, "weight_decay": 1e-4} if optimizer == "SGD" else {}
    step = getattr(torch.optim, optimizer)(model.parameters(), lr=0.02 if optimizer == "SGD" else 1e-3, **options)
    found = []
    for _ in range(steps):
        step.zero_grad()
        for _ in range(accumulate):
            x, y = torch.randn(shape), torch.randint(0, 10, shape[:1])
            loss = torch.nn.functional.cross_entropy(model(x), y)
            loss.backward()
            found.append(loss.item())
        step.step()
    return found


@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize("memory_format", ["preserve", "channels_last"])
@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_the_same_losses(torch, accelerate, name, memory_format, optimizer):
    """Roundings grow from step to step: by a factor of two or so at these rates, from 1e-7."""
    model, shape = BUILDERS[name](torch)
    if name == "vgg" and memory_format == "channels_last":
        pytest.skip("it calls view on an activation")
    other = copy.deepcopy(model)
    handle = accelerate(model, memory_format)
    got, expected = losses(torch, model, shape, 5, optimizer), losses(torch, other, shape, 5, optimizer)
    assert got == pytest.approx(expected, rel=1e-4)
    assert all(row.fallbacks == {} for row in handle.report())
    for (key, a), b in zip(model.state_dict().items(), other.state_dict().values(), strict=True):
        if a.dtype == torch.int64:
            assert torch.equal(a, b)
        elif optimizer == "SGD":  # Adam's step is the gradient's sign at first: a rounding turns it over
            assert float((a - b).abs().max()) <= 1e-3 * float(b.abs().max()), key


def test_a_view_of_a_channels_last_activation_is_refused_by_torch(torch, accelerate):
    model, shape = vgg(torch)
    accelerate(model, "channels_last")
    with pytest.raises(RuntimeError, match="view size is not compatible"):
        model(torch.randn(shape))


def test_gradients_accumulate(torch, accelerate):
    model, shape = resnet(torch)
    other = copy.deepcopy(model)
    accelerate(model)
    assert losses(torch, model, shape, 3, accumulate=3) == pytest.approx(losses(torch, other, shape, 3, accumulate=3),
                                                                       rel=1e-4)


def test_a_frozen_backbone(torch, accelerate):
    model, shape = resnet(torch)
    for p in model[:-1].parameters():
        p.requires_grad_(False)
    model[:-1].eval()
    other = copy.deepcopy(model)
    accelerate(model)
    assert losses(torch, model, shape, 3) == pytest.approx(losses(torch, other, shape, 3), rel=1e-4)
    assert all(p.grad is None for p in model[:-1].parameters())
    assert torch.equal(model[1].running_mean, other[1].running_mean)


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointing(torch, accelerate, reentrant):
    from torch.utils.checkpoint import checkpoint

    model, shape = resnet(torch)
    model.eval()
    x = torch.randn(shape, requires_grad=True)
    model(x).square().sum().backward()
    expected = [x.grad.clone(), *(p.grad.clone() for p in model.parameters())]
    x.grad = None
    model.zero_grad()
    accelerate(model)
    checkpoint(model, x, use_reentrant=reentrant).square().sum().backward()
    for got, want in zip([x.grad, *(p.grad for p in model.parameters())], expected, strict=True):
        assert float((got - want).abs().max()) <= 1e-4 * float(want.abs().max()) + 1e-6


def test_memory_goes_back_to_the_arena(torch, accelerate):
    from pyconv import runtime

    model, shape = resnet(torch)
    accelerate(model)
    losses(torch, model, shape, 1)
    model.zero_grad()
    before = runtime.memory()["current_bytes"]
    losses(torch, model, shape, 3)
    model.zero_grad()
    assert runtime.memory()["current_bytes"] == before


def test_outputs_outlive_the_model(torch, accelerate):
    import gc

    model, shape = lenet(torch)
    accelerate(model)
    x = torch.randn(shape)
    y = model[0](x)
    expected, view = y.detach().clone(), y.detach()[0]
    del model, y
    gc.collect()
    for _ in range(3):
        torch.nn.Conv2d(1, 6, 5, padding=2)(x)
    assert torch.equal(view, expected[0])
