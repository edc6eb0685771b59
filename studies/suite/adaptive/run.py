"""An adaptive suite from its file to its report: look, decide what is worth more seeds, run these, look again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from backbones.errors import not_none
from studies.suite.adaptive.plan import with_looks
from studies.suite.adaptive.state import Arrangement, Question, Standing, standings
from studies.suite.adaptive.words import closing_lines, standing_lines
from studies.suite.comparison import baseline_row
from studies.suite.costs.estimate import Estimator
from studies.suite.definition import Suite
from studies.suite.executors.board import Board
from studies.suite.gate.controls import control_rows
from studies.suite.planned_run import PlannedRun
from studies.suite.run import (
    EXIT_MISSED,
    Conduct,
    Execute,
    Shown,
    Study,
    carry_out,
    compare_study,
    conclude,
    prepare,
    settle_suite,
    stopped_by,
)


@dataclass(frozen=True)
class Budget:
    """``hours`` of devices that a study may take, runs that are done included; ``estimator`` is made anew each time."""

    hours: float
    estimator: Callable[[], Estimator]

    def used_up(self, everything: Sequence[PlannedRun], chosen: Sequence[PlannedRun]) -> str | None:
        """Why the chosen runs are too many, in words; None where they are not. Unknown hours count nothing, and that is
        printed."""
        estimator = self.estimator()
        spent = sum(estimator.of(run).hours or 0.0 for run in everything if run.done)
        hours = [estimator.of(run).hours for run in chosen if not run.done]
        ahead = sum(each or 0.0 for each in hours)
        if unknown := hours.count(None):
            print(
                f"nobody knows yet how long {unknown} of the {len(hours)} runs of the next look take; not in the budget"
            )
        if spent + ahead <= self.hours:
            return None
        return (
            f"the budget of {self.hours:g} h ends the study here: {spent:.2g} h are used, and the next look would take "
            f"{ahead:.2g} h more; a larger --budget goes on"
        )


def run_adaptively(suite: Suite, conduct: Conduct, budget: Budget | None, execute: Execute, shown: Shown) -> int:
    """Run a suite look by look, until every question is closed or the budget is used.

    Args:
        suite: What to run.
        conduct: How; has the looks.
        budget: None: no limit.
        execute: Carries runs out.
        shown: Shows how it goes.

    Returns:
        The exit code, as ``studies.suite.run.run_suite``.

    Raises:
        UserError: As there; also no baseline, or one that several rows fit.
        KeyboardInterrupt: Stopped; the same command continues.
    """
    looks = not_none(conduct.looks)
    baseline = baseline_row(suite)
    study = prepare(with_looks(suite, looks), replace(conduct, seeds=None))
    arrangement = Arrangement(study.suite, study.everything, looks, baseline)
    rows = {run.row for run in study.wanted}
    answering = _Answering(study, arrangement, budget, execute, shown)
    if controls := control_rows(study.suite, rows):
        found, board, whole = answering.ask(controls)
        if not whole or stopped_by(study, {question: standing.verdict for question, standing in found.items()}):
            return conclude(study, board) or (EXIT_MISSED if whole else 0)
    found, board, _ = answering.ask(rows)
    print("\n".join(closing_lines(found, looks)), flush=True)
    return conclude(study, board)


@dataclass(frozen=True)
class _Answering:
    """What asking takes; arguments as of ``run_adaptively``."""

    study: Study
    arrangement: Arrangement
    budget: Budget | None
    execute: Execute
    shown: Shown

    def ask(self, rows: set[str]) -> tuple[dict[Question, Standing], Board, bool]:
        """Run the rows look by look until each question is closed; False: a run failed, or the budget was used up."""
        study, looks = self.study, self.arrangement.looks
        done = [run for run in study.everything if run.done and run.row in rows]
        board = carry_out(study, done, self.execute, self.shown)
        while True:
            found = standings(self.arrangement, rows, lambda: compare_study(study))
            print("\n".join(["", *standing_lines(found, looks)]), flush=True)
            chosen = _chosen(self.arrangement, found)
            if all(run.done for run in chosen) or board.broken():
                return found, board, not board.broken()
            if self.budget and (words := self.budget.used_up(study.everything, chosen)):
                print(words)
                return found, board, False
            board = carry_out(study, chosen, self.execute, self.shown)


def print_adaptive_plan(suite: Suite, conduct: Conduct, estimator: Estimator) -> None:
    """Print the looks, and what the least and the most comes to; nothing is run."""
    looks = not_none(conduct.looks)
    settled, wanted, everything = settle_suite(with_looks(suite, looks), replace(conduct, seeds=None))
    arrangement = Arrangement(settled, everything, looks, baseline_row(suite))
    questions = arrangement.questions({run.row for run in wanted})
    print(f"\nadaptive: looks after {', '.join(map(str, looks.counts))} seeds, {len(questions)} questions")
    for number, words in (
        (1, "if all are closed at the first look"),
        (len(looks.counts), "if none is before the last"),
    ):
        names = {run.name: run for question in questions for run in arrangement.needed(question, number)}
        hours = [estimator.of(run).hours for run in names.values()]
        known = [each for each in hours if each is not None]
        cost = f"{sum(known):.2g} h" if len(known) == len(hours) else "unknown hours"
        print(f"  {len(names):>4} runs, {cost}: {words}")


def _chosen(arrangement: Arrangement, found: Mapping[Question, Standing]) -> list[PlannedRun]:
    """The runs of all looks that there have been, and of the next one of every question that goes on."""
    wanted = {
        run.name: run
        for question, standing in found.items()
        for run in arrangement.needed(question, standing.looks + standing.going_on)
    }
    return [run for run in arrangement.everything if run.name in wanted]
