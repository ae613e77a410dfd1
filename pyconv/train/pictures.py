"""Figures of a training run, drawn without a display: curves, filters, confusion matrix."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from pyconv.io import atomic_write
from pyconv.train.history import History

INK, MUTED, GRID = "#1f2933", "#7b8794", "#e4e7eb"
TRAIN, TEST = "#9aa5b1", "#0b6bcb"
_STYLE = {
    "font.family": "sans-serif", "font.size": 11, "text.color": INK, "axes.labelcolor": INK, "axes.titlesize": 12,
    "axes.titleweight": "bold", "axes.titlelocation": "left", "axes.titlepad": 10, "axes.edgecolor": MUTED,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": False, "grid.color": GRID,
    "xtick.color": MUTED, "ytick.color": MUTED, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
    "legend.frameon": False, "lines.linewidth": 2.0, "figure.facecolor": "white",
}


def need_matplotlib() -> Any:
    """The module matplotlib, or an ImportError that says what to install."""
    try:
        import matplotlib
    except ImportError:
        raise ImportError('drawing pictures needs matplotlib: pip install "pyconv[demo]"') from None
    return matplotlib


def _figure(width: float, height: float, pad: float = 0.12) -> Any:
    """A figure of its own: no pyplot, no global state, no display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=pad, h_pad=pad, wspace=0.05)
    figure = Figure(figsize=(width, height), dpi=150, layout=layout)
    FigureCanvasAgg(figure)
    return figure


def _title(figure: Any, title: str, subtitle: str) -> None:
    """A bold title with a muted line below it."""
    figure.suptitle(title, x=0.02, ha="left", fontsize=15, fontweight="bold")
    if subtitle:
        figure.supxlabel(subtitle, x=0.02, ha="left", fontsize=9.5, color=MUTED)


def _save(figure: Any, path: str | os.PathLike[str]) -> None:
    with atomic_write(path) as file:
        figure.savefig(file, format="png", metadata={"Software": None})  # the same run gives the same bytes


def draw_curves(history: History, path: str | os.PathLike[str], title: str, subtitle: str = "") -> None:
    """Loss (logarithmic) and accuracy over epochs. The title should state the final accuracy."""
    with need_matplotlib().rc_context(_STYLE):
        figure = _figure(10, 4.6)
        left, right = figure.subplots(1, 2)
        epochs = history.column("epoch")
        for axes, name, label in ((left, "loss", "Loss"), (right, "accuracy", "Accuracy")):
            scale = 100 if name == "accuracy" else 1
            series = [(name, TRAIN, "training, with augmentation"), (f"val_{name}", TEST, "test")]
            for column, color, text in series:
                if any(column in row for row in history):
                    values = [scale * row[column] for row in history]
                    axes.plot(epochs, values, color=color, label=text, marker="o", markersize=3.5,
                              markeredgewidth=0, zorder=3)
            axes.set_title(label + (", %" if scale == 100 else ", cross-entropy"))
            axes.set_xlabel("epoch")
            axes.grid(axis="y", linewidth=0.8)
            axes.tick_params(length=0)
            axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
            axes.margins(x=0.03)
            if len(epochs) == 1:
                axes.set_xlim(epochs[0] - 1, epochs[0] + 1)
        _loss_axis(left)
        _accuracy_axis(right, history)
        left.legend(loc="upper right")
        _title(figure, title, subtitle)
        _save(figure, path)


def _loss_axis(axes: Any) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _accuracy_axis(axes: Any, history: History) -> None:
    """Cut the axis where the interesting part begins, and write the last value at the end of the test curve."""
    last = history[-1]
    seen = [100 * row[name] for row in history for name in ("accuracy", "val_accuracy") if name in row]
    if not seen:
        return
    floor = max(0, 10 * math.floor(min(float(np.percentile(seen, 10)), 90) / 10) - 10)
    axes.set_ylim(floor, 100 + 0.03 * (100 - floor))
    if "val_accuracy" in last:
        value = 100 * last["val_accuracy"]
        axes.annotate(f"{value:.1f}", (last["epoch"], value), xytext=(7, 0), textcoords="offset points", ha="left",
                      va="center", color=TEST, fontweight="bold", annotation_clip=False)


