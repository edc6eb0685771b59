"""Spearman's rank correlation of few values: exact p, and an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import rankdata, spearmanr

from studies.statistics.seeds import CONFIDENCE, Interval

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
