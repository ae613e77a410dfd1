"""Trainer: the loop that everybody writes, once."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from pyconv.grad_mode import no_grad
from pyconv.optim.lr_scheduler import ReduceLROnPlateau
from pyconv.tensor import Tensor
from pyconv.train.callbacks import Callback
from pyconv.train.history import History


class Trainer:
    """Train and apply a classifier.

    ``loss(outputs, targets)`` returns a one-element Tensor. ``scheduler`` is stepped after every batch or every epoch
    as ``step_scheduler`` says; one whose ``step`` wants a number (ReduceLROnPlateau) gets the validation loss.
    Loaders yield ``(inputs, targets)``; one with ``set_epoch`` is told the epoch, so that a resumed run sees what an
    uninterrupted one would. Accuracy is counted when outputs are (N, classes) and targets class numbers (N,).

    ``epoch`` counts finished epochs, ``history`` has one row for each; a callback may set ``stop``. The same seed
    gives the same bits on any number of threads.
    """

    def __init__(self, model: Any, optimizer: Any, loss: Any, callbacks: Sequence[Callback] = (), scheduler: Any = None,
                 step_scheduler: str = "epoch") -> None:
        if step_scheduler not in ("epoch", "batch"):
            raise ValueError(f"[Trainer] step_scheduler is {step_scheduler!r}, expected 'epoch' or 'batch'")
        if not callable(loss):
            raise TypeError(f"[Trainer] loss is {type(loss).__name__}, expected a function of outputs and targets")
        self.model = model
        self.optimizer = optimizer
        self.loss = loss
        self.callbacks = list(callbacks)
        self.scheduler = scheduler
        self.step_scheduler = step_scheduler
        self.epoch = 0
        self.epochs = 0
        self.history = History()
        self.stop = False

    def fit(self, train: Iterable[Any], val: Iterable[Any] | None = None, epochs: int = 1) -> History:
        """Train until ``epochs`` epochs are finished, those before a resume included, and return the history.

        After Ctrl-C the callbacks' ``on_train_end`` still run; then KeyboardInterrupt goes on to the caller. Raises
        FloatingPointError when the loss stops being a finite number, ValueError for an empty loader.
        """
        if not isinstance(epochs, int) or isinstance(epochs, bool) or epochs < 0:
            raise ValueError(f"[fit] epochs is {epochs!r}, expected an int of at least 0")
        self.epochs = epochs
        self.stop = False
        self._call("on_train_begin")
        try:
            while self.epoch < epochs and not self.stop:
                self._epoch(train, val)
        finally:
            self._call("on_train_end")
        return self.history

    def evaluate(self, data: Iterable[Any]) -> dict[str, float]:
        """Mean loss, and accuracy for a classifier, in eval mode and without gradients. ValueError for no data."""
        meter = Meter()
        with self._inference():
            for x, y in data:
                outputs = self.model(x)
                meter.add(self.loss(outputs, y), outputs, y)
        return meter.result("evaluate")

    def predict(self, data: Iterable[Any]) -> np.ndarray:
        """The model's outputs for all batches, one array (N, ...). Batches are inputs or ``(inputs, targets)``."""
        parts = []
        with self._inference():
            for batch in data:
                x = batch[0] if isinstance(batch, tuple | list) else batch
                parts.append(self.model(x).numpy())
        if not parts:
            raise ValueError("[predict] data has no batches")
        return np.concatenate(parts)

    @contextlib.contextmanager
    def _inference(self) -> Iterator[None]:
        """Eval mode and nothing recorded."""
        was_training = self.model.training
        self.model.eval()
        try:
            with no_grad():
                yield
        finally:
            self.model.train(was_training)

    def _epoch(self, train: Iterable[Any], val: Iterable[Any] | None) -> None:
        if hasattr(train, "set_epoch"):
            train.set_epoch(self.epoch)
        self.model.train()
        self._call("on_epoch_begin", self.epoch + 1)
        start = time.perf_counter()
        meter = Meter()
        rate = 0.0
        for number, (x, y) in enumerate(train):
            self.optimizer.zero_grad()
            outputs = self.model(x)
            loss = self.loss(outputs, y)
            meter.add(loss, outputs, y)
            if not np.isfinite(meter.last):
                raise FloatingPointError(
                    f"[fit] the loss is {meter.last} in epoch {self.epoch + 1}, batch {number + 1}: "
                    "try a smaller learning rate")
            loss.backward()
            self.optimizer.step()
            rate = float(self.optimizer.param_groups[0]["lr"])
            if self.scheduler is not None and self.step_scheduler == "batch":
                self.scheduler.step()
            self._call("on_batch_end", number + 1, {**meter.result("fit"), "images": meter.count})
        seconds = time.perf_counter() - start
        row = {"epoch": self.epoch + 1, **meter.result("fit")}
        if val is not None:
            row.update({f"val_{name}": value for name, value in self.evaluate(val).items()})
        row["lr"] = rate  # of the last step
        row["seconds"] = round(seconds, 4)
        row["images_per_second"] = round(meter.count / max(seconds, 1e-9), 1)
        if self.scheduler is not None and self.step_scheduler == "epoch":
            wants_loss = isinstance(self.scheduler, ReduceLROnPlateau)
            self.scheduler.step(*([row.get("val_loss", row["loss"])] if wants_loss else []))
        self.history.append(row)
        self.epoch += 1
        self._call("on_epoch_end", self.epoch, row)

    def _call(self, name: str, *args: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, name)(self, *args)


class Meter:
    """Running means over samples: loss, and accuracy where it makes sense."""

    def __init__(self) -> None:
        self.count = 0
        self.last = 0.0
        self._loss = 0.0
        self._right: int | None = 0

    def add(self, loss: Tensor, outputs: Tensor, targets: Tensor) -> None:
        """Count one batch."""
        n = len(outputs.array)
        self.last = loss.item()
        self.count += n
        self._loss += self.last * n
        classes = outputs.ndim == 2 and targets.ndim == 1 and targets.dtype.kind in "iu"
        if classes and self._right is not None:
            self._right += int(np.count_nonzero(outputs.argmax(1).array == targets.array))
        else:
            self._right = None

    def result(self, where: str) -> dict[str, float]:
        """The means so far. ValueError if there were no samples."""
        if self.count == 0:
            raise ValueError(f"[{where}] data has no batches")
        accuracy = {} if self._right is None else {"accuracy": self._right / self.count}
        return {"loss": self._loss / self.count, **accuracy}
