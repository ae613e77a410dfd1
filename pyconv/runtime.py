"""What the library runs on: instruction set, threads, memory.

Environment: ``PYCONV_ISA`` forces an instruction set, ``PYCONV_NUM_THREADS`` (else ``OMP_NUM_THREADS``) sets the
number of threads, ``PYCONV_ALGORITHM=direct`` does without Winograd convolution, ``PYCONV_POISON=1`` fills fresh
outputs with NaN, to find forgotten writes.
"""

from __future__ import annotations

import contextlib
import operator
import os
import platform
import sys
from typing import Any

import numpy

from pyconv._backend import core

__all__ = ["algorithm", "available_isas", "default_threads", "empty_cache", "get_num_threads", "isa", "memory",
           "reset_peak", "set_num_threads", "show_config", "threading_backend", "use_algorithm",
           "use_isa"]


def isa() -> str:
    """The instruction set in use: ``scalar``, ``avx2`` or ``avx512``."""
    return core.isa()


def available_isas() -> list[str]:
    """Those that this machine runs, slowest first."""
    return core.available_isas()


def use_isa(name: str) -> None:
    """Use another instruction set from now on. Raises ValueError for one that this machine does not run.

    >>> before = isa()
    >>> use_isa("scalar")
    >>> isa()
    'scalar'
    >>> use_isa(before)
    """
    if not isinstance(name, str):
        raise TypeError(f"[use_isa] name is {name!r}, expected a string")
    core.use_isa(name)


def algorithm() -> str:
    """Which convolution algorithms may be used: ``auto`` or ``direct``."""
    return core.algorithm_choice()


def use_algorithm(name: str) -> None:
    """Choose how convolutions of float32 are computed from now on.

    ``auto`` takes Winograd tiles (Winograd 1980; Lavin and Gray 2016) where they are faster, in all three passes: up
    to four times fewer multiplications for a rounding error that is up to three times that of the plain sum (a few
    1e-6 of the result's size), and a NaN or infinity in the input makes all outputs of the tiles that see it NaN.
    With few output channels neighbouring outputs of a row share a vector, and such a value reaches all of them.
    ``direct`` is the plain sum everywhere. ``PYCONV_ALGORITHM`` sets it from outside. float64 is always direct.

    Raises ValueError for another name.

    >>> before = algorithm()
    >>> use_algorithm("direct")
    >>> algorithm()
    'direct'
    >>> use_algorithm(before)
    """
    if not isinstance(name, str):
        raise TypeError(f"[use_algorithm] name is {name!r}, expected a string")
    core.use_algorithm(name)


def get_num_threads() -> int:
    """How many threads an operation may use."""
    return core.get_num_threads()


def set_num_threads(n: int) -> None:
    """Let operations use up to n threads (1 to 1024). Results have the same bits for every n."""
    try:
        value = operator.index(n)
    except TypeError:
        raise TypeError(f"[set_num_threads] n is {n!r}, expected a whole number") from None
    if not 1 <= value <= 1024:
        raise ValueError(f"[set_num_threads] n is {value}, expected 1 to 1024")
    core.set_num_threads(value)


def default_threads() -> dict[str, Any]:
    """How many threads there are unless somebody sets them, and why: threads, affinity, quota (0: none), why."""
    return core.default_threads("/sys/fs/cgroup")


def threading_backend() -> str:
    """What runs the threads: ``openmp`` or ``std``."""
    return core.threading_backend()


def memory() -> dict[str, int]:
    """Bytes in use by arrays now and at the peak, bytes kept for reuse, and conversions of memory order so far.

    >>> sorted(memory())
    ['cached_bytes', 'copied_bytes', 'copies', 'current_bytes', 'peak_bytes']
    """
    return core.memory_stats()


def reset_peak() -> None:
    """Start measuring the peak anew."""
    core.reset_peak()


def empty_cache() -> None:
    """Give memory that is kept for reuse back to the operating system."""
    core.empty_cache()


def show_config() -> str:
    """A text of what is used and why: version, processor, instruction sets, threads, memory."""
    default = default_threads()
    quota = default["quota"] or "unlimited"
    lines = {
        "pyconv": f"{core.__version__} ({sys.version.split()[0]}, numpy {numpy.__version__})",
        "processor": _processor(),
        "instruction set": f"{isa()} (available: {', '.join(available_isas())})",
        "algorithm": algorithm(),
        "threads": f"{get_num_threads()} (default {default['threads']}: {default['why']}; affinity "
                   f"{default['affinity']}, quota {quota})",
        "threading": core.threading_backend(),
        "environment": " ".join(f"{k}={os.environ[k]}" for k in _VARIABLES if k in os.environ) or "none set",
        "memory": ", ".join(f"{k} {v}" for k, v in memory().items()),
    }
    if core.sanitizers:
        lines["sanitizers"] = core.sanitizers
    return "\n".join(f"{k + ':':<17}{v}" for k, v in lines.items())


_VARIABLES = ("PYCONV_ISA", "PYCONV_ALGORITHM", "PYCONV_NUM_THREADS", "OMP_NUM_THREADS", "PYCONV_POISON")


def _processor() -> str:
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()
