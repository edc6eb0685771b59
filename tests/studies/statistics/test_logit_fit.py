"""The line through logits: what it finds where the truth is known, and how often its band holds it."""

from __future__ import annotations

import numpy as np
import pytest

from studies.statistics.logit_fit import fit_logits


def percent(logits: np.ndarray) -> np.ndarray:
    return 100 / (1 + np.exp(-logits))


def test_it_finds_a_line_that_is_there() -> None:
    across = np.linspace(0.2, 2.0, 9)
    fit = fit_logits(percent(across), percent(0.7 * across - 0.3))
    assert (fit.slope, fit.intercept, fit.r_squared) == pytest.approx((0.7, -0.3, 1.0))
    assert fit(percent(np.array(1.3))) == pytest.approx(percent(0.7 * 1.3 - 0.3))
    low, high = fit.band(70.0)
    assert low == pytest.approx(high)


def test_its_band_holds_the_true_height_about_as_often_as_it_says() -> None:
    draw = np.random.default_rng(0)
    across = np.linspace(0.5, 2.0, 12)
    held = 0
    for _ in range(400):
        fit = fit_logits(percent(across), percent(0.8 * across + draw.normal(0, 0.2, 12)))
        low, high = fit.band(float(percent(np.array(0.9))))
        held += low <= percent(np.array(0.8 * 0.9)) <= high
    assert 0.92 < held / 400 < 0.98


@pytest.mark.parametrize("x", [[70.0, 71.0, 72.0], [70.0] * 5, [0.0, 70.0, 71.0, 72.0], [70.0, 71.0, 72.0, 100.0]])
def test_where_no_line_can_be_drawn_there_is_none(x: list[float]) -> None:
    assert fit_logits(x, [50.0, 51.0, 52.0, 53.0, 54.0][: len(x)]) is None
