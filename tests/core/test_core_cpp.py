"""Compiles core_test.cpp with csrc/core and runs its tests: both threading backends, sanitizers in the long tier."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CSRC = HERE.parent.parent / "csrc"
COMPILER = os.environ.get("CXX", "g++")
NAMES = re.findall(r'^    \{"(\w+)"', (HERE / "core_test.cpp").read_text(), flags=re.M)
BUILDS = {
    "openmp": ["-fopenmp", "-DPYCONV_OPENMP"],
    "std": [],
    "std-tsan": ["-fsanitize=thread", "-g"],
    "openmp-asan-ubsan": ["-fopenmp", "-DPYCONV_OPENMP", "-DPYCONV_SANITIZE", "-fsanitize=address,undefined",
                          "-fno-sanitize-recover=undefined", "-g"],
}

pytestmark = pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"no compiler {COMPILER}")


@pytest.fixture(scope="module", params=["openmp", "std", *(pytest.param(b, marks=pytest.mark.full)
                                                           for b in ("std-tsan", "openmp-asan-ubsan"))])
def program(request, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("core") / request.param
    sources = [HERE / "core_test.cpp", *sorted((CSRC / "core").glob("*.cpp"))]
    subprocess.run([COMPILER, "-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", f"-I{CSRC}", "-pthread",
                    *BUILDS[request.param], *map(str, sources), "-o", str(path)], check=True)
    return path


def test_the_program_has_these_tests(program: Path):
    listed = subprocess.run([program], check=True, capture_output=True, text=True).stdout.split()
    assert listed == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_core(program: Path, name: str):
    # ThreadSanitizer gives up on threads after a fork unless told not to.
    env = {**os.environ, "TSAN_OPTIONS": "die_after_fork=0"}
    result = subprocess.run([program, name], capture_output=True, text=True, timeout=120, env=env)
    assert result.returncode == 0, result.stderr
