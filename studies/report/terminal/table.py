"""Tables and paragraphs of a terminal: aligned, and never wider than they may be."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from backbones.reporting.printable import printable
from studies.report.forms.grids import Grid

WIDTH = 120
_BETWEEN = "  "
DIFFERENCE = "Δ"
SECOND_NAME = "row"  # heads a second column of names


def text_table(grid: Grid, width: int = WIDTH) -> list[str]:
    """Lines of a table: names to the left, all else to the right.

    Columns that do not fit go on below in further tables with the same names; a name, or a cell, that leaves no room
    for anything beside it is shortened.
    """
    lines = [[printable(cell) for cell in line] for line in grid]
    fits = sum(max(map(len, column)) + len(_BETWEEN) for column in zip(*lines, strict=True)) - len(_BETWEEN) <= width
    if not fits and lines[0][1] == SECOND_NAME:
        lines = [[_BETWEEN.join(line[:2]), *line[2:]] for line in _aligned(lines)]
    names = [_shortened(line[0], max(8, width // 2)) for line in lines]
    room = width - max(map(len, names)) - len(_BETWEEN)
    columns = [[_shortened(line[place], room) for line in lines] for place in range(1, len(lines[0]))]
    shown: list[str] = []
    heads = lines[0][1:]
    for block in _blocks([max(map(len, column)) for column in columns], heads, room):
        shown += _block(names, [columns[place] for place in block])
    return shown


def _aligned(lines: Sequence[Sequence[str]]) -> list[list[str]]:
    """The first cell of each line as wide as the widest of them."""
    width = max(len(line[0]) for line in lines)
    return [[line[0].ljust(width), *line[1:]] for line in lines]


def _blocks(widths: Sequence[int], heads: Sequence[str], room: int) -> list[list[int]]:
    """Columns that fit beside each other, in their order; a difference stays beside what it is a difference of."""

    def fits(places: Sequence[int]) -> bool:
        return sum(widths[each] for each in places) + len(_BETWEEN) * (len(places) - 1) <= room

    groups: list[list[int]] = []
    for place, head in enumerate(heads):
        if head == DIFFERENCE and groups and fits([*groups[-1], place]):
            groups[-1].append(place)
        else:
            groups.append([place])
    blocks: list[list[int]] = []
    for group in groups:
        if blocks and fits([*blocks[-1], *group]):
            blocks[-1] += group
        else:
            blocks.append(group)
    return blocks


def _block(names: Sequence[str], columns: Sequence[Sequence[str]]) -> list[str]:
    left = max(map(len, names))
    widths = [max(map(len, column)) for column in columns]
    table = []
    for place, name in enumerate(names):
        cells = (column[place].rjust(width) for column, width in zip(columns, widths, strict=True))
        table.append(_BETWEEN.join([name.ljust(left), *cells]).rstrip())
    rule = "-" * max(map(len, table))
    return [table[0], rule, *table[1:], rule]


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: max(1, most) - 1]}…"


def wrapped(paragraphs: Sequence[str], width: int = WIDTH) -> list[str]:
    """Each on lines of at most that many characters; a word that is longer is not broken."""
    shown = map(printable, paragraphs)
    return [textwrap.fill(text, width, subsequent_indent="  ", break_long_words=False) for text in shown]
