"""Verdicts and rank correlations as grids of text: a header, then lines of as many cells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from transfer.cells import FURTHER_NAMES, METRIC_NAMES, Cell
from transfer.compare import Comparison
from transfer.rank_correlation import Spearman
from transfer.statistics import CONFIDENCE, Interval

MISSING = "–"  # noqa: RUF001 - an en dash, so that nobody takes it for a minus sign
Grid = list[list[str]]
VERDICT_HEADER = ["metric", "row", "Δ", "± seeds", "p", "p Holm", "paper Δ", "n needed", "verdict"]
_INTERVAL = f"{CONFIDENCE * 100:.0f} %"
CORRELATION_HEADER = ["metric", "rows", "Spearman", _INTERVAL, "p", "paper", _INTERVAL, "paper, same rows"]


def statistics_sections(comparison: Comparison) -> Iterator[tuple[str, Grid]]:
    """Titles and grids, as far as there is something to say.

    Verdicts where some row has two seeds in common with its reference, correlations from four rows on.
    """
    differences = {comparison.baseline: [(row.name, row.cells) for row in comparison.rows]}
    for row in comparison.losses:
        differences.setdefault(row.reference, []).append((row.name, row.cells))
    for reference, rows in differences.items():
        lines = [
            (metric, name, cells[metric])
            for metric in METRIC_NAMES
            for name, cells in rows
            if metric in cells and cells[metric].verdict
        ]
        if any(cell.difference.pairs > 1 for _, _, cell in lines):
            yield f"verdicts on the paper's differences from {reference}", _verdict_grid(lines)
    if any(each.ours and each.ours.interval for each in comparison.correlations):
        yield "rank correlation with top-1, over rows", _correlation_grid(comparison)


def half_width(interval: Interval | None) -> str:
    """Half of an interval's width, to two decimals."""
    return MISSING if interval is None else f"{(interval[1] - interval[0]) / 2:.2f}"


def signed(value: float) -> str:
    """With its sign, to two decimals; what is rounded to 0 is positive."""
    return f"{round(value, 2) + 0.0:+.2f}"  # + 0.0 makes a plus of the minus of -0.0


def _verdict_grid(lines: Iterable[tuple[str, str, Cell]]) -> Grid:
    grid = [VERDICT_HEADER]
    for metric, name, cell in lines:
        difference, verdict = cell.difference, cell.verdict
        tests = [_p_value(difference.p_value), _p_value(difference.adjusted_p)]
        needed = MISSING if verdict.seeds_needed is None else str(verdict.seeds_needed)
        ours = [signed(difference.value), half_width(difference.interval), *tests]
        grid.append([METRIC_NAMES[metric], name, *ours, signed(cell.paper.difference), needed, verdict.outcome])
    return grid


def _correlation_grid(comparison: Comparison) -> Grid:
    grid = [CORRELATION_HEADER]
    for each in comparison.correlations:
        p_value = _p_value(each.ours and each.ours.p_value)
        name = (METRIC_NAMES | FURTHER_NAMES)[each.metric]
        ours = [str(len(each.rows)), *_value_and_interval(each.ours), p_value]
        grid.append([name, *ours, *_value_and_interval(each.paper), _value_and_interval(each.paper_same_rows)[0]])
    return grid


def _value_and_interval(found: Spearman | None) -> tuple[str, str]:
    if found is None:
        return MISSING, MISSING
    low, high = found.interval or (None, None)
    return signed(found.value), MISSING if low is None else f"{signed(low)} to {signed(high)}"


def _p_value(value: float | None) -> str:
    if value is None:
        return MISSING
    return "<0.0001" if value < 1e-4 else f"{value:.4f}"
