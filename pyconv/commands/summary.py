"""``pyconv summary``: the layers of a network, from shapes alone."""

from __future__ import annotations

import argparse
from typing import Any

from pyconv.commands import UserError, choose

NAME = "summary"
HELP = "list layers, output shapes, parameters, multiply-adds, memory and receptive fields of a network"
EXAMPLE = "pyconv summary lenet5 --input-size 1 32 32"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("model", metavar="MODEL", help="name of a network, such as lenet5")
    parser.add_argument("--input-size", type=_size, nargs=3, metavar=("CHANNELS", "HEIGHT", "WIDTH"),
                        help="size of one image (default: what the network was made for)")
    parser.add_argument("--batch", type=_size, default=1, metavar="N", help="number of images (default: 1)")
    parser.add_argument("--num-classes", type=_size, metavar="N", help="size of the output (default: the network's own)")
    parser.add_argument("--depth", type=int, metavar="LEVELS",
                        help="levels of nested layers that get rows of their own (default: all)")
    parser.add_argument("--style", choices=("table", "slide"), default="table",
                        help="slide: a chain of layers as lectures print it, weights and multiply-adds, output first")
    parser.add_argument("--rounding", choices=("slide", "floor", "nearest"), default="slide",
                        help="of the style slide (default: down, but in a lecture's own table as that lecture does)")
    parser.add_argument("--picture", metavar="FILE", help="also draw the network: FILE ends in .svg, or .png (needs matplotlib)")


def _size(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 10**6:
        raise argparse.ArgumentTypeError(f"{text} is not in 1..1000000")
    return value


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Ask the library; the text for people travels beside the numbers."""
    from pyconv import device, models
    from pyconv.nn.summary import summary

    name = choose("model", args.model, models.list_models())
    if args.depth is not None and args.depth < 0:
        raise UserError(f"argument --depth: {args.depth} is not at least 0")
    try:
        with device("meta"):  # parameters without memory
            model = models.create_model(name, num_classes=args.num_classes)
    except TypeError as error:
        if args.num_classes is None or "num_classes" not in str(error):
            raise
        raise UserError(f"{name} has no number of classes to choose") from None
    try:
        found = summary(model, (args.batch, *(args.input_size or model.input_size)), depth=args.depth, style=args.style,
                        rounding=args.rounding)
    except ValueError as error:
        if "style is 'slide'" in str(error):
            raise UserError(f"{name}: {error}") from None
        raise UserError(f"{name} does not fit that input size: {error}") from None
    args.text = str(found)
    if args.picture:
        found.title = name
        found.save_picture(args.picture)
        args.text += f"\npicture: {args.picture}"
    return {"name": name, **found.to_dict()}


def show(result: dict[str, Any], args: argparse.Namespace) -> None:
    """The table."""
    print(args.text)
