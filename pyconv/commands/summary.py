"""``pyconv summary``: the layers of a network, from shapes alone."""

from __future__ import annotations

import argparse
from typing import Any

from pyconv.commands import UserError, choose

NAME = "summary"
HELP = "list layers, output shapes, parameters, multiply-adds and receptive fields of a network"
EXAMPLE = "pyconv summary lenet5 --input-size 1 32 32"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("model", metavar="MODEL", help="name of a network, such as lenet5")
    parser.add_argument("--input-size", type=_size, nargs=3, metavar=("CHANNELS", "HEIGHT", "WIDTH"),
                        help="size of one image (default: what the network was made for)")


def _size(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 10**6:
        raise argparse.ArgumentTypeError(f"{text} is not in 1..1000000")
    return value


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Ask the library; the text for people travels beside the numbers."""
    from pyconv import models
    from pyconv.nn.summary import summary

    model = models.create_model(choose("model", args.model, models.list_models()))
    try:
        found = summary(model, (1, *(args.input_size or model.input_size)))
    except ValueError as error:
        raise UserError(f"{args.model} does not fit that input size: {error}") from None
    args.text = str(found)
    return {"name": args.model, **found.to_dict()}


def show(result: dict[str, Any], args: argparse.Namespace) -> None:
    """The table."""
    print(args.text)
