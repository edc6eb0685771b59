"""The paper's own differences: how many of them a study finds, by test, number of seeds and correlation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.simulation.rule import RULES, compare_studies
from studies.simulation.truth import METRICS, paper_differences, seed_noise

SD = 0.3  # points, over seeds
SEEDS = (2, 3, 4, 5, 6, 8)
CORRELATIONS = (0.0, 0.5)
# With a spread that grows with the number of seeds, so that the mean is always as uncertain as that of three seeds of
# SD: what is left is what the tests make of it.
LEVEL_SEEDS, EQUAL_SEEDS, EQUAL_CORRELATIONS = 3, (3, 4, 5, 6, 8, 12), (0.0, 0.25, 0.5, 0.75)


def power_table(studies: int) -> list[dict[str, Any]]:
    """A line for each correlation and number of seeds: by rule and metric, the share found, row by row."""
    return [
        {
            "correlation": correlation,
            "seeds": seeds,
            "rules": {
                name: {metric: found_shares(metric, SD, seeds, correlation, studies, rule) for metric in METRICS}
                for name, rule in RULES.items()
            },
        }
        for correlation in CORRELATIONS
        for seeds in SEEDS
    ]


def equal_precision_table(studies: int) -> list[dict[str, Any]]:
    """A line for each correlation and number of seeds: by rule, the share found of all twelve differences."""
    return [
        {
            "correlation": correlation,
            "seeds": seeds,
            "rules": {
                name: float(
                    np.mean(
                        [
                            found_shares(metric, SD * (seeds / LEVEL_SEEDS) ** 0.5, seeds, correlation, studies, rule)
                            for metric in METRICS
                        ]
                    )
                )
                for name, rule in RULES.items()
                if name != "shipped"
            },
        }
        for correlation in EQUAL_CORRELATIONS
        for seeds in EQUAL_SEEDS
    ]


def found_shares(metric: str, sd: float, seeds: int, correlation: float, studies: int, least_pairs: int) -> list[float]:
    """The share of studies in which each of the paper's six differences is found with its sign."""
    truth = paper_differences(metric)
    values: NDArray = sd * seed_noise(np.random.default_rng(seeds), studies, seeds, correlation)
    values[:, 1:] += truth[:, None]
    found = compare_studies(values[:, 1:], values[:, :1], least_pairs).finds(truth)
    return found.mean(axis=0).tolist()
