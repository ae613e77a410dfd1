"""The three passes of convolution against PyTorch in both memory orders, in one run; every result is checked first."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from statistics import geometric_mean
from typing import Any

import numpy as np
from layers import LAYERS, Layer
from runtimes import RUNTIMES
from timing import Pair, compare, report, resolution

from pyconv._backend import core

PASSES = ("forward", "grad_input", "grad_weight")


def channels_last(a: np.ndarray) -> np.ndarray:
    """The same values, NHWC in memory: what a network's activations look like inside."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1)


def arrays(layer: Layer) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    shape = core.conv_shape("conv2d", layer.input_shape, layer.weight_shape, (layer.stride,) * 2, (layer.pad,) * 4,
                            (layer.dilation,) * 2, layer.groups)
    x, w, gy = (rng.standard_normal(s, np.float32) for s in (layer.input_shape, layer.weight_shape, shape.output_shape))
    return shape, channels_last(x), w, channels_last(gy)


def ours(layer: Layer) -> dict[str, Callable[[], np.ndarray]]:
    """Each side's arrays lie where that library puts results: numpy's begin between cache lines (vgg.1_1 weight gradient:
    5.7 ms from them, 3.7 from ours)."""
    shape, x, w, gy = arrays(layer)
    x, gy = core.copy(x, True), core.copy(gy, True)
    return {
        "forward": lambda: core.conv_forward("conv2d", shape, x, w),
        "grad_input": lambda: core.conv_grad_input(shape, gy, w),
        "grad_weight": lambda: core.conv_grad_weight(shape, gy, x),
    }


def theirs(layer: Layer, torch: Any, order: str) -> dict[str, Callable[[], Any]]:
    _, x, w, gy = arrays(layer)
    memory_format = getattr(torch, order)
    tx, tw, tg = (torch.from_numpy(a).clone(memory_format=memory_format) for a in (x, w, gy))
    forward = functools.partial(torch.nn.functional.conv2d, tx, tw, None, layer.stride, layer.pad, layer.dilation,
                                layer.groups)
    backward = functools.partial(torch.ops.aten.convolution_backward, tg, tx, tw, None, (layer.stride,) * 2,
                                 (layer.pad,) * 2, (layer.dilation,) * 2, False, (0, 0), layer.groups)
    return {
        "forward": forward,
        "grad_input": lambda: backward((True, False, False))[0],
        "grad_weight": lambda: backward((False, True, False))[1],
    }


def length(layer: Layer, what: str) -> float:
    """Products behind one element of the result."""
    taps = layer.filter**2
    out = arrays(layer)[0].output_shape
    return {"forward": layer.c // layer.groups * taps, "grad_input": layer.k // layer.groups * taps,
            "grad_weight": layer.n * out[2] * out[3]}[what]


def check(layer: Layer, what: str, got: np.ndarray, torch: Any | None) -> None:
    """Against PyTorch in float64, else against our loops on one image; errors grow like a random walk."""
    shape, x, w, gy = arrays(layer)
    if torch is not None:
        with torch.no_grad():
            tx, tw, tg = (torch.from_numpy(np.ascontiguousarray(a)).double() for a in (x, w, gy))
            if what == "forward":
                want = torch.nn.functional.conv2d(tx[:1], tw, None, layer.stride, layer.pad, layer.dilation,
                                                  layer.groups)
                got = got[:1]
            else:
                n = slice(0, 1) if what == "grad_input" else slice(None)
                mask = (what == "grad_input", what == "grad_weight", False)
                want = torch.ops.aten.convolution_backward(
                    tg[n], tx[n], tw, None, (layer.stride,) * 2, (layer.pad,) * 2, (layer.dilation,) * 2, False, (0, 0),
                    layer.groups, mask)[0 if what == "grad_input" else 1]
                got = got[:1] if what == "grad_input" else got
            expected = want.numpy()
    else:
        d = [a.astype(np.float64) for a in (x, w, gy)]
        expected = {"forward": lambda: core.conv_forward("conv2d", shape, d[0], d[1]),
                    "grad_input": lambda: core.conv_grad_input(shape, d[2], d[1]),
                    "grad_weight": lambda: core.conv_grad_weight(shape, d[2], d[0])}[what]()
    limit = np.finfo(np.float32).eps * (8 + 4 * np.sqrt(length(layer, what))) * np.abs(expected).max()
    error = np.abs(got - expected).max()
    if not error <= limit:
        raise SystemExit(f"wrong result: {layer.name} {what}: error {error:.3g}, allowed {limit:.3g}")


def runtimes(layer: Layer, call: Callable[[], np.ndarray], threads: int, pairs: int, torch: Any | None) -> dict[str, Pair]:
    """A column for each inference runtime that is installed and has the layer."""
    columns = {}
    _, x, w, _ = arrays(layer)
    for name, build in RUNTIMES.items():
        if (other := build(layer, x, w, threads)) is not None:
            check(layer, "forward", np.stack([np.array(image) for image in other()]), torch)
            columns[name] = compare(call, other, pairs)
    return columns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=core.get_num_threads())
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--layers", nargs="*", default=["*"], metavar="NAME", help="names, also with wildcards: 'vgg.*@8'")
    parser.add_argument("--passes", nargs="*", default=PASSES, choices=PASSES)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    core.set_num_threads(args.threads)
    try:
        import torch

        torch.set_num_threads(args.threads)
    except ImportError:
        torch = None
    rows: list[dict[str, Any]] = []
    resolved = 0.0
    for layer in LAYERS:
        if not any(fnmatch(layer.name, pattern) for pattern in args.layers):
            continue
        calls = ours(layer)
        for what in args.passes:
            check(layer, what, calls[what](), torch)
            row: dict[str, Any] = {"name": f"{layer.name} {what}", "flop": 2.0 * arrays(layer)[0].macs,
                                   "kind": layer.kind}
            if torch is None:
                row["itself"] = compare(calls[what], calls[what], args.pairs)
            else:
                with torch.no_grad():
                    for order, column in (("contiguous_format", "torch NCHW"), ("channels_last", "torch NHWC")):
                        row[column] = compare(calls[what], theirs(layer, torch, order)[what], args.pairs)
                best: Pair = min(row["torch NCHW"], row["torch NHWC"], key=lambda p: p.b)
                row["best torch"] = best
            if what == "forward":
                row |= runtimes(layer, calls[what], args.threads, args.pairs, torch)
            rows.append(row)
        resolved = max(resolved, resolution(calls[args.passes[0]], args.pairs))
    report(rows, "convolution, float32, channels-last activations", resolved, args.json)
    if torch is not None and not args.json:
        summary(rows, args.passes)


def summary(rows: list[dict[str, Any]], passes: Sequence[str]) -> None:
    """The README's table. Per kind of layer and pass: the geometric mean of the ratios to the best PyTorch, and the lowest."""
    print("\n| Convolutions (layers) | " + " | ".join(what.replace("grad_input", "input gradient").replace(
        "grad_weight", "weight gradient") for what in passes) + " |\n|---|" + "---|" * len(passes))
    for kind in dict.fromkeys(row["kind"] for row in rows):
        cells = []
        for what in passes:
            of_kind = [r for r in rows if r["kind"] == kind and r["name"].endswith(what)]
            lowest = min(of_kind, key=lambda r: r["best torch"].ratio)
            mean = geometric_mean([r["best torch"].ratio for r in of_kind])
            cells.append(f"{mean:.2f}, {lowest['best torch'].ratio:.2f} ({lowest['name'].split()[0]})")
        print(f"| {kind} ({len(of_kind)}) | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
