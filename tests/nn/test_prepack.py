"""`nn.utils.prepack`: the same bits from filters that are kept, whatever the network and its input."""

import copy
import threading

import numpy as np
import pytest

import pyconv
from pyconv import _core as core
from pyconv import models, nn, runtime
from pyconv.nn.utils import prepack

LAYERS = {
    "winograd": (lambda: nn.Conv2d(32, 48, 3, padding=1), (2, 32, 13, 11)),
    "winograd in pieces": (lambda: nn.Conv2d(256, 256, 3, padding=1), (1, 256, 14, 14)),
    "winograd 5x5": (lambda: nn.Conv2d(16, 32, 5, padding=2), (1, 16, 12, 12)),
    "strides folded": (lambda: nn.Conv2d(3, 64, 7, stride=2, padding=3), (1, 3, 64, 64)),
    "rows": (lambda: nn.Conv2d(24, 40, 3, stride=2), (2, 24, 15, 15)),
    "1x1": (lambda: nn.Conv2d(64, 32, 1), (2, 64, 9, 9)),
    "outputs share a vector": (lambda: nn.Conv2d(1, 6, 5), (4, 1, 28, 28)),
    "depthwise": (lambda: nn.Conv2d(24, 24, 3, padding=1, groups=24), (2, 24, 10, 10)),
    "groups": (lambda: nn.Conv2d(32, 32, 3, padding=1, groups=8), (2, 32, 10, 10)),
    "groups of winograd": (lambda: nn.Conv2d(96, 96, 3, padding=1, groups=2), (1, 96, 16, 16)),
    "product": (lambda: nn.Conv2d(512, 512, 3, padding=1), (1, 512, 7, 7)),
    "reflect": (lambda: nn.Conv2d(16, 16, 3, padding=1, padding_mode="reflect"), (1, 16, 12, 12)),
    "1-D": (lambda: nn.Conv1d(32, 32, 3, padding=1), (2, 32, 50)),
    "3-D": (lambda: nn.Conv3d(8, 16, 3, padding=1), (1, 8, 6, 7, 8)),
    "transposed": (lambda: nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1), (1, 32, 9, 9)),
    "transposed 1-D": (lambda: nn.ConvTranspose1d(8, 16, 3, stride=3), (2, 8, 21)),
}


@pytest.mark.parametrize("isa", runtime.available_isas())
@pytest.mark.parametrize("name", LAYERS)
def test_same_bits(name: str, isa: str) -> None:
    build, shape = LAYERS[name]
    rng = np.random.default_rng(0)
    layer = build()
    packed = prepack(layer)
    before = runtime.isa()
    runtime.use_isa(isa)
    try:
        for scale in (1, 2, 1):  # a second size finds the form of the first
            size = (*shape[:2], *(scale * s for s in shape[2:]))
            x = pyconv.from_numpy(rng.standard_normal(size, np.float32))
            assert np.array_equal(packed(x).numpy(), layer(x).detach().numpy())
    finally:
        runtime.use_isa(before)


def test_isas_do_not_share_forms() -> None:
    layer = nn.Conv2d(32, 32, 3, padding=1)
    packed, x = prepack(layer), pyconv.randn(1, 32, 12, 12)
    before = runtime.isa()
    try:
        for isa in (*runtime.available_isas(), *runtime.available_isas()):
            runtime.use_isa(isa)
            assert np.array_equal(packed(x).numpy(), layer(x).detach().numpy())
    finally:
        runtime.use_isa(before)


def test_a_form_is_made_once() -> None:
    layer = prepack(nn.Conv2d(32, 32, 3, padding=1))
    filter = layer._kept.filter
    plain = filter.bytes
    assert plain == 32 * 32 * 9 * 4
    sizes = []
    for side in (12, 12, 20, 33):
        layer(pyconv.randn(1, 32, side, side))
        sizes.append(filter.bytes)
    assert sizes[0] > plain
    assert len(set(sizes)) == 1


