"""GPU-hours of the runs of a shipped suite, from what its plan states."""

from __future__ import annotations

from pathlib import Path

from backbones.errors import not_none
from backbones.runs.fingerprint import ROOT
from studies.simulation.spending.designs import Hours
from studies.simulation.truth import BASELINE
from studies.suite.commands import Parsers
from studies.suite.costs.estimate import Estimator
from studies.suite.planning import plan_runs
from studies.suite.reading import read_suite

NOWHERE = Path("no-runs")  # a folder without finished runs: stated figures alone


def hours_of(suite: str, parsers: Parsers) -> Hours:
    """Of a suite in ``suites/``, however many seeds and transfers it has now.

    Args:
        suite: Its name.
        parsers: Of the tools, by task.
    """
    estimator = Estimator(NOWHERE, gpu=True)
    rows: dict[str, dict[str, float]] = {}
    teachers = 0.0
    for run in plan_runs(read_suite(ROOT / "suites" / f"{suite}.yaml"), NOWHERE, parsers):
        hours = not_none(estimator.of(run).hours)
        if run.compared:
            rows.setdefault(run.row, {})[run.kind] = hours  # the same for every seed
        else:
            teachers += hours
    baseline = rows.pop(BASELINE)
    total = {task: sum(each[task] for each in rows.values()) for task in baseline}
    return Hours(total, baseline, teachers)
