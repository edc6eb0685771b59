"""Verdicts and rank correlations as grids of text: a header, then lines of as many cells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from backbones.errors import not_none
from backbones.reporting.markdown import MISSING
from backbones.reporting.numbers import half_width, p_value, signed
from studies.comparison.cells import Cell
from studies.comparison.compare import Comparison
from studies.statistics.seeds import CONFIDENCE
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
    for row in comparison.drops:
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


def _verdict_grid(lines: Iterable[tuple[str, str, Cell]]) -> Grid:
    grid = [VERDICT_HEADER]
    for metric, name, cell in lines:
        difference = not_none(cell.difference)
        tests = [p_value(difference.p_value), p_value(difference.adjusted_p)]
        ours = [signed(difference.value), half_width(difference.interval), *tests, verdict_words(cell.verdict)]
        theirs = cell.paper.difference if cell.paper else None
        beside = [signed(theirs), verdict_words(cell.paper_verdict)]
        grid.append([metric_names()[metric], name, *ours, *beside])
    return grid


def _correlation_grid(comparison: Comparison) -> Grid:
    grid = [CORRELATION_HEADER]
    for each in comparison.correlations:
        p = p_value(each.ours.p_value if each.ours else None)
        name = (metric_names() | further_names())[each.metric]
        ours = [str(len(each.rows)), *_value_and_interval(each.ours), p]
        grid.append([name, *ours, *_value_and_interval(each.paper), _value_and_interval(each.paper_same_rows)[0]])
    return grid


def _value_and_interval(found: Spearman | None) -> tuple[str, str]:
    if found is None:
        return MISSING, MISSING
    if found.interval is None:
        return signed(found.value), MISSING
    low, high = found.interval
    return signed(found.value), f"{signed(low)} to {signed(high)}"
