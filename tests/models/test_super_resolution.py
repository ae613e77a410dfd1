"""SRCNN, VDSR and CARN."""

from __future__ import annotations

import numpy as np
import pytest
from zoo import close, counts, draw, load_from_torch, step_lowers_loss

import pyconv
from pyconv import models
from pyconv.nn import functional as F

HD, QUARTER = (1, 720, 1280), (3, 180, 320)


@pytest.mark.parametrize(("name", "options", "size", "parameters", "macs"), [
    ("srcnn", {}, HD, 8_129, 7_402_291_200),
    ("srcnn", {"filters": "9-3-5"}, HD, 24_513, 22_501_785_600),
    ("srcnn", {"filters": "9-5-5"}, HD, 57_281, 52_700_774_400),
    ("vdsr", {}, HD, 665_921, 612_591_206_400),
    ("vdsr", {"bias": False}, HD, 664_704, 612_591_206_400),
    ("carn", {}, QUARTER, 1_591_939, 90_873_446_400),
    ("carn", {"scale": 4}, QUARTER, 1_111_875, 90_873_446_400),
    ("carn_m", {}, QUARTER, 414_787, 32_480_870_400),
])
def test_counts(name, options, size, parameters, macs):
    assert counts(name, size, **options) == (parameters, macs)


def test_parameters_without_biases_are_the_papers():
    def weights(name, **options):
        return sum(p.numel() for key, p in models.create_model(name, **options).named_parameters() if "weight" in key)

    assert [weights("srcnn", filters=f) for f in ("9-1-5", "9-3-5", "9-5-5")] == [8_032, 24_416, 57_184]
    assert weights("carn_m") == 412_032


def test_layers():
    vdsr = models.vdsr()
    convolutions = [m for m in vdsr.modules() if isinstance(m, pyconv.nn.Conv2d)]
    assert len(convolutions) == 20
    assert pyconv.summary(vdsr, (1, 1, 64, 64)).rows[-1].receptive_field == (41, 41)
    assert pyconv.summary(models.srcnn(), (1, 1, 64, 64)).rows[-1].receptive_field == (13, 13)


def test_names_of_the_state():
    assert list(models.srcnn().state_dict()) == [f"conv{i}.{k}" for i in (1, 2, 3) for k in ("weight", "bias")]
    assert set(models.vdsr(bias=False).state_dict()) == {
        "input.weight", "output.weight", *(f"residual_layer.{i}.conv.weight" for i in range(18))}
    names = {key.removesuffix(".weight") for key in models.carn().state_dict() if key.endswith("weight")}
    assert names == {
        "sub_mean.shifter", "add_mean.shifter", "entry", "exit", *(f"c{i}.body.0" for i in (1, 2, 3)),
        *(f"b{b}.b{i}.body.{k}" for b in (1, 2, 3) for i in (1, 2, 3) for k in (0, 2)),
        *(f"b{b}.c{i}.body.0" for b in (1, 2, 3) for i in (1, 2, 3)),
        "upsample.up2.body.0", "upsample.up3.body.0", "upsample.up4.body.0", "upsample.up4.body.3"}
    light = {key.removesuffix(".weight") for key in models.carn_m(scale=3).state_dict() if key.endswith("weight")}
    assert {"b1.b1.body.0", "b1.b1.body.2", "b1.b1.body.4", "upsample.up.body.0"} <= light
    assert not any(".b2." in key for key in light)


def test_vdsr_without_a_residual_is_the_identity():
    model = models.vdsr()
    pyconv.nn.init.zeros_(model.output.weight)
    x = draw(1, 1, 12, 9)
    np.testing.assert_array_equal(model(pyconv.from_numpy(x)).detach().numpy(), x)


