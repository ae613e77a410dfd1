"""Activation layers: smooth ones, those with learned numbers, softmax. Those made of pieces: `activation_pieces`."""

from __future__ import annotations

from typing import Any

from pyconv.errors import ShapeError
from pyconv.nn import functional, init
from pyconv.nn.activation_pieces import MaybeInPlace, real
from pyconv.nn.arguments import flag, parameter, whole
from pyconv.nn.module import Module


class Sigmoid(Module):
    """``1 / (1 + exp(-x))``, any shape."""

    def forward(self, input: Any) -> Any:
        """Any shape to the same shape."""
        return functional.sigmoid(input)


class Tanh(Module):
    """The hyperbolic tangent, any shape."""

    def forward(self, input: Any) -> Any:
        """Any shape to the same shape."""
        return functional.tanh(input)


class GELU(Module):
    """``x * Phi(x)``, Phi the normal distribution function, or with ``approximate="tanh"`` its approximation.

    Raises ValueError for another name. Source: Hendrycks and Gimpel, 2016.

    >>> from pyconv import nn
    >>> nn.GELU()
    GELU(approximate='none')
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        if approximate not in ("none", "tanh"):
            raise ValueError(f"[GELU] approximate is {approximate!r}, expected 'none' or 'tanh'")
        self.approximate = approximate

    def forward(self, input: Any) -> Any:
        """Any shape to the same shape."""
        return functional.gelu(input, self.approximate)

    def extra_repr(self) -> str:
        """The form."""
        return f"approximate={self.approximate!r}"


class SiLU(MaybeInPlace):
    """``x / (1 + exp(-x))``, `Swish` with beta 1; with ``inplace`` into the input's own memory. Elfwing et al. 2018."""

    def forward(self, input: Any) -> Any:
        """Any shape to the same shape."""
        return functional.silu(input, self.inplace)


class Swish(Module):
    """``x * sigmoid(beta * x)`` with a beta that is learned.

    Args:
        beta: at first. 0 gives x / 2, large ones approach relu.
        learnable: without, beta is a plain number and the layer has no state.
        device, dtype: of the parameter: "cpu" or "meta"; float32 (default) or float64.

    State: ``beta`` (1,). Its gradient is the sum of ``gy x^2 s (1 - s)`` with ``s = sigmoid(beta x)``. Source:
    Ramachandran, Zoph and Le, Searching for activation functions, 2017.

    >>> from pyconv import nn
    >>> nn.Swish().beta.tolist()
    [1.0]
    """

    def __init__(self, beta: float = 1.0, learnable: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.init = real("Swish", "beta", beta)
        self.learnable = flag("Swish", "learnable", learnable)
        self.beta = parameter("Swish", (1,), device, dtype) if learnable else self.init
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Beta as it was at first."""
        if self.learnable:
            init.constant_(self.beta, self.init)

    def forward(self, input: Any) -> Any:
        """Any shape to the same shape."""
        return functional.swish(input, self.beta)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"beta={self.init}, learnable={self.learnable}"


class PReLU(Module):
    """``x`` above 0, ``weight * x`` else, with a learned slope for all channels or one for each (axis 1).

    Args:
        num_parameters: 1, or the number of channels.
        init: the slopes at first.
        device, dtype: "cpu" or "meta"; float32 (default) or float64.

    State: ``weight`` (num_parameters,). Weight decay draws the slopes to 0, which makes it `ReLU`: leave them out of
    it. Raises ShapeError for an input of another number of channels. Source: He et al., Delving deep into rectifiers,
    2015.

    >>> from pyconv import nn
    >>> nn.PReLU(8)
    PReLU(num_parameters=8)
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.num_parameters = whole("PReLU", "num_parameters", num_parameters, 1)
        self.init = real("PReLU", "init", init)
        self.weight = parameter("PReLU", (self.num_parameters,), device, dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The slopes as they were at first."""
        init.constant_(self.weight, self.init)

    def forward(self, input: Any) -> Any:
        """(N, num_parameters, ...), or any shape with one parameter, to the same shape."""
        return functional.prelu(input, self.weight)

    def extra_repr(self) -> str:
        """How many slopes."""
        return f"num_parameters={self.num_parameters}"


class Softplus(Module):
    """``log(1 + exp(beta * x)) / beta``, and x itself where ``beta * x`` is above ``threshold``. Dugas et al. 2001."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = real("Softplus", "beta", beta)
        if beta == 0:
            raise ValueError("[Softplus] beta is 0, expected another number")
        self.threshold = real("Softplus", "threshold", threshold)

    def forward(self, input: Any) -> Any:
        """Any shape to the same shape."""
        return functional.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"beta={self.beta}, threshold={self.threshold}"


class Softsign(Module):
    """``x / (1 + |x|)``, any shape."""

    def forward(self, input: Any) -> Any:
        """Any shape to the same shape."""
        return functional.softsign(input)


class LogSigmoid(Module):
    """``log(1 / (1 + exp(-x)))``, any shape, computed without overflow."""

    def forward(self, input: Any) -> Any:
        """Any shape to the same shape."""
        return functional.logsigmoid(input)


class Mish(MaybeInPlace):
    """``x * tanh(log(1 + exp(x)))``; with ``inplace`` into the input's own memory. Misra 2019."""

    def forward(self, input: Any) -> Any:
        """Any shape to the same shape."""
        return functional.mish(input, self.inplace)


class Tanhshrink(Module):
    """``x - tanh(x)``, any shape."""

    def forward(self, input: Any) -> Any:
        """Any shape to the same shape."""
        return functional.tanhshrink(input)


class _AlongAxis(Module):
    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = None if dim is None else whole(self._get_name(), "dim", dim, -(2**63))

    def extra_repr(self) -> str:
        """The axis."""
        return f"dim={self.dim}"


class Softmax(_AlongAxis):
    """``exp(x_i) / sum_j exp(x_j)`` along the axis ``dim``, which has to be given (None raises when called).

    >>> from pyconv import nn
    >>> nn.Softmax(dim=1)
    Softmax(dim=1)
    """

    def forward(self, input: Any) -> Any:
        """Any shape to the same shape."""
        return functional.softmax(input, self.dim)


class LogSoftmax(_AlongAxis):
    """The logarithm of `Softmax`, computed without overflow."""

    def forward(self, input: Any) -> Any:
        """Any shape to the same shape."""
        return functional.log_softmax(input, self.dim)


class Softmin(_AlongAxis):
    """`Softmax` of ``-x``."""

    def forward(self, input: Any) -> Any:
        """Any shape to the same shape."""
        return functional.softmin(input, self.dim)


class Softmax2d(Module):
    """`Softmax` over the channels of each pixel of (N, C, H, W) or (C, H, W). Raises ShapeError for other ranks."""

    def forward(self, input: Any) -> Any:
        """(N, C, H, W) or (C, H, W) to the same shape."""
        rank = len(input.shape) if hasattr(input, "shape") else 4
        if rank not in (3, 4):
            raise ShapeError(f"[Softmax2d] input has {rank} axes, expected 3 or 4")
        return functional.softmax(input, -3)
