"""Pooling: maxima and averages over windows, for one to three spatial axes.

`x` is (N, C, spatial...) or, without a batch, (C, spatial...); sizes are whole numbers or one per spatial axis. All
raise ShapeError when the window does not fit and ValueError for a stride, padding or dilation out of range.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from pyconv._backend import core
from pyconv.errors import ShapeError
from pyconv.ops.out import takes_out_in_order
from pyconv.tensor import Array, Context, Op, Record, Shape, Tensor, apply, raw

Sizes = int | Sequence[int]


def _whole(value: Any, op: str, argument: str) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"[{op}] {argument} is {value!r}, expected a whole number") from None


def per_axis(value: Any, spatial: int, op: str, argument: str) -> tuple[int, ...]:
    """One entry per spatial axis; a single number, also as a sequence, stands for all."""
    if type(value) is int:
        return (value,) * spatial
    if isinstance(value, (tuple, list)):
        sizes = tuple([_whole(v, op, argument) for v in value])
        if len(sizes) not in (1, spatial):
            expected = "1" if spatial == 1 else f"1 or {spatial}"
            raise ShapeError(f"[{op}] {argument} has {len(sizes)} entries, expected {expected}")
        return sizes * spatial if len(sizes) == 1 else sizes
    return (_whole(value, op, argument),) * spatial


def _flag(value: Any, op: str, argument: str) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"[{op}] {argument} is {value!r}, expected True or False")
    return bool(value)


def _batch(shape: Shape, spatial: int, op: str) -> Shape:
    """The shape with its batch axis."""
    if len(shape) not in (spatial + 1, spatial + 2):
        text = "x".join(map(str, shape)) or "()"
        raise ShapeError(f"[{op}] x has shape {text} ({len(shape)} axes), expected {spatial + 2}, or {spatial + 1} "
                         "without a batch")
    return shape if len(shape) == spatial + 2 else (1, *shape)


@functools.lru_cache(maxsize=1024)
def _record(x: Shape, op: str, window: tuple[int, ...], stride: tuple[int, ...], padding: tuple[int, ...],
            dilation: tuple[int, ...], ceil_mode: bool) -> tuple[Any, Shape]:
    """The shape record and the output's shape, which has a batch axis if `x` has one."""
    record = core.pool_shape(op, _batch(x, len(window), op), window, stride, padding, dilation, ceil_mode)
    return record, record.output_shape[len(window) + 2 - len(x):]


@functools.lru_cache(maxsize=1024)
def _adaptive_record(x: Shape, op: str, output_size: tuple[int, ...]) -> tuple[Any, Shape]:
    record = core.adaptive_pool_shape(op, _batch(x, len(output_size), op), output_size)
    return record, record.output_shape[len(output_size) + 2 - len(x):]


class MaxPool(Op):
    """y = max over the window; the winners' numbers in their windows are kept for the gradient."""

    name = "max_pool"

    @staticmethod
    def infer(shapes: Sequence[Shape | None], *, return_indices: bool, **attrs: Any) -> Record:
        """Shape of the maxima, and of their positions."""
        return _max_record(*_record(_given(shapes), **attrs), return_indices)

    @staticmethod
    def forward(ctx: Context, x: Array, *, op: str, return_indices: bool, **attrs: Any) -> Any:
        """The maxima, and if asked for their int64 positions in the input plane."""
        y, taps = core.max_pool_forward(op, ctx.record.core, x, ctx.needs[0] or return_indices, ctx.channels_last)
        ctx.save(taps)
        if not return_indices:
            return y
        assert taps is not None
        return y, core.max_pool_indices(op, ctx.record.core, taps, x, ctx.channels_last)

    @staticmethod
    def backward(ctx: Context, gy: Array | None, *_: Any) -> tuple[Array | None]:
        """gx = sum of gy over the windows that x won."""
        if gy is None:
            return (None,)
        assert ctx.saved is not None
        return (core.max_pool_backward(ctx.attrs["op"], ctx.record.core, gy, ctx.saved[0], True),)


class AdaptiveMaxPool(MaxPool):
    """The same with windows placed so that the output has a given size."""

    name = "adaptive_max_pool"

    @staticmethod
    def infer(shapes: Sequence[Shape | None], *, return_indices: bool, **attrs: Any) -> Record:
        """Shape of the maxima, and of their positions."""
        return _max_record(*_adaptive_record(_given(shapes), **attrs), return_indices)


