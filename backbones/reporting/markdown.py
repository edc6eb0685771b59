"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

MISSING = "–"  # noqa: RUF001 - a value that is not there; an en dash, so that nobody takes it for a minus sign
_NARROWEST = 2  # a rule of "-:" and not of ":"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose columns are straight as plain text too: the first to the left, the others to the right."""
    lines = [[cell.replace("|", "\\|") for cell in line] for line in (header, *rows)]
    widths = [max(_NARROWEST, *map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    text = []
    for first, *others in lines:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        text.append(f"| {' | '.join(cells)} |")
    return "\n".join(text)
