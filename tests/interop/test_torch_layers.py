"""Every layer that is swapped, against itself before: results, gradients, memory order, buffers."""

from __future__ import annotations

import copy

import pytest

LAYERS = {
    "conv1d": ("Conv1d", (3, 5, 3), {"padding": 1}, (2, 3, 17)),
    "conv2d": ("Conv2d", (3, 8, 3), {"padding": 1}, (2, 3, 12, 11)),
    "conv2d-1-channel": ("Conv2d", (1, 6, 5), {"padding": 2}, (3, 1, 28, 28)),
    "conv2d-1-filter": ("Conv2d", (4, 1, 3), {}, (2, 4, 9, 9)),
    "conv2d-1x1-map": ("Conv2d", (8, 4, 1), {}, (2, 8, 1, 1)),
    "conv2d-winograd": ("Conv2d", (16, 32, 3), {"padding": 1, "bias": False}, (2, 16, 20, 20)),
    "conv2d-strided": ("Conv2d", (4, 6, (3, 5)), {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2)}, (2, 4, 15, 14)),
    "conv2d-same": ("Conv2d", (4, 6, 4), {"padding": "same"}, (2, 4, 9, 9)),
    "conv2d-valid": ("Conv2d", (4, 6, 4), {"padding": "valid"}, (2, 4, 9, 9)),
    "conv2d-groups": ("Conv2d", (8, 8, 3), {"groups": 8}, (2, 8, 9, 9)),
    "conv2d-unbatched": ("Conv2d", (3, 4, 3), {}, (3, 9, 9)),
    "conv3d": ("Conv3d", (3, 4, 3), {"padding": 1}, (2, 3, 5, 6, 7)),
    "conv3d-unbatched": ("Conv3d", (3, 4, 3), {"padding": 1}, (3, 5, 6, 7)),
    "transposed1d": ("ConvTranspose1d", (3, 4, 3), {"stride": 2}, (2, 3, 7)),
    "transposed2d": ("ConvTranspose2d", (3, 4, 3), {"stride": 2, "padding": 1, "output_padding": 1}, (2, 3, 7, 8)),
    "transposed2d-groups": ("ConvTranspose2d", (4, 6, 3), {"groups": 2, "dilation": 2, "bias": False}, (2, 4, 7, 8)),
    "transposed3d": ("ConvTranspose3d", (2, 3, 2), {"stride": 2}, (2, 2, 3, 4, 3)),
    "norm1d": ("BatchNorm1d", (5,), {}, (6, 5)),
    "norm1d-sequence": ("BatchNorm1d", (5,), {}, (3, 5, 7)),
    "norm2d": ("BatchNorm2d", (5,), {"momentum": 0.3, "eps": 1e-3}, (3, 5, 7, 6)),
    "norm2d-average": ("BatchNorm2d", (5,), {"momentum": None}, (3, 5, 7, 6)),
    "norm2d-plain": ("BatchNorm2d", (5,), {"affine": False, "track_running_stats": False}, (3, 5, 7, 6)),
    "norm3d": ("BatchNorm3d", (4,), {}, (2, 4, 3, 5, 2)),
    "max1d": ("MaxPool1d", (3,), {"stride": 2}, (2, 3, 11)),
    "max2d": ("MaxPool2d", (2,), {}, (2, 3, 8, 9)),
    "max2d-options": ("MaxPool2d", ((3, 2),), {"stride": (2, 1), "padding": 1, "dilation": (2, 1), "ceil_mode": True}, (2, 3, 11, 9)),
    "max2d-unbatched": ("MaxPool2d", (2,), {}, (3, 8, 9)),
    "max3d": ("MaxPool3d", (2,), {}, (2, 3, 4, 6, 5)),
    "average1d": ("AvgPool1d", (3,), {"padding": 1}, (2, 3, 11)),
    "average2d": ("AvgPool2d", (3,), {"stride": 2, "padding": 1, "count_include_pad": False}, (2, 3, 8, 9)),
    "average2d-divisor": ("AvgPool2d", (3,), {"divisor_override": 4, "ceil_mode": True}, (2, 3, 8, 9)),
    "average3d": ("AvgPool3d", (2,), {}, (2, 3, 4, 6, 5)),
    "adaptive-average1d": ("AdaptiveAvgPool1d", (3,), {}, (2, 3, 7)),
    "adaptive-average2d": ("AdaptiveAvgPool2d", ((3, None),), {}, (2, 3, 8, 9)),
    "adaptive-average2d-global": ("AdaptiveAvgPool2d", (1,), {}, (2, 3, 8, 9)),
    "adaptive-average3d": ("AdaptiveAvgPool3d", (2,), {}, (2, 3, 4, 6, 5)),
    "adaptive-max1d": ("AdaptiveMaxPool1d", (3,), {}, (2, 3, 7)),
    "adaptive-max2d": ("AdaptiveMaxPool2d", (3,), {}, (2, 3, 8, 9)),
    "adaptive-max3d": ("AdaptiveMaxPool3d", (2,), {}, (2, 3, 4, 6, 5)),
    "linear": ("Linear", (7, 4), {}, (5, 7)),
    "linear-one-axis": ("Linear", (7, 4), {}, (7,)),
    "linear-maps": ("Linear", (7, 4), {"bias": False}, (2, 3, 5, 7)),
    "relu": ("ReLU", (), {}, (2, 3, 5, 7)),
}
pytestmark = pytest.mark.filterwarnings("ignore:Using padding=.same.")  # PyTorch's own
each = pytest.mark.parametrize("name", LAYERS)


