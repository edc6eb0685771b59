"""Noise of trainings and of transfers: against sums written out, and against noise that was put there."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx, mark

from studies.comparison.compare import compare_runs
from studies.report.forms.text import as_json, as_markdown, as_text
from studies.statistics.variance import estimate

VALUES = st.floats(0, 100)
ROWS = st.lists(st.lists(st.lists(VALUES, min_size=1, max_size=4), min_size=1, max_size=4), min_size=1, max_size=3)


def expected_quadratic(matrix: np.ndarray, variance: np.ndarray) -> float:
    """E[y' A y] of values with mean 0 and that covariance, by the trace."""
    return float(np.trace(matrix @ variance))


def by_matrices(rows: Sequence[Sequence[Sequence[float]]]) -> tuple[float | None, float] | None:
    """The same estimator by projections: two quadratic forms are put equal to their expectations, for both unknowns."""
    values = np.concatenate([training for row in rows for training in row])
    row_of = [number for number, row in enumerate(rows) for training in row for _ in training]
    training_of = [(number, place) for number, row in enumerate(rows) for place, each in enumerate(row) for _ in each]
    same_row = np.array([[one == other for other in row_of] for one in row_of], float)
    same_training = np.array([[one == other for other in training_of] for one in training_of], float)
    row_means, training_means = (same / same.sum(1, keepdims=True) for same in (same_row, same_training))
    identity = np.eye(len(values))
    within, between = identity - training_means, training_means - row_means
    if np.trace(within) < 0.5:
        return None
    transfer = values @ within @ values / np.trace(within)
    if np.trace(between) < 0.5:
        return None, math.sqrt(max(0.0, transfer))
    observed = values @ between @ values - transfer * expected_quadratic(between, identity)
    training = observed / expected_quadratic(between, same_training)
    return math.sqrt(max(0.0, training)), math.sqrt(max(0.0, transfer))


@given(ROWS)
def test_estimates_are_those_of_the_quadratic_forms(rows: list[list[list[float]]]) -> None:
    found, reference = estimate("miou", rows), by_matrices(rows)
    if reference is None:
        assert found is None
        return
    training, transfer = reference
    assert found.transfer_sd == approx(transfer, abs=1e-4)
    assert (found.training_sd is None) == (training is None)
    # The square root magnifies the rounding of a variance near 0.
    assert (found.training_sd or 0) ** 2 == approx((training or 0) ** 2, abs=1e-6)


def test_a_row_by_hand() -> None:
    """Means 1 and 5 of two trainings with two transfers each: between 2 · (2² + 2²) = 16, within 2 · (1 + 1) = 4."""
    found = estimate("miou", [[[0.0, 2.0], [4.0, 6.0]]])
    assert (found.training_degrees, found.transfer_degrees) == (1, 2)
    assert found.transfer_sd == approx(math.sqrt(4 / 2))
    assert found.training_sd == approx(math.sqrt((16 - 2) / 2))  # N - Σ n² / N = 4 - 8 / 4 = 2


def test_what_cannot_be_told_is_none() -> None:
    assert estimate("miou", []) is None
    assert estimate("miou", [[], []]) is None
    assert estimate("miou", [[[1.0], [2.0], [4.0]]]) is None  # one transfer each
    found = estimate("miou", [[[1.0, 2.0]], []])  # one training
    assert (found.training_sd, found.transfer_sd) == (None, approx(math.sqrt(0.5)))
    assert estimate("miou", [[[0.0, 8.0], [1.0, 7.0]]]).training_sd == 0.0  # the means are the same


@given(ROWS, st.lists(VALUES, min_size=3, max_size=3))
def test_levels_of_rows_change_nothing(rows: list[list[list[float]]], levels: list[float]) -> None:
    moved = [
        [[value + level for value in training] for training in row]
        for row, level in zip(rows, levels[: len(rows)], strict=True)
    ]
    before, after = estimate("miou", rows), estimate("miou", moved)
    if before is not None:
        assert after.transfer_sd == approx(before.transfer_sd, abs=1e-4)
        assert (after.training_sd or 0) ** 2 == approx((before.training_sd or 0) ** 2, abs=1e-4)


@mark.parametrize("transfers", [(3, 3, 3), (1, 2, 4)])
@mark.parametrize("training_sd", [0.0, 0.2, 0.6])
def test_the_truth_of_a_simulation_is_found(training_sd: float, transfers: tuple[int, ...]) -> None:
    """600 rows of three trainings; the tolerance is five standard errors."""
    generator = np.random.default_rng(0)
    rows = []
    for _ in range(600):
        level = generator.uniform(20, 80)
        trainings = level + generator.normal(0, training_sd, len(transfers))
        rows.append([list(generator.normal(mean, 0.3, n)) for mean, n in zip(trainings, transfers, strict=True)])
    found = estimate("miou", rows)
    assert found.transfer_sd == approx(0.3, abs=0.02)
    error = (training_sd**2 + 0.3**2) * math.sqrt(2 / found.training_degrees)
    assert found.training_sd**2 == approx(training_sd**2, abs=5 * error)


def study(root: Path, add_run: Callable[..., Path]) -> Path:
    """b-standard with two trainings of two transfers, d-smooth with one training of two, and two random trunks."""
    values = {("b-standard", 0): (30.0, 32.0), ("b-standard", 1): (34.0, 36.0), ("d-smooth", 0): (40.0, 41.0)}
    for (recipe, training), found in values.items():
        backbone = {"sha256": f"{recipe}{training}", "seed": training}
        for number, value in enumerate(found):
            add_run(root, "detection", recipe, (value, value), training + 1000 * number, backbone=backbone)
    for seed, value in ((0, 1.0), (1000, 9.0)):
        add_run(root, "detection", "random", (value, value), seed, backbone={"path": "random:x", "seed": seed})
    return root


def test_a_comparison_shows_them(tmp_path: Path, add_run: Callable[..., Path]) -> None:
    comparison = compare_runs(study(tmp_path, add_run))
    by_metric = {found.metric: found for found in comparison.components}
    assert by_metric.keys() == {"voc07_map", "voc_map"}
    found = by_metric["voc07_map"]
    assert (found.training_degrees, found.transfer_degrees) == (1, 3)  # random trunks have no training
    assert found.transfer_sd == approx(math.sqrt((2 + 2 + 0.5) / 3))
    assert found.training_sd == approx(math.sqrt((16 - 1.5) / 2))
    title = "noise of trainings and of transfers, standard deviations in points"
    lines = as_text(comparison).splitlines()
    assert lines[lines.index(title) + 4].split() == ["mAP", "07", "2.69", "1", "1.22", "3"]
    assert f"## N{title[1:]}" in as_markdown(comparison)
    document = json.loads(json.dumps(as_json(comparison), allow_nan=False))
    assert document["components"][0]["training_sd"] == found.training_sd


def test_one_transfer_of_each_training_has_no_such_table(three_seeds: Path) -> None:
    comparison = compare_runs(three_seeds)
    assert comparison.components == ()
    assert "noise of trainings" not in as_text(comparison)


def test_tuned_runs_are_no_further_transfers(tmp_path: Path, add_run: Callable[..., Path]) -> None:
    tuned = {"search": 3, "changed": {}}
    for place, extra in enumerate(({}, {"tuned": tuned, "fixed_hash": "f"})):
        backbone = {"sha256": "a", "seed": 0}
        add_run(tmp_path, "detection", "b-standard", (30, 30), folder=str(place), backbone=backbone, **extra)
    assert compare_runs(tmp_path).components == ()
