"""``pyconv predict``: what a trained network sees in pictures."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pyconv.commands import UserError

NAME = "predict"
HELP = "tell what a trained network sees in PNG or JPEG pictures"
EXAMPLE = "pyconv predict runs/first my-seven.png"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("folder", metavar="RUN", type=Path, help="run folder of pyconv train")
    parser.add_argument("images", metavar="IMAGE", nargs="+", type=Path, help="PNG or JPEG of any size, grey or colour")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Class probabilities, the most likely first."""
    import numpy as np

    from pyconv.data.digits import like_digit
    from pyconv.data.images import bright_on_dark, read_gray
    from pyconv.data.transforms import Normalize
    from pyconv.grad_mode import no_grad
    from pyconv.tensor import Tensor
    from pyconv.train.run import RunError, load_run

    try:
        model, config = load_run(args.folder)
    except RunError as error:
        raise UserError(str(error)) from None
    inputs, pictures, inversions = config["input"], [], []
    for path in args.images:
        try:
            gray, inverted = bright_on_dark(read_gray(path))
            pictures.append(like_digit(gray, inputs["size"]))
        except OSError as error:
            raise UserError(f"{path}: {(error.strerror or str(error)).lower()}") from None
        except ValueError as error:
            text = str(error)
            raise UserError(text if str(path) in text else f"{path}: {text}") from None
        inversions.append(inverted)
    batch = Normalize(inputs["mean"], inputs["std"])(np.stack(pictures))
    with no_grad():
        probabilities = model(Tensor(batch)).softmax(1).array
    results = []
    for path, inverted, row in zip(args.images, inversions, probabilities, strict=True):
        ranked = sorted(zip(config["classes"], row.tolist(), strict=True), key=lambda pair: -pair[1])
        results.append({"image": str(path), "inverted": inverted, "class": ranked[0][0],
                        "probabilities": [{"class": name, "probability": p} for name, p in ranked]})
    return {"run": str(args.folder), "model": config["recipe"]["model"], "predictions": results}


def show(result: dict[str, Any], args: argparse.Namespace) -> None:
    """One line per class, with a bar."""
    for found in result["predictions"]:
        note = " (dark on a bright ground: inverted)" if found["inverted"] else ""
        print(f"{found['image']}: {found['class']}{note}")
        for entry in found["probabilities"]:
            share = entry["probability"]
            print(f"  {entry['class']}  {100 * share:5.1f} %  {'#' * round(40 * share)}".rstrip())
