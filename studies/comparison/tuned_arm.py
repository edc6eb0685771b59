"""The tuned arm of a comparison: every row with the best configuration of a search of its own, one section per task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from backbones.errors import not_none
from studies.comparison.cells import Cell, measure_cell, shown_metrics
from studies.comparison.judging import judge_and_plan
from studies.results.replicates import Noise
from studies.results.run_record import TUNED, Run
from transfer.catalogue import TASKS

Rows = Mapping[str, Sequence[Run]]  # by the name that the comparison shows


@dataclass(frozen=True)
class TunedRow:
    """A row's tuned runs on one task; without any, ``runs`` is empty and the cells have no mean.

    Attributes:
        searches: The different numbers of configurations tried, in ascending order.
        chosen: Seed -> the options that were chosen, as written.
        cells: Of the task's metrics; the difference is that from the baseline's tuned runs, and no paper beside it.
        runs: Paths of result files below the compared folder.
    """

    name: str
    searches: tuple[int, ...]
    chosen: dict[int, dict[str, str]]
    cells: dict[str, Cell]
    runs: tuple[str, ...]


@dataclass(frozen=True)
class TunedTask:
    """All rows of the comparison on one task that has tuned runs."""

    task: str
    rows: tuple[TunedRow, ...]


def tuned_tasks(
    rows: Rows, baseline: str, root: Path, noise: Noise, directions: Mapping[str, int]
) -> tuple[TunedTask, ...]:
    """The tuned arm of each task that has one; empty without tuned runs.

    ``directions`` are those of the rows' top-1, by name, which are the same in both arms.
    """
    return tuple(_task(task, rows, baseline, root, noise, directions) for task in _tasks(rows))


def _task(task: str, rows: Rows, baseline: str, root: Path, noise: Noise, directions: Mapping[str, int]) -> TunedTask:
    there = shown_metrics(run for row in rows.values() for run in row if run.tuned)
    metrics = [metric for metric in there if metric in TASKS[task].keys]
    found = []
    for name, runs in rows.items():
        reference = None if name == baseline else rows.get(baseline, [])
        cells = {metric: measure_cell(metric, runs, reference, noise, TUNED) for metric in metrics}
        found.append(_row(name, [run for run in runs if run.tuned and run.task == task], cells, root))
    known = {place: directions[row.name] for place, row in enumerate(found)}
    judged = judge_and_plan([row.cells for row in found], known)
    return TunedTask(task, tuple(replace(row, cells=cells) for row, cells in zip(found, judged, strict=True)))


def _tasks(rows: Rows) -> list[str]:
    there = {run.task for row in rows.values() for run in row if run.tuned}
    return [task for task in TASKS if task in there]


def _row(name: str, runs: Sequence[Run], cells: dict[str, Cell], root: Path) -> TunedRow:
    return TunedRow(
        name=name,
        searches=tuple(sorted({run.tuned.search for run in runs if run.tuned})),
        chosen={run.seed: run.tuned.changed for run in runs if run.tuned},
        cells=cells,
        runs=tuple(run.path.relative_to(root).as_posix() for run in runs),
    )


def tuning_notes(rows: Rows, baseline: str) -> list[str]:
    """How to read the tuned arm, and what was chosen in it; empty without tuned runs."""
    tasks = _tasks(rows)
    if not tasks:
        return []
    notes = [
        "tuned: of each row the best of N configurations, N as told; Δ from the baseline's tuned runs. Unless the "
        "choice was made on other images, it was made on the evaluation images: then these are the best of N numbers "
        "looked at there, higher than new images would give, the more so the larger N, and no interval covers that. "
        "The paper's numbers stand beside the fixed protocol only."
    ]
    return notes + [note for task in tasks for note in _task_notes(task, rows, baseline)]


def _task_notes(task: str, rows: Rows, baseline: str) -> list[str]:
    tuned = {name: [run for run in row if run.tuned and run.task == task] for name, row in rows.items()}
    notes = [f"{task}, tuned to: {'; '.join(f'{name}: {_choices(runs)}' for name, runs in tuned.items() if runs)}."]
    if not tuned.get(baseline):
        notes.append(f'{task}, tuned: no runs of the row "{baseline}", so no Δ.')
    fixed = [run for row in rows.values() for run in row if run.task == task and not run.tuned]
    if fixed and not any(run.fixed_hash for run in fixed):  # one is enough: they share their config_hash
        notes.append(
            f"NOT CHECKED: the fixed {task} runs are of an older version and record no fixed_hash, so the tuned ones "
            "may differ from them in more than what may be tuned."
        )
    return notes


def _choices(runs: Sequence[Run]) -> str:
    """The chosen options; with their seeds where these differ."""
    choices: dict[str, list[str]] = {}
    for run in runs:
        words = " ".join(f"{key}={value}" for key, value in not_none(run.tuned).changed.items())
        choices.setdefault(words or "what its file has", []).append(str(run.seed))
    if len(choices) == 1:
        return next(iter(choices))
    return ", ".join(f"{words} (seed {', '.join(seeds)})" for words, seeds in choices.items())
