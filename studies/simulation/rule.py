"""The shipped rule for many studies at once; a test holds it against ``studies.comparison.judging`` study by study."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

from studies.statistics.power import holm_columns
from studies.statistics.seeds import CONFIDENCE, LEAST_PAIRS, SIGNIFICANCE

ALWAYS_PAIRED, ALWAYS_WELCH = 2, 10**9  # seeds in common from which on differences are paired
RULES = {"shipped": LEAST_PAIRS, "Welch": ALWAYS_WELCH, "paired": ALWAYS_PAIRED}


@dataclass(frozen=True)
class Tested:
    """Differences of rows from the baseline of their study, all arrays (studies, rows), in points.

    Attributes:
        value: Difference.
        half: Half of the width of its interval.
        simultaneous_half: The same of the interval that holds for all rows at once.
        adjusted_p: After Holm's correction over the rows of a study.
        error: Standard error of the difference.
        freedom: Degrees of freedom of that.
    """

    value: NDArray
    half: NDArray
    simultaneous_half: NDArray
    adjusted_p: NDArray
    error: NDArray
    freedom: NDArray

    @property
    def p_value(self) -> NDArray:
        """Two-sided, not adjusted."""
        return 2 * stdtr(self.freedom, -np.abs(self.value) / self.error)

    @property
    def differs(self) -> NDArray:
        """Which rows differ."""
        return self.adjusted_p <= SIGNIFICANCE

    def finds(self, truth: ArrayLike) -> NDArray:
        """Which rows differ in the direction of their true difference."""
        return self.differs & (self.value * np.asarray(truth) > 0)

    def decides(self, margin: ArrayLike) -> NDArray:
        """Which rows differ, or have an interval that lies inside the margin."""
        return self.differs | (np.abs(self.value) + self.half < np.asarray(margin))


def compare_studies(rows: NDArray, baseline: NDArray, least_pairs: int = LEAST_PAIRS) -> Tested:
    """Test every row of every study against its baseline.

    Args:
        rows: (studies, rows, seeds) values.
        baseline: (studies, 1, seeds of its own) values, the first of them of the rows' seeds.
        least_pairs: Seeds in common from which on differences are paired.
    """
    n, base_n = rows.shape[2], baseline.shape[2]
    common = min(n, base_n)
    if common >= least_pairs:
        pairs = rows[:, :, :common] - baseline[:, :, :common]
        value, error = pairs.mean(axis=2), pairs.std(axis=2, ddof=1) / common**0.5
        freedom = np.full_like(value, common - 1)
    else:
        value = rows.mean(axis=2) - baseline.mean(axis=2)
        mine, theirs = rows.var(axis=2, ddof=1) / n, baseline.var(axis=2, ddof=1) / base_n
        error = np.sqrt(mine + theirs)
        freedom = (mine + theirs) ** 2 / (mine**2 / (n - 1) + theirs**2 / (base_n - 1))
    tail = (1 - CONFIDENCE) / 2
    return Tested(
        value=value,
        half=stdtrit(freedom, 1 - tail) * error,
        simultaneous_half=stdtrit(freedom, 1 - tail / rows.shape[1]) * error,
        adjusted_p=holm_columns(2 * stdtr(freedom, -np.abs(value) / error)),
        error=error,
        freedom=freedom,
    )
