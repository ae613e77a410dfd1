"""Every test of a network begins with the same random numbers."""

from __future__ import annotations

import pytest

import pyconv


@pytest.fixture(autouse=True)
def seed():
    pyconv.manual_seed(0)
