"""U-Nets, and encoders and decoders with unpooling."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from zoo import close, counts, draw, same_maps_as_torch, step_lowers_loss

import pyconv
from pyconv import models, nn
from pyconv.nn import functional as F


@pytest.mark.parametrize(("name", "options", "size", "parameters", "macs"), [
    ("unet", {}, (1, 572, 572), 31_030_658, 150_428_424_448),
    ("unet_padded", {}, (3, 512, 512), 31_037_698, 192_686_325_760),
    ("unet_padded", {"bias": True}, (3, 512, 512), 31_043_586, 192_686_325_760),
    ("unet_brain", {}, (3, 256, 256), 7_763_041, 12_071_206_912),
])
def test_counts(name, options, size, parameters, macs):
    assert counts(name, size, **options) == (parameters, macs)
    with pyconv.device("meta"):
        assert models.create_model(name, **options).input_size == size


@pytest.mark.parametrize(("name", "widths", "classes"), [
    ("segnet", [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512], 11), ("encoder_decoder", [32, 64, 128], 2)])
def test_counts_of_mirror_images(name, widths, classes):
    chain = [3, *widths]
    down = list(pairwise(chain))
    up = [(after, before) for before, after in reversed(down[1:])]
    normed = sum(9 * i * o + 3 * o for i, o in down + up)
    assert counts(name)[0] == normed + 9 * widths[0] * classes + classes


def test_names_of_the_state():
    with pyconv.device("meta"):
        padded, biased, brain = (set(m.state_dict()) for m in (
            models.unet_padded(), models.unet_padded(bias=True), models.unet_brain()))

    def double(prefix, names):
        return {f"{prefix}.{n}.{k}" for n in names[0] for k in ("weight",)} | {
            f"{prefix}.{n}.{k}" for n in names[1] for k in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")}

    prefixes = ["inc.double_conv", *(f"down{i}.maxpool_conv.1.double_conv" for i in range(1, 5)),
                *(f"up{i}.conv.double_conv" for i in range(1, 5))]
    expected = set().union(*(double(p, ("03", "14")) for p in prefixes)) | {
        f"{n}.{k}" for n in ("up1.up", "up2.up", "up3.up", "up4.up", "outc.conv") for k in ("weight", "bias")}
    assert padded == expected
    assert biased == expected | {f"{p}.{n}.bias" for p in prefixes for n in "03"}
    levels = [*((f"encoder{i}", f"enc{i}") for i in range(1, 5)), ("bottleneck", "bottleneck"),
              *((f"decoder{i}", f"dec{i}") for i in range(1, 5))]
    assert brain == set().union(*(double(a, ([f"{b}conv1", f"{b}conv2"], [f"{b}norm1", f"{b}norm2"])) for a, b in levels)) | {
        f"{n}.{k}" for n in ("upconv1", "upconv2", "upconv3", "upconv4", "conv") for k in ("weight", "bias")}


def output_size(name, *size):
    with pyconv.device("meta"):
        model = models.create_model(name).eval()
        return model(pyconv.zeros(1, model.input_size[0], *size)).shape[2:]


@pytest.mark.parametrize(("name", "size", "expected"), [
    ("unet", (572, 572), (388, 388)), ("unet", (188, 204), (4, 20)), ("unet", (700, 540), (516, 356)),
    ("unet_padded", (512, 512), (512, 512)), ("unet_padded", (16, 31), (16, 31)), ("unet_padded", (77, 130), (77, 130)),
    ("unet_brain", (256, 256), (256, 256)), ("unet_brain", (16, 48), (16, 48)),
    ("segnet", (360, 480), (360, 480)), ("segnet", (33, 95), (33, 95)), ("encoder_decoder", (8, 15), (8, 15))])
def test_sizes(name, size, expected):
    assert output_size(name, *size) == expected


@pytest.fixture(scope="module")
def unet():
    pyconv.manual_seed(0)
    return models.unet().eval()


@pytest.fixture(scope="module")
def picture():
    return draw(1, 1, 204, 188)


def test_tiles_of_the_unet_have_no_seams(unet, picture):
    with pyconv.no_grad():
        whole = unet(pyconv.from_numpy(picture)).numpy()
        lower = unet(pyconv.from_numpy(picture[:, :, 16:])).numpy()
    assert whole.shape == (1, 2, 20, 4)
    close(lower, whole[:, :, 16:])


def test_the_unet_crops_around_the_middle(unet, picture):
    """With all filters mirrored the answer to the mirrored picture is mirrored: so no crop leans to one side."""
    mirrored = models.unet().eval()
    mirrored.load_state_dict({key: value.numpy()[..., ::-1, ::-1].copy() if value.ndim == 4 else value
                              for key, value in unet.state_dict().items()})
    with pyconv.no_grad():
        expected = unet(pyconv.from_numpy(picture)).numpy()
        found = mirrored(pyconv.from_numpy(picture[..., ::-1, ::-1].copy())).numpy()
    close(found[..., ::-1, ::-1], expected)


def test_whole_pictures_are_mirrored_around(unet):
    x = draw(1, 1, 108, 121)
    mirrored = np.pad(x, ((0, 0), (0, 0), (92, 92 + 8), (92, 92 + 11)), mode="reflect")  # 300 x 316
    with pyconv.no_grad():
        found = unet.segment(pyconv.from_numpy(x)).numpy()
        expected = unet(pyconv.from_numpy(mirrored)).numpy()[:, :, :108, :121]
    np.testing.assert_array_equal(found, expected)
    with pyconv.device("meta"):
        meta = models.unet()
        for n in range(108, 125):
            assert meta.segment(pyconv.zeros(1, 1, n, 300 - n)).shape == (1, 2, n, 300 - n)


def torch_unet_padded(torch):
    t = torch.nn

    def double(i, o):
        block = t.Module()
        block.double_conv = t.Sequential(
            t.Conv2d(i, o, 3, padding=1, bias=False), t.BatchNorm2d(o), t.ReLU(),
            t.Conv2d(o, o, 3, padding=1, bias=False), t.BatchNorm2d(o), t.ReLU())
        block.forward = block.double_conv.forward
        return block

    class Net(t.Module):
        def __init__(self):
            super().__init__()
            self.inc = double(3, 64)
            for i in range(1, 5):
                down, up = t.Module(), t.Module()
                down.maxpool_conv = t.Sequential(t.MaxPool2d(2), double(32 << i, 64 << i))
                up.up, up.conv = t.ConvTranspose2d(2048 >> i, 1024 >> i, 2, 2), double(2048 >> i, 1024 >> i)
                setattr(self, f"down{i}", down)
                setattr(self, f"up{i}", up)
            self.outc = t.Module()
            self.outc.conv = t.Conv2d(64, 2, 1)

        def forward(self, x):
            maps = [self.inc(x)]
            for i in range(1, 5):
                maps.append(getattr(self, f"down{i}").maxpool_conv(maps[-1]))
            y = maps.pop()
            for i in range(1, 5):
                up, skip = getattr(self, f"up{i}"), maps.pop()
                z = torch.zeros(*skip.shape[:1], skip.shape[1], *skip.shape[2:])
                y = up.up(y)
                top, left = (skip.shape[2] - y.shape[2]) // 2, (skip.shape[3] - y.shape[3]) // 2
                z[:, :, top:top + y.shape[2], left:left + y.shape[3]] = y
                y = up.conv(torch.cat([skip, z], 1))
            return self.outc.conv(y)

    return Net()


def torch_encoder_decoder(torch):
    t, f = torch.nn, torch.nn.functional

    def stage(i, o):
        return t.Sequential(t.Conv2d(i, o, 3, padding=1), t.BatchNorm2d(o), t.ReLU())

    class Net(t.Module):
        def __init__(self):
            super().__init__()
            self.encoder = t.ModuleList([stage(3, 32), stage(32, 64), stage(64, 128)])
            self.decoder = t.ModuleList([stage(128, 64), stage(64, 32)])
            self.score = t.Conv2d(32, 2, 3, padding=1)

        def forward(self, x):
            a = self.encoder[0](x)
            b, i = f.max_pool2d(a, 2, return_indices=True)
            b = self.encoder[1](b)
            c, j = f.max_pool2d(b, 2, return_indices=True)
            c = self.encoder[2](c)
            d, k = f.max_pool2d(c, 2, return_indices=True)
            d = self.decoder[0](f.max_unpool2d(d, k, 2, output_size=c.shape[2:]))
            d = self.decoder[1](f.max_unpool2d(d, j, 2, output_size=b.shape[2:]))
            return self.score(f.max_unpool2d(d, i, 2, output_size=a.shape[2:]))

    return Net()


@pytest.mark.parametrize(("make", "name", "size"), [
    pytest.param(torch_unet_padded, "unet_padded", (48, 39), marks=pytest.mark.full),
    (torch_encoder_decoder, "encoder_decoder", (19, 24))])
def test_the_way_up_is_that_of_the_definition(make, name, size):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    torch.manual_seed(0)
    same_maps_as_torch(models.create_model(name), make(torch), draw(2, 3, *size))


def test_unpooling_puts_values_back_at_their_places():
    """One channel through the small network with filters that pass it on: maxima stay where they were, the rest is 0."""
    model = models.encoder_decoder().eval()
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.zeros_(module.weight)
            module.weight.data[0, 0, 1, 1] = 1
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 0.0
    x = np.random.default_rng(0).random((1, 3, 16, 24), np.float32)
    out = model(pyconv.from_numpy(x)).detach().numpy()[0, 0]
    blocks = x[0, 0].reshape(2, 8, 3, 8).transpose(0, 2, 1, 3).reshape(2, 3, 64)
    kept = out.reshape(2, 8, 3, 8).transpose(0, 2, 1, 3).reshape(2, 3, 64)
    expected = np.where(blocks == blocks.max(-1, keepdims=True), blocks, 0)
    np.testing.assert_allclose(kept, expected, rtol=1e-5, atol=1e-6)  # Winograd


def test_probabilities_and_dropout():
    brain = models.unet_brain().eval()
    with pyconv.no_grad():
        out = brain(pyconv.from_numpy(draw(1, 3, 32, 16))).numpy()
    assert ((out > 0) & (out < 1)).all()


def test_the_unet_drops_half_of_the_deepest_maps(unet, picture):
    seen = []
    handle = unet.dropout.register_forward_hook(lambda module, args, out: seen.append((out.numpy() == 0).mean()))
    try:
        with pyconv.no_grad():
            unet.train()(pyconv.from_numpy(picture))
    finally:
        handle.remove()
        unet.eval()
    assert len(seen) == 2
    assert all(0.7 < share < 0.8 for share in seen)  # half of what ReLU left


@pytest.mark.parametrize(("name", "size", "classes"), [
    pytest.param("unet", (188, 188), 2, marks=pytest.mark.full), ("unet_padded", (16, 16), 2), ("encoder_decoder", (16, 16), 2),
    ("segnet", (32, 32), 11)])
def test_a_step_lowers_the_loss(name, size, classes):
    model = models.create_model(name).train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    x = pyconv.from_numpy(draw(2, model.input_size[0], *size))
    labels = np.random.default_rng(0).integers(0, classes, (2, *model(x).shape[2:]))
    step_lowers_loss(model, lambda: F.cross_entropy(model(x), pyconv.tensor(labels)), 1e-4)


def test_a_step_lowers_the_brain_unets_loss():
    model = models.unet_brain()
    x, target = draw(2, 3, 32, 32), (draw(2, 1, 32, 32, seed=1) > 0).astype(np.float32)
    step_lowers_loss(model, lambda: F.binary_cross_entropy(model(pyconv.from_numpy(x)), pyconv.from_numpy(target)), 1e-2)


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: output_size("unet", 572, 571), ValueError,
     r"\[unet\] x has 572 x 571 pixels, expected 188, 204, 220, .* such as 572 x 572; the output has 184 fewer"),
    (lambda: output_size("unet", 64, 180), ValueError, r"\[unet\] x has 64 x 180 pixels, .* such as 188 x 188"),
    (lambda: output_size("unet", 202, 190), ValueError, r"such as 204 x 188"),
    (lambda: models.unet().segment(pyconv.zeros(1, 1, 107, 200)), ValueError,
     r"\[unet\] x has 107 x 200 pixels, expected at least 108 x 108"),
    (lambda: output_size("unet_padded", 15, 64), ValueError, r"\[unet_padded\] x has 15 x 64 pixels, expected at least 16 x 16"),
    (lambda: output_size("unet_brain", 100, 64), ValueError,
     r"\[unet_brain\] x has 100 x 64 pixels, expected multiples of 16, such as 96 x 64"),
    (lambda: output_size("segnet", 31, 32), ValueError, r"\[segnet\] x has 31 x 32 pixels, expected at least 32 x 32"),
    (lambda: output_size("encoder_decoder", 9, 7), ValueError, r"\[encoder_decoder\] x has 9 x 7 pixels, expected at least 8 x 8"),
    (lambda: models.unet(num_classes=0), ValueError, r"\[unet\] num_classes is 0, expected at least 1"),
    (lambda: models.unet(in_channels=2.5), TypeError, r"\[unet\] in_channels is 2.5, expected a whole number"),
    (lambda: models.unet_padded(bias=1), TypeError, r"\[unet_padded\] bias is 1, expected True or False"),
    (lambda: models.unet_brain(num_classes=-1), ValueError, r"\[unet_brain\] num_classes is -1"),
    (lambda: models.segnet(in_channels=0), ValueError, r"\[segnet\] in_channels is 0"),
    (lambda: models.encoder_decoder(num_classes=None), TypeError, r"\[encoder_decoder\] num_classes is None"),
    (lambda: models.encoder_decoder()(pyconv.zeros(1, 1, 8, 8)), ValueError,
     r"\[encoder_decoder\] x has shape \(1, 1, 8, 8\), expected \(N, 3, H, W\)"),
])
def test_misuse(call, error, match):
    with pytest.raises(error, match=match):
        call()
