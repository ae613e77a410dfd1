"""One image at a time through the networks of `pyconv.models`, against PyTorch in both memory orders, from the same state.

Before anything is timed, both sides' outputs have to agree. Batch norm's statistics are those of random images, so that values
keep a size that occurs. ``--markdown`` writes the README's table of networks.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import numpy as np
from timing import Pair, compare, machine, report, resolution, seconds

import pyconv
from pyconv import models, runtime
from pyconv.nn.utils import prepack

#: The networks of the README's table; behind an @ the side of the image, where it is not that which the network was made for.
NETWORKS = ["lenet5", "alexnet2012", "alexnet", "vgg16", "googlenet", "inception_v4", "resnet18", "resnet50", "resnet152",
            "resnext50_32x4d", "densenet121", "resnet20_cifar", "resnet110_cifar", "fcn8s", "unet_brain", "yolov3_tiny",
            "yolov3", "hourglass", "vdsr@128"]
# The norm of the difference, relative. Roundings grow through a hundred layers of random weights: in inception_v4 PyTorch's float32
# is 3e-4 (NCHW) and 6e-4 (NHWC) away from its own float64, and we are 4e-4 (direct) and 9e-4 (Winograd). A wrong one is away by 1.
TOLERANCE = 5e-3
# A rounding that changes which value a pooling takes moves it to another pixel on the way up: PyTorch's own float32 is 2.5e-2 off.
SWITCHES = dict.fromkeys(("segnet", "encoder_decoder"), 1e-1)


class Side:
    """A network of one library, in evaluation mode, and its input. Calling it runs it."""

    def __init__(self, model: Any, x: Any, off: Callable[[], Any]) -> None:
        self.model = model
        self.x = x
        self.off = off  # makes the context in which nothing is recorded

    def __call__(self) -> Any:
        with self.off():
            return self.model(self.x)


def outputs(value: Any) -> Iterator[np.ndarray]:
    """Every array in what a network returns."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        for item in value:
            yield from outputs(item)
    elif value is not None:
        yield np.asarray(value.detach().numpy())


def settled(model: Any, shape: tuple[int, ...]) -> None:
    """Let batch norm take its statistics from random images, once."""
    norms = [m for m in model.modules() if isinstance(m, (pyconv.nn.BatchNorm1d, pyconv.nn.BatchNorm2d))]
    before = [(m.momentum, m.training) for m in norms]
    if not norms:
        return
    model.eval()
    for m in norms:
        m.momentum = 1.0
        m.train()
    with pyconv.no_grad():
        model(pyconv.from_numpy(np.random.default_rng(1).standard_normal((2, *shape[1:]), np.float32)))
    for m, (momentum, training) in zip(norms, before, strict=True):
        m.momentum = momentum
        m.train(training)


def check(name: str, ours: Side, theirs: dict[str, Side]) -> None:
    """The same outputs on both sides, or no figures."""
    got = list(outputs(ours()))
    for opponent, side in theirs.items():
        want = list(outputs(side()))
        if len(got) != len(want):
            raise SystemExit(f"wrong result: {name} returns {len(got)} arrays, {opponent} {len(want)}")
        for g, w in zip(got, want, strict=True):
            error = float(np.linalg.norm(g - w)) / max(float(np.linalg.norm(w)), 1e-30) if g.shape == w.shape else np.inf
            allowed = SWITCHES.get(name, TOLERANCE)
            if not error <= allowed:  # NaN as well
                raise SystemExit(f"wrong result: {name} against {opponent}: relative error {error:.2e}, allowed {allowed:.0e}")


def sides_of(name: str, model: Any, x: np.ndarray, torch: Any) -> dict[str, Side]:
    """The same network in PyTorch, in both memory orders; none where there is no twin of it."""
    if torch is None:
        return {}
    from twins import twin

    try:
        theirs = twin(name, model, torch)
    except (AttributeError, TypeError, ImportError) as error:
        print(f"{name}: not in PyTorch ({error})", file=sys.stderr)
        return {}
    found = {"torch NCHW": Side(theirs, torch.from_numpy(x), torch.inference_mode)}
    again = twin(name, model, torch).to(memory_format=torch.channels_last)
    return {**found, "torch NHWC": Side(again, torch.from_numpy(x).to(memory_format=torch.channels_last), torch.inference_mode)}


