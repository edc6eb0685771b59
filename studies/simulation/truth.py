"""What the simulations take for true: the paper's differences, and noise between seeds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backbones.errors import not_none
from studies.results.paper import find_row, recipe_order

BASELINE = "b-standard"
METRICS = ("voc07_map", "miou")  # Table 8, Table 9
ROWS = len(recipe_order()) - 1


def paper_differences(metric: str) -> NDArray:
    """(rows,) the paper's differences from its baseline in a metric of ``METRICS``, in points."""
    values = {recipe: not_none(find_row(recipe, "")).values[metric] for recipe in recipe_order()}
    return np.array([value - values[BASELINE] for recipe, value in values.items() if recipe != BASELINE])


def seed_noise(random: np.random.Generator, studies: int, seeds: int, correlation: float = 0.0) -> NDArray:
    """(studies, 1 + rows, seeds) normal noise of standard deviation 1, the baseline's first.

    Args:
        random: Where the numbers are from.
        studies: How many.
        seeds: Of each row.
        correlation: Of any two rows over seeds.
    """
    own = random.standard_normal((studies, 1 + ROWS, seeds))
    shared = random.standard_normal((studies, 1, seeds))
    return (1 - correlation) ** 0.5 * own + correlation**0.5 * shared
