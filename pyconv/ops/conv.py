"""Convolution in one, two and three dimensions, with every gradient."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pyconv._backend import core
from pyconv.errors import ShapeError
from pyconv.ops.arguments import whole
from pyconv.ops.out import takes_out_in_order
from pyconv.pending import PendingGradient
from pyconv.tensor import Context, Op, Record, Shape, Tensor, apply

Size = int | Sequence[int]
Padding = int | str | Sequence[Any]
KeptFilter = core.KeptFilter
ARRAYS = (Tensor, np.ndarray)


def in_order(ctx: Context, y: Any, unbatched: bool) -> Any:
    """The output of a driver, a channels-last batch, in the memory order and with the axes that the call asks for."""
    if unbatched:
        y = y[0]
    # Rank 4 out of an unbatched 3-D convolution has another channels-last order than its batch of one.
    return y if ctx.channels_last and not (unbatched and y.ndim == 4) else core.copy(y, ctx.channels_last)


def in_one_piece(gy: Any, needs: Sequence[bool]) -> Any:
    """A gradient that several passes read, such as a slice of a concatenation's: brought into their order once."""
    if gy.ndim not in (4, 5) or sum(needs) < 2 or gy.transpose(0, *range(2, gy.ndim), 1).flags.c_contiguous:
        return gy
    return core.copy(gy, True)


def waiting(make: Callable[..., Any], gy: Any, unbatched: bool) -> Any:
    """The input gradient ``make(residual, mask)``: for the tape to add to and to mask, where the kernels can."""
    if unbatched:
        return make()[0]
    return PendingGradient(make) if gy.dtype == np.float32 else make()


class Conv(Op):
    """y[n,k,o] = b[k] + Σ_{c,r} x[n, c, o·stride − pad + r·dilation] · w[k,c,r], per group.

    The shape record is built once, in C++, and serves all passes. An unbatched x (one axis fewer) is one image.
    """

    name = "conv"

    @staticmethod
    def infer(shapes: Sequence[Shape | None], *, op: str, stride: Any, padding: Any, dilation: Any, groups: int,
              kept: Any = None) -> Record:
        """Validate, and give the output's shape; ``kept`` holds the weight in the form that the kernels read."""
        x, weight, bias = shapes
        return _record(x, weight, bias, op, stride, padding, dilation, groups)

    @staticmethod
    def forward(ctx: Context, x: Any, weight: Any, bias: Any, *, op: str, kept: Any = None, **_: Any) -> Any:
        """Row GEMM for float32, the reference loops for float64."""
        shape = ctx.record.core
        unbatched = x.ndim == weight.ndim - 1
        ctx.save(x, weight)
        y = core.conv_forward(op, shape, x[None] if unbatched else x, kept or weight, bias)
        return in_order(ctx, y, unbatched)

    @staticmethod
    def backward(ctx: Context, gy: Any) -> tuple[Any, ...]:
        """gx by phases of the stride, gw K-major over pixels, gb an ordered sum."""
        shape = ctx.record.core
        assert ctx.saved is not None
        x, weight = ctx.saved
        if x.ndim == weight.ndim - 1:
            x, gy = x[None], gy[None]
            unbatched = True
        else:
            unbatched = False
        gy = in_one_piece(gy, ctx.needs)
        want_x, want_w, want_b = ctx.needs
        gx = waiting(functools.partial(core.conv_grad_input, shape, gy, weight), gy, unbatched) if want_x else None
        gw = core.conv_grad_weight(shape, gy, x) if want_w else None
        gb = core.conv_grad_bias(shape, gy) if want_b else None
        return gx, gw, gb


@functools.lru_cache(maxsize=1024)  # the layers of a few networks: a record is a few hundred bytes
def _record(x: Shape, weight: Shape, bias: Shape | None, op: str, stride: Any, padding: Any, dilation: Any,
            groups: int) -> Record:
    unbatched = len(x) == len(weight) - 1
    shape = core.conv_shape(op, (1, *x) if unbatched else x, weight, stride, padding, dilation, groups)
    if bias is not None and bias != (weight[0],):
        raise ShapeError(f"[{op}] bias has shape {bias}, expected ({weight[0]},): one per output channel")
    out = shape.output_shape
    return Record((out[1:] if unbatched else out,), macs=shape.macs, core=shape)


def per_axis(value: Size, axes: int, op: str, argument: str) -> tuple[int, ...]:
    """One number for all axes, or one for each; how many there must be is checked with the shapes."""
    if type(value) is tuple and len(value) == axes:  # what layers hold
        for v in value:
            if type(v) is not int:
                break
        else:
            return value
    if isinstance(value, (tuple, list)):
        values = tuple([whole(v, op, argument) for v in value])
        return values * axes if len(values) == 1 else values
    return (whole(value, op, argument),) * axes


