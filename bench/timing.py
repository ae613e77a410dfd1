"""Paired timing: A and B alternate, so that what the machine does besides hits both; ratios are taken per pair."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import geometric_mean, median, quantiles
from typing import Any


@dataclass(frozen=True)
class Pair:
    """Seconds of A and B (medians), and quartiles of the paired ratios B / A: above 1, A is the faster one."""

    a: float
    b: float
    ratio: float
    low: float
    high: float
    pairs: int


def _processor_time() -> tuple[float, float, float]:
    """Seconds so far: of all processors, of those that were busy, of this process and its children."""
    ticks = [int(n) for n in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    idle = ticks[3] + ticks[4]
    hertz = os.sysconf("SC_CLK_TCK")
    return sum(ticks) / hertz, (sum(ticks) - idle) / hertz, sum(os.times()[:4])


_START = _processor_time()


def taken_by_others() -> float:
    """The share of the processors' time since the start that other processes (or other guests) took."""
    total, busy, own = (now - then for now, then in zip(_processor_time(), _START, strict=True))
    return max(0.0, (busy - own) / max(total, 1e-9))


LONG = 0.25  # seconds: a call of that length warms itself
WARM = 0.03  # seconds: threads that slept may wake on one processor, and be spread only after 15 ms (Linux)


def settle(step: float = 0.02, longest: float = 1.0) -> None:
    """Wait until the threads of the other side have gone to sleep: OpenBLAS's wait for work, each on a core, for 0.1 s."""
    for _ in range(round(longest / step)):
        before = time.process_time()
        time.sleep(step)
        if time.process_time() - before < 0.1 * step:
            return


def seconds(f: Callable[[], Any], calls: int, warm: bool = True) -> float:
    settle()
    if warm:
        end = time.perf_counter() + WARM
        while time.perf_counter() < end:
            f()
    start = time.perf_counter()
    for _ in range(calls):
        f()
    return (time.perf_counter() - start) / calls


def calls_for(f: Callable[[], Any], least: float) -> tuple[int, bool]:
    """How often to call f so that a measurement takes at least this many seconds, and whether to call it once before."""
    f()  # warm: pages, caches, lazily built plans
    once = max(seconds(f, 1, warm=False), 1e-7)
    return max(1, int(least / once)), once < LONG


def compare(a: Callable[[], Any], b: Callable[[], Any], pairs: int = 9, least: float = 0.02) -> Pair:
    """Time A and B alternately, beginning with either in turn."""
    calls_a, calls_b = calls_for(a, least), calls_for(b, least)
    times: list[tuple[float, float]] = []
    for i in range(pairs):
        if i % 2:
            tb = seconds(b, *calls_b)
            ta = seconds(a, *calls_a)
        else:
            ta = seconds(a, *calls_a)
            tb = seconds(b, *calls_b)
        times.append((ta, tb))
    low, middle, high = quantiles([tb / ta for ta, tb in times], n=4)
    return Pair(median(t[0] for t in times), median(t[1] for t in times), middle, low, high, pairs)


def resolution(f: Callable[[], Any], pairs: int = 9, least: float = 0.02) -> float:
    """How far from 1 the quartiles of f against itself reach: differences below mean nothing here and now."""
    same = compare(f, f, pairs, least)
    return max(abs(same.low - 1), abs(same.high - 1))


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    from pyconv._backend import core

    model = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.processor())
    return {"processor": model, "isa": core.isa(), "threads": core.get_num_threads(), "version": core.__version__}


def report(rows: Sequence[dict[str, Any]], title: str, resolved: float, as_json: bool) -> None:
    """Rows have "name", "flop" where that says something, and, per opponent, a Pair; a table, or JSON for compare.py."""
    if as_json:
        plain = [{k: asdict(v) if isinstance(v, Pair) else v for k, v in row.items()} for row in rows]
        print(json.dumps({"title": title, "machine": machine(), "resolution": resolved, "others": taken_by_others(),
                          "rows": plain}, indent=1))
        return
    opponents = list(dict.fromkeys(k for row in rows for k, v in row.items() if isinstance(v, Pair)))
    print(f"{title}; {machine()}")
    print(f"ratio: how many times faster pyconv is, median of pairs (quartiles); resolution {resolved:.1%}; "
          f"others took {taken_by_others():.0%} of the processors")
    width = max(len(row["name"]) for row in rows)
    print(f"{'':{width}}  {'ms':>9}  {'GFLOP/s':>8}  " + "  ".join(f"{o:>20}" for o in opponents))
    for row in rows:
        cells = []
        for o in opponents:
            p = row.get(o)
            cells.append(f"{p.ratio:6.2f} ({p.low:.2f}-{p.high:.2f})" if p else "-")
        first = next(v for v in row.values() if isinstance(v, Pair))
        rate = f"{row['flop'] / first.a / 1e9:.1f}" if "flop" in row else "-"
        print(f"{row['name']:{width}}  {first.a * 1e3:9.3f}  {rate:>8}  " + "  ".join(f"{c:>20}" for c in cells))
    for o in opponents:
        print(f"geometric mean of {o}: {geometric_mean([row[o].ratio for row in rows if o in row]):.3f}")