@pytest.fixture
def pair(torch, request):
    """A layer and its copy; `make(name)` returns both and the shape of an input."""
    def make(name):
        kind, args, kwargs, shape = LAYERS[name]
        layer = getattr(torch.nn, kind)(*args, **kwargs)
        for value in layer.parameters():
            torch.nn.init.normal_(value)
        return layer, copy.deepcopy(layer), shape
    return make


def steps(x):
    """Strides where they mean something."""
    return [step for step, size in zip(x.stride(), x.shape, strict=True) if size > 1]


def in_order(torch, x, order):
    if order == "channels_last" and x.ndim in (4, 5):
        x = x.contiguous(memory_format=torch.channels_last if x.ndim == 4 else torch.channels_last_3d)
    elif order == "strided":
        wide = torch.zeros(*x.shape[:-1], 2 * x.shape[-1])
        wide[..., ::2] = x
        x = wide[..., ::2]
    return x.detach()


@each
@pytest.mark.parametrize("order", ["contiguous", "channels_last", "strided"])
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_results_gradients_and_memory_order(torch, accelerate, close, only_ours, pair, name, order, training):
    ours, theirs, shape = pair(name)
    handle = accelerate(ours)
    for layer in (ours, theirs):
        layer.train(training)
    for _ in range(2):
        x = torch.randn(shape)
        x, y = (in_order(torch, x, order).requires_grad_() for _ in range(2))
        got, expected = ours(x), theirs(y)
        close(got, expected, what="output")
        assert got.stride() == expected.stride()
        assert got.requires_grad == expected.requires_grad
        weight = torch.randn(expected.shape)
        (got * weight).sum().backward()
        (expected * weight).sum().backward()
        close(x.grad, y.grad, what="gradient of the input")
        assert x.grad.stride() == y.grad.stride()
    for (what, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        close(p.grad, q.grad, what=what)
        assert steps(p.grad) == steps(q.grad)
    for (what, a), b in zip(ours.named_buffers(), theirs.buffers(), strict=True):
        close(a, b, what=what)
    only_ours(handle)


@each
def test_channels_last_on_request(torch, accelerate, close, only_ours, pair, name):
    ours, theirs, shape = pair(name)
    handle = accelerate(ours, memory_format="channels_last")
    x = torch.randn(shape)
    got = ours(x)
    close(got, theirs(x))
    if got.ndim in (4, 5) and len(shape) == got.ndim and "unbatched" not in name and "linear" not in name:
        formats = {4: torch.channels_last, 5: torch.channels_last_3d}
        assert got.is_contiguous(memory_format=formats[got.ndim])
        assert got.numel() in (got.shape[0], got.shape[0] * got.shape[1]) or got.shape[1] == 1 or not got.is_contiguous()
    only_ours(handle)


@each
@pytest.mark.parametrize("mode", ["no_grad", "inference_mode"])
def test_without_gradients(torch, accelerate, close, only_ours, pair, name, mode):
    ours, theirs, shape = pair(name)
    handle = accelerate(ours)
    x = torch.randn(shape)
    with getattr(torch, mode)():
        got, expected = ours(x), theirs(x)
    close(got, expected)
    assert not got.requires_grad
    assert got.is_inference() == expected.is_inference()
    only_ours(handle)


@pytest.mark.parametrize("name", ["conv2d", "transposed2d", "conv3d", "conv2d-1-channel", "conv2d-1x1-map"])
@pytest.mark.parametrize("order", ["contiguous", "channels_last"])
def test_channels_last_weights_make_channels_last_results(torch, accelerate, close, pair, name, order):
    ours, theirs, shape = pair(name)
    accelerate(ours)
    last = torch.channels_last if len(shape) == 4 else torch.channels_last_3d
    for layer in (ours, theirs):
        layer.to(memory_format=last)
    x = in_order(torch, torch.randn(shape), order)
    got, expected = ours(x), theirs(x)
    close(got, expected)
    assert got.stride() == expected.stride()
    got.sum().backward()
    expected.sum().backward()
    close(ours.weight.grad, theirs.weight.grad)
    assert steps(ours.weight.grad) == steps(theirs.weight.grad)


@each
def test_gradients_of_gradients(torch, accelerate, close, pair, name):
    """PyTorch does them; the report says so."""
    ours, theirs, shape = pair(name)
    handle = accelerate(ours)
    x = torch.randn(shape)
    found = []
    for layer in (ours, theirs):
        x = x.detach().requires_grad_()
        y = layer(x)
        y = (y ** 3 * torch.linspace(-1, 1, y.numel()).view(y.shape)).sum()  # nothing that a norm leaves unchanged
        inputs = [x, *layer.parameters()]
        first = torch.autograd.grad(y, inputs, create_graph=True)
        sum(g.square().sum() for g in first).backward()
        found.append([*first, *(t.grad for t in inputs)])
    for got, expected in zip(*found, strict=True):
        close(got, expected, relative=2e-4)
    (row,) = handle.report()
    assert row.fallbacks == {"the backward pass is differentiated (create_graph=True)": 1}


def test_an_empty_batch(torch, accelerate, close):
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.MaxPool2d(2))
    expected = copy.deepcopy(net).eval()(torch.ones(0, 3, 8, 8))
    accelerate(net)
    close(net.eval()(torch.ones(0, 3, 8, 8)), expected)


