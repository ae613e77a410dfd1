"""Unshared convolution beyond the sample table: its kin, and Darknet's layout."""

from __future__ import annotations

import numpy as np
import pytest

import pyconv
from pyconv import nn
from pyconv.nn import functional as F


def test_equal_banks_are_a_convolution(isa: str):
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((3, 5, 6, 7)), rng.standard_normal((4, 5, 3, 2))
    want = F.conv2d(x, weight, stride=(2, 1), padding=1)
    banks = np.broadcast_to(weight, (*want.shape[2:], *weight.shape))
    got = F.locally_connected2d(x.astype(np.float32), banks.astype(np.float32), stride=(2, 1), padding=1)
    np.testing.assert_allclose(got, want, atol=1e-5)


def test_weights_of_local_shared_and_full_connections():
    """Seven inputs, three units of three taps in steps of two: 9 weights, 3 shared ones, or 21."""
    local = nn.LocallyConnected1d(1, 1, 7, 3, stride=2, bias=False)
    shared, full = nn.Conv1d(1, 1, 3, stride=2, bias=False), nn.Linear(7, 3, bias=False)
    assert [sum(p.numel() for p in m.parameters()) for m in (local, shared, full)] == [9, 3, 21]
    assert local(pyconv.zeros(1, 1, 7)).shape == shared(pyconv.zeros(1, 1, 7)).shape == (1, 1, 3)


def test_the_order_of_darknets_weights():
    """Locations row by row; per location a matrix (filter, (channel, row, column)); biases (filter, location)."""
    rng = np.random.default_rng(1)
    stream = rng.standard_normal(3 * 4 * 2 * 5 * 3 * 3).astype(np.float32)
    biases = rng.standard_normal(2 * 3 * 4).astype(np.float32)
    x = rng.standard_normal((1, 5, 3, 4)).astype(np.float32)
    padded = np.pad(x[0], ((0, 0), (1, 1), (1, 1)))
    want = np.zeros((2, 3, 4))
    for location in range(12):
        i, j = divmod(location, 4)
        bank = stream[location * 90:(location + 1) * 90].reshape(2, 45).astype(np.float64)
        want[:, i, j] = bank @ padded[:, i:i + 3, j:j + 3].ravel() + biases.reshape(2, 12)[:, location]
    got = F.locally_connected2d(x, stream.reshape(3, 4, 2, 5, 3, 3), biases.reshape(2, 3, 4), padding=1)
    np.testing.assert_allclose(got[0], want, atol=1e-5)


def test_yolo_v1s_layer_without_its_memory():
    layer = nn.LocallyConnected2d(1024, 256, 7, 3, padding=1, device="meta")
    assert layer.weight.shape == (7, 7, 256, 1024, 3, 3)
    assert layer.bias.shape == (256, 7, 7)
    summary = pyconv.summary(nn.Sequential(layer), (1, 1024, 7, 7))
    assert summary.total_macs == 49 * 256 * 9 * 1024


def test_images_in_several_groups():
    """64 positions of 230 * 121 columns are 1.8 M floats per image: the input's gradient takes 12 in two rounds."""
    rng = np.random.default_rng(2)
    x, z = (pyconv.Tensor(rng.standard_normal((12, 230, 8, 8)).astype(np.float32), requires_grad=True) for _ in "xz")
    bank = rng.standard_normal((1, 230, 11, 11)).astype(np.float32)
    g = pyconv.Tensor(rng.standard_normal((12, 1, 8, 8)).astype(np.float32))
    F.locally_connected2d(x, np.broadcast_to(bank, (8, 8, *bank.shape)), padding=5).backward(g)
    F.conv2d(z, bank, padding=5).backward(g)
    np.testing.assert_allclose(x.grad.array, z.grad.array, atol=2e-4)


@pytest.mark.parametrize("axes", [1, 2])
def test_training_moves_every_bank(axes: int):
    pyconv.manual_seed(3)
    layer = getattr(nn, f"LocallyConnected{axes}d")(2, 3, 6, 3, padding=1)
    before = layer.weight.array.copy()
    x = pyconv.Tensor(np.random.default_rng(4).standard_normal((4, 2, *[6] * axes)).astype(np.float32))
    optimizer = pyconv.optim.SGD(layer.parameters(), lr=0.1)
    layer(x).sum().backward()
    optimizer.step()
    assert (layer.weight.array != before).reshape(6**axes, -1).any(1).all()
