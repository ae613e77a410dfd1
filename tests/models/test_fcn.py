"""FCN on VGG-16."""

from __future__ import annotations

import numpy as np
import pytest
from zoo import counts, draw, same_maps_as_torch, step_lowers_loss

import pyconv
from pyconv import models, nn
from pyconv.models import fcn
from pyconv.nn import functional as F

NAMES = ["fcn32s", "fcn16s", "fcn8s"]
NUMBERS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)  # of VGG-16's convolutions among its features


@pytest.fixture
def narrow(monkeypatch):
    """The same networks with fewer channels."""
    monkeypatch.setattr(fcn, "_STAGES", ((3, 2), (4, 2), (5, 3), (6, 3), (7, 3)))
    monkeypatch.setattr(fcn, "_HIDDEN", 8)


def with_scores(name, seed=0):
    """A narrow network whose scoring layers say something."""
    pyconv.manual_seed(seed)
    model = models.create_model(name).eval()
    for key, module in model.named_modules():
        if key.startswith("score"):
            nn.init.normal_(module.weight)
    return model


@pytest.mark.parametrize(("name", "parameters"), [("fcn32s", 136_152_917), ("fcn16s", 134_815_994), ("fcn8s", 134_489_759)])
def test_counts(name, parameters):
    assert counts(name)[0] == parameters


def test_names_of_the_state():
    with pyconv.device("meta"):
        names = {name: {key.rpartition(".")[0] for key in models.create_model(name).state_dict()} for name in NAMES}
    vgg = {f"conv{s}_{i}" for s, n in enumerate((2, 2, 3, 3, 3), 1) for i in range(1, n + 1)} | {"fc6", "fc7", "score_fr"}
    assert names == {"fcn32s": vgg | {"upscore"}, "fcn16s": vgg | {"score_pool4", "upscore2", "upscore16"},
                     "fcn8s": vgg | {"score_pool4", "score_pool3", "upscore2", "upscore_pool4", "upscore8"}}


def test_the_last_interpolation_stays():
    with pyconv.device("meta"):
        frozen = {name: [k for k, p in models.create_model(name).named_parameters() if not p.requires_grad] for name in NAMES}
    assert frozen == {"fcn32s": ["upscore.weight"], "fcn16s": ["upscore16.weight"], "fcn8s": ["upscore8.weight"]}


@pytest.mark.parametrize("name", NAMES)
def test_every_size_comes_back(name):
    with pyconv.device("meta"):
        model = models.create_model(name)
        for n in (*range(1, 70), 224, 375, 500):
            assert model(pyconv.zeros(1, 3, n, 501 - n)).shape == (1, 21, n, 501 - n)


