"""``pyconv export``: a network and its weights as an ONNX file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pyconv.commands import UserError, choose

NAME = "export"
HELP = "write a trained network as an ONNX file"
EXAMPLE = "pyconv export runs/first --output digits.onnx --dynamic-batch"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("source", metavar="RUN|MODEL", help="run folder of pyconv train, or name of a network")
    parser.add_argument("--output", metavar="FILE", type=Path, required=True, help="the file to write")
    parser.add_argument("--weights", metavar="FILE", type=Path,
                        help="weights for a network by name (default: random ones)")
    parser.add_argument("--input-size", type=_size, nargs=3, metavar=("CHANNELS", "HEIGHT", "WIDTH"),
                        help="size of one image (default: what the network was made for)")
    parser.add_argument("--opset", type=int, default=18, metavar="N", help="version of the standard (default: 18)")
    parser.add_argument("--dynamic-batch", action="store_true", help="let the file take any number of images at once")


def _size(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 10**6:
        raise argparse.ArgumentTypeError(f"{text} is not in 1..1000000")
    return value


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Load, export, and say what was written."""
    import numpy as np

    from pyconv.interop.onnx import OnnxError, export

    model, name, size = _model(args)
    shape = (1, *(args.input_size or size))
    try:
        proto = export(model, np.zeros(shape, np.float32), args.output, opset_version=args.opset,
                       dynamic_axes={"input": {0: "batch"}} if args.dynamic_batch else None)
    except (OnnxError, ValueError) as error:
        raise UserError(f"{args.source}: {error}") from None
    return {"source": str(args.source), "model": name, "output": str(args.output), "opset": args.opset,
            "input": ["batch" if args.dynamic_batch else 1, *shape[1:]], "nodes": len(proto.graph.node),
            "weights": len(proto.graph.initializer), "bytes": args.output.stat().st_size}


def _model(args: argparse.Namespace) -> tuple[Any, str, tuple[int, ...]]:
    """The network, its name, and the size of one image."""
    from pyconv import models
    from pyconv.train.run import RunError, load_run

    folder = Path(args.source)
    if folder.is_dir():
        if args.weights is not None:
            raise UserError("--weights goes with a network by name: a run has its own")
        try:
            model, config = load_run(folder)
        except RunError as error:
            raise UserError(str(error)) from None
        return model, config["recipe"]["model"], tuple(model.input_size)
    name = choose("run folder or model", args.source, models.list_models())
    model = models.create_model(name)
    if args.weights is not None:
        try:
            models.load_weights(model, args.weights)
        except (ValueError, RuntimeError, TypeError, KeyError) as error:
            raise UserError(f"{args.weights} does not fit {name}: {' '.join(str(error).split())}") from None
    return model, name, tuple(model.input_size)


def show(result: dict[str, Any], args: argparse.Namespace) -> None:
    """One line."""
    shape = " x ".join(map(str, result["input"]))
    print(f"{result['output']}: {result['model']}, input {shape}, opset {result['opset']}, {result['nodes']} nodes, "
          f"{result['weights']} weights, {result['bytes']:,} bytes")
