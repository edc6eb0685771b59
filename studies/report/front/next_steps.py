"""What to do about rows that are undecided: how many seeds, for how many hours, and the command that adds them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from backbones.errors import not_none
from backbones.reporting.numbers import two_digits
from studies.comparison.compare import Comparison
from studies.comparison.deciding import hours_needed, hours_of_seeds
from studies.report.forms.records import Record, Records
from studies.report.front.finding import asked_places
from studies.report.words import joined, label
from studies.statistics.looks import training_seeds
from studies.statistics.verdict import UNDECIDED
from transfer.catalogue import TASKS, metric_names, questions

LEAST_SEEDS = 2  # that tell a difference from noise


@dataclass(frozen=True)
class Undecided:
    """A row in a metric: the seeds there are, those that would decide, and the hours of the difference, in words."""

    row: str
    metric: str
    have: int
    needed: int
    hours: str


@dataclass(frozen=True)
class NextSteps:
    """What is undecided, and how to add seeds.

    Attributes:
        undecided: Row by row; those of which nobody knows how many seeds would decide are not among them.
        seeds: All that the rows should have, those that they have included.
        added: Those of them that no run has, in words.
        commands: That add them; to be completed by hand where ``complete`` is off.
        complete: Whether the commands can be run as they are.
        hours: Of all rows together, in words; empty where some run did not record its time.
    """

    undecided: tuple[Undecided, ...]
    seeds: tuple[int, ...]
    added: str
    commands: tuple[str, ...]
    complete: bool
    hours: str


def next_steps(comparison: Comparison, records: Records, seeds_command: str | None = None) -> NextSteps | None:
    """None where nothing is undecided, or nobody knows what would decide it.

    Args:
        comparison: Whose rows.
        records: Its runs.
        seeds_command: That a suite is continued by, up to and with ``--seeds``.
    """
    found = [
        each
        for place in asked_places(comparison)
        for metric in questions().values()
        if (each := _undecided(comparison, place, metric)) is not None
    ]
    if not found:
        return None
    needed = max(each.needed for each in found)
    there = training_seeds(each.run.seed for each in records.finished)
    seeds = sorted(there)
    while len(seeds) < needed:
        seeds.append(next(seed for seed in range(len(seeds) + 1) if seed not in seeds))
    added = [seed for seed in sorted(seeds) if seed not in there]
    rows = comparison.tree.rows().values()
    hours = hours_of_seeds(needed, tuple(TASKS), list(rows))
    commands = [f"{seeds_command} {' '.join(map(str, sorted(seeds)))}"] if seeds_command else _models(records, added)
    if comparison.tree.looks:  # its suite adds them by its plan
        commands = []
    return NextSteps(
        tuple(found),
        tuple(sorted(seeds)),
        joined(_runs_of(added)),
        tuple(commands),
        seeds_command is not None,
        "" if hours is None else two_digits(hours),
    )


def _undecided(comparison: Comparison, place: int, metric: str) -> Undecided | None:
    row = comparison.rows[place]
    cell = row.cells[metric]
    if cell.verdict is None or cell.verdict.outcome != UNDECIDED:
        return None
    difference = not_none(cell.difference)
    verdict = cell.verdict
    if difference.interval is None:
        looks = comparison.tree.looks
        verdict = replace(verdict, seeds_needed=looks.counts[0] if looks else LEAST_SEEDS)
    if verdict.seeds_needed is None:
        return None
    runs, baseline = comparison.tree.rows(), not_none(comparison.baseline_row)
    hours = hours_needed(verdict, metric, runs[row.recipe, row.network], runs[baseline.recipe, baseline.network])
    return Undecided(
        label(row, comparison.rows),
        metric_names()[metric],
        min(difference.n),
        verdict.seeds_needed,
        "" if hours is None else two_digits(hours),
    )


def _runs_of(numbers: Sequence[int]) -> list[str]:
    """Ascending numbers, three or more in a row as "3 to 9"."""
    runs: list[list[int]] = []
    for each in numbers:
        if runs and each == runs[-1][-1] + 1:
            runs[-1].append(each)
        else:
            runs.append([each])
    return [text for run in runs for text in ([f"{run[0]} to {run[-1]}"] if len(run) > 2 else map(str, run))]


def _models(records: Records, added: Sequence[int]) -> list[str]:
    """The commands of the runs with the highest seed, one for each row and task, with the first seed that is added."""
    last: dict[tuple[object, str], Record] = {}
    for each in sorted(records.finished, key=lambda record: record.run.seed):
        if each.run.tuned is None:
            last[each.run.row, each.run.task] = each
    commands = [command for each in last.values() if (command := each.find("command", str))]
    seed = added[0] if added else "N"
    return [re.sub(r"(--seed[ =])\d+", rf"\g<1>{seed}", command) for command in commands]
