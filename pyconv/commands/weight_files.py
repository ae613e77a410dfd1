"""What the commands about files of weights share: a network by name, its tensors from a file, and a table of them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pyconv.commands import UserError, choose


def add_model_arguments(parser: argparse.ArgumentParser, purpose: str) -> None:
    """``--model`` and what goes with it."""
    parser.add_argument("--model", metavar="NAME", help=f"network by name, such as vgg16: {purpose}")
    parser.add_argument("--num-classes", metavar="N", type=positive, help="classes of that network (default: its own number)")


def positive(text: str) -> int:
    """A number of things from 1 to a million."""
    value = int(text)
    if not 1 <= value <= 10**6:
        raise argparse.ArgumentTypeError(f"{text} is not in 1..1000000")
    return value


def empty_model(name: str, num_classes: int | None) -> Any:
    """The network without memory for its weights."""
    from pyconv import models
    from pyconv.device import device

    try:
        with device("meta"):
            return models.create_model(choose("model", name, models.list_models()), num_classes=num_classes)
    except TypeError as error:
        raise UserError(f"{name}: {error}") from None


def fitted_state(model: Any, path: Path) -> Any:
    """The file's tensors by the network's names, checked; a StateDictError becomes one line."""
    from pyconv.errors import StateDictError
    from pyconv.models.keymaps import check, fit
    from pyconv.models.weights import read_state

    found = fit(model, read_state(model, path))
    try:
        check(model, found)
    except StateDictError as error:
        raise UserError(f"{path} does not fit {type(model).__name__}: {' '.join(str(error).split())}") from None
    return found


def described(state: dict[str, Any]) -> dict[str, Any]:
    """Names, shapes and types of tensors, and how many numbers they are."""
    rows = [{"name": name, "shape": list(value.shape), "dtype": str(value.dtype)} for name, value in state.items()]
    return {"tensors": rows, "numbers": sum(value.numel() for value in state.values())}


def print_table(rows: list[dict[str, Any]]) -> None:
    """One line per tensor."""
    width = max((len(row["name"]) for row in rows), default=0)
    for row in rows:
        shape = " x ".join(map(str, row["shape"])) or "scalar"
        print(f"  {row['name']:{width}}  {row['dtype']:8} {shape}")
