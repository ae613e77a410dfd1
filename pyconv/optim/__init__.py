"""Optimisers, with PyTorch's names, arguments, defaults and formulas; each step is one pass over all parameters."""

from pyconv.optim import lr_scheduler
from pyconv.optim.adadelta import Adadelta
from pyconv.optim.adagrad import Adagrad
from pyconv.optim.adam import Adam, AdamW
from pyconv.optim.optimizer import Optimizer
from pyconv.optim.rmsprop import RMSprop
from pyconv.optim.sgd import SGD

__all__ = ["SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop", "lr_scheduler"]
