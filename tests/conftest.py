"""Options and fixtures of the whole suite.

Everything runs with poison on: fresh outputs hold NaN and scratch memory 0xA5, so that a forgotten write shows.
"""

from __future__ import annotations

import os
import warnings

import pytest

from pyconv._backend import core

#: Thread counts that have to give the same bits; 3 and 7 divide nothing.
THREADS = (1, 2, 3, 4, 7)

# Interpreters that tests start in the checkout's root must find the installed package, not its source folder.
os.environ["PYTHONSAFEPATH"] = "1"


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="also run the long tier (tests marked `full`)")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--full"):
        return
    skip = pytest.mark.skip(reason="part of the long tier: run with --full")
    for item in items:
        if item.get_closest_marker("full"):
            item.add_marker(skip)


@pytest.fixture(autouse=True, scope="session")
def poison():
    before = core.poison()
    core.set_poison(True)
    yield
    core.set_poison(before)


@pytest.fixture(params=core.available_isas())
def isa(request):
    """Each instruction set that this machine runs, forced for the test."""
    before = core.isa()
    core.use_isa(request.param)
    yield request.param
    core.use_isa(before)


@pytest.fixture(params=THREADS)
def threads(request):
    """Each of several thread counts, set for the test."""
    before = core.get_num_threads()
    core.set_num_threads(request.param)
    yield request.param
    core.set_num_threads(before)


@pytest.fixture
def keep_threads():
    """Restores the thread count after a test that sets it itself."""
    before = core.get_num_threads()
    yield
    core.set_num_threads(before)


@pytest.fixture
def keep_algorithm():
    """Restores the choice of convolution algorithms after a test that sets it itself."""
    before = core.algorithm_choice()
    yield
    core.use_algorithm(before)


@pytest.fixture(scope="session")
def torch():
    """PyTorch, on two threads; the test is skipped where it is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PyTorch's own imports
        torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
    torch.set_num_threads(2)
    return torch
