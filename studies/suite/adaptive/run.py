"""An adaptive suite from its file to its report: look, decide what is worth more seeds, run these, look again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from backbones.errors import UserError, not_none
from studies.comparison.compare import Comparison, compare_runs
from studies.statistics.looks import Looks
from studies.suite.adaptive.plan import with_looks
from studies.suite.adaptive.state import Arrangement, Question, Standing, standings
from studies.suite.adaptive.words import closing_lines, standing_lines
from studies.suite.comparison import FOLDER, label_of_baseline, link_runs, stated_recipes
from studies.suite.costs.estimate import Estimator
from studies.suite.definition import Suite
from studies.suite.planned_run import PlannedRun
from studies.suite.run import Conduct, Execute, Shown, Study, carry_out, conclude, prepare, settle_suite


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
    board = carry_out(study, [run for run in study.everything if run.done and run.row in rows], execute, shown)
    while True:
        found = standings(arrangement, rows, lambda: _compare(study, looks))
        print("\n".join(["", *standing_lines(found, looks)]), flush=True)
        chosen = _chosen(arrangement, found)
        if all(run.done for run in chosen) or board.broken():
            break
        if budget and (words := budget.used_up(study.everything, chosen)):
            print(words)
            break
        board = carry_out(study, chosen, execute, shown)
    print("\n".join(closing_lines(found, looks)), flush=True)
    return conclude(study, board)


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


def baseline_row(suite: Suite) -> str:
    """The name, in a suite, of the row that the others are compared with.

    Raises:
        UserError: It names none, or one that several rows fit.
    """
    fitting = [
        row.name
        for row in suite.rows
        if suite.baseline
        and suite.baseline
        in (row.name, row.recipe, f"{row.recipe} ({row.network})", row.source.source if row.source else row.name)
    ]
    if len(fitting) == 1:
        return fitting[0]
    raise UserError(
        f"{suite.path}: the baseline, {suite.baseline}, fits {len(fitting)} rows; an adaptive suite needs one of "
        f"{', '.join(row.name for row in suite.rows)}"
    )


def _chosen(arrangement: Arrangement, found: Mapping[Question, Standing]) -> list[PlannedRun]:
    """The runs of all looks that there have been, and of the next one of every question that goes on."""
    wanted = {
        run.name: run
        for question, standing in found.items()
        for run in arrangement.needed(question, standing.looks + standing.going_on)
    }
    return [run for run in arrangement.everything if run.name in wanted]


def _compare(study: Study, looks: Looks) -> Comparison:
    out = study.conduct.out
    link_runs(study.everything, out, looks)
    stated = dict(each.rsplit("=", 1) for each in stated_recipes(study.everything, study.suite))
    return compare_runs(out / FOLDER, label_of_baseline(study.everything, study.suite), stated_recipes=stated)