def test_upsampling_begins_as_interpolation(narrow):
    """A ramp stays a ramp, with the step divided, away from the border."""
    model = models.fcn8s(num_classes=2)
    for layer, times in ((model.upscore2, 2), (model.upscore_pool4, 2), (model.upscore8, 8), (models.fcn32s().upscore, 32)):
        ramp = np.zeros((1, layer.in_channels, 3, 6), np.float32)
        ramp[0, 1] = np.arange(6)
        out = layer(pyconv.from_numpy(ramp)).detach().numpy()[0]
        inside = slice(2 * times, -2 * times)
        expected = (np.arange(out.shape[2]) - (times - 0.5)) / times
        np.testing.assert_allclose(out[1, 2 * times - 1, inside], expected[inside], rtol=1e-5)
        assert (out[0] == 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_scores_lie_where_they_belong(narrow, name):
    """With all filters mirrored the answer to the mirrored picture is mirrored: padding and cuts are centred.

    58 pixels and the padding make 256, eight times 32, so that pooling is as even-handed.
    """
    model = with_scores(name)
    mirrored = models.create_model(name).eval()
    mirrored.load_state_dict({key: value.numpy()[..., ::-1, ::-1].copy() if value.ndim == 4 else value
                              for key, value in model.state_dict().items()})
    x = draw(1, 3, 58, 58)
    with pyconv.no_grad():
        expected = model(pyconv.from_numpy(x)).numpy()
        found = mirrored(pyconv.from_numpy(x[..., ::-1, ::-1].copy())).numpy()
    assert np.ptp(expected) > 0
    np.testing.assert_allclose(found[..., ::-1, ::-1], expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def torch_fcn8s(torch):
    """Written out: pools rounded up, three scores, two sums, three cuts."""
    t, f = torch.nn, torch.nn.functional

    class Net(t.Module):
        def __init__(self):
            super().__init__()
            before = 3
            for s, (width, n) in enumerate(fcn._STAGES, 1):
                for i in range(1, n + 1):
                    setattr(self, f"conv{s}_{i}", t.Conv2d(before, width, 3, padding=100 if before == 3 and s == i == 1 else 1))
                    before = width
            self.fc6, self.fc7, self.score_fr = t.Conv2d(7, 8, 7), t.Conv2d(8, 8, 1), t.Conv2d(8, 21, 1)
            self.score_pool4, self.score_pool3 = t.Conv2d(6, 21, 1), t.Conv2d(5, 21, 1)
            self.upscore2 = t.ConvTranspose2d(21, 21, 4, 2, bias=False)
            self.upscore_pool4 = t.ConvTranspose2d(21, 21, 4, 2, bias=False)
            self.upscore8 = t.ConvTranspose2d(21, 21, 16, 8, bias=False)
            self.upscore8.requires_grad_(False)

        def forward(self, x):
            h, w = x.shape[2:]
            pools = []
            for s, (_, n) in enumerate(fcn._STAGES, 1):
                for i in range(1, n + 1):
                    x = f.relu(getattr(self, f"conv{s}_{i}")(x))
                x = f.max_pool2d(x, 2, ceil_mode=True)
                pools.append(x)
            x = self.upscore2(self.score_fr(f.relu(self.fc7(f.relu(self.fc6(x))))))
            x = x + self.score_pool4(pools[3])[:, :, 5:5 + x.shape[2], 5:5 + x.shape[3]]
            x = self.upscore_pool4(x)
            x = x + self.score_pool3(pools[2])[:, :, 9:9 + x.shape[2], 9:9 + x.shape[3]]
            return self.upscore8(x)[:, :, 31:31 + h, 31:31 + w].contiguous()

    return Net()


def test_fcn8s_is_that_of_the_definition(narrow):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    torch.manual_seed(0)
    same_maps_as_torch(models.fcn8s(), torch_fcn8s(torch), draw(2, 3, 33, 50), training=False)


def test_a_classifier_becomes_fully_convolutional(narrow):
    """What VGG-16's linear layers say of a 7x7 map, fc6 and fc7 say at every position of a larger one."""
    model = models.fcn16s()
    before, state = 3, {}
    widths = [width for width, n in fcn._STAGES for _ in range(n)]
    for number, width in zip(NUMBERS, widths, strict=True):
        state |= {f"features.{number}.weight": draw(width, before, 3, 3, seed=number), f"features.{number}.bias": draw(width)}
        before = width
    linear = nn.Linear(7 * 49, 8), nn.Linear(8, 8), nn.Linear(8, 1000)
    for number, layer in zip((0, 3, 6), linear, strict=True):
        state |= {f"classifier.{number}.{k}": v for k, v in layer.state_dict().items()}
    model.load_vgg16(state)
    np.testing.assert_array_equal(model.conv5_3.weight.detach().numpy(), state["features.28.weight"])
    np.testing.assert_array_equal(model.conv1_2.bias.detach().numpy(), state["features.2.bias"])
    maps = draw(1, 7, 9, 8)
    found = model.fc7(model.fc6(pyconv.from_numpy(maps))).detach().numpy()
    for i in range(3):
        for j in range(2):
            window = pyconv.from_numpy(maps[:, :, i:i + 7, j:j + 7].reshape(1, -1).copy())
            expected = linear[1](linear[0](window)).detach().numpy()
            np.testing.assert_allclose(found[:, :, i, j], expected, rtol=1e-4, atol=1e-5 * np.abs(found).max())


def test_vgg16_has_the_names_that_are_taken_over():
    with pyconv.device("meta"):
        vgg, normed = (models.create_model(name).state_dict() for name in ("vgg16", "vgg16_bn"))
        assert {int(key.split(".")[1]) for key in vgg if key.startswith("features")} == {*NUMBERS}
        assert {key for key in vgg if key.startswith("cl")} == {f"classifier.{i}.{k}" for i in (0, 3, 6) for k in ("weight", "bias")}
        with pytest.raises(ValueError, match=r"\[fcn8s\] state has 26 layers features.N.weight, expected VGG-16's 13"):
            models.fcn8s().load_vgg16(normed)


@pytest.mark.parametrize("name", NAMES)
def test_a_step_lowers_the_loss(narrow, name):
    model = with_scores(name).train()
    model.dropout.eval()
    x, labels = pyconv.from_numpy(draw(2, 3, 20, 30)), np.random.default_rng(0).integers(0, 21, (2, 20, 30))
    step_lowers_loss(model, lambda: F.cross_entropy(model(x), pyconv.tensor(labels)), 1e-4)


@pytest.mark.full
def test_a_step_at_full_width():
    model = models.fcn8s()
    model.dropout.eval()
    x, labels = pyconv.from_numpy(draw(1, 3, 40, 30)), np.random.default_rng(0).integers(0, 21, (1, 40, 30))
    step_lowers_loss(model, lambda: F.cross_entropy(model(x), pyconv.tensor(labels)), 1e-4)


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: models.fcn8s(num_classes=0), ValueError, r"\[fcn8s\] num_classes is 0, expected at least 1"),
    (lambda: models.fcn16s(in_channels=None), TypeError, r"\[fcn16s\] in_channels is None, expected a whole number"),
    (lambda: models.fcn32s()(pyconv.zeros(3, 20, 20)), ValueError,
     r"\[fcn32s\] x has shape \(3, 20, 20\), expected \(N, 3, H, W\)"),
    (lambda: models.fcn8s()(pyconv.zeros(1, 3, 0, 20)), ValueError, r"\[fcn8s\] x has 0 x 20 pixels, expected at least 1 x 1"),
    (lambda: models.fcn8s().load_vgg16({"features.0.weight": draw(3, 3, 3, 3)}), ValueError,
     r"\[fcn8s\] state has 1 layers features.N.weight, expected VGG-16's 13 without batch norm"),
])
def test_misuse(narrow, call, error, match):
    with pytest.raises(error, match=match):
        call()
