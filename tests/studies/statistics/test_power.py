"""Seeds needed: the power behind them is that of the rule that decides, and the count is the first that suffices."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pytest import approx, mark

from studies.comparison.cells import make_cell
from studies.comparison.judging import judge_rows
from studies.statistics.power import POWER, Assumed, decided, holm_columns, seeds_needed
from studies.statistics.seeds import holm
from studies.statistics.verdict import UNDECIDED

ROWS = [Assumed(difference, 0.3, 0.4, 0.5, 1.0, 2) for difference in (0.0, 0.6, 1.5)]


def really_decided(n: int, studies: int, margin_of_one: bool = True) -> NDArray:
    """The share of simulated studies in which each of ``ROWS`` is decided, seed by seed, by the rule itself."""
    generator = np.random.default_rng(11)
    outcomes = []
    for _ in range(studies):
        base = generator.normal(0, 0.4, n)
        # Rows and baseline independent: the seeds' differences have a spread of √(0.3² + 0.4²) = 0.5.
        rows = [generator.normal(each.difference, 0.3, n) for each in ROWS]
        cells = [{"miou": make_cell(dict(enumerate(row)), dict(enumerate(base)))} for row in rows]
        outcomes.append([each["miou"].verdict.outcome != UNDECIDED for each in judge_rows(cells)])
    return np.mean(outcomes, axis=0)


@mark.parametrize("n", [2, 3, 5])
def test_the_power_is_that_of_the_rule_itself(n: int) -> None:
    studies = 300
    simulated = decided(ROWS, n, draws=20_000).mean(axis=0)
    assert really_decided(n, studies) == approx(simulated, abs=4 * (0.25 / studies) ** 0.5)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=1, max_size=5))
def test_holm_of_many_studies_is_holm_of_each(p_values: list[list[float]]) -> None:
    assert holm_columns(np.array(p_values)).tolist() == [approx(holm(study)) for study in p_values]


def test_the_count_is_the_first_that_suffices_and_never_what_there_is() -> None:
    for n in (1, 3, 6):
        rows = [Assumed(each.difference, each.row_sd, each.baseline_sd, each.paired_sd, 1.0, n) for each in ROWS]
        found = seeds_needed(rows, range(len(rows)))
        assert set(found) == {0, 1, 2}
        for place, count in found.items():
            assert count > n
            assert decided(rows, count).mean(axis=0)[place] >= POWER
            if count - 1 > max(n, 1):
                assert decided(rows, count - 1).mean(axis=0)[place] < POWER


def test_only_those_asked_about_are_counted_and_what_is_out_of_reach_is_left_out() -> None:
    assert list(seeds_needed(ROWS, [1])) == [1]
    assert seeds_needed(ROWS, []) == {}
    hopeless = [Assumed(0.1, 50.0, 50.0, 70.0, 1.0, 3)]
    assert seeds_needed(hopeless, [0]) == {}


def test_more_rows_need_more_seeds() -> None:
    """The correction for many rows is in the count."""
    one = Assumed(0.8, 0.4, 0.4, 0.57, 0.2, 2)
    nothing = [Assumed(0.0, 0.4, 0.4, 0.57, 0.2, 2)] * 7
    assert seeds_needed([one], [0])[0] < seeds_needed([one, *nothing], [0])[0]


def test_seeds_that_cancel_to_the_last_digit_do_not_divide_by_zero() -> None:
    rows = [Assumed(1.0, 0.3, 0.3, 0.0, 0.5, 4)]
    with np.errstate(divide="raise", invalid="raise"):
        assert seeds_needed(rows, [0]) == {0: 5}
