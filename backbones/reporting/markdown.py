"""Text and tables in Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from backbones.reporting.printable import printable

MISSING = "–"  # noqa: RUF001 - a value that is not there; an en dash, so that nobody takes it for a minus sign
_NARROWEST = 2  # a rule of "-:" and not of ":"
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_MARKS = re.compile(r"[&<>\\`*\[\]]")


def escape(text: object) -> str:
    """A text of others as Markdown shows it: no HTML, no link, no picture from elsewhere, and on one line.

    What stands within words of names (``resnet50_d``) is left alone.
    """
    return _MARKS.sub(lambda mark: _HTML.get(mark[0], f"\\{mark[0]}"), printable(text))


def code(text: object) -> str:
    """A text as code within a line, with a fence longer than any in it."""
    shown = printable(text)
    fence = "`" * (1 + max(map(len, re.findall("`+", shown)), default=0))
    return f"{fence} {shown} {fence}" if len(fence) > 1 else f"`{shown}`"


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
