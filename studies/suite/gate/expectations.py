"""The gate: metrics that a suite must reach, and those that it missed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean

from backbones.cli.yaml_section import Section
from backbones.errors import did_you_mean
from backbones.recipes.recipe import RANDOM_RECIPE
from studies.suite.definition import Expectation, SuiteRow
from transfer.catalogue import CLASSIFICATION, TASKS

LIMITS = ("value", "tolerance", "at-least", "at-most")


def read_expectations(document: Section, rows: Sequence[SuiteRow]) -> tuple[Expectation, ...]:
    """``expected:`` of a suite: row, metric, and ``{value, tolerance}``, ``{at-least}`` or ``{at-most}``.

    Raises:
        UserError: No such row or metric, a metric of a task that the row has no run of, or no limit.
    """
    by_row = document.section("expected", [row.name for row in rows])
    return tuple(
        _read(by_row.section(row.name).section(metric, LIMITS), row.name, metric)
        for row in rows
        if row.name in by_row
        for metric in _checked_metrics(by_row.section(row.name), row)
    )


def _checked_metrics(section: Section, row: SuiteRow) -> Iterator[str]:
    trained = (CLASSIFICATION,) if row.source is None and row.recipe != RANDOM_RECIPE else ()
    for metric in section:
        known = [key for entry in TASKS.values() for key in entry.keys]
        if metric not in known:
            section.error(metric, f"no such metric; {did_you_mean(metric, known)}there are {', '.join(known)}")
        if not any(metric in TASKS[task].keys for task in (*trained, *row.tasks)):
            section.error(metric, "the row has no run that measures it; take it away")
        yield metric


def _read(section: Section, row: str, metric: str) -> Expectation:
    value, tolerance, least, most = map(section.number, LIMITS)
    for name in LIMITS:
        number = section.number(name)
        if number is not None and not 0 <= number <= 100:
            section.refuse(name, number, "a percentage")
    if value is None:
        if tolerance is not None or (least is None and most is None):
            section.error("", "needs value and tolerance, at-least, or at-most")
        limits = [("at least", least), ("at most", most)]
        said = " and ".join(f"{word} {limit:g}" for word, limit in limits if limit is not None)
        return Expectation(row, metric, least, most, said)
    if tolerance is None or least is not None or most is not None:
        section.error("", "value goes with tolerance, and with nothing else")
    return Expectation(row, metric, value - tolerance, value + tolerance, f"{value:g} ± {tolerance:g}")


def missed(expected: Iterable[Expectation], values: Mapping[tuple[str, str], Sequence[float]]) -> list[str]:
    """One line for each expectation that is not met.

    Args:
        expected: What is asked for.
        values: SuiteRow and metric to the values of its finished runs.
    """
    lines = []
    for each in expected:
        found = values.get((each.row, each.metric), ())
        if not found:
            lines.append(f"{each.row}: {each.metric} should be {each.said}, and no run of it is finished")
            continue
        mean = fmean(found)
        if (each.least is not None and mean < each.least) or (each.most is not None and mean > each.most):
            runs = f" (mean of {len(found)} runs)" if len(found) > 1 else ""
            lines.append(f"{each.row}: {each.metric} is {mean:.2f}{runs}, and should be {each.said}")
    return lines
