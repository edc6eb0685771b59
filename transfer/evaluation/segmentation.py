"""Pixel accuracy and intersection over union, of all classes and of each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transfer.evaluated import SegmentationEvaluation


def measure_segmentation(evaluation: SegmentationEvaluation) -> dict[str, float]:
    """The measures of ``transfer.segmentation_metric``, from 0 to 1."""
    confusion = evaluation.confusion()
    iou, accuracy = class_shares(confusion)
    by_class = {
        f"{kind}/{name}": float(share)
        for kind, shares in (("iou", iou), ("accuracy", accuracy))
        for name, share in zip(evaluation.classes, shares, strict=True)
        if not np.isnan(share)
    }
    right = float(np.trace(confusion)) / float(confusion.sum())
    return {"pixel_accuracy": right, "miou": float(np.nanmean(iou)), **by_class}


def class_shares(confusion: NDArray) -> tuple[NDArray, NDArray]:
    """Intersection over union and accuracy (classes,) from pixels (label, prediction); nan where nothing divides."""
    right, labelled, predicted = np.diagonal(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    with np.errstate(invalid="ignore"):
        return right / (labelled + predicted - right), right / labelled
