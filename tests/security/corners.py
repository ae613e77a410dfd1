"""Values that break assumptions, drawn from a `random.Random`: numbers, arrays, Tensors, and no values at all."""

from __future__ import annotations

import math
from random import Random
from typing import Any

import numpy as np

import pyconv

INTEGERS = (0, 1, -1, 2, 3, 7, 2**31 - 1, 2**31, -(2**31), 2**62, 2**63 - 1, -(2**63), 2**64)
FLOATS = (0.0, -0.0, 0.5, -1.5, float("nan"), float("inf"), float("-inf"), 1e308, 1e-320)
OTHERS = (None, True, False, "", "same", "reflect", "mean", "\ud800", b"x", (), [], {}, slice(None), Ellipsis, object, 1j)
SIZES = (0, 1, 2, 3, 5, 8, 17)
DTYPES = ("float32", "float64", "int64", "int32", "uint8", "bool", "float16", "complex64", "uint64", "int8", ">f4", "O", "U3",
          "M8[s]", "f4,i4")


def number(rng: Random) -> Any:
    value = rng.choice(INTEGERS) if rng.random() < 0.7 else rng.choice(FLOATS)
    if rng.random() < 0.1 and -(2**63) <= value < 2**63:
        return np.asarray(value)[()]  # numpy's own scalars
    return value


def sequence(rng: Random) -> Any:
    items = [rng.choice((1, 2, number(rng))) for _ in range(rng.choice((0, 1, 2, 2, 3, 4, 6, 9)))]
    return rng.choice((tuple, list))(items)


def filled(rng: Random, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    kind = np.dtype(dtype).kind
    if kind == "f":
        values = np.random.default_rng(rng.getrandbits(32)).standard_normal(shape).astype(dtype)
        if rng.random() < 0.15 and values.size:
            values[...] = rng.choice((0.0, np.nan, np.inf, -np.inf, np.finfo(dtype).max, np.finfo(dtype).tiny / 4))
        return values
    if kind in "iu":
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        return np.full(shape, rng.choice([v for v in INTEGERS if low <= v <= high]), dtype)
    return np.zeros(shape, dtype)


def shape_near(rng: Random, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape with one size changed, one axis more or fewer; or any of rank 0 to 7."""
    draw = rng.random()
    if draw < 0.25:
        return tuple(rng.choice(SIZES[:5]) for _ in range(rng.randrange(8)))
    sizes = list(shape)
    if sizes and draw < 0.65:
        sizes[rng.randrange(len(sizes))] = rng.choice(SIZES)
    elif sizes and draw < 0.8:
        del sizes[rng.randrange(len(sizes))]
    else:
        sizes.insert(rng.randrange(len(sizes) + 1), rng.choice(SIZES[:4]))
    return tuple(sizes)


def laid_out(rng: Random, values: np.ndarray) -> np.ndarray:
    """The same shape in other memory: reversed, every second element, another axis order, read-only, one element."""
    draw = rng.randrange(6)
    if draw == 0:
        return np.broadcast_to(values.ravel()[:1].reshape(()), values.shape) if values.size else values
    if draw == 1:
        return np.ascontiguousarray(values[..., ::-1])[..., ::-1] if values.ndim else values
    if draw == 2:
        wide = np.repeat(values, 2, axis=-1) if values.ndim else values
        return wide[..., ::2] if values.ndim else values
    if draw == 3:
        return np.asfortranarray(values)
    if draw == 4:  # not on a multiple of its item's size
        raw = np.zeros(values.nbytes + 1, np.uint8)
        if values.dtype.hasobject:
            return values
        moved = raw[1:].view(values.dtype).reshape(values.shape)
        moved[...] = values
        return moved
    values = values.copy()
    values.flags.writeable = False
    return values


def array(rng: Random, like: np.ndarray) -> np.ndarray:
    """An array like this one in some respects."""
    draw = rng.random()
    if draw < 0.3:
        return filled(rng, shape_near(rng, like.shape), like.dtype.str)
    if draw < 0.5:
        return filled(rng, like.shape, rng.choice(DTYPES))
    if draw < 0.6:
        return filled(rng, like.shape, like.dtype.str)
    if draw < 0.68:  # far more elements than memory: shared, so that they exist at all
        return np.broadcast_to(like.ravel()[:1].reshape(()) if like.size else like.dtype.type(0),
                               rng.choice(((2**31,), (2**31, 2**20), (1, 2, 2**40), (2**20, 1, 2**10, 2**20), (2**61,))))
    return laid_out(rng, like)


def is_huge(value: Any) -> bool:
    return isinstance(value, (pyconv.Tensor, np.ndarray)) and math.prod(value.shape) >= 2**31


def operand(rng: Random, like: np.ndarray) -> Any:
    """What takes the place of a Tensor: another Tensor or array, seldom something else."""
    draw = rng.random()
    if draw < 0.12:
        return anything(rng)
    values = array(rng, like)
    if draw < 0.2:
        return values
    if draw < 0.24:
        return pyconv.empty(shape_near(rng, like.shape), device="meta")
    try:
        return pyconv.from_numpy(values)
    except (TypeError, ValueError):
        return values


def anything(rng: Random) -> Any:
    draw = rng.random()
    if draw < 0.45:
        return number(rng)
    if draw < 0.65:
        return sequence(rng)
    if draw < 0.9:
        return rng.choice(OTHERS)
    return filled(rng, tuple(rng.choice(SIZES[:4]) for _ in range(rng.randrange(8))), rng.choice(DTYPES))
