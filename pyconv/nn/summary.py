"""Layers, output shapes, parameters, multiply-adds, memory and receptive fields of a network, from shapes alone."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from pyconv.nn import graph, picture, picture_png, summary_slide, summary_table
from pyconv.nn.arguments import whole
from pyconv.nn.module import Module
from pyconv.nn.state import float_dtype
from pyconv.nn.watching import Row, Shape, Watch, count, watched

__all__ = ["Row", "Summary", "convolutions", "summary"]

STYLES = ("table", "slide")


class Summary:
    """What `summary` returns: ``rows``, totals, a table as text, a dict for machines, a picture.

    ``total_activation_bytes`` is what all operations write, at the batch of the input: what training keeps until the
    backward pass, but for two things. Batch norm and the ReLU or sum behind it are written together, which saves the
    first; pooling and dropout keep their choices besides.
    """

    def __init__(self, watch: Watch, input_size: Any, style: str, rounding: str) -> None:
        model = watch.model
        every = {id(p): p for p in model.parameters()}.values()
        self.name = type(model).__name__
        self.title = self.name  # of the picture
        self.input_size = input_size
        self.rows = watch.all_rows()
        self.total_parameters = sum(map(count, every))
        self.trainable_parameters = sum(count(p) for p in every if p.requires_grad)
        self.parameter_bytes = sum(count(p) * p.dtype.itemsize for p in every)
        self.total_macs = sum(row.macs for row in self.rows)
        self.total_activation_bytes = sum(row.activation_bytes for row in self.rows)
        self.stopped = watch.stopped  # where the run had to end because the model needs values; None: at its end
        self.style = style
        self.rounding = rounding
        self._watch = watch

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, texts and lists; with the style "slide" also the lines of that table."""
        found = {
            "model": self.name,
            "input_size": _plain(self.input_size),
            "layers": [{key: _plain(value) for key, value in row._asdict().items()} for row in self.rows],
            "total_parameters": self.total_parameters,
            "trainable_parameters": self.trainable_parameters,
            "parameter_bytes": self.parameter_bytes,
            "total_macs": self.total_macs,
            "total_activation_bytes": self.total_activation_bytes,
            "stopped": self.stopped,
        }
        if self.style == "slide":
            found["slide"] = [line._asdict() for line in summary_slide.lines(self._watch)]
        return found

    def to_json(self) -> str:
        """`to_dict` as JSON."""
        return json.dumps(self.to_dict(), indent=2)

    def picture(self) -> picture.Picture:
        """The network's picture, placed on a canvas."""
        size = summary_table.shape_text(self.input_size).replace("x", "×")
        note = (f"input {size}  ·  {self.total_parameters:,} parameters  ·  {self.total_macs:,} multiply-adds  ·  "
                f"{summary_table.bytes_text(self.total_activation_bytes)} of activations")
        return picture.layout(graph.blocks(self._watch), self.title, note)

    def to_svg(self) -> str:
        """The network's picture as an SVG document: slabs as high and deep as their maps, as thick as they have channels (square
        roots and logarithms of them), the layers' names and output sizes; equal blocks in a row are one, with their number,
        and what skips blocks goes over their heads.

        >>> from pyconv import nn
        >>> print(summary(nn.Sequential(nn.Conv2d(1, 6, 5), nn.ReLU()), (1, 1, 32, 32)).to_svg()[:47])
        <svg xmlns="http://www.w3.org/2000/svg" width="
        """
        return picture.svg(self.picture())

    def save_picture(self, path: str | os.PathLike[str]) -> None:
        """Write the picture to a file whose name ends in .svg, or in .png (which needs matplotlib, the extra ``plot``).

        Raises ValueError for another ending, OSError as `open` does.
        """
        name = os.fspath(path)
        if name.lower().endswith(".svg"):
            with open(name, "w", encoding="utf-8") as file:
                file.write(self.to_svg())
        elif name.lower().endswith(".png"):
            picture_png.save_png(self.picture(), name)
        else:
            raise ValueError(f"[save_picture] path is {name!r}, expected one that ends in .svg or .png")

    def __str__(self) -> str:
        return summary_slide.text(self, self._watch) if self.style == "slide" else summary_table.text(self)

    __repr__ = __str__


