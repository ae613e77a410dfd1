"""Where the time of a training step goes: seconds per function of the core, and per operator of PyTorch.

The core's functions are wrapped with a clock for the time of the profile; what is left of the step is Python.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pyconv._backend import core

Table = dict[str, list[float]]


def _label(name: str, args: tuple[Any, ...]) -> str:
    """Convolutions by filter and stride, other functions by name and, where that is a word, their first argument."""
    record = next((a for a in args if isinstance(a, core.ConvShape)), None)
    if record is not None:
        filter_, stride = record.weight_shape[2:], record.stride[0]
        kind = "x".join(map(str, filter_)) + (f" stride {stride}" if stride > 1 else "")
        return f"{name} {kind}" + (f" {record.groups} groups" if record.groups > 1 else "")
    return f"{name} {args[0]}" if args and isinstance(args[0], str) and args[0] != name else name


@contextmanager
def clocked(table: Table) -> Iterator[None]:
    """Every function of the core adds its calls and seconds to the table."""

    def wrap(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            result = function(*args, **kwargs)
            entry = table.setdefault(_label(name, args), [0, 0.0])
            entry[0] += 1
            entry[1] += time.perf_counter() - start
            return result

        return call

    functions = {name: f for name, f in vars(core).items() if callable(f) and not isinstance(f, type)}
    try:
        for name, f in functions.items():
            setattr(core, name, wrap(name, f))
        yield
    finally:
        for name, f in functions.items():
            setattr(core, name, f)


def ours(step: Callable[[], Any], steps: int) -> tuple[float, Table]:
    """Seconds of a step, and calls and seconds per function of the core."""
    table: Table = {}
    step()
    step()
    with clocked(table):
        start = time.perf_counter()
        for _ in range(steps):
            step()
        total = (time.perf_counter() - start) / steps
    return total, {k: [v[0] / steps, v[1] / steps] for k, v in table.items()}


def theirs(step: Callable[[], Any], steps: int) -> tuple[float, Table]:
    """The same of PyTorch: its own profiler's time in each operator, without the operators that it calls."""
    import torch

    step()
    step()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        start = time.perf_counter()
        for _ in range(steps):
            step()
        total = (time.perf_counter() - start) / steps
    return total, {e.key: [e.count / steps, e.self_cpu_time_total * 1e-6 / steps] for e in profile.key_averages()}


def _print(side: str, total: float, table: Table, rows: int) -> None:
    print(f"  {side}: {total * 1e3:.1f} ms a step")
    ranked = sorted(table.items(), key=lambda item: -item[1][1])
    for name, (calls, seconds) in ranked[:rows]:
        print(f"    {seconds * 1e3:9.2f} ms {seconds / total:6.1%}  {calls:6.0f} calls  {name}")
    rest = total - sum(seconds for _, (_, seconds) in ranked[:rows])
    print(f"    {rest * 1e3:9.2f} ms {rest / total:6.1%}  the rest")


def show(name: str, step: Callable[[], Any], other: Callable[[], Any] | None, rows: int = 16) -> None:
    """Both tables."""
    print(name)
    total, table = ours(step, _steps(step))
    inside = sum(seconds for _, seconds in table.values())
    table["(Python)"] = [1, total - inside]
    _print("pyconv", total, table, rows)
    if other is not None:
        _print("PyTorch, channels-last, under its profiler", *theirs(other, _steps(other)), rows)


def _steps(step: Callable[[], Any]) -> int:
    step()
    start = time.perf_counter()
    step()
    return max(1, min(50, int(1.0 / (time.perf_counter() - start))))