def pairs_in(budget: float, sides: list[Side], most: int) -> int:
    """How many pairs per opponent fit into so many seconds, at least 3."""
    once = sum(seconds(side, 1, warm=False) for side in sides)
    per_pair = max(once, 0.15) * 1.5  # short calls are repeated, and warmed for 30 ms
    return max(3, min(most, int(budget / per_pair)))


def network(text: str) -> str:
    """The name of a network that there is, perhaps with @ and the side of its images."""
    name, _, side = text.partition("@")
    if name not in models.list_models() or not (side.isdigit() or text == name):
        raise argparse.ArgumentTypeError(f"{text} is no network's name, nor one with @ and a size")
    return text


def measure(text: str, batch: int, torch: Any, pairs: int, budget: float, packed: bool = False) -> tuple[dict[str, Any], Side]:
    name, _, side = text.partition("@")
    pyconv.manual_seed(0)
    model = models.create_model(name)
    image = (model.input_size[0], int(side), int(side)) if side else model.input_size
    shape = (batch, *image)
    settled(model, shape)
    model.eval()
    found = pyconv.summary(model, shape)
    x = np.random.default_rng(0).standard_normal(shape, np.float32)
    ours = Side(model, pyconv.from_numpy(x), pyconv.no_grad)
    row: dict[str, Any] = {"name": text if batch == 1 else f"{text} B{batch}", "flop": 2.0 * found.total_macs,
                           "parameters": found.total_parameters, "macs": found.total_macs // batch,
                           "input": list(image)}
    theirs = sides_of(name, model, x, torch)
    if packed:
        ours.model = prepack(model)
    check(name, ours, theirs)
    number = pairs_in(budget, [ours, *theirs.values()], pairs)
    for opponent, side in (theirs or {"itself": ours}).items():
        row[opponent] = compare(ours, side, number)
    if theirs:
        row["best torch"] = min((v for v in row.values() if isinstance(v, Pair)), key=lambda p: p.b)
    return row, ours


def markdown(rows: list[dict[str, Any]], batch: int) -> None:
    """The README's table."""
    about = machine()
    print("| Network | Input | Parameters | Multiply-adds | ms per image | PyTorch | times faster (quartiles) |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for row in rows:
        measured = [v for v in row.values() if isinstance(v, Pair)]
        best = row.get("best torch")
        ms = median(p.a for p in measured) / batch * 1e3
        other = f"{best.b / batch * 1e3:.1f} | {best.ratio:.2f} ({best.low:.2f}-{best.high:.2f})" if best else "- | -"
        size = "×".join(map(str, row["input"]))
        print(f"| `{row['name']}` | {size} | {row['parameters']:,} | {row['macs'] / 1e6:,.1f} M | {ms:.1f} | {other} |")
    print(f"\n{about['processor']}, {about['isa']}, {about['threads']} threads, batch {batch}; PyTorch in the faster of its two "
          "memory orders.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="*", default=NETWORKS, type=network, metavar="NAME",
                        help=f"names, with @128 for images of 128 x 128; default: {' '.join(NETWORKS)}")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=runtime.get_num_threads())
    parser.add_argument("--pairs", type=int, default=9, help="per opponent, at most")
    parser.add_argument("--seconds", type=float, default=4.0, help="for the pairs of one opponent, about; at least 3 pairs")
    parser.add_argument("--prepack", action="store_true", help="with nn.utils.prepack, which keeps filters packed")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--markdown", action="store_true", help="the README's table")
    args = parser.parse_args()
    runtime.set_num_threads(args.threads)
    try:
        import torch

        torch.set_num_threads(args.threads)
    except ImportError:
        torch = None
    rows, resolved, start = [], 0.0, time.perf_counter()
    for name in args.models:
        row, ours = measure(name, args.batch, torch, args.pairs, args.seconds, args.prepack)
        rows.append(row)
        resolved = resolved or resolution(ours, args.pairs)  # of the first
        print(f"{name}: {time.perf_counter() - start:.0f} s so far", file=sys.stderr)
    if args.markdown:
        markdown(rows, args.batch)
    else:
        report(rows, f"inference, float32, batch {args.batch}", resolved, args.json)


if __name__ == "__main__":
    main()
