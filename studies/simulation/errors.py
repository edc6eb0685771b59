"""Six equal rows: how often a study claims a difference, and how often intervals hold the truth."""

from __future__ import annotations

from typing import Any

import numpy as np

from studies.simulation.rule import RULES, Tested, compare_studies
from studies.simulation.truth import seed_noise

SEEDS = (2, 3, 4, 5, 8)
CORRELATIONS = (0.0, 0.5)


def error_table(studies: int) -> list[dict[str, Any]]:
    """A line for each correlation between rows over seeds and number of seeds, with the shares by rule."""
    return [_line(correlation, seeds, studies) for correlation in CORRELATIONS for seeds in SEEDS]


def _line(correlation: float, seeds: int, studies: int) -> dict[str, Any]:
    values = seed_noise(np.random.default_rng(seeds), studies, seeds, correlation)
    by_rule = {
        name: error_shares(compare_studies(values[:, 1:], values[:, :1], least_pairs))
        for name, least_pairs in RULES.items()
    }
    return {"correlation": correlation, "seeds": seeds, "rules": by_rule}


def error_shares(tested: Tested) -> dict[str, float]:
    """Of studies whose rows are all equal.

    Returns:
        "claims": share of studies that claim some difference; "covered": of rows whose interval holds 0; "best
        covered": of studies in which the simultaneous interval of the row with the largest difference does; "best
        covered, plain": the same of its plain interval.
    """
    best = tested.value.argmax(axis=1)[:, None]
    value, plain, wide = (
        np.take_along_axis(array, best, axis=1) for array in (tested.value, tested.half, tested.simultaneous_half)
    )
    return {
        "claims": float(tested.differs.any(axis=1).mean()),
        "covered": float((np.abs(tested.value) <= tested.half).mean()),
        "best covered": float((np.abs(value) <= wide).mean()),
        "best covered, plain": float((np.abs(value) <= plain).mean()),
    }
