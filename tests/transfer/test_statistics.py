"""Statistics over seeds against SciPy, slow references and simulations whose answer is known."""

from __future__ import annotations

import itertools
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx, mark
from scipy import stats

from transfer.statistics import (
    Difference,
    half_width,
    holm,
    paired_p_value,
    seeds_needed,
    standard_deviation,
    student_interval,
    subtract,
)

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=8)
SPREAD = st.lists(st.integers(-1000, 1000), min_size=2, max_size=8).filter(lambda values: len(set(values)) > 1)


def binomial_bounds(share: float, trials: int) -> tuple[float, float]:
    """What a share of that many trials stays within but once in a million simulations, were it right."""
    low, high = stats.binom.interval(1 - 1e-6, trials, share)
    return low / trials, high / trials


# --- one difference ---


@given(SPREAD)
def test_the_paired_test_is_scipys(values: list[int]) -> None:
    reference = stats.ttest_1samp(values, 0)
    assert paired_p_value(values) == approx(reference.pvalue, abs=1e-9)
    assert student_interval(values) == approx(tuple(reference.confidence_interval(0.95)), rel=1e-6, abs=1e-6)
    assert standard_deviation(values) == approx(float(np.std(values, ddof=1)))


@given(SPREAD)
def test_p_is_below_five_percent_where_the_interval_leaves_out_zero(values: list[int]) -> None:
    low, high = student_interval(values)
    p_value = paired_p_value(values)
    assert 0 <= p_value <= 1
    if abs(p_value - 0.05) > 1e-9:
        assert (p_value < 0.05) == (low > 0 or high < 0)


@given(SPREAD, st.permutations(range(8)))
def test_sign_and_order_do_not_matter(values: list[int], order: list[int]) -> None:
    turned = [-values[index] for index in order if index < len(values)]
    assert paired_p_value(turned) == approx(paired_p_value(values), abs=1e-12)
    low, high = student_interval(values)
    assert student_interval(turned) == approx((-high, -low))


@mark.parametrize("values", [[], [3.0], [3.0, 3.0], [0.1 + 0.2, 0.3, 0.3]])
def test_no_spread_is_no_test(values: list[float]) -> None:
    """Seeds that all say the same sampled nothing, so the smallest of p values would be the largest of mistakes."""
    assert paired_p_value(values) is None
    assert seeds_needed(standard_deviation(values), 3.0) is None


def test_a_difference_is_tested_over_the_shared_seeds_only() -> None:
    row, baseline = {0: 33.0, 1: 35.0, 2: 40.0, 7: 90.0}, {0: 30.0, 1: 31.0, 2: 35.0, 5: 1.0}
    difference = subtract(row, baseline)
    assert difference.p_value == approx(stats.ttest_rel([33, 35, 40], [30, 31, 35]).pvalue)
    assert (difference.sd, difference.pairs, difference.adjusted_p) == (approx(1.0), 3, None)
    assert subtract({0: 1.0}, {1: 3.0}) == Difference(-2.0, 0, None)
    assert subtract({0: 1.0}, {0: 3.0}) == Difference(-2.0, 1, None)


# --- seeds needed ---


@given(st.floats(0.01, 5), st.floats(0.05, 5))
def test_seeds_needed_are_the_first_that_suffice(sd: float, target: float) -> None:
    needed = seeds_needed(sd, target)
    for n in range(2, min(needed, 40)):
        assert stats.t.ppf(0.975, n - 1) * sd / math.sqrt(n) >= target
    assert stats.t.ppf(0.975, needed - 1) * sd / math.sqrt(needed) < target * (1 + 1e-9)
    if needed > 2:
        assert half_width(needed - 1, sd) >= target


def test_seeds_needed_by_hand() -> None:
    # 4.303 · 1 / √3 = 2.48, 3.182 · 1 / √4 = 1.59, 2.776 · 1 / √5 = 1.24
    assert [seeds_needed(1.0, target) for target in (2.5, -1.6, 1.25, 1.24)] == [3, 4, 5, 6]
    assert seeds_needed(0.5, 0.76) == seeds_needed(0.5, -0.76) == 5
    assert seeds_needed(1.0, 0.0) is None
    assert seeds_needed(None, 1.0) is None
    assert seeds_needed(1.0, 1e-4) == approx((1.96 * 1e4) ** 2, rel=1e-3)


def test_at_the_seeds_needed_about_half_of_the_studies_succeed() -> None:
    """As documented: the number is where the expected interval leaves out 0, and no promise."""
    mean, sd, studies = 1.0, 1.0, 4000
    n = seeds_needed(sd, mean)
    draws = np.random.default_rng(0).normal(mean, sd, (studies, n))
    won = np.mean(np.abs(draws.mean(1)) > stats.t.ppf(0.975, n - 1) * draws.std(1, ddof=1) / math.sqrt(n))
    assert 0.4 < won < 0.65


# --- Holm ---


def slow_holm(p_values: list[float]) -> list[float]:
    """By closed testing: a hypothesis falls when each set that holds it falls by Bonferroni."""
    indices = range(len(p_values))
    sets = [chosen for size in range(1, len(p_values) + 1) for chosen in itertools.combinations(indices, size)]
    return [
        max(min(1.0, len(chosen) * min(p_values[k] for k in chosen)) for chosen in sets if index in chosen)
        for index in indices
    ]


@given(P_VALUES)
def test_holm_is_closed_testing_with_bonferroni(p_values: list[float]) -> None:
    assert holm(p_values) == approx(slow_holm(p_values))


@given(P_VALUES, st.randoms())
def test_holm_keeps_the_order_and_follows_its_values(p_values: list[float], random: object) -> None:
    adjusted = holm(p_values)
    assert all(before <= after <= 1 for before, after in zip(p_values, adjusted, strict=True))
    by_size = [after for _, after in sorted(zip(p_values, adjusted, strict=True))]
    assert by_size == sorted(by_size)
    order = list(range(len(p_values)))
    random.shuffle(order)
    assert holm([p_values[index] for index in order]) == [adjusted[index] for index in order]


def test_holm_by_hand() -> None:
    # 4 · 0.005, 3 · 0.01, 2 · 0.03 and, not below the one before, 0.04
    assert holm([0.01, 0.04, 0.03, 0.005]) == approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.03]) == [0.03]
    assert holm([]) == []


# --- simulations ---


@mark.parametrize("n", [2, 3, 5])
def test_t_intervals_cover_the_truth_as_often_as_they_say(n: int) -> None:
    trials = 2000
    samples = np.random.default_rng(n).normal(80.0, 0.5, (trials, n))
    covered = np.mean([low <= 80.0 <= high for low, high in map(student_interval, samples.tolist())])
    low, high = binomial_bounds(0.95, trials)
    assert low <= covered <= high


def test_pairing_takes_out_what_the_seeds_share() -> None:
    """With most of the noise shared by the rows of a seed, the paired interval is far narrower, and still covers."""
    trials, n, gain = 1000, 4, 0.3
    generator = np.random.default_rng(1)
    shared = generator.normal(0, 1, (trials, n))
    one, other = (shared + generator.normal(0, 0.1, (trials, n)) for _ in range(2))
    intervals = []
    for row, baseline in zip((one + gain).tolist(), other.tolist(), strict=True):
        intervals.append(subtract(dict(enumerate(row)), dict(enumerate(baseline))).interval)
    bounds = np.array(intervals)
    low, high = binomial_bounds(0.95, trials)
    assert low <= np.mean((bounds[:, 0] <= gain) & (gain <= bounds[:, 1])) <= high
    assert np.median(bounds[:, 1] - bounds[:, 0]) < 0.5
