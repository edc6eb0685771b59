"""The verdict on one of the paper's differences: does its sign appear in these runs?

Let D be our mean difference, row minus baseline, paired by seed, and P the paper's. Rules, in this order:

1. *reproduced*: D differs from 0 (paired t test, two-sided, Holm-adjusted p over the rows of the metric at most 0.05)
   and has the sign of P.
2. *opposite*: D differs from 0 in that sense and has the other sign.
3. *no difference*: the 95 % t interval of D, unadjusted, lies wholly inside (-margin, margin), where margin is half of
   |P|, but at most ``LARGEST_MARGIN``. That is two one-sided tests at 2.5 % each (D. Schuirmann, Journal of
   Pharmacokinetics and Biopharmaceutics 15, 1987), per row and not over rows.
4. *undetermined at this n*: everything else, one seed and seeds without any spread among it.

The thresholds were fixed before there were results to judge. P is a gain or a loss alike. Where the paper has no
difference, or 0, there is no verdict.

The margin: below half of |P| a difference is nearer to none than to the paper's. And 1 point is what two runs of the
same thing have been seen to differ by: the standard deviation of mmdetection's VOC runs is 0.5 mAP (four runs of one
configuration, from 79.74 to 80.86), and for ADE20K 1 to 2 mIoU between runs are told of.
"""

from __future__ import annotations

from dataclasses import dataclass

from transfer.statistics import SIGNIFICANCE, Difference, seeds_needed

REPRODUCED = "reproduced"
OPPOSITE = "opposite"
NO_DIFFERENCE = "no difference"
UNDETERMINED = "undetermined at this n"
OUTCOMES = (REPRODUCED, OPPOSITE, NO_DIFFERENCE, UNDETERMINED)

SHARE_OF_PAPER = 0.5
LARGEST_MARGIN = 1.0  # points


@dataclass(frozen=True)
class Verdict:
    """What the runs say about a difference of the paper.

    Attributes:
        outcome: One of ``OUTCOMES``.
        margin: In points; the difference counts as none when its interval lies within plus and minus this.
        seeds_needed: With this many seeds the interval, its spread unchanged, can no longer hold both 0 and the paper's
            difference: half its width is less than half of that. None where no spread is known.
    """

    outcome: str
    margin: float
    seeds_needed: int | None


def judge(difference: Difference | None, paper: float | None) -> Verdict | None:
    """The verdict; None where there is nothing measured, or nothing to reproduce.

    Args:
        difference: Ours, with its adjusted p value.
        paper: The paper's, in points.
    """
    if difference is None or not paper:
        return None
    margin = min(SHARE_OF_PAPER * abs(paper), LARGEST_MARGIN)
    return Verdict(_outcome(difference, paper, margin), margin, seeds_needed(difference.sd, paper / 2))


def _outcome(difference: Difference, paper: float, margin: float) -> str:
    if difference.p_value is None or difference.adjusted_p is None or difference.interval is None:
        return UNDETERMINED
    if difference.adjusted_p <= SIGNIFICANCE:
        return REPRODUCED if (difference.value > 0) == (paper > 0) else OPPOSITE
    low, high = difference.interval
    return NO_DIFFERENCE if -margin < low and high < margin else UNDETERMINED
