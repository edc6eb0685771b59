"""Statistics over few seeds: Student's t interval, paired differences and their test, Holm's correction, seeds needed.

Sources: Student, The probable error of a mean, Biometrika 6 (1908); S. Holm, A simple sequentially rejective multiple
test procedure, Scandinavian Journal of Statistics 6 (1979). What each number means for a reader: docs/statistics.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from scipy.special import stdtr, stdtrit

CONFIDENCE = 0.95
SIGNIFICANCE = 0.05
LEAST_SPREAD = 1e-9  # points; what differs by less was not sampled, but computed again and rounded

Interval = tuple[float, float]
Seeds = Mapping[int | None, float]  # seed -> percent; None: a backbone from outside, whose seed nobody noted


@dataclass(frozen=True)
class Difference:
    """Row minus baseline, in points. Without a seed in common (``pairs`` 0) it is the difference of the two means.

    Attributes:
        value: Mean over the seeds that both have.
        pairs: How many those are.
        interval: Student's t interval over those seeds; None below two.
        sd: Standard deviation of the seeds' differences; None below two.
        p_value: Of the two-sided paired t test against 0; None below two seeds, or where they all say the same.
        adjusted_p: The same after Holm's correction over the rows of its metric; None outside of a comparison.
        seeds_needed: How many seeds would tell it from 0 (``seeds_needed`` with its own value as the target).
        image_interval: Over test images, the runs held fixed; None without their per-image results.
    """

    value: float
    pairs: int
    interval: Interval | None
    sd: float | None = None
    p_value: float | None = None
    adjusted_p: float | None = None
    seeds_needed: int | None = None
    image_interval: Interval | None = None


def standard_deviation(values: Sequence[float]) -> float | None:
    """With n - 1 below the sum of squares; None below two values."""
    return stdev(values) if len(values) > 1 else None


def student_interval(values: Sequence[float]) -> Interval | None:
    """Student's t interval of the mean at ``CONFIDENCE``: mean ± t(n - 1) · s / √n; None below two values."""
    if len(values) < 2:
        return None
    half = half_width(len(values), stdev(values))
    return fmean(values) - half, fmean(values) + half


def half_width(n: int, sd: float) -> float:
    """Half the width of Student's t interval of the mean of n values with that standard deviation."""
    quantile = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2))  # the inverse of the t distribution function
    return quantile * sd / n**0.5


def paired_p_value(values: Sequence[float]) -> float | None:
    """Two-sided p value of the t test that differences have the mean 0.

    None below two values, and without a spread: seeds that change nothing are no sample of any noise.
    """
    sd = standard_deviation(values)
    if sd is None or sd < LEAST_SPREAD:
        return None
    return 2 * float(stdtr(len(values) - 1, -abs(fmean(values)) / (sd / len(values) ** 0.5)))


def subtract(row: Seeds, baseline: Seeds) -> Difference | None:
    """Mean difference over the seeds that both have; that of the means when they share none; None when one is empty."""
    if not row or not baseline:
        return None
    paired = [value - baseline[seed] for seed, value in row.items() if seed in baseline]
    if not paired:
        return Difference(fmean(row.values()) - fmean(baseline.values()), 0, None)
    sd = standard_deviation(paired)
    return Difference(
        value=fmean(paired),
        pairs=len(paired),
        interval=student_interval(paired),
        sd=sd,
        p_value=paired_p_value(paired),
        seeds_needed=seeds_needed(sd, fmean(paired)),
    )


def seeds_needed(sd: float | None, target: float) -> int | None:
    """The smallest n at which half of the t interval of a difference is narrower than the target's absolute value.

    With the observed difference as the target: the n at which the interval leaves out 0, if mean and standard
    deviation stay what they are. They will not: at that n about every second study succeeds. None without a spread to
    reckon with, and for a target of 0.
    """
    target = abs(target)
    if sd is None or sd < LEAST_SPREAD or not target:
        return None
    enough = 2
    while half_width(enough, sd) >= target:
        enough *= 2
    low, high = enough // 2, enough  # too few unless it is 1, and enough
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if half_width(middle, sd) >= target else (low, middle)
    return high


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
