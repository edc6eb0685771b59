"""Levels against published tables, and sequential p values against studies that were looked at again and again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx
from scipy.special import ndtr, ndtri
from scipy.stats import multivariate_normal

from backbones.errors import UserError
from studies.statistics.group_sequential import (
    LEAST_ERROR,
    OBRIEN_FLEMING,
    POCOCK,
    SPENDING,
    nominal_levels,
    sequential_p,
)

FIFTHS = (0.2, 0.4, 0.6, 0.8, 1.0)
# Critical values for five equal looks at two-sided 5 %, as tables of the Lan-DeMets spending functions print them.
PUBLISHED = {
    OBRIEN_FLEMING: (4.877, 3.357, 2.680, 2.290, 2.031),
    POCOCK: (2.438, 2.427, 2.410, 2.397, 2.386),
}


@pytest.mark.parametrize("spending", SPENDING)
def test_the_published_critical_values(spending: str) -> None:
    critical = [-ndtri(level / 2) for level in nominal_levels(FIFTHS, 0.05, spending)]
    assert critical == approx(PUBLISHED[spending], abs=0.0015)


@pytest.mark.parametrize("spending", SPENDING)
def test_one_look_is_the_fixed_test(spending: str) -> None:
    assert nominal_levels((1.0,), 0.05, spending) == approx((0.05,))
    assert sequential_p([0.03], (1.0,), spending) == approx(0.03, rel=1e-3)


@pytest.mark.parametrize("spending", SPENDING)
def test_two_looks_against_the_bivariate_normal(spending: str) -> None:
    first, second = (-ndtri(level / 2) for level in nominal_levels((0.375, 1.0), 0.05, spending))
    joint = multivariate_normal(cov=[[1, 0.375**0.5], [0.375**0.5, 1]])
    inside = joint.cdf([first, second], lower_limit=[-first, -second])
    assert 1 - inside == approx(0.05, abs=2e-4)


def test_a_thousand_studies_without_a_difference() -> None:
    """Of studies that are looked at after each of eight seeds, 5 % reject; at 5 % each time, three times as many do."""
    walks = np.random.default_rng(0).standard_normal((20000, 8)).cumsum(axis=1) / np.arange(1, 9) ** 0.5
    p_values = 2 * ndtr(-np.abs(walks))
    fractions = [count / 8 for count in range(1, 9)]
    for spending in SPENDING:
        assert np.mean(sequential_p(p_values, fractions, spending) <= 0.05) == approx(0.05, abs=0.005)
    assert np.mean(p_values.min(axis=1) <= 0.05) > 0.15


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=5), st.sampled_from(sorted(SPENDING)))
def test_a_sequential_p_value_is_where_the_boundary_is_crossed(p_values: list[float], spending: str) -> None:
    fractions = FIFTHS[: len(p_values)]
    found = float(sequential_p(p_values, fractions, spending))
    for error in (0.001, 0.01, 0.05, 0.2):
        crossed = any(p <= level for p, level in zip(p_values, nominal_levels(fractions, error, spending), strict=True))
        if abs(np.log(found / error)) > 0.01:  # the table is interpolated
            assert crossed == (found < error)


def test_later_looks_never_take_back_a_rejection() -> None:
    early = sequential_p([0.001], (0.5,))
    assert sequential_p([0.001, 0.9], (0.5, 1.0)) == approx(early)
    assert sequential_p([0.0, 1.0], (0.5, 1.0)) == approx(LEAST_ERROR)
    assert sequential_p([1.0, 1.0], (0.5, 1.0)) == 1


def test_each_study_has_its_own() -> None:
    many = sequential_p([[0.01, 0.2], [0.2, 0.01]], (0.5, 1.0))
    assert many == approx([float(sequential_p(each, (0.5, 1.0))) for each in ([0.01, 0.2], [0.2, 0.01])])


@pytest.mark.parametrize("fractions", [(), (0.0, 1.0), (0.5, 0.5), (0.5, 1.5), (1.0, 0.5)])
def test_fractions_that_do_not_rise(fractions: tuple[float, ...]) -> None:
    with pytest.raises(UserError, match="do not rise"):
        nominal_levels(fractions)


def test_an_unknown_spending_function() -> None:
    with pytest.raises(UserError, match="no spending function 'pokock'; did you mean pocock"):
        nominal_levels((1.0,), spending="pokock")
