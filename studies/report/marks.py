"""What is missing, unfinished or not alike, in few words, for the very cell that it concerns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from studies.comparison.cells import Cell
from studies.report.forms.records import Record, Records

MISSING, PARTIAL, UNLIKE = "missing", "partial", "unlike"
MOST_NAMED = 2
# Settings of a run that should be the same in all rows, and what a reader calls them.
_ALIKE = {
    "protocol": "protocol",
    "precision": "arithmetic",
    "batch_norm": "batch norm",
    "ops": "ops",
    "code": "code",
    "hardware.device": "device",
    "hardware.tf32": "TF32",
}


@dataclass(frozen=True)
class Mark:
    """One badge: its kind, which decides its look, and its words."""

    kind: str
    text: str


def run_marks(records: Records, row: tuple[str, str], baseline: tuple[str, str] | None, task: str) -> list[Mark]:
    """Of a row's runs on a task: what is not there, or was not run as the baseline's were, where it has some."""
    mine, waiting = records.of(row, task), records.waiting(row, task)
    marks = []
    if waiting:
        seeds = ", ".join(str(each.run.seed) for each in waiting)
        marks.append(Mark(PARTIAL, f"unfinished: seed {seeds}"))
    elif not mine:
        marks.append(Mark(MISSING, "not run"))
    most = records.most_runs(task)
    if 0 < len(mine) < most:
        marks.append(Mark(PARTIAL, f"{len(mine)} of {most} runs"))
    return marks + _unlike(mine, records.of(baseline, task) if baseline else [])


def cell_marks(cell: Cell) -> list[Mark]:
    """Of a number itself: a difference over fewer seeds than the row has."""
    difference = cell.difference
    if difference is None or difference.n[0] == cell.n:
        return []
    return [Mark(UNLIKE, f"{difference.n[0]} paired")]


def _unlike(mine: Sequence[Record], baseline: Sequence[Record]) -> list[Mark]:
    found = [text for keys, name in _ALIKE.items() if (text := _other(keys, name, mine, baseline))]
    packages = sorted({name for each in (*mine, *baseline) for name in each.find("versions", dict) or {}})
    others = [text for name in packages if (text := _other(f"versions.{name}", name, mine, baseline))]
    if len(others) > MOST_NAMED:
        others = [*others[:MOST_NAMED], f"{len(others) - MOST_NAMED} more"]
    if others:
        found.append(f"other versions: {', '.join(others)}")
    return [Mark(UNLIKE, text) for text in found]


def _other(keys: str, name: str, mine: Sequence[Record], baseline: Sequence[Record]) -> str | None:
    """The row's values where they are not the baseline's, or not the same in all its runs."""
    values, reference = _values(keys, mine), _values(keys, baseline)
    if not values or (len(values) == 1 and (not reference or values == reference[:1])):
        return None
    return f"{name} {' and '.join(values)}"


def _values(keys: str, records: Iterable[Record]) -> list[str]:
    found: list[Any] = [value for each in records for value in each.find_in_sessions(keys)]
    return list(dict.fromkeys(str(value) for value in found if value is not None))
