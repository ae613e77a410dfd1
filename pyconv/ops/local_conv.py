"""Unshared convolution: local connections without shared weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyconv._backend import core
from pyconv.errors import ShapeError
from pyconv.ops.conv import in_order, per_axis
from pyconv.tensor import Array, Context, Op, Record, Shape, Tensor, apply, raw

Size = int | Sequence[int]


class LocalConv(Op):
    """y[n,k,o] = b[k,o] + Σ_{c,r} x[n, c, o·stride − pad + r] · w[o,k,c,r]: a filter bank per position."""

    name = "locally_connected"

    @staticmethod
    def infer(shapes: Sequence[Shape | None], *, op: str, stride: Any, padding: Any) -> Record:
        """Validate, and give the output's shape."""
        x, weight, bias = shapes
        assert x is not None
        assert weight is not None
        unbatched = 2 * len(x) == len(weight)
        record = core.local_shape(op, (1, *x) if unbatched else x, weight, stride, padding)
        if bias is not None and tuple(bias) != record.bias_shape:
            raise ShapeError(f"[{op}] bias has shape {tuple(bias)}, expected {record.bias_shape}: one per output")
        out = record.output_shape
        return Record((out[1:] if unbatched else out,), macs=record.macs, core=record)

    @staticmethod
    def forward(ctx: Context, x: Array, weight: Array, bias: Any, **_: Any) -> Array:
        """A product of a few patches with the position's bank, for every position."""
        unbatched = 2 * x.ndim == weight.ndim
        ctx.save(x, weight)
        y = core.local_conv_forward(ctx.record.core, x[None] if unbatched else x, weight, bias)
        return in_order(ctx, y, unbatched)

    @staticmethod
    def backward(ctx: Context, gy: Array) -> tuple[Any, ...]:
        """gx folds the patches' gradients, gw is an outer product per position, gb a sum over the images."""
        shape = ctx.record.core
        x, weight = ctx.saved or ()
        unbatched = 2 * x.ndim == weight.ndim
        if unbatched:
            x, gy = x[None], gy[None]
        want_x, want_w, want_b = ctx.needs
        gx = core.local_conv_grad_input(shape, gy, weight) if want_x else None
        if gx is not None and unbatched:
            gx = gx[0]
        gw = core.local_conv_grad_weight(shape, gy, x) if want_w else None
        gb = core.reduce("sum", gy, (0,), False, False) if want_b else None
        return gx, gw, gb


def _locally_connected(op: str, axes: int, x: Any, weight: Any, bias: Any, stride: Size, padding: Size) -> Any:
    for value, argument in ((x, "input"), (weight, "weight"), (bias, "bias")):
        if not isinstance(value, Tensor) and (value is not None or argument != "bias"):
            raw(value, op, argument)
    if len(weight.shape) != 2 * axes + 2:
        raise ShapeError(f"[{op}] weight has shape {tuple(weight.shape)}, expected {2 * axes + 2} axes: (positions..., "
                         "out channels, in channels, filter size...)")
    return apply(LocalConv, x, weight, bias, op=op, stride=per_axis(stride, axes, op, "stride"),
                 padding=per_axis(padding, axes, op, "padding"))


def locally_connected1d(input: Any, weight: Any, bias: Any = None, stride: Size = 1, padding: Size = 0) -> Any:
    """1-D unshared convolution; see `locally_connected2d`.

    ``input`` (N, C, L) or (C, L), ``weight`` (OL, K, C, R), ``bias`` (K, OL).

    >>> import numpy as np
    >>> weight = np.float32([[[[1, 0]]], [[[0, 1]]], [[[1, 1]]]])  # three positions, each with a filter of its own
    >>> locally_connected1d(np.float32([[[1, 2, 3, 4]]]), weight).tolist()
    [[[1.0, 3.0, 7.0]]]
    """
    return _locally_connected("locally_connected1d", 1, input, weight, bias, stride, padding)


def locally_connected2d(input: Any, weight: Any, bias: Any = None, stride: Size = 1, padding: Size = 0) -> Any:
    """2-D convolution without shared weights: every output position has a filter bank of its own.

    y[n,k,i,j] = bias[k,i,j] + Σ_{c,r,s} input[n, c, i·stride − pad + r, j·stride − pad + s] · weight[i,j,k,c,r,s].

    Args:
        input: (N, C, H, W), or (C, H, W) for one image. float32 (fast) or float64 (the reference path).
        weight: (OH, OW, K, C, R, S): position by position a bank as `conv2d` takes it. OH and OW are the output size
            floor((in + 2·padding − filter) / stride) + 1. Darknet's ``[local]`` layer stores its weights in this order.
        bias: (K, OH, OW), or None.
        stride, padding: one number, or one per axis; the padding is zeros on both sides.

    Returns:
        (N, K, OH, OW): a channels-last Tensor, or a C-ordered array when all inputs are arrays.

    Raises:
        ShapeError: shapes that do not fit; TypeError: dtypes; ValueError: other bad arguments.

    Source: LeCun, Generalization and network design strategies, 1989.

    >>> import numpy as np
    >>> weight = np.arange(4.0).reshape(2, 2, 1, 1, 1, 1)
    >>> locally_connected2d(np.ones((1, 1, 2, 2)), weight).tolist()
    [[[[0.0, 1.0], [2.0, 3.0]]]]
    """
    return _locally_connected("locally_connected2d", 2, input, weight, bias, stride, padding)
