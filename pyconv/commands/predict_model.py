"""The half of ``pyconv predict`` for a network by name with a file of weights."""

from __future__ import annotations

import argparse
import warnings
from typing import Any

from pyconv.commands import UserError, choose


def predict(args: argparse.Namespace) -> dict[str, Any]:
    """The likeliest classes of each picture, prepared as the weights want it."""
    from pyconv import models
    from pyconv.data.preprocessing import Preprocessing
    from pyconv.errors import StateDictError
    from pyconv.grad_mode import no_grad

    name = choose("run folder or model", args.source, models.list_models())
    if args.weights is None:
        raise UserError(f"{name} is the name of a network, which needs --weights")
    try:
        with warnings.catch_warnings(action="error", category=UserWarning):  # a new head, still to be trained, can tell nothing
            model = models.create_model(name, num_classes=args.num_classes, weights=args.weights).eval()
    except UserWarning as warning:
        raise UserError(f"--num-classes is {args.num_classes}, but {str(warning).removeprefix('[create_model] ')}") from None
    except StateDictError as error:
        raise UserError(f"{args.weights} does not fit {name}: {' '.join(str(error).split())}") from None
    except TypeError as error:
        raise UserError(f"{name}: {error}") from None
    wanted = getattr(model, "preprocessing", None)
    if args.preprocessing is not None:
        wanted = Preprocessing.from_json(args.preprocessing)
    if wanted is None:
        raise UserError(f"nothing says what pictures {args.weights} was trained on: give --preprocessing, or keep it in the "
                        "file with pyconv convert --preprocessing")
    names = _names(args)
    results = []
    for path in args.images:
        try:
            array = wanted.apply(path)
        except OSError as error:
            raise UserError(f"{path}: {(error.strerror or str(error)).lower()}") from None
        except ValueError as error:
            text = str(error)
            raise UserError(text if str(path) in text else f"{path}: {text}") from None
        with no_grad():
            results.append({"image": str(path), **_ranked(model, array, names, args.top, name)})
    return {"model": name, "weights": str(args.weights), "preprocessing": wanted.to_json(), "predictions": results}


def _names(args: argparse.Namespace) -> list[str] | None:
    if args.classes is None:
        return None
    try:
        return args.classes.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise UserError(f"{args.classes} is no UTF-8 text with one class per line") from None


def _ranked(model: Any, array: Any, names: list[str] | None, top: int, name: str) -> dict[str, Any]:
    from pyconv.tensor import Tensor

    try:
        scores = model(Tensor(array[None]))
    except ValueError as error:
        raise UserError(f"{name} does not take a picture of {' x '.join(map(str, array.shape))}: {error}") from None
    if not isinstance(scores, Tensor) or scores.ndim != 2:
        shape = " x ".join(map(str, scores.shape)) if isinstance(scores, Tensor) else type(scores).__name__
        raise UserError(f"{name} gives {shape} for a picture, expected one score per class")
    shares = scores.softmax(1).array[0]
    if names is not None and len(names) != len(shares):
        raise UserError(f"--classes has {len(names)} lines, but {name} tells {len(shares)} classes apart")
    order = sorted(range(len(shares)), key=lambda i: -shares[i])[:top]
    ranked = [{"class": str(i) if names is None else names[i], "index": i, "probability": float(shares[i])} for i in order]
    return {"class": ranked[0]["class"], "probabilities": ranked}