def summary(model: Module, input_size: Any = None, dtype: Any = None, *, depth: int | None = None,
            style: str = "table", rounding: str = "slide") -> Summary:
    """Run a model on shapes alone and list its layers.

    Nothing is computed and no memory taken: the input is a meta Tensor; the parameters may be, too (``with
    pyconv.device("meta")``). Training mode, hooks and running statistics are afterwards as they were before. A model
    that needs values on its way (such as a detector, which chooses boxes by their scores) is listed as far as shapes
    lead, and ``stopped`` says where that is.

    Args:
        model: any Module; layers without submodules get a row per call, others if they compute something themselves.
        input_size: the input's shape, batch axis included, such as (1, 3, 224, 224); a list of shapes for a model
            with several inputs. None: one image of the model's ``input_size``.
        dtype: of the input, float32 (default) or float64.
        depth: how many levels of submodules have rows of their own; what is below counts to the row above it. None:
            all of them; 1: the model's own children.
        style: "table"; or "slide", a table as lectures have it for networks that are a chain of layers, output first,
            with weights (without biases) and multiply-adds in thousands, millions and billions.
        rounding: of these: "floor", "nearest", or "slide": down, but in a lecture's own table as that lecture does.

    Returns:
        A `Summary`: ``print`` it, or take ``rows``, ``total_parameters``, ``total_macs``, ``to_dict()``.

    Raises:
        TypeError: ``model`` is no Module or ``input_size`` holds no whole numbers; ValueError: another style or
        rounding, no ``input_size`` anywhere, the style "slide" for a network with branches; whatever a layer raises
        for a shape that does not fit it, with the layer's path.

    >>> from pyconv import nn
    >>> print(summary(nn.Sequential(nn.Conv2d(1, 6, 5), nn.ReLU()), (1, 1, 32, 32)))
    Layer  Type    Output shape     Parameters  Multiply-adds  Activations  Receptive field
    ---------------------------------------------------------------------------------------
    0      Conv2d  1 x 6 x 28 x 28         156        117,600     18.4 KiB                5
    1      ReLU    1 x 6 x 28 x 28           0              0     18.4 KiB                5
    ---------------------------------------------------------------------------------------
    Total                                  156        117,600     36.8 KiB
    Sequential, input 1 x 1 x 32 x 32: 624 B of parameters
    """
    if not isinstance(model, Module):
        raise TypeError(f"[summary] model is {type(model).__name__}, expected a Module")
    for name, value, known in (("style", style, STYLES), ("rounding", rounding, tuple(summary_slide.ROUNDINGS))):
        if value not in known:
            raise ValueError(f"[summary] {name} is {value!r}, expected {' or '.join(map(repr, known))}")
    if input_size is None:
        if not hasattr(model, "input_size"):
            raise ValueError(f"[summary] input_size is None and {type(model).__name__} has no input_size of its own, "
                             "expected a shape such as (1, 3, 224, 224)")
        input_size = (1, *model.input_size)
    sizes = _sizes(input_size)
    levels = None if depth is None else whole("summary", "depth", depth, 0)
    watch = watched(model, sizes, float_dtype(dtype, "summary"), levels)
    found = Summary(watch, sizes[0] if len(sizes) == 1 else sizes, style, rounding)
    if style == "slide":
        summary_slide.lines(watch)  # raises for a network that it cannot show
    return found


def convolutions(model: Module, input_size: Any) -> list[tuple[str, Any]]:
    """The convolutions that a model runs, in order: the module's path, and the shape record of the operation.

    Found as `summary` finds its rows. Transposed convolutions are left out.

    >>> from pyconv import nn
    >>> [(path, record.output_shape) for path, record in convolutions(nn.Sequential(nn.Conv2d(1, 6, 5)), (1, 1, 9, 9))]
    [('0', (1, 6, 5, 5))]
    """
    steps = watched(model, _sizes(input_size), np.dtype("float32")).steps
    return [(step.call.path, step.ctx.record.core) for step in steps if step.op.name == "conv" and step.call]


def _sizes(input_size: Any) -> list[Shape]:
    if not isinstance(input_size, (tuple, list)):
        raise TypeError(f"[summary] input_size is {input_size!r}, expected a shape such as (1, 3, 224, 224)")
    several = bool(input_size) and all(isinstance(size, (tuple, list)) for size in input_size)
    sizes = input_size if several else [input_size]
    return [tuple(whole("summary", "input_size", n, 0) for n in size) for size in sizes]


def _plain(value: Any) -> Any:
    return [_plain(v) for v in value] if isinstance(value, (tuple, list)) else value
