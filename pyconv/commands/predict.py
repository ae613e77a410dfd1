"""``pyconv predict``: what a trained network sees in pictures."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pyconv.commands import UserError
from pyconv.commands.predict_model import predict
from pyconv.commands.weight_files import positive

NAME = "predict"
HELP = "tell what a trained network sees in PNG or JPEG pictures"
EXAMPLE = "pyconv predict runs/first my-seven.png; pyconv predict vgg16 --weights vgg16-397923af.pth cat.jpg"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("source", metavar="RUN|MODEL", help="run folder of pyconv train, or name of a network")
    parser.add_argument("images", metavar="IMAGE", nargs="+", type=Path, help="PNG or JPEG of any size, grey or colour")
    parser.add_argument("--weights", metavar="FILE", type=Path, help="weights for a network by name, of any format that is read")
    parser.add_argument("--num-classes", metavar="N", type=positive, help="classes of a network by name (default: its own number)")
    parser.add_argument("--classes", metavar="FILE", type=Path, help="text with one class per line, for a network by name")
    parser.add_argument("--top", metavar="N", type=positive, default=5, help="classes to list for a network by name (default: 5)")
    parser.add_argument("--preprocessing", metavar="JSON", help="what pictures the weights want (default: what is known of them)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Class probabilities, the most likely first."""
    from pyconv import models

    if args.weights is not None or (args.source in models.list_models() and not Path(args.source).is_dir()):
        return predict(args)
    if args.num_classes is not None or args.classes is not None or args.preprocessing is not None:
        raise UserError("--num-classes, --classes and --preprocessing go with a network by name and --weights")
    return _predict_run(args)


def _predict_run(args: argparse.Namespace) -> dict[str, Any]:
    import numpy as np

    from pyconv.data.digits import like_digit
    from pyconv.data.images import bright_on_dark, read_gray
    from pyconv.data.transforms import Normalize
    from pyconv.grad_mode import no_grad
    from pyconv.tensor import Tensor
    from pyconv.train.run import RunError, load_run

    try:
        model, config = load_run(args.source)
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
    return {"run": str(args.source), "model": config["recipe"]["model"], "predictions": results}


def show(result: dict[str, Any], args: argparse.Namespace) -> None:
    """One line per class, with a bar."""
    for found in result["predictions"]:
        note = " (dark on a bright ground: inverted)" if found.get("inverted") else ""
        print(f"{found['image']}: {found['class']}{note}")
        for entry in found["probabilities"]:
            share = entry["probability"]
            print(f"  {entry['class']}  {100 * share:5.1f} %  {'#' * round(40 * share)}".rstrip())
