"""The vector functions against float64: a dense sweep over the representable arguments, per instruction set."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pyconv._backend import core

TINY = np.float32(np.finfo(np.float32).tiny)  # below it numbers count as zero

#: Largest error in units in the last place, as the comments in csrc/kernels/math.inl.h state it.
LIMITS = {"exp": 1.01, "expm1": 1.6, "log": 0.83, "log1p": 1.3, "sigmoid": 2.5, "tanh": 1.3, "erf": 1.5,
          "sqrt": 0.5, "rsqrt": 1.5, "reciprocal": 0.5, "sin": 0.51, "cos": 0.51}
EXACT = {"sigmoid": lambda x: 1 / (1 + np.exp(-x)), "erf": np.vectorize(math.erf, otypes=[float]),
         "rsqrt": lambda x: 1 / np.sqrt(x), "reciprocal": lambda x: 1 / x}


def sweep(count: int) -> np.ndarray:
    """Floats spread evenly over the bit patterns of both signs, over [-100, 100] and over [-2, 2], and the edges."""
    positive = np.linspace(0, 0x7F7FFFFF, count).astype(np.uint32).view(np.float32)
    edges = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, TINY, -TINY, 1.0, -1.0, 88.72283, 88.7229, -87.33654,
                      -103.97, -104.1, 709.0, 17.0, -17.4, 0.625, 0.92, 4.0, np.finfo(np.float32).max, 1e-45, -1e-45,
                      5e-39], np.float32)
    x = np.concatenate([positive, -positive, np.linspace(-100, 100, count), np.linspace(-2, 2, count), edges])
    return x.astype(np.float32)


def flushed(x: np.ndarray) -> np.ndarray:
    """Denormals as the zeros that they count as."""
    return np.where(np.abs(x) < TINY, np.copysign(np.float32(0), x), x)


def errors(got: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """Distance in units in the last place; infinite where a special value is wrong."""
    with np.errstate(over="ignore", invalid="ignore"):
        nearest = exact.astype(np.float32)
        unit = np.spacing(np.maximum(np.abs(nearest), TINY)).astype(np.float64)
        error = np.abs(got.astype(np.float64) - exact) / unit
    special = ~np.isfinite(nearest)
    error[special] = np.where((got == nearest) | (np.isnan(got) & np.isnan(nearest)), 0, np.inf)[special]
    # At the edge of overflow an error of a unit makes an infinity of the largest float.
    edge = np.isinf(got) & ~special & (np.abs(nearest) >= np.finfo(np.float32).max * (1 - 2.0**-23))
    error[edge] = 1
    error[(np.abs(exact) < TINY) & (np.abs(got) <= TINY)] = 0
    return np.where(np.isnan(error), np.inf, error)


@pytest.mark.parametrize("name", sorted(LIMITS))
def test_error_over_a_dense_sweep(name: str, isa: str):
    x = sweep(20_000 if name == "erf" else 300_000)
    with np.errstate(all="ignore"):
        exact = EXACT.get(name, getattr(np, name, None))(flushed(x).astype(np.float64))
    error = errors(core.unary(name, x, False), exact)
    worst = int(error.argmax())
    assert error[worst] <= LIMITS[name], f"{error[worst]:.3f} ULP at {x[worst]!r}"


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_error_near_the_zeros_and_the_end_of_the_fast_reduction(name: str, isa: str):
    """Floats next to multiples of pi / 2, where all but the last digits of the argument cancel, up to 2e6."""
    turns = np.arange(0, 1_300_000, 7, dtype=np.float64) * (math.pi / 2)
    x = turns.astype(np.float32)
    x = np.concatenate([x, np.nextafter(x, np.float32(np.inf)), -x, np.linspace(999_990, 1_000_010, 400)])
    x = x.astype(np.float32)
    error = errors(core.unary(name, x, False), getattr(np, name)(x.astype(np.float64)))
    worst = int(error.argmax())
    assert error[worst] <= LIMITS[name], f"{error[worst]:.3f} ULP at {x[worst]!r}"


def _powers(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    bits = rng.integers(0, 2**32, (2, count), dtype=np.uint64).astype(np.uint32).view(np.float32)
    special = np.array([0, -0.0, 1, -1, 2, -2, 0.5, -0.5, 3, -3, np.inf, -np.inf, np.nan, 1e30, -1e30, 1e-30, 16777217,
                        33554433, 2.5, -2.5, 1e-45], np.float32)
    pairs = [bits, (np.exp(rng.uniform(-20, 20, count)), rng.uniform(-5, 5, count)),
             (1 + rng.uniform(-0.3, 0.5, count), rng.uniform(-300, 300, count)),
             (1 + rng.uniform(-1e-3, 1e-3, count), rng.uniform(-1e5, 1e5, count)),
             (rng.uniform(-10, 10, count), rng.integers(-40, 40, count)),
             [v.ravel() for v in np.meshgrid(special, special)]]
    base, exponent = (np.concatenate([np.asarray(p[i], np.float32) for p in pairs]) for i in (0, 1))
    return base, exponent


def test_error_of_pow(isa: str):
    base, exponent = _powers(300_000)
    with np.errstate(all="ignore"):
        exact = np.power(flushed(base).astype(np.float64), flushed(exponent).astype(np.float64))
    error = errors(core.binary("pow", base, exponent, False), exact)
    worst = int(error.argmax())
    assert error[worst] <= 3, f"{error[worst]:.3f} ULP at {base[worst]!r} ** {exponent[worst]!r}"


@pytest.mark.parametrize("name", sorted(LIMITS))
def test_a_result_does_not_depend_on_the_place_in_the_vector(name: str, isa: str):
    x = np.random.default_rng(0).uniform(-3, 3, 67).astype(np.float32)
    whole = core.unary(name, x, False)
    for i in range(len(x)):
        alone = core.unary(name, x[i:i + 1], False)
        assert alone.tobytes() == whole[i:i + 1].tobytes()


def test_float64_is_numpys_own(isa: str):
    x = np.linspace(-5, 5, 1001)
    with np.errstate(all="ignore"):
        for name in sorted(LIMITS):
            exact = EXACT.get(name, getattr(np, name, None))(x)
            np.testing.assert_allclose(core.unary(name, x, False), exact, rtol=4 * np.finfo(float).eps, atol=1e-300)
