"""Matrix products against numpy and PyTorch: square from 256 to 2048, and skinny ones; the result is checked first."""

from __future__ import annotations

import argparse

import numpy as np
from timing import compare, report, resolution

from pyconv._backend import core

SHAPES = [(s, s, s) for s in (256, 384, 512, 768, 1024, 1536, 2048)]
SHAPES += [(4096, 64, 64), (64, 4096, 64), (64, 64, 4096), (25088, 64, 576), (1, 1000, 2048), (128, 10, 84)]


def check(got: np.ndarray, a: np.ndarray, b: np.ndarray) -> None:
    """Against float64, on some rows: a random walk of roundings over the inner axis."""
    rows = np.linspace(0, len(a) - 1, min(len(a), 16)).astype(int)
    want = a[rows].astype(np.float64) @ b.astype(np.float64)
    limit = np.finfo(np.float32).eps * (8 + 4 * np.sqrt(a.shape[1])) * np.abs(want).max()
    error = np.abs(got[rows] - want).max()
    if not error <= limit:
        raise SystemExit(f"wrong result for {a.shape} x {b.shape}: error {error:.3g}, allowed {limit:.3g}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=core.get_num_threads())
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--only", help="sizes to run, e.g. 1024x1024x1024")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    core.set_num_threads(args.threads)
    try:
        import torch

        torch.set_num_threads(args.threads)
    except ImportError:
        torch = None
    rng = np.random.default_rng(0)
    rows, resolved = [], 0.0
    for m, n, k in SHAPES:
        name = f"{m}x{n}x{k}"
        if args.only and args.only != name:
            continue
        a, b = (rng.standard_normal(s).astype(np.float32) for s in ((m, k), (k, n)))
        check(core.gemm(a, b, False, False), a, b)

        def ours(a=a, b=b):
            return core.gemm(a, b, False, False)

        row = {"name": name, "flop": 2.0 * m * n * k, "numpy": compare(ours, lambda a=a, b=b: a @ b, args.pairs)}
        if torch is not None:
            ta, tb = torch.from_numpy(a), torch.from_numpy(b)
            row["torch"] = compare(ours, lambda ta=ta, tb=tb: ta @ tb, args.pairs)
        rows.append(row)
        if m == n == k == 1024 or args.only:
            resolved = resolution(ours, args.pairs)
    report(rows, "gemm, float32, m x n x k", resolved, args.json)


if __name__ == "__main__":
    main()
