"""pyconv: convolutional networks for people who have a CPU.

>>> import pyconv
>>> x = pyconv.ones(2, 3, requires_grad=True)
>>> x.reshape(3, 2).shape
(3, 2)
"""

import importlib

import numpy as _np

import pyconv.ops
from pyconv._backend import core as _core
from pyconv.device import device
from pyconv.grad_mode import enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from pyconv.ops.creation import (
    arange,
    empty,
    from_dlpack,
    from_numpy,
    full,
    full_like,
    ones,
    ones_like,
    tensor,
    zeros,
    zeros_like,
)
from pyconv.ops.random import rand, randn
from pyconv.ops.shape import chunk, flatten, permute, reshape, split, squeeze, transpose, unbind, unsqueeze
from pyconv.random import Generator, default_generator, get_rng_state, manual_seed, set_rng_state
from pyconv.tensor import Tensor

__version__ = _core.__version__

float32, float64 = _np.dtype("float32"), _np.dtype("float64")
int64, int32, uint8 = _np.dtype("int64"), _np.dtype("int32"), _np.dtype("uint8")
bool = _np.dtype("bool")
float, double, long, int = float32, float64, int64, int32
contiguous_format, preserve_format = "contiguous_format", "preserve_format"
channels_last, channels_last_3d = "channels_last", "channels_last_3d"

_LAZY = {"load": "pyconv.io", "save": "pyconv.io", "summary": "pyconv.nn.summary"}
_ROOMS = ("autograd", "data", "explain", "interop", "io", "models", "nn", "optim", "runtime", "train", "vision")

__all__ = [name for name in dir() if not name.startswith("_") and name != "importlib"]


def __getattr__(name: str):
    """Heavy rooms are imported when they are first used."""
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    if name in _ROOMS:
        try:
            return importlib.import_module(f"pyconv.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"pyconv.{name}":
                raise
    raise AttributeError(f"module 'pyconv' has no attribute {name!r}")


def __dir__():
    return sorted([*__all__, *_LAZY, *_ROOMS, "__version__"])
