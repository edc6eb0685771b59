"""Average precision as COCO defines it, by its own code, pycocotools.

Precision at 101 recalls, averaged; over the IoU thresholds 0.5, 0.55, …, 0.95, and at 0.5 and 0.75 alone; the best 100
detections per image and class. VOC's *difficult* objects become COCO's crowds (``iscrowd``): they are not among those
to be found, and a detection with that share of its own area in one, at the threshold, does not count. Widths are
x2 - x1, which is what the detector has learnt.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from transfer.evaluation.per_image import EvaluatedImage

DETECTIONS_PER_IMAGE = 100


class CocoPrecision(NamedTuple):
    """Average precision of one class, each from 0 to 1: over all IoU thresholds, at 0.5, and at 0.75."""

    mean: float
    at_50: float
    at_75: float


def coco_precision(images: Sequence[EvaluatedImage], classes: int) -> list[CocoPrecision | None]:
    """Average precision of each class; None where the images hold no object of it that is not difficult.

    COCO's own numbers for a data set are the means over the classes that are not None.
    """
    objects = [
        {**box, "id": number, "iscrowd": int(box["score"])}  # 0 is the evaluation's word for "none"
        for number, box in enumerate(_boxes(images, "boxes", "labels", "difficult"), start=1)
    ]
    detections = [
        {**box, "id": number, "iscrowd": 0}
        for number, box in enumerate(_boxes(images, "found_boxes", "found_labels", "scores"), start=1)
    ]
    with contextlib.redirect_stdout(io.StringIO()):  # it tells its progress
        evaluation = COCOeval(_index(objects, len(images), classes), _index(detections, len(images), classes), "bbox")
        # Only what is asked for: one range of object sizes, one number of detections.
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluation.params.maxDets = [DETECTIONS_PER_IMAGE]
        evaluation.evaluate()
        evaluation.accumulate()
    thresholds = [round(float(threshold), 2) for threshold in evaluation.params.iouThrs]
    precision = evaluation.eval["precision"][:, :, :, 0, 0]  # thresholds x recalls x classes; -1: nothing to find
    return [_summary(precision[:, :, label], thresholds) for label in range(classes)]


def _summary(precision: NDArray, thresholds: Sequence[float]) -> CocoPrecision | None:
    if (precision < 0).any():
        return None
    by_threshold = precision.mean(axis=1)
    at_50, at_75 = (float(by_threshold[thresholds.index(threshold)]) for threshold in (0.5, 0.75))
    return CocoPrecision(float(by_threshold.mean()), at_50, at_75)


def _boxes(images: Sequence[EvaluatedImage], boxes: str, labels: str, scores: str) -> Iterator[dict[str, Any]]:
    """All objects or all detections in COCO's form; images and classes are numbered from 0."""
    for number, image in enumerate(images):
        corners = getattr(image, boxes).astype(np.float64)
        sizes = corners[:, 2:] - corners[:, :2]
        rows = zip(corners, sizes, getattr(image, labels), getattr(image, scores), strict=True)
        for corner, size, label, score in rows:
            yield {
                "image_id": number,
                "category_id": int(label),
                "bbox": [*corner[:2].tolist(), *size.tolist()],
                "area": float(size.prod()),
                "score": float(score),
            }


def _index(annotations: list[dict[str, Any]], images: int, classes: int) -> COCO:
    coco = COCO()
    coco.dataset = {
        "images": [{"id": number} for number in range(images)],
        "categories": [{"id": label} for label in range(classes)],
        "annotations": annotations,
    }
    coco.createIndex()
    return coco
