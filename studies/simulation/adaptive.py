"""Adaptive studies: looked at at planned numbers of seeds, and given further seeds only where a verdict is open.

Studies have the rows of the paper in both tasks. What a study decides is the rule of ``studies.comparison.sequential``:
a difference by Holm's correction over the sequential p values of all rows and tasks, none by an interval that holds at
all looks at once. A seed of a row is paid for as long as a task of the row is open, and of the baseline as long as any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from studies.simulation.rule import compare_studies
from studies.simulation.truth import METRICS, ROWS, paper_differences, seed_noise
from studies.statistics.group_sequential import (
    LEAST_CHANCE,
    SPENDING,
    chance_to_close,
    nominal_levels,
    sequential_p,
)
from studies.statistics.power import holm_columns
from studies.statistics.seeds import SIGNIFICANCE
from studies.statistics.verdict import MARGIN

LOOKS = (3, 4, 5, 6, 8, 10, 12)
# Share of the paper's differences that is true, standard deviation over seeds.
CASES = ((1.0, 0.3), (1.0, 0.5), (0.5, 0.3), (0.5, 0.5), (0.0, 0.3), (0.0, 0.5))
CORRELATIONS = (0.0, 0.5)
FIXED = range(2, 41)  # seeds of the designs that an adaptive one is held against


@dataclass(frozen=True)
class Outcome:
    """Of simulated studies, each array (studies, tasks, rows).

    Attributes:
        differs: Told from the baseline.
        none: Closed as no difference.
        seeds: That the row was given in the task.
        value: Difference when it was last looked at.
    """

    differs: NDArray
    none: NDArray
    seeds: NDArray
    value: NDArray

    @property
    def trainings(self) -> NDArray:
        """(studies,) of all rows and the baseline; a training serves all tasks."""
        return self.seeds.max(axis=1).sum(axis=1) + self.seeds.max(axis=(1, 2))

    @property
    def transfers(self) -> NDArray:
        """(studies,) of all rows and the baseline, in all tasks."""
        return self.seeds.sum(axis=(1, 2)) + self.seeds.max(axis=2).sum(axis=1)


def adaptive_studies(values: NDArray, looks: Sequence[int], spending: str, margin: float = MARGIN) -> Outcome:
    """Conduct studies.

    Args:
        values: (studies, tasks, 1 + rows, seeds), the baseline's first, with all seeds that there may be.
        looks: Numbers of seeds, ascending.
        spending: Of ``SPENDING``.
        margin: Of no difference, in points.
    """
    studies, tasks, rows = values.shape[0], values.shape[1], values.shape[2] - 1
    shape = (studies, tasks * rows)
    open_, none = np.ones(shape, bool), np.zeros(shape, bool)
    differs: NDArray = np.zeros(shape, bool)
    seeds, shown = np.zeros(shape, int), np.zeros(shape)
    smallest: NDArray = np.ones(shape)
    p_values = np.ones((*shape, len(looks)))
    whole = nominal_levels(looks, spending, SIGNIFICANCE)
    for place, n in enumerate(looks):
        merged = values[..., :n].reshape(studies * tasks, rows + 1, n)
        tested = compare_studies(merged[:, 1:], merged[:, :1])
        value, error, freedom, p_now = (
            array.reshape(shape) for array in (tested.value, tested.error, tested.freedom, tested.p_value)
        )
        seeds[open_], shown[open_] = n, value[open_]
        p_values[..., place] = np.where(open_, p_now, 1.0)
        smallest = sequential_p(p_values[..., : place + 1], looks, spending)[..., -1]
        differs = holm_columns(smallest) <= SIGNIFICANCE
        half = stdtrit(freedom, 1 - whole[place] / 2) * error
        none |= open_ & (np.abs(value) + half < margin)
        open_ &= ~differs & ~none
        if place:
            chance = chance_to_close(value, error * n**0.5, looks[-1], whole[-1], margin)
            open_ &= chance >= LEAST_CHANCE
    full = (studies, tasks, rows)
    return Outcome(*(array.reshape(full) for array in (differs, none & ~differs, seeds, shown)))


def study_values(share: float, sd: float, studies: int, seeds: int, correlation: float = 0.0) -> NDArray:
    """(studies, tasks, 1 + rows, seeds) with a share of the paper's differences; the tasks' noise is independent."""
    random = np.random.default_rng(0)
    per_task = []
    for metric in METRICS:
        level = np.concatenate([[0.0], share * paper_differences(metric)])[:, None]
        per_task.append(level + sd * seed_noise(random, studies, seeds, correlation))
    return np.stack(per_task, axis=1)


def truths(share: float) -> NDArray:
    """(tasks, rows) true differences."""
    return np.stack([share * paper_differences(metric) for metric in METRICS])


def fixed_studies(values: NDArray) -> tuple[NDArray, NDArray]:
    """Decided by the shipped rule with all seeds at once, Holm's correction over rows and tasks: differs, and none.

    The correction is that of the adaptive study, so that both err alike.
    """
    studies, tasks, rows, seeds = values.shape[0], values.shape[1], values.shape[2] - 1, values.shape[3]
    merged = values.reshape(studies * tasks, rows + 1, seeds)
    tested = compare_studies(merged[:, 1:], merged[:, :1])
    differs = holm_columns(tested.p_value.reshape(studies, tasks * rows)).reshape(studies, tasks, rows) <= SIGNIFICANCE
    inside = (np.abs(tested.value) + tested.half < MARGIN).reshape(studies, tasks, rows)
    return differs, inside & ~differs


def adaptive_table(studies: int, looks: Sequence[int] = LOOKS) -> list[dict[str, Any]]:
    """A line for each of ``CASES`` and spending function: errors, what is decided, and the share of the cost.

    The cost is held against the fixed design with the fewest seeds that decides as many rows.
    """
    return [_line(share, sd, spending, studies, looks) for share, sd in CASES for spending in SPENDING]


def error_lines(studies: int, looks: Sequence[int] = LOOKS) -> list[dict[str, Any]]:
    """Of studies whose rows are all equal: the share that claims a difference anywhere, at any look."""
    found = []
    for correlation in CORRELATIONS:
        values = study_values(0.0, 1.0, studies, looks[-1], correlation)
        for spending in SPENDING:
            outcome = adaptive_studies(values, looks, spending, margin=0.0)
            claims = float(outcome.differs.any(axis=(1, 2)).mean())
            found.append({"correlation": correlation, "spending": spending, "claims": claims})
        found.append({"correlation": correlation, "spending": "none", "claims": _naive(values, looks)})
    return found


def _naive(values: NDArray, looks: Sequence[int]) -> float:
    """The same looks with the fixed rule at each: what the boundary is for."""
    claimed = np.zeros(len(values), bool)
    for n in looks:
        claimed |= fixed_studies(values[..., :n])[0].any(axis=(1, 2))
    return float(claimed.mean())


def _line(share: float, sd: float, spending: str, studies: int, looks: Sequence[int]) -> dict[str, Any]:
    outcome = adaptive_studies(study_values(share, sd, studies, looks[-1]), looks, spending)
    decided = float((outcome.differs | outcome.none).mean())
    fixed, reached = _fixed_seeds(share, sd, decided, studies)
    rows, tasks = ROWS + 1, len(METRICS)
    truth = truths(share)
    # A difference that is there and is called none, or one that is claimed the wrong way round or is not there.
    wrong = (outcome.differs & (outcome.value * truth <= 0)) | (outcome.none & (np.abs(truth) >= MARGIN))
    return {
        "true": share,
        "sd": sd,
        "spending": spending,
        "decided": decided,
        "found": float(outcome.differs.mean()),
        "wrong": float(wrong.any(axis=(1, 2)).mean()),
        "seeds": float(outcome.trainings.mean() / rows),
        "fixed seeds": fixed,
        "fixed decided": reached,
        "training share": float(outcome.trainings.mean() / (rows * fixed)) if fixed else None,
        "transfer share": float(outcome.transfers.mean() / (rows * tasks * fixed)) if fixed else None,
    }


def _fixed_seeds(share: float, sd: float, decided: float, studies: int) -> tuple[int | None, float | None]:
    """The fewest seeds of all rows that decide that share, and the share that they decide."""
    for seeds in FIXED:
        found = float(np.logical_or(*fixed_studies(study_values(share, sd, min(studies, 4000), seeds))).mean())
        if found >= decided:
            return seeds, found
    return None, None
