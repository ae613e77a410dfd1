"""A picture of a network as PNG, through matplotlib (the extra ``plot``)."""

from __future__ import annotations

import os

from pyconv.nn.picture import Picture


def save_png(picture: Picture, path: str | os.PathLike[str], scale: float = 2.0) -> None:
    """Write the picture, ``scale`` pixels of the file for one of its own. Raises ImportError without matplotlib."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.patches import Polygon
    except ImportError as error:
        raise ImportError("PNG pictures need matplotlib: pip install pyconv[plot], or write an .svg") from error
    dpi = 100 * scale
    figure = Figure((picture.width / 100, picture.height / 100), dpi=dpi, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, picture.width)
    axes.set_ylim(picture.height, 0)
    axes.set_axis_off()
    for order, s in enumerate(picture.shapes):
        if s.text:
            axes.text(*s.points[0], s.text, fontsize=s.size * 0.66, color=s.fill, ha="center" if s.closed else "left",
                      va="baseline", weight="bold" if s.bold else "normal", zorder=order, parse_math=False)
        elif s.closed:
            axes.add_patch(Polygon(s.points, facecolor=s.fill, edgecolor=s.stroke, linewidth=s.width * 0.72, zorder=order))
        else:
            axes.plot(*zip(*s.points, strict=True), color=s.stroke, linewidth=s.width * 0.72, zorder=order,
                      solid_joinstyle="round")
    figure.savefig(os.fspath(path), dpi=dpi, format="png")
