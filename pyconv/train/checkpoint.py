"""Checkpoints: a folder from which training continues bit by bit as if it had never stopped.

``state.json`` names the epoch and the file with all tensors, ``epoch-N.safetensors``; it is written last, so that a
crash at any moment leaves the previous checkpoint whole.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pyconv import io, random
from pyconv.tensor import Tensor
from pyconv.train.history import History
from pyconv.train.trainer import Trainer

FORMAT = "pyconv-checkpoint-1"


class CheckpointError(ValueError):
    """A checkpoint that is damaged, or of another model or optimiser."""


def save_checkpoint(path: str | os.PathLike[str], trainer: Trainer) -> None:
    """Save weights, optimiser, scheduler, random state, epoch and history to the folder ``path``, atomically."""
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    optimizer = trainer.optimizer.state_dict()
    tensors: dict[str, Any] = {f"model.{name}": value for name, value in trainer.model.state_dict().items()}
    plain: dict[str, dict[str, Any]] = {}
    for number, entry in optimizer["state"].items():
        plain[str(number)] = {}
        for name, value in entry.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{number}.{name}"] = value
            else:
                plain[str(number)][name] = value
    file = f"epoch-{trainer.epoch}.safetensors"
    state = {
        "format": FORMAT,
        "epoch": trainer.epoch,
        "tensors": file,
        "optimizer": {"state": plain, "param_groups": optimizer["param_groups"]},
        "scheduler": None if trainer.scheduler is None else trainer.scheduler.state_dict(),
        "random": random.get_rng_state(),
        "history": list(trainer.history),
    }
    text = json.dumps(state, indent=1)  # before anything is written: a state that is no JSON must not half-save
    io.save(tensors, folder / file)
    with io.atomic_write(folder / "state.json", "w") as stream:
        stream.write(text)
    for old in folder.glob("epoch-*.safetensors"):
        if old.name != file:
            old.unlink(missing_ok=True)


def resume(path: str | os.PathLike[str], trainer: Trainer) -> Trainer:
    """Bring ``trainer``, built as the saved one was, to the state of the checkpoint in ``path`` and return it.

    ``fit(..., epochs)`` then trains the epochs that are missing. Raises FileNotFoundError when there is none,
    CheckpointError when it is damaged or belongs to another model, optimiser or scheduler; the trainer may then be
    partly changed.
    """
    folder = Path(path)
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        if not isinstance(state, dict) or state.get("format") != FORMAT:
            raise CheckpointError(f"[resume] {folder / 'state.json'} is not a checkpoint of this version")
        name = str(state["tensors"])
        if Path(name).name != name:
            raise CheckpointError(f"[resume] {folder / 'state.json'} names a file outside its folder")
        tensors = io.load(folder / name)
        trainer.model.load_state_dict(
            {key.removeprefix("model."): value for key, value in tensors.items() if key.startswith("model.")})
        entries: dict[int, dict[str, Any]] = {int(n): dict(entry) for n, entry in state["optimizer"]["state"].items()}
        for key, value in tensors.items():
            if key.startswith("optimizer."):
                number, buffer = key.removeprefix("optimizer.").split(".", 1)
                entries.setdefault(int(number), {})[buffer] = value
        trainer.optimizer.load_state_dict({"state": entries, "param_groups": state["optimizer"]["param_groups"]})
        if (trainer.scheduler is None) != (state["scheduler"] is None):
            raise CheckpointError(f"[resume] {folder}: the checkpoint and the trainer do not both have a scheduler")
        if trainer.scheduler is not None:
            trainer.scheduler.load_state_dict(state["scheduler"])
        random.set_rng_state(state["random"])
        trainer.epoch = int(state["epoch"])
        trainer.history = History(state["history"])
    except FileNotFoundError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise CheckpointError(f"[resume] {folder}: {text}") from error
    return trainer
