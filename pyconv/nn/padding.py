"""Padding layers: `functional.pad` with fixed borders."""

from __future__ import annotations

from typing import Any

from pyconv.nn import functional
from pyconv.nn.arguments import number, whole
from pyconv.nn.module import Module


class _Pad(Module):
    """``padding`` is one number for all borders, or (before, after) of the last axis, then of the one before it, ..."""

    _axes: int
    _mode = "constant"
    value: float = 0.0

    def __init__(self, padding: Any) -> None:
        super().__init__()
        layer, count = self._get_name(), 2 * self._axes
        sizes = padding if isinstance(padding, (tuple, list)) else (padding,) * count
        if len(sizes) != count:
            raise ValueError(f"[{layer}] padding has {len(sizes)} entries, expected one number or {count}")
        self.padding = tuple([whole(layer, "padding", n, -(2**62)) for n in sizes])

    def forward(self, input: Any) -> Any:
        """(N, C, ...) to (N, C, ...') with borders, or less where the padding is negative; N may be missing."""
        return functional.pad(input, self.padding, self._mode, self.value if self._mode == "constant" else None)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"{self.padding}"


class _ConstantPad(_Pad):
    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        number(self._get_name(), "value", value, float("-inf"), float("inf"))
        self.value = value

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """Borders of one value along the last axis; see `ConstantPad2d`."""

    _axes = 1


class ConstantPad2d(_ConstantPad):
    """Borders of one value around the last two axes.

    ``padding``: one number, or (left, right, top, bottom); negative numbers crop.

    >>> from pyconv import nn
    >>> nn.ConstantPad2d((1, 1, 2, 0), 3.5)
    ConstantPad2d(padding=(1, 1, 2, 0), value=3.5)
    """

    _axes = 2


class ConstantPad3d(_ConstantPad):
    """Borders of one value around the last three axes; see `ConstantPad2d`."""

    _axes = 3


class ZeroPad1d(_Pad):
    """Zeros along the last axis; see `ZeroPad2d`."""

    _axes = 1


class ZeroPad2d(_Pad):
    """Zeros around the last two axes: ``padding`` is one number, or (left, right, top, bottom); negative ones crop.

    >>> import pyconv
    >>> from pyconv import nn
    >>> nn.ZeroPad2d((1, 0, 0, 0))(pyconv.ones(1, 1, 1, 2)).tolist()
    [[[[0.0, 1.0, 1.0]]]]
    """

    _axes = 2


class ZeroPad3d(_Pad):
    """Zeros around the last three axes; see `ZeroPad2d`."""

    _axes = 3


class ReflectionPad1d(_Pad):
    """The last axis mirrored at its ends; see `ReflectionPad2d`."""

    _axes = 1
    _mode = "reflect"


class ReflectionPad2d(_Pad):
    """The last two axes mirrored at their ends, which are not repeated: at most size - 1 per border.

    ``padding`` is one number, or (left, right, top, bottom); negative ones crop.

    >>> import pyconv
    >>> from pyconv import nn
    >>> nn.ReflectionPad2d((2, 0, 0, 0))(pyconv.tensor([[[[1.0, 2.0, 3.0]]]])).tolist()
    [[[[3.0, 2.0, 1.0, 2.0, 3.0]]]]
    """

    _axes = 2
    _mode = "reflect"


class ReflectionPad3d(_Pad):
    """The last three axes mirrored at their ends; see `ReflectionPad2d`."""

    _axes = 3
    _mode = "reflect"


class ReplicationPad1d(_Pad):
    """The ends of the last axis repeated; see `ReplicationPad2d`."""

    _axes = 1
    _mode = "replicate"


class ReplicationPad2d(_Pad):
    """The ends of the last two axes repeated.

    ``padding`` is one number, or (left, right, top, bottom); negative ones crop.

    >>> import pyconv
    >>> from pyconv import nn
    >>> nn.ReplicationPad2d((2, 0, 0, 0))(pyconv.tensor([[[[1.0, 2.0, 3.0]]]])).tolist()
    [[[[1.0, 1.0, 1.0, 2.0, 3.0]]]]
    """

    _axes = 2
    _mode = "replicate"


class ReplicationPad3d(_Pad):
    """The ends of the last three axes repeated; see `ReplicationPad2d`."""

    _axes = 3
    _mode = "replicate"


class CircularPad1d(_Pad):
    """The last axis continued from its other end; see `CircularPad2d`."""

    _axes = 1
    _mode = "circular"


class CircularPad2d(_Pad):
    """The last two axes continued from their other ends: at most the size per border.

    ``padding`` is one number, or (left, right, top, bottom); negative ones crop.

    >>> import pyconv
    >>> from pyconv import nn
    >>> nn.CircularPad2d((2, 0, 0, 0))(pyconv.tensor([[[[1.0, 2.0, 3.0]]]])).tolist()
    [[[[2.0, 3.0, 1.0, 2.0, 3.0]]]]
    """

    _axes = 2
    _mode = "circular"


class CircularPad3d(_Pad):
    """The last three axes continued from their other ends; see `CircularPad2d`."""

    _axes = 3
    _mode = "circular"