class AvgPool(Op):
    """y = sum over the window / divisor."""

    name = "avg_pool"

    @staticmethod
    def infer(shapes: Sequence[Shape | None], *, count_padding: bool, divisor: int, **attrs: Any) -> Record:
        """Shape of the averages."""
        record, shape = _record(_given(shapes), dilation=(1,) * len(attrs["window"]), **attrs)
        return Record((shape,), core=record)

    @staticmethod
    def forward(ctx: Context, x: Array, *, op: str, count_padding: bool, divisor: int, **attrs: Any) -> Array:
        """The averages."""
        return core.average_pool_forward(op, ctx.record.core, x, count_padding, divisor, ctx.channels_last)

    @staticmethod
    def backward(ctx: Context, gy: Array) -> tuple[Array]:
        """gx = sum of gy / divisor over the windows that span x."""
        a = ctx.attrs
        return (core.average_pool_backward(a["op"], ctx.record.core, gy, a["count_padding"], a["divisor"], True),)


class AdaptiveAvgPool(AvgPool):
    """The same with windows placed so that the output has a given size."""

    name = "adaptive_avg_pool"

    @staticmethod
    def infer(shapes: Sequence[Shape | None], *, count_padding: bool, divisor: int, **attrs: Any) -> Record:
        """Shape of the averages."""
        record, shape = _adaptive_record(_given(shapes), **attrs)
        return Record((shape,), core=record)


class MaxUnpool(Op):
    """y = 0 but for y[indices] = x."""

    name = "max_unpool"

    @staticmethod
    def infer(shapes: Sequence[Shape | None], *, op: str, output_size: tuple[int, ...]) -> Record:
        """Shape of the planes that the values go back to."""
        x = _given(shapes)
        _batch(x, len(output_size), op)
        return Record(((*x[:len(x) - len(output_size)], *output_size),))

    @staticmethod
    def forward(ctx: Context, x: Array, indices: Array, *, op: str, output_size: tuple[int, ...]) -> Array:
        """Scatter; indices are checked."""
        ctx.save(indices)
        return core.max_unpool_forward(op, x, indices, output_size, ctx.channels_last)

    @staticmethod
    def backward(ctx: Context, gy: Array) -> tuple[Array, None]:
        """Gather; indices are checked again."""
        assert ctx.saved is not None
        spatial = len(ctx.attrs["output_size"])
        return core.max_unpool_backward(ctx.attrs["op"], gy, ctx.saved[0], spatial, True), None


def _given(shapes: Sequence[Shape | None]) -> Shape:
    assert shapes[0] is not None  # the public functions below refuse None
    return shapes[0]


def _max_record(record: Any, shape: Shape, return_indices: bool) -> Record:
    return Record((shape, shape), (None, np.int64), core=record) if return_indices else Record((shape,), core=record)


def _array_like(x: Any, op: str, argument: str = "x") -> Any:
    if not isinstance(x, Tensor):
        raw(x, op, argument)
    return x


def max_pool(op: str, spatial: int, x: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: Any,
             return_indices: Any) -> Any:
    """`max_pool2d` in any number of spatial axes, for the function that ``op`` names."""
    window = per_axis(kernel_size, spatial, op, "kernel_size")
    return apply(MaxPool, _array_like(x, op), op=op, window=window, stride=_stride(stride, window, op),
                 padding=per_axis(padding, spatial, op, "padding"),
                 dilation=per_axis(dilation, spatial, op, "dilation"), ceil_mode=_flag(ceil_mode, op, "ceil_mode"),
                 return_indices=_flag(return_indices, op, "return_indices"))


def _stride(stride: Any, window: tuple[int, ...], op: str) -> tuple[int, ...]:
    if stride is None or (isinstance(stride, (tuple, list)) and not stride):
        return window
    return per_axis(stride, len(window), op, "stride")


