"""Statistics over seeds against SciPy, slow references and simulations whose answer is known."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx, mark
from scipy import stats

from studies.statistics.seeds import PAIRED, WELCH, Difference, holm, standard_deviation, student_interval, subtract

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=8)
SPREAD = st.lists(st.integers(-1000, 1000), min_size=2, max_size=8).filter(lambda values: len(set(values)) > 1)


def binomial_bounds(share: float, trials: int) -> tuple[float, float]:
    """What a share of that many trials stays within but once in a million simulations, were it right."""
    low, high = stats.binom.interval(1 - 1e-6, trials, share)
    return low / trials, high / trials


# --- one difference ---


def paired(values: list[float]) -> Difference:
    """The difference whose values by seed are these, five or more."""
    return subtract(dict(enumerate(values)), dict.fromkeys(range(len(values)), 0.0))


@given(st.lists(st.integers(-1000, 1000), min_size=5, max_size=8).filter(lambda values: len(set(values)) > 1))
def test_the_paired_test_is_scipys(values: list[int]) -> None:
    reference = stats.ttest_1samp(values, 0)
    found = paired(values)
    assert found.test == PAIRED
    assert found.p_value == approx(reference.pvalue, abs=1e-9)
    assert found.interval == approx(tuple(reference.confidence_interval(0.95)), rel=1e-6, abs=1e-6)
    assert (found.value, found.n, found.freedom) == (approx(np.mean(values)), (len(values),) * 2, len(values) - 1)
    assert standard_deviation(values) == approx(float(np.std(values, ddof=1)))


@given(SPREAD, SPREAD)
def test_the_independent_test_is_scipys(row: list[int], baseline: list[int]) -> None:
    reference = stats.ttest_ind(row, baseline, equal_var=False)
    found = subtract(dict(enumerate(row)), dict(enumerate(baseline, start=100)))  # no seed in common
    assert (found.test, found.pairs, found.n) == (WELCH, 0, (len(row), len(baseline)))
    assert found.p_value == approx(reference.pvalue, abs=1e-9)
    assert found.interval == approx(tuple(reference.confidence_interval(0.95)), rel=1e-6, abs=1e-6)
    assert found.freedom == approx(reference.df)
    assert found.spread[2] == approx((np.var(row, ddof=1) + np.var(baseline, ddof=1)) ** 0.5)


@given(st.integers(0, 8), st.integers(0, 3), st.integers(0, 3))
def test_the_number_of_common_seeds_alone_chooses_the_test(common: int, mine: int, theirs: int) -> None:
    generator = np.random.default_rng(common)
    row = {seed: generator.normal() for seed in (*range(common), *range(10, 10 + mine))}
    baseline = {seed: generator.normal() for seed in (*range(common), *range(20, 20 + theirs))}
    found = subtract(row, baseline)
    if not row or not baseline:
        assert found is None
        return
    assert (found.pairs, found.test) == (common, PAIRED if common >= 5 else WELCH)
    assert found.n == ((common, common) if common >= 5 else (len(row), len(baseline)))
    assert (found.interval is None) == (min(found.n) < 2)


@given(SPREAD)
def test_p_is_below_five_percent_where_the_interval_leaves_out_zero(values: list[int]) -> None:
    found = subtract(dict(enumerate(values)), {0: 0.0, 1: 1.0, 2: -1.0})
    low, high = found.interval
    assert 0 <= found.p_value <= 1
    if abs(found.p_value - 0.05) > 1e-9:
        assert (found.p_value < 0.05) == (low > 0 or high < 0)


@given(SPREAD, SPREAD)
def test_sign_does_not_matter(row: list[int], baseline: list[int]) -> None:
    one, other = dict(enumerate(row)), dict(enumerate(baseline))
    found, turned = subtract(one, other), subtract(other, one)
    assert turned.value == approx(-found.value)
    assert turned.p_value == approx(found.p_value, abs=1e-12) or found.p_value is None
    low, high = found.interval
    assert turned.interval == approx((-high, -low), abs=1e-9)


@mark.parametrize("values", [[3.0] * 5, [0.1 + 0.2, 0.3, 0.3, 0.3, 0.3]])
def test_no_spread_is_no_test(values: list[float]) -> None:
    """Seeds that all say the same sampled nothing, so the smallest of p values would be the largest of mistakes."""
    found = paired(values)
    assert (found.p_value, found.error) == (None, None)
    found = subtract(dict(enumerate(values[:3])), {0: 1.0, 1: 1.0})
    assert (found.p_value, found.error) == (None, None)
    # At the floor of a measure one row may have no spread; the other's is enough.
    assert subtract({0: 0.0, 1: 0.0}, {0: 5.0, 1: 6.0}).p_value is not None


def test_one_seed_has_no_interval() -> None:
    assert subtract({0: 1.0}, {1: 3.0}) == Difference(-2.0, 0, (1, 1), WELCH)
    assert subtract({0: 1.0}, {0: 3.0}) == Difference(-2.0, 1, (1, 1), WELCH)
    assert subtract({0: 1.0}, {0: 3.0, 1: 5.0}) == Difference(-3.0, 1, (1, 2), WELCH)


def test_pairing_can_be_asked_for() -> None:
    """The tables of an ablation, which have no verdicts, pair from the first seed on."""
    row, baseline = {0: 33.0, 1: 35.0, 2: 40.0, 7: 90.0}, {0: 30.0, 1: 31.0, 2: 35.0, 5: 1.0}
    difference = subtract(row, baseline, least_pairs=1)
    assert (difference.value, difference.pairs, difference.test) == (4.0, 3, PAIRED)
    assert difference.p_value == approx(stats.ttest_rel([33, 35, 40], [30, 31, 35]).pvalue)


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


@mark.parametrize("n", [2, 3, 4])
def test_independent_intervals_cover_the_truth(n: int) -> None:
    """Welch's interval at unequal spreads: at two seeds it is wider than it need be, never too narrow."""
    trials, gain = 2000, 1.0
    generator = np.random.default_rng(n)
    rows, baselines = generator.normal(gain, 0.3, (trials, n)), generator.normal(0, 0.6, (trials, n))
    covered = np.mean(
        [
            low <= gain <= high
            for row, base in zip(rows.tolist(), baselines.tolist(), strict=True)
            for low, high in [subtract(dict(enumerate(row)), dict(enumerate(base))).interval]
        ]
    )
    assert covered >= binomial_bounds(0.945, trials)[0]


def test_pairing_takes_out_what_the_seeds_share() -> None:
    """With most of the noise shared by the rows of a seed, the paired interval is far narrower, and still covers."""
    trials, n, gain = 1000, 5, 0.3
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
