"""PyTorch for the tests of this folder; without it they are skipped."""

from __future__ import annotations

import pytest


@pytest.fixture
def accelerate(torch, monkeypatch):
    """The function under test, for small tensors as for large ones, and PyTorch seeded."""
    from pyconv.interop.torch import accelerate, kinds

    monkeypatch.setattr(kinds.Rectifier, "least", 0)
    torch.manual_seed(0)
    return accelerate


@pytest.fixture
def close(torch):
    """Equal shapes, and values up to roundings relative to the largest magnitude."""
    def check(got, expected, relative=2e-5, what="", floor=1e-6):
        assert (got is None) == (expected is None), what
        if got is None:
            return
        assert got.shape == expected.shape, what
        assert got.dtype == expected.dtype, what
        scale = float(expected.detach().abs().max()) if expected.numel() else 0.0
        error = float((got.detach() - expected.detach()).abs().max()) if expected.numel() else 0.0
        assert error <= relative * scale + floor, f"{what}: error {error} of {scale}"
    return check


@pytest.fixture
def only_ours(torch):
    """Fails if a layer of the handle was not swapped, was not called, or fell back."""
    def check(handle):
        for row in handle.report():
            assert row.accelerated, row
            assert row.calls > 0, row
            assert row.fallbacks == {}, row
    return check
