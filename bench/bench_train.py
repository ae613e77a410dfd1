"""A whole training step (zero_grad, forward, loss, backward, SGD with momentum) against PyTorch in both memory orders.

The network is defined once (nets.py) and built twice; before anything is timed, the loss and the gradients of the
first and the last parameter have to agree. Dropout draws different numbers on both sides: it is off for that check.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import profiles
from nets import NETS, Net
from timing import Pair, compare, report, resolution

import pyconv
from pyconv import runtime

LOSS_TOLERANCE = 1e-4
# Relative error of a whole gradient, as the norm of the difference. On its way to the first layer of a deep network
# a rounding turns over maxima and signs of ReLU: PyTorch's float32 is 2 to 4 % away from its own float64 there, in
# vgg16 and resnet50, and so are we. A wrong gradient is away by 100 %.
GRADIENT_TOLERANCE = {"first": 1e-1, "last": 1e-3}


class Step:
    """One side: a network of ``lib`` (pyconv or torch), its batch and its optimizer. Calling it trains one step."""

    def __init__(self, lib: Any, net: Net, memory_format: str = "contiguous_format", compiled: bool = False) -> None:
        lib.manual_seed(0)
        rng = np.random.default_rng(0)
        x = rng.standard_normal(net.input_shape, np.float32)
        shape = (net.batch, *net.image[1:]) if net.per_pixel else (net.batch,)
        y = rng.integers(0, net.classes, shape) if net.classes else rng.standard_normal(net.input_shape, np.float32)
        self.lib, self.model = lib, net.build(lib)
        self.x, self.y = lib.tensor(x), lib.tensor(y)
        if memory_format == "channels_last":
            self.model = self.model.to(memory_format=lib.channels_last)
            self.x = self.x.to(memory_format=lib.channels_last)
        self.loss = lib.nn.CrossEntropyLoss() if net.classes else lib.nn.MSELoss()
        self.optimizer = lib.optim.SGD(self.model.parameters(), lr=1e-4, momentum=0.9)
        self.forward = lib.compile(self.model) if compiled else self.model

    def gradients(self) -> Any:
        self.optimizer.zero_grad()
        loss = self.loss(self.forward(self.x), self.y)
        loss.backward()
        return loss

    def __call__(self) -> Any:
        loss = self.gradients()
        self.optimizer.step()
        return loss


def evaluate_dropout(lib: Any, model: Any, training: bool) -> None:
    for m in model.modules():
        if isinstance(m, lib.nn.Dropout):
            m.train(training)


def check(net: Net, ours: Step, others: dict[str, Step]) -> None:
    """From equal states: the same loss, the same gradients of the first and the last parameter."""
    state = {k: v.numpy().copy() for k, v in ours.model.state_dict().items()}
    found = {}
    for name, side in (("pyconv", ours), *others.items()):
        side.model.load_state_dict({k: side.lib.tensor(v) for k, v in state.items()})
        evaluate_dropout(side.lib, side.model, False)
        loss = side.gradients().item()
        parameters = list(side.model.parameters())
        found[name] = {"loss": loss, "first": parameters[0].grad.numpy().copy(),
                       "last": parameters[-1].grad.numpy().copy()}
        evaluate_dropout(side.lib, side.model, True)
        side.optimizer.zero_grad()
    got = found.pop("pyconv")
    for name, want in found.items():
        errors = {"loss": abs(got["loss"] - want["loss"]) / abs(want["loss"]),
                  **{k: float(np.linalg.norm(got[k] - want[k]) / np.linalg.norm(want[k])) for k in ("first", "last")}}
        for what, allowed in (("loss", LOSS_TOLERANCE), *GRADIENT_TOLERANCE.items()):
            if not errors[what] <= allowed:
                raise SystemExit(f"wrong result: {net.name} against {name}: relative error of {what} "
                                 f"{errors[what]:.2e}, allowed {allowed:.0e} (all: {errors})")


def macs(net: Net) -> int:
    return pyconv.summary(net.build(pyconv), net.input_shape).total_macs


def resident(field: str) -> int:
    """Bytes: VmRSS, what is in memory now, or VmHWM, the most so far."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(field))


