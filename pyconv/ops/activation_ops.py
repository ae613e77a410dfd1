"""The operations behind `pyconv.ops.activation`: one kernel call forward and one backward each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from pyconv._backend import core
from pyconv.ops.unary import Unary
from pyconv.tensor import Array, Context, Op, Record


class Activation(Unary):
    """y = f(x), gx = gy f'(x). ``numbers`` names the attributes that the kernel takes, in its order."""

    kernel: ClassVar[str] = ""  # where it is not ``name``
    numbers: ClassVar[tuple[str, ...]] = ()
    saved: ClassVar[str | None] = "x"

    @classmethod
    def params(cls, attrs: dict[str, Any]) -> list[float]:
        """The kernel's numbers."""
        return [attrs[n] for n in cls.numbers]

    @classmethod
    def forward(cls, ctx: Context, x: Array, out: Array | None = None, **attrs: Any) -> Array:
        y = core.activation_forward(cls.kernel or cls.name, x, cls.params(attrs), ctx.channels_last, out)
        ctx.save(x if cls.saved == "x" else y)
        return y

    @classmethod
    def backward(cls, ctx: Context, gy: Array) -> tuple[Array]:
        saved, = ctx.saved or ()
        return (core.activation_backward(cls.kernel or cls.name, gy, saved, cls.params(ctx.attrs), True),)


class LeakyRelu(Activation):
    name, saved, numbers = "leaky_relu", "y", ("negative_slope",)


class LeakyReluOfInput(LeakyRelu):
    """With a slope below 0 the sign of y does not tell that of x."""

    saved = "x"


class Elu(Activation):
    """x > 0 ? scale x : scale alpha (e^(input_scale x) - 1)."""

    name, kernel, saved, numbers = "elu", "elu", "y", ("alpha", "scale", "input_scale")


class EluOfInput(Elu):
    kernel, saved = "elu_of_input", "x"


class Selu(Elu):
    name = "selu"


class Celu(Elu):
    name = "celu"


class CeluOfInput(EluOfInput):
    name = "celu"


class Gelu(Activation):
    name = "gelu"


class GeluTanh(Activation):
    name, kernel = "gelu", "gelu_tanh"


class Silu(Activation):
    name, kernel, numbers = "silu", "silu", ("beta",)


class Swish(Silu):
    name = "swish"


class Hardswish(Activation):
    name = "hardswish"


class Hardsigmoid(Activation):
    name = "hardsigmoid"


class Hardtanh(Activation):
    name, kernel, saved, numbers = "hardtanh", "hardtanh", "y", ("min_val", "max_val")


class Relu6(Hardtanh):
    name = "relu6"


class Softplus(Activation):
    name, numbers = "softplus", ("beta", "threshold")


class Softsign(Activation):
    name = "softsign"


class LogSigmoid(Activation):
    name = "logsigmoid"


class Mish(Activation):
    name = "mish"


class Threshold(Activation):
    name, numbers = "threshold", ("threshold", "value")


class Tanhshrink(Activation):
    name = "tanhshrink"


class Hardshrink(Activation):
    name, numbers = "hardshrink", ("lambd",)


class Softshrink(Activation):
    name, numbers = "softshrink", ("lambd",)


class Parametric(Op):
    """y = f(x, w) with one number w for all of x or one per channel; its gradient is summed in a fixed order."""

    @classmethod
    def infer(cls, shapes: Sequence[Any], **attrs: Any) -> Record:
        core.parametric_channels(cls.name, shapes[0], shapes[1])
        return Record((shapes[0],))

    @classmethod
    def forward(cls, ctx: Context, x: Array, weight: Array) -> Array:
        ctx.save(x, weight)
        return core.parametric_forward(cls.name, x, weight, ctx.channels_last)

    @classmethod
    def backward(cls, ctx: Context, gy: Array) -> tuple[Array | None, Array | None]:
        x, weight = ctx.saved or ()
        gx, gw = core.parametric_backward(cls.name, x, weight, gy, ctx.needs[0], True)
        return gx, gw if ctx.needs[1] else None


class Prelu(Parametric):
    name = "prelu"


class LearnedSwish(Parametric):
    name = "swish"
