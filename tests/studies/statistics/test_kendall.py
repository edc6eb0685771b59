"""Kendall's tau-b against a count of pairs, and its interval against a simulation."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.statistics.kendall import kendall

COLUMN = st.lists(st.integers(0, 6), min_size=3, max_size=9)


def by_pairs(one: list[int], other: list[int]) -> float:
    pairs = list(combinations(range(len(one)), 2))
    signs = [[int(np.sign(column[a] - column[b])) for a, b in pairs] for column in (one, other)]
    alike = sum(left * right for left, right in zip(*signs, strict=True))
    return alike / math.sqrt(math.prod(sum(map(abs, each)) for each in signs))


@settings(max_examples=60)
@given(
    COLUMN.flatmap(
        lambda one: st.tuples(st.just(one), st.lists(st.integers(0, 6), min_size=len(one), max_size=len(one)))
    )
)
def test_it_is_the_share_of_pairs_that_are_ordered_alike(columns: tuple[list[int], list[int]]) -> None:
    found = kendall(*columns)
    if min(len(set(column)) for column in columns) == 1:
        assert found is None
    else:
        assert found.value == pytest.approx(by_pairs(*columns), abs=1e-9)
        if found.interval:
            assert found.interval[0] <= found.value <= found.interval[1]


def test_its_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    draw = np.random.default_rng(0)
    truth = 2 / math.pi * math.asin(0.6)  # of normal columns with that correlation
    held = 0
    for _ in range(400):
        one, noise = draw.standard_normal((2, 20))
        low, high = kendall(one, 0.6 * one + 0.8 * noise).interval
        held += low <= truth <= high
    assert 0.91 < held / 400 < 0.985


def test_few_rows_have_no_interval_and_two_no_correlation() -> None:
    assert kendall([1, 2], [1, 2]) is None
    assert kendall([1, 2, 3, 4], [1, 2, 4, 3]).interval is None
    whole = kendall([1, 2, 3, 4, 5], [1, 2, 3, 4, 5])
    assert (whole.value, whole.interval[1]) == pytest.approx((1.0, 1.0))
    assert whole.p_value == pytest.approx(2 / 120)