def own_memory(side: str, net: Net) -> dict[str, int]:
    """In a process of its own: how far the resident memory rises above what the imports take, over three steps."""
    if side == "pyconv":
        lib, order = pyconv, "contiguous_format"
    else:
        import torch

        lib, order = torch, side
    tiny = lib.tensor(np.ones((1, 4, 8, 8), np.float32))
    lib.nn.Conv2d(4, 4, 3)(tiny).sum().backward()  # loads what is loaded late
    lib.optim.SGD([lib.nn.Parameter(lib.zeros(1))], lr=1.0)
    before = resident("VmRSS")
    step = Step(lib, net, order)
    runtime.reset_peak()
    for _ in range(3):
        step()
    return {"resident": resident("VmHWM") - before, "counted": runtime.memory()["peak_bytes"]}


def measure_memory(net: Net, threads: int) -> dict[str, dict[str, int]]:
    sides = ("pyconv", "contiguous_format", "channels_last")
    command = [sys.executable, __file__, "--threads", str(threads), "--nets", net.name, "--memory-of"]
    return {side: json.loads(subprocess.run([*command, side], check=True, capture_output=True, text=True).stdout)
            for side in sides}


def show_memory(name: str, found: dict[str, dict[str, int]]) -> None:
    mib = {side: values["resident"] / 2**20 for side, values in found.items()}
    counted = found["pyconv"]["counted"] / 2**20
    print(f"{name:12} resident MiB: pyconv {mib['pyconv']:7.0f} (arrays {counted:.0f}), torch NCHW "
          f"{mib['contiguous_format']:7.0f}, NHWC {mib['channels_last']:7.0f}; pyconv / less of torch "
          f"{mib['pyconv'] / min(mib['contiguous_format'], mib['channels_last']):.2f}", flush=True)


def sides_of(net: Net, torch: Any, compiled: bool) -> dict[str, Step]:
    sides = {"torch NCHW": Step(torch, net), "torch NHWC": Step(torch, net, "channels_last")}
    if compiled:
        sides["torch compiled"] = Step(torch, net, "channels_last", compiled=True)
    return sides


def measure(net: Net, torch: Any, pairs: int, compiled: bool) -> tuple[dict[str, Any], Callable[[], Any]]:
    ours = Step(pyconv, net)
    row: dict[str, Any] = {"name": f"{net.name} B{net.batch}", "flop": 6.0 * macs(net)}
    if torch is None:
        row["itself"] = compare(ours, ours, pairs)
        return row, ours
    others = sides_of(net, torch, compiled)
    check(net, ours, others)
    for name, side in others.items():
        row[name] = compare(ours, side, pairs)
    row["best torch"] = min((v for v in row.values() if isinstance(v, Pair)), key=lambda p: p.b)
    return row, ours


def main() -> None:
    names = [net.name for net in NETS]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=runtime.get_num_threads())
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--nets", nargs="*", default=names, choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--compile", action="store_true", help="also against torch.compile, channels-last")
    parser.add_argument("--memory", action="store_true", help="instead: resident memory of a step, in processes apart")
    parser.add_argument("--profile", action="store_true", help="instead: where the time of a step goes, on both sides")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    nets = [net for net in NETS if net.name in args.nets]
    runtime.set_num_threads(args.threads)
    torch = None
    if args.memory_of != "pyconv":
        try:
            import torch

            torch.set_num_threads(args.threads)
        except ImportError:
            pass
    if args.memory_of:
        print(json.dumps(own_memory(args.memory_of, nets[0])))
    elif args.memory:
        found = {}
        for net in nets:
            found[net.name] = measure_memory(net, args.threads)
            if not args.json:
                show_memory(net.name, found[net.name])
        if args.json:
            print(json.dumps(found, indent=1))
    elif args.profile:
        for net in nets:
            profiles.show(net.name, Step(pyconv, net), None if torch is None else Step(torch, net, "channels_last"))
    else:
        rows, resolved = [], 0.0
        for net in nets:
            row, ours = measure(net, torch, args.pairs, args.compile)
            rows.append(row)
            resolved = resolved or resolution(ours, args.pairs)  # of the first: a long step's would cost minutes
        report(rows, "training step, float32", resolved, args.json)


if __name__ == "__main__":
    main()
