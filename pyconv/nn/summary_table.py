"""A summary as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

HEAD = ("Layer", "Type", "Output shape", "Parameters", "Multiply-adds", "Activations", "Receptive field")


def text(found: Any) -> str:
    """The table of a `Summary`."""
    body = [(row.path or "(model)", row.type, shape_text(row.output_shape), f"{row.parameters:,}", f"{row.macs:,}",
             bytes_text(row.activation_bytes), _field_text(row.receptive_field)) for row in found.rows]
    total = ("Total", "", "", f"{found.total_parameters:,}", f"{found.total_macs:,}",
             bytes_text(found.total_activation_bytes), "")
    frozen = found.total_parameters - found.trainable_parameters
    note = f"{found.name}, input {shape_text(found.input_size)}: {bytes_text(found.parameter_bytes)} of parameters"
    note += f", {frozen:,} of them frozen" if frozen else ""
    notes = [note]
    if found.stopped:
        notes.append(f"As far as shapes lead; then values are needed: {found.stopped}")
    return "\n".join([*columns(HEAD, body, total, left=3), *notes])


def columns(head: Sequence[str], body: Sequence[Sequence[str]], total: Sequence[str], left: int) -> list[str]:
    """Lines of a table: the first ``left`` columns to the left, the others, numbers, to the right."""
    widths = [max(map(len, column)) for column in zip(head, *body, total, strict=True)]
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))

    def line(cells: Sequence[str]) -> str:
        return "  ".join(c.ljust(w) if i < left else c.rjust(w)
                         for i, (c, w) in enumerate(zip(cells, widths, strict=True))).rstrip()

    return [line(head), rule, *map(line, body), rule, line(total)]


def bytes_text(size: int) -> str:
    """40 B, 18.4 KiB, 1.2 MiB, 3.0 GiB."""
    if size < 1024:
        return f"{size} B" if size else "0"
    value, unit = size / 1024, "KiB"
    for larger in ("MiB", "GiB"):
        if value >= 1024:
            value, unit = value / 1024, larger
    return f"{value:,.1f} {unit}"


def shape_text(shape: Any) -> str:
    """1 x 3 x 32 x 32."""
    if shape is None:
        return "not called"
    if isinstance(shape, list):
        every = _flat(shape)
        if len(every) > 2:  # such as the outputs of a detector's heads
            return f"{shape_text(every[0])} and {len(every) - 1} more"
        return ", ".join(map(shape_text, every)) or "-"
    return " x ".join(map(str, shape)) or "scalar"


def _flat(shapes: Any) -> list[tuple[int, ...]]:
    """All shapes in lists of lists; what is no array has none."""
    if isinstance(shapes, list):
        return [shape for item in shapes for shape in _flat(item)]
    return [] if shapes is None else [shapes]


def _field_text(field: tuple[int, ...] | None) -> str:
    if field is None:
        return "-"
    return str(field[0]) if len(set(field)) == 1 else " x ".join(map(str, field))
