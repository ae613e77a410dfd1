"""A run: from a recipe to a folder with weights, configuration, history and pictures, and back to a model."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from pyconv import io, models, nn, optim, random, runtime
from pyconv.data import DataLoader, Digits
from pyconv.data.transforms import Compose, Normalize, RandomAffine
from pyconv.optim.lr_scheduler import OneCycleLR
from pyconv.train import pictures
from pyconv.train.callbacks import Callback, Checkpoint
from pyconv.train.checkpoint import resume
from pyconv.train.trainer import Trainer

FORMAT = "pyconv-run-1"
DATA_SETS = ("digits",)
#: Learning rates that suit each optimiser; the schedule rises to them and falls to zero.
OPTIMIZERS = {"sgd": 0.05, "adam": 0.003, "adamw": 0.003}
MEAN, STD = 0.3, 0.35  # about those of the training images


class RunError(ValueError):
    """A run folder that is missing, incomplete or damaged."""


@dataclass(frozen=True)
class Recipe:
    """What determines a run. The same recipe gives the same bits on the same instruction set."""

    model: str = "lenet5"
    data: str = "digits"
    epochs: int = 25
    batch_size: int = 64
    optimizer: str = "sgd"
    lr: float = 0.05
    seed: int = 0


class Run:
    """A recipe brought to life: data, model and trainer, in the state in which training begins."""

    def __init__(self, recipe: Recipe, callbacks: Sequence[Callback] = ()) -> None:
        self.recipe = recipe
        random.manual_seed(recipe.seed)
        self.model = build_model(recipe, len(Digits.classes))
        self.first_filters = _first_filters(self.model)
        self.size = self.model.input_size[1]
        normalize = Normalize(MEAN, STD)
        augment = Compose([RandomAffine(10, translate=(0.08, 0.08), scale=(0.9, 1.1), shear=5), normalize])
        self.train_set = Digits(train=True, size=self.size, transform=augment)
        self.test_set = Digits(train=False, size=self.size, transform=normalize)
        self.train_loader = DataLoader(self.train_set, recipe.batch_size, shuffle=True, generator=recipe.seed)
        self.test_loader = DataLoader(self.test_set, 256)
        optimizer = _optimizer(recipe, self.model)
        steps = max(1, recipe.epochs * len(self.train_loader))
        scheduler = OneCycleLR(optimizer, recipe.lr, total_steps=steps)
        self.trainer = Trainer(self.model, optimizer, nn.CrossEntropyLoss(), callbacks, scheduler, "batch")

    def train(self, folder: str | os.PathLike[str], continued: bool = False) -> dict[str, Any]:
        """Train, keep a checkpoint after every epoch, write the run folder and return its configuration.

        After Ctrl-C the folder holds what was learned so far, and the checkpoint to continue from.
        """
        folder = Path(folder)
        checkpoint = folder / "checkpoint"
        start = time.perf_counter()
        before = 0.0
        if continued:
            before = float(read_config(folder).get("seconds", 0.0))
            if (checkpoint / "state.json").exists():
                resume(checkpoint, self.trainer)
        folder.mkdir(parents=True, exist_ok=True)
        self._write_config(folder, before, None)
        self.trainer.callbacks.append(Checkpoint(checkpoint))
        try:
            self.trainer.fit(self.train_loader, self.test_loader, self.recipe.epochs)
        except KeyboardInterrupt:
            self._write(folder, before + time.perf_counter() - start)
            raise
        config = self._write(folder, before + time.perf_counter() - start)
        shutil.rmtree(checkpoint, ignore_errors=True)
        return config

    def _write(self, folder: Path, seconds: float) -> dict[str, Any]:
        history = self.trainer.history
        logits = self.trainer.predict(self.test_loader)
        matrix = pictures.confusion_matrix(self.test_set.targets, logits.argmax(axis=1), len(Digits.classes))
        right, total = int(np.trace(matrix)), int(matrix.sum())
        io.save(self.model.state_dict(), folder / "weights.safetensors")
        with io.atomic_write(folder / "history.csv", "w") as file:
            file.write(history.csv())
        accuracy = f"{100 * right / total:.1f} %"
        name = self.recipe.model
        facts = (f"{self.recipe.data}: {len(self.train_set):,} training and {total:,} test images; "
                 f"{len(history)} epochs in {seconds:.1f} s; seed {self.recipe.seed}")
        if history:
            pictures.draw_curves(history, folder / "curves.png", f"{name}: {accuracy} of the test images right", facts)
        filters = _first_filters(self.model)
        if filters is not None and self.first_filters is not None:
            shape = f"{len(filters)} filters of {filters.shape[2]}x{filters.shape[3]}"
            pictures.draw_filters(
                self.first_filters, filters, folder / "filters.png", f"What the first layer of {name} learned",
                f"{shape}; red is positive, blue negative, one scale for all; test accuracy {accuracy}")
        pictures.draw_confusion(matrix, Digits.classes, folder / "confusion.png", f"{name}: {right} of {total} right "
                                f"({accuracy})", "rows: what was written; columns: what the network read")
        return self._write_config(folder, seconds, {"accuracy": right / total, "right": right, "images": total})

    def _write_config(self, folder: Path, seconds: float, result: dict[str, Any] | None) -> dict[str, Any]:
        config = {
            "format": FORMAT,
            "recipe": asdict(self.recipe),
            "classes": list(Digits.classes),
            "input": {"channels": 1, "size": self.size, "mean": MEAN, "std": STD},
            "finished": self.trainer.epoch >= self.recipe.epochs and result is not None,
            "epochs": self.trainer.epoch,
            "seconds": round(seconds, 3),
            "test": result,
            "pyconv": metadata.version("pyconv"),
            "isa": runtime.isa(),
            "threads": runtime.get_num_threads(),
        }
        with io.atomic_write(folder / "config.json", "w") as file:
            file.write(json.dumps(config, indent=2) + "\n")
        return config


def build_model(recipe: Recipe, classes: int) -> Any:
    """The recipe's network for grey images."""
    return models.create_model(recipe.model, num_classes=classes, in_channels=1)


