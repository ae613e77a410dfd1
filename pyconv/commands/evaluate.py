"""``pyconv evaluate``: the test accuracy of a run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pyconv.commands import UserError

NAME = "evaluate"
HELP = "measure a trained network on the test images"
EXAMPLE = "pyconv evaluate runs/first"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("folder", metavar="RUN", type=Path, help="run folder of pyconv train")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Loss, accuracy and the mistakes, class by class."""
    from pyconv import nn
    from pyconv.data import DataLoader, Digits
    from pyconv.data.transforms import Normalize
    from pyconv.train import Trainer
    from pyconv.train.pictures import confusion_matrix
    from pyconv.train.run import RunError, load_run

    try:
        model, config = load_run(args.folder)
    except RunError as error:
        raise UserError(str(error)) from None
    inputs = config["input"]
    data = Digits(train=False, size=inputs["size"], transform=Normalize(inputs["mean"], inputs["std"]))
    loader = DataLoader(data, 256)
    trainer = Trainer(model, None, nn.CrossEntropyLoss())
    means = trainer.evaluate(loader)
    matrix = confusion_matrix(data.targets, trainer.predict(loader).argmax(axis=1), len(config["classes"]))
    return {"run": str(args.folder), "model": config["recipe"]["model"], "images": len(data),
            "right": int(matrix.trace()), **means, "classes": config["classes"], "confusion": matrix.tolist()}


def show(result: dict[str, Any], args: argparse.Namespace) -> None:
    """The figures as text."""
    names = result["classes"]
    for name, row in zip(names, result["confusion"], strict=True):
        wrong = [f"{count}x as {other}" for other, count in zip(names, row, strict=True) if count and other != name]
        mistakes = f", read {', '.join(wrong)}" if wrong else ""
        print(f"  {name}: {row[names.index(name)]} of {sum(row)} right{mistakes}")
    print(f"{result['model']}: test accuracy {100 * result['accuracy']:.1f} % ({result['right']} of "
          f"{result['images']}), loss {result['loss']:.4f}")
