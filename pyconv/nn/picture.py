"""A picture of a network: slabs as high as their maps, as thick as their channels, from left to right.

`layout` places shapes on a canvas, in pixels; `svg` and `pyconv.nn.picture_png` write them down.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from pyconv.nn.graph import Block

Point = tuple[float, float]

#: Front of a slab by kind of block; its side and top are darker and lighter.
COLORS = {"input": "#b8c4ce", "conv": "#4c8eda", "block": "#2f6db5", "up": "#2fa39b", "pool": "#e0605e", "dense": "#8c6bc8",
          "other": "#6aa66a", "join": "#ffffff"}
INK, PALE = "#26323c", "#6b7a86"
_HIGHEST, _LOWEST = 170.0, 20.0
_SLANT = 0.32  # how far a slab reaches back, of its width in maps
_MARGIN, _GAP = 24.0, 16.0


@dataclass
class Shape:
    """A polygon, a line (``closed`` False), or a text (``text``) anchored at its only point."""

    points: list[Point]
    fill: str = "none"
    stroke: str = "none"
    width: float = 1.0
    closed: bool = True
    text: str = ""
    size: float = 11.0
    bold: bool = False


@dataclass
class Picture:
    """Shapes on a canvas of so many pixels, those behind first."""

    width: float = 0.0
    height: float = 0.0
    title: str = ""
    shapes: list[Shape] = field(default_factory=list)


@dataclass
class _Place:
    """Where a block stands: its left and right edge, and half its height."""

    block: Block
    left: float
    right: float
    half: float
    back: float  # how far it reaches back, up and to the right
    slot: tuple[float, float]


def layout(blocks: Sequence[Block], title: str, note: str) -> Picture:
    """Place the blocks in one row; what skips some of them goes over their heads."""
    largest = max((max(b.shape[1:], default=1) for b in blocks if len(b.shape) > 1), default=1)
    longest = max((b.shape[0] for b in blocks if len(b.shape) == 1), default=1)
    places, x = [], _MARGIN
    for block in blocks:
        half, back, thick = _size(block, largest, longest)
        slabs = min(block.count, 4)
        wide = slabs * thick + (slabs - 1) * 4 + back
        slot = max(wide, max(map(_words, _lines(block))))
        left = x + (slot - wide) / 2
        places.append(_Place(block, left, left + wide - back, half, back, (x, x + slot)))
        x += slot + _GAP
    over = [(a, b) for b in range(len(places)) for a in range(b - 1) if blocks[a] in blocks[b].inputs]
    lanes = _lanes(over)
    top = 66 + 13 * (max(lanes.values()) + 2 if lanes else 0)
    axis = top + 12 + max(p.half + p.back for p in places)
    picture = Picture(max(x - _GAP + _MARGIN, _MARGIN * 2 + max(_width(title, 17), _width(note, 11.5))), 0, title)
    picture.shapes += [Shape([(_MARGIN, 30)], INK, text=title, size=17, bold=True, closed=False),
                       Shape([(_MARGIN, 50)], PALE, text=note, size=11.5, closed=False)]
    for b, place in enumerate(places):
        if b and blocks[b - 1] in blocks[b].inputs:
            picture.shapes += _arrow([(places[b - 1].right + places[b - 1].back / 2 + 2, axis), (place.left - 2, axis)])
    for place in places:
        picture.shapes += _slabs(place, axis)
    for (a, b), lane in lanes.items():
        picture.shapes += _bridge(places[a], places[b], axis, 66 + 13 * (max(lanes.values()) - lane), (a, b))
    below = axis + max(p.half for p in places) + 20
    for place in places:
        picture.shapes += _captions(place, below)
    picture.height = below + 4 * 15 + 8
    return picture


def _size(block: Block, largest: int, longest: int) -> tuple[float, float, float]:
    """Half the height, the reach back and the thickness of a slab; lengths go with the square root of sizes."""
    if block.kind == "join":
        return 11.0, 0.0, 22.0
    if len(block.shape) < 2:
        n = block.shape[0] if block.shape else 1
        return (_LOWEST + (_HIGHEST - 50 - _LOWEST) * math.sqrt(n / max(longest, 1))) / 2, 5.0, 9.0
    high, wide = (block.shape[1], block.shape[-1]) if len(block.shape) > 2 else (block.shape[1], 1)
    scale = [_LOWEST + (_HIGHEST - _LOWEST) * math.sqrt(n / largest) for n in (high, wide)]
    thick = 3 + 4.2 * math.log2(block.shape[0] + 1)
    return scale[0] / 2, scale[1] * _SLANT, thick / (1 if block.count == 1 else 1.8)


def _lines(block: Block) -> list[tuple[str, float, bool, str]]:
    """Captions: text, size, whether bold, colour."""
    if block.kind == "join":
        return [("", 10, False, PALE)]
    title = f"{block.count} × {block.title}" if block.count > 1 else block.title
    shape = "×".join(map(str, block.shape)) or "scalar"
    return [(title, 12, True, INK), (shape, 11, False, INK), (block.inner or " · ".join(dict.fromkeys(block.suffixes)), 10, False, PALE),
            (block.label, 10, False, PALE)]


def _width(text: str, size: float) -> float:
    """About how wide a text is."""
    return sum(0.3 if c in "il.,:·|'1 " else 0.62 if c in "mwMWCBNRLU%" else 0.55 for c in text) * size


def _words(line: tuple[str, float, bool, str]) -> float:
    return _width(line[0], line[1]) * (1.08 if line[2] else 1.0)


def _shade(color: str, factor: float) -> str:
    """Darker below 1, lighter above."""
    parts = [int(color[i:i + 2], 16) for i in (1, 3, 5)]
    mixed = [round(p * factor) if factor <= 1 else round(p + (255 - p) * (factor - 1)) for p in parts]
    return "#" + "".join(f"{p:02x}" for p in mixed)


def _slabs(place: _Place, axis: float) -> list[Shape]:
    block, color = place.block, COLORS[place.block.kind]
    if block.kind == "join":
        x = (place.left + place.right) / 2
        ring = [(x + 11 * math.cos(t * math.pi / 16), axis + 11 * math.sin(t * math.pi / 16)) for t in range(32)]
        return [Shape(ring, color, INK, 1.2), Shape([(x, axis + 3.5)], INK, text=block.title, size=9 if len(block.title) > 1 else 14)]
    slabs = min(block.count, 4)
    thick = (place.right - place.left - (slabs - 1) * 4) / slabs
    edge = _shade(color, 0.55)
    shapes = []
    for i in range(slabs):
        x, d = place.left + i * (thick + 4), place.back
        end, high, low = x + thick, axis - place.half, axis + place.half
        # The axis goes through the middle of the front; top and side lead back to the upper right.
        shapes += [Shape([(x, high), (x + d, high - d), (end + d, high - d), (end, high)], _shade(color, 1.35), edge, 0.8),
                   Shape([(end, high), (end + d, high - d), (end + d, low - d), (end, low)], _shade(color, 0.78), edge, 0.8),
                   Shape([(x, high), (end, high), (end, low), (x, low)], color, edge, 0.8)]
    return shapes


def _arrow(line: list[Point]) -> list[Shape]:
    (x0, y0), (x, y) = line[-2:]
    if math.dist((x0, y0), (x, y)) < 4:
        return []
    if y == y0:
        head = [(x, y), (x - 6, y - 3.2), (x - 6, y + 3.2)]
        line = [*line[:-1], (x - 5, y)]
    else:
        head = [(x, y), (x - 3.2, y - 6), (x + 3.2, y - 6)]
        line = [*line[:-1], (x, y - 5)]
    return [Shape(line, "none", PALE, 1.3, False), Shape(head, PALE)]


def _bridge(a: _Place, b: _Place, axis: float, height: float, _: tuple[int, int]) -> list[Shape]:
    """A way over the heads of the blocks between, with rounded corners."""
    start = ((a.left + a.right) / 2 + a.back, axis - a.half - a.back - 2)
    end = ((b.left + b.right) / 2 + b.back / 2, axis - b.half - b.back / 2 - 3)
    r = 7.0
    bend = [(math.cos(t * math.pi / 10), math.sin(t * math.pi / 10)) for t in range(6)]
    rise = [(start[0] + r - r * c, height + r - r * s) for c, s in bend]
    fall = [(end[0] - r + r * s, height + r - r * c) for c, s in bend]
    return _arrow([start, *rise, *fall, end])


def _lanes(arcs: list[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """A height for each arc: above those that it spans, beside those that it does not meet."""
    lanes: dict[tuple[int, int], int] = {}
    for a, b in sorted(arcs, key=lambda arc: (arc[1] - arc[0], arc)):
        taken = {lane for (c, d), lane in lanes.items() if c < b and a < d}
        lanes[a, b] = next(lane for lane in range(len(arcs)) if lane not in taken)
    return lanes


def _captions(place: _Place, below: float) -> list[Shape]:
    x = (place.slot[0] + place.slot[1]) / 2
    return [Shape([(x, below + 15 * i)], color, text=text, size=size, bold=bold)
            for i, (text, size, bold, color) in enumerate(_lines(place.block)) if text]


def svg(picture: Picture) -> str:
    """The picture as an SVG document."""
    w, h = math.ceil(picture.width), math.ceil(picture.height)
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" viewBox="0 0 {w} {h}" '
             'font-family="Helvetica, Arial, DejaVu Sans, sans-serif">',
             f"<title>{escape(picture.title)}</title>", f'<rect width="{w}" height="{h}" fill="#ffffff"/>']
    for s in picture.shapes:
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in s.points)
        if s.text:
            x, y = s.points[0]
            anchor = "middle" if s.closed else "start"
            weight = ' font-weight="bold"' if s.bold else ""
            lines.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{s.size:g}" text-anchor="{anchor}" fill="{s.fill}"{weight}>'
                         f"{escape(s.text)}</text>")
        else:
            tag = "polygon" if s.closed else "polyline"
            stroke = f' stroke="{s.stroke}" stroke-width="{s.width:g}" stroke-linejoin="round"' if s.stroke != "none" else ""
            lines.append(f'<{tag} points="{points}" fill="{s.fill}"{stroke}/>')
    return "\n".join([*lines, "</svg>", ""])
