"""Where an adaptive suite stands: which questions are open, and which runs their next look needs.

A question is about a row and a task: the metric that the task is asked for (top-1 of a training), against the baseline.
It is open until it is decided, until all seeds are used, or until, from the second look on, its chance of being decided
by all seeds, if its difference and spread are those seen so far, is below ``LEAST_CHANCE``. To give up so can only lose
findings, never make one up. Everything follows from the finished runs, so a suite that was stopped goes on where it
was.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from studies.comparison.compare import Comparison
from studies.comparison.judging import TOP1
from studies.statistics.group_sequential import LEAST_CHANCE
from studies.statistics.looks import Looks, chance
from studies.statistics.verdict import UNDECIDED, Verdict
from studies.suite.comparison import names_of_rows
from studies.suite.definition import Suite
from studies.suite.planned_run import PlannedRun
from studies.suite.seeds import transfer_seed
from transfer.catalogue import CLASSIFICATION, questions

Question = tuple[str, str]  # row, task


@dataclass(frozen=True)
class Standing:
    """Of one question.

    Attributes:
        looks: How many looks there have been.
        verdict: At the last one; None before the first.
        chance: Of being decided by all seeds; None where it cannot be told.
        going_on: Whether it is to get its next look.
    """

    looks: int
    verdict: Verdict | None
    chance: float | None
    going_on: bool

    @property
    def undecided(self) -> bool:
        """Whether it is not decided, or not yet."""
        return self.verdict is None or self.verdict.outcome == UNDECIDED


class Arrangement:
    """Which planned runs belong to which question, and to which of its seeds.

    Args:
        suite: With every row at all seeds of ``looks``.
        runs: All of the suite.
        looks: The plan.
        baseline: Name of the baseline's row in the suite.
    """

    def __init__(self, suite: Suite, runs: Sequence[PlannedRun], looks: Looks, baseline: str) -> None:
        self.looks, self.baseline, self.everything = looks, baseline, runs
        self._all = {run.name: run for run in runs}
        most = max((task.transfers_per_training for task in suite.tasks.values()), default=1)
        most = max(most, *(row.transfers_per_training or 1 for row in suite.rows))
        order = {seed: place for place, seed in enumerate(looks.seeds)}
        places = {transfer_seed(seed, number): order[seed] for number in range(1, most + 1) for seed in looks.seeds}
        self._runs: dict[Question, list[tuple[int, PlannedRun]]] = {}
        for run in runs:
            if run.compared and run.seed is not None:
                place = order[run.seed] if run.kind == CLASSIFICATION else places[run.seed]
                self._runs.setdefault((run.row, run.kind), []).append((place, run))

    def questions(self, rows: Collection[str]) -> list[Question]:
        """Of those rows that are not the baseline, where the baseline has the task too."""
        return [
            (row, task)
            for row, task in self._runs
            if row in rows and row != self.baseline and (self.baseline, task) in self._runs
        ]

    def reached(self, question: Question) -> int:
        """How many looks the finished runs of a row and of the baseline allow."""
        both = [*self._runs[question], *self._runs[self.baseline, question[1]]]
        return sum(all(run.done for place, run in both if place < count) for count in self.looks.counts)

    def needed(self, question: Question, looks: int) -> list[PlannedRun]:
        """The runs of a number of looks at a question, with those that they build on, in the suite's order."""
        count = self.looks.counts[looks - 1] if looks else 0
        both = [*self._runs[question], *self._runs[self.baseline, question[1]]]
        wanted = {run.name for place, run in both if place < count}
        pending = list(wanted)
        while pending:
            for name in self._all[pending.pop()].needs:
                if name not in wanted:
                    wanted.add(name)
                    pending.append(name)
        return [run for name, run in self._all.items() if name in wanted]


def standings(
    arrangement: Arrangement, rows: Collection[str], compare: Callable[[], Comparison]
) -> dict[Question, Standing]:
    """Where every question stands; ``compare`` is asked once there has been a look at any."""
    asked = arrangement.questions(rows)
    reached = {question: arrangement.reached(question) for question in asked}
    verdicts: Mapping[Question, tuple[Verdict | None, float | None]] = {}
    if any(reached.values()):
        verdicts = _verdicts(compare(), arrangement, asked)
    return {question: _standing(reached[question], verdicts.get(question), arrangement.looks) for question in asked}


def _standing(reached: int, found: tuple[Verdict | None, float | None] | None, looks: Looks) -> Standing:
    if not reached:
        return Standing(0, None, None, True)
    verdict, chance = found or (None, None)
    hopeful = chance is None or chance >= LEAST_CHANCE or reached == 1
    standing = Standing(reached, verdict, chance, hopeful and reached < len(looks.counts))
    return standing if standing.undecided else replace(standing, going_on=False)


def _verdicts(
    comparison: Comparison, arrangement: Arrangement, asked: Sequence[Question]
) -> dict[Question, tuple[Verdict | None, float | None]]:
    metrics = {CLASSIFICATION: TOP1, **questions()}
    found: dict[Question, tuple[Verdict | None, float | None]] = {}
    for row, name in zip(comparison.rows, names_of_rows(comparison, arrangement.everything), strict=True):
        for task, metric in metrics.items():
            cell = row.cells.get(metric)
            if name is not None and (name, task) in asked and cell and cell.difference and cell.verdict:
                likely = chance(cell.difference, cell.verdict.margin, arrangement.looks)
                found[name, task] = cell.verdict, likely
    return found
