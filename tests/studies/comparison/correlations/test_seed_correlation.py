"""Correlation with the baseline over seeds: against NumPy's, and against a correlation that was put there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx, mark

from studies.comparison.compare import compare_runs
from studies.comparison.correlations.seed_correlation import pooled_correlation
from studies.report.forms.text import as_json, as_markdown, as_text

VALUE = st.integers(0, 1000).map(lambda tenths: tenths / 10)
PAIRS = st.lists(st.tuples(VALUE, VALUE), min_size=3, max_size=6)


@given(PAIRS)
def test_one_row_has_pearsons_correlation(pairs: list[tuple[float, float]]) -> None:
    mine, theirs = zip(*pairs, strict=True)
    found = pooled_correlation([pairs])
    if len(set(mine)) == 1 or len(set(theirs)) == 1:
        assert found is None
    else:
        assert found == approx(np.corrcoef(mine, theirs)[0, 1], abs=1e-9)


@given(st.lists(PAIRS, min_size=1, max_size=3), st.lists(VALUE, min_size=3, max_size=3))
def test_several_rows_are_pooled_around_means_of_their_own(
    rows: list[list[tuple[float, float]]], levels: list[float]
) -> None:
    centred = np.concatenate([np.array(pairs) - np.mean(pairs, axis=0) for pairs in rows])
    spread = np.abs(centred).max(axis=0)
    found = pooled_correlation(rows)
    if spread.min() < 1e-9:
        assert found is None
        return
    (xx, xy), (_, yy) = centred.T @ centred
    assert found == approx(xy / np.sqrt(xx * yy), abs=1e-9)
    moved = [
        [(one + level, other) for one, other in pairs] for pairs, level in zip(rows, levels[: len(rows)], strict=True)
    ]
    assert pooled_correlation(moved) == approx(found, abs=1e-6)


def test_two_seeds_tell_nothing() -> None:
    assert pooled_correlation([]) is None
    assert pooled_correlation([[(1.0, 2.0), (2.0, 5.0)]]) is None
    line = [(1.0, 2.0), (2.0, 5.0), (3.0, 8.0)]
    assert pooled_correlation([line]) == approx(1.0)
    assert pooled_correlation([line, [(9.0, 1.0), (1.0, 9.0)]]) == approx(1.0)  # the short row has no part in it


@mark.parametrize("correlation", [-0.5, 0.0, 0.8])
def test_the_truth_of_a_simulation_is_found(correlation: float) -> None:
    """1,000 rows of four seeds, each with a baseline of its own: the standard error is below 0.02."""
    generator = np.random.default_rng(0)
    one, other = generator.normal(size=(2, 1000, 4))
    mine = 50 + 0.3 * (correlation * one + np.sqrt(1 - correlation**2) * other) + generator.uniform(0, 9, (1000, 1))
    rows = [list(zip(row, baseline, strict=True)) for row, baseline in zip(mine, one, strict=True)]
    assert pooled_correlation(rows) == approx(correlation, abs=0.06)


def test_a_comparison_shows_it_from_three_seeds_on(three_seeds: Path) -> None:
    comparison = compare_runs(three_seeds)
    found = next(each for each in comparison.seed_correlations if each.metric == "voc07_map")
    assert (found.rows, found.seeds) == (("d-smooth",), 3)  # its fourth seed has no partner
    assert found.value == approx(np.corrcoef((30.0, 31.0, 35.0), (33.0, 35.0, 40.0))[0, 1])
    title = "correlation over seeds of the rows with b-standard"
    lines = as_text(comparison).splitlines()
    assert lines[lines.index(title) + 4].split() == ["mAP", "07", "1", "3", "+1.00"]  # 19 / √(14 · 26)
    assert f"## C{title[1:]}" in as_markdown(comparison)
    document = json.loads(json.dumps(as_json(comparison), allow_nan=False))
    assert document["seed_correlations"][0]["value"] == found.value


def test_two_seeds_show_none(tmp_path: Path, add_run: Callable[..., Path]) -> None:
    for recipe, start in (("b-standard", 30), ("d-smooth", 33)):
        for seed in (0, 1):
            add_run(tmp_path, "detection", recipe, (start + seed, start), seed)
    comparison = compare_runs(tmp_path)
    assert comparison.seed_correlations == ()
    assert "correlation over seeds" not in as_text(comparison)


def test_without_a_baseline_there_is_none(three_seeds: Path) -> None:
    assert compare_runs(three_seeds, "d-mixup").seed_correlations == ()
