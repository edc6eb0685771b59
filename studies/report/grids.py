"""Verdicts and rank correlations as grids of text: a header, then lines of as many cells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from backbones.errors import not_none
from backbones.reporting.markdown import MISSING
from studies.comparison.cells import Cell
from studies.comparison.compare import Comparison
from studies.statistics.seeds import CONFIDENCE, Interval
from studies.statistics.spearman import Spearman
from studies.statistics.verdict import NO_DIFFERENCE, UNDECIDED, Verdict
from transfer.catalogue import further_names, metric_names

Grid = list[list[str]]
VERDICT_HEADER = ["metric", "row", "Δ", "± seeds", "p", "p Holm", "verdict", "paper Δ", "beside the paper"]
_INTERVAL = f"{CONFIDENCE * 100:.0f} %"
CORRELATION_HEADER = ["metric", "rows", "Spearman", _INTERVAL, "p", "paper", _INTERVAL, "paper, same rows"]


def statistics_sections(comparison: Comparison) -> Iterator[tuple[str, Grid]]:
    """Titles and grids, as far as there is something to say.

    Verdicts where some row and its reference have two seeds each, correlations from four rows on.
    """
    differences = {comparison.baseline: [(row.name, row.cells) for row in comparison.rows]}
    for row in comparison.losses:
        differences.setdefault(row.reference, []).append((row.name, row.cells))
    for reference, rows in differences.items():
        lines = [
            (metric, name, cells[metric])
            for metric in metric_names()
            for name, cells in rows
            if metric in cells and cells[metric].verdict
        ]
        if any(not_none(cell.difference).interval for _, _, cell in lines):
            yield f"verdicts on the differences from {reference}", _verdict_grid(lines)
    if any(each.ours and each.ours.interval for each in comparison.correlations):
        yield "rank correlation with top-1, over rows", _correlation_grid(comparison)


def verdict_words(verdict: Verdict | None) -> str:
    """The outcome; where it rests on the margin that margin, and of an undecided one the seeds that would decide."""
    if verdict is None:
        return MISSING
    if verdict.outcome not in (NO_DIFFERENCE, UNDECIDED):
        return verdict.outcome
    needed = f"; {verdict.seeds_needed} seeds" if verdict.seeds_needed else ""
    return f"{verdict.outcome} (±{verdict.margin:.2g}{needed})"


def half_width(interval: Interval | None) -> str:
    """Half of an interval's width, to two decimals."""
    return MISSING if interval is None else f"{(interval[1] - interval[0]) / 2:.2f}"


def signed(value: float) -> str:
    """With its sign, to two decimals; what is rounded to 0 is positive."""
    return f"{round(value, 2) + 0.0:+.2f}"  # + 0.0 makes a plus of the minus of -0.0


def _verdict_grid(lines: Iterable[tuple[str, str, Cell]]) -> Grid:
    grid = [VERDICT_HEADER]
    for metric, name, cell in lines:
        difference = not_none(cell.difference)
        tests = [_p_value(difference.p_value), _p_value(difference.adjusted_p)]
        ours = [signed(difference.value), half_width(difference.interval), *tests, verdict_words(cell.verdict)]
        theirs = cell.paper.difference if cell.paper else None
        beside = [MISSING if theirs is None else signed(theirs), verdict_words(cell.paper_verdict)]
        grid.append([metric_names()[metric], name, *ours, *beside])
    return grid


def _correlation_grid(comparison: Comparison) -> Grid:
    grid = [CORRELATION_HEADER]
    for each in comparison.correlations:
        p_value = _p_value(each.ours.p_value if each.ours else None)
        name = (metric_names() | further_names())[each.metric]
        ours = [str(len(each.rows)), *_value_and_interval(each.ours), p_value]
        grid.append([name, *ours, *_value_and_interval(each.paper), _value_and_interval(each.paper_same_rows)[0]])
    return grid


def _value_and_interval(found: Spearman | None) -> tuple[str, str]:
    if found is None:
        return MISSING, MISSING
    if found.interval is None:
        return signed(found.value), MISSING
    low, high = found.interval
    return signed(found.value), f"{signed(low)} to {signed(high)}"


def _p_value(value: float | None) -> str:
    if value is None:
        return MISSING
    return "<0.001" if value < 0.001 else f"{value:.3f}"
