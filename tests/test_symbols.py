"""Which instructions and symbols stand in which object file of the build.

The build folder is PYCONV_BUILD_DIR, else build/editable of the checkout.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pyconv._backend import core

BUILD = Path(os.environ.get("PYCONV_BUILD_DIR", Path(__file__).parent.parent / "build" / "editable"))
OBJECTS = sorted(BUILD.rglob("*.o")) if BUILD.is_dir() else []
WIDEST = {"pyconv_kernels_scalar": "xmm", "pyconv_kernels_avx2": "ymm", "pyconv_kernels_avx512": "zmm"}

pytestmark = [
    pytest.mark.skipif(shutil.which("objdump") is None or shutil.which("nm") is None, reason="binutils not installed"),
    pytest.mark.skipif(not OBJECTS, reason=f"no object files below {BUILD}; set PYCONV_BUILD_DIR"),
    pytest.mark.skipif(bool(core.sanitizers), reason="sanitizers add code of their own to every object"),
]


def target(path: Path) -> str:
    """The CMake target that the object belongs to."""
    return next(part.removesuffix(".dir") for part in path.parts if part.endswith(".dir"))


def output(*command: object) -> str:
    return subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("path", OBJECTS, ids=[f"{target(p)}-{p.name}" for p in OBJECTS])
def test_wide_registers_stay_in_their_objects(path: Path):
    """An AVX instruction outside of the dispatched kernels would run on a processor that has none."""
    code = output("objdump", "-d", "--no-show-raw-insn", path)
    used = {width for width in ("ymm", "zmm") if re.search(rf"%{width}\d", code)}
    allowed = {"pyconv_kernels_avx2": {"ymm"}, "pyconv_kernels_avx512": {"ymm", "zmm"}}.get(target(path), set())
    assert used <= allowed
    widest = WIDEST.get(target(path))
    if widest:
        assert f"%{widest}" in code, f"no {widest} register at all: was this object built with the right flags?"


@pytest.mark.parametrize("path", [p for p in OBJECTS if target(p) in WIDEST], ids=lambda p: target(p))
def test_kernel_objects_define_their_table_and_nothing_else(path: Path):
    isa = target(path).removeprefix("pyconv_kernels_")
    defined = [line.split()[-2:] for line in output("nm", "--defined-only", "-g", path).splitlines()]
    names = [name for kind, name in defined if not name.startswith("DW.ref.")]
    assert len(names) == 1
    assert f"kTable_{isa}" in names[0]
    undefined = {line.split()[-1] for line in output("nm", "--undefined-only", path).splitlines()}
    assert undefined <= {"memcpy", "memset", "memmove", "fmaf", "_GLOBAL_OFFSET_TABLE_"}


def test_every_kernel_object_was_found():
    assert {target(p) for p in OBJECTS if target(p) in WIDEST} >= {"pyconv_kernels_scalar"}
