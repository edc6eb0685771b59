"""A comparison on a terminal: the finding first, in its width, and in colours where it has some."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from studies.comparison.compare import Comparison
from studies.report.forms.text import text_parts
from studies.report.front.finding import finding
from studies.report.terminal.table import WIDTH, wrapped
from studies.statistics.verdict import CARRIES_OVER, NO_DIFFERENCE, OPPOSITE, REVERSES, UNDECIDED

LEAST_WIDTH = 40
VERDICTS = {
    CARRIES_OVER: "bold green",
    "carry over": "bold green",
    REVERSES: "bold red",
    OPPOSITE: "bold red",
    NO_DIFFERENCE: "bold",
    UNDECIDED: "yellow",
}
WARNINGS = {"NOT ALIKE": "bold yellow", "NOT COMPARED": "bold yellow"}


def show(comparisons: Sequence[Comparison], names: Sequence[str]) -> None:
    """Print them one below the other, each below its name where it has one.

    A terminal's lines are as wide as it is, at most ``WIDTH``; those of a file or a pipe have that width.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without Δ shows ? and not a traceback
    terminal = sys.stdout.isatty()
    width = max(LEAST_WIDTH, min(WIDTH, shutil.get_terminal_size().columns)) if terminal else WIDTH
    for place, (comparison, name) in enumerate(zip(comparisons, names, strict=True)):
        if place:
            print(f"\n{'=' * width}\n")
        head = "\n".join(wrapped([*filter(None, [name]), f"{finding(comparison)}."], width))
        _print(head, *text_parts(comparison, width), terminal)


def answer_lines(comparisons: Sequence[Comparison], names: Sequence[str]) -> list[str]:
    """The finding of each, a line each, with its name where it has one."""
    return [
        f"answer{f' ({name})' if name else ''}: {finding(comparison)}."
        for comparison, name in zip(comparisons, names, strict=True)
    ]


def _print(head: str, body: str, notes: str, terminal: bool) -> None:
    if not terminal:
        print(f"{head}\n\n{body}\n{notes}")
        return
    parts = Text(head, "bold"), Text(f"\n{body}"), Text(notes)
    for part, styles in zip(parts, ({}, VERDICTS, WARNINGS), strict=True):
        for words, style in styles.items():
            part.highlight_words([words], style)
    Console(highlight=False).print(*parts, sep="\n", soft_wrap=True)
