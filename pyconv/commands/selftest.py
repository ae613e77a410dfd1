"""``pyconv selftest``: the lectures' worked numbers, computed again."""

from __future__ import annotations

import argparse
from typing import Any

from pyconv.commands import choose

NAME = "selftest"
HELP = "compute the worked numbers of four lectures on convolutional networks and compare them with the slides"
EXAMPLE = "pyconv selftest --only T02 T14"
_WIDTH = 40  # of a cell in the table; --json has all of it


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--only", nargs="+", metavar="TEST", help="these tests, such as T02 (default: all)")
    parser.add_argument("--no-slips", action="store_true", help="leave out the list of what the slides got wrong")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Every claim in float64 and float32; ``failed`` makes the exit status 1."""
    from pyconv import course, runtime

    known = [item.test for item in course.items()]
    names = None if args.only is None else [choose("test", name, known) for name in args.only]
    rows = course.run(names)
    wrong = len([row for row in rows if not row.ok])
    chosen = {row.test for row in rows}
    return {
        "isa": runtime.isa(),
        "tests": len(chosen),
        "claims": len(rows),
        "ok": len(rows) - wrong,
        "wrong": wrong,
        "failed": wrong > 0,
        "rows": [row._asdict() for row in rows],
        "slips": [] if args.no_slips else [slip._asdict() for slip in course.SLIPS
                                           if names is None or chosen & set(slip.tests)],
    }


def show(result: dict[str, Any], args: argparse.Namespace) -> None:
    """A table, the slides' slips, and a line of counts."""
    head = {"test": "test", "slide": "slide", "what": "what", "expected": "expected", "got": "got", "ok": "ok"}
    cells = [[_text(row[key]) for key in head] for row in (head, *result["rows"])]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    if result["slips"]:
        print("\nWhere the slides differ:")
    for slip in result["slips"]:
        shown = f" ({', '.join(slip['tests'])})" if slip["tests"] else ""
        print(f"{slip['number']}  {slip['slide']}\n     says: {slip['says']}\n     right: {slip['right']}{shown}")
    print(f"\n{result['tests']} tests, {result['claims']} claims in float64 and float32 on {result['isa']}: "
          f"{result['ok']} ok, {result['wrong']} wrong")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, float):
        return f"{value:.10g}"
    text = "[" + ", ".join(map(_text, value)) + "]" if isinstance(value, (list, tuple)) else str(value)
    return text if len(text) <= _WIDTH else text[: _WIDTH - 3] + "..."
