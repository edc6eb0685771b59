"""How many seeds would decide: the power of the very rule that decides, by simulation of its sufficient statistics.

Studies are drawn in which every row's difference and spread are those assumed, each row and the baseline with n seeds;
the share of them in which a row is *decided* (it differs after Holm's correction over the rows, or its interval lies
inside the margin) is the power. Means of n normal values and their sums of squares are drawn directly (a normal and a
chi-squared number), which is the same as drawing the seeds. Draws are seeded, so the same question has the same answer.

What is assumed are the observed spreads, themselves known from few seeds: the count is a plan and no promise.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from studies.statistics.seeds import CONFIDENCE, LEAST_PAIRS, LEAST_SPREAD, SIGNIFICANCE

POWER = 0.8
DRAWS = 2000
MOST_SEEDS = 1000  # nobody trains more; up to 12 every count is tried, above in steps of an eighth


@dataclass(frozen=True)
class Assumed:
    """What is taken for true of one row's difference from the baseline, in points.

    Attributes:
        difference: True mean.
        row_sd: Standard deviation over seeds of the row.
        baseline_sd: Of the baseline.
        paired_sd: Of their differences by seed.
        margin: Of no difference.
        n: Seeds that there are now.
        error_rate: Two-sided, of the test and the interval: smaller where a study is looked at several times.
    """

    difference: float
    row_sd: float
    baseline_sd: float
    paired_sd: float
    margin: float
    n: int
    error_rate: float = 1 - CONFIDENCE


def seeds_needed(rows: Sequence[Assumed], wanted: Collection[int]) -> dict[int, int]:
    """The first number of seeds, above the present one, that decides a row with a power of ``POWER``.

    Args:
        rows: All rows of a metric, one family for Holm's correction.
        wanted: The places in ``rows`` of those that are asked about.

    Returns:
        By place; without those that ``MOST_SEEDS`` would not decide.
    """
    needed: dict[int, int] = {}
    for n in _counts(min((rows[place].n for place in wanted), default=MOST_SEEDS) + 1):
        power = decided(rows, n).mean(axis=0)
        needed |= {place: n for place in wanted if place not in needed and n > rows[place].n and power[place] >= POWER}
        if len(needed) == len(wanted):
            break
    return needed


def decided(rows: Sequence[Assumed], n: int, draws: int = DRAWS) -> NDArray[np.bool_]:
    """(draws, rows): whether each row is decided in each simulated study of n seeds per row."""
    values, errors, freedom = (_paired if n >= LEAST_PAIRS else _independent)(rows, n, draws)
    rates = np.array([row.error_rate for row in rows])
    p_values = np.minimum(1.0, 2 * stdtr(freedom, -np.abs(values) / errors) * ((1 - CONFIDENCE) / rates))
    adjusted = holm_columns(p_values)
    half = stdtrit(freedom, 1 - rates / 2) * errors
    inside = np.abs(values) + half < np.array([row.margin for row in rows])
    return (adjusted <= SIGNIFICANCE) | inside


def holm_columns(p_values: NDArray) -> NDArray:
    """Holm's adjusted p values of each line of (studies, rows)."""
    count = p_values.shape[1]
    order = np.argsort(p_values, axis=1, kind="stable")
    steps = np.take_along_axis(p_values, order, axis=1) * np.arange(count, 0, -1)
    adjusted = np.empty_like(steps)
    np.put_along_axis(adjusted, order, np.minimum(np.maximum.accumulate(steps, axis=1), 1.0), axis=1)
    return adjusted


def _paired(rows: Sequence[Assumed], n: int, draws: int) -> tuple[NDArray, NDArray, NDArray]:
    random = np.random.default_rng(0)
    sd = np.maximum([row.paired_sd for row in rows], LEAST_SPREAD)  # seeds that cancel to the last digit
    values = [row.difference for row in rows] + sd / n**0.5 * random.standard_normal((draws, len(rows)))
    variances = sd**2 * random.chisquare(n - 1, (draws, len(rows))) / (n - 1)
    return values, np.sqrt(variances / n), np.full((1, len(rows)), n - 1.0)


def _independent(rows: Sequence[Assumed], n: int, draws: int) -> tuple[NDArray, NDArray, NDArray]:
    """Welch's: every row against the one baseline of its study."""
    random = np.random.default_rng(0)
    noise, squares = random.standard_normal((draws, len(rows) + 1)), random.chisquare(n - 1, (draws, len(rows) + 1))
    own, base = np.array([row.row_sd for row in rows]), np.array([row.baseline_sd for row in rows])
    values = [row.difference for row in rows] + (own * noise[:, 1:] - base * noise[:, :1]) / n**0.5
    mine, theirs = own**2 * squares[:, 1:] / (n - 1) / n, base**2 * squares[:, :1] / (n - 1) / n
    freedom = (mine + theirs) ** 2 * (n - 1) / (mine**2 + theirs**2)
    return values, np.sqrt(mine + theirs), freedom


def _counts(first: int) -> Iterator[int]:
    n = max(first, 2)
    while n <= MOST_SEEDS:
        yield n
        n += max(1, n // 8) if n >= 12 else 1
