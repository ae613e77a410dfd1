"""What stands between the convolutions, and those that bench_conv.py leaves out (transposed, 1-D, 3-D): forward and
backward through autograd, against PyTorch in both memory orders.

Each case is written once for both libraries, through the public interface; results are compared before they are timed.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable, Sequence
from typing import Any

import nets
import numpy as np
from timing import Pair, compare, report, resolution

import pyconv
from pyconv import runtime

Shape = tuple[int, ...]


class Side:
    """A library and the memory order of its activations."""

    def __init__(self, lib: Any, order: str = "contiguous_format") -> None:
        self.lib, self.nn, self.order = lib, lib.nn, order
        self.rng = np.random.default_rng(0)

    def tensor(self, values: np.ndarray, grad: bool = False) -> Any:
        t = self.lib.tensor(values)
        if self.order == "channels_last" and values.ndim in (4, 5):
            order = self.lib.channels_last if values.ndim == 4 else self.lib.channels_last_3d
            t = t.contiguous(memory_format=order)
        t.requires_grad = grad
        return t

    def normal(self, shape: Shape, grad: bool = False) -> Any:
        return self.tensor(self.rng.standard_normal(shape, np.float32), grad)


#: Builds a case on a side: what is timed, and what of it has to be equal on both sides.
Case = Callable[[Side], tuple[Callable[[], Any], Callable[[], list[Any]]]]


def layer(build: Callable[[Any], Any], *shapes: Shape) -> Case:
    """Forward and backward of a function of tensors; ``build(side)`` makes the function."""

    def case(side: Side) -> tuple[Callable[[], Any], Callable[[], list[Any]]]:
        inputs = [side.normal(shape, grad=True) for shape in shapes]
        function = build(side)
        if isinstance(function, side.nn.Module):
            with side.lib.no_grad():
                for p in function.parameters():
                    p.copy_(side.tensor(0.1 * side.rng.standard_normal(tuple(p.shape), np.float32)))
        g = side.normal(tuple(function(*inputs).shape))
        module = [*function.parameters()] if isinstance(function, side.nn.Module) else []

        def step() -> Any:
            for t in (*inputs, *module):
                t.grad = None
            y = function(*inputs)
            y.backward(g)
            return y

        return step, lambda: [step(), *(t.grad for t in (*inputs, *module))]

    return case


def cross_entropy(shape: Shape) -> Case:
    def case(side: Side) -> tuple[Callable[[], Any], Callable[[], list[Any]]]:
        x = side.normal(shape, grad=True)
        y = side.tensor(side.rng.integers(0, shape[1], (shape[0], *shape[2:])))

        def step() -> Any:
            x.grad = None
            loss = side.nn.functional.cross_entropy(x, y)
            loss.backward()
            return loss

        return step, lambda: [step(), x.grad]

    return case


def dropout(shape: Shape) -> Case:
    """The draws differ; equal are their share to two digits, and that forward and backward agree on them."""

    def case(side: Side) -> tuple[Callable[[], Any], Callable[[], list[Any]]]:
        x, drop = side.normal(shape, grad=True), side.nn.Dropout(0.5)
        g = side.normal(shape)

        def step() -> Any:
            x.grad = None
            y = drop(x)
            y.backward(g)
            return y

        def found() -> list[Any]:
            y = values(step())
            kept = y != 0
            return [np.round(kept.mean(), 2), np.where(kept, y - 2 * values(x), 0),
                    values(x.grad) - np.where(kept, 2 * values(g), 0)]

        return step, found

    return case


def optimizer(net: Callable[[Any], Any], name: str, **options: Any) -> Case:
    def case(side: Side) -> tuple[Callable[[], Any], Callable[[], list[Any]]]:
        parameters = [side.nn.Parameter(side.normal(tuple(p.shape))) for p in net(pyconv).parameters()]
        for p in parameters:
            p.grad = side.normal(tuple(p.shape))
        step = getattr(side.lib.optim, name)(parameters, lr=1e-3, **options).step

        def found() -> list[Any]:
            step()
            step()
            return [parameters[0], parameters[-1]]

        return step, found

    return case


def _function(f: Callable[..., Any]) -> Callable[[Any], Any]:
    return lambda side: functools.partial(f, side.lib)


def cases() -> dict[str, Case]:
    found: dict[str, Case] = {}
    for shape in ((16, 64, 112, 112), (16, 256, 56, 56), (8, 512, 7, 7), (128, 16, 32, 32)):
        found["batch_norm " + text(shape)] = layer(lambda s, c=shape[1]: s.nn.BatchNorm2d(c), shape)
    for shape in ((16, 64, 112, 112), (32, 192, 27, 27)):
        found["max_pool 3x3/2 " + text(shape)] = layer(lambda s: s.nn.MaxPool2d(3, 2), shape)
    for shape in ((4, 64, 224, 224), (4, 512, 28, 28)):
        found["max_pool 2x2/2 " + text(shape)] = layer(lambda s: s.nn.MaxPool2d(2), shape)
    found["avg_pool 2x2/2 " + text((8, 256, 28, 28))] = layer(lambda s: s.nn.AvgPool2d(2), (8, 256, 28, 28))
    for shape in ((16, 512, 7, 7), (8, 2048, 7, 7)):
        found["global_avg_pool " + text(shape)] = layer(lambda s: s.nn.AdaptiveAvgPool2d(1), shape)
    for shape in ((16, 64, 112, 112), (8, 256, 56, 56)):
        found["relu " + text(shape)] = layer(lambda s: s.nn.ReLU(), shape)
        found["add, relu " + text(shape)] = layer(_function(lambda lib, a, b: lib.relu(a + b)), shape, shape)
    for shape in ((128, 10), (256, 1000), (8, 21, 128, 128)):
        found["cross_entropy " + text(shape)] = cross_entropy(shape)
    for name, net in (("resnet18", nets.resnet18), ("vgg16", nets.vgg16)):
        found[f"sgd {name}"] = optimizer(net, "SGD", momentum=0.9)
        found[f"adam {name}"] = optimizer(net, "Adam")
    for c, size in ((256, 28), (64, 112)):
        shapes = ((8, c, size, size), (8, 32, size, size))
        found[f"cat {text(shapes[0])}, 32"] = layer(_function(lambda lib, a, b: lib.cat([a, b], 1)), *shapes)
    for (n, c, size), k, r in (((2, 512, 16), 256, 2), ((2, 128, 64), 64, 2), ((8, 64, 32), 64, 4), ((8, 256, 8), 128, 4)):
        found[f"transposed {r}x{r}/2 {text((n, c, size, size))}-{k}"] = layer(
            lambda s, c=c, k=k, r=r: s.nn.ConvTranspose2d(c, k, r, 2, (r - 2) // 2), (n, c, size, size))
    for shape, k in (((8, 64, 4096), 64), ((16, 256, 512), 256)):
        found[f"conv1d 3 {text(shape)}-{k}"] = layer(lambda s, c=shape[1], k=k: s.nn.Conv1d(c, k, 3, 1, 1), shape)
    for shape, k in (((2, 32, 16, 56, 56), 32), ((2, 64, 8, 28, 28), 128)):
        found[f"conv3d 3x3x3 {text(shape)}-{k}"] = layer(lambda s, c=shape[1], k=k: s.nn.Conv3d(c, k, 3, 1, 1), shape)
    for shape in ((32, 9216), (16, 64, 56, 56)):
        found["dropout " + text(shape)] = dropout(shape)
    return found


def text(shape: Shape) -> str:
    return "x".join(map(str, shape))


def values(t: Any) -> np.ndarray:
    return t if isinstance(t, np.ndarray | np.generic) else t.detach().numpy()


def check(name: str, ours: Sequence[Any], theirs: Sequence[Any]) -> None:
    """Roundings of sums over a batch: 1e-4 of the largest magnitude; a wrong result is off by more."""
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        got, want = values(a), values(b)
        error = float(np.abs(got - want).max())
        if not (got.shape == want.shape and error <= 1e-4 * max(1e-3, float(np.abs(want).max()))):
            raise SystemExit(f"wrong result: {name}, value {i}: error {error:.3g} of {np.abs(want).max():.3g}")


def measure(name: str, case: Case, torch: Any, pairs: int) -> tuple[dict[str, Any], Callable[[], Any]]:
    row: dict[str, Any] = {"name": name}
    ours, found = case(Side(pyconv))
    if torch is None:
        return {**row, "itself": compare(ours, ours, pairs)}, ours
    reference = found()
    orders = {"torch NCHW": "contiguous_format", "torch NHWC": "channels_last"}
    if name.startswith(("sgd", "adam")):  # no activations
        del orders["torch NHWC"]
    for column, order in orders.items():
        theirs, other = case(Side(torch, order))
        check(f"{name}, {column}", reference, other())
        row[column] = compare(ours, theirs, pairs)
    row["best torch"] = min((v for v in row.values() if isinstance(v, Pair)), key=lambda p: p.b)
    return row, ours


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=runtime.get_num_threads())
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--ops", nargs="*", metavar="WORD", help="only cases whose name begins with one of these")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    runtime.set_num_threads(args.threads)
    try:
        import torch

        torch.set_num_threads(args.threads)
    except ImportError:
        torch = None
    rows, resolved = [], 0.0
    for name, case in cases().items():
        if args.ops is None or name.startswith(tuple(args.ops)):
            row, ours = measure(name, case, torch, args.pairs)
            rows.append(row)
            resolved = resolved or resolution(ours, args.pairs)
    report(rows, "operations of a training step, float32, forward and backward", resolved, args.json)


if __name__ == "__main__":
    main()
