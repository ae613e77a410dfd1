"""Random tensors, random values in place, dropout."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyconv._backend import core
from pyconv.device import chosen
from pyconv.errors import ShapeError
from pyconv.ops.arguments import dtype_of, only, size_of, whole, wholes
from pyconv.ops.creation import finish
from pyconv.ops.inplace import copy_
from pyconv.ops.inplace import inplace as run_in_place
from pyconv.ops.shape import array_of, ordered
from pyconv.random import Generator, pick
from pyconv.tensor import FLOATS, Op, Record, Tensor, apply

_FLOAT32, _INT64 = np.dtype("float32"), np.dtype("int64")


def _position(shape: tuple[int, ...], dtype: np.dtype, generator: Generator | None, op: str) -> tuple[int, int, int]:
    return pick(generator, op).take(size_of(shape, op), 1 if dtype == _FLOAT32 else 2)


def _drawn(op: str, draw: Any, parameters: tuple[Any, Any], shape: tuple[int, ...], dtype: Any,
           generator: Generator | None, device: Any, requires_grad: bool, default: np.dtype = _FLOAT32) -> Tensor:
    kind = default if dtype is None else dtype_of(dtype, op)
    if chosen(device).type == "meta":
        return finish(shape, kind, op, requires_grad)
    at = _position(shape, kind, generator, op)
    return finish(draw(shape, kind, *parameters, *at, True), kind, op, requires_grad)


def rand(*size: Any, generator: Generator | None = None, dtype: Any = None, device: Any = None,
         requires_grad: bool = False, out: None = None, layout: None = None) -> Tensor:
    """Uniform draws from [0, 1).

    >>> rand(2, 3).shape
    (2, 3)
    """
    only("rand", out=(out, None), layout=(layout, None))
    return _drawn("rand", core.random_uniform, (0.0, 1.0), wholes(size, "rand"), dtype, generator, device,
                  requires_grad)


def randn(*size: Any, generator: Generator | None = None, dtype: Any = None, device: Any = None,
          requires_grad: bool = False, out: None = None, layout: None = None) -> Tensor:
    """Standard normal draws (Box and Muller's transform).

    >>> randn(2, 3).shape
    (2, 3)
    """
    only("randn", out=(out, None), layout=(layout, None))
    return _drawn("randn", core.random_normal, (0.0, 1.0), wholes(size, "randn"), dtype, generator, device,
                  requires_grad)


def randint(low: int, high: Any = None, size: Any = None, *, generator: Generator | None = None, dtype: Any = None,
            device: Any = None, requires_grad: bool = False, out: None = None, layout: None = None) -> Tensor:
    """Whole numbers from [low, high), int64 by default; ``randint(high, size)`` starts at 0.

    >>> randint(0, 10, (2, 3)).shape
    (2, 3)
    """
    only("randint", out=(out, None), layout=(layout, None))
    if size is None:
        low, high, size = 0, low, high
    if not isinstance(size, (tuple, list)):
        raise TypeError(f"[randint] size is {size!r}, expected a tuple")
    bounds = whole(low, "randint", "low"), whole(high, "randint", "high")
    for name, value in zip(("low", "high"), bounds, strict=True):
        if not -(2**63) <= value < 2**63:
            raise ValueError(f"[randint] {name} is {value}, which does not fit int64")
    return _drawn("randint", core.random_integers, bounds, wholes([size], "randint", "size"), dtype, generator, device,
                  requires_grad, _INT64)


def randperm(n: int, *, generator: Generator | None = None, dtype: Any = None, device: Any = None,
             requires_grad: bool = False, out: None = None, layout: None = None) -> Tensor:
    """The numbers 0 ... n - 1 in random order, int64.

    >>> sorted(randperm(4).tolist())
    [0, 1, 2, 3]
    """
    only("randperm", out=(out, None), layout=(layout, None), requires_grad=(requires_grad, False))
    count = whole(n, "randperm", "n")
    kind = _INT64 if dtype is None else dtype_of(dtype, "randperm")
    if count < 0:
        raise ValueError(f"[randperm] n is {count}, expected at least 0")
    if kind != _INT64:
        raise TypeError(f"[randperm] dtype is {kind}, only int64 is supported")
    if chosen(device).type == "meta":
        return finish((count,), kind, "randperm", False)
    return Tensor(core.random_permutation(count, *_position((count,), kind, generator, "randperm")))


def _like(op: str, draw: Any, x: Any, dtype: Any, device: Any, requires_grad: bool) -> Any:
    array_of(x, op)
    kind = x.dtype if dtype is None else dtype_of(dtype, op)
    if isinstance(x, np.ndarray):
        return draw(x.shape, kind, 0.0, 1.0, *_position(x.shape, kind, None, op), False)
    return _drawn(op, draw, (0.0, 1.0), x.shape, kind, None, device or ("meta" if x.is_meta else "cpu"), requires_grad)


def rand_like(input: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """Uniform draws from [0, 1) with the shape and dtype of ``input``."""
    return _like("rand_like", core.random_uniform, input, dtype, device, requires_grad)


def randn_like(input: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """Standard normal draws with the shape and dtype of ``input``."""
    return _like("randn_like", core.random_normal, input, dtype, device, requires_grad)


def normal(mean: float, std: float, size: Any = None, *, generator: Generator | None = None, dtype: Any = None,
           device: Any = None, requires_grad: bool = False, out: None = None, layout: None = None) -> Tensor:
    """Normal draws with this mean and standard deviation, both numbers, in this shape."""
    only("normal", out=(out, None), layout=(layout, None))
    if size is None:
        raise TypeError("[normal] size is None, expected a shape; means and deviations per element are not supported")
    _check_normal("normal", mean, std)
    return _drawn("normal", core.random_normal, (mean, std), wholes([size], "normal", "size"), dtype, generator, device,
                  requires_grad)


# --- in place -----------------------------------------------------------------------------------------------


def _real(op: str, argument: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"[{op}] {argument} is {value!r}, expected a number") from None
    if not math.isfinite(number):
        raise ValueError(f"[{op}] {argument} is {number}, expected a finite number")
    return number


def _check_normal(op: str, mean: Any, std: Any) -> tuple[float, float]:
    parameters = _real(op, "mean", mean), _real(op, "std", std)
    if parameters[1] < 0:
        raise ValueError(f"[{op}] mean is {mean} and std {std}, expected finite numbers, std at least 0")
    return parameters


def uniform_(x: Tensor, a: float = 0.0, b: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill with uniform draws from [a, b), in place; a meta tensor is left as it is.

    Raises ValueError unless a <= b and both are finite.
    """
    low, high = _real("uniform_", "a", a), _real("uniform_", "b", b)
    if low > high:
        raise ValueError(f"[uniform_] the interval is from {a} to {b}, expected rising numbers")
    return _fill("uniform_", core.random_uniform, (low, high), x, generator)


def normal_(x: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill with normal draws, in place; a meta tensor is left as it is. Raises ValueError for std < 0."""
    return _fill("normal_", core.random_normal, _check_normal("normal_", mean, std), x, generator)


def _fill(op: str, draw: Any, parameters: tuple[float, float], x: Tensor, generator: Generator | None) -> Tensor:
    if x.dtype not in FLOATS:
        raise TypeError(f"[{op}] x has dtype {x.dtype}, expected float32 or float64")
    return x if x.is_meta else copy_(x, _drawn(op, draw, parameters, x.shape, x.dtype, generator, None, False))


def bernoulli(input: Any, *, generator: Generator | None = None, out: None = None) -> Any:
    """1 with the probability that each element says, else 0; no gradient. Raises ValueError outside [0, 1]."""
    only("bernoulli", out=(out, None))
    array = array_of(input, "bernoulli").array if isinstance(input, Tensor) else array_of(input, "bernoulli")
    if array.dtype not in FLOATS:
        raise TypeError(f"[bernoulli] input has dtype {array.dtype}, expected float32 or float64")
    channels_last = isinstance(input, Tensor)
    if array.size and not (float(core.reduce("amin", array, None, False, False)) >= 0
                           and float(core.reduce("amax", array, None, False, False)) <= 1):
        raise ValueError("[bernoulli] input holds a value outside [0, 1]")
    at = _position(array.shape, array.dtype, generator, "bernoulli")
    draws = core.random_uniform(array.shape, array.dtype, 0.0, 1.0, *at, channels_last)
    result = core.cast(core.binary("lt", draws, array, channels_last), array.dtype, channels_last)
    return Tensor(result) if channels_last else result


# --- dropout ------------------------------------------------------------------------------------------------


class Dropout(Op):
    """y = x * mask / (1 - p), mask 1 with probability 1 - p.

    The mask is drawn inside the kernel from the position in ``at`` and drawn again on the way back: gx = gy * mask /
    (1 - p) is the same call, and nothing is stored. (Hinton et al., "Improving neural networks by preventing
    co-adaptation of feature detectors", 2012; scaled while training, so that evaluation is the identity.)
    """

    name = "dropout"
    effects = ("random",)

    @staticmethod
    def infer(shapes, p, at):
        return Record((shapes[0],))

    @staticmethod
    def forward(ctx, x, p, at, out=None):
        # Draws follow the memory: one order for Tensors and arrays gives both the same mask.
        y = core.dropout(ordered(x, True), 1.0 - p, at[0], at[1], at[2], True)
        return ordered(y, ctx.channels_last) if out is None else _into(out, y)

    @staticmethod
    def backward(ctx, gy):
        return (Dropout.forward(ctx, gy, **ctx.attrs),)


class ChannelDropout(Op):
    """The same with one draw per channel: y[n, c] = x[n, c] * mask[n, c] / (1 - p). (Tompson et al., "Efficient object
    localization using convolutional networks", 2015.)"""

    name = "channel_dropout"
    effects = ("random",)

    @staticmethod
    def infer(shapes, p, at, channels):
        return Record((shapes[0],))

    @staticmethod
    def forward(ctx, x, p, at, channels, out=None):
        shape = (*x.shape[:channels], *[1] * (x.ndim - channels))
        mask = core.dropout(core.full(shape, x.dtype, 1, True), 1.0 - p, at[0], at[1], at[2], True)
        return core.binary("mul", x, mask, ctx.channels_last, out)

    @staticmethod
    def backward(ctx, gy):
        return (ChannelDropout.forward(ctx, gy, **ctx.attrs),)


def _into(out: np.ndarray, y: np.ndarray) -> np.ndarray:
    core.assign(out, y)
    return out


def _run(op: type[Op], x: Any, inplace: bool, **attrs: Any) -> Any:
    return run_in_place(op, op.name, x, **attrs) if inplace else apply(op, x, **attrs)


def _check_dropout(op: str, x: Any, p: Any, inplace: bool) -> float:
    if inplace and not isinstance(x, Tensor):
        raise TypeError(f"[{op}] x is {type(x).__name__}, expected a Tensor to change in place")
    if array_of(x, op).dtype not in FLOATS:
        raise TypeError(f"[{op}] x has dtype {x.dtype}, expected float32 or float64")
    probability = _real(op, "p", p)
    if not 0 <= probability <= 1:
        raise ValueError(f"[{op}] p is {p}, expected 0 to 1")
    return probability


def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Each element is zeroed with probability p and divided by 1 - p otherwise; the input itself unless ``training``.

    Raises ValueError for p outside [0, 1], TypeError for whole numbers.

    >>> import pyconv
    >>> dropout(pyconv.ones(2), p=1.0).tolist()
    [0.0, 0.0]
    """
    probability = _check_dropout("dropout", input, p, inplace)
    if not training or probability == 0:
        return input
    return _run(Dropout, input, inplace, p=probability, at=_position(input.shape, _FLOAT32, None, "dropout"))


def _channel_dropout(op: str, ranks: tuple[int, int], x: Any, p: Any, training: bool, inplace: bool) -> Any:
    probability = _check_dropout(op, x, p, inplace)
    shape = tuple(x.shape)
    if len(shape) not in ranks:
        raise ShapeError(f"[{op}] x has {len(shape)} axes, expected {ranks[0]} (unbatched) or {ranks[1]} (x: {shape})")
    if not training or probability == 0:
        return x
    channels = 1 if len(shape) == ranks[0] else 2
    return _run(ChannelDropout, x, inplace, p=probability, channels=channels,
                at=_position(shape[:channels], _FLOAT32, None, op))


def dropout1d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Whole channels of (N, C, L) or (C, L) are zeroed with probability p; see `dropout`."""
    return _channel_dropout("dropout1d", (2, 3), input, p, training, inplace)


def dropout2d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Whole channels of (N, C, H, W) or (C, H, W) are zeroed with probability p; see `dropout`."""
    return _channel_dropout("dropout2d", (3, 4), input, p, training, inplace)


def dropout3d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Whole channels of (N, C, D, H, W) or (C, D, H, W) are zeroed with probability p; see `dropout`."""
    return _channel_dropout("dropout3d", (4, 5), input, p, training, inplace)


METHODS: dict = {"uniform_": uniform_, "normal_": normal_, "bernoulli": bernoulli}
