"""Boundaries by alpha spending against published ones, and against simulated studies that are looked at again."""

from __future__ import annotations

import numpy as np
from pytest import approx, mark
from scipy.stats import multivariate_normal, norm

from studies.statistics.group_sequential import (
    LEVELS,
    OBRIEN_FLEMING,
    POCOCK,
    SPENDING,
    boundaries,
    chance_to_close,
    nominal_levels,
    sequential_p,
)

LOOKS = (3, 4, 5, 6, 8, 10, 12)


@mark.parametrize(
    ("spending", "published"),
    [
        # D. M. Reboussin, D. L. DeMets, K. Kim, K. K. G. Lan, Controlled Clinical Trials 21 (2000): five equal looks,
        # 5 % on two sides.
        (OBRIEN_FLEMING, [4.8769, 3.3569, 2.6803, 2.2898, 2.0310]),
        (POCOCK, [2.4380, 2.4268, 2.4101, 2.3966, 2.3859]),
    ],
)
def test_boundaries_are_the_published_ones(spending: str, published: list[float]) -> None:
    assert boundaries((1, 2, 3, 4, 5), spending, 0.05) == approx(published, abs=1.5e-4)  # their grid is coarser


@mark.parametrize("spending", SPENDING)
def test_one_look_is_the_test_itself(spending: str) -> None:
    assert boundaries((7,), spending, 0.05) == approx([1.959964], abs=1e-5)
    assert sequential_p([0.03], (7,), spending) == approx([0.03], rel=2e-3)


@mark.parametrize("spending", SPENDING)
def test_two_looks_spend_all_by_the_bivariate_normal(spending: str) -> None:
    """Independent of the recursion: the probability of the rectangle inside both boundaries, by SciPy's integration."""
    first, second = boundaries((4, 9), spending, 0.05)
    correlation = (4 / 9) ** 0.5
    both = multivariate_normal(cov=[[1, correlation], [correlation, 1]])
    inside = (
        both.cdf([first, second])
        - both.cdf([-first, second])
        - both.cdf([first, -second])
        + both.cdf([-first, -second])
    )
    assert 1 - inside == approx(0.05, abs=1e-4)
    assert 2 * norm.sf(first) == approx(SPENDING[spending](0.05, 4 / 9))


@mark.parametrize("spending", SPENDING)
def test_all_looks_together_err_as_often_as_one_and_unadjusted_ones_more(spending: str) -> None:
    random = np.random.default_rng(1)
    sums = random.standard_normal((40_000, LOOKS[-1])).cumsum(axis=1)
    scores = np.abs(np.stack([sums[:, n - 1] / n**0.5 for n in LOOKS], axis=1))
    assert (scores >= boundaries(LOOKS, spending, 0.05)).any(axis=1).mean() == approx(0.05, abs=0.004)
    assert (scores >= 1.96).any(axis=1).mean() > 0.12


@mark.parametrize("spending", SPENDING)
@mark.parametrize("level", [0.001, 0.05 / 12, 0.05])
def test_a_sequential_p_is_the_level_that_just_rejects(spending: str, level: float) -> None:
    nominal = nominal_levels(LOOKS, spending, level)
    for place, p_value in enumerate(nominal):
        if p_value > 1e-9:
            p_values = np.ones(len(LOOKS))
            p_values[place] = p_value
            found = sequential_p(p_values, LOOKS, spending)
            assert found[:place] == approx(1.0)
            assert found[place:] == approx(level, rel=0.01)  # and what has been rejected stays so


def test_a_look_without_a_test_rejects_nothing() -> None:
    found = sequential_p([np.nan, 0.9, 0.0], LOOKS, POCOCK)
    assert found[:2] == approx(1.0)
    assert found[2] == approx(LEVELS[0])


def test_a_difference_that_stands_is_likely_to_close_and_one_between_is_not() -> None:
    large, none, between = chance_to_close([5.0, 0.0, 1.0], [0.5, 0.5, 3.0], 12, 0.02, 1.0)
    assert large > 0.99
    assert none > 0.99
    assert between < 0.1
