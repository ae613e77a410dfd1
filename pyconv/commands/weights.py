"""``pyconv weights``: whether a file of weights is whole, and fits."""

from __future__ import annotations

import argparse
import hashlib
import re
from pathlib import Path
from typing import Any

from pyconv.commands import UserError
from pyconv.commands.weight_files import add_model_arguments, empty_model, fitted_state

NAME = "weights"
HELP = "verify a file of weights: checksum in its name, content, names and shapes"
EXAMPLE = "pyconv weights verify resnet50-0676ba61.pth --model resnet50"

#: torchvision's files are called NAME-CHECKSUM.pth, with the first eight digits or more of their SHA-256.
_CHECKSUM = re.compile(r"-([0-9a-f]{8,64})\.[A-Za-z0-9.]+")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("action", metavar="verify", choices=["verify"], help="what to do")
    parser.add_argument("path", metavar="PATH", type=Path, help="file of weights of any format that pyconv reads")
    add_model_arguments(parser, "check that names and shapes fit it")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Three checks; ``failed`` unless every one that applies holds."""
    from pyconv import io
    from pyconv.io.source import open_regular

    if args.num_classes is not None and args.model is None:
        raise UserError("--num-classes goes with --model")
    with open_regular(args.path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    named = _CHECKSUM.search(args.path.name)
    result: dict[str, Any] = {"path": str(args.path), "sha256": digest, "checksum": None if named is None else {
        "expected": named[1], "right": digest.startswith(named[1])}}
    try:
        result["content"] = {"format": io.recognise(args.path), **_counted(io.load(args.path))}
    except ValueError as error:
        result["content"] = {"error": str(error)}
    result["model"] = None
    if args.model is not None and "error" not in result["content"]:
        model = empty_model(args.model, args.num_classes)
        try:
            found = fitted_state(model, args.path)
            result["model"] = {"name": args.model, "fits": True, "renamed": found.steps, "left_out": found.left_out}
        except (UserError, ValueError) as error:
            result["model"] = {"name": args.model, "fits": False, "error": str(error)}
    wrong = [result["checksum"] is not None and not result["checksum"]["right"], "error" in result["content"],
             result["model"] is not None and not result["model"]["fits"]]
    return {**result, "failed": any(wrong)}


def _counted(state: dict[str, Any]) -> dict[str, int]:
    return {"tensors": len(state), "numbers": sum(value.numel() for value in state.values())}


def show(result: dict[str, Any], args: argparse.Namespace) -> None:
    """One line per check."""
    checksum, content, model = result["checksum"], result["content"], result["model"]
    print(f"SHA-256    {result['sha256']}")
    if checksum is None:
        print("checksum   none in the file's name")
    else:
        print(f"checksum   {'right' if checksum['right'] else 'WRONG'}: the name says {checksum['expected']}")
    if "error" in content:
        print(f"content    WRONG: {content['error']}")
    else:
        print(f"content    right: {content['format']}, {content['tensors']} tensors, {content['numbers']:,} numbers")
    if model is not None and model["fits"]:
        notes = "".join(f"; {step}" for step in model["renamed"])
        notes += f"; {len(model['left_out'])} left out" if model["left_out"] else ""
        print(f"model      right: fits {model['name']}{notes}")
    elif model is not None:
        print(f"model      WRONG: {model['error']}")
