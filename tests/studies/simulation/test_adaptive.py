"""Simulated adaptive studies: errors over rows, tasks and looks, and what the shares of cost are made of."""

from __future__ import annotations

import numpy as np
from pytest import approx, mark
from scipy.stats import binom

from studies.simulation.adaptive import LOOKS, adaptive_studies, error_lines, fixed_studies, study_values
from studies.simulation.rule import compare_studies
from studies.statistics.group_sequential import POCOCK, SPENDING
from studies.statistics.power import holm_columns

STUDIES = 600


def test_equal_rows_are_rarely_told_apart_whatever_was_looked_at() -> None:
    """And the same looks without a boundary claim something in far more studies: the check can fail."""
    most = binom.ppf(0.999, STUDIES, 0.05) / STUDIES
    by_kind = {(line["spending"], line["correlation"]): line["claims"] for line in error_lines(STUDIES)}
    for correlation in (0.0, 0.5):
        assert all(by_kind[spending, correlation] <= most for spending in SPENDING)
        assert by_kind["none", correlation] > most


@mark.parametrize("spending", SPENDING)
def test_seeds_go_where_a_verdict_is_open(spending: str) -> None:
    values = study_values(1.0, 0.3, 50, LOOKS[-1])
    outcome = adaptive_studies(values, LOOKS, spending)
    assert set(np.unique(outcome.seeds)) <= set(LOOKS)
    # The largest of the paper's differences are decided before the smallest.
    assert outcome.seeds[:, 0, -1].mean() < outcome.seeds[:, 0, 0].mean()
    assert (outcome.trainings <= 7 * LOOKS[-1]).all()
    assert outcome.trainings[0] == outcome.seeds[0].max(axis=0).sum() + outcome.seeds[0].max()


def test_what_is_claimed_differs_at_its_last_look_without_any_boundary_too() -> None:
    values = study_values(0.5, 0.5, 30, LOOKS[-1])
    outcome = adaptive_studies(values, LOOKS, POCOCK)
    for study, task, row in np.argwhere(outcome.differs):
        n = outcome.seeds[study, task, row]
        tested = compare_studies(values[study, task, None, None, row + 1, :n], values[study, task, None, :1, :n])
        assert tested.p_value.item() <= 0.05
        assert tested.value.item() == approx(outcome.value[study, task, row])


def test_the_fixed_design_is_the_shipped_rule_corrected_over_tasks() -> None:
    values = study_values(1.0, 0.5, 20, 5)
    differs, none = fixed_studies(values)
    p_values = np.stack([compare_studies(values[:, task, 1:], values[:, task, :1]).p_value for task in (0, 1)], axis=1)
    assert (differs.reshape(20, -1) == (holm_columns(p_values.reshape(20, -1)) <= 0.05)).all()
    assert not (differs & none).any()
