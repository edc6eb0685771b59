"""Whether a lucky seed is lucky for both rows: what pairing by seed can gain.

A difference of two rows has the variance 2 · s² · (1 - r) when their values over seeds have the standard deviation s
and the correlation r. Pairing takes that variance for the difference's, and pays for it with half of the degrees of
freedom; with r near 0 it gains nothing.

Here r is Pearson's, over all pairs of a row's value and the baseline's with one seed, each row's values and the
baseline's taken as distances from their means over the seeds that both have: the within-group correlation of an
analysis of covariance (G. W. Snedecor, W. G. Cochran, Statistical Methods). All rows share the baseline's values, so
more rows make it steadier, but not as more seeds would.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from studies.comparison.cells import Cell
from studies.statistics.seeds import LEAST_SPREAD

LEAST_SEEDS = 3  # two points always lie on a line

Pairs = Sequence[tuple[float, float]]  # a row's value and the baseline's, one pair per seed


@dataclass(frozen=True)
class SeedCorrelation:
    """Of the rows' values with the baseline's, over seeds.

    Attributes:
        metric: Its key.
        rows: Names of the rows that share ``LEAST_SEEDS`` seeds or more with the baseline.
        seeds: The most seeds that one of them shares.
        value: -1 to 1; None where nothing spreads.
    """

    metric: str
    rows: tuple[str, ...]
    seeds: int
    value: float | None


def seed_correlations(baseline: str, rows: Mapping[str, Mapping[str, Cell]]) -> tuple[SeedCorrelation, ...]:
    """One for each metric in which some row shares enough seeds with the baseline.

    Args:
        baseline: Name of its row.
        rows: Cells by name and metric.
    """
    found = []
    for metric, reference in rows.get(baseline, {}).items():
        theirs = dict(zip(reference.seeds, reference.values, strict=True))
        pairs = {name: _pairs(cells[metric], theirs) for name, cells in rows.items() if name != baseline}
        enough = {name: each for name, each in pairs.items() if len(each) >= LEAST_SEEDS}
        if enough:
            value = pooled_correlation(enough.values())
            found.append(SeedCorrelation(metric, tuple(enough), max(map(len, enough.values())), value))
    return tuple(found)


def _pairs(cell: Cell, baseline: Mapping[int | None, float]) -> Pairs:
    return [(value, baseline[seed]) for seed, value in zip(cell.seeds, cell.values, strict=True) if seed in baseline]


def pooled_correlation(rows: Iterable[Pairs]) -> float | None:
    """Pearson's correlation of the distances from the means of each row's pairs.

    None when no row has ``LEAST_SEEDS`` pairs, and when one side does not spread; shorter rows are left out.
    """
    mine: list[float] = []
    theirs: list[float] = []
    for pairs in rows:
        if len(pairs) >= LEAST_SEEDS:
            for values, distances in zip(zip(*pairs, strict=True), (mine, theirs), strict=True):
                mean = fmean(values)
                distances += [value - mean for value in values]
    if not mine or min(max(map(abs, distances)) for distances in (mine, theirs)) < LEAST_SPREAD:
        return None
    product = sum(one * other for one, other in zip(mine, theirs, strict=True))
    return product / math.sqrt(sum(one**2 for one in mine) * sum(other**2 for other in theirs))
