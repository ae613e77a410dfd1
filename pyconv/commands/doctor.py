"""``pyconv doctor``: what this installation found on this machine."""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

NAME = "doctor"
HELP = "show version, instruction sets, threads, OpenMP runtimes, memory: what a bug report needs"
EXAMPLE = "pyconv doctor --json"
_EXTRAS = ("pillow", "matplotlib", "scikit-learn", "tqdm", "safetensors", "torch")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None of its own."""


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Collect."""
    import numpy as np

    from pyconv import runtime

    return {
        "pyconv": metadata.version("pyconv"),
        "python": platform.python_version(),
        "executable": sys.executable,
        "platform": platform.platform(),
        "processor": _processor(),
        "isa": runtime.isa(),
        "isas": list(runtime.available_isas()),
        "threads": runtime.get_num_threads(),
        "threads_default": runtime.default_threads(),
        "threading": runtime.threading_backend(),
        "openmp": openmp_runtimes(_text("/proc/self/maps")),
        "numpy": np.__version__,
        "extras": {name: _version(name) for name in _EXTRAS},
        "memory": {"total": _memory("MemTotal"), "available": _memory("MemAvailable"), "pyconv": runtime.memory()},
        "environment": {k: v for k, v in sorted(os.environ.items()) if k.startswith(("PYCONV_", "OMP_", "KMP_"))},
    }


def openmp_runtimes(maps: str) -> list[str]:
    """Paths of the OpenMP runtimes among the mapped files of a process (the text of /proc/PID/maps).

    >>> openmp_runtimes("7f00-7f01 r-xp 0 08:01 5 /usr/lib/libgomp.so.1.0.0")
    ['/usr/lib/libgomp.so.1.0.0']
    """
    return sorted(set(re.findall(r"(/\S*/lib(?:gomp|iomp5|omp5?)\b[^/\s]*\.so[^/\s]*)", maps)))


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", _text("/proc/cpuinfo"), re.MULTILINE)
    return found[1] if found else platform.processor() or platform.machine()


def _memory(key: str) -> int | None:
    found = re.search(rf"^{key}:\s+(\d+) kB", _text("/proc/meminfo"), re.MULTILINE)
    return 1024 * int(found[1]) if found else None


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def show(result: dict[str, Any], args: argparse.Namespace) -> None:
    """A table."""
    memory, default = result["memory"], result["threads_default"]
    missing = [name for name, version in result["extras"].items() if version is None]
    found = [f"{name} {version}" for name, version in result["extras"].items() if version]
    rows = {
        "pyconv": result["pyconv"],
        "Python": f"{result['python']} ({result['executable']})",
        "platform": result["platform"],
        "processor": result["processor"],
        "instruction sets": f"{', '.join(result['isas'])}; chosen: {result['isa']}",
        "threads": f"{result['threads']} (default {default['threads']}: {default['why']}; CPU affinity "
                   f"{default['affinity']}, quota {default['quota'] or 'unlimited'})",
        "threading": result["threading"],
        "OpenMP": ", ".join(result["openmp"]) or "none loaded",
        "numpy": result["numpy"],
        "extras": ", ".join(found) + (f"; not installed: {', '.join(missing)}" if missing else ""),
        "memory": f"{_gib(memory['available'])} of {_gib(memory['total'])} available",
        "environment": ", ".join(f"{k}={v}" for k, v in result["environment"].items()) or "nothing set",
    }
    for name, value in rows.items():
        print(f"{name:<17} {value}")
    if len(result["openmp"]) > 1:
        print("note: more than one OpenMP runtime is loaded; each has threads of its own, which compete for the cores")


def _gib(size: int | None) -> str:
    return "unknown" if size is None else f"{size / 2**30:.1f} GiB"
