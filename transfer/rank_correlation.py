"""Do the rows with the better top-1 transfer better? Spearman's rank correlation over the rows, and the paper's.

Both the test and the interval count rows, at one seed too, and can be given for the paper's own tables. They take the
rows for exchangeable: a sample of ways to train that have nothing to do with each other. The rows of Tables 8 and 9 are
not, because each refinement is stacked on the one before, and two columns that grow step by step agree more often than
chance has it (docs/simulations.md says how often). Of such rows the correlation describes whether the two orders agree,
and p is no evidence. Noise between seeds blurs the ranks and pulls a correlation towards 0; nothing here corrects that.

- p: exact, over all orders of one column, two-sided (up to ``MOST_PERMUTED`` rows; above, the usual t approximation).
- Interval: Fisher's z with the variance of D. Bonett and T. Wright, Sample size requirements for estimating Pearson,
  Kendall and Spearman correlations, Psychometrika 65 (2000): (1 + r² / 2) / (n - 3). A correlation of ±1 has no z; it
  is taken half of the smallest step between two correlations short of it, and the interval then reaches to ±1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import rankdata, spearmanr

from backbones.paper import table_rows
from transfer.catalogue import paper_sources
from transfer.cells import Cell
from transfer.statistics import CONFIDENCE, Interval

LEAST_ROWS = 3  # two rows always agree or disagree wholly
MOST_PERMUTED = 8
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Spearman:
    """Rank correlation over ``rows`` rows; ``interval`` is None below four."""

    value: float
    rows: int
    interval: Interval | None
    p_value: float


@dataclass(frozen=True)
class Correlation:
    """Of one metric with top-1.

    Attributes:
        metric: Its key.
        rows: Names of the rows that have both.
        ours: Over those; None when they are too few, or one column is all the same.
        paper: Over all rows of the paper's table; None for a metric that it does not have.
        paper_same_rows: The paper's over those recipes only that ``rows`` has too.
    """

    metric: str
    rows: tuple[str, ...]
    ours: Spearman | None
    paper: Spearman | None
    paper_same_rows: Spearman | None


def correlations(rows: Mapping[str, tuple[str, Mapping[str, Cell]]]) -> tuple[Correlation, ...]:
    """Every metric that at least ``LEAST_ROWS`` rows have together with top-1.

    Args:
        rows: By name: recipe, and cells by metric.
    """
    found = []
    for metric in next(iter(rows.values()))[1] if rows else ():
        both = {
            name: (recipe, cells["top1"].mean, cells[metric].mean)
            for name, (recipe, cells) in rows.items()
            if cells["top1"].mean is not None and cells[metric].mean is not None
        }
        if metric == "top1" or len(both) < LEAST_ROWS:
            continue
        recipes, top1, values = zip(*both.values(), strict=True)
        ours = spearman(top1, values)
        found.append(Correlation(metric, tuple(both), ours, paper_spearman(metric), paper_spearman(metric, recipes)))
    return tuple(found)


def paper_spearman(metric: str, recipes: Sequence[str] | None = None) -> Spearman | None:
    """The paper's own correlation of a metric with top-1, over its rows of those recipes, or all its rows."""
    if metric not in paper_sources():
        return None
    number, column = paper_sources()[metric]
    rows = [row for row in table_rows(number) if recipes is None or row["recipe"] in recipes]
    return spearman([row["top1"] for row in rows], [row[column] for row in rows])


def spearman(one: Sequence[float], other: Sequence[float]) -> Spearman | None:
    """Rank correlation, ties sharing their mean rank; None below ``LEAST_ROWS`` values or when one is constant."""
    n = len(one)
    if n < LEAST_ROWS or len(set(one)) == 1 or len(set(other)) == 1:
        return None
    ranks = [_standardised(values) for values in (one, other)]
    value = min(1.0, max(-1.0, float(ranks[0] @ ranks[1])))
    if n <= MOST_PERMUTED:
        orders = ranks[1][_orders(n)]
        p_value = float(np.mean(np.abs(orders @ ranks[0]) >= abs(value) - _ROUNDING))
    else:
        p_value = float(spearmanr(one, other).pvalue)
    return Spearman(value, n, _interval(value, n), p_value)


@lru_cache(maxsize=MOST_PERMUTED)
def _orders(n: int) -> NDArray:
    return np.array(list(permutations(range(n))))


def _standardised(values: Sequence[float]) -> NDArray:
    ranks = rankdata(values)
    centred = ranks - ranks.mean()
    return centred / np.linalg.norm(centred)


def _interval(value: float, n: int) -> Interval | None:
    if n <= 3:
        return None
    largest = 1 - 6 / (n * (n**2 - 1))  # one pair of neighbours exchanged costs twice that distance from 1
    inner = math.copysign(min(abs(value), largest), value)
    half = float(ndtri((1 + CONFIDENCE) / 2)) * math.sqrt((1 + inner**2 / 2) / (n - 3))
    low, high = (math.tanh(math.atanh(inner) + sign * half) for sign in (-1, 1))
    return (-1.0, high) if value < -largest else (low, 1.0) if value > largest else (low, high)
