"""Values from nothing: constants, ranges, random numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyconv.interop.onnx.proto import dtype_of
from pyconv.interop.onnx.registry import Call, numpy, operator

_FORMS = ("value", "value_float", "value_floats", "value_int", "value_ints")


@operator("Constant", wide=False)
def constant(at: Call) -> Any:
    """The one attribute that is given."""
    given = [name for name in _FORMS if at[name] is not None]
    if len(given) != 1:
        at.error(f"{len(given)} of the attributes {', '.join(_FORMS)} are given, expected one")
    value = at[given[0]]
    if given[0] == "value":
        return value
    return np.asarray(value, np.float32 if "float" in given[0] else np.int64)


@operator("ConstantOfShape", wide=False)
def constant_of_shape(at: Call, shape: Any) -> Any:
    """One value everywhere."""
    value = np.zeros(1, np.float32) if at["value"] is None else at["value"]
    if value.size != 1:
        at.error(f"value has {value.size} elements, expected one")
    return np.full(at.bound(at.ints(shape, "input"), value.dtype), value.reshape(()), value.dtype)


@operator("Range", wide=False, settings=(0, 1, 2))
def arange(at: Call, start: Any, limit: Any, delta: Any) -> Any:
    """start, start + delta, ... before limit."""
    a, b, d = (at.scalar(v, n) for v, n in ((start, "start"), (limit, "limit"), (delta, "delta")))
    if d == 0 or not all(math.isfinite(v) for v in (a, b, d)):
        at.error(f"start, limit and delta are {a}, {b} and {d}, expected finite numbers and a delta other than 0")
    count = max(0, math.ceil((b - a) / d) if isinstance(d, float) else -((a - b) // d))
    at.bound((count,), start.dtype)
    steps = np.arange(count, dtype=np.float64 if start.dtype.kind == "f" else np.int64)
    return (steps * d + a).astype(start.dtype)


@operator("EyeLike", wide=False)
def eye_like(at: Call, x: Any) -> Any:
    """1 on a diagonal of a matrix of x's shape."""
    if x.ndim != 2:
        at.error(f"input has {x.ndim} axes, expected 2")
    dtype = x.dtype if at["dtype"] is None else dtype_of(at["dtype"], "attribute dtype")
    k = at["k"]
    at.bound(x.shape, dtype)
    return np.eye(x.shape[0], x.shape[1], k=int(np.clip(k, -x.shape[0], x.shape[1])), dtype=dtype)


def _draws(at: Call) -> np.random.Generator:
    """Numbers by the seed of the node, or by that of `pyconv.manual_seed`."""
    seed = at["seed"]
    if seed is not None:
        if not math.isfinite(seed):
            at.error(f"seed is {seed}, expected a finite number")
        return np.random.default_rng(abs(hash(seed)))
    from pyconv.ops.random import randint

    return np.random.default_rng(int(randint(0, 2**31 - 1, (1,)).array[0]))


@operator("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", wide=False)
def random(at: Call, x: Any = None) -> Any:
    """Random numbers, normal or uniform."""
    shape = at["shape"] if x is None else x.shape
    number = at["dtype"]
    dtype = x.dtype if number is None and x is not None else dtype_of(number or 1, "attribute dtype")
    if dtype.kind != "f":
        at.error(f"dtype is {dtype}, expected a floating type")
    size = at.bound(shape, np.float64)
    if "Normal" in at.node.op:
        return (_draws(at).standard_normal(size) * at["scale"] + at["mean"]).astype(dtype)
    return (_draws(at).random(size) * (at["high"] - at["low"]) + at["low"]).astype(dtype)


@operator("Bernoulli", wide=False)
def bernoulli(at: Call, x: Any) -> Any:
    """1 with the probability that x says, else 0."""
    dtype = x.dtype if at["dtype"] is None else dtype_of(at["dtype"], "attribute dtype")
    return (_draws(at).random(x.shape) < numpy(x)).astype(dtype)
