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
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from transfer.evaluated import DetectionEvaluation, SegmentationEvaluation
from transfer.statistics import CONFIDENCE, Interval

RESAMPLES = 1000
SEED = 0
LEAST_IMAGES = 10  # resamples of fewer images say little about others
DETECTION_MEASURES = ("voc07_map", "voc_map")
SEGMENTATION_MEASURES = ("pixel_accuracy", "miou")


class Replicates(NamedTuple):
    """One measure of one run on every resample.

    Attributes:
        images: Tells which images, whatever their order.
        count: How many.
        own: The measure on the images as they are, in percent.
        values: (resamples,) percent; nan where a resample holds nothing to measure.
    """

    images: str
    count: int
    own: float
    values: NDArray


def resample(
    evaluation: DetectionEvaluation | SegmentationEvaluation, resamples: int = RESAMPLES, seed: int = SEED
) -> dict[str, Replicates]:
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


def measure(evaluation: DetectionEvaluation | SegmentationEvaluation, drawn: NDArray) -> dict[str, NDArray]:
    """The measures in percent, (resamples,), when the images count as often as ``drawn`` says, (resamples, images).

    A class without objects in a resample has no part in its mAP; one that neither labels nor predictions hold, none in
    its mIoU, as in a run's own evaluation.
    """
    kind = _detection_shares if isinstance(evaluation, DetectionEvaluation) else _segmentation_shares
    return {name: 100 * shares for name, shares in kind(evaluation, drawn).items()}


def image_interval(mine: Sequence[Replicates], baseline: Sequence[Replicates] = ()) -> Interval | None:
    """Percentile interval over test images of the mean of some runs, or of its difference from that of others.

    None without runs, for runs that were not all tested on the same images, and below ``LEAST_IMAGES``.
    """
    together = [*mine, *baseline]
    if not mine or len({each.images for each in together}) > 1 or together[0].count < LEAST_IMAGES:
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


def _detection_shares(evaluation: DetectionEvaluation, drawn: NDArray) -> Mapping[str, NDArray]:
    # Not at the top: OpenMMLab can only be imported once its compiled ops are answered for.
    from transfer.voc_ap import VocCurve, judge

    classes = len(evaluation.classes)
    there = [np.bincount(image.labels[~image.difficult], minlength=classes) for image in evaluation.images]
    objects = (drawn.astype(np.float64) @ np.array(there, np.float64)).astype(np.int64)
    precision = np.full((len(drawn), classes, len(DETECTION_MEASURES)), np.nan)
    for label in range(classes):
        judged = judge(evaluation.images, label)
        counted = (judged.right + judged.wrong).astype(bool)
        image, right = judged.image[counted], np.flatnonzero(judged.right[counted])
        for number in np.flatnonzero(objects[:, label]):
            weights = drawn[number]
            # Both averages look at the highest precision from a recall on, and that is where a detection is right.
            seen, found = weights[image].cumsum()[right], weights[image[right]].cumsum()
            curve = VocCurve(found, found / np.maximum(seen, 1), int(objects[number, label]))
            precision[number, label] = curve.average_precision()
    return dict(zip(DETECTION_MEASURES, _mean_of_known(precision).T, strict=True))


def _segmentation_shares(evaluation: SegmentationEvaluation, drawn: NDArray) -> Mapping[str, NDArray]:
    classes = len(evaluation.classes)
    counts = np.zeros((len(evaluation.images), 3, classes))  # whole numbers, exact in float64 below 2^53
    for image, (right, labelled, predicted) in zip(evaluation.images, counts, strict=True):
        label, prediction = np.divmod(image.pairs, classes)
        np.add.at(labelled, label, image.pixels)
        np.add.at(predicted, prediction, image.pixels)
        same = label == prediction
        right[label[same]] = image.pixels[same]
    sums = drawn.astype(np.float64) @ counts.reshape(len(counts), -1)
    right, labelled, predicted = np.moveaxis(sums.reshape(-1, 3, classes), 1, 0)
    with np.errstate(invalid="ignore"):  # 0 / 0 is nan: nothing there to measure
        accuracy = right.sum(axis=1) / labelled.sum(axis=1)
        iou = right / (labelled + predicted - right)
    return dict(zip(SEGMENTATION_MEASURES, (accuracy, _mean_of_known(iou[..., None])[:, 0]), strict=True))


def _mean_of_known(shares: NDArray) -> NDArray:
    """Mean over the classes that are not nan, (resamples, measures) of (resamples, classes, measures); nan of none."""
    known = ~np.isnan(shares)
    with np.errstate(invalid="ignore"):
        return np.where(known, shares, 0).sum(axis=1) / known.sum(axis=1)
