"""Transposed convolution in one, two and three dimensions: the adjoint of a convolution, with every gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyconv._backend import core
from pyconv.errors import ShapeError
from pyconv.ops.arguments import whole
from pyconv.ops.conv import Size, check_operands, in_one_piece, in_order, per_axis, waiting
from pyconv.ops.out import takes_out_in_order
from pyconv.tensor import Context, Op, Record, Shape, apply


class ConvTranspose(Op):
    """y[n,k,i] = b[k] + Σ_{c,r} x[n,c,o] · w[c,k,r] over all o, r with o·stride − pad + r·dilation = i, per group.

    The record is that of the convolution whose adjoint this is: its input has y's shape, its output x's. So each pass
    is one of that convolution's, and there are no kernels of its own.
    """

    name = "conv_transpose"

    @staticmethod
    def infer(shapes: Sequence[Shape | None], *, op: str, stride: Any, padding: Any, output_padding: Any,
              dilation: Any, groups: int, kept: Any = None) -> Record:
        """Validate, and give the output's shape; ``kept`` as in `Conv`."""
        x, weight, bias = shapes
        assert x is not None
        assert weight is not None
        unbatched = len(x) == len(weight) - 1
        shape = core.conv_transpose_shape(op, (1, *x) if unbatched else x, weight, stride, padding, output_padding,
                                          dilation, groups)
        out = shape.input_shape
        if bias is not None and tuple(bias) != (out[1],):
            raise ShapeError(f"[{op}] bias has shape {tuple(bias)}, expected ({out[1]},): one per output channel")
        return Record((out[1:] if unbatched else out,), macs=shape.macs, core=shape)

    @staticmethod
    def forward(ctx: Context, x: Any, weight: Any, bias: Any, *, op: str, kept: Any = None, **_: Any) -> Any:
        """The convolution's input gradient, plus the bias."""
        unbatched = x.ndim == weight.ndim - 1
        ctx.save(x, weight)
        y = core.conv_transpose_forward(op, ctx.record.core, x[None] if unbatched else x, kept or weight,
                                        bias)
        return in_order(ctx, y, unbatched)

    @staticmethod
    def backward(ctx: Context, gy: Any) -> tuple[Any, ...]:
        """gx is the convolution of gy, gw its weight gradient with x in the place of a gradient, gb a sum."""
        shape = ctx.record.core
        assert ctx.saved is not None
        x, weight = ctx.saved
        unbatched = x.ndim == weight.ndim - 1
        if unbatched:
            x, gy = x[None], gy[None]
        gy = in_one_piece(gy, ctx.needs)
        want_x, want_w, want_b = ctx.needs

        def gradient(residual: Any = None, mask: Any = None) -> Any:
            return core.conv_forward("conv_transpose", shape, gy, weight, None, residual, False, mask)

        gx = waiting(gradient, gy, unbatched) if want_x else None
        gw = core.conv_grad_weight(shape, x, gy) if want_w else None
        gb = core.reduce("sum", gy, (0, *range(2, gy.ndim)), False, False) if want_b else None
        return gx, gw, gb


def spread(op: str, axes: int, x: Any, weight: Any, bias: Any, stride: Size, padding: Size, output_padding: Size,
           groups: int, dilation: Size, kept: Any = None) -> Any:
    """Every transposed convolution; ``kept`` as in `pyconv.ops.conv.convolve`."""
    check_operands(op, axes, x, weight, bias)
    return apply(ConvTranspose, x, weight, bias, op=op, stride=per_axis(stride, axes, op, "stride"),
                 padding=per_axis(padding, axes, op, "padding"),
                 output_padding=per_axis(output_padding, axes, op, "output_padding"),
                 dilation=per_axis(dilation, axes, op, "dilation"), groups=whole(groups, op, "groups"),
                 kept=kept)


@takes_out_in_order
def conv_transpose1d(input: Any, weight: Any, bias: Any = None, stride: Size = 1, padding: Size = 0,
                     output_padding: Size = 0, groups: int = 1, dilation: Size = 1) -> Any:
    """1-D transposed convolution; see `conv_transpose2d`. ``input`` (N, C, L), ``weight`` (C, K/groups, R).

    >>> import numpy as np
    >>> conv_transpose1d(np.float32([[[1, 2]]]), np.float32([[[1, 10, 100]]]), stride=2)
    array([[[  1.,  10., 102.,  20., 200.]]], dtype=float32)
    """
    return spread("conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups, dilation)


@takes_out_in_order
def conv_transpose2d(input: Any, weight: Any, bias: Any = None, stride: Size = 1, padding: Size = 0,
                     output_padding: Size = 0, groups: int = 1, dilation: Size = 1) -> Any:
    """2-D transposed convolution ("deconvolution"): the adjoint of `conv2d` with the same weight.

    Each input value adds its multiple of the filter to the output, ``stride`` apart:
    output[n, k, i·stride − padding + r·dilation, ...] += input[n, c, i, ...] · weight[c, k, r, ...], and the output
    size is (in − 1)·stride − 2·padding + dilation·(filter − 1) + output_padding + 1.

    Args:
        input: (N, C, H, W), or (C, H, W) for one image. float32 (fast) or float64 (the reference path).
        weight: (C, K/groups, R, S): what a convolution from K to C channels has.
        bias: (K,) or None.
        stride: distance of the filters in the output: one number, or one per axis.
        padding: what is cut off the output on every side: one number, or one per axis.
        output_padding: elements more at the high end, less than the stride or the dilation of the axis.
        groups: channels are split in this many groups, each on its own.
        dilation: distance between filter taps.

    Returns:
        (N, K, OH, OW): a channels-last Tensor, or a C-ordered array when all inputs are arrays.

    Raises:
        ShapeError: shapes that do not fit; TypeError: dtypes; ValueError: other bad arguments.

    Source: Zeiler et al., Deconvolutional networks, 2010; Dumoulin & Visin, A guide to convolution arithmetic for deep
    learning, 2016.

    >>> import numpy as np
    >>> image, filter = np.float32([[[[1, 2], [3, 4]]]]), np.ones((1, 1, 2, 2), np.float32)
    >>> conv_transpose2d(image, filter)[0, 0]
    array([[ 1.,  3.,  2.],
           [ 4., 10.,  6.],
           [ 3.,  7.,  4.]], dtype=float32)
    """
    return spread("conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups, dilation)


@takes_out_in_order
def conv_transpose3d(input: Any, weight: Any, bias: Any = None, stride: Size = 1, padding: Size = 0,
                     output_padding: Size = 0, groups: int = 1, dilation: Size = 1) -> Any:
    """3-D transposed convolution; see `conv_transpose2d`. ``input`` (N, C, D, H, W), ``weight`` (C, K/groups, T, R, S).

    >>> import numpy as np
    >>> conv_transpose3d(np.ones((1, 2, 3, 3, 3)), np.ones((2, 4, 2, 2, 2)), stride=2).shape
    (1, 4, 6, 6, 6)
    """
    return spread("conv_transpose3d", 3, input, weight, bias, stride, padding, output_padding, groups, dilation)
