"""VOC's and COCO's average precision of one set of detections, over the classes and per class."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from transfer.evaluation.coco_ap import coco_precision
from transfer.evaluation.per_image import DetectionEvaluation
from transfer.evaluation.voc_ap import VocCurve, judge_class, voc_curve
from transfer.evaluation.weighted import mean_of_known

# Of one class: VOC's 11 points and area at IoU 0.5, COCO's mean over IoU thresholds and at two of them.
AVERAGE_PRECISIONS = ("voc07_ap", "voc_ap", "coco_ap", "coco_ap50", "coco_ap75")
# Over the classes, under the names that each benchmark has for it.
WEIGHTED = ("voc07_map", "voc_map")
MEANS = ("voc07_map", "voc_map", "coco_ap", "coco_ap50", "coco_ap75")


def voc_curves(evaluation: DetectionEvaluation) -> list[VocCurve | None]:
    """``voc_curve`` of every class."""
    return [voc_curve(evaluation.images, label) for label in range(len(evaluation.classes))]


def measure_detection(evaluation: DetectionEvaluation, curves: Sequence[VocCurve | None]) -> dict[str, float]:
    """The measures of ``DetectionMetric``, from the images and the ``voc_curves`` of them."""
    classes = evaluation.classes
    by_class: dict[str, list[float]] = {}
    coco_by_class = coco_precision(evaluation.images, len(classes))
    for name, curve, coco in zip(classes, curves, coco_by_class, strict=True):
        if curve is not None and coco is not None:  # they agree on whether there is anything to find
            by_class[name] = [*curve.average_precision(), *coco]
    columns = list(zip(*by_class.values(), strict=True)) or [(0.0,)] * len(MEANS)
    means = {name: fmean(column) for name, column in zip(MEANS, columns, strict=True)}
    single = {
        f"{kind}/{name}": value
        for name, values in by_class.items()
        for kind, value in zip(AVERAGE_PRECISIONS, values, strict=True)
    }
    return {**means, **single}


def weighted_measures(evaluation: DetectionEvaluation, drawn: NDArray) -> dict[str, NDArray]:
    """VOC's two means, (resamples,), when the images count as often as ``drawn`` says, (resamples, images).

    A class without objects in a resample has no part in its mean, as in a run's own evaluation.
    """
    classes = len(evaluation.classes)
    there = [np.bincount(image.labels[~image.difficult], minlength=classes) for image in evaluation.images]
    objects = (drawn.astype(np.float64) @ np.array(there, np.float64)).astype(np.int64)
    precision = np.full((len(drawn), classes, len(WEIGHTED)), np.nan)
    for label in range(classes):
        judged = judge_class(evaluation.images, label)
        counted = (judged.right + judged.wrong).astype(bool)
        image, right = judged.image[counted], np.flatnonzero(judged.right[counted])
        for number in np.flatnonzero(objects[:, label]):
            weights = drawn[number]
            # Both averages look at the highest precision from a recall on, and that is where a detection is right.
            seen, found = weights[image].cumsum()[right], weights[image[right]].cumsum()
            curve = VocCurve(found, found / np.maximum(seen, 1), int(objects[number, label]))
            precision[number, label] = curve.average_precision()
    return dict(zip(WEIGHTED, mean_of_known(precision).T, strict=True))