@pytest.mark.parametrize("order", ["contiguous", "channels_last"])
def test_relu_in_place(torch, accelerate, close, only_ours, order):
    ours, theirs = torch.nn.ReLU(inplace=True), torch.nn.ReLU(inplace=True)
    handle = accelerate(ours)
    x = in_order(torch, torch.randn(2, 3, 5, 7), order)
    found = []
    for layer in (ours, theirs):
        leaf = x.clone().requires_grad_()
        inner = leaf * 2
        version = inner._version
        y = layer(inner)
        assert y is inner
        assert inner._version > version
        assert y.stride() == x.stride()
        (y ** 2).sum().backward()
        found.append((y, leaf.grad))
    for got, expected in zip(*found, strict=True):
        assert torch.equal(got, expected)
    only_ours(handle)
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            plain = torch.tensor([-1.0, 2.0])
            assert ours(plain) is plain
            assert plain.tolist() == [0.0, 2.0]
    with torch.no_grad():
        before = x._version
        ours(x)
        assert x._version > before


def test_relu_in_place_where_torch_has_to_say_no(torch, accelerate):
    layer = torch.nn.ReLU(inplace=True)
    handle = accelerate(layer)
    leaf = torch.randn(4, 4, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad is being used in an in-place operation"):
        layer(leaf)
    rows = (leaf * 1)[1:]
    layer(rows).sum().backward()
    assert torch.equal(leaf.grad[1:] > 0, leaf.detach()[1:] > 0)
    layer(torch.randn(4, 8)[:, ::2].detach())
    values = (leaf * 1).sigmoid()
    layer(values)  # sigmoid needs its result
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        values.sum().backward()
    assert set(handle.report()[0].fallbacks) == {
        "it works in place on a view or a leaf", "it works in place on strided memory"}
    with torch.no_grad():
        wide = torch.randn(4, 1).expand(4, 8)
    with pytest.raises(RuntimeError, match="unsupported operation"):
        layer(wide)


def test_small_activations_are_left_to_torch(torch, close):
    from pyconv.interop.torch import accelerate

    layer = torch.nn.ReLU()
    handle = accelerate(layer)
    layer(torch.ones(1, 100))
    layer(torch.ones(2, 1 << 16))
    assert handle.report()[0].fallbacks == {"it is small": 1}
    assert handle.report()[0].calls == 1


def test_only_wanted_gradients_are_computed(torch, accelerate, monkeypatch):
    from pyconv.ops import conv

    made = []

    class Watched:
        def __getattr__(self, name):
            made.append(name)
            return getattr(core, name)

    core = conv.core
    layer = torch.nn.Conv2d(3, 4, 3)
    accelerate(layer)
    monkeypatch.setattr(conv, "core", Watched())
    x = torch.randn(2, 3, 8, 8)
    layer(x).sum().backward()
    assert [n for n in made if "grad" in n] == ["conv_grad_weight", "conv_grad_bias"]
    made.clear()
    layer.weight.requires_grad_(False)
    layer(x.requires_grad_()).sum().backward()
    assert [n for n in made if "grad" in n] == ["conv_grad_input", "conv_grad_bias"]
    made.clear()
    for p in layer.parameters():
        p.requires_grad_(False)
    assert not layer(x.detach()).requires_grad
    torch.autograd.grad(layer(x).sum(), x)
    assert [n for n in made if "grad" in n] == ["conv_grad_input"]


def test_nothing_is_copied_between_the_libraries(torch, accelerate, monkeypatch):
    """The addresses that go into the kernels are those of the tensors, and what comes out becomes a tensor."""
    from pyconv.ops import conv

    seen = {}

    class Watched:
        def __getattr__(self, name):
            function = getattr(core, name)

            def call(*args, **kwargs):
                result = function(*args, **kwargs)
                arrays = [a for a in args if hasattr(a, "ctypes")]
                seen[name] = [a.ctypes.data for a in arrays], getattr(result, "ctypes", None) and result.ctypes.data
                return result
            return call if name.startswith("conv_") and name != "conv_shape" else function

    core = conv.core
    monkeypatch.setattr(conv, "core", Watched())
    layer = torch.nn.Conv2d(8, 4, 3)
    accelerate(layer, "channels_last")
    x = torch.randn(2, 8, 9, 9).contiguous(memory_format=torch.channels_last).requires_grad_()
    y = layer(x)
    assert seen["conv_forward"] == ([x.data_ptr(), layer.weight.data_ptr(), layer.bias.data_ptr()], y.data_ptr())
    gy = torch.randn(2, 4, 7, 7).contiguous(memory_format=torch.channels_last)
    y.backward(gy)
    assert seen["conv_grad_weight"] == ([gy.data_ptr(), x.data_ptr()], layer.weight.grad.data_ptr())
    assert seen["conv_grad_bias"] == ([gy.data_ptr()], layer.bias.grad.data_ptr())
    assert seen["conv_grad_input"] == ([gy.data_ptr(), layer.weight.data_ptr()], x.grad.data_ptr())
