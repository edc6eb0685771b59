"""The fast form of the rule against the code that judges a user's runs."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx, mark

from studies.comparison.cells import Cell, make_cell
from studies.comparison.judging import judge_rows
from studies.results.paper import PaperNumber
from studies.simulation.rule import RULES, compare_studies
from studies.statistics.seeds import LEAST_PAIRS, PAIRED, WELCH, subtract
from studies.statistics.verdict import CARRIES_OVER, MARGIN, NO_DIFFERENCE, REVERSES, SAME_SIGN, UNDECIDED, paper_margin

PAPER = np.array([1.83, 0.4, -1.7])


def judged(rows: np.ndarray, baseline: np.ndarray) -> list[Cell]:
    """The cells of one study, (rows, seeds) and (seeds of the baseline,), by the shipped code."""
    base = dict(enumerate(baseline.tolist()))
    cells = [
        {"miou": make_cell(dict(enumerate(row)), base, PaperNumber(40.0, theirs))}
        for row, theirs in zip(rows.tolist(), PAPER.tolist(), strict=True)
    ]
    return [each["miou"] for each in judge_rows(cells, dict.fromkeys(range(len(cells)), 1))]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**9), st.integers(2, 7), st.integers(0, 4), st.sampled_from([0.05, 0.3, 1.0]))
def test_the_fast_rule_is_the_shipped_one(seed: int, seeds: int, further: int, sd: float) -> None:
    """Also where the baseline has more seeds than the rows."""
    random = np.random.default_rng(seed)
    rows = 40 + random.choice([0.0, 0.5, 1.5], (3, 3, 1)) + sd * random.standard_normal((3, 3, seeds))
    baseline = 40 + sd * random.standard_normal((3, 1, seeds + further))
    fast = compare_studies(rows, baseline)
    margins = [paper_margin(theirs) for theirs in PAPER]
    for study in range(3):
        for place, cell in enumerate(judged(rows[study], baseline[study, 0])):
            found = cell.difference
            assert found.test == (PAIRED if seeds >= LEAST_PAIRS else WELCH)
            value, half = fast.value[study, place], fast.half[study, place]
            wide = fast.simultaneous_half[study, place]
            assert found.value == approx(value, abs=1e-11)
            assert found.interval == approx((value - half, value + half), abs=1e-11)
            assert found.simultaneous == approx((value - wide, value + wide), abs=1e-11)
            assert found.adjusted_p == approx(fast.adjusted_p[study, place], rel=1e-8)
            assert fast.differs[study, place] == (cell.verdict.outcome in (CARRIES_OVER, REVERSES))
            assert fast.finds(1)[study, place] == (cell.verdict.outcome == CARRIES_OVER)
            assert fast.finds(PAPER)[study, place] == (cell.paper_verdict.outcome in SAME_SIGN)
            assert fast.decides(MARGIN)[study, place] == (cell.verdict.outcome != UNDECIDED)
            assert fast.decides(margins)[study, place] == (cell.paper_verdict.outcome != UNDECIDED)


def test_random_studies_reach_every_outcome() -> None:
    """The comparison above would say little if all of its studies ended alike."""
    random = np.random.default_rng(0)
    outcomes = set()
    for sd in (0.05, 0.3, 1.0):
        for _ in range(20):
            rows = random.choice([-1.5, 0.0, 1.5], (3, 1)) + sd * random.standard_normal((3, 4))
            outcomes |= {cell.verdict.outcome for cell in judged(rows, sd * random.standard_normal(4))}
    assert outcomes == {CARRIES_OVER, REVERSES, NO_DIFFERENCE, UNDECIDED}


@mark.parametrize("name", RULES)
@mark.parametrize("seeds", [2, 4, 6])
def test_rules_differ_in_when_they_pair(name: str, seeds: int) -> None:
    random = np.random.default_rng(seeds)
    row, base = random.standard_normal((2, 1, 1, seeds))
    fast = compare_studies(row, base, RULES[name])
    slow = subtract(*(dict(enumerate(each[0, 0].tolist())) for each in (row, base)), RULES[name])
    assert slow.test == {"shipped": PAIRED if seeds >= 5 else WELCH, "Welch": WELCH, "paired": PAIRED}[name]
    assert slow.p_value == approx(fast.adjusted_p[0, 0])
