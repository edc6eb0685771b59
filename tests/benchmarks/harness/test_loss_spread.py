"""Figures about losses."""

from __future__ import annotations

from pytest import approx, raises

from benchmarks.harness.loss_spread import loss_figures


def test_means_and_distances_over_the_steps_that_all_have() -> None:
    figures = loss_figures({"stock": [4.0, 3.0, 9.0], "ours": [4.5, 2.0], "other": [4.0, 3.0, 1.0]}, "stock")
    mean, distance = "mean of the first 2 losses", "mean distance from stock"
    expected = {
        "stock": {mean: 3.5},
        "ours": {mean: 3.25, distance: 0.75},
        "other": {mean: 3.5, distance: 0.0},
    }
    assert list(figures) == list(expected)
    assert all(figures[name] == approx(line) for name, line in expected.items())


def test_a_contender_without_losses_is_an_error() -> None:
    with raises(ValueError, match="without losses among stock, ours"):
        loss_figures({"stock": [1.0], "ours": []}, "stock")