def _optimizer(recipe: Recipe, model: Any) -> Any:
    if recipe.optimizer == "sgd":
        return optim.SGD(model.parameters(), lr=recipe.lr, momentum=0.9, weight_decay=1e-4, nesterov=True)
    kind = {"adam": optim.Adam, "adamw": optim.AdamW}[recipe.optimizer]
    return kind(model.parameters(), lr=recipe.lr, weight_decay=1e-4)


def _first_filters(model: Any) -> np.ndarray | None:
    """A copy of the first convolution's weight (K, C, R, S); None for a network without any."""
    for parameter in model.parameters():
        if parameter.ndim == 4:
            return parameter.array.copy()
    return None


def read_config(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """The configuration of a run folder. Raises RunError when it is missing, damaged or of another version."""
    path = Path(folder) / "config.json"
    if not Path(folder).is_dir():
        raise RunError(f"{folder} is not a run folder: there is no such folder")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        if config["format"] != FORMAT:
            raise RunError(f"{path} has format {config['format']!r}, expected {FORMAT!r}")
        _recipe(config)
        size, mean, std = (config["input"][key] for key in ("size", "mean", "std"))
        if not (isinstance(size, int) and 8 <= size <= 1024 and float(mean) == mean and float(std) > 0):
            raise ValueError("input")
        if not config["classes"] or any(not isinstance(name, str) for name in config["classes"]):
            raise ValueError("classes")
        return config
    except FileNotFoundError:
        raise RunError(f"{folder} is not a run folder: it has no config.json") from None
    except RunError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunError(f"{path} is damaged: {type(error).__name__} {error}") from None


def _recipe(config: dict[str, Any]) -> Recipe:
    recipe = Recipe(**config["recipe"])
    for name, default in asdict(Recipe()).items():
        value = getattr(recipe, name)
        kinds = (int, float) if isinstance(default, float) else type(default)
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise TypeError(f"recipe.{name} is {value!r}")
    return recipe


def continue_run(folder: str | os.PathLike[str], callbacks: Sequence[Callback] = ()) -> Run:
    """The `Run` of a folder, to call ``train(folder, continued=True)`` on. Raises RunError."""
    return Run(_recipe(read_config(folder)), callbacks)


def load_run(folder: str | os.PathLike[str]) -> tuple[Any, dict[str, Any]]:
    """The trained model of a run folder, in eval mode, and its configuration. Raises RunError."""
    config = read_config(folder)
    path = Path(folder) / "weights.safetensors"
    try:
        model = build_model(_recipe(config), len(config["classes"]))
        model.load_state_dict(io.load(path))
    except FileNotFoundError:
        raise RunError(f"{folder} has no weights.safetensors: training did not get that far") from None
    except (ValueError, RuntimeError, TypeError, KeyError) as error:
        raise RunError(f"{path} does not fit {config['recipe']['model']}: {' '.join(str(error).split())}") from None
    return model.eval(), config
