"""What the page tells of a run beyond its numbers: the whole of its ``result.json`` or ``run.json``, loosely read.

``studies.results.run_record`` has checked what the comparison itself rests on, and ``backbones.runs.record`` the types
of the rest, which is shown where it is there: older runs, and those of other tools, lack some of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from backbones.runs.record import read_record
from studies.comparison.compare import Comparison
from studies.results.run_record import Run

Kind = TypeVar("Kind")
RowKey = tuple[str, str]  # recipe and network


@dataclass(frozen=True)
class Record:
    """A run and everything that its file says; ``folder`` is as seen from the compared one."""

    run: Run
    folder: str
    content: dict[str, Any]

    def find(self, keys: str, kind: type[Kind]) -> Kind | None:
        """What stands under keys with dots between; None unless it is of that kind. Whole numbers are floats too."""
        found = _look_up(self.content, keys)
        if kind is float and isinstance(found, int) and not isinstance(found, bool):
            found = float(found)
        return found if isinstance(found, kind) else None

    def find_in_sessions(self, keys: str) -> list[Any]:
        """What stands there for the run's beginning, and for each resumption that was made with something else."""
        later = [_look_up(start, keys) for start in self.find("sittings", list) or []]
        return [_look_up(self.content, keys), *(value for value in later if value is not None)]


@dataclass(frozen=True)
class Records:
    """All runs of a comparison, read once."""

    finished: tuple[Record, ...]
    unfinished: tuple[Record, ...]

    @cached_property
    def _places(self) -> dict[tuple[RowKey, str, bool], list[Record]]:
        places: dict[tuple[RowKey, str, bool], list[Record]] = {}
        for each in sorted(self.finished, key=lambda one: one.run.seed):
            places.setdefault((each.run.row, each.run.task, each.run.tuned is not None), []).append(each)
        return places

    def of(self, row: RowKey, task: str, tuned: bool = False) -> list[Record]:
        """Finished runs of a row on one task, in the order of their seeds."""
        return self._places.get((row, task, tuned), [])

    def most_runs(self, task: str) -> int:
        """Runs of the row that has the most on a task, tuned ones aside."""
        return max(
            (len(found) for (_, of, tuned), found in self._places.items() if of == task and not tuned), default=0
        )

    def waiting(self, row: RowKey, task: str) -> list[Record]:
        """Unfinished runs of a row on one task."""
        return [each for each in self.unfinished if each.run.row == row and each.run.task == task]


def read_records(comparison: Comparison) -> Records:
    """The records of all runs.

    Raises:
        UserError: A file has disappeared since the comparison was made.
    """
    return Records(
        *(
            tuple(_read(run, comparison.root) for run in runs)
            for runs in (comparison.tree.finished, comparison.tree.unfinished)
        )
    )


def _read(run: Run, root: Path) -> Record:
    return Record(run, run.path.parent.relative_to(root).as_posix(), read_record(run.path))


def _look_up(content: Any, keys: str) -> Any:
    for key in keys.split("."):
        content = content.get(key) if isinstance(content, dict) else None
    return content


def known(values: Iterable[Kind | None]) -> list[Kind]:
    """Those that are there."""
    return [value for value in values if value is not None]
