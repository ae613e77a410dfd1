"""A training step of PyTorch's own model, as it is in both memory orders and after pyconv.interop.torch.accelerate.

Before anything is timed, the loss and the gradients of the first and the last parameter have to agree. Both sides run
in one process on the same number of threads; after a parallel region PyTorch's threads spin for some milliseconds and
take processors from pyconv's, as in a user's script (``GOMP_SPINCOUNT=1000`` in the environment tells how much that is).
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from bench_train import Step, check, macs
from nets import NETS, Net
from timing import Pair, compare, report, resolution

from pyconv import runtime
from pyconv.interop.torch import accelerate
from pyconv.interop.torch.handle import MEMORY_FORMATS


def accelerated(net: Net, memory_format: str) -> Step:
    step = Step(torch, net)
    accelerate(step.model, memory_format)
    return step


def measure(net: Net, formats: list[str], pairs: int) -> tuple[list[dict[str, Any]], Step]:
    others = {"torch NCHW": Step(torch, net), "torch NHWC": Step(torch, net, "channels_last")}
    rows = []
    for memory_format in formats:
        ours = accelerated(net, memory_format)
        check(net, ours, others)
        row: dict[str, Any] = {"name": f"{net.name} B{net.batch} {memory_format}", "flop": 6.0 * macs(net)}
        for name, side in others.items():
            row[name] = compare(ours, side, pairs)
        row["best torch"] = min((v for v in row.values() if isinstance(v, Pair)), key=lambda p: p.b)
        rows.append(row)
    return rows, ours


def main() -> None:
    names = [net.name for net in NETS]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=runtime.get_num_threads())
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--nets", nargs="*", default=["vgg16", "resnet18"], choices=names, metavar="NAME",
                        help=", ".join(names))
    parser.add_argument("--formats", nargs="*", default=list(MEMORY_FORMATS), choices=MEMORY_FORMATS)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    runtime.set_num_threads(args.threads)
    torch.set_num_threads(args.threads)
    rows, resolved = [], 0.0
    for net in NETS:
        if net.name in args.nets:
            found, ours = measure(net, args.formats, args.pairs)
            rows += found
            resolved = resolved or resolution(ours, args.pairs)
    report(rows, "training step of a PyTorch model, float32", resolved, args.json)


if __name__ == "__main__":
    main()
