"""Verdicts: the rules one by one, their symmetry, and how often they are wrong where the truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx, mark
from scipy import stats

from studies.comparison.cells import Cell, make_cell
from studies.comparison.judging import judge_rows
from studies.results.paper import PaperNumber
from studies.statistics.seeds import PAIRED, WELCH, Difference, subtract
from studies.statistics.verdict import (
    CARRIES_OVER,
    DIFFERS,
    MARGIN,
    NO_DIFFERENCE,
    OPPOSITE,
    OUTCOMES,
    PAPER_OUTCOMES,
    REVERSES,
    SAME_SIGN,
    SAME_SIGN_COMPATIBLE,
    SAME_SIGN_LARGER,
    SAME_SIGN_SMALLER,
    UNDECIDED,
    Verdict,
    direction_of,
    judge,
    judge_beside,
)

PAPER = (1.83, 2.28, 1.70, 1.85, 0.94, 1.35)  # mIoU of Table 9, from B-standard
FIVE = st.lists(st.integers(-300, 300), min_size=5, max_size=7)


def single(values: Sequence[float], adjusted_p: float | None = None) -> Difference:
    """The paired differences of at least five seeds, as the only row unless an adjusted p value is given."""
    difference = subtract(dict(enumerate(values)), dict.fromkeys(range(len(values)), 0.0))
    return replace(difference, adjusted_p=adjusted_p or difference.p_value)


def own(values: Sequence[float], direction: int = 1, adjusted_p: float | None = None) -> str:
    return judge(single(values, adjusted_p), direction).outcome


def beside(values: Sequence[float], paper: float, adjusted_p: float | None = None) -> str:
    return judge_beside(single(values, adjusted_p), paper).outcome


def judged(values: np.ndarray, paper: Sequence[float] = PAPER, direction: int = 1) -> list[Cell]:
    """Of a table of rows by seeds, whose first row is the baseline, the cells of the others."""
    base, *rows = [dict(enumerate(row)) for row in values.tolist()]
    cells = [{"miou": make_cell(row, base, PaperNumber(40.0, theirs))} for row, theirs in zip(rows, paper, strict=True)]
    return [each["miou"] for each in judge_rows(cells, dict.fromkeys(range(len(cells)), direction))]


# --- the rules: one's own rows ---

FAR, NEAR, WIDE = (1.9, 2.0, 2.1, 2.0, 2.0), (-0.1, 0.0, 0.1, 0.0, 0.0), (-2.0, 0.0, 2.0, 1.0, -1.0)


@mark.parametrize(
    ("values", "direction", "expected"),
    [
        (FAR, 1, CARRIES_OVER),
        (FAR, -1, REVERSES),
        (FAR, 0, DIFFERS),
        ([-value for value in FAR], -1, CARRIES_OVER),  # a loss is a finding like a gain
        ([-value for value in FAR], 1, REVERSES),
        (NEAR, 1, NO_DIFFERENCE),
        (NEAR, 0, NO_DIFFERENCE),
        (WIDE, 1, UNDECIDED),
        ((3.0,), 1, UNDECIDED),
        ((3.0, 3.0, 3.0, 3.0, 3.0), 1, UNDECIDED),  # no spread, no sample of noise
    ],
)
def test_rules_of_own_rows(values: Sequence[float], direction: int, expected: str) -> None:
    assert own(values, direction) == expected


def test_the_margin_of_own_rows_is_one_point() -> None:
    half = stats.t.ppf(0.975, 4) * np.std(NEAR, ddof=1) / 5**0.5
    for shift in (1 - half - 1e-6, 1 - half + 1e-6):  # with an adjusted p that does not let it differ
        moved = [value + shift for value in NEAR]
        assert own(moved, adjusted_p=0.5) == (NO_DIFFERENCE if shift < 1 - half else UNDECIDED)
    assert judge(single(NEAR), 1) == Verdict(NO_DIFFERENCE, MARGIN)


def test_the_adjusted_p_decides() -> None:
    assert own(FAR, adjusted_p=0.05) == CARRIES_OVER
    assert own(FAR, adjusted_p=0.0501) == UNDECIDED
    assert beside(FAR, 1.83, adjusted_p=0.0501) == UNDECIDED


def test_the_direction_is_that_of_a_top1_that_differs_or_of_a_single_training() -> None:
    assert direction_of(single(FAR)) == 1
    assert direction_of(single([-value for value in FAR])) == -1
    assert direction_of(single(WIDE)) == 0  # several trainings, and they do not tell
    assert direction_of(subtract({0: 76.0}, {0: 75.0})) == 1  # one training each: about these weights
    assert direction_of(subtract({None: 75.0}, {None: 76.0})) == -1
    assert direction_of(subtract({0: 76.0}, {0: 75.0, 1: 75.1, 2: 74.9, 3: 75.2, 4: 74.8})) == 0  # one beside five
    assert direction_of(subtract({0: 75.0}, {0: 75.0})) == 0
    assert direction_of(None) == 0


# --- the rules: beside the paper ---


@mark.parametrize(
    ("values", "paper", "expected"),
    [
        (FAR, 1.95, SAME_SIGN_COMPATIBLE),
        (FAR, 3.0, SAME_SIGN_SMALLER),
        (FAR, 0.5, SAME_SIGN_LARGER),
        (FAR, -1.83, OPPOSITE),
        ([-value for value in FAR], -1.95, SAME_SIGN_COMPATIBLE),
        ([-value for value in FAR], -3.0, SAME_SIGN_SMALLER),
        ([-value for value in FAR], -0.5, SAME_SIGN_LARGER),
        ([-value for value in FAR], 0.15, OPPOSITE),
        (NEAR, 1.83, NO_DIFFERENCE),
        (NEAR, -1.83, NO_DIFFERENCE),
        (NEAR, 0.15, UNDECIDED),  # ± 0.088 is not within half of 0.15
        (WIDE, 9.0, UNDECIDED),  # ± 1.96 is within half of 9, and not within the largest margin
        ((3.0,), 3.79, UNDECIDED),
    ],
)
def test_rules_beside_the_paper(values: Sequence[float], paper: float, expected: str) -> None:
    assert beside(values, paper) == expected


def test_without_a_finding_there_is_no_verdict() -> None:
    assert judge_beside(single(FAR), None) is None
    assert judge_beside(single(FAR), 0.0) is None
    assert judge_beside(None, 1.0) is None
    assert judge(None, 1) is None


def test_margins_beside_the_paper() -> None:
    assert judge_beside(single(WIDE), 0.76).margin == 0.38
    assert judge_beside(single(WIDE), -3.79).margin == MARGIN


@settings(deadline=None)
@given(FIVE, st.floats(0.1, 4))
def test_verdicts_are_symmetric_in_sign(values: list[int], paper: float) -> None:
    """What turns both signs changes nothing; what turns one swaps the findings."""
    points = [value / 100 for value in values]
    turned = [-value for value in points]
    assert own(turned, -1) == own(points, 1)
    swapped = {CARRIES_OVER: REVERSES, REVERSES: CARRIES_OVER}
    assert own(points, -1) == swapped.get(own(points, 1), own(points, 1))
    mine = beside(points, paper)
    assert beside(turned, -paper) == mine
    assert (mine == OPPOSITE) == (beside(points, -paper) in SAME_SIGN)
    assert own(points) in OUTCOMES
    assert mine in PAPER_OUTCOMES


@settings(deadline=None)
@given(FIVE, st.floats(0.1, 4))
def test_verdicts_agree_with_the_interval(values: list[int], paper: float) -> None:
    """Of a single row, where nothing is adjusted: it differs exactly where the interval leaves out 0."""
    points = [value / 100 for value in values]
    low, high = single(points).interval
    mine = beside(points, paper)
    if len(set(points)) > 1 and min(abs(low), abs(high)) > 1e-9:
        differs = low > 0 or high < 0
        assert (mine in (*SAME_SIGN, OPPOSITE)) == (own(points) in (CARRIES_OVER, REVERSES)) == differs
        assert mine != SAME_SIGN_COMPATIBLE or low <= paper <= high
    if mine == NO_DIFFERENCE:
        assert max(-low, high) < min(paper / 2, 1.0)


# --- all rows of a comparison ---


def test_the_interval_of_the_best_row_allows_for_the_choice() -> None:
    """Bonferroni's t interval, against SciPy, and only over the rows that were tested."""
    generator = np.random.default_rng(0)
    cells = judged(generator.normal(0, 1, (7, 4)))
    for cell in cells:
        found = cell.difference
        assert found.test == WELCH
        half = stats.t.ppf(1 - 0.025 / 6, found.freedom) * found.error
        assert found.simultaneous == approx((found.value - half, found.value + half))
    alone = judged(generator.normal(0, 1, (2, 4)), PAPER[:1])[0].difference
    assert alone.simultaneous == approx(alone.interval)
    assert judged(generator.normal(0, 1, (7, 5)))[0].difference.test == PAIRED


