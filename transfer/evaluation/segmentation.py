"""Pixel accuracy and intersection over union, of all classes and of each.

The mean IoU averages the classes that the label maps of the test hold: the same for whatever is tested on them. A class
that only a prediction holds takes its pixels from the IoU of the classes that they belong to, and has no part of its
own. mmsegmentation gives it one, of 0: there a single pixel so predicted halves the mean of a model that is otherwise
right about one class, and models are averaged over different classes. Where the labels hold all classes, the two agree.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backbones.errors import UserError
from transfer.evaluation.per_image import SegmentationEvaluation
from transfer.evaluation.weighted import mean_of_known


def measure_segmentation(evaluation: SegmentationEvaluation) -> dict[str, float]:
    """The measures of ``transfer.segmentation_metric``, from 0 to 1.

    Raises:
        UserError: No pixel of the test has a label.
    """
    confusion = evaluation.confusion()
    if not confusion.any():
        raise UserError("no pixel of the test images has a label, so there is nothing to measure; check the label maps")
    iou, accuracy = class_shares(confusion)
    by_class = {
        f"{kind}/{name}": float(share)
        for kind, shares in (("iou", iou), ("accuracy", accuracy))
        for name, share in zip(evaluation.classes, shares, strict=True)
        if not np.isnan(share)
    }
    right = float(np.trace(confusion)) / float(confusion.sum())
    return {"pixel_accuracy": right, "miou": float(iou[confusion.any(axis=1)].mean()), **by_class}


def former_miou(evaluation: SegmentationEvaluation) -> float:
    """The mean IoU of older versions, which averaged the classes that only predictions hold, too."""
    return float(np.nanmean(class_shares(evaluation.confusion())[0]))


def classes_without_labels(evaluation: SegmentationEvaluation) -> list[str]:
    """Names of the classes that the mean IoU leaves out, since no pixel of the test belongs to them."""
    labelled = evaluation.confusion().sum(axis=1)
    return [name for name, pixels in zip(evaluation.classes, labelled, strict=True) if not pixels]


def class_shares(confusion: NDArray) -> tuple[NDArray, NDArray]:
    """Intersection over union and accuracy (classes,) from pixels (label, prediction); nan where nothing divides."""
    right, labelled, predicted = np.diagonal(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    with np.errstate(invalid="ignore"):
        return right / (labelled + predicted - right), right / labelled


def weighted_measures(evaluation: SegmentationEvaluation, drawn: NDArray) -> dict[str, NDArray]:
    """Pixel accuracy and mIoU, (resamples,), when images count as often as ``drawn`` says, (resamples, images).

    The classes of the mIoU are those of all images' labels, as in the run's own evaluation, whatever is drawn. One that
    neither labels nor predictions of a resample hold has no IoU there, and no part.
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
        iou = np.where(counts[:, 1].any(axis=0), right / (labelled + predicted - right), np.nan)
    return {"pixel_accuracy": accuracy, "miou": mean_of_known(iou[..., None])[:, 0]}
