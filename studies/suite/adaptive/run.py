"""An adaptive suite from its file to its report: look, decide what is worth more seeds, run these, look again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from backbones.errors import UserError
from studies.comparison.compare import Comparison, compare_runs
from studies.results.looks_file import write_looks
from studies.statistics.looks import Looks
from studies.suite.adaptive.plan import with_looks
from studies.suite.adaptive.state import LEAST_CHANCE, Arrangement, Question, Standing, standings
from studies.suite.adaptive.words import look_lines, standing_line
from studies.suite.comparison import FOLDER, link_runs, stated_recipes
from studies.suite.costs.estimate import Estimator
from studies.suite.definition import Suite
from studies.suite.executors.board import Board
from studies.suite.executors.local import Reporter
from studies.suite.planned_run import PlannedRun
from studies.suite.run import Conduct, Execute, carry_out, conclude, prepare, settle_suite

__all__ = ["LEAST_CHANCE", "Budget", "run_adaptively"]


@dataclass(frozen=True)
class Budget:
    """Device-hours that the study may take, runs that are done included, and how they are estimated."""

    hours: float
    estimator: Estimator

    def spent(self, runs: Sequence[PlannedRun]) -> float:
        """Hours of what is done, as recorded or estimated."""
        return sum(self.estimator.of(run).hours or 0.0 for run in runs if run.done)

    def ahead(self, runs: Sequence[PlannedRun]) -> float:
        """Hours of what is not; a run that nobody can estimate counts nothing."""
        return sum(self.estimator.of(run).hours or 0.0 for run in runs if not run.done)


def run_adaptively(
    suite: Suite,
    conduct: Conduct,
    looks: Looks,
    budget: Callable[[], Budget] | None,
    execute: Execute,
    shown: Callable[[Board], AbstractContextManager[Reporter]],
) -> int:
    """Run a suite look by look, until every question is closed or the budget is used.

    Args:
        suite: What to run.
        conduct: How.
        looks: The plan.
        budget: Made anew before every look, when more is known of what runs take; None: no limit.
        execute: Carries runs out.
        shown: Shows how it goes.

    Returns:
        The exit code, as ``studies.suite.run.run_suite``.

    Raises:
        UserError: As there; also rows of which none is the baseline.
        KeyboardInterrupt: Stopped; the same command continues.
    """
    suite, runs, everything = settle_suite(with_looks(suite, looks), conduct)
    arrangement = Arrangement(suite, everything, looks, baseline_row(suite))
    rows = {run.row for run in runs}
    prepare(suite, runs, everything, conduct)
    chosen: list[PlannedRun] = []
    board = Board([])
    while True:
        found = standings(arrangement, rows, lambda: _compare(suite, everything, looks, conduct))
        chosen = _chosen(arrangement, found, everything)
        print("\n".join(look_lines(found, looks)), flush=True)
        if all(run.done for run in chosen) or (budget and _is_used_up(budget(), everything, chosen)):
            break
        board = carry_out(chosen, conduct, execute, shown)
        if board.broken():
            break
    _last_words(found)
    done = Board(chosen)
    return conclude(suite, everything, board if board.all else _looked_at(done), conduct.out, looks)


def baseline_row(suite: Suite) -> str:
    """The name, in a suite, of the row that the others are compared with.

    Raises:
        UserError: It names none, or one that several rows fit.
    """
    wanted = suite.baseline
    fitting = [
        row.name
        for row in suite.rows
        if wanted
        in (row.name, row.recipe, f"{row.recipe} ({row.network})", row.source.source if row.source else row.recipe)
    ]
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(row.name for row in suite.rows)
    raise UserError(
        f"{suite.path}: baseline: {wanted} fits {len(fitting)} rows; an adaptive suite needs to know which it is of {names}"
    )


def _chosen(
    arrangement: Arrangement, found: Mapping[Question, Standing], everything: Sequence[PlannedRun]
) -> list[PlannedRun]:
    """The runs of all looks that there have been, and of the next one of every question that goes on."""
    wanted: set[str] = set()
    for question, standing in found.items():
        wanted |= {run.name for run in arrangement.needed(question, standing.looks + standing.going_on)}
    return [run for run in everything if run.name in wanted]


def _compare(suite: Suite, everything: Sequence[PlannedRun], looks: Looks, conduct: Conduct) -> Comparison:
    link_runs(everything, conduct.out)
    write_looks(conduct.out / FOLDER, looks)
    stated = dict(each.rsplit("=", 1) for each in stated_recipes(everything, suite))
    return compare_runs(conduct.out / FOLDER, suite.baseline, stated_recipes=stated)


def _is_used_up(budget: Budget, everything: Sequence[PlannedRun], chosen: Sequence[PlannedRun]) -> bool:
    spent, ahead = budget.spent(everything), budget.ahead(chosen)
    if spent + ahead <= budget.hours:
        return False
    print(
        f"the budget of {budget.hours:g} h ends the study here: {spent:.2g} h are used, and the next look would take "
        f"{ahead:.2g} h more; a larger --budget goes on"
    )
    return True


def _last_words(found: Mapping[Question, Standing]) -> None:
    still = [question for question, standing in found.items() if standing.is_undecided]
    print(f"{len(found) - len(still)} of {len(found)} questions are decided")
    for question in still:
        print(f"  undecided: {standing_line(question, found[question])}")


def _looked_at(board: Board) -> Board:
    for status in board.all.values():
        status.mark_done()
    return board
