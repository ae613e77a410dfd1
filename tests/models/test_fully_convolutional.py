"""Classifiers that look everywhere."""

from __future__ import annotations

import numpy as np
import pytest
from zoo import close, draw

import pyconv
from pyconv import models, nn


@pytest.mark.parametrize(("model", "size"), [
    (lambda: models.lenet5(), None), (lambda: models.lenet_caffe(), None), (lambda: models.lenet1(), None),
    (lambda: models.resnet18(num_classes=5), (3, 64, 96)),
    (lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.AdaptiveAvgPool2d((2, 3)), nn.Flatten(), nn.Linear(18, 4, bias=False), nn.ReLU(),
                           nn.Linear(4, 2)), (2, 10, 11)),
    pytest.param(lambda: models.vgg16(), None, marks=pytest.mark.full),
    pytest.param(lambda: models.alexnet2012(), None, marks=pytest.mark.full),
])
def test_at_its_own_size_it_is_the_classifier(model, size):
    model = model().eval()
    x = pyconv.from_numpy(draw(2, *(size or model.input_size)))
    dense = models.to_fcn(model, size)
    with pyconv.no_grad():
        expected, found = model(x).numpy(), dense(x).numpy()
    assert found.shape == (*expected.shape, 1, 1)
    np.testing.assert_allclose(found[:, :, 0, 0], expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
    assert sum(p.numel() for p in dense.parameters()) == sum(p.numel() for p in model.parameters())
    assert not any(isinstance(m, (nn.Linear, nn.Flatten)) for m in dense.modules())


def test_elsewhere_it_is_the_classifier_on_each_window():
    """LeNet-5 has no padding and steps of 4."""
    model = models.lenet5().eval()
    dense, x = models.to_fcn(model), draw(1, 1, 45, 40)
    with pyconv.no_grad():
        found = dense(pyconv.from_numpy(x)).numpy()
        assert found.shape == (1, 10, 4, 3)
        for i in range(4):
            for j in range(3):
                window = np.ascontiguousarray(x[:, :, 4 * i:4 * i + 32, 4 * j:4 * j + 32])
                close(found[:, :, i, j], model(pyconv.from_numpy(window)).numpy())


def test_pooling_to_one_place_slides():
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3))
    x = draw(1, 1, 6, 5)
    found = models.to_fcn(model, (1, 4, 4))(pyconv.from_numpy(x)).detach().numpy()
    assert found.shape == (1, 3, 3, 2)
    for i in range(3):
        for j in range(2):
            window = pyconv.from_numpy(np.ascontiguousarray(x[:, :, i:i + 4, j:j + 4]))
            np.testing.assert_allclose(found[:, :, i, j], model(window).detach().numpy(), rtol=1e-4, atol=1e-6)


def test_the_classifier_stays_as_it_is():
    model = models.lenet5()
    model.pool1.eval()
    dense = models.to_fcn(model)
    assert isinstance(model.fc1, nn.Linear)
    assert [m.training for m in dense.modules()] == [m.training for m in model.modules()]
    before = model.fc1.weight.detach().numpy().copy()
    for p in dense.parameters():
        p.data.zero_()
    np.testing.assert_array_equal(model.fc1.weight.detach().numpy(), before)
    dense(pyconv.zeros(1, 1, 32, 32)).sum().backward()
    assert all(p.grad is not None for p in dense.parameters())


class FlattensByHand(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 2, 3), nn.Linear(8, 3)

    def forward(self, x):
        return self.fc(self.conv(x).flatten(1))


class ReadsImages(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.flat, self.fc, self.norm = nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 3), nn.BatchNorm1d(3)

    def forward(self, x):
        return self.norm(self.fc(self.flat(self.conv(x))))


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: models.to_fcn(3), TypeError, r"\[to_fcn\] model is int, expected a Module"),
    (lambda: models.to_fcn(nn.Linear(2, 3)), TypeError, r"\[to_fcn\] input_size is None, expected \(channels, height, width\)"),
    (lambda: models.to_fcn(models.lenet5(), (1, 32, 0)), ValueError, r"\[to_fcn\] input_size is 0, expected at least 1"),
    (lambda: models.to_fcn(models.lenet5(), (1, 28, 28)), ValueError, r"fc1 \(Linear\): .*256 features, expected 400"),
    (lambda: models.to_fcn(models.resnet18(), (3, 224, 100))(pyconv.zeros(1, 1, 5, 5)), ValueError, r"conv1 \(Conv2d\)"),
    (lambda: models.to_fcn(nn.Sequential(nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(9, 2)), (1, 7, 7)), ValueError,
     r"\[to_fcn\] 0 \(AdaptiveAvgPool2d\) pools 7 pixels to 3, expected a divisor of 7"),
    (lambda: models.to_fcn(FlattensByHand(), (1, 4, 4)), ValueError, r"\[to_fcn\] FlattensByHand does something else than flatten"),
    (lambda: models.to_fcn(ReadsImages(), (1, 4, 4)), ValueError, r"\[to_fcn\] ReadsImages does something else than flatten"),
])
def test_misuse(call, error, match):
    with pytest.raises(error, match=match):
        call()