def test_the_first_filters_of_srcnn_see_zeros_around_the_picture():
    """All weights one, one channel through the middle: the output counts what each pixel can see."""
    model = models.srcnn()
    for conv in (model.conv1, model.conv2, model.conv3):
        pyconv.nn.init.zeros_(conv.weight)
        conv.weight.data[:1, :1].fill_(1)
    seen = model(pyconv.ones(1, 1, 40, 40)).detach().numpy()[0, 0]
    assert seen[20, 20] == 81 * 25
    taps = np.convolve(np.convolve(np.ones(40), np.ones(9), "same"), np.ones(5), "same")
    np.testing.assert_allclose(seen, np.outer(taps, taps), rtol=1e-6)


@pytest.mark.parametrize("name", ["carn", "carn_m"])
def test_carn_keeps_the_mean_colour(name):
    """Nothing learned in the last layer: what is left is the mean that was subtracted."""
    model = models.create_model(name, scale=2)
    pyconv.nn.init.zeros_(model.exit.weight)
    pyconv.nn.init.zeros_(model.exit.bias)
    out = model(pyconv.from_numpy(draw(1, 3, 5, 6))).detach().numpy()
    np.testing.assert_allclose(out, np.broadcast_to(np.float32([0.4488, 0.4371, 0.4040]).reshape(3, 1, 1), (1, 3, 10, 12)))


