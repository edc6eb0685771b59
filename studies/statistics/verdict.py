"""What may be said of a difference: of one's own rows, and beside the paper's.

Let D be the difference of a row from the baseline in a transfer metric, with its test (``studies.statistics.seeds``),
and let *differs* mean that its Holm-adjusted p over the rows of the metric is at most 0.05.

**Own rows**, in this order:

1. D differs, and the direction of the top-1 difference is known: *carries over* where both have one sign, *reverses*
   where they have not.
2. D differs, and that direction is not known: *differs*. Whether it carries over anything is open.
3. *no difference*: the 95 % interval of D, unadjusted, lies wholly inside ± ``MARGIN``: two one-sided tests at 2.5 %
   each (D. Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15, 1987), per row and not over rows.
4. *undecided*: everything else, one seed and seeds without any spread among it.

**The paper's**, where it has a difference P for the row: *same sign* where D differs and has P's, with its size:
*compatible* where the 95 % interval of D holds P, else *smaller* or *larger*; *opposite* where D differs and has the
other sign; *no difference* with the margin |P| / 2, at most ``MARGIN``; *undecided*.

All this was fixed before there were results to judge. The margin: 1 point is what two runs of the same thing have been
seen to differ by (the standard deviation of mmdetection's VOC runs is 0.5 mAP, four runs of one configuration from
79.74 to 80.86; for ADE20K 1 to 2 mIoU between runs are told of), and below half of |P| a difference is nearer to none
than to the paper's.
"""

from __future__ import annotations

from dataclasses import dataclass

from backbones.errors import not_none
from studies.statistics.seeds import SIGNIFICANCE, Difference

CARRIES_OVER = "carries over"
REVERSES = "reverses"
DIFFERS = "differs"
SAME_SIGN_COMPATIBLE = "same sign, size compatible"
SAME_SIGN_SMALLER = "same sign, smaller"
SAME_SIGN_LARGER = "same sign, larger"
OPPOSITE = "opposite"
NO_DIFFERENCE = "no difference"
UNDECIDED = "undecided"
OUTCOMES = (CARRIES_OVER, REVERSES, DIFFERS, NO_DIFFERENCE, UNDECIDED)
SAME_SIGN = (SAME_SIGN_COMPATIBLE, SAME_SIGN_SMALLER, SAME_SIGN_LARGER)
PAPER_OUTCOMES = (*SAME_SIGN, OPPOSITE, NO_DIFFERENCE, UNDECIDED)

MARGIN = 1.0  # points
SHARE_OF_PAPER = 0.5


@dataclass(frozen=True)
class Verdict:
    """What the runs say about a difference.

    Attributes:
        outcome: One of ``OUTCOMES``, or beside the paper one of ``PAPER_OUTCOMES``.
        margin: In points; the difference counts as none when its interval lies within plus and minus this.
        seeds_needed: Of an undecided one, with how many seeds of both rows the same rule would decide in
            ``studies.statistics.power.POWER`` of studies; None where it is decided, or nobody can say.
    """

    outcome: str
    margin: float
    seeds_needed: int | None = None


def direction_of(top1: Difference | None) -> int:
    """The sign of a difference in top-1; 0 where it is not known.

    With several trainings of each row it is known when it differs by the rule of this module. Where both rows have one
    training there is no spread to test, and it is taken by its value: it is about these weights.
    """
    if top1 is None or not top1.value:
        return 0
    if top1.n != (1, 1) and not differs(top1):
        return 0
    return 1 if top1.value > 0 else -1


def judge(difference: Difference | None, direction: int) -> Verdict | None:
    """The verdict on one's own row; None where nothing was measured.

    Args:
        difference: With its adjusted p value.
        direction: Of the top-1 difference: 1, -1, or 0 where it is not known.
    """
    if difference is None:
        return None
    if differs(difference):
        same = (difference.value > 0) == (direction > 0)
        return Verdict(DIFFERS if not direction else CARRIES_OVER if same else REVERSES, MARGIN)
    return Verdict(_undiffering(difference, MARGIN), MARGIN)


def judge_beside(difference: Difference | None, paper: float | None) -> Verdict | None:
    """The verdict beside the paper's difference; None where there is nothing measured, or nothing in the paper.

    Args:
        difference: Ours, with its adjusted p value.
        paper: The paper's, in points.
    """
    if difference is None or not paper:
        return None
    margin = paper_margin(paper)
    if not differs(difference):
        return Verdict(_undiffering(difference, margin), margin)
    if (difference.value > 0) != (paper > 0):
        return Verdict(OPPOSITE, margin)
    low, high = not_none(difference.interval)
    if paper < 0:
        low, high = -high, -low
    size = SAME_SIGN_LARGER if low > abs(paper) else SAME_SIGN_SMALLER if high < abs(paper) else SAME_SIGN_COMPATIBLE
    return Verdict(size, margin)


def paper_margin(paper: float) -> float:
    """Half of the paper's difference, at most ``MARGIN``."""
    return min(SHARE_OF_PAPER * abs(paper), MARGIN)


def differs(difference: Difference) -> bool:
    """Whether it is told from 0, the other rows of its metric being asked the same question."""
    return difference.adjusted_p is not None and difference.adjusted_p <= SIGNIFICANCE


def _undiffering(difference: Difference, margin: float) -> str:
    if difference.p_value is None:  # one seed, or seeds that sampled nothing
        return UNDECIDED
    low, high = not_none(difference.interval)
    return NO_DIFFERENCE if -margin < low and high < margin else UNDECIDED