def test_directions_come_from_top1_unless_they_are_given() -> None:
    base = {seed: 50 + seed / 10 for seed in range(3)}
    rows = []
    for top1, miou in ((60.0, 60.0), (40.0, 60.0), (50.0, 60.0)):
        shifted = [{seed: value - 50 + mean for seed, value in base.items()} for mean in (top1, miou)]
        rows.append({"top1": make_cell(shifted[0], base), "miou": make_cell(shifted[1], base)})
    outcomes = [cells["miou"].verdict.outcome for cells in judge_rows(rows)]
    assert outcomes == [CARRIES_OVER, REVERSES, DIFFERS]
    assert judge_rows(rows, {0: -1})[0]["miou"].verdict.outcome == REVERSES
    assert [cells["top1"].verdict.outcome for cells in judge_rows(rows)] == [DIFFERS, DIFFERS, NO_DIFFERENCE]


# --- how often they are wrong ---


@mark.parametrize("seeds", [2, 3, 5])
def test_where_nothing_differs_a_study_claims_a_difference_in_at_most_five_percent(seeds: int) -> None:
    """All rows against one noisy baseline, so that the tests depend on each other as in a real comparison."""
    studies = 1000
    generator = np.random.default_rng(seeds)
    false = unadjusted = 0
    for _ in range(studies):
        cells = judged(generator.normal(0, 0.5, (len(PAPER) + 1, seeds)))
        false += any(cell.verdict.outcome in (CARRIES_OVER, REVERSES) for cell in cells)
        unadjusted += any(cell.difference.p_value <= 0.05 for cell in cells)
    most = stats.binom.ppf(1 - 1e-6, studies, 0.05)
    assert false <= most
    assert unadjusted > most  # negative control: without Holm's correction it is more


