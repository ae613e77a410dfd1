"""The choice of an instruction set."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np
import pytest

from pyconv._backend import core


def run(isa: str, code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", f"from pyconv._backend import core; {code}"], capture_output=True,
                          text=True, timeout=60, env={**os.environ, "PYCONV_ISA": isa})


@pytest.mark.parametrize("name", core.available_isas())
def test_environment_forces(name: str):
    assert run(name, "print(core.isa())").stdout == f"{name}\n"


def test_the_default_is_the_best():
    assert run("", "print(core.isa())").stdout == f"{core.available_isas()[-1]}\n"


@pytest.mark.parametrize("name", ["sse9", "AVX2", "scalar ", "avx2,avx512"])
def test_unknown_names_are_errors(name: str):
    result = run(name, "print(core.isa())")
    text = f"is '{name}', expected one of those that this machine runs: scalar"
    assert f"ValueError: [isa] PYCONV_ISA {text}" in result.stderr
    before = core.isa()
    with pytest.raises(ValueError, match=rf"\[use_isa\] name {text}"):
        core.use_isa(name)
    assert core.isa() == before


def test_scalar_is_always_there():
    assert core.available_isas()[0] == "scalar"


def test_use_isa(isa: str):
    assert core.isa() == isa


def seconds(isa: str) -> float:
    core.use_isa(isa)
    a = np.ones((192, 192), np.float32)
    best = np.inf
    for _ in range(7):
        start = time.perf_counter()
        core.gemm(a, a, False, False)
        best = min(best, time.perf_counter() - start)
    return best


@pytest.mark.skipif(len(core.available_isas()) == 1, reason="this machine runs the scalar kernels only")
@pytest.mark.skipif(bool(core.sanitizers), reason="sanitizers change the speed of the kernels")
def test_the_forced_one_runs(keep_threads: None):
    """A matrix product is many times slower without vectors; a factor of two is beyond doubt."""
    before = core.isa()
    core.set_num_threads(1)
    try:
        assert seconds("scalar") > 2 * seconds(core.available_isas()[-1])
    finally:
        core.use_isa(before)
