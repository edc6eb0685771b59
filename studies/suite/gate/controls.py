"""Controls: rows whose verdict is known beforehand.

A study that cannot see a known effect cannot say that another one is absent, and one that sees an effect where there is
none errs. So the controls of a suite come before its other rows, and where one comes out otherwise the study stops.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from backbones.cli.yaml_section import Section
from studies.comparison.compare import Comparison
from studies.comparison.judging import TOP1
from studies.statistics.verdict import CARRIES_OVER, DIFFERS, OUTCOMES, REVERSES, Verdict
from studies.suite.comparison import names_of_rows
from studies.suite.definition import Control, Suite, SuiteRow
from studies.suite.planned_run import PlannedRun
from transfer.catalogue import CLASSIFICATION, questions

NO_SIGN = "no sign"
WANTED = (*OUTCOMES, NO_SIGN)
Question = tuple[str, str]  # row, task


def read_controls(document: Section, rows: Sequence[SuiteRow]) -> tuple[Control, ...]:
    """``controls:`` of a suite: row to the verdict that it must have in every task, or "no sign".

    Raises:
        UserError: No such row, no such verdict, or the baseline, which has no verdict.
    """
    section = document.section("controls", [row.name for row in rows])
    found = []
    for name in section:
        wanted = section.text(name)
        if wanted not in WANTED:
            section.refuse(name, wanted, f"one of {', '.join(WANTED)}")
        if name == document.text("baseline"):
            section.error(name, "is the baseline, which has no verdict; name another row")
        found.append(Control(name, wanted))
    return tuple(found)


def control_rows(suite: Suite, asked: Iterable[str]) -> set[str]:
    """Of the rows that are asked for, the controls; empty where there are none, or nothing else."""
    asked, controls = set(asked), {control.row for control in suite.controls}
    return asked & controls if asked - controls - {suite.baseline} else set()


def unmet(controls: Iterable[Control], verdicts: Mapping[Question, Verdict | None]) -> list[str]:
    """A line for each question of a control that came out otherwise."""
    lines = []
    for control in controls:
        for (row, task), verdict in verdicts.items():
            outcome = verdict.outcome if verdict else "without a verdict"
            if row == control.row and not _is_met(control.wanted, outcome):
                lines.append(f"CONTROL: {row}, {task}, is {outcome}, and has to be: {control.wanted}")
    return lines


def _is_met(wanted: str, outcome: str) -> bool:
    return outcome not in (CARRIES_OVER, REVERSES, DIFFERS) if wanted == NO_SIGN else outcome == wanted


def verdicts_of(
    comparison: Comparison, runs: Sequence[PlannedRun], rows: Iterable[str]
) -> dict[Question, Verdict | None]:
    """The verdicts of some rows by the suite's names, for each task that they have runs of."""
    metrics = {CLASSIFICATION: TOP1, **questions()}
    wanted = {(run.row, run.kind): None for run in runs if run.compared and run.row in set(rows)}
    found: dict[Question, Verdict | None] = dict(wanted)
    for row, name in zip(comparison.rows, names_of_rows(comparison, runs), strict=True):
        for task, metric in metrics.items():
            if (name, task) in found and metric in row.cells:
                found[name or "", task] = row.cells[metric].verdict
    return found
