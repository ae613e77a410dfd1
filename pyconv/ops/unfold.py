"""The windows of a convolution as columns of a matrix, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyconv._backend import core
from pyconv.errors import ShapeError
from pyconv.ops.arguments import whole
from pyconv.tensor import Array, Context, Op, Record, Shape, Tensor, apply, raw

Sizes = int | Sequence[int]


class Unfold(Op):
    """columns[n, (c, r, s), (oh, ow)] = x[n, c, oh · stride − pad + r · dilation, ...]."""

    name = "unfold"

    @staticmethod
    def infer(shapes: Sequence[Shape | None], **windows: Any) -> Record:
        """Validate, and give the columns' shape."""
        x = shapes[0] or ()
        record = core.unfold_shape("unfold", (1, *x) if len(x) == 3 else x, **windows)
        return Record((record.output_shape[4 - len(x):],), core=record)

    @staticmethod
    def forward(ctx: Context, x: Array, **_: Any) -> Array:
        """Copy."""
        y = core.unfold("unfold", ctx.record.core, x[None] if x.ndim == 3 else x)
        ctx.extra = x.ndim
        return y[0] if x.ndim == 3 else y

    @staticmethod
    def backward(ctx: Context, gy: Array) -> tuple[Array]:
        """Fold."""
        single = ctx.extra == 3
        gx = core.fold("unfold", ctx.record.core, gy[None] if single else gy, not single)
        return (gx[0] if single else gx,)


class Fold(Op):
    """The sum of the columns at the places where `Unfold` takes them from."""

    name = "fold"

    @staticmethod
    def infer(shapes: Sequence[Shape | None], *, output_size: tuple[int, int], **windows: Any) -> Record:
        """Validate, and give the map's shape."""
        columns = shapes[0] or ()
        batch = (1, *columns) if len(columns) == 2 else columns
        taps = windows["kernel"][0] * windows["kernel"][1]
        if len(batch) != 3:
            raise ShapeError(f"[fold] input has shape {columns}, expected (N, C * taps, positions), or without N")
        if taps < 1 or batch[1] % taps or batch[1] == 0:
            raise ShapeError(f"[fold] input has {batch[1]} rows, expected a multiple of the {taps} taps of kernel_size="
                             f"{windows['kernel']} (input: {columns})")
        record = core.unfold_shape("fold", (batch[0], batch[1] // taps, *output_size), **windows)
        if record.output_shape[2] != batch[2]:
            raise ShapeError(f"[fold] input has {batch[2]} columns, expected {record.output_shape[2]}: as many as there "
                             f"are windows in output_size={output_size}")
        return Record((record.input_shape[3 - len(columns):],), core=record)

    @staticmethod
    def forward(ctx: Context, columns: Array, **_: Any) -> Array:
        """Add up, tap after tap."""
        single = columns.ndim == 2
        ctx.extra = single
        y = core.fold("fold", ctx.record.core, columns[None] if single else columns, ctx.channels_last and not single)
        return y[0] if single else y

    @staticmethod
    def backward(ctx: Context, gy: Array) -> tuple[Array]:
        """Unfold."""
        gx = core.unfold("fold", ctx.record.core, gy[None] if ctx.extra else gy)
        return (gx[0] if ctx.extra else gx,)


def _pair(value: Any, op: str, argument: str) -> tuple[int, int]:
    values = value if isinstance(value, (tuple, list)) else (value, value)
    if len(values) == 1:
        values = (values[0], values[0])
    if len(values) != 2:
        raise ShapeError(f"[{op}] {argument} has {len(values)} entries, expected one number or 2")
    return whole(values[0], op, argument), whole(values[1], op, argument)


def _windows(op: str, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> dict[str, tuple[int, int]]:
    return {"kernel": _pair(kernel_size, op, "kernel_size"), "stride": _pair(stride, op, "stride"),
            "padding": _pair(padding, op, "padding"), "dilation": _pair(dilation, op, "dilation")}


def unfold(input: Any, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1) -> Any:
    """The windows of a convolution as the columns of a matrix ("im2col").

    Args:
        input: (N, C, H, W) or (C, H, W), float32 or float64.
        kernel_size, dilation, padding, stride: those of the convolution: one number, or one per axis.

    Returns:
        (N, C · taps, positions): row (c · R + r) · S + s holds what tap (r, s) of channel c sees, one column per
        position of the window, row by row of the output.

    Raises:
        ShapeError: a window that does not fit; ValueError, TypeError: other bad arguments.

    >>> import numpy as np
    >>> unfold(np.arange(9.0).reshape(1, 1, 3, 3), 2)[0]
    array([[0., 1., 3., 4.],
           [1., 2., 4., 5.],
           [3., 4., 6., 7.],
           [4., 5., 7., 8.]])
    """
    if not isinstance(input, Tensor):
        raw(input, "unfold", "input")
    if len(input.shape) not in (3, 4):
        raise ShapeError(f"[unfold] input has shape {tuple(input.shape)}, expected (N, C, H, W) or (C, H, W)")
    return apply(Unfold, input, **_windows("unfold", kernel_size, dilation, padding, stride))


def fold(input: Any, output_size: Sizes, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0,
         stride: Sizes = 1) -> Any:
    """Columns added up at the places where `unfold` takes them from: its adjoint ("col2im").

    Args:
        input: (N, C · taps, positions) or (C · taps, positions), float32 or float64.
        output_size: (H, W), or one number for both.
        kernel_size, dilation, padding, stride: as in `unfold`.

    Returns:
        (N, C, H, W) or (C, H, W).

    Raises:
        ShapeError: sizes that do not belong together; ValueError, TypeError: other bad arguments.

    >>> import numpy as np
    >>> fold(np.ones((1, 4, 4)), 3, 2)[0, 0]
    array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]])
    """
    if not isinstance(input, Tensor):
        raw(input, "fold", "input")
    return apply(Fold, input, output_size=_pair(output_size, "fold", "output_size"),
                 **_windows("fold", kernel_size, dilation, padding, stride))