def pair_paddings(padding: Padding, axes: int, op: str) -> str | tuple[int, ...]:
    """Low and high padding of each axis: (low, high, low, high, ...), or the word itself."""
    if isinstance(padding, str):
        return padding
    if isinstance(padding, (tuple, list)):
        for p in padding:
            if isinstance(p, (tuple, list)):
                return _pairs(padding, op)
    both_sides: Any = padding
    flat: list[int] = []
    for n in per_axis(both_sides, axes, op, "padding"):
        flat += (n, n)
    return tuple(flat)


def _pairs(padding: Sequence[Any], op: str) -> tuple[int, ...]:
    flat: list[int] = []
    for pair in padding:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise ValueError(f"[{op}] padding is {padding!r}, expected a (low, high) pair for all axes or none")
        flat += [whole(p, op, "padding") for p in pair]
    return tuple(flat)


def check_operands(op: str, axes: int, x: Any, weight: Any, bias: Any) -> None:
    """Arrays or Tensors, and a weight with as many axes as the function's name says."""
    if not (isinstance(x, ARRAYS) and isinstance(weight, ARRAYS) and (bias is None or isinstance(bias, ARRAYS))):
        for value, argument in ((x, "input"), (weight, "weight"), (bias, "bias")):
            if not isinstance(value, ARRAYS) and (value is not None or argument != "bias"):
                raise TypeError(f"[{op}] {argument} is {type(value).__name__}, expected a Tensor or a numpy array")
    if len(weight.shape) != axes + 2:
        raise ShapeError(f"[{op}] weight has shape {tuple(weight.shape)}, expected {axes + 2} axes")


def convolve(op: str, axes: int, x: Any, weight: Any, bias: Any, stride: Size, padding: Padding, dilation: Size,
             groups: int, kept: Any = None) -> Any:
    """Every convolution; with ``kept``, a `KeptFilter` of the weight, for inference."""
    check_operands(op, axes, x, weight, bias)
    return apply(Conv, x, weight, bias, op=op, stride=per_axis(stride, axes, op, "stride"),
                 padding=pair_paddings(padding, axes, op), dilation=per_axis(dilation, axes, op, "dilation"),
                 groups=whole(groups, op, "groups"), kept=kept)


@takes_out_in_order
def conv1d(input: Any, weight: Any, bias: Any = None, stride: Size = 1, padding: Padding = 0, dilation: Size = 1,
           groups: int = 1) -> Any:
    """1-D convolution; see `conv2d`. ``input`` (N, C, L) or (C, L), ``weight`` (K, C/groups, R)."""
    return convolve("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


@takes_out_in_order
def conv2d(input: Any, weight: Any, bias: Any = None, stride: Size = 1, padding: Padding = 0, dilation: Size = 1,
           groups: int = 1) -> Any:
    """2-D convolution (cross-correlation: the filter is not flipped).

    y[n,k,i,j] = bias[k] + Σ_{c,r,s} input[n, c, i·stride − pad + r·dilation, j·stride − pad + s·dilation]
    · weight[k,c,r,s]; the output size is floor((in + low + high − dilation·(filter − 1) − 1) / stride) + 1.

    Args:
        input: (N, C, H, W), or (C, H, W) for one image. float32 (fast) or float64 (the reference path).
        weight: (K, C/groups, R, S).
        bias: (K,) or None.
        stride: one number, or one per axis.
        padding: zeros around the input: one number, one per axis, a (low, high) pair per axis
            (``((top, bottom), (left, right))``), ``"same"`` (stride 1; an odd total puts the extra zero on the high
            side) or ``"valid"``.
        dilation: distance between filter taps.
        groups: channels are split in this many groups, each convolved on its own.

    Returns:
        (N, K, OH, OW): a channels-last Tensor, or a C-ordered array when all inputs are arrays.

    Raises:
        ShapeError: shapes that do not fit; TypeError: dtypes; ValueError: other bad arguments.

    Source: Dumoulin & Visin, A guide to convolution arithmetic for deep learning, 2016.

    >>> import numpy as np
    >>> image = np.float32([[[[1, 2, 3, 0], [0, 1, 2, 3], [3, 0, 1, 2], [2, 3, 0, 1]]]])
    >>> filter = np.float32([[[[2, 0, 1], [0, 1, 2], [1, 0, 2]]]])
    >>> conv2d(image, filter)[0, 0]
    array([[15., 16.],
           [ 6., 15.]], dtype=float32)
    """
    return convolve("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


@takes_out_in_order
def conv3d(input: Any, weight: Any, bias: Any = None, stride: Size = 1, padding: Padding = 0, dilation: Size = 1,
           groups: int = 1) -> Any:
    """3-D convolution; see `conv2d`. ``input`` (N, C, D, H, W) or (C, D, H, W), ``weight`` (K, C/groups, T, R, S)."""
    return convolve("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)
