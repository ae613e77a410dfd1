"""Training: the loop, callbacks, checkpoints, run folders."""

from pyconv.train.callbacks import Callback, Checkpoint, ProgressBar
from pyconv.train.checkpoint import CheckpointError, resume, save_checkpoint
from pyconv.train.history import History
from pyconv.train.trainer import Trainer

__all__ = ["Callback", "Checkpoint", "CheckpointError", "History", "ProgressBar", "Trainer", "resume",
           "save_checkpoint"]
