"""Activation layers made of straight and exponential pieces."""

from __future__ import annotations

from typing import Any

from pyconv.nn import functional
from pyconv.nn.arguments import flag, number, only
from pyconv.nn.module import Module


def real(layer: str, name: str, value: Any) -> Any:
    """The value as it was given, if it is a real number. Raises TypeError, and ValueError for NaN."""
    number(layer, name, value, -float("inf"), float("inf"))
    return value


class MaybeInPlace(Module):
    """What layers share that can write into their input's memory."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = flag(self._get_name(), "inplace", inplace)

    def extra_repr(self) -> str:
        """``inplace``, if so."""
        return "inplace=True" if self.inplace else ""

    def _listed(self, *names: str) -> str:
        """name=value of these attributes, and ``inplace``, if so."""
        return ", ".join([*(f"{n}={getattr(self, n)}" for n in names), *(["inplace=True"] if self.inplace else [])])


class ReLU(MaybeInPlace):
    """``max(x, 0)``, any shape. With ``inplace`` the input's own memory takes the result.

    >>> from pyconv import nn
    >>> nn.ReLU(inplace=True)
    ReLU(inplace=True)
    """

    def forward(self, input: Any) -> Any:
        """Any shape to the same shape."""
        return functional.relu(input, self.inplace)


class Hardtanh(MaybeInPlace):
    """``min(max(x, min_val), max_val)``, any shape; with ``inplace`` into the input's own memory.

    Raises ValueError unless min_val is below max_val; ``min_value`` and ``max_value`` are not supported.

    >>> from pyconv import nn
    >>> nn.Hardtanh(-2.0, 2.0)
    Hardtanh(min_val=-2.0, max_val=2.0)
    """

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False,
                 min_value: float | None = None, max_value: float | None = None) -> None:
        super().__init__(inplace)
        layer = self._get_name()
        only(layer, "min_value", min_value, None)
        only(layer, "max_value", max_value, None)
        self.min_val, self.max_val = real(layer, "min_val", min_val), real(layer, "max_val", max_val)
        if not min_val < max_val:
            raise ValueError(f"[{layer}] min_val is {min_val}, expected less than max_val={max_val}")

    def forward(self, input: Any) -> Any:
        """Any shape to the same shape."""
        return functional.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return self._listed("min_val", "max_val")


class ReLU6(Hardtanh):
    """``min(max(x, 0), 6)``, any shape; with ``inplace`` into the input's own memory. Krizhevsky 2010."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)

    def forward(self, input: Any) -> Any:
        """Any shape to the same shape."""
        return functional.relu6(input, self.inplace)

    def extra_repr(self) -> str:
        """``inplace``, if so."""
        return self._listed()


class LeakyReLU(MaybeInPlace):
    """``x`` above 0, ``negative_slope * x`` else; with ``inplace`` into the input's own memory. Maas et al. 2013.

    >>> from pyconv import nn
    >>> nn.LeakyReLU(0.1)
    LeakyReLU(negative_slope=0.1)
    """

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.negative_slope = real("LeakyReLU", "negative_slope", negative_slope)

    def forward(self, input: Any) -> Any:
        """Any shape to the same shape."""
        return functional.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return self._listed("negative_slope")


class ELU(MaybeInPlace):
    """``x`` above 0, ``alpha * (exp(x) - 1)`` else; with ``inplace`` into the input's own memory.

    Source: Clevert, Unterthiner and Hochreiter, 2016.

    >>> from pyconv import nn
    >>> nn.ELU()
    ELU(alpha=1.0)
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = real(self._get_name(), "alpha", alpha)

    def forward(self, input: Any) -> Any:
        """Any shape to the same shape."""
        return functional.elu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return self._listed("alpha")


class CELU(ELU):
    """``x`` above 0, ``alpha * (exp(x / alpha) - 1)`` else: the slope has no jump for any alpha but 0. Barron 2017."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(alpha, inplace)
        if alpha == 0:
            raise ValueError("[CELU] alpha is 0, expected another number")

    def forward(self, input: Any) -> Any:
        """Any shape to the same shape."""
        return functional.celu(input, self.alpha, self.inplace)


class SELU(MaybeInPlace):
    """``scale * elu(x, alpha)`` with the two numbers that keep mean 0 and variance 1. Klambauer et al. 2017."""

    def forward(self, input: Any) -> Any:
        """Any shape to the same shape."""
        return functional.selu(input, self.inplace)


class Hardswish(MaybeInPlace):
    """``x * min(max(x + 3, 0), 6) / 6``; with ``inplace`` into the input's own memory. Howard et al. 2019."""

    def forward(self, input: Any) -> Any:
        """Any shape to the same shape."""
        return functional.hardswish(input, self.inplace)

    def extra_repr(self) -> str:
        """Nothing, as in PyTorch."""
        return ""


class Hardsigmoid(Hardswish):
    """``min(max(x + 3, 0), 6) / 6``; with ``inplace`` into the input's own memory."""

    def forward(self, input: Any) -> Any:
        """Any shape to the same shape."""
        return functional.hardsigmoid(input, self.inplace)


class Threshold(MaybeInPlace):
    """``x`` above ``threshold``, ``value`` else; with ``inplace`` into the input's own memory."""

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.threshold = real("Threshold", "threshold", threshold)
        self.value = real("Threshold", "value", value)

    def forward(self, input: Any) -> Any:
        """Any shape to the same shape."""
        return functional.threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return self._listed("threshold", "value")


class _Shrink(Module):
    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = real(self._get_name(), "lambd", lambd)

    def extra_repr(self) -> str:
        """The constructor's argument."""
        return str(self.lambd)


class Hardshrink(_Shrink):
    """0 from -lambd to lambd, x outside."""

    def forward(self, input: Any) -> Any:
        """Any shape to the same shape."""
        return functional.hardshrink(input, self.lambd)


class Softshrink(_Shrink):
    """0 from -lambd to lambd, outside x moved towards 0 by lambd. Raises ValueError for a lambd below 0."""

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__(lambd)
        if lambd < 0:
            raise ValueError(f"[Softshrink] lambd is {lambd}, expected at least 0")

    def forward(self, input: Any) -> Any:
        """Any shape to the same shape."""
        return functional.softshrink(input, self.lambd)