def draw_filters(before: np.ndarray, after: np.ndarray, path: str | os.PathLike[str], title: str,
                 subtitle: str = "") -> None:
    """The filters (K, C, R, S) of a layer before and after training, side by side on one colour scale.

    Filters of three channels are shown in colour, others channel by channel (the first 64 maps).
    """
    with need_matplotlib().rc_context(_STYLE):
        color = before.shape[1] == 3
        maps = [w.transpose(0, 2, 3, 1) if color else w.reshape(-1, *w.shape[2:]) for w in (before, after)]
        maps = [m[:64] for m in maps]
        limit = max(float(np.abs(m).max()) for m in maps) or 1.0
        columns = next((c for c in range(math.isqrt(len(maps[0])), 1, -1) if len(maps[0]) % c == 0), 0)
        columns = len(maps[0]) // columns if columns and columns > 1 else math.ceil(math.sqrt(len(maps[0])))
        rows = math.ceil(len(maps[0]) / columns)
        cell = min(1.35, 8.0 / columns)
        figure = _figure(max(6.0, 2 * columns * cell + 2.0), rows * cell + 1.6, pad=0.08)
        _, *panels, side = figure.subfigures(1, 4, wspace=0.06, width_ratios=[0.01, columns * cell, columns * cell, 0.8])
        shown = None
        for panel, images, label in zip(panels, maps, ("before training", "after training"), strict=True):
            panel.suptitle(label, fontsize=12, fontweight="bold", color=MUTED)
            grid = np.atleast_1d(panel.subplots(rows, columns, squeeze=False)).ravel()
            for axes in grid:
                axes.set_axis_off()
            for axes, image in zip(grid, images, strict=False):
                if color:
                    axes.imshow(0.5 + 0.5 * image / limit, interpolation="nearest")
                else:
                    shown = axes.imshow(image, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
        if shown is not None:
            side.suptitle(" ", fontsize=12)  # as high as the panels' titles
            bar = side.colorbar(shown, cax=side.subplots(gridspec_kw={"right": 0.3, "left": 0.1}))
            bar.outline.set_visible(False)
            bar.ax.tick_params(length=0, labelsize=9)
        _title(figure, title, subtitle)
        _save(figure, path)


def confusion_matrix(targets: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """How often class i (row) was taken for class j (column): int64 (classes, classes).

    >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    counts = np.bincount(targets * classes + predictions, minlength=classes * classes)
    return counts.reshape(classes, classes)


def draw_confusion(matrix: np.ndarray, classes: Sequence[str], path: str | os.PathLike[str], title: str,
                   subtitle: str = "") -> None:
    """The confusion matrix: right answers on the diagonal in blue, mistakes in red so that one finds them."""
    with need_matplotlib().rc_context(_STYLE):
        from matplotlib.colors import LinearSegmentedColormap

        n = len(classes)
        side = max(5.6, 0.52 * n + 1.2)
        figure = _figure(side, side + 0.5)
        axes = figure.subplots()
        share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        right = LinearSegmentedColormap.from_list("right", ["#f5f7fa", "#9ccaf5", TEST])
        wrong = LinearSegmentedColormap.from_list("wrong", ["#f5f7fa", "#fbd0cb", "#c0261b"])
        image = right(share)
        missed = share * (1 - np.eye(n))
        off = ~np.eye(n, dtype=bool)
        image[off] = wrong(np.where(missed > 0, np.minimum(0.45 + 3 * missed, 1), 0))[off]
        axes.imshow(image, interpolation="nearest")
        for i in range(n):
            for j in range(n):
                if matrix[i, j]:
                    axes.text(j, i, f"{matrix[i, j]}", ha="center", va="center", fontsize=10,
                              fontweight="bold", color="white" if i == j and share[i, j] > 0.6 else INK)
        axes.set_xticks(range(n), classes)
        axes.set_yticks(range(n), classes)
        axes.set_xticks(np.arange(n + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(n + 1) - 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=2)
        axes.tick_params(which="both", length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        _title(figure, title, subtitle)
        _save(figure, path)
