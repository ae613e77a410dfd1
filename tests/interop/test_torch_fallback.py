"""Calls that PyTorch's own code answers: never an error, the reason in the report."""

from __future__ import annotations

import copy

import pytest


@pytest.fixture
def conv(torch):
    torch.manual_seed(0)
    return torch.nn.Conv2d(3, 4, 3)


@pytest.fixture
def x(torch):
    return torch.randn(2, 3, 8, 8)


def only_reason(handle):
    (row,) = handle.report()
    ((reason, count),) = row.fallbacks.items()
    assert count == 1
    return reason


def test_other_dtypes(torch, accelerate, conv, x):
    handle = accelerate(conv)
    conv.double()
    assert conv(x.double()).dtype == torch.float64
    assert only_reason(handle) == "input is torch.float64, not float32"
    conv.to(torch.bfloat16)
    assert conv(x.bfloat16()).dtype == torch.bfloat16
    conv.half()
    assert conv(x.half()).dtype == torch.float16
    conv.float()
    assert conv(x).dtype == torch.float32
    assert handle.report()[0].calls == 1
    with pytest.raises(RuntimeError):  # PyTorch's own
        conv.double()(x)
    assert "weight is torch.float64, not float32" in handle.report()[0].fallbacks


def test_autocast(torch, accelerate, conv, x):
    handle = accelerate(conv)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert conv(x).dtype == torch.bfloat16
    assert only_reason(handle) == "autocast is on"
    assert conv(x).dtype == torch.float32


def test_meta_and_fake_tensors(torch, accelerate, conv, x):
    from torch._subclasses.fake_tensor import FakeTensorMode

    handle = accelerate(conv)
    plain = copy.deepcopy(conv)
    assert plain.to("meta")(x.to("meta")).shape == (2, 4, 6, 6)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        assert conv(mode.from_tensor(x)).shape == (2, 4, 6, 6)
    assert only_reason(handle) == "input is a FakeTensor, not a plain Tensor"


def test_counting_modes_see_the_layer(torch, accelerate, conv, x):
    from torch.utils.flop_counter import FlopCounterMode

    handle = accelerate(conv)
    with FlopCounterMode(display=False) as counter:
        conv(x)
    assert counter.get_total_flops() == 2 * 2 * 4 * 36 * 27
    assert only_reason(handle) == "a dispatch mode (fake tensors, counters, ...) is active"


