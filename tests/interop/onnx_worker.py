"""Loads and runs malformed models, one per line of input, in a process of its own whose memory is limited.

A line is ``case NAME``, ``sweep INDEX`` (a suite's model with one number changed) or ``flip SEED`` (bytes changed).
The answer is one line of JSON.
"""

from __future__ import annotations

import faulthandler
import json
import resource
import sys
import tempfile
import warnings
from pathlib import Path

EXTRA_BYTES = 3 << 30  # address space beyond what the imports took: the default limit of a run is 1 GiB


def limit_memory() -> None:
    from pyconv._backend import core

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if core.sanitizers:
        return  # their shadow memory needs the whole address space
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + EXTRA_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def outcome(model, inputs, options) -> dict[str, object]:
    from pyconv.grad_mode import no_grad
    from pyconv.interop.onnx import OnnxError, load

    try:
        with no_grad():
            load(model, **options)(*inputs)
    except BaseException as error:
        return {"raised": type(error).__name__, "expected": isinstance(error, OnnxError), "text": str(error)[:2000]}
    return {"returned": True}


def case(name: str) -> dict[str, object]:
    import onnx_corpus

    found = onnx_corpus.CASES[name]
    if not callable(found.model):
        return outcome(found.model, found.inputs, found.options)
    with tempfile.TemporaryDirectory() as folder:
        return outcome(found.model(Path(folder)), found.inputs, found.options)


def main() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import onnx_corpus
        import onnx_sweep

        sweep = onnx_sweep.Sweep()
    faulthandler.enable()
    limit_memory()
    print(json.dumps({"cases": len(onnx_corpus.CASES), "sweep": len(sweep)}), flush=True)
    for line in sys.stdin:
        what, _, argument = line.rstrip("\n").partition(" ")
        if what == "case":
            answer = case(argument)
        else:
            model, inputs = sweep[int(argument)] if what == "sweep" else sweep.flipped(int(argument))
            answer = outcome(model, inputs, {})
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