@mark.parametrize("seeds", [3, 5])
def test_the_interval_of_the_best_row_covers_its_truth(seeds: int) -> None:
    """Six equal rows: the one that happens to be the best is taken for better than it is, and the interval knows."""
    studies = 1000
    generator = np.random.default_rng(seeds)
    covered = naive = 0
    for _ in range(studies):
        cells = judged(generator.normal(0, 0.5, (len(PAPER) + 1, seeds)))
        best = max((cell.difference for cell in cells), key=lambda difference: difference.value)
        covered += best.simultaneous[0] <= 0 <= best.simultaneous[1]
        naive += best.interval[0] <= 0 <= best.interval[1]
    assert covered >= stats.binom.ppf(1e-6, studies, 0.95)
    assert naive < covered
    assert naive < stats.binom.ppf(1e-6, studies, 0.95) + 0.02 * studies  # negative control: an interval for no choice


def test_a_loss_as_large_as_half_the_papers_gain_is_seldom_called_no_difference() -> None:
    """At the margin itself the two one-sided tests err in 2.5 % at most, per row."""
    trials, paper = 1000, 1.6
    draws = np.random.default_rng(7).normal(-paper / 2, 0.3, (trials, 6)).tolist()
    wrong = sum(beside(row, paper) == NO_DIFFERENCE for row in draws)
    assert wrong <= stats.binom.ppf(1 - 1e-6, trials, 0.025)


def test_power() -> None:
    """The paper's own gains are found with little noise; equal rows, seen often enough, are called that."""
    generator = np.random.default_rng(5)
    truth = np.array([0.0, *PAPER])[:, None]
    found = [cell for _ in range(60) for cell in judged(truth + generator.normal(0, 0.2, (7, 5)))]
    share = np.mean([cell.verdict.outcome == CARRIES_OVER for cell in found])
    assert share > 0.97
    assert np.mean([cell.paper_verdict.outcome in SAME_SIGN for cell in found]) == share
    assert np.mean([cell.paper_verdict.outcome == SAME_SIGN_COMPATIBLE for cell in found]) > 0.9
    lost = [cell for _ in range(20) for cell in judged(-truth + generator.normal(0, 0.2, (7, 5)))]
    assert np.mean([cell.paper_verdict.outcome == OPPOSITE for cell in lost]) > 0.97
    equal = [cell for _ in range(60) for cell in judged(generator.normal(0, 0.2, (7, 5)))]
    assert np.mean([cell.verdict.outcome == NO_DIFFERENCE for cell in equal]) > 0.9
    two = [cell for _ in range(50) for cell in judged(generator.normal(0, 0.5, (7, 2)))]
    assert np.mean([cell.verdict.outcome == UNDECIDED for cell in two]) > 0.8  # two seeds say little, and it is said
