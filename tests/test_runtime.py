"""What pyconv.runtime shows and sets, and what importing pyconv costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import pyconv as pc
from pyconv import runtime
from pyconv._backend import core


def test_isa_is_forced_and_restored(isa):
    assert runtime.isa() == isa
    assert isa in runtime.available_isas()


@pytest.mark.parametrize(("name", "error", "match"), [
    ("sse9", ValueError, r"\[use_isa\] name is 'sse9', expected one of"),
    (None, TypeError, r"\[use_isa\] name is None"),
])
def test_use_isa_refuses(name, error, match):
    with pytest.raises(error, match=match):
        runtime.use_isa(name)


@pytest.mark.parametrize(("n", "error"), [(0, ValueError), (-1, ValueError), (2**40, ValueError), (1.0, TypeError)])
def test_set_num_threads_refuses(n, error):
    with pytest.raises(error, match=r"\[set_num_threads\] n is"):
        runtime.set_num_threads(n)


def test_set_num_threads(keep_threads):
    runtime.set_num_threads(3)
    assert runtime.get_num_threads() == 3


def test_memory_follows_an_array():
    runtime.reset_peak()
    before = runtime.memory()
    x = pc.zeros(1 << 20)
    during = runtime.memory()
    assert during["current_bytes"] >= before["current_bytes"] + (4 << 20)
    del x
    after = runtime.memory()
    assert after["current_bytes"] == before["current_bytes"]
    assert after["peak_bytes"] >= during["current_bytes"]
    if core.sanitizers:
        return  # plain malloc keeps nothing
    assert after["cached_bytes"] >= 4 << 20
    runtime.empty_cache()
    assert runtime.memory()["cached_bytes"] <= after["cached_bytes"] - (4 << 20)


def test_show_config_names_what_is_used():
    text = runtime.show_config()
    for word in (pc.__version__, runtime.isa(), "threads", "numpy", "peak_bytes"):
        assert word in text


def test_import_is_light():
    """`import pyconv` alone loads no optional package and no heavy room of its own."""
    code = "import sys, numpy; before = set(sys.modules); import pyconv; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = set(done.stdout.split())
    roots = {name.split(".")[0] for name in loaded}
    assert not roots & {"PIL", "matplotlib", "sklearn", "scipy", "torch", "tqdm", "safetensors", "onnx"}
    assert not loaded & {f"pyconv.{room}" for room in ("nn", "optim", "data", "models", "train", "io", "explain")}
    assert len(loaded) < 80


def test_rooms_are_imported_when_used():
    assert pc.nn is sys.modules["pyconv.nn"]
    assert pc.runtime is runtime
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        pc.nonsense  # noqa: B018
    assert "nn" in dir(pc)
    for name in pc.__all__:
        assert hasattr(pc, name), name
