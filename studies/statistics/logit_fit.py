"""The relation of two accuracies: a straight line through their logits, with the band that its mean lies in.

On logits, as S. Kornblith, J. Shlens and Q. V. Le, Do better ImageNet models transfer better? (CVPR 2019), have it: an
accuracy cannot leave 0 to 100 %, and a point near either end is worth more than one in the middle. Ordinary least
squares, every row counting the same; the noise of top-1 over seeds, which would flatten the line, is not corrected for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit
from scipy.stats import linregress
from scipy.stats import t as student

from studies.statistics.seeds import CONFIDENCE, Interval

LEAST_ROWS = 4


@dataclass(frozen=True)
class LogitFit:
    """logit(y) = ``slope`` · logit(x) + ``intercept`` over ``rows`` rows; ``r_squared`` of the logits."""

    slope: float
    intercept: float
    r_squared: float
    rows: int
    _mean: float
    _spread: float
    _error: float

    def __call__(self, x: float) -> float:
        """The line at a percentage, in percent."""
        return float(100 * expit(self.slope * logit(x / 100) + self.intercept))

    def band(self, x: float) -> Interval:
        """The ``CONFIDENCE`` interval of the line's height there, in percent."""
        at = float(logit(x / 100))
        error = self._error * np.sqrt(1 / self.rows + (at - self._mean) ** 2 / self._spread)
        half = float(student.ppf((1 + CONFIDENCE) / 2, self.rows - 2) * error)
        middle = self.slope * at + self.intercept
        return float(100 * expit(middle - half)), float(100 * expit(middle + half))


def fit_logits(x: Sequence[float], y: Sequence[float]) -> LogitFit | None:
    """The line through percentages; None below ``LEAST_ROWS``, where all x are the same, or one is 0 or 100."""
    shares = np.array([x, y], dtype=np.float64) / 100
    if len(x) < LEAST_ROWS or (shares <= 0).any() or (shares >= 1).any() or len(set(x)) == 1:
        return None
    across, up = logit(shares)
    found = linregress(across, up)
    residuals = up - found.slope * across - found.intercept
    return LogitFit(
        slope=float(found.slope),
        intercept=float(found.intercept),
        r_squared=float(found.rvalue**2) if np.ptp(up) else 0.0,
        rows=len(x),
        _mean=float(across.mean()),
        _spread=float(((across - across.mean()) ** 2).sum()),
        _error=float(np.sqrt((residuals**2).sum() / (len(x) - 2))),
    )
