"""Rows that are stacked on one another: how often two columns that have nothing to do with each other look correlated.

The rows of Tables 8 and 9: each has the refinements of the one that it is built on, and one more. Here every refinement
changes top-1 and the other metric by normal steps that are independent of each other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backbones.errors import not_none
from studies.simulation.truth import ROWS
from studies.statistics.seeds import SIGNIFICANCE
from studies.statistics.spearman import spearman

# The row that each is built on, by place: efficient on standard, cosine, smoothing; from there distillation and mixup,
# each alone; and both.
BUILT_ON = (0, 1, 2, 3, 3, 5)


def nested_table(studies: int) -> dict[str, float]:
    """The share of studies with p up to ``SIGNIFICANCE``, of nested rows and of independent ones."""
    random = np.random.default_rng(0)
    steps = random.standard_normal((studies, 2, ROWS + 1))
    return {"nested": _significant(nest(steps)), "independent": _significant(steps)}


def nest(steps: NDArray) -> NDArray:
    """Levels of the rows, (..., 1 + rows), from what each adds to the one that it is built on; the baseline's first."""
    levels = steps.copy()
    for place, below in enumerate(BUILT_ON, 1):
        levels[..., place] += levels[..., below]
    return levels


def _significant(studies: NDArray) -> float:
    return float(np.mean([not_none(spearman(*columns)).p_value <= SIGNIFICANCE for columns in studies]))
