"""pyconv: convolutional networks for people who have a CPU.

>>> import pyconv
>>> x = pyconv.ones(2, 3, requires_grad=True)
>>> x.reshape(3, 2).shape
(3, 2)
"""

import importlib

import numpy as _np

from pyconv import ops as _ops
from pyconv._backend import core as _core
from pyconv.device import device
from pyconv.errors import ShapeError
from pyconv.grad_mode import enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from pyconv.ops.activation import (
    celu,
    celu_,
    hardshrink,
    prelu,
    selu,
    selu_,
    sigmoid_,
    tanh_,
    threshold,
    threshold_,
)
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
from pyconv.ops.elementwise import (
    abs,
    add,
    ceil,
    clamp,
    cos,
    div,
    eq,
    erf,
    exp,
    expm1,
    floor,
    ge,
    gt,
    isfinite,
    isnan,
    le,
    log,
    log1p,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    lt,
    maximum,
    minimum,
    mul,
    ne,
    neg,
    pow,
    reciprocal,
    relu,
    relu_,
    round,
    rsqrt,
    sigmoid,
    sign,
    sin,
    sqrt,
    square,
    sub,
    tanh,
    where,
)
from pyconv.ops.gemm import bmm, matmul
from pyconv.ops.group_norm import group_norm, instance_norm, layer_norm, rms_norm
from pyconv.ops.indexing import index_select, masked_select
from pyconv.ops.join import cat, concat, concatenate, stack
from pyconv.ops.random import (
    bernoulli,
    dropout,
    normal,
    rand,
    rand_like,
    randint,
    randn,
    randn_like,
    randperm,
)
from pyconv.ops.reduce import all, amax, amin, any, argmax, argmin, max, mean, min, std, sum, var
from pyconv.ops.shape import (
    broadcast_to,
    chunk,
    clone,
    detach,
    flatten,
    permute,
    reshape,
    split,
    squeeze,
    transpose,
    unbind,
    unsqueeze,
)
from pyconv.ops.softmax import log_softmax, softmax
from pyconv.random import Generator, default_generator, get_rng_state, manual_seed, set_rng_state
from pyconv.tensor import Tensor

__version__ = _core.__version__

float32, float64 = _np.dtype("float32"), _np.dtype("float64")
int64, int32, uint8 = _np.dtype("int64"), _np.dtype("int32"), _np.dtype("uint8")
bool = _np.dtype("bool")
float, double, long, int = float32, float64, int64, int32
contiguous_format, preserve_format = "contiguous_format", "preserve_format"
channels_last, channels_last_3d = "channels_last", "channels_last_3d"

#: Where a name comes from that is imported only when it is first used.
_LAZY = {
    **{room: f"pyconv.{room}" for room in (
        "autograd", "data", "explain", "interop", "io", "models", "nn", "optim", "runtime", "train", "vision")},
    "detect_anomaly": "pyconv.anomaly:detect_anomaly", "load": "pyconv.io:load",
    "save": "pyconv.io:save", "summary": "pyconv.nn.summary:summary",
}

__all__ = [
    "Generator", "ShapeError", "Tensor", "__version__", "abs", "add", "all", "amax", "amin", "any", "arange",
    "argmax", "argmin", "bernoulli", "bmm", "bool", "broadcast_to", "cat", "ceil", "celu", "celu_", "channels_last",
    "channels_last_3d", "chunk", "clamp", "clone", "concat", "concatenate", "contiguous_format", "cos",
    "default_generator", "detach", "device", "div", "double", "dropout", "empty", "enable_grad", "eq", "erf",
    "exp", "expm1", "flatten", "float", "float32", "float64", "floor", "from_dlpack", "from_numpy", "full",
    "full_like", "ge", "get_rng_state", "group_norm", "gt", "hardshrink", "index_select", "instance_norm",
    "int", "int32", "int64", "is_grad_enabled", "isfinite", "isnan", "layer_norm", "le", "log", "log1p",
    "log_softmax", "logical_and", "logical_not", "logical_or", "logical_xor", "long", "lt", "manual_seed",
    "masked_select", "matmul", "max", "maximum", "mean", "min", "minimum", "mul", "ne", "neg", "no_grad",
    "normal", "ones", "ones_like", "permute", "pow", "prelu", "preserve_format", "rand", "rand_like",
    "randint", "randn", "randn_like", "randperm", "reciprocal", "relu", "relu_", "reshape", "rms_norm",
    "round", "rsqrt", "selu", "selu_", "set_grad_enabled", "set_rng_state", "sigmoid", "sigmoid_", "sign",
    "sin", "softmax", "split", "sqrt", "square", "squeeze", "stack", "std", "sub", "sum", "tanh", "tanh_",
    "tensor", "threshold", "threshold_", "transpose", "uint8", "unbind", "unsqueeze", "var", "where", "zeros",
    "zeros_like",
]


def __getattr__(name):
    """Import heavy rooms when they are first used."""
    if name not in _LAZY:
        raise AttributeError(f"module 'pyconv' has no attribute {name!r}")
    room, _, attribute = _LAZY[name].partition(":")
    try:
        module = importlib.import_module(room)
    except ModuleNotFoundError as error:
        if error.name != room:
            raise
        raise AttributeError(f"pyconv.{name} does not exist in version {__version__}") from None
    value = getattr(module, attribute) if attribute else module
    globals()[name] = value
    return value


def __dir__():
    return sorted({*__all__, *_LAZY})
