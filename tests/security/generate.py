"""Calls with corner values, made again and again from a target's name and a seed.

``op:NAME`` is a row of the sample tables with one to three of its arguments replaced; ``tensor:NAME``, ``call:NAME`` and
``module:NAME`` are methods, functions and layers whose arguments are chosen by their names.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import corners
import numpy as np
import support

import pyconv
from pyconv import data, nn, vision
from pyconv.nn import functional
from pyconv.tensor import Tensor

#: They look at every element without needing memory for it, or make one result per element: of 2**60 they never finish.
LINEAR = {"argmax", "argmin", "max", "min", "any", "all", "amax", "amin", "sum", "mean", "var", "std", "split", "unbind", "chunk",
          "tolist", "isfinite"}
#: They change the interpreter's state for the calls after them, print, or are no function of their arguments.
LEFT_OUT = {"set_grad_enabled", "no_grad", "enable_grad", "detect_anomaly", "Generator"}


@dataclass
class Call:
    function: Callable[..., Any]
    args: list[Any]
    kwargs: dict[str, Any]

    def __str__(self) -> str:
        def text(value: Any) -> str:
            if isinstance(value, Tensor):
                return f"Tensor({value.dtype}, {tuple(value.shape)}, {value.device})"
            if isinstance(value, np.ndarray):
                return f"ndarray({value.dtype}, {value.shape}, strides {value.strides})"
            return ascii(value)

        parts = [text(a) for a in self.args] + [f"{k}={text(v)}" for k, v in self.kwargs.items()]
        return f"{getattr(self.function, '__qualname__', self.function)}({', '.join(parts)})"


def _samples() -> dict[str, list[support.Sample]]:
    found: dict[str, list[support.Sample]] = {}
    for sample in support.all_samples():
        found.setdefault(sample.op, []).append(sample)
    return found


def _functions() -> dict[str, Callable[..., Any]]:
    rooms = {"pyconv": pyconv, "functional": functional, "vision": vision, "init": nn.init, "utils": nn.utils,
             "data": data}
    found = {}
    for room, module in rooms.items():
        for name in getattr(module, "__all__", dir(module)):
            value = getattr(module, name)
            if inspect.isfunction(value) and not name.startswith("_") and name not in LEFT_OUT:
                found[f"{room}.{name}"] = value
    return found


SAMPLES = _samples()
FUNCTIONS = _functions()
METHODS = {name: value for name, value in vars(Tensor).items() if not name.startswith("_") and inspect.isfunction(value)}
MODULES = {name: value for name, value in vars(nn).items()
           if inspect.isclass(value) and issubclass(value, nn.Module) and value is not nn.Module}
TARGETS = [*(f"op:{n}" for n in SAMPLES), *(f"tensor:{n}" for n in METHODS), *(f"call:{n}" for n in FUNCTIONS),
           *(f"module:{n}" for n in MODULES)]


def make(target: str, seed: int) -> Call:
    """The same call each time, its arrays new."""
    attempt = 0
    while True:
        call = _draw(Random(f"{target} {seed} {attempt}"), target)
        if target.split(":")[1].split(".")[-1] not in LINEAR or not any(corners.is_huge(a) for a in call.args):
            return call
        attempt += 1


def _draw(rng: Random, target: str) -> Call:
    kind, name = target.split(":")
    if kind == "op":
        return _mutated(rng, SAMPLES[name])
    if kind == "tensor":
        receiver = _tensor(rng)
        args, kwargs = _arguments(rng, METHODS[name], skip=1)
        return Call(METHODS[name], [receiver, *args], kwargs)
    if kind == "call":
        return Call(FUNCTIONS[name], *_arguments(rng, FUNCTIONS[name]))
    return _layer(rng, name)


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return []


def _mutated(rng: Random, rows: list[support.Sample]) -> Call:
    sample = rng.choice(rows)
    arrays = support.inputs(sample, rng.choice((np.float32, np.float32, np.float64)))
    tracked = rng.random() < 0.5 and sample.gradients
    args: list[Any] = [Tensor(a, requires_grad=bool(tracked and support.is_float(a) and i not in sample.constant))
                       for i, a in enumerate(arrays)]
    kwargs = dict(sample.kwargs)
    from_table = not getattr(sample.function, "__module__", "").startswith("pyconv")
    names = [p.name for p in _parameters(sample.function)[len(args):] if p.kind is not p.VAR_KEYWORD and p.kind is not p.VAR_POSITIONAL]
    options = list(dict.fromkeys([*kwargs, *names]))
    for _ in range(rng.choice((1, 1, 2, 3))):
        if args and (not options or rng.random() < 0.5):
            i = rng.randrange(len(args))
            other = corners.operand(rng, arrays[i])
            if isinstance(other, Tensor) or not from_table:  # a table's own lambda may call a method
                args[i] = other
        elif options:
            name = rng.choice(options)
            kwargs[name] = _replaced(rng, kwargs.get(name))
    return Call(sample.function, args, kwargs)


def _replaced(rng: Random, value: Any) -> Any:
    """One item of a sequence, or all of it."""
    if isinstance(value, (tuple, list)) and value and rng.random() < 0.6:
        items = list(value)
        items[rng.randrange(len(items))] = corners.anything(rng) if rng.random() < 0.3 else corners.number(rng)
        return type(value)(items)
    return corners.number(rng) if rng.random() < 0.6 else corners.anything(rng)


def _tensor(rng: Random, rank: int | None = None) -> Any:
    shape = tuple(rng.choice((2, 3, 4)) for _ in range(rng.randrange(5) if rank is None else rank))
    dtype = rng.choice(("float32", "float32", "float64", "int64", "bool"))
    tensor = pyconv.from_numpy(corners.filled(rng, shape, dtype))
    return tensor.requires_grad_() if dtype.startswith("f") and rng.random() < 0.3 else tensor


def _arguments(rng: Random, function: Callable[..., Any], skip: int = 0) -> tuple[list[Any], dict[str, Any]]:
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for parameter in _parameters(function)[skip:]:
        if parameter.kind is parameter.VAR_POSITIONAL:
            args += [_argument(rng, parameter) for _ in range(rng.randrange(4))]
        elif parameter.kind is parameter.VAR_KEYWORD:
            continue
        elif parameter.default is parameter.empty and parameter.kind is not parameter.KEYWORD_ONLY:
            args.append(_argument(rng, parameter))
        elif parameter.default is parameter.empty or rng.random() < 0.3:
            kwargs[parameter.name] = _argument(rng, parameter)
    return args, kwargs


#: What a parameter of this name may plainly be.
PLAIN: dict[str, Callable[[Random], Any]] = {
    **dict.fromkeys(("kernel_size", "stride", "dilation", "groups", "upscale_factor", "downscale_factor", "scale_factor",
                     "num_groups", "output_size", "size", "num_layers"), lambda rng: rng.choice((1, 2, (2, 2)))),
    **dict.fromkeys(("num_features", "in_channels", "out_channels", "num_channels", "in_features", "out_features",
                     "normalized_shape", "num_parameters"), lambda rng: 4),
    **dict.fromkeys(("padding", "output_padding", "dim", "start_dim", "end_dim", "dim0", "dim1"), lambda rng: rng.choice((0, 1, -1))),
    **dict.fromkeys(("path", "file", "f", "name"), lambda rng: rng.choice(("/nonexistent/x", "/", "/dev/null", "\0"))),
    **dict.fromkeys(("tensors", "inputs"), lambda rng: [_tensor(rng) for _ in range(rng.randrange(4))]),
    "shape": lambda rng: rng.choice(((2, 3), (6,), (-1,), (0,))),
}


def _argument(rng: Random, parameter: inspect.Parameter) -> Any:
    draw = rng.random()
    if draw < 0.35:
        return corners.anything(rng)
    if draw < 0.8 and parameter.name in PLAIN:
        return PLAIN[parameter.name](rng)
    if draw < 0.8 and isinstance(parameter.default, (bool, str)):
        return parameter.default
    if draw < 0.6:
        return rng.choice((0, 1, 2, 3, 0.5))
    return corners.operand(rng, np.ones((2, 3, 4), np.float32)) if rng.random() < 0.3 else _tensor(rng)


def _layer(rng: Random, name: str) -> Call:
    """A layer made with such arguments and applied to a Tensor of its rank, or nearly."""
    cls = MODULES[name]
    args, kwargs = _arguments(rng, cls)
    axes = int(name[-2]) if name[-2:] in ("1d", "2d", "3d") else rng.randrange(3)
    shape = (2, 4, *(6,) * axes)
    inputs = [Tensor(corners.filled(rng, shape, "float32")) for p in _parameters(cls.forward)[1:]
              if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    if inputs and rng.random() < 0.3:
        inputs[0] = corners.operand(rng, np.ones(shape, np.float32))

    def build_and_apply(*_: Any, **__: Any) -> Any:
        return cls(*args, **kwargs)(*inputs)

    build_and_apply.__qualname__ = f"nn.{name}, applied to {Call(tuple, inputs, {})}, made by "
    return Call(build_and_apply, args, kwargs)


def elements(value: Any) -> int:
    """The number of elements of all arrays in a result."""
    if isinstance(value, (tuple, list)):
        return sum(elements(v) for v in value)
    return math.prod(value.shape) if isinstance(value, (Tensor, np.ndarray)) else 0
