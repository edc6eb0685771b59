"""The one evaluation of every detector: VOC's and COCO's average precision of the same detections, per class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmdet.registry import METRICS
from mmengine.evaluator import BaseMetric

from transfer.evaluation.detection import measure_detection, voc_curves
from transfer.evaluation.per_image import DetectionEvaluation, EvaluatedImage
from transfer.evaluation.voc_ap import VocCurve


@METRICS.register_module()
class DetectionMetric(BaseMetric):
    """Gives ``MEANS`` over the classes, and each of ``AVERAGE_PRECISIONS`` per class ("voc_ap/CLASS"), from 0 to 1.

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
