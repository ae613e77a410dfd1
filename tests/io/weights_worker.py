"""Loads files that it is told by path, one per line, and answers with the error and what it took; see worker.py.

It may take 1 GB of address space more than at its start, and notices when something is executed: the functions with which
code in a file would begin raise, and what is imported while a file is read is listed.
"""

from __future__ import annotations

import builtins
import contextlib
import json
import os
import resource
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np

from pyconv.io import load

executed: list[str] = []


def _trap(module, name):
    def trapped(*args, **kwargs):
        executed.append(f"{module.__name__}.{name}")
        raise RuntimeError(f"{name} was called")

    setattr(module, name, trapped)


def misbehave() -> dict:
    """What the limits are there for."""
    with contextlib.suppress(RuntimeError):
        os.system("true")
    sys.modules["made up"] = os  # as if it had been imported
    return {"taken": np.ones(2**31, np.uint8)}


def answer(path: str) -> dict:
    modules = set(sys.modules)
    executed.clear()
    start = time.perf_counter()
    tracemalloc.start()
    try:
        found = load(path) if path != "do something bad" else misbehave()
        result = {"loaded": {name: list(value.shape) for name, value in list(found.items())[:5]}}
    except (ValueError, OSError) as error:
        result = {"error": type(error).__name__, "text": str(error)}
    except BaseException as error:
        result = {"wrong": f"{type(error).__name__}: {str(error)[:500]}"}
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return {**result, "peak": peak, "seconds": time.perf_counter() - start, "executed": executed,
            "imported": sorted(set(sys.modules) - modules)}


def main() -> None:
    np.lib.stride_tricks.as_strided(np.zeros(1), (1,), (8,))
    for module, name in ((os, "system"), (os, "popen"), (subprocess, "Popen"), (builtins, "eval"), (builtins, "exec")):
        _trap(module, name)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + 2**30
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(line.strip())), flush=True)


if __name__ == "__main__":
    main()
