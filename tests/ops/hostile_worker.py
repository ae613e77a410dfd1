"""Runs hostile calls, one per line of input: the index in the table in, one line of JSON out.

A process of its own, with its memory limited, so that a crash, a hang or a greedy allocation costs one case and not
the test session.
"""

from __future__ import annotations

import faulthandler
import json
import resource
import sys
from pathlib import Path

EXTRA_BYTES = 4 << 30  # address space beyond what the imports took


def limit_memory() -> None:
    from pyconv._backend import core

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if core.sanitizers:
        return  # their shadow memory needs the whole address space
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + EXTRA_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def namespace() -> dict[str, object]:
    import numpy as np

    import pyconv as pc
    from pyconv import nn
    from pyconv.nn import functional

    def a(*shape):
        return np.ones(shape, np.float32)

    def x(*shape):
        return pc.from_numpy(a(*shape))

    def i(*shape):
        return pc.from_numpy(np.zeros(shape, np.int64))

    return {"pc": pc, "F": functional, "nn": nn, "np": np, "a": a, "x": x, "i": i}


def run(case, names) -> dict[str, object]:
    try:
        value = eval(case.call, dict(names))
    except BaseException as error:
        return {"raised": type(error).__name__, "expected": isinstance(error, case.raises), "text": str(error)}
    return {"returned": repr(value)[:200]}


def main() -> None:
    import support

    faulthandler.enable()
    cases, names = support.all_hostile(), namespace()
    limit_memory()
    print(json.dumps({"ready": len(cases)}), flush=True)
    for line in sys.stdin:
        print(json.dumps(run(cases[int(line)], names)), flush=True)


if __name__ == "__main__":
    main()
