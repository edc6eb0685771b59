"""How to spend GPU-hours: trainings, further trainings of the baseline, transfers of each training.

A training's value is the mean of its transfers, with the variance s² + t² / k for k transfers
(``studies.statistics.variance``). Rows are independent over seeds. A design with a single training has no second one to
count: its transfers are taken for the units, as ``studies.results.units`` does, and what the training adds is in every
one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np

from studies.simulation.rule import Tested, compare_studies
from studies.simulation.truth import METRICS, ROWS, paper_differences
from studies.statistics.seeds import LEAST_PAIRS, SIGNIFICANCE

NOISES = ((0.2, 0.3), (0.1, 0.3), (0.3, 0.2), (0.2, 0.5))  # standard deviations of training and transfer; the main case
MOST_TRAININGS, MOST_TRANSFERS = 6, 5
FURTHER = range(6)  # trainings of the baseline beyond those of the rows
ENOUGH = 0.95  # of the paper's differences, in the main case
SHOWN = 4  # of the best designs for a budget


@dataclass(frozen=True)
class Design:
    """Of a study of the paper's rows.

    Attributes:
        trainings: Of each row.
        baseline: Of the baseline, as many or more.
        detection: Transfers to detection of each training; 0: none.
        segmentation: Transfers to segmentation of each training; 0: none.
    """

    trainings: int
    baseline: int
    detection: int
    segmentation: int

    @property
    def transfers(self) -> dict[str, int]:
        """Of each training, by the metric that they are measured by."""
        return {metric: k for metric, k in zip(METRICS, (self.detection, self.segmentation), strict=True) if k}


CANDIDATES = tuple(
    Design(trainings, trainings, transfers, transfers)
    for trainings, transfers in ((1, 5), (2, 2), (2, 5), (3, 1), (3, 2), (3, 3), (4, 1), (4, 2), (5, 1), (5, 2))
)
BUDGETS = (Design(3, 3, 1, 1), Design(3, 3, 3, 3))  # whose hours are to be spent


@dataclass(frozen=True)
class Hours:
    """GPU-hours of single runs by task, and those of the teachers together.

    Attributes:
        rows: Of the rows but the baseline, one run of each.
        baseline: Of the baseline, one run.
        teachers: Once for all.
    """

    rows: Mapping[str, float]
    baseline: Mapping[str, float]
    teachers: float

    def of(self, design: Design) -> float:
        """All runs of a design."""
        runs = {"classification": 1, "detection": design.detection, "segmentation": design.segmentation}
        row, base = (sum(runs[task] * each for task, each in hours.items()) for hours in (self.rows, self.baseline))
        return self.teachers + design.trainings * row + design.baseline * base


def design_tables(hours: Hours, detection_alone: Hours, studies: int) -> dict[str, Any]:
    """Candidates, the best designs for the hours of two of them, and the cheapest that decides ``ENOUGH``.

    Among the best, and as the cheapest, are only designs in which at most 5 % of studies of equal rows claim a
    difference: with two trainings of a row beside many of the baseline, Welch's test does not hold that.

    Args:
        hours: Of a suite with both transfers.
        detection_alone: Of one that has detection alone, on the same trainings.
        studies: To simulate of each design, row by row.
    """
    every = {
        design: decided_share(design, *NOISES[0], studies)
        for design in _designs(segmentation=True)
        if _false_claims(design, studies) <= SIGNIFICANCE
    }
    by_share = sorted(every, key=lambda design: -every[design])
    chosen = cheapest(every, hours)
    same_trainings = {
        design: decided_share(design, *NOISES[0], studies)
        for design in _designs(segmentation=False)
        if (design.trainings, design.baseline) == (chosen.trainings, chosen.baseline)
    }
    best = {}
    for budget in BUDGETS:
        affordable = [design for design in by_share if hours.of(design) <= hours.of(budget)]
        best[f"{hours.of(budget):.0f}"] = [_line(design, hours, studies) for design in affordable[:SHOWN]]
    unequal = [
        {"trainings": trainings, "claims": [claims_share(trainings, trainings + more, 1, studies) for more in FURTHER]}
        for trainings in range(2, LEAST_PAIRS)
    ]
    return {
        "unequal": unequal,
        "hours": {"both": asdict(hours), "detection alone": asdict(detection_alone)},
        "candidates": [_line(design, hours, studies) for design in CANDIDATES],
        "best": best,
        "chosen": [_line(chosen, hours, studies)],
        "detection alone": [_line(design, detection_alone, studies) for design in same_trainings],
    }


def cheapest(shares: Mapping[Design, float], hours: Hours) -> Design:
    """Of the designs that decide ``ENOUGH``, the one with the fewest hours."""
    return min((design for design, share in shares.items() if share >= ENOUGH), key=hours.of)


def decided_share(design: Design, training_sd: float, transfer_sd: float, studies: int) -> float:
    """The share of the paper's differences that a study finds with their sign, over the metrics of the design."""
    return float(
        np.mean(
            [
                found_share(metric, design.trainings, design.baseline, k, training_sd, transfer_sd, studies)
                for metric, k in design.transfers.items()
            ]
        )
    )


