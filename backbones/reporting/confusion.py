"""Which classes are mixed up most."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class ConfusedPair(NamedTuple):
    """Row and column of a confusion matrix, its count there, and the share in percent of the row."""

    row: int
    column: int
    count: int  # type: ignore[assignment]  # nobody counts in a pair, which is what a tuple's count does
    share: float


def frequent_pairs(counts: np.ndarray, most: int) -> list[ConfusedPair]:
    """The highest counts beside the diagonal, the highest first; those of 0 are left out."""
    errors = counts.copy()
    np.fill_diagonal(errors, 0)
    order = np.argsort(-errors, axis=None, kind="stable")[:most]
    places = zip(*np.unravel_index(order, errors.shape), strict=True)
    found = [(int(row), int(column), int(errors[row, column])) for row, column in places]
    return [
        ConfusedPair(row, column, count, 100.0 * count / int(counts[row].sum()))
        for row, column, count in found
        if count
    ]