def torch_carn(torch, groups):
    """The two levels of cascades, written out, for scale 3."""
    nn = torch.nn

    def body(*layers):
        holder = nn.Module()
        holder.body = nn.Sequential(*layers)
        return holder

    def conv(i, o, k, g=1):
        return nn.Conv2d(i, o, k, padding=k // 2, groups=g)

    def unit():
        if groups == 1:
            return body(conv(64, 64, 3), nn.ReLU(), conv(64, 64, 3))
        return body(conv(64, 64, 3, groups), nn.ReLU(), conv(64, 64, 3, groups), nn.ReLU(), conv(64, 64, 1))

    def merges(into):
        for i in (1, 2, 3):
            setattr(into, f"c{i}", body(conv(64 * (i + 1), 64, 1), nn.ReLU()))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            for b in (1, 2, 3):
                block = nn.Module()
                for i in (1, 2, 3) if groups == 1 else (1,):
                    setattr(block, f"b{i}", unit())
                merges(block)
                setattr(self, f"b{b}", block)
            merges(self)
            for side in ("sub_mean", "add_mean"):
                holder = nn.Module()
                holder.shifter = nn.Conv2d(3, 3, 1)
                holder.shifter.weight.data = torch.diag(torch.tensor([0.9, 1.0, 1.2])).reshape(3, 3, 1, 1)
                holder.requires_grad_(False)
                setattr(self, side, holder)
            self.entry, self.exit = conv(3, 64, 3), conv(64, 3, 3)
            self.upsample = nn.Module()
            self.upsample.up = body(conv(64, 576, 3, groups), nn.ReLU(), nn.PixelShuffle(3))

        def block(self, block, x):
            def unit(i, y):
                return torch.relu(getattr(block, f"b{i if groups == 1 else 1}").body(y) + y)

            b1 = unit(1, x)
            o1 = block.c1.body(torch.cat([x, b1], 1))
            b2 = unit(2, o1)
            o2 = block.c2.body(torch.cat([x, b1, b2], 1))
            return block.c3.body(torch.cat([x, b1, b2, unit(3, o2)], 1))

        def forward(self, x):
            x = self.entry(self.sub_mean.shifter(x))
            b1 = self.block(self.b1, x)
            o1 = self.c1.body(torch.cat([x, b1], 1))
            b2 = self.block(self.b2, o1)
            o2 = self.c2.body(torch.cat([x, b1, b2], 1))
            o3 = self.c3.body(torch.cat([x, b1, b2, self.block(self.b3, o2)], 1))
            return self.add_mean.shifter(self.exit(self.upsample.up.body(o3)))

    return Net()


@pytest.mark.parametrize(("name", "groups"), [("carn", 1), ("carn_m", 4)])
def test_carn_is_what_the_paper_draws(name, groups):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    torch.manual_seed(0)
    theirs, ours = torch_carn(torch, groups), models.create_model(name, scale=3)
    load_from_torch(ours, theirs)
    x = np.random.default_rng(0).random((2, 3, 7, 9), np.float32)
    expected = theirs(torch.from_numpy(x))
    found = ours(pyconv.from_numpy(x))
    close(found.detach().numpy(), expected.detach().numpy())
    weights = draw(*found.shape)
    (expected * torch.from_numpy(weights)).sum().backward()
    (found * pyconv.from_numpy(weights)).sum().backward()
    gradients = {key: p.grad.numpy() for key, p in theirs.named_parameters() if p.grad is not None}
    assert gradients.keys() == dict(ours.named_parameters()).keys()
    for key, p in ours.named_parameters():
        close(p.grad.numpy(), gradients[key], 1e-3)


@pytest.mark.parametrize(("name", "options", "scale"), [
    ("srcnn", {}, 1), ("vdsr", {}, 1), ("vdsr", {"bias": False}, 1), ("carn", {"scale": 2}, 2), ("carn_m", {"scale": 4}, 4)])
def test_a_step_lowers_the_loss(name, options, scale):
    model = models.create_model(name, **options)
    rng = np.random.default_rng(0)
    channels = model.input_size[0]
    x = pyconv.from_numpy(rng.random((2, channels, 8, 8), np.float32))
    target = pyconv.from_numpy(rng.random((2, channels, 8 * scale, 8 * scale), np.float32))
    step_lowers_loss(model, lambda: F.mse_loss(model(x), target), 1e-3)


def test_every_scale_is_trained():
    model = models.carn()
    x = pyconv.randn(1, 3, 4, 4)
    sum(model(x, s).mean() for s in (2, 3, 4)).backward()
    assert all(p.grad is not None for p in model.parameters())
    assert model(x).shape == (1, 3, 16, 16)


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: models.srcnn(filters="9-9-5"), ValueError, r"\[srcnn\] filters is '9-9-5', expected one of 9-1-5, 9-3-5"),
    (lambda: models.srcnn(filters=[9]), ValueError, r"\[srcnn\] filters is \[9\], expected one of"),
    (lambda: models.srcnn(in_channels=0), ValueError, r"\[srcnn\] in_channels is 0, expected at least 1"),
    (lambda: models.vdsr(in_channels=1.5), TypeError, r"\[vdsr\] in_channels is 1.5, expected a whole number"),
    (lambda: models.vdsr(bias=0.5), TypeError, r"\[vdsr\] bias is 0.5, expected True or False"),
    (lambda: models.carn(scale=5), ValueError, r"\[carn\] scale is 5, expected 2, 3, 4, or None for all"),
    (lambda: models.carn_m(scale="4"), ValueError, r"\[carn_m\] scale is '4', expected 2, 3, 4, or None"),
    (lambda: models.carn()(pyconv.zeros(1, 3, 8, 8), 8), ValueError, r"\[carn\] scale is 8, expected 2, 3 or 4"),
    (lambda: models.carn_m(scale=3)(pyconv.zeros(1, 3, 8, 8), 2), ValueError, r"\[carn_m\] scale is 2, expected 3"),
    (lambda: models.carn()(pyconv.zeros(1, 1, 8, 8)), ValueError, r"\[carn\] x has shape \(1, 1, 8, 8\), expected \(N, 3, H, W\)"),
    (lambda: models.srcnn()(pyconv.zeros(1, 8, 8)), ValueError, r"\[srcnn\] x has shape \(1, 8, 8\), expected \(N, 1, H, W\)"),
    (lambda: models.vdsr()(3), TypeError, r"\[vdsr\] x is int, expected a Tensor \(N, 1, H, W\)"),
])
def test_misuse(call, error, match):
    with pytest.raises(error, match=match):
        call()
