"""Pixel accuracy and intersection over union, of all classes and of each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transfer.evaluation.per_image import SegmentationEvaluation
from transfer.evaluation.weighted import mean_of_known


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


def weighted_measures(evaluation: SegmentationEvaluation, drawn: NDArray) -> dict[str, NDArray]:
    """Pixel accuracy and mIoU, (resamples,), when images count as often as ``drawn`` says, (resamples, images).

    A class that neither labels nor predictions hold has no part in a resample's mIoU, as in a run's own evaluation.
    """
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
    return {"pixel_accuracy": accuracy, "miou": mean_of_known(iou[..., None])[:, 0]}
