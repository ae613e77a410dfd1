"""What the tests of the sample tables share: loading the tables, running a sample, comparing results."""

from __future__ import annotations

import importlib
import pkgutil
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import samples
from samples import Hostile, Sample

import pyconv
from pyconv.tape import run_backward
from pyconv.tensor import Tensor, listeners

FLOATS = (np.float32, np.float64)


class _Listener:
    """With an observer at the gate nothing waits."""

    def on_forward(self, *args: Any) -> None: ...
    def on_backward(self, *args: Any) -> None: ...


@contextmanager
def nothing_waits() -> Iterator[None]:
    listener = _Listener()
    listeners.append(listener)
    try:
        yield
    finally:
        listeners.remove(listener)


def _tables(name: str) -> list[Any]:
    rows = []
    for info in pkgutil.iter_modules(samples.__path__):
        rows += getattr(importlib.import_module(f"samples.{info.name}"), name, [])
    return rows


def all_samples() -> list[Sample]:
    return _tables("SAMPLES")


def all_hostile() -> list[Hostile]:
    return _tables("HOSTILE")


def is_float(array: np.ndarray) -> bool:
    return array.dtype in FLOATS


def generator(sample: Sample) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(sample.id.encode()))


def inputs(sample: Sample, dtype: Any) -> list[np.ndarray]:
    """The sample's arrays. Values are rounded to float32 first, so that both precisions compute from the same."""
    arrays = [np.asarray(a) for a in sample.inputs(generator(sample))]
    return [a.astype(np.float32).astype(dtype) if is_float(a) else a for a in arrays]


def cotangents(sample: Sample, outputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """One fixed random array per output, in its dtype."""
    rng = np.random.default_rng(zlib.crc32(sample.id.encode()) + 1)
    return [np.asarray(rng.standard_normal(o.shape)).astype(np.float32).astype(o.dtype) for o in outputs]


def as_tuple(result: Any) -> tuple[Any, ...]:
    return tuple(result) if isinstance(result, (tuple, list)) else (result,)


def call(sample: Sample, *args: Any) -> tuple[Any, ...]:
    """The sample's function; random draws start at the same seed every time."""
    pyconv.manual_seed(0)
    return as_tuple(sample.function(*args, **sample.kwargs))


@dataclass
class Result:
    """Outputs and, per input, a gradient or None."""

    outputs: list[np.ndarray]
    gradients: list[np.ndarray | None]
    tensors: list[Tensor]

    def named(self) -> list[tuple[str, np.ndarray | None]]:
        return [*((f"output {i}", a) for i, a in enumerate(self.outputs)),
                *((f"gradient of input {i}", a) for i, a in enumerate(self.gradients))]


def leaves(sample: Sample, arrays: Sequence[np.ndarray]) -> list[Tensor]:
    return [Tensor(a, requires_grad=sample.gradients and is_float(a) and i not in sample.constant)
            for i, a in enumerate(arrays)]


def run(sample: Sample, arrays: Sequence[np.ndarray]) -> Result:
    """Forward, and backward with the sample's cotangents."""
    tensors = leaves(sample, arrays)
    outputs = call(sample, *tensors)
    values = [o.array for o in outputs]
    roots = [(o, g) for o, g in zip(outputs, cotangents(sample, values), strict=True) if o.requires_grad]
    if sample.gradients:
        assert roots, "no output requires a gradient"
        run_backward([o for o, _ in roots], [g for _, g in roots])
    return Result(values, [None if t.grad is None else t.grad.array for t in tensors], list(outputs))


def tolerance(sample: Sample, dtype: Any) -> float:
    """Allowed error relative to the largest magnitude of the result.

    A sum of `length` rounded terms has an error that grows like eps * sqrt(length) (the roundings are as good as
    random); the constants allow four standard deviations, and 8 eps for the function itself.
    """
    return float(np.finfo(dtype).eps) * (8 + 4 * np.sqrt(sample.length))


def assert_close(got: np.ndarray | None, expected: np.ndarray | None, relative: float, what: str,
                 unit: float = 0.0) -> None:
    """Equal shapes and values; floating ones up to ``relative`` times the largest magnitude of ``expected``.

    ``unit`` takes that place where the expected values are zero up to the rounding of float64 itself (a gradient
    that cancels). A missing gradient counts as zero.
    """
    if got is None or expected is None:
        for present in (got, expected):
            assert present is None or not np.any(present), f"{what}: present on one side only, and not zero"
        return
    assert got.shape == expected.shape, f"{what}: shape {got.shape}, expected {expected.shape}"
    if not is_float(expected):
        np.testing.assert_array_equal(got, expected, err_msg=what)
        return
    got64, expected64 = got.astype(np.float64), expected.astype(np.float64)
    finite = np.isfinite(expected64)
    np.testing.assert_array_equal(got64[~finite], expected64[~finite], err_msg=f"{what}: special values")
    if not finite.any():
        return
    scale = float(np.abs(expected64[finite]).max())
    if scale <= 1e-12 * unit:
        scale = unit
    error = np.abs(np.subtract(got64, expected64, out=np.zeros_like(got64), where=finite))
    worst = np.unravel_index(np.argmax(np.where(np.isnan(error), np.inf, error)), error.shape)
    assert error[worst] <= relative * scale, (
        f"{what}: {got64[worst]!r} at {tuple(map(int, worst))}, expected {expected64[worst]!r}; "
        f"error {error[worst] / max(scale, 1e-300):.2e} of the largest magnitude {scale:.3g}, allowed {relative:.2e}")


def assert_results_close(got: Result, expected: Result, relative: float, where: str) -> None:
    unit = 1.0 + max((float(np.abs(o[np.isfinite(o)]).max(initial=0)) for o in expected.outputs if is_float(o)),
                     default=0.0)
    for (name, a), (_, b) in zip(got.named(), expected.named(), strict=True):
        assert_close(a, b, relative, f"{where}, {name}", unit)
