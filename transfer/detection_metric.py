"""The one evaluation of every detector: VOC's and COCO's average precision of the same detections, per class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
from mmdet.registry import METRICS
from mmengine.evaluator import BaseMetric

from transfer.coco_ap import coco_precision
from transfer.evaluated import DetectionEvaluation, EvaluatedImage
from transfer.voc_ap import VocCurve, voc_curve

# Of one class: VOC's 11 points and area at IoU 0.5, COCO's mean over IoU thresholds and at two of them.
AVERAGE_PRECISIONS = ("voc07_ap", "voc_ap", "coco_ap", "coco_ap50", "coco_ap75")
# Over the classes, under the names that each benchmark has for it.
MEANS = ("voc07_map", "voc_map", "coco_ap", "coco_ap50", "coco_ap75")


@METRICS.register_module()
class DetectionMetric(BaseMetric):
    """Gives the ``MEANS`` over the classes, and each of ``AVERAGE_PRECISIONS`` per class ("voc_ap/CLASS"), from 0 to 1.

    A class whose objects are all difficult, or that has none, has no average precision, and none in the means.

    Attributes:
        evaluated: All objects and detections, on the process that computes, once it has.
        curves: Of each class what ``voc_curve`` makes of them.
    """

    default_prefix = "detection"
    evaluated: DetectionEvaluation | None = None
    curves: Sequence[VocCurve | None] = ()

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Collect the objects and detections of a batch: per image its file, and what ``EvaluatedImage`` holds."""
        for sample in data_samples:
            objects, ignored, found = (
                {key: value.cpu().numpy() for key, value in sample[name].items() if key in keys}
                for name, keys in (
                    ("gt_instances", ("bboxes", "labels")),
                    ("ignored_instances", ("bboxes", "labels")),
                    ("pred_instances", ("bboxes", "labels", "scores")),
                )
            )
            image = EvaluatedImage(
                boxes=np.concatenate([objects["bboxes"], ignored["bboxes"]]),
                labels=np.concatenate([objects["labels"], ignored["labels"]]),
                difficult=np.arange(len(objects["labels"]) + len(ignored["labels"])) >= len(objects["labels"]),
                found_boxes=found["bboxes"],
                found_labels=found["labels"],
                scores=found["scores"],
            )
            self.results.append((sample["img_path"], *image))

    def compute_metrics(self, results: Sequence[tuple[Any, ...]]) -> dict[str, float]:
        """Average precision over all images."""
        images = [EvaluatedImage(*image) for _, *image in results]
        names = tuple(name for name, *_ in results)
        self.evaluated = DetectionEvaluation(tuple(self.dataset_meta["classes"]), names, images)
        self.curves = voc_curves(self.evaluated)
        return measure_detection(self.evaluated, self.curves)


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
