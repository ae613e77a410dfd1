"""Matrix products in all transpositions and linear layers against numpy and PyTorch; every result is checked first.

The limit beside the square products is measured: multiply-adds in registers on every thread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from timing import compare, report, resolution

from pyconv._backend import core


@dataclass(frozen=True)
class Product:
    """(m, k) times (k, n), each given transposed (T) or not (N)."""

    m: int
    n: int
    k: int
    form: str = "NN"

    @property
    def name(self) -> str:
        return f"{self.m}x{self.n}x{self.k} {self.form}"


PRODUCTS = [Product(s, s, s) for s in (256, 384, 512, 768, 1024, 1536, 2048)]
PRODUCTS += [Product(s, s, s, form) for s in (512, 1024) for form in ("NT", "TN", "TT")]
PRODUCTS += [Product(4096, 64, 64), Product(64, 4096, 64), Product(64, 64, 4096), Product(64, 64, 4096, "TT"),
             Product(25088, 64, 576), Product(64, 64, 64), Product(4096, 1, 4096)]
# Linear layers, y = x wᵀ + b, as (rows, outputs, inputs): ResNet's, AlexNet's, VGG's and LeNet's.
LINEAR = [(1, 1000, 2048), (8, 1000, 2048), (16, 1000, 512), (1, 4096, 4096), (1, 4096, 9216), (16, 4096, 9216),
          (32, 4096, 9216), (4, 4096, 25088), (128, 120, 400), (128, 84, 120), (128, 10, 84)]
# Their gradients: gx = gy w is NN, gw = gyᵀ x is TN.
GRADIENTS = [Product(m, i, o) for m, o, i in ((8, 1000, 2048), (32, 4096, 9216), (4, 4096, 25088), (128, 120, 400))]
GRADIENTS += [Product(o, i, m, "TN") for m, o, i in ((8, 1000, 2048), (32, 4096, 9216), (4, 4096, 25088),
                                                     (128, 120, 400))]


def limit() -> float:
    """Multiply-adds per second, times two: the best of some short runs."""
    best = 0.0
    for _ in range(10):
        start = time.perf_counter()
        count = core.multiply_adds(1 << 20)
        best = max(best, 2 * count / (time.perf_counter() - start))
    return best


def check(name: str, got: np.ndarray, a: np.ndarray, b: np.ndarray, bias: np.ndarray | float = 0.0) -> None:
    """Against float64, on some rows: a random walk of roundings over the inner axis."""
    rows = np.linspace(0, len(a) - 1, min(len(a), 16)).astype(int)
    want = a[rows].astype(np.float64) @ b.astype(np.float64) + bias
    allowed = np.finfo(np.float32).eps * (8 + 4 * np.sqrt(a.shape[1])) * np.abs(want).max()
    error = np.abs(got[rows] - want).max()
    if not error <= allowed:
        raise SystemExit(f"wrong result for {name}: error {error:.3g}, allowed {allowed:.3g}")


Calls = tuple[Callable[[], Any], Callable[[], Any], Callable[[], Any] | None]


def product(p: Product, torch: Any) -> Calls:
    rng = np.random.default_rng(0)
    ta, tb = (letter == "T" for letter in p.form)
    a = rng.standard_normal((p.k, p.m) if ta else (p.m, p.k), np.float32)
    b = rng.standard_normal((p.n, p.k) if tb else (p.k, p.n), np.float32)
    va, vb = a.T if ta else a, b.T if tb else b
    check(p.name, core.gemm(a, b, ta, tb), va, vb)
    their_a, their_b = (torch.from_numpy(a), torch.from_numpy(b)) if torch else (None, None)
    return (lambda: core.gemm(a, b, ta, tb), lambda: va @ vb,
            (lambda: (their_a.T if ta else their_a) @ (their_b.T if tb else their_b)) if torch else None)


def linear(m: int, n: int, k: int, torch: Any) -> Calls:
    rng = np.random.default_rng(0)
    x, w, bias = (rng.standard_normal(shape, np.float32) for shape in ((m, k), (n, k), n))
    check(f"linear {m}x{n}x{k}", core.linear(x, w, bias), x, w.T, bias)
    theirs = [torch.from_numpy(array) for array in (x, w, bias)] if torch else []
    return (lambda: core.linear(x, w, bias), lambda: x @ w.T + bias,
            (lambda: torch.nn.functional.linear(*theirs)) if torch else None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=core.get_num_threads())
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--only", help="rows whose name begins so, e.g. 1024x1024x1024 or linear")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    core.set_num_threads(args.threads)
    try:
        import torch

        torch.set_num_threads(args.threads)
    except ImportError:
        torch = None
    cases: list[tuple[str, float, Callable[[], Calls]]] = []
    for p in PRODUCTS + GRADIENTS:
        cases.append((p.name, 2.0 * p.m * p.n * p.k, lambda p=p: product(p, torch)))
    for m, n, k in LINEAR:
        cases.append((f"linear {m}x{n}x{k}", 2.0 * m * n * k, lambda m=m, n=n, k=k: linear(m, n, k, torch)))
    rows: list[dict[str, Any]] = []
    resolved, most = 0.0, limit()
    for name, flop, make in cases:
        if args.only and not name.startswith(args.only):
            continue
        ours, by_numpy, by_torch = make()
        row: dict[str, Any] = {"name": name, "flop": flop, "numpy": compare(ours, by_numpy, args.pairs)}
        if by_torch is not None:
            row["torch"] = compare(ours, by_torch, args.pairs)
        rows.append(row)
        if name == "1024x1024x1024 NN" or (args.only and not resolved):
            resolved = resolution(ours, args.pairs)
    if not rows:
        raise SystemExit(f"no row begins with {args.only!r}")
    report(rows, "gemm, float32, m x n x k", resolved, args.json)
    if not args.json:
        print(f"limit, multiply-adds in registers: {most / 1e9:.1f} GFLOP/s")
        for row in rows:
            if row["name"].endswith(" NN") and len(set(row["name"][:-3].split("x"))) == 1:
                print(f"{row['name']}: {row['flop'] / row['numpy'].a / most:.1%} of the limit")


if __name__ == "__main__":
    main()
