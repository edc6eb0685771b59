"""One row, one metric: mean and interval over seeds, difference from the baseline, the paper's number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from scipy.special import stdtrit

from transfer.result_file import FIXED, Run

CONFIDENCE = 0.95
METRIC_NAMES = {
    "top1": "top-1",
    "voc07_map": "mAP 07",
    "voc_map": "mAP area",
    "miou": "mIoU",
    "pixel_accuracy": "pixAcc",
}

# Shown where a run has them.
FURTHER_NAMES = {
    "coco_ap": "AP",
    "coco_ap50": "AP50",
    "coco_ap75": "AP75",
    "miou_multiscale": "mIoU multi",
    "pixel_accuracy_multiscale": "pixAcc multi",
}

Interval = tuple[float, float]
Seeds = Mapping[int | None, float]  # seed -> percent; None: a backbone from outside, whose seed nobody noted


@dataclass(frozen=True)
class Difference:
    """Row minus baseline, in points. Without a seed in common (``pairs`` 0) it is the difference of the two means."""

    value: float
    pairs: int
    interval: Interval | None


@dataclass(frozen=True)
class PaperNumber:
    """The paper's number, and its difference from the paper's own row of the baseline's name."""

    value: float
    difference: float | None


@dataclass(frozen=True)
class Cell:
    """One row, one metric, over seeds; ``mean`` is None when nothing was measured, ``interval`` below two seeds."""

    seeds: tuple[int | None, ...]
    values: tuple[float, ...]
    mean: float | None
    interval: Interval | None
    difference: Difference | None
    paper: PaperNumber | None

    @property
    def n(self) -> int:
        """Number of seeds."""
        return len(self.values)


def make_cell(mine: Seeds, baseline: Seeds | None, paper: PaperNumber | None = None) -> Cell:
    """A row's values of one metric, and the baseline's; None when the row is the baseline itself."""
    return Cell(
        seeds=tuple(mine),
        values=tuple(mine.values()),
        mean=fmean(mine.values()) if mine else None,
        interval=student_interval(list(mine.values())),
        difference=None if baseline is None else subtract(mine, baseline),
        paper=paper,
    )


def student_interval(values: Sequence[float]) -> Interval | None:
    """Student's t interval of the mean at ``CONFIDENCE``: mean ± t(n - 1) · s / √n; None below two values."""
    n = len(values)
    if n < 2:
        return None
    quantile = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2))  # the inverse of the t distribution function
    half = quantile * stdev(values) / n**0.5
    return fmean(values) - half, fmean(values) + half


def subtract(row: Seeds, baseline: Seeds) -> Difference | None:
    """Mean difference over the seeds that both have; that of the means when they share none; None when one is empty."""
    if not row or not baseline:
        return None
    paired = [value - baseline[seed] for seed, value in row.items() if seed in baseline]
    if not paired:
        return Difference(fmean(row.values()) - fmean(baseline.values()), 0, None)
    return Difference(fmean(paired), len(paired), student_interval(paired))


def shown_metrics(runs: Iterable[Run]) -> list[str]:
    """The metrics of a comparison: the usual ones, and those of the further ones that some run has."""
    measured = {metric for run in runs for metric in run.metrics}
    return [*METRIC_NAMES, *(metric for metric in FURTHER_NAMES if metric in measured)]


def values_by_seed(runs: Sequence[Run], metric: str, arm: str = FIXED) -> dict[int | None, float]:
    """A row's values of one metric in one arm.

    Top-1 comes from classification runs. Without any it is what the transferred bundles say, once per backbone: three
    transfers of one backbone are still one measurement of its accuracy.
    """
    values: dict[int | None, float] = {
        run.seed: run.metrics[metric] for run in runs if run.arm == arm and metric in run.metrics
    }
    if metric == "top1" and not values:
        known = (run.backbone for run in runs if run.backbone.get("top1") is not None)
        values = {backbone.get("seed"): backbone["top1"] for backbone in known}
    return values
