"""Functions of networks under PyTorch's names. They take Tensors or, alone, numpy arrays (and then return arrays).

Those that are one operation come as they are from `pyconv.ops`; the ones defined here are combinations, or carry
arguments that only PyTorch's form of the call has.
"""

from __future__ import annotations

from typing import Any

from pyconv.nn.contrast import local_contrast_norm
from pyconv.nn.conv_matrix import conv_matrix, convolve2d
from pyconv.ops import elementwise
from pyconv.ops.activation import (
    celu,
    celu_,
    elu,
    elu_,
    gelu,
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    hardtanh_,
    leaky_relu,
    leaky_relu_,
    logsigmoid,
    mish,
    prelu,
    relu6,
    selu,
    selu_,
    silu,
    softmin,
    softplus,
    softshrink,
    softsign,
    swish,
    tanhshrink,
    threshold,
    threshold_,
)
from pyconv.ops.conv import conv1d, conv2d, conv3d
from pyconv.ops.conv_transpose import conv_transpose1d, conv_transpose2d, conv_transpose3d
from pyconv.ops.creation import one_hot
from pyconv.ops.distance import cosine_similarity, pairwise_distance
from pyconv.ops.gemm import linear
from pyconv.ops.grid_sample import affine_grid, grid_sample
from pyconv.ops.group_norm import group_norm, instance_norm, layer_norm, rms_norm
from pyconv.ops.join import pad
from pyconv.ops.local_conv import locally_connected1d, locally_connected2d
from pyconv.ops.loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    smooth_l1_loss,
)
from pyconv.ops.lp_pool import lp_pool1d, lp_pool2d, lp_pool3d
from pyconv.ops.lrn import local_response_norm
from pyconv.ops.norm import batch_norm
from pyconv.ops.normalize import normalize
from pyconv.ops.pool import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
    max_unpool1d,
    max_unpool2d,
    max_unpool3d,
)
from pyconv.ops.random import dropout, dropout1d, dropout2d, dropout3d
from pyconv.ops.resample import interpolate
from pyconv.ops.shape import flatten
from pyconv.ops.shuffle import channel_shuffle, pixel_shuffle, pixel_unshuffle
from pyconv.ops.softmax import cross_entropy, log_softmax, nll_loss, softmax
from pyconv.ops.unfold import fold, unfold
from pyconv.tensor import Tensor

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d", "adaptive_max_pool2d",
    "adaptive_max_pool3d", "affine_grid", "avg_pool1d", "avg_pool2d", "avg_pool3d", "batch_norm",
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "celu", "celu_", "channel_shuffle", "conv1d", "conv2d",
    "conv3d", "conv_matrix", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "convolve2d",
    "cosine_similarity", "cross_entropy", "dropout", "dropout1d", "dropout2d", "dropout3d", "elu", "elu_", "flatten",
    "fold", "gelu", "grid_sample", "group_norm", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "hardtanh_",
    "huber_loss", "instance_norm", "interpolate", "kl_div", "l1_loss", "layer_norm", "leaky_relu", "leaky_relu_",
    "linear", "local_contrast_norm", "local_response_norm", "locally_connected1d", "locally_connected2d", "log_softmax",
    "logsigmoid", "lp_pool1d", "lp_pool2d", "lp_pool3d", "max_pool1d", "max_pool2d", "max_pool3d", "max_unpool1d",
    "max_unpool2d", "max_unpool3d", "mish", "mse_loss", "nll_loss", "normalize", "one_hot", "pad", "pairwise_distance",
    "pixel_shuffle", "pixel_unshuffle", "prelu", "relu", "relu6", "relu_", "rms_norm", "selu", "selu_", "sigmoid",
    "silu", "smooth_l1_loss", "softmax", "softmin", "softplus", "softshrink", "softsign", "swish", "tanh", "tanhshrink",
    "threshold", "threshold_", "unfold",
]


def relu(input: Any, inplace: bool = False) -> Any:
    """``max(x, 0)``, any shape and floating dtype; the gradient at 0 is 0.

    With ``inplace`` a Tensor's own memory takes the result. Raises TypeError for anything but a Tensor or an array,
    and for an array with ``inplace``.

    >>> import numpy as np
    >>> relu(np.array([-1.0, 0.0, 2.0])).tolist()
    [0.0, 0.0, 2.0]
    """
    return relu_(input) if inplace else elementwise.relu(input)


def relu_(input: Tensor) -> Tensor:
    """`relu` into the Tensor's own memory.

    >>> import pyconv
    >>> relu_(pyconv.tensor([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """
    if not isinstance(input, Tensor):
        raise TypeError(f"[relu_] input is {type(input).__name__}, expected a Tensor to change in place")
    return elementwise.relu_(input)


def sigmoid(input: Any) -> Any:
    """``1 / (1 + exp(-x))``, any shape and floating dtype.

    >>> import numpy as np
    >>> sigmoid(np.array([0.0])).tolist()
    [0.5]
    """
    return elementwise.sigmoid(input)


def tanh(input: Any) -> Any:
    """The hyperbolic tangent, any shape and floating dtype.

    >>> import numpy as np
    >>> tanh(np.array([0.0])).tolist()
    [0.0]
    """
    return elementwise.tanh(input)
