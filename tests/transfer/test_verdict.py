"""Verdicts: the rules one by one, their symmetry, and how often they are wrong where the truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import mark
from scipy import stats

from transfer.cells import Cell, judge_rows, make_cell
from transfer.paper import PaperNumber
from transfer.statistics import Difference, student_interval, subtract
from transfer.verdict import (
    LARGEST_MARGIN,
    NO_DIFFERENCE,
    OPPOSITE,
    OUTCOMES,
    REPRODUCED,
    UNDETERMINED,
    Verdict,
    judge,
)

PAPER = (1.83, 2.28, 1.70, 1.85, 0.94, 1.35)  # mIoU of Table 9, from B-standard
VALUES = st.lists(st.integers(-300, 300), min_size=2, max_size=6)


def outcome(values: Sequence[float], paper: float | None, adjusted_p: float | None = None) -> str | None:
    """Of these differences by seed, as the only row unless an adjusted p value is given."""
    difference = subtract(dict(enumerate(values)), dict.fromkeys(range(len(values)), 0.0))
    verdict = judge(replace(difference, adjusted_p=adjusted_p or difference.p_value), paper)
    return verdict and verdict.outcome


def judged(differences: np.ndarray, paper: Sequence[float]) -> list[Cell]:
    """A table of rows by seeds whose baseline is 0 throughout."""
    base = dict.fromkeys(range(differences.shape[1]), 0.0)
    rows = [
        {"miou": make_cell(dict(enumerate(row)), base, PaperNumber(40.0, theirs))}
        for row, theirs in zip(differences.tolist(), paper, strict=True)
    ]
    return [cells["miou"] for cells in judge_rows(rows)]


def outcomes(differences: np.ndarray, paper: Sequence[float]) -> list[str]:
    return [cell.verdict.outcome for cell in judged(differences, paper)]


# --- the rules ---


@mark.parametrize(
    ("values", "paper", "expected"),
    [
        ((1.9, 2.0, 2.1), 1.83, REPRODUCED),
        ((1.9, 2.0, 2.1), -1.83, OPPOSITE),
        ((-1.9, -2.0, -2.1), -0.58, REPRODUCED),  # a loss is a finding like a gain
        ((-1.9, -2.0, -2.1), 0.15, OPPOSITE),
        ((-0.1, 0.0, 0.1), 1.83, NO_DIFFERENCE),
        ((-0.1, 0.0, 0.1), -1.83, NO_DIFFERENCE),
        ((-0.1, 0.0, 0.1), 0.40, UNDETERMINED),  # ± 0.25 is not within half of 0.40
        ((-1.0, 0.0, 1.0), 3.79, UNDETERMINED),
        ((-0.5, 0.0, 0.5), 9.0, UNDETERMINED),  # ± 1.24 is within half of 9, and not within the largest margin
        ((1.0, 4.0), 3.79, UNDETERMINED),
        ((3.0,), 3.79, UNDETERMINED),
        ((3.0, 3.0, 3.0), 3.79, UNDETERMINED),  # no spread, no sample of noise
    ],
)
def test_rules(values: Sequence[float], paper: float, expected: str) -> None:
    assert outcome(values, paper) == expected


def test_without_a_finding_there_is_no_verdict() -> None:
    assert outcome((1.9, 2.0, 2.1), None) is None
    assert outcome((1.9, 2.0, 2.1), 0.0) is None
    assert judge(None, 1.0) is None
    assert judge(Difference(4.0, 0, None), 1.0) == Verdict(UNDETERMINED, 0.5, None)


def test_the_adjusted_p_decides() -> None:
    values = (1.0, 1.2, 1.6)
    assert outcome(values, 3.0) == REPRODUCED
    assert outcome(values, 3.0, adjusted_p=0.06) == UNDETERMINED


def test_margin_and_seeds_needed() -> None:
    difference = subtract({0: 0.0, 1: 1.0, 2: 2.0}, dict.fromkeys(range(3), 0.0))
    assert judge(difference, 0.76).margin == 0.38
    assert judge(difference, -3.79).margin == LARGEST_MARGIN
    # 3.182 / √4 = 1.59 is below 1.6, 4.303 / √3 = 2.48 is not
    assert judge(difference, 3.2).seeds_needed == judge(difference, -3.2).seeds_needed == 4


@settings(deadline=None)
@given(VALUES, st.floats(0.1, 4))
def test_verdicts_are_symmetric_in_sign(values: list[int], paper: float) -> None:
    """What turns both signs changes nothing; what turns one swaps reproduced and opposite."""
    points = [value / 100 for value in values]
    turned = [-value for value in points]
    mine = outcome(points, paper)
    assert outcome(turned, -paper) == mine
    swapped = {REPRODUCED: OPPOSITE, OPPOSITE: REPRODUCED}
    assert outcome(points, -paper) == outcome(turned, paper) == swapped.get(mine, mine)
    assert mine in OUTCOMES


@settings(deadline=None)
@given(VALUES, st.floats(0.1, 4))
def test_verdicts_agree_with_the_interval(values: list[int], paper: float) -> None:
    """Of a single row, where nothing is adjusted: a sign is claimed exactly where the interval leaves out 0."""
    points = [value / 100 for value in values]
    low, high = student_interval(points)
    mine = outcome(points, paper)
    if len(set(points)) > 1 and min(abs(low), abs(high)) > 1e-9:
        assert (mine in (REPRODUCED, OPPOSITE)) == (low > 0 or high < 0)
    if mine == NO_DIFFERENCE:
        assert max(-low, high) < min(paper / 2, 1.0)


# --- how often they are wrong ---


@mark.parametrize("seeds", [3, 5])
def test_where_nothing_differs_a_study_claims_a_sign_in_at_most_five_percent(seeds: int) -> None:
    """All rows against one noisy baseline, so that the tests depend on each other as in a real comparison."""
    studies = 500
    generator = np.random.default_rng(seeds)
    false = unadjusted = 0
    for _ in range(studies):
        noise = generator.normal(0, 0.5, (len(PAPER) + 1, seeds))
        cells = judged(noise[1:] - noise[0], PAPER)
        false += any(cell.verdict.outcome in (REPRODUCED, OPPOSITE) for cell in cells)
        unadjusted += any(cell.difference.p_value <= 0.05 for cell in cells)
    most = stats.binom.ppf(1 - 1e-6, studies, 0.05)
    assert false <= most
    assert unadjusted > most  # negative control: without Holm's correction it is more


def test_a_loss_as_large_as_half_the_papers_gain_is_seldom_called_no_difference() -> None:
    """At the margin itself the two one-sided tests err in 2.5 % at most, per row."""
    trials, paper = 1000, 1.6
    draws = np.random.default_rng(7).normal(-paper / 2, 0.3, (trials, 6)).tolist()
    wrong = sum(outcome(row, paper) == NO_DIFFERENCE for row in draws)
    assert wrong <= stats.binom.ppf(1 - 1e-6, trials, 0.025)


def test_power() -> None:
    """The paper's own gains with MoCo's noise are found; equal rows, seen often enough, are called that."""
    generator = np.random.default_rng(5)
    gains = np.array(PAPER)[:, None] + generator.normal(0, 0.2, (60, len(PAPER), 5))
    found = [verdict for study in gains for verdict in outcomes(study, PAPER)]
    assert found.count(REPRODUCED) > 0.97 * len(found)
    assert OPPOSITE not in found
    losses = [verdict for study in -gains[:20] for verdict in outcomes(study, PAPER)]
    assert losses.count(OPPOSITE) > 0.97 * len(losses)
    nothing = generator.normal(0, 0.2, (60, len(PAPER), 5))
    equal = [verdict for study in nothing for verdict in outcomes(study, PAPER)]
    assert equal.count(NO_DIFFERENCE) > 0.85 * len(equal)
    two = [v for study in generator.normal(0, 0.5, (50, len(PAPER), 2)) for v in outcomes(study, PAPER)]
    assert two.count(UNDETERMINED) > 0.8 * len(two)  # two seeds say little, and it is said
