"""``pyconv train``: a network learns, and leaves a run folder."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from pyconv.commands import Interrupted, UserError, choose

NAME = "train"
HELP = "train a network and leave a folder with weights, history and pictures"
EXAMPLE = "pyconv train --model lenet5 --data digits --epochs 25 --out runs/first"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--model", default="lenet5", help="network (default: %(default)s)")
    parser.add_argument("--data", default="digits", help="data set (default: %(default)s)")
    parser.add_argument("--epochs", type=_count, default=25, metavar="N", help="passes over the data (default: 25)")
    parser.add_argument("--batch-size", type=_count, default=64, metavar="N", help="images per step (default: 64)")
    parser.add_argument("--lr", type=_rate, metavar="RATE",
                        help="highest learning rate of the schedule (default: 0.05 for sgd, 0.003 for adam)")
    parser.add_argument("--optimizer", default="sgd", help="sgd (Nesterov momentum 0.9), adam or adamw (default: sgd)")
    parser.add_argument("--seed", type=_seed, default=0, metavar="N",
                        help="the same seed gives the same bits (default: 0)")
    parser.add_argument("--threads", type=_count, metavar="N", help="threads; they change no bit of the result")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="run folder (default: runs/MODEL-DATA-NUMBER)")
    parser.add_argument("--resume", type=Path, metavar="RUN", help="continue an interrupted run, bit by bit; "
                        "the other options are those it was started with")


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 10**6:
        raise argparse.ArgumentTypeError(f"{text} is not in 1..1000000")
    return value


def _seed(text: str) -> int:
    value = int(text)
    if not 0 <= value < 2**63:
        raise argparse.ArgumentTypeError(f"{text} is not in 0..2**63-1")
    return value


def _rate(text: str) -> float:
    value = float(text)
    if not (value > 0 and math.isfinite(value)):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Train. With --json no progress is shown."""
    from pyconv import models, runtime
    from pyconv.train import ProgressBar
    from pyconv.train.pictures import need_matplotlib
    from pyconv.train.run import DATA_SETS, OPTIMIZERS, Recipe, Run, RunError, continue_run

    need_matplotlib()  # before the training, not after it
    if args.threads is not None:
        runtime.set_num_threads(args.threads)
    bar = ProgressBar(enabled=False if args.json else None)
    try:
        if args.resume is not None:
            folder = args.resume
            work = continue_run(folder, [bar])
        else:
            choose("data set", args.data, DATA_SETS)
            choose("optimizer", args.optimizer, OPTIMIZERS)
            choose("model", args.model, models.list_models())
            recipe = Recipe(args.model, args.data, args.epochs, args.batch_size, args.optimizer,
                            args.lr or OPTIMIZERS[args.optimizer], args.seed)
            folder = _new_folder(args.out, recipe)
            work = Run(recipe, [bar])
        folder.mkdir(parents=True, exist_ok=True)
        bar.total = len(work.train_loader)
        if not args.json:
            _announce(work)
        config = work.train(folder, continued=args.resume is not None)
    except KeyboardInterrupt:
        raise Interrupted(_interrupted(locals())) from None
    except (RunError, FloatingPointError) as error:
        raise UserError(str(error)) from None
    files = sorted(path.name for path in folder.iterdir() if path.is_file())
    return {"run": str(folder), "files": files, **config, "history": list(work.trainer.history)}


def _interrupted(state: dict[str, Any]) -> str:
    work, folder = state.get("work"), state.get("folder")
    if work is None or not Path(str(folder), "weights.safetensors").exists():
        return "stopped before anything was learned"
    return (f"stopped after {work.trainer.epoch} of {work.recipe.epochs} epochs; {folder} holds what was learned. "
            f"Continue with: pyconv train --resume {folder}")


def _new_folder(out: Path | None, recipe: Any) -> Path:
    """The run's folder; an existing one is never written over."""
    if out is None:
        number = 1
        while (folder := Path("runs") / f"{recipe.model}-{recipe.data}-{number}").exists():
            number += 1
        return folder
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} already exists; choose another --out, or continue it with --resume {out}")
    return out


def _announce(work: Any) -> None:
    from pyconv import runtime

    recipe, threads = work.recipe, runtime.get_num_threads()
    parameters = sum(p.numel() for p in work.model.parameters())
    print(f"{recipe.model} ({parameters:,} parameters) learns {recipe.data}: {len(work.train_set):,} training and "
          f"{len(work.test_set):,} test images")
    print(f"{recipe.epochs} epochs, batches of {recipe.batch_size}, {recipe.optimizer} at {recipe.lr:g}, seed "
          f"{recipe.seed}; {runtime.isa()}, {threads} thread{'s' if threads > 1 else ''}", flush=True)


def show(result: dict[str, Any], args: argparse.Namespace) -> None:
    """Where the run is, and how good it is."""
    test = result["test"]
    print(f"{result['run']}: {', '.join(result['files'])}")
    print(f"test accuracy {100 * test['accuracy']:.1f} % ({test['right']} of {test['images']}) "
          f"after {result['epochs']} epochs in {result['seconds']:.1f} s")
