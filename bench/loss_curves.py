"""Does Winograd convolution train like the direct sum? ResNet-20 on the UCI digits, twice each way, from the same weights.

Prints how far the loss curves are apart at most, and draws them. The distance grows with the steps, as rounding errors
do in training; the measure of it is a third run on the direct path whose input was changed in its last bit.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from nets import resnet20

import pyconv
from pyconv import runtime
from pyconv.data import DataLoader, Digits


def losses(algorithm: str, steps: int, batch: int, nudge: float = 0.0) -> list[float]:
    """The loss of each step."""
    runtime.use_algorithm(algorithm)
    pyconv.manual_seed(0)
    model = resnet20(pyconv)
    optimizer = pyconv.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    criterion = pyconv.nn.CrossEntropyLoss()
    curve: list[float] = []
    while True:
        for images, labels in DataLoader(Digits(size=32), batch_size=batch, shuffle=True, drop_last=True):
            x = pyconv.cat([images, images, images], 1) * (1 + nudge)
            optimizer.zero_grad()
            loss = criterion(model(x), labels)
            loss.backward()
            optimizer.step()
            curve.append(loss.item())
            if len(curve) == steps:
                return curve


def smoothed(curve: list[float], width: int = 10) -> np.ndarray:
    return np.convolve(curve, np.ones(width) / width, "valid")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--output", type=Path, default=Path("loss_curves.png"))
    args = parser.parse_args()
    before = runtime.algorithm()
    try:
        curves = {"Winograd": losses("auto", args.steps, args.batch), "direct": losses("direct", args.steps, args.batch),
                  "direct, last bit of the input changed": losses("direct", args.steps, args.batch, 2.0**-23)}
    finally:
        runtime.use_algorithm(before)
    direct = np.array(curves["direct"])
    for name, curve in curves.items():
        apart = np.abs(np.array(curve) - direct)
        print(f"{name}: last ten losses {np.mean(curve[-10:]):.4f}; from the direct path at most {apart[:20].max():.2e} in "
              f"the first 20 steps, {apart.max():.2e} in all")

    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (top, bottom) = plt.subplots(2, 1, figsize=(7, 6), sharex=True, height_ratios=(2, 1))
    for (name, curve), style in zip(curves.items(), ("-", "--", ":"), strict=True):
        top.semilogy(np.arange(9, args.steps), smoothed(curve), style, label=name)
        if name != "direct":
            bottom.semilogy(np.maximum(np.abs(np.array(curve) - direct), 1e-9), style, label=name)
    top.set(ylabel="cross-entropy, mean of 10 steps", title="ResNet-20 on the UCI digits, SGD with momentum")
    bottom.set(xlabel="step", ylabel="distance from direct")
    top.legend()
    bottom.legend()
    figure.tight_layout()
    figure.savefig(args.output, dpi=100)
    print(f"drawn: {args.output}")


if __name__ == "__main__":
    main()
