"""VOC's and COCO's average precision of one set of detections, over the classes and per class."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from transfer.coco_ap import coco_precision
from transfer.evaluated import DetectionEvaluation
from transfer.voc_ap import VocCurve, voc_curve

# Of one class: VOC's 11 points and area at IoU 0.5, COCO's mean over IoU thresholds and at two of them.
AVERAGE_PRECISIONS = ("voc07_ap", "voc_ap", "coco_ap", "coco_ap50", "coco_ap75")
# Over the classes, under the names that each benchmark has for it.
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
