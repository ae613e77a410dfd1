"""Callbacks: what happens around the epochs of a `Trainer`."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from pyconv.train.trainer import Trainer


class Callback:
    """Base of callbacks; define the methods that you need. Epochs and batches count from 1."""

    def on_train_begin(self, trainer: Trainer) -> None:
        """Before the first epoch."""

    def on_epoch_begin(self, trainer: Trainer, epoch: int) -> None:
        """Before the first batch of an epoch."""

    def on_batch_end(self, trainer: Trainer, batch: int, logs: dict[str, float]) -> None:
        """After a step of the optimiser; ``logs`` has the epoch's means and images so far."""

    def on_epoch_end(self, trainer: Trainer, epoch: int, row: dict[str, Any]) -> None:
        """After validation; ``row`` is the epoch's row of the history."""

    def on_train_end(self, trainer: Trainer) -> None:
        """After the last epoch, and after Ctrl-C or an error as well."""


class Checkpoint(Callback):
    """Save a checkpoint to the folder ``path`` after every ``every`` epochs; `resume` continues from it."""

    def __init__(self, path: str | os.PathLike[str], every: int = 1) -> None:
        self.path = path
        self.every = every

    def on_epoch_end(self, trainer: Trainer, epoch: int, row: dict[str, Any]) -> None:
        """Save if it is time."""
        if epoch % self.every == 0:
            from pyconv.train.checkpoint import save_checkpoint

            save_checkpoint(self.path, trainer)


class ProgressBar(Callback):
    """A bar per epoch (loss, accuracy, images/s, time left for the whole training), drawn by tqdm.

    Without tqdm: one line per epoch. ``enabled`` None means: only when standard output is a terminal. ``total`` is
    the number of batches in an epoch; with None the bar has no end.
    """

    def __init__(self, total: int | None = None, enabled: bool | None = None, file: TextIO | None = None,
                 plain: bool = False) -> None:
        self.total = total
        self.enabled = sys.stdout.isatty() if enabled is None else enabled
        self.file = sys.stderr if file is None else file
        self._bar: Any = None
        self._tqdm = None if plain else _tqdm()
        self._start = self._epoch_start = 0.0
        self._first = 0

    def on_train_begin(self, trainer: Trainer) -> None:
        """Start the clock."""
        self._start, self._first = time.perf_counter(), trainer.epoch

    def on_epoch_begin(self, trainer: Trainer, epoch: int) -> None:
        """Open the epoch's bar."""
        self._epoch_start = time.perf_counter()
        if self.enabled and self._tqdm is not None:
            self._bar = self._tqdm(
                total=self.total, file=self.file, leave=True, mininterval=0.05,
                nrows=20,  # a pseudo-terminal may say that it has none, and tqdm would draw nothing
                desc=f"epoch {epoch:>{len(str(trainer.epochs))}}/{trainer.epochs}",
                bar_format="{desc} " + ("{bar:20} {n_fmt}/{total_fmt}" if self.total else "{n_fmt}") + "{postfix}")

    def on_batch_end(self, trainer: Trainer, batch: int, logs: dict[str, float]) -> None:
        """Move the bar."""
        if self._bar is not None:
            speed = logs["images"] / max(time.perf_counter() - self._epoch_start, 1e-9)
            self._bar.set_postfix_str(_text(logs, speed, self._left(trainer, batch)), refresh=False)
            self._bar.update(1)

    def on_epoch_end(self, trainer: Trainer, epoch: int, row: dict[str, Any]) -> None:
        """Close the bar with the epoch's figures, or print them."""
        if not self.enabled:
            return
        text = _text(row, row["images_per_second"], self._left(trainer, 0))
        if self._bar is None:
            print(f"epoch {epoch:>{len(str(trainer.epochs))}}/{trainer.epochs}  {text}", file=self.file, flush=True)
        else:
            self._bar.set_postfix_str(text, refresh=False)
            self.close()

    def on_train_end(self, trainer: Trainer) -> None:
        """Leave the terminal in order."""
        self.close()

    def close(self) -> None:
        """Close an open bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _left(self, trainer: Trainer, batch: int) -> float | None:
        """Seconds to the end of the training, from the mean time of a batch so far."""
        done = trainer.epoch - self._first + (batch / self.total if self.total else 0)
        if done <= 0:
            return None
        return (time.perf_counter() - self._start) / done * max(trainer.epochs - self._first - done, 0)


def _text(logs: dict[str, Any], speed: float, left: float | None) -> str:
    parts = [f"loss {logs['loss']:.4f}"]
    if "accuracy" in logs:
        parts.append(f"accuracy {100 * logs['accuracy']:5.1f} %")
    if "val_accuracy" in logs:
        parts.append(f"test {100 * logs['val_accuracy']:5.1f} %")
    parts.append(f"{speed:,.0f} images/s")
    if left is not None:
        parts.append(f"{left:.0f} s left" if left < 100 else f"{left / 60:.1f} min left")
    return "  ".join(parts)


def _tqdm() -> Any:
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return tqdm