def test_a_large_filter_is_transformed_as_a_whole() -> None:
    shape = core.conv_shape("conv2d", (1, 256, 14, 14), (256, 256, 3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 1)
    assert shape.plan("forward", "train")["algorithm"] == "winograd_panels"
    assert shape.plan("forward", "cached")["algorithm"] == "winograd"


def test_a_network() -> None:
    net = models.resnet18(num_classes=10).eval()
    packed = prepack(net)
    assert not packed.training
    x = pyconv.randn(1, 3, 64, 64)
    with pyconv.no_grad():
        assert np.array_equal(packed(x).numpy(), net(x).numpy())
    assert list(packed.state_dict()) == list(net.state_dict())
    assert not any(name.endswith("conv1.weight") for name, _ in packed.named_parameters())
    net.load_state_dict(packed.state_dict())  # and back


def test_the_original_goes_its_own_way() -> None:
    layer = nn.Conv2d(16, 16, 3)
    packed, x = prepack(layer), pyconv.randn(1, 16, 8, 8)
    before = packed(x).numpy().copy()
    with pyconv.no_grad():
        layer.weight.zero_()
        layer.bias.zero_()
    assert np.array_equal(packed(x).numpy(), before)


def test_weights_are_read_only() -> None:
    layer = nn.Conv2d(16, 16, 3)
    packed = prepack(layer)
    with pytest.raises(ValueError, match="read-only"):
        packed.weight.numpy()[:] = 0
    with pytest.raises(ValueError, match="WRITEABLE"):
        packed.weight.numpy().flags.writeable = True
    with pytest.raises(ValueError, match=r"\[mul_\]|writeable|read-only"):
        packed.weight.mul_(2)
    with pytest.raises(RuntimeError, match="weight is read-only"):
        packed.load_state_dict(layer.state_dict())


def test_another_weight_takes_its_place() -> None:
    packed, x = prepack(nn.Conv2d(16, 16, 3, bias=False)), pyconv.randn(1, 16, 8, 8)
    packed(x)
    packed.weight = pyconv.zeros(16, 16, 3, 3)
    assert not packed(x).numpy().any()
    packed = prepack(nn.Conv2d(16, 16, 3))
    assert packed.double()(x.double()).dtype == np.float64


def test_gradients_reach_the_input() -> None:
    layer = nn.Conv2d(16, 24, 3, padding=1)
    packed = prepack(layer)
    array = np.random.default_rng(0).standard_normal((2, 16, 9, 9), np.float32)
    grads = []
    for net in (layer, packed):
        x = pyconv.tensor(array, requires_grad=True)
        net(x).sum().backward()
        grads.append(x.grad.numpy())
    assert np.array_equal(*grads)


def test_copies_and_packs_again() -> None:
    packed, x = prepack(nn.Conv2d(16, 16, 3)), pyconv.randn(1, 16, 8, 8)
    want = packed(x).numpy()
    for again in (copy.deepcopy(packed), prepack(packed)):
        assert np.array_equal(again(x).numpy(), want)


def test_threads_share_a_filter() -> None:
    layer = nn.Conv2d(32, 32, 3, padding=1)
    inputs = [pyconv.randn(1, 32, 10 + i, 12) for i in range(8)]
    want = [layer(x).detach().numpy() for x in inputs]
    for _ in range(20):
        packed, got = prepack(layer), [None] * 8
        go = threading.Barrier(8)

        def run(i: int, packed: nn.Module = packed, got: list = got, go: threading.Barrier = go) -> None:
            go.wait()
            got[i] = packed(inputs[i]).numpy()

        workers = [threading.Thread(target=run, args=(i,)) for i in range(8)]
        for w in workers:
            w.start()
        for w in workers:
            w.join()
        assert all(np.array_equal(a, b) for a, b in zip(got, want, strict=True))


def test_refused() -> None:
    with pytest.raises(TypeError, match=r"\[prepack\] module is int, expected a Module"):
        prepack(3)
    with pytest.raises(RuntimeError, match=r"\[prepack\] weight is a meta tensor"):
        prepack(nn.Conv2d(3, 3, 3, device="meta"))
    with pytest.raises(TypeError, match=r"\[prepack\] weight"):
        core.KeptFilter(np.zeros((1, 1, 1), np.float64))
