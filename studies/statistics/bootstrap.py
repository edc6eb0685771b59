"""Noise of the test set: what a run's measures would be on as many other images of the same kind.

Images are drawn with replacement, as many as there are, and the measure is computed again from the run's per-image
results; the interval holds the middle 95 % of ``RESAMPLES`` such measures (the percentile method; B. Efron, Bootstrap
methods: another look at the jackknife, Annals of Statistics 7, 1979). The trained model is held fixed: this is none of
the noise between seeds. Average precision is no mean over images, and lies somewhat higher on resamples than on the
images themselves; nothing here corrects that.

An image drawn k times stands for k copies of its objects, detections and pixels. Detections are matched to objects
within an image, so once is enough, and so is sorting them; a resample is then a vector of weights. Ties: detections of
equal score keep the order that they have in the run's own evaluation, and the copies of one follow each other.

All runs on the same images are measured on the same draws (an image has its weight by its name), so the difference of
two runs, resample by resample, is a paired bootstrap.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from studies.statistics.seeds import CONFIDENCE, Interval
from transfer.catalogue import TASKS, load
from transfer.evaluation.per_image import Evaluation

RESAMPLES = 1000
SEED = 0
LEAST_IMAGES = 10  # resamples of fewer images say little about others


class Replicates(NamedTuple):
    """One measure of one run on every resample.

    Attributes:
        images: Tells which images, whatever their order.
        count: How many.
        own: The measure on the images as they are, in percent.
        values: (resamples,) percent; nan where a resample holds nothing to measure.
    """

    images: str
    count: int  # type: ignore[assignment]  # nobody counts in these, which is what a tuple's count does
    own: float
    values: NDArray


def resample(evaluation: Evaluation, resamples: int = RESAMPLES, seed: int = SEED) -> dict[str, Replicates]:
    """The measures of a run's evaluation on resamples of its images, by name."""
    count = len(evaluation.names)
    once = np.ones((1, count), np.int32)
    measured = measure(evaluation, np.concatenate([once, multiplicities(evaluation.names, resamples, seed)]))
    images = hashlib.sha256("\n".join(sorted(evaluation.names)).encode()).hexdigest()
    return {name: Replicates(images, count, float(values[0]), values[1:]) for name, values in measured.items()}


def multiplicities(names: Sequence[str], resamples: int, seed: int) -> NDArray:
    """How often each image is drawn, (resamples, images); an image's numbers do not depend on the order of names."""
    count = len(names)
    generator = np.random.default_rng(seed)
    drawn = np.empty((resamples, count), np.int32)
    order = np.argsort(np.array(names), kind="stable")
    for row in drawn:
        row[order] = np.bincount(generator.integers(count, size=count), minlength=count)
    return drawn


def measure(evaluation: Evaluation, drawn: NDArray) -> dict[str, NDArray]:
    """The measures in percent, (resamples,), when the images count as often as ``drawn`` says, (resamples, images)."""
    weighted = load(TASKS[evaluation.task].weighted)
    return {name: 100 * shares for name, shares in weighted(evaluation, drawn).items()}


def image_interval(mine: Sequence[Replicates], baseline: Sequence[Replicates] = ()) -> Interval | None:
    """Percentile interval over test images of the mean of some runs, or of its difference from that of others.

    None without runs, for runs that were not all tested on the same images, and below ``LEAST_IMAGES``.
    """
    both = [*mine, *baseline]
    if not mine or len({each.images for each in both}) > 1 or both[0].count < LEAST_IMAGES:
        return None
    values = np.mean([each.values for each in mine], axis=0)
    if baseline:
        values = values - np.mean([each.values for each in baseline], axis=0)
    return percentile_interval(values)


def percentile_interval(values: NDArray) -> Interval | None:
    """The middle ``CONFIDENCE`` of the values that are not nan; None when all are."""
    known = values[~np.isnan(values)]
    if not len(known):
        return None
    low, high = np.quantile(known, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
