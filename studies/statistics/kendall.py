"""Kendall's rank correlation: the share of pairs of rows that two columns order alike, less the share of the others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import ndtri
from scipy.stats import kendalltau

from studies.statistics.seeds import CONFIDENCE, Interval
from studies.statistics.spearman import LEAST_ROWS


@dataclass(frozen=True)
class Kendall:
    """tau-b over ``rows`` rows; ``interval`` is None below five."""

    value: float
    rows: int
    interval: Interval | None
    p_value: float


def kendall(one: Sequence[float], other: Sequence[float]) -> Kendall | None:
    """tau-b, which corrects for ties; None below ``LEAST_ROWS`` values or when one is constant.

    p is exact for few rows without ties, else normal. Interval: Fisher's z with the variance 0.437 / (n - 4) of
    E. Fieller, H. Hartley and E. Pearson, Tests for rank correlation coefficients, Biometrika 44 (1957), as Bonett and
    Wright (2000) have it; a correlation of 1 has no z and is taken half a step short of it, like Spearman's.
    """
    n = len(one)
    if n < LEAST_ROWS or len(set(one)) == 1 or len(set(other)) == 1:
        return None
    found = kendalltau(one, other)
    value = float(found.statistic)
    return Kendall(value, n, _interval(value, n), float(found.pvalue))


def _interval(value: float, n: int) -> Interval | None:
    if n <= 4:
        return None
    largest = 1 - 2 / (n * (n - 1))  # one pair of neighbours exchanged costs twice that distance from 1
    inner = math.copysign(min(abs(value), largest), value)
    half = float(ndtri((1 + CONFIDENCE) / 2)) * math.sqrt(0.437 / (n - 4))
    low, high = (math.tanh(math.atanh(inner) + sign * half) for sign in (-1, 1))
    return (-1.0, high) if value < -largest else (low, 1.0) if value > largest else (low, high)
