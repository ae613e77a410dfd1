"""The gradients of a convolution as functions of their own, for those who write their training loop themselves.

They record nothing. Where all that comes in is numpy's, so is what goes out, in C order; else it is a Tensor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyconv._backend import core
from pyconv.errors import ShapeError
from pyconv.ops.arguments import whole, wholes
from pyconv.ops.conv import Padding, Size, pair_paddings, per_axis
from pyconv.tensor import FLOATS, Tensor, raw

Sizes = Sequence[int]


def _record(op: str, axes: int, sizes: tuple[Any, Any], grad_output: Any, operand: tuple[str, Any], stride: Size,
            padding: Padding, dilation: Size, groups: int) -> tuple[Any, Any, Any]:
    """The convolution's shape record, and the two arrays of the product."""
    shapes = []
    for argument, size in zip(("input", "weight"), sizes, strict=True):
        shape = wholes((size,), op, f"{argument}_size")
        if len(shape) != axes + 2:
            raise ShapeError(f"[{op}] {argument} has shape {shape}, expected {axes + 2} axes")
        shapes.append(shape)
    record = core.conv_shape(op, shapes[0], shapes[1], per_axis(stride, axes, op, "stride"), pair_paddings(padding, axes, op),
                             per_axis(dilation, axes, op, "dilation"), whole(groups, op, "groups"))
    argument, values = operand
    other, gy = raw(values, op, argument), raw(grad_output, op, "grad_output")
    if gy.shape != record.output_shape:
        raise ShapeError(f"[{op}] grad_output has shape {gy.shape}, expected {record.output_shape}, that of the output")
    if gy.dtype != other.dtype or gy.dtype not in FLOATS:
        raise TypeError(f"[{op}] grad_output has dtype {gy.dtype} and {argument} {other.dtype}, expected float32 or "
                        "float64 for both")
    return record, other, gy


def _shape(value: Any, op: str, argument: str) -> Any:
    return raw(value, op, argument).shape


def _result(array: Any, *operands: Any) -> Any:
    if any(isinstance(x, Tensor) for x in operands):
        return Tensor(array)
    return array if array.flags.c_contiguous else core.copy(array, False)


def _input(axes: int, input_size: Sizes, weight: Any, grad_output: Any, *options: Any) -> Any:
    op = f"conv{axes}d_input"
    record, w, gy = _record(op, axes, (input_size, _shape(weight, op, "weight")), grad_output, ("weight", weight),
                            *options)
    return _result(core.conv_grad_input(record, gy, w), weight, grad_output)


def _weight(axes: int, input: Any, weight_size: Sizes, grad_output: Any, *options: Any) -> Any:
    op = f"conv{axes}d_weight"
    record, x, gy = _record(op, axes, (_shape(input, op, "input"), weight_size), grad_output, ("input", input), *options)
    return _result(core.conv_grad_weight(record, gy, x), input, grad_output)


def conv1d_input(input_size: Sizes, weight: Any, grad_output: Any, stride: Size = 1, padding: Padding = 0,
                 dilation: Size = 1, groups: int = 1) -> Any:
    """The gradient of `conv1d` with respect to its input (N, C, L); see `conv2d_input`."""
    return _input(1, input_size, weight, grad_output, stride, padding, dilation, groups)


def conv2d_input(input_size: Sizes, weight: Any, grad_output: Any, stride: Size = 1, padding: Padding = 0,
                 dilation: Size = 1, groups: int = 1) -> Any:
    """The gradient of `conv2d` with respect to its input.

    gx[n,c,a,b] = Σ grad_output[n,k,i,j] · weight[k,c,r,s] over all i, j, r, s with i·stride − pad + r·dilation = a and
    j·stride − pad + s·dilation = b. For ``y = conv2d(x, w)`` and a loss L of y, ``grad_output`` is dL/dy.

    Args:
        input_size: (N, C, H, W), the shape of the input.
        weight: (K, C/groups, R, S).
        grad_output: (N, K, OH, OW), of the weight's dtype, float32 or float64.
        stride, padding, dilation, groups: those of the convolution, in every form that `conv2d` takes.

    Returns:
        (N, C, H, W): an array when weight and grad_output are arrays, else a Tensor without gradient.

    Raises:
        ShapeError: shapes that do not fit; TypeError: dtypes; ValueError: other bad arguments.

    >>> import numpy as np
    >>> conv2d_input((1, 1, 3, 3), np.float32([[[[1, 2], [3, 4]]]]), np.ones((1, 1, 2, 2), np.float32))[0, 0]
    array([[ 1.,  3.,  2.],
           [ 4., 10.,  6.],
           [ 3.,  7.,  4.]], dtype=float32)
    """
    return _input(2, input_size, weight, grad_output, stride, padding, dilation, groups)


def conv3d_input(input_size: Sizes, weight: Any, grad_output: Any, stride: Size = 1, padding: Padding = 0,
                 dilation: Size = 1, groups: int = 1) -> Any:
    """The gradient of `conv3d` with respect to its input (N, C, D, H, W); see `conv2d_input`."""
    return _input(3, input_size, weight, grad_output, stride, padding, dilation, groups)


def conv1d_weight(input: Any, weight_size: Sizes, grad_output: Any, stride: Size = 1, padding: Padding = 0,
                  dilation: Size = 1, groups: int = 1) -> Any:
    """The gradient of `conv1d` with respect to its weight (K, C/groups, R); see `conv2d_weight`."""
    return _weight(1, input, weight_size, grad_output, stride, padding, dilation, groups)


def conv2d_weight(input: Any, weight_size: Sizes, grad_output: Any, stride: Size = 1, padding: Padding = 0,
                  dilation: Size = 1, groups: int = 1) -> Any:
    """The gradient of `conv2d` with respect to its weight.

    gw[k,c,r,s] = Σ_{n,i,j} grad_output[n,k,i,j] · input[n, c, i·stride − pad + r·dilation, j·stride − pad + s·dilation].
    The gradient of a bias is ``grad_output.sum((0, 2, 3))``.

    Args:
        input: (N, C, H, W), float32 or float64.
        weight_size: (K, C/groups, R, S), the shape of the weight.
        grad_output: (N, K, OH, OW), of the input's dtype.
        stride, padding, dilation, groups: those of the convolution, in every form that `conv2d` takes.

    Returns:
        (K, C/groups, R, S): an array when input and grad_output are arrays, else a Tensor without gradient.

    Raises:
        ShapeError: shapes that do not fit; TypeError: dtypes; ValueError: other bad arguments.

    >>> import numpy as np
    >>> image = np.float32([[[[1, 2, 3], [4, 5, 6], [7, 8, 9]]]])
    >>> conv2d_weight(image, (1, 1, 2, 2), np.ones((1, 1, 2, 2), np.float32))[0, 0]
    array([[12., 16.],
           [24., 28.]], dtype=float32)
    """
    return _weight(2, input, weight_size, grad_output, stride, padding, dilation, groups)


def conv3d_weight(input: Any, weight_size: Sizes, grad_output: Any, stride: Size = 1, padding: Padding = 0,
                  dilation: Size = 1, groups: int = 1) -> Any:
    """The gradient of `conv3d` with respect to its weight (K, C/groups, T, R, S); see `conv2d_weight`."""
    return _weight(3, input, weight_size, grad_output, stride, padding, dilation, groups)
