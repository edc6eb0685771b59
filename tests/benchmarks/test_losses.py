"""Figures about losses."""

from __future__ import annotations

from pytest import approx, raises

from benchmarks.losses import loss_figures


def test_means_and_distances_over_the_steps_that_all_have() -> None:
    figures = loss_figures({"stock": [4.0, 3.0, 9.0], "ours": [4.5, 2.0], "other": [4.0, 3.0, 1.0]}, "stock")
    assert figures == approx(
        {
            "mean of the first 2 losses, stock": 3.5,
            "mean of the first 2 losses, ours": 3.25,
            "mean of the first 2 losses, other": 3.5,
            "mean distance from stock, ours": 0.75,
            "mean distance from stock, other": 0.0,
        }
    )


def test_a_contender_without_losses_is_an_error() -> None:
    with raises(ValueError, match="without losses among stock, ours"):
        loss_figures({"stock": [1.0], "ours": []}, "stock")
