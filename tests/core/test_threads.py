"""How many threads: the default under an affinity mask and a quota, the environment, bad counts; many callers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from pyconv._backend import core
from pyconv.ops.conv import conv2d


def run(code: str, **environment: str) -> subprocess.CompletedProcess:
    """A fresh interpreter, without the thread variables of this one."""
    env = {k: v for k, v in os.environ.items() if k not in ("PYCONV_NUM_THREADS", "OMP_NUM_THREADS")}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60,
                          env={**env, **environment})


GET = "from pyconv._backend import core; print(core.get_num_threads())"


# --- set_num_threads ------------------------------------------------------------------------------
@pytest.mark.parametrize("n", [0, -1, 1025, 2**31 - 1])
def test_bad_counts(n: int, keep_threads: None):
    before = core.get_num_threads()
    with pytest.raises(ValueError, match=rf"\[set_num_threads\] n is {n}, expected 1 to 1024"):
        core.set_num_threads(n)
    assert core.get_num_threads() == before


def test_set_and_get(keep_threads: None):
    core.set_num_threads(7)
    assert core.get_num_threads() == 7


# --- the default ----------------------------------------------------------------------------------
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity masks on this system")
def test_default_respects_the_affinity_mask():
    one = min(os.sched_getaffinity(0))
    result = run(f"import os; os.sched_setaffinity(0, {{{one}}}); {GET}; print(core.default_threads('/nowhere'))")
    assert result.stdout.startswith("1\n"), result.stderr
    assert "'affinity': 1" in result.stdout


def test_default_without_a_quota_is_the_affinity(tmp_path: Path, monkeypatch):
    for variable in ("PYCONV_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(variable, raising=False)
    found = core.default_threads(str(tmp_path))
    processors = len(os.sched_getaffinity(0))
    assert found == {"threads": processors, "affinity": processors, "quota": 0.0,
                     "why": "processors this process may run on"}


def own_group(v2: bool) -> str:
    """This process's path below the root of its control groups; "" for the root itself."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if (controllers == "") if v2 else ("cpu" in controllers.split(",")):
            return path.strip("/")
    return ""


def write_quota(root: Path, v2: bool, group: str, quota: str, period: int) -> None:
    folder = root / group if v2 else root / "cpu" / group
    folder.mkdir(parents=True, exist_ok=True)
    if v2:
        (folder / "cpu.max").write_text(f"{quota} {period}\n")
    else:
        (folder / "cpu.cfs_quota_us").write_text(f"{-1 if quota == 'max' else quota}\n")
        (folder / "cpu.cfs_period_us").write_text(f"{period}\n")


versions = pytest.mark.parametrize("v2", [True, False], ids=["v2", "v1"])


@versions
@pytest.mark.parametrize(("quota", "period", "expected"), [
    ("50000", 100000, 0.5), ("100000", 100000, 1.0), ("190000", 100000, 1.9), ("10000000", 100000, 100.0),
    ("max", 100000, 0.0),
])
def test_quota(tmp_path: Path, monkeypatch, v2: bool, quota: str, period: int, expected: float):
    for variable in ("PYCONV_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(variable, raising=False)
    write_quota(tmp_path, v2, own_group(v2), quota, period)
    found = core.default_threads(str(tmp_path))
    processors = len(os.sched_getaffinity(0))
    granted = max(1, int(expected)) if expected else processors
    assert found["quota"] == pytest.approx(expected)
    assert found["threads"] == min(processors, granted)
    assert ("quota" in found["why"]) == (granted < processors)


@versions
def test_a_parent_group_may_be_tighter(tmp_path: Path, monkeypatch, v2: bool):
    for variable in ("PYCONV_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(variable, raising=False)
    write_quota(tmp_path, v2, own_group(v2), "800000", 100000)
    write_quota(tmp_path, v2, "", "150000", 100000)
    assert core.default_threads(str(tmp_path))["quota"] == pytest.approx(1.5)


@versions
@pytest.mark.parametrize("text", ["", "nonsense", "100000", "-5 100000", "100000 0", "1e400 100000"])
def test_broken_quota_files_are_no_quota(tmp_path: Path, v2: bool, text: str):
    folder = tmp_path / own_group(v2) if v2 else tmp_path / "cpu" / own_group(v2)
    folder.mkdir(parents=True, exist_ok=True)
    names = ["cpu.max"] if v2 else ["cpu.cfs_quota_us", "cpu.cfs_period_us"]
    for name in names:
        (folder / name).write_text(text)
    assert core.default_threads(str(tmp_path))["threads"] >= 1


@pytest.mark.parametrize(("environment", "expected"), [
    ({"PYCONV_NUM_THREADS": "3"}, 3), ({"OMP_NUM_THREADS": "5"}, 5), ({"OMP_NUM_THREADS": "4,2"}, 4),
    ({"PYCONV_NUM_THREADS": "3", "OMP_NUM_THREADS": "5"}, 3), ({"PYCONV_NUM_THREADS": "", "OMP_NUM_THREADS": "6"}, 6),
])
def test_environment(environment: dict[str, str], expected: int):
    result = run(GET, **environment)
    assert result.stdout == f"{expected}\n", result.stderr


@pytest.mark.parametrize("text", ["0", "-2", "two", "2.5", "99999", "3 "])
def test_bad_environment(text: str):
    result = run(GET, PYCONV_NUM_THREADS=text)
    assert result.returncode != 0
    assert re.search(rf"ValueError: \[threads\] PYCONV_NUM_THREADS is '{text}', expected a whole number", result.stderr)


# --- use ------------------------------------------------------------------------------------------
def test_calls_from_many_python_threads(keep_threads: None):
    """Each caller gets its own result, the same bits as alone."""
    core.set_num_threads(3)
    rng = np.random.default_rng(0)
    jobs = [(rng.standard_normal((2, 5, 17 + n, 9)).astype(np.float32),
             rng.standard_normal((7, 5, 3, 3)).astype(np.float32)) for n in range(8)]
    expected = [conv2d(x, w, padding=1).tobytes() for x, w in jobs]
    wrong: list[int] = []

    def work(n: int) -> None:
        for _ in range(20):
            if conv2d(*jobs[n], padding=1).tobytes() != expected[n]:
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(len(jobs))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_large_results_do_not_depend_on_the_thread_count(keep_threads: None):
    """Shapes with many blocks, beyond what the samples have: forward, gradients, products, sums."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((4, 16, 40, 40)).astype(np.float32)
    w = rng.standard_normal((40, 16, 3, 3)).astype(np.float32)
    a = rng.standard_normal((300, 700)).astype(np.float32)
    shape = core.conv_shape("conv2d", x.shape, w.shape, (1, 1), (1, 1, 1, 1), (1, 1), 1)
    gy = rng.standard_normal(shape.output_shape).astype(np.float32)

    def results() -> list[bytes]:
        arrays = [core.conv_forward("conv2d", shape, x, w), core.conv_grad_input(shape, gy, w),
                  core.conv_grad_weight(shape, gy, x), core.conv_grad_bias(shape, gy),
                  core.gemm(a, a, False, True), core.gemm(a, a, True, False)]
        return [r.tobytes() for r in arrays]

    core.set_num_threads(1)
    first = results()
    for n in (2, 3, 4, 7):
        core.set_num_threads(n)
        assert results() == first, f"{n} threads"