@takes_out_in_order
def max_pool1d(input: Any, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0, dilation: Sizes = 1,
               ceil_mode: bool = False, return_indices: bool = False) -> Any:
    """Maxima over windows of (N, C, L); see `max_pool2d`."""
    return max_pool("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@takes_out_in_order
def max_pool2d(input: Any, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0, dilation: Sizes = 1,
               ceil_mode: bool = False, return_indices: bool = False) -> Any:
    """Maxima over windows of (N, C, H, W), ``stride`` (default: the window's size) apart.

    ``padding`` (at most half the window) surrounds the input with -infinity on both sides; ``dilation`` is the
    distance between the pixels of a window. The output has floor((H + 2 padding - dilation (kernel - 1) - 1) /
    stride) + 1 rows; ``ceil_mode`` rounds up, as long as windows start inside the input or its low padding. A NaN in
    a window is its maximum. With ``return_indices`` also the int64 positions h * W + w of the maxima.

    >>> import numpy as np
    >>> max_pool2d(np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4), 2).tolist()
    [[[[5.0, 7.0], [13.0, 15.0]]]]
    """
    return max_pool("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@takes_out_in_order
def max_pool3d(input: Any, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0, dilation: Sizes = 1,
               ceil_mode: bool = False, return_indices: bool = False) -> Any:
    """Maxima over windows of (N, C, D, H, W); see `max_pool2d`."""
    return max_pool("max_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def avg_pool(op: str, spatial: int, x: Any, kernel_size: Any, stride: Any, padding: Any, ceil_mode: Any,
             count_include_pad: Any, divisor_override: Any) -> Any:
    """`avg_pool2d` in any number of spatial axes, for the function that ``op`` names."""
    window = per_axis(kernel_size, spatial, op, "kernel_size")
    divisor = 0 if divisor_override is None else _whole(divisor_override, op, "divisor_override")
    if divisor_override is not None and (divisor == 0 or abs(divisor) >= 2**63):
        raise ValueError(f"[{op}] divisor_override is {divisor}, expected a 64-bit whole number other than 0")
    return apply(AvgPool, _array_like(x, op), op=op, window=window, stride=_stride(stride, window, op),
                 padding=per_axis(padding, spatial, op, "padding"), ceil_mode=_flag(ceil_mode, op, "ceil_mode"),
                 count_padding=_flag(count_include_pad, op, "count_include_pad"), divisor=divisor)


@takes_out_in_order
def avg_pool1d(input: Any, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0, ceil_mode: bool = False,
               count_include_pad: bool = True) -> Any:
    """Averages over windows of (N, C, L); see `avg_pool2d`."""
    return avg_pool("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


@takes_out_in_order
def avg_pool2d(input: Any, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0, ceil_mode: bool = False,
               count_include_pad: bool = True, divisor_override: int | None = None) -> Any:
    """Averages over windows of (N, C, H, W), ``stride`` (default: the window's size) apart.

    The sum of the window is divided by the number of its pixels inside the input and, unless
    ``count_include_pad=False``, its padding; what a window of ``ceil_mode`` has beyond the padding never counts.
    ``divisor_override`` replaces that number. Sizes are as in `max_pool2d`.

    >>> import numpy as np
    >>> avg_pool2d(np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4), 2).tolist()
    [[[[2.5, 4.5], [10.5, 12.5]]]]
    """
    return avg_pool("avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@takes_out_in_order
def avg_pool3d(input: Any, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0, ceil_mode: bool = False,
               count_include_pad: bool = True, divisor_override: int | None = None) -> Any:
    """Averages over windows of (N, C, D, H, W); see `avg_pool2d`."""
    return avg_pool("avg_pool3d", 3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def _output_size(value: Any, spatial: int, op: str) -> tuple[int, ...]:
    """One entry per axis; None, which keeps the input's size, becomes -1."""
    entries = value if isinstance(value, (tuple, list)) else (value,)
    if any(v is not None and _whole(v, op, "output_size") < 0 for v in entries):
        raise ValueError(f"[{op}] output_size is {value!r}, expected sizes of at least 1, or None to keep that of x")
    return per_axis([-1 if v is None else v for v in entries], spatial, op, "output_size")


def _adaptive_max_pool(spatial: int, x: Any, output_size: Any, return_indices: Any) -> Any:
    op = f"adaptive_max_pool{spatial}d"
    return apply(AdaptiveMaxPool, _array_like(x, op), op=op, output_size=_output_size(output_size, spatial, op),
                 return_indices=_flag(return_indices, op, "return_indices"))


@takes_out_in_order
def adaptive_max_pool1d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima over windows of (N, C, L) that give ``output_size`` outputs; see `adaptive_max_pool2d`."""
    return _adaptive_max_pool(1, input, output_size, return_indices)


@takes_out_in_order
def adaptive_max_pool2d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima over windows of (N, C, H, W) placed so that the output has ``output_size`` (None keeps the input's).

    Output i of n reads the input's rows floor(i H / n) to ceil((i + 1) H / n). With ``return_indices`` also the int64
    positions h * W + w of the maxima.

    >>> import numpy as np
    >>> adaptive_max_pool2d(np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4), (1, 2)).tolist()
    [[[[13.0, 15.0]]]]
    """
    return _adaptive_max_pool(2, input, output_size, return_indices)


@takes_out_in_order
def adaptive_max_pool3d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima over windows of (N, C, D, H, W) that give ``output_size``; see `adaptive_max_pool2d`."""
    return _adaptive_max_pool(3, input, output_size, return_indices)


def _adaptive_avg_pool(spatial: int, x: Any, output_size: Any) -> Any:
    op = f"adaptive_avg_pool{spatial}d"
    return apply(AdaptiveAvgPool, _array_like(x, op), op=op, output_size=_output_size(output_size, spatial, op),
                 count_padding=False, divisor=0)


@takes_out_in_order
def adaptive_avg_pool1d(input: Any, output_size: Any) -> Any:
    """Averages over windows of (N, C, L) that give ``output_size`` outputs; see `adaptive_avg_pool2d`."""
    return _adaptive_avg_pool(1, input, output_size)


@takes_out_in_order
def adaptive_avg_pool2d(input: Any, output_size: Any) -> Any:
    """Averages over windows of (N, C, H, W) placed as in `adaptive_max_pool2d`; size 1 is global average pooling.

    >>> import numpy as np
    >>> adaptive_avg_pool2d(np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4), 1).tolist()
    [[[[7.5]]]]
    """
    return _adaptive_avg_pool(2, input, output_size)


@takes_out_in_order
def adaptive_avg_pool3d(input: Any, output_size: Any) -> Any:
    """Averages over windows of (N, C, D, H, W) that give ``output_size``; see `adaptive_avg_pool2d`."""
    return _adaptive_avg_pool(3, input, output_size)


def _unpooled_size(value: Any, default: tuple[int, ...], strides: tuple[int, ...], op: str) -> tuple[int, ...]:
    """The sizes asked for, given for all axes or the spatial ones."""
    spatial = len(default)
    if not isinstance(value, (tuple, list)):
        raise TypeError(f"[{op}] output_size is {value!r}, expected a sequence of whole numbers")
    entries = tuple(_whole(v, op, "output_size") for v in value)
    if len(entries) not in (spatial, spatial + 2):
        raise ShapeError(f"[{op}] output_size has {len(entries)} entries, expected {spatial} or {spatial + 2}")
    sizes = entries[-spatial:]
    for axis, (got, size, s) in enumerate(zip(sizes, default, strides, strict=True)):
        if not size - s < got < size + s:
            raise ValueError(f"[{op}] output_size is {sizes}, expected {size - s + 1} to {size + s - 1} in axis {axis}")
    return sizes


def _max_unpool(spatial: int, x: Any, indices: Any, kernel_size: Any, stride: Any, padding: Any,
                output_size: Any) -> Any:
    op = f"max_unpool{spatial}d"
    window = per_axis(kernel_size, spatial, op, "kernel_size")
    strides, pads = _stride(stride, window, op), per_axis(padding, spatial, op, "padding")
    for argument, sizes, least in (("kernel_size", window, 1), ("stride", strides, 1), ("padding", pads, 0)):
        if min(sizes) < least:
            raise ValueError(f"[{op}] {argument} is {min(sizes)}, expected at least {least}")
    planes = _batch(_array_like(x, op).shape, spatial, op)[2:]
    _array_like(indices, op, "indices")
    # The inverse of max_pool's output size, which several input sizes share: within one stride of this one.
    sizes = tuple((n - 1) * s + k - 2 * p for n, s, k, p in zip(planes, strides, window, pads, strict=True))
    if output_size is not None:
        sizes = _unpooled_size(output_size, sizes, strides, op)
    if min(sizes) < 1 or max(sizes) >= 2**31:
        raise ValueError(f"[{op}] output_size would be {sizes}, expected 1 to {2**31 - 1}")
    return apply(MaxUnpool, x, indices, op=op, output_size=sizes)


def max_unpool1d(input: Any, indices: Any, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0,
                 output_size: Sequence[int] | None = None) -> Any:
    """Undo `max_pool1d`; see `max_unpool2d`."""
    return _max_unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(input: Any, indices: Any, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0,
                 output_size: Sequence[int] | None = None) -> Any:
    """Planes of zeros that hold ``x`` at the positions ``indices`` that `max_pool2d` returned (int64).

    ``output_size`` picks among the input sizes that pooling maps to the size of ``x``; default: the smallest. Of equal
    indices in a plane the last one's value stays. Raises IndexError for an index outside the plane.

    >>> import numpy as np
    >>> y, indices = max_pool2d(np.arange(4, dtype=np.float32).reshape(1, 1, 2, 2), 2, return_indices=True)
    >>> max_unpool2d(y, indices, 2).tolist()
    [[[[0.0, 0.0], [0.0, 3.0]]]]
    """
    return _max_unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(input: Any, indices: Any, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0,
                 output_size: Sequence[int] | None = None) -> Any:
    """Undo `max_pool3d`; see `max_unpool2d`."""
    return _max_unpool(3, input, indices, kernel_size, stride, padding, output_size)


METHODS: dict = {}
