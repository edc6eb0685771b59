"""Means over classes when images count more than once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def mean_of_known(shares: NDArray) -> NDArray:
    """Mean over the classes that are not nan, (resamples, measures) of (resamples, classes, measures); nan of none."""
    known = ~np.isnan(shares)
    with np.errstate(invalid="ignore"):
        return np.where(known, shares, 0).sum(axis=1) / known.sum(axis=1)
