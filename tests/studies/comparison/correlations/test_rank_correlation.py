"""Rank correlation: the paper's own numbers, SciPy and a slow count as references, coverage of a known truth."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx, mark
from scipy import stats

from studies.comparison.compare import compare_runs
from studies.comparison.correlations.rank_correlation import paper_spearman
from studies.statistics.spearman import spearman

COLUMN = st.integers(3, 6).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(0, 5), min_size=n, max_size=n).filter(lambda v: len(set(v)) > 1)] * 2)
)


def slow_value(one: list[int], other: list[int]) -> float:
    """Pearson's correlation of mean ranks, each counted by comparing all pairs."""

    def ranks(values: list[int]) -> list[float]:
        return [sum((v < value) + 0.5 * (v == value) for v in values) for value in values]

    x, y = ranks(one), ranks(other)
    return float(np.corrcoef(x, y)[0, 1])


@mark.parametrize(("metric", "value"), [("voc07_map", 1.00), ("miou", -0.04), ("pixel_accuracy", 0.07)])
def test_the_papers_tables(metric: str, value: float) -> None:
    found = paper_spearman(metric)
    assert round(found.value, 2) == value
    assert found.rows == 7
    assert found.interval[0] <= found.value <= found.interval[1]


def test_the_paper_over_fewer_rows() -> None:
    # mIoU of efficient, cosine, mixup falls in the order 2, 3, 1 where top-1 has 1, 2, 3
    assert paper_spearman("miou", ["d-efficient", "d-cosine", "d-mixup"]).value == approx(-0.5)
    assert paper_spearman("miou", ["d-cosine", "unknown"]) is None
    assert paper_spearman("voc_map") is None


@settings(max_examples=30, deadline=None)
@given(COLUMN)
def test_value_and_exact_p_against_slow_ones(columns: tuple[list[int], list[int]]) -> None:
    one, other = columns
    found = spearman(one, other)
    assert found.value == approx(slow_value(one, other))
    assert found.value == approx(stats.spearmanr(one, other).statistic)
    permuted = [abs(slow_value(one, list(order))) for order in itertools.permutations(other)]
    assert found.p_value == approx(np.mean(np.array(permuted) >= abs(found.value) - 1e-9))


@settings(deadline=None)
@given(COLUMN, st.permutations(range(6)))
def test_order_of_rows_and_monotone_scales_do_not_matter(
    columns: tuple[list[int], list[int]], order: list[int]
) -> None:
    one, other = columns
    mine = spearman(one, other)
    kept = [index for index in order if index < len(one)]
    moved = spearman([math.exp(one[index]) for index in kept], [other[index] ** 3 for index in kept])
    turned = spearman(one, [-value for value in other])
    assert moved.value == approx(mine.value)
    assert (turned.value, turned.p_value) == approx((-mine.value, mine.p_value))
    if mine.interval:
        assert -1 <= mine.interval[0] <= mine.value <= mine.interval[1] <= 1
        assert turned.interval == approx((-mine.interval[1], -mine.interval[0]))


def test_few_rows() -> None:
    assert spearman([1, 2], [1, 2]) is None
    assert spearman([1, 2, 3], [5, 5, 5]) is None
    three = spearman([1, 2, 3], [4, 5, 6])
    assert (three.value, three.interval, three.p_value) == (approx(1.0), None, approx(2 / 6))
    seven = spearman(range(7), range(7))
    assert seven.p_value == approx(2 / math.factorial(7))
    low, high = seven.interval
    assert 0.7 < low < 0.9
    assert high == 1.0


def test_many_rows_have_the_usual_p() -> None:
    one, other = np.random.default_rng(0).normal(size=(2, 12)).tolist()
    assert spearman(one, other).p_value == approx(stats.spearmanr(one, other).pvalue)


@mark.parametrize("correlation", [0.0, 0.6])
def test_intervals_over_seven_rows_cover_the_truth(correlation: float) -> None:
    """Normal rows, whose true rank correlation is known: 6 / π · arcsin(r / 2). The interval is an approximation."""
    trials, n = 250, 7
    generator = np.random.default_rng(11)
    covered = 0
    for _ in range(trials):
        one, noise = generator.normal(size=(2, n))
        low, high = spearman(one, correlation * one + math.sqrt(1 - correlation**2) * noise).interval
        covered += low <= 6 / math.pi * math.asin(correlation / 2) <= high
    low, high = stats.binom.interval(1 - 1e-6, trials, 0.95)
    assert low <= covered <= high


def test_independent_columns_are_seldom_called_correlated() -> None:
    generator = np.random.default_rng(2)
    trials = 400
    false = sum(spearman(*generator.normal(size=(2, 5))).p_value <= 0.05 for _ in range(trials))
    assert 0 < false <= stats.binom.ppf(1 - 1e-6, trials, 0.05)


# --- in a comparison ---


def test_a_comparison_correlates_what_it_has(tmp_path: Path, add_run: Callable[..., Path]) -> None:
    for recipe, top1, detected in (
        ("b-standard", 60.0, 30.0),
        ("d-efficient", 62.0, 29.0),
        ("d-cosine", 63.0, 33.0),
        ("d-smooth", 64.0, 34.0),
    ):
        add_run(tmp_path, "classification", recipe, (top1, 90.0))
        add_run(tmp_path, "detection", recipe, (detected, 50.0))
    add_run(tmp_path, "detection", "random", (10.0, 10.0))
    add_run(tmp_path, "segmentation", "d-smooth", (70.0, 40.0))
    by_metric = {found.metric: found for found in compare_runs(tmp_path).correlations}
    assert by_metric.keys() == {"voc07_map", "voc_map"}
    found = by_metric["voc07_map"]
    assert found.rows == ("b-standard", "d-efficient", "d-cosine", "d-smooth")  # random has no top-1
    assert found.ours.value == approx(0.8)
    assert found.paper.value == approx(1.0)
    assert (found.paper.rows, found.paper_same_rows.rows) == (7, 4)
    assert by_metric["voc_map"].ours is None  # all the same
    assert by_metric["voc_map"].paper is None