def test_a_function_mode_sees_the_layer_and_a_default_device_does_not_matter(torch, accelerate, conv, x):
    from torch.overrides import TorchFunctionMode

    seen = []

    class Watch(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            seen.append(function)
            return function(*args, **(kwargs or {}))

    handle = accelerate(conv)
    with torch.device("cpu"):
        conv(x)
    assert handle.report()[0].calls == 1
    with Watch():
        conv(x)
    assert torch.nn.functional.conv2d in seen
    assert only_reason(handle) == "a torch function mode is active"


@pytest.mark.filterwarnings("ignore")  # PyTorch's own deprecations
def test_tracing_and_scripting(torch, accelerate, conv, x):
    expected = conv(x)
    handle = accelerate(conv)
    traced = torch.jit.trace(conv, x, check_trace=False)
    assert torch.equal(traced(x), expected)
    assert "torch.jit.trace is recording" in handle.report()[0].fallbacks
    graph = torch.fx.symbolic_trace(torch.nn.Sequential(conv))
    assert torch.allclose(graph(x), expected, atol=1e-5)
    program = torch.export.export(torch.nn.Sequential(conv), (x,))
    assert torch.equal(program.module()(x), expected)
    handle.undo()
    assert torch.equal(torch.jit.script(conv)(x), expected)


@pytest.mark.filterwarnings("ignore")
def test_compile(torch, accelerate, conv, x):
    expected = conv(x)
    net = torch.nn.Sequential(conv, torch.nn.ReLU())
    handle = accelerate(net)
    compiled = torch.compile(net, backend="eager", fullgraph=True)
    got = compiled(x)
    assert torch.equal(got, expected.relu())
    got.sum().backward()
    assert conv.weight.grad is not None
    assert [row.calls for row in handle.report()] == [0, 0]
    torch._dynamo.reset()


@pytest.mark.filterwarnings("ignore")
def test_functional_transforms(torch, accelerate, conv, x):
    plain = copy.deepcopy(conv)
    handle = accelerate(conv)
    batches = torch.stack([x, 2 * x])
    assert torch.allclose(torch.vmap(conv)(batches), torch.vmap(plain)(batches), atol=1e-5)
    assert only_reason(handle) == "a torch.func transform (vmap, grad, ...) is active"
    parameters = dict(conv.named_parameters())

    def loss(parameters, model):
        return torch.func.functional_call(model, parameters, (x,)).square().sum()

    got = torch.func.grad(loss)(parameters, conv)
    expected = torch.func.grad(loss)(parameters, plain)
    assert all(torch.allclose(got[k], expected[k], atol=1e-4) for k in expected)
    tangent = torch.func.jvp(conv, (x,), (x,))[1]
    assert torch.allclose(tangent, torch.func.jvp(plain, (x,), (x,))[1], atol=1e-5)
    calls = handle.report()[0].calls
    ones = {k: torch.ones_like(v) for k, v in parameters.items()}
    assert torch.allclose(torch.func.functional_call(conv, ones, (x,)), torch.func.functional_call(plain, ones, (x,)),
                          atol=1e-4)
    assert handle.report()[0].calls == calls + 1


@pytest.mark.filterwarnings("ignore")
def test_forward_mode_differentiation(torch, accelerate, conv, x):
    from torch.autograd import forward_ad

    plain = copy.deepcopy(conv)
    handle = accelerate(conv)
    with forward_ad.dual_level():
        got, expected = (forward_ad.unpack_dual(m(forward_ad.make_dual(x, x))).tangent for m in (conv, plain))
    assert torch.allclose(got, expected, atol=1e-5)
    assert only_reason(handle) == "forward-mode differentiation is active"


def test_batched_gradients(torch, accelerate, conv, x):
    plain = copy.deepcopy(conv)
    handle = accelerate(conv)
    x.requires_grad_()
    gradients = torch.randn(3, 2, 4, 6, 6)
    got, expected = (torch.autograd.grad(m(x), x, gradients, is_grads_batched=True)[0] for m in (conv, plain))
    assert torch.allclose(got, expected, atol=1e-4)
    assert only_reason(handle).startswith("the gradient has no memory that numpy can see")


@pytest.mark.filterwarnings("ignore")
def test_a_backward_pass_under_vmap(torch, accelerate, conv, x):
    plain = copy.deepcopy(conv)
    handle = accelerate(conv)
    x.requires_grad_()
    gradients = torch.randn(3, 2, 4, 6, 6)
    found = []
    for layer in (conv, plain):
        y = layer(x)
        found.append(torch.vmap(lambda g, y=y: torch.autograd.grad(y, x, g, retain_graph=True)[0])(gradients))
    assert torch.allclose(*found, atol=1e-4)
    assert only_reason(handle) == "the backward pass is transformed by torch.func"


def test_subclasses_sparse_and_negated_tensors(torch, accelerate, x):
    class Marked(torch.Tensor):
        pass

    linear = torch.nn.Linear(4, 3)
    plain = copy.deepcopy(linear)
    handle = accelerate(linear)
    assert isinstance(linear(torch.ones(2, 4).as_subclass(Marked)), Marked)
    assert only_reason(handle) == "input is a Marked, not a plain Tensor"
    negated = torch.view_as_complex(torch.randn(2, 4, 2)).conj().imag
    assert negated.is_neg()
    assert torch.allclose(linear(negated), plain(negated))
    sparse = torch.eye(4).to_sparse()
    assert torch.allclose(linear(sparse), plain(sparse))


def test_errors_are_those_of_torch(torch, accelerate, conv):
    handle = accelerate(conv)
    with pytest.raises(RuntimeError, match=r"expected input.* to have 3 channels, but got 5 channels"):
        conv(torch.ones(2, 5, 8, 8))
    assert only_reason(handle).startswith("[conv2d] weight")
    with pytest.raises(TypeError):
        conv()
    with pytest.raises(TypeError, match="NoneType"):
        conv(None)
    norm = torch.nn.BatchNorm2d(4)
    accelerate(norm)
    with pytest.raises(ValueError, match="expected 4D input"):
        norm(torch.ones(2, 4))
    with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
        norm(torch.ones(1, 4, 1, 1))
    assert int(norm.num_batches_tracked) == 1  # as PyTorch counts: before it looks


def test_an_output_size_of_a_transposed_convolution(torch, accelerate, x):
    layer = torch.nn.ConvTranspose2d(3, 4, 3, stride=2)
    expected = layer(x, output_size=[18, 18])
    handle = accelerate(layer)
    assert torch.equal(layer(x, output_size=[18, 18]), expected)
    assert only_reason(handle) == "it was called with more than the input"


def test_changes_in_place_are_noticed(torch, accelerate, conv, x):
    accelerate(conv)
    x.requires_grad_()
    moved = x * 1
    y = conv(moved)
    moved += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    norm = torch.nn.BatchNorm2d(3)
    accelerate(norm)
    version = norm.running_mean._version
    norm(x)
    assert norm.running_mean._version > version


def test_a_hook_on_saved_tensors_holds_them(torch, accelerate, conv, x):
    packed = []

    def pack(t):
        packed.append(tuple(t.shape))
        return t.numpy(force=True).copy()

    accelerate(conv)
    with torch.autograd.graph.saved_tensors_hooks(pack, torch.from_numpy):
        y = conv(x)
    assert (2, 3, 8, 8) in packed
    y.sum().backward()
    assert conv.weight.grad is not None


def test_attributes_changed_afterwards_count(torch, accelerate, conv, x):
    accelerate(conv)
    conv.stride = (2, 2)
    assert conv(x).shape == (2, 4, 3, 3)
    pool = torch.nn.MaxPool2d(2)
    handle = accelerate(pool)
    pool.return_indices = True
    assert len(pool(x)) == 2
    assert only_reason(handle) == "return_indices is set"
    conv.padding_mode = "circular"
    conv(x)


def test_several_threads(torch, accelerate, conv):
    from concurrent.futures import ThreadPoolExecutor

    inputs = [torch.randn(1, 3, 16, 16) for _ in range(16)]
    expected = [conv(v) for v in inputs]
    accelerate(conv)
    with ThreadPoolExecutor(4) as pool:
        for got, want in zip(pool.map(conv, inputs), expected, strict=True):
            assert torch.allclose(got, want, atol=1e-5)
