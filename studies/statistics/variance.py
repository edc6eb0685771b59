"""How much of the noise is the training's, and how much the transfer's, where trainings have several transfers.

One-way analysis of variance with random effects, in every row the trainings as groups and their transfers as members:
value = mean of the row + what the training adds (variance s²) + what the transfer adds (variance t²). Sums of squares
and their expectations, for groups of different size as well, are those of S. R. Searle, G. Casella, C. E. McCulloch,
Variance Components (1992), chapter 3; rows are taken to have the same s and t, so both sides are added over rows.

    within:   Σ over transfers (value - mean of its training)²         expected  t² · Σ (n - 1)
    between:  Σ over trainings n · (mean of it - mean of its row)²     expected  t² · Σ (a - 1) + s² · Σ (N - Σ n² / N)

with n transfers of a training, a trainings and N transfers of a row. The mean of n transfers of one training then has
the variance s² + t² / n, so further transfers help as long as t² / n is not small beside s².
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from studies.results.run_record import FIXED, Run

Trainings = Sequence[Sequence[float]]  # its trainings, each with the values of its transfers


@dataclass(frozen=True)
class Components:
    """Standard deviations in points, of one metric.

    Attributes:
        metric: Its key.
        training_sd: s, 0 where the transfers' noise explains all; None unless some row has two trainings.
        transfer_sd: t.
        training_degrees: Trainings beyond the first, over all rows: what s rests on.
        transfer_degrees: Transfers beyond the first of their training, over all trainings: what t rests on.
    """

    metric: str
    training_sd: float | None
    transfer_sd: float
    training_degrees: int
    transfer_degrees: int


def noise_components(rows: Iterable[Sequence[Run]], metrics: Iterable[str]) -> tuple[Components, ...]:
    """Of every metric that some training has several transfers of.

    Args:
        rows: Finished runs of each row. Those of the tuned arm and of random trunks, which no training made, are left
            out.
        metrics: Their keys.
    """
    rows = list(rows)
    found = ((metric, [list(_by_training(row, metric).values()) for row in rows]) for metric in metrics)
    return tuple(components for metric, values in found if (components := estimate(metric, values)))


def _by_training(row: Sequence[Run], metric: str) -> Mapping[str, list[float]]:
    trainings: dict[str, list[float]] = {}
    for run in row:
        if run.arm == FIXED and metric in run.metrics and run.backbone.get("sha256"):
            trainings.setdefault(run.backbone["sha256"], []).append(run.metrics[metric])
    return trainings


def estimate(metric: str, rows: Sequence[Trainings]) -> Components | None:
    """Both standard deviations, pooled over rows; None when no training has two transfers."""
    groups = [training for row in rows for training in row]
    transfer_degrees = sum(len(training) - 1 for training in groups)
    if not transfer_degrees:
        return None
    within = sum((value - fmean(training)) ** 2 for training in groups for value in training)
    transfer_variance = within / transfer_degrees
    training_degrees = sum(len(row) - 1 for row in rows if row)
    training_sd = None
    if training_degrees:
        excess = sum(map(_between, rows)) - training_degrees * transfer_variance
        training_sd = math.sqrt(max(0.0, excess / sum(map(_weight, rows))))
    return Components(metric, training_sd, math.sqrt(transfer_variance), training_degrees, transfer_degrees)


def _between(row: Trainings) -> float:
    if not row:
        return 0.0
    mean = fmean(value for training in row for value in training)
    return sum(len(training) * (fmean(training) - mean) ** 2 for training in row)


def _weight(row: Trainings) -> float:
    """How often the training's variance is in the expected sum of squares between trainings: N - Σ n² / N."""
    total = sum(map(len, row))
    return total - sum(len(training) ** 2 for training in row) / total if total else 0.0
