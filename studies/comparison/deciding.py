"""What it takes to decide a row that is undecided: more seeds of it and of the baseline, in hours of these machines."""

from __future__ import annotations

from collections.abc import Sequence

from studies.results.run_record import Run
from studies.results.units import group_by_unit
from studies.statistics.verdict import Verdict
from transfer.catalogue import CLASSIFICATION, task_of


def hours_needed(verdict: Verdict, metric: str, row: Sequence[Run], baseline: Sequence[Run]) -> float | None:
    """Hours of the further seeds, those of the baseline too, each trained and transferred as long as these took.

    A seed with several transfers is given as many again.

    Args:
        verdict: With the seeds that it needs.
        metric: Of a transfer, or top-1.
        row: Finished runs of the row.
        baseline: Of the baseline.

    Returns:
        None where nobody knows the seeds, or some run did not record its time.
    """
    if verdict.seeds_needed is None:
        return None
    tasks = tuple(dict.fromkeys((CLASSIFICATION, task_of(metric))))
    return hours_of_seeds(verdict.seeds_needed, tasks, (row, baseline))


def hours_of_seeds(seeds: int, tasks: Sequence[str], rows: Sequence[Sequence[Run]]) -> float | None:
    """Hours until each row has that many seeds of those tasks that it has some of; None where some are not recorded."""
    hours = [_hours_of(seeds, tasks, runs) for runs in rows]
    known = [each for each in hours if each is not None]
    return sum(known) if len(known) == len(hours) else None


def _hours_of(seeds: int, tasks: Sequence[str], runs: Sequence[Run]) -> float | None:
    total = 0.0
    for each in tasks:
        mine = [run for run in runs if run.task == each and not run.tuned]
        seconds = [run.seconds for run in mine if run.seconds is not None]
        if len(seconds) < len(mine):
            return None
        if mine:  # a trunk that was not trained here took no time
            units = len(group_by_unit(runs, mine))
            total += max(0, seeds - units) * sum(seconds) / units / 3600
    return total
