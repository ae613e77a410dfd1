"""``pyconv convert``: weights of any format that is read, as safetensors or .npz."""

from __future__ import annotations

import argparse
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyconv.commands import UserError
from pyconv.commands.weight_files import add_model_arguments, described, empty_model, fitted_state, print_table

NAME = "convert"
HELP = "write weights from .pth, .npz, .caffemodel or Darknet files as safetensors or .npz"
EXAMPLE = "pyconv convert vgg16-397923af.pth vgg16.safetensors --model vgg16"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("input", metavar="IN", type=Path, help="file of weights of any format that pyconv reads")
    parser.add_argument("output", metavar="OUT", type=Path, help="file to write; its name ends in .safetensors or .npz")
    add_model_arguments(parser, "its names, checked against its shapes; also says what images it wants")
    parser.add_argument("--preprocessing", metavar="JSON", help="what images the weights were trained on, such as "
                        """'{"channels": "L", "resize": 32, "mode": "exact"}' (default: what is known of the model)""")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Read, rename, check, write."""
    from pyconv import io
    from pyconv.data.preprocessing import Preprocessing
    from pyconv.models.preprocessing import preprocessing_of

    if args.output.suffix not in (".safetensors", ".npz"):
        raise UserError(f"{args.output} ends in {args.output.suffix or 'nothing'}, expected .safetensors or .npz")
    kind = io.recognise(args.input)
    if args.num_classes is not None and args.model is None:
        raise UserError("--num-classes goes with --model")
    steps: list[str] = []
    left_out: list[str] = []
    wanted = None if args.preprocessing is None else Preprocessing.from_json(args.preprocessing)
    if args.model is not None:
        found = fitted_state(empty_model(args.model, args.num_classes), args.input)
        state, steps, left_out = found.state, found.steps, found.left_out
        wanted = wanted or preprocessing_of(args.model, args.input)
    elif kind == "darknet":
        raise UserError(f"{args.input} is a file of Darknet's, which has no names: say whose weights they are with --model")
    else:
        state = dict(io.load(args.input))
    metadata = {"format": "pt", "source": args.input.name, "source_format": kind}
    metadata |= {"model": args.model} if args.model else {}
    metadata |= {"preprocessing": wanted.to_json()} if wanted else {}
    if args.output.suffix == ".npz":
        write_npz(state, args.output)
    else:
        io.save_safetensors(state, args.output, metadata)
    return {"input": str(args.input), "format": kind, "output": str(args.output), "model": args.model, "renamed": steps,
            "left_out": left_out, "preprocessing": None if wanted is None else wanted.to_json(), **described(state),
            "bytes": args.output.stat().st_size}


def write_npz(state: Mapping[str, Any], path: Path) -> None:
    """The arrays as numpy.savez would write them, atomically, whatever they are called."""
    import numpy as np

    from pyconv.io import atomic_write

    with atomic_write(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, value in state.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asarray(value.array), allow_pickle=False)


def show(result: dict[str, Any], args: argparse.Namespace) -> None:
    """The tensors, what was renamed, and what was written."""
    print_table(result["tensors"])
    for step in result["renamed"]:
        print(f"{step[0].upper()}{step[1:]}")
    if result["left_out"]:
        rest = result["left_out"]
        print(f"Left out {len(rest)}: {', '.join(rest[:5])}{' ...' if len(rest) > 5 else ''}")
    print(f"{result['output']}: {len(result['tensors'])} tensors, {result['numbers']:,} numbers, {result['bytes']:,} bytes, "
          f"from {result['format']}")
