"""``pyconv bench``: how fast a convolution is here, and by which algorithm."""

from __future__ import annotations

import argparse
from typing import Any

from pyconv.commands import UserError, choose

NAME = "bench"
HELP = "measure the three passes of a convolution, or of each one in a network, or explain how they would run"
EXAMPLE = "pyconv bench --layer 8,64,56,56,128 --kernel 3 --stride 2 --explain"
_WORDS = {"forward": "forward", "grad_input": "input gradient", "grad_weight": "weight gradient"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--layer", type=_layer, metavar="N,C,H,W,K",
                      help="a convolution of N images with C channels of H x W, to K channels")
    what.add_argument("--model", help="every convolution of a network, such as lenet5")
    parser.add_argument("--kernel", type=_pair, default=(3, 3), metavar="SIZE", help="3 or 3,5 (default: 3)")
    parser.add_argument("--stride", type=_pair, default=(1, 1), metavar="SIZE", help="(default: 1)")
    parser.add_argument("--padding", type=_pad, metavar="SIZE",
                        help="on both sides (default: what keeps the size at stride 1)")
    parser.add_argument("--dilation", type=_pair, default=(1, 1), metavar="SIZE", help="(default: 1)")
    parser.add_argument("--groups", type=_count, default=1, metavar="N", help="groups of channels (default: 1)")
    parser.add_argument("--batch", type=_count, default=1, metavar="N", help="images, with --model (default: 1)")
    parser.add_argument("--threads", type=_count, metavar="N", help="threads (default: see pyconv doctor)")
    parser.add_argument("--explain", action="store_true", help="measure nothing: print the plan of each pass")


def _numbers(text: str, least: int) -> tuple[int, ...]:
    values = tuple(int(part) for part in text.split(","))
    if not all(least <= v <= 10**6 for v in values):
        raise argparse.ArgumentTypeError(f"{text} is not in {least}..1000000")
    return values


def _layer(text: str) -> tuple[int, ...]:
    values = _numbers(text, 1)
    if len(values) != 5:
        raise argparse.ArgumentTypeError(f"{text} has {len(values)} numbers, expected the five of N,C,H,W,K")
    return values


def _pair(text: str, least: int = 1) -> tuple[int, ...]:
    values = _numbers(text, least)
    if len(values) > 2:
        raise argparse.ArgumentTypeError(f"{text} has {len(values)} numbers, expected one or two")
    return values if len(values) == 2 else values * 2


def _pad(text: str) -> tuple[int, ...]:
    return _pair(text, 0)


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 10**6:
        raise argparse.ArgumentTypeError(f"{text} is not in 1..1000000")
    return value


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Plans always; times and errors unless they are only to be explained."""
    from pyconv import runtime

    if args.threads is not None:
        runtime.set_num_threads(args.threads)
    layers = [_measured(name, record, args.explain) for name, record in _records(args)]
    return {"isa": runtime.isa(), "threads": runtime.get_num_threads(), "layers": layers}


def _records(args: argparse.Namespace) -> list[tuple[str, Any]]:
    from pyconv import models
    from pyconv.nn.summary import convolutions
    from pyconv.ops.conv_passes import layer

    if args.model is not None:
        model = models.create_model(choose("model", args.model, models.list_models()))
        return convolutions(model, (args.batch, *model.input_size))
    n, c, h, w, k = args.layer
    if c % args.groups:
        raise UserError(f"--groups {args.groups} does not divide the {c} channels")
    padding = args.padding or tuple(d * (size // 2) for d, size in zip(args.dilation, args.kernel, strict=True))
    return [("layer", layer((n, c, h, w), (k, c // args.groups, *args.kernel), args.stride, padding, args.dilation,
                            args.groups))]


def _measured(name: str, record: Any, explain: bool) -> dict[str, Any]:
    from pyconv.ops.conv_passes import Passes, plans

    found: dict[str, Any] = {
        "name": name, "input_shape": list(record.input_shape), "weight_shape": list(record.weight_shape),
        "output_shape": list(record.output_shape), "stride": list(record.stride), "padding": list(record.pad_lo),
        "dilation": list(record.dilation), "groups": record.groups, "macs": record.macs,
        "passes": {p: {"plan": plan} for p, plan in plans(record).items()}}
    if explain:
        return found
    try:
        passes = Passes(record)
        for p, values in found["passes"].items():
            values["error"] = passes.error(p)
            if not values["error"] <= 1:
                raise RuntimeError(f"[bench] {name}: the {_WORDS[p]} is wrong: {values['error']:.3g} times the error "
                                   "that roundings may have; please report it with the output of pyconv doctor")
            seconds = passes.seconds(p)
            values |= {"ms": seconds * 1e3, "gflops": 2 * record.macs / seconds / 1e9}
    except MemoryError:
        raise UserError(f"{name}: the arrays do not fit into memory") from None
    return found


def show(result: dict[str, Any], args: argparse.Namespace) -> None:
    """A paragraph per layer."""
    threads = result["threads"]
    print(f"{result['isa']}, {threads} thread{'s' if threads > 1 else ''}, float32")
    for entry in result["layers"]:
        print(f"{entry['name']}: {_describe(entry)}")
        for p, values in entry["passes"].items():
            plan = dict(values["plan"])
            algorithm, why = plan.pop("algorithm"), plan.pop("why")
            speed = "" if args.explain else f"{values['ms']:9.3f} ms {values['gflops']:8.1f} GFLOP/s  "
            print(f"  {_WORDS[p]:<17}{speed}{algorithm}: {why}")
            if args.explain:
                print(" " * 19 + ", ".join(f"{k.replace('_', ' ')} {v:,}" for k, v in plan.items()))


def _describe(entry: dict[str, Any]) -> str:
    def by(values: list[int]) -> str:
        return "x".join(map(str, values))

    parts = [by(entry["input_shape"]), f"filter {by(entry['weight_shape'])}"]
    for word, usual in (("stride", 1), ("padding", 0), ("dilation", 1)):
        if any(v != usual for v in entry[word]):
            parts.append(f"{word} {by(sorted(set(entry[word])) if len(set(entry[word])) == 1 else entry[word])}")
    if entry["groups"] > 1:
        parts.append(f"{entry['groups']} groups")
    return f"{', '.join(parts)} -> {by(entry['output_shape'])}, {entry['macs']:,} multiply-adds a pass"
