"""Statistics over few seeds: Student's t interval, the difference of two rows and its test, corrections for many rows.

A difference is tested by Welch's t test while the two rows have fewer than ``LEAST_PAIRS`` seeds in common, and by the
paired t test from there on. The number of seeds alone decides, never the result: with few seeds pairing costs more
degrees of freedom (n - 1 beside up to 2n - 2) than the noise that it cancels is worth (docs/simulations.md).

Sources: Student, The probable error of a mean, Biometrika 6 (1908); B. L. Welch, The generalization of Student's
problem when several different population variances are involved, Biometrika 34 (1947); S. Holm, A simple sequentially
rejective multiple test procedure, Scandinavian Journal of Statistics 6 (1979); O. J. Dunn, Multiple comparisons among
means, JASA 56 (1961). What each number means for a reader: docs/statistics.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import TypeVar

from scipy.special import stdtr, stdtrit

CONFIDENCE = 0.95
SIGNIFICANCE = 0.05
LEAST_PAIRS = 5  # seeds in common from which on differences are paired
LEAST_SPREAD = 1e-9  # points; what differs by less was not sampled, but computed again and rounded
WELCH, PAIRED = "Welch", "paired"

Interval = tuple[float, float]
Seeds = Mapping[int | None, float]  # seed -> percent; None: a backbone from outside, whose seed nobody noted
Seed = TypeVar("Seed", bound="int | None")


@dataclass(frozen=True)
class Difference:
    """Row minus baseline, in points.

    Attributes:
        value: Mean over the seeds in common where they are paired, else the difference of the two means.
        pairs: Seeds in common.
        n: Seeds that the value is made of: of the row, and of the baseline.
        test: ``PAIRED`` or ``WELCH``.
        interval: At ``CONFIDENCE``, by that test; None where a row has one seed.
        error: Standard error of the value; None like the interval, and where the seeds all say the same.
        freedom: Degrees of freedom of the error.
        spread: Standard deviations over seeds of the row, of the baseline, and of their differences by seed (as if the
            rows were independent where fewer than two seeds are in common); None like the interval.
        p_value: Two-sided, of the hypothesis that there is no difference; None like the error.
        adjusted_p: The same after Holm's correction over the rows of its metric; None outside of a comparison.
        simultaneous: Interval that holds for all rows of its metric at once, and so for one that was chosen by its
            result (Dunn 1961); None outside of a comparison.
        image_interval: Over test images, the runs held fixed; None without their per-image results.
        error_rate: Two-sided, of the intervals: smaller where a study is looked at several times
            (``studies.statistics.looks``).
    """

    value: float
    pairs: int
    n: tuple[int, int]
    test: str
    interval: Interval | None = None
    error: float | None = None
    freedom: float | None = None
    spread: tuple[float, float, float] | None = None
    p_value: float | None = None
    adjusted_p: float | None = None
    simultaneous: Interval | None = None
    image_interval: Interval | None = None
    error_rate: float = 1 - CONFIDENCE


def standard_deviation(values: Sequence[float]) -> float | None:
    """With n - 1 below the sum of squares; None below two values."""
    return stdev(values) if len(values) > 1 else None


def student_interval(values: Sequence[float]) -> Interval | None:
    """Student's t interval of the mean at ``CONFIDENCE``: mean ± t(n - 1) · s / √n; None below two values."""
    if len(values) < 2:
        return None
    return t_interval(fmean(values), stdev(values) / len(values) ** 0.5, len(values) - 1)


def t_interval(
    value: float, error: float, freedom: float, comparisons: int = 1, error_rate: float = 1 - CONFIDENCE
) -> Interval:
    """value ± t · error; ``comparisons`` of them all hold but in ``error_rate`` of studies (Bonferroni)."""
    half = float(stdtrit(freedom, 1 - error_rate / (2 * comparisons))) * error
    return value - half, value + half


def t_test(value: float, error: float, freedom: float) -> float:
    """Two-sided p value of a t statistic."""
    return 2 * float(stdtr(freedom, -abs(value) / error))


def welch_error(row_sd: float, row_n: int, baseline_sd: float, baseline_n: int) -> tuple[float, float]:
    """Standard error of a difference of two means, and its degrees of freedom after Welch and Satterthwaite.

    Neither standard deviation may be 0 unless the other is not.
    """
    row, baseline = row_sd**2 / row_n, baseline_sd**2 / baseline_n
    freedom = (row + baseline) ** 2 / (row**2 / (row_n - 1) + baseline**2 / (baseline_n - 1))
    return (row + baseline) ** 0.5, freedom


def subtract(
    row: Mapping[Seed, float], baseline: Mapping[Seed, float], least_pairs: int = LEAST_PAIRS
) -> Difference | None:
    """Row minus baseline, paired by seed from ``least_pairs`` seeds in common on; None when one is empty.

    Seeds that change nothing have sampled no noise: then there is no standard error, and no p value.
    """
    if not row or not baseline:
        return None
    paired = [value - baseline[seed] for seed, value in row.items() if seed in baseline]
    is_paired = len(paired) >= least_pairs
    if is_paired:
        value, n = fmean(paired), (len(paired), len(paired))
    else:
        value, n = fmean(row.values()) - fmean(baseline.values()), (len(row), len(baseline))
    bare = Difference(value, len(paired), n, PAIRED if is_paired else WELCH)
    if min(n) < 2:
        return bare
    spread = _spread(row, baseline, paired)
    if (spread[2] if is_paired else max(spread[:2])) < LEAST_SPREAD:
        return Difference(value, len(paired), n, bare.test, interval=(value, value), spread=spread)
    if is_paired:
        error, freedom = spread[2] / n[0] ** 0.5, float(n[0] - 1)
    else:
        error, freedom = welch_error(spread[0], n[0], spread[1], n[1])
    return Difference(
        value=value,
        pairs=len(paired),
        n=n,
        test=bare.test,
        interval=t_interval(value, error, freedom),
        error=error,
        freedom=freedom,
        spread=spread,
        p_value=t_test(value, error, freedom),
    )


def _spread(
    row: Mapping[Seed, float], baseline: Mapping[Seed, float], paired: Sequence[float]
) -> tuple[float, float, float]:
    mine, theirs = stdev(row.values()), stdev(baseline.values())
    return mine, theirs, stdev(paired) if len(paired) > 1 else (mine**2 + theirs**2) ** 0.5


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values, in the order given: rejecting those up to 5 % rejects any true hypothesis in 5 % of studies.

    The i-th smallest of m becomes the largest, so far, of (m - i + 1) · p, at most 1 (Holm 1979).
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
