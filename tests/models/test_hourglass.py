"""Stacked hourglasses."""

from __future__ import annotations

import numpy as np
import pytest
from zoo import counts, draw, same_maps_as_torch, step_lowers_loss

import pyconv
from pyconv import models
from pyconv.nn import functional as F


@pytest.mark.parametrize(("stacks", "parameters", "macs"), [
    (1, 3_586_960, 5_804_654_592), (2, 6_730_912, 8_988_917_760), (8, 25_594_624, 28_094_496_768)])
def test_counts(stacks, parameters, macs):
    assert counts("hourglass", (3, 256, 256), stacks=stacks) == (parameters, macs)


def test_eight_stacks_and_sixteen_joints_are_the_default():
    with pyconv.device("meta"):
        model = models.hourglass().eval()
        assert [m.shape for m in model(pyconv.zeros(2, 3, 256, 192))] == [(2, 16, 64, 48)] * 8
        four = models.hourglass(num_classes=5, stacks=2, blocks=4).eval()
        assert [m.shape for m in four(pyconv.zeros(1, 3, 64, 64))] == [(1, 5, 16, 16)] * 2
    assert model.input_size == (3, 256, 256)
    assert "hg.1.hg.0.3.3.conv2.weight" in four.state_dict()


def torch_hourglass(torch, stacks):
    """The same network in recursive form, with the names of the weights that are passed around."""
    t, f = torch.nn, torch.nn.functional

    class Block(t.Module):
        def __init__(self, i, w):
            super().__init__()
            self.bn1, self.bn2, self.bn3 = t.BatchNorm2d(i), t.BatchNorm2d(w), t.BatchNorm2d(w)
            self.conv1, self.conv2, self.conv3 = t.Conv2d(i, w, 1), t.Conv2d(w, w, 3, padding=1), t.Conv2d(w, 2 * w, 1)
            self.downsample = None if i == 2 * w else t.Sequential(t.Conv2d(i, 2 * w, 1))

        def forward(self, x):
            y = x
            for norm, conv in ((self.bn1, self.conv1), (self.bn2, self.conv2), (self.bn3, self.conv3)):
                y = conv(f.relu(norm(y)))
            return y + (x if self.downsample is None else self.downsample(x))

    class Net(t.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.bn1 = t.Conv2d(3, 64, 7, 2, 3), t.BatchNorm2d(64)
            self.layer1, self.layer2, self.layer3 = (t.Sequential(Block(*a)) for a in ((64, 64), (128, 128), (256, 128)))
            self.hg = t.ModuleList()
            for _ in range(stacks):
                glass = t.Module()
                glass.hg = t.ModuleList(t.ModuleList(t.Sequential(Block(256, 128)) for _ in range(3 + (d == 0)))
                                        for d in range(4))
                self.hg.append(glass)
            self.res = t.ModuleList(t.Sequential(Block(256, 128)) for _ in range(stacks))
            self.fc = t.ModuleList(t.Sequential(t.Conv2d(256, 256, 1), t.BatchNorm2d(256), t.ReLU()) for _ in range(stacks))
            self.score = t.ModuleList(t.Conv2d(256, 16, 1) for _ in range(stacks))
            self.fc_ = t.ModuleList(t.Conv2d(256, 256, 1) for _ in range(stacks - 1))
            self.score_ = t.ModuleList(t.Conv2d(16, 256, 1) for _ in range(stacks - 1))

        def glass(self, hg, n, x):
            low = hg[n][1](f.max_pool2d(x, 2))
            low = hg[n][2](hg[n][3](low) if n == 0 else self.glass(hg, n - 1, low))
            return hg[n][0](x) + low.repeat_interleave(2, 2).repeat_interleave(2, 3)

        def forward(self, x):
            x = f.relu(self.bn1(self.conv1(x)))
            x = self.layer3(self.layer2(f.max_pool2d(self.layer1(x), 2)))
            out = []
            for s in range(stacks):
                y = self.fc[s](self.res[s](self.glass(self.hg[s].hg, 3, x)))
                out.append(self.score[s](y))
                if s < stacks - 1:
                    x = x + self.fc_[s](y) + self.score_[s](out[-1])
            return out

    return Net()


def test_two_stacks_are_those_of_the_definition():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    torch.manual_seed(0)
    same_maps_as_torch(models.hourglass(stacks=2), torch_hourglass(torch, 2), draw(2, 3, 64, 128), training=False)


@pytest.mark.parametrize("stacks", [1, 2])
def test_a_step_lowers_the_loss(stacks):
    model = models.hourglass(stacks=stacks)
    # Large enough that no batch norm has but two values: its gradients are 1e5 then, in float64, too, and no step is small.
    x, target = pyconv.from_numpy(draw(4, 3, 128, 128)), pyconv.from_numpy(np.abs(draw(4, 16, 32, 32, seed=1)))
    step_lowers_loss(model, lambda: sum(F.mse_loss(maps, target) for maps in model(x)), 1e-3)


def test_joints_are_read_from_the_maps_that_mark_them():
    model = models.hourglass(stacks=1)
    points = np.random.default_rng(0).uniform(0, 63, (5, 16, 2)) * [2, 1]  # x, y
    points[1, 3] = np.nan
    maps = model.targets(points, (64, 128))
    assert maps.shape == (5, 16, 16, 32)
    found = model.joints(maps)
    seen = ~np.isnan(points[:, :, 0])
    assert np.abs(found[seen][:, :2] - points[seen]).max() <= 2.0 + 1e-6  # half a cell, and on average half of that
    assert np.abs(found[seen][:, :2] - points[seen]).mean() < 0.75
    assert found[1, 3, 2] == 0
    assert not maps.numpy()[1, 3].any()
    exact = model.targets([[[4 * 7 + 1.5, 4 * 2 + 1.5]]], (64, 64)).numpy()
    assert exact[0, 0, 2, 7] == 1
    np.testing.assert_allclose(exact[0, 0, 2, 9], np.exp(-2), rtol=1e-6)
    np.testing.assert_array_equal(model.joints(exact)[0, 0], [29.5, 9.5, 1])
    corner = np.zeros((1, 1, 3, 3), np.float32)
    corner[0, 0, 0, 1], corner[0, 0, 1, 1], corner[0, 0, 0, 2] = 1, 0.5, 0.5
    np.testing.assert_array_equal(model.joints(corner)[0, 0], [4 + 1.5 + 1, 1.5, 1])
    np.testing.assert_array_equal(model.joints(np.ones((1, 1, 1, 1), np.float32))[0, 0], [1.5, 1.5, 1])


@pytest.mark.full
def test_it_learns_where_a_joint_is():
    model, rng = models.hourglass(num_classes=1, stacks=1), np.random.default_rng(0)
    optimizer = pyconv.optim.RMSprop(model.parameters(), lr=2.5e-4)  # the paper's
    rows, columns = np.indices((64, 64))

    def pictures(count):
        points = rng.uniform(10, 54, (count, 1, 2))
        x = rng.normal(0, 0.3, (count, 3, 64, 64))
        x += (np.hypot(columns - points[:, :, :1, None], rows - points[:, :, 1:, None]) < 5)
        return pyconv.from_numpy(x.astype(np.float32)), points

    for _ in range(30):
        x, points = pictures(4)
        loss = F.mse_loss(model(x)[0], model.targets(points, (64, 64)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    x, points = pictures(20)
    with pyconv.no_grad():
        found = model.joints(model(x)[0])
    assert np.median(np.abs(found[:, :, :2] - points)) < 4


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: models.hourglass(stacks=1).targets([[1, 2]], (64, 64)), ValueError,
     r"\[hourglass.targets\] points have shape \(1, 2\), expected \(N, joints, 2\)"),
    (lambda: models.hourglass(stacks=1).targets([[[1, 2]]], (64, 64), sigma=0), ValueError, r"\[hourglass.targets\] sigma is 0"),
    (lambda: models.hourglass(stacks=1).joints(np.zeros((3, 4))), ValueError,
     r"\[hourglass.joints\] maps have shape \(3, 4\), expected \(N, joints, H, W\)"),
    (lambda: models.hourglass(stacks=1)(pyconv.zeros(1, 3, 200, 256)), ValueError,
     r"\[hourglass\] x has 200 x 256 pixels, expected multiples of 64, such as 192 x 256"),
    (lambda: models.hourglass(stacks=1)(pyconv.zeros(1, 3, 32, 20)), ValueError, r"such as 64 x 64"),
    (lambda: models.hourglass(stacks=1)(pyconv.zeros(1, 3, 0, 64)), ValueError, r"such as 64 x 64"),
    (lambda: models.hourglass(stacks=1)(pyconv.zeros(1, 1, 64, 64)), ValueError,
     r"\[hourglass\] x has shape \(1, 1, 64, 64\), expected \(N, 3, H, W\)"),
    (lambda: models.hourglass(stacks=0), ValueError, r"\[hourglass\] stacks is 0, expected at least 1"),
    (lambda: models.hourglass(blocks=1.0), TypeError, r"\[hourglass\] blocks is 1.0, expected a whole number"),
    (lambda: models.hourglass(num_classes=0), ValueError, r"\[hourglass\] num_classes is 0"),
    (lambda: models.hourglass(in_channels="3"), TypeError, r"\[hourglass\] in_channels is '3'"),
])
def test_misuse(call, error, match):
    with pytest.raises(error, match=match):
        call()