@cache
def found_share(
    metric: str, trainings: int, baseline: int, transfers: int, training_sd: float, transfer_sd: float, studies: int
) -> float:
    """The share of the paper's differences in a metric that a study finds with their sign."""
    truth = paper_differences(metric)
    tested = simulate(trainings, baseline, transfers, (training_sd, transfer_sd), truth, studies)
    return float(tested.finds(truth).mean())


@cache
def claims_share(trainings: int, baseline: int, transfers: int, studies: int) -> float:
    """The share of studies of equal rows that claim a difference in one metric, in the main case of noise."""
    tested = simulate(trainings, baseline, transfers, NOISES[0], np.zeros(ROWS), studies)
    return float(tested.differs.any(axis=1).mean())


def simulate(
    trainings: int, baseline: int, transfers: int, sd: tuple[float, float], truth: np.ndarray, studies: int
) -> Tested:
    """Studies of ``ROWS`` rows with the true differences (rows,); ``sd``: of training and of transfer."""
    random = np.random.default_rng(0)
    if trainings == baseline == 1:
        level = sd[0] * random.standard_normal((studies, 1 + ROWS, 1))
        values = level + sd[1] * random.standard_normal((studies, 1 + ROWS, transfers))
        rows, base = values[:, 1:], values[:, :1]
    else:
        spread = (sd[0] ** 2 + sd[1] ** 2 / transfers) ** 0.5
        base = spread * random.standard_normal((studies, 1, baseline))
        rows = spread * random.standard_normal((studies, ROWS, trainings))
    return compare_studies(rows + truth[:, None], base)


def _designs(segmentation: bool) -> list[Design]:
    transfers = range(1, MOST_TRANSFERS + 1)
    return [
        Design(trainings, trainings + further, detection, k)
        for trainings in range(2, MOST_TRAININGS + 1)
        # Paired rows make no use of what the baseline has beyond them.
        for further in (FURTHER if trainings < LEAST_PAIRS else (0,))
        for detection in transfers
        for k in (transfers if segmentation else (0,))
    ]


def _line(design: Design, hours: Hours, studies: int) -> dict[str, Any]:
    plan = (design.trainings, design.baseline)
    return {
        **asdict(design),
        "hours": hours.of(design),
        "found": {metric: found_share(metric, *plan, k, *NOISES[0], studies) for metric, k in design.transfers.items()},
        "decided": [decided_share(design, *noise, studies) for noise in NOISES],
        "claims": _false_claims(design, studies),
    }


def _false_claims(design: Design, studies: int) -> float:
    """Of a single training its transfers decide; of several, means of any number of transfers are tested alike."""
    transfers = max(design.transfers.values()) if design.baseline == 1 else 1
    return claims_share(design.trainings, design.baseline, transfers, studies)
