"""What a classifier gets right and wrong, class by class, and how far its confidence can be believed.

Accuracies, confidences and the calibration error are in percent; the negative log-likelihood is in nats.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from backbones.errors import UserError
from backbones.evaluation.accuracy import TOP, count_not_finite
from backbones.reporting.confusion import frequent_pairs

CALIBRATION_BINS = 15  # as in Guo et al.


@dataclass(frozen=True)
class Predictions:
    """The first guess for each of n images, all arrays (n,).

    ``labels`` and ``guesses`` are class indices, ``in_top5`` says whether the label is among the first five guesses,
    ``confidences`` is the probability (0 to 1) of the guess, ``losses`` is -log of the label's probability.
    """

    labels: np.ndarray
    guesses: np.ndarray
    in_top5: np.ndarray
    confidences: np.ndarray
    losses: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def correct(self) -> np.ndarray:
        """Whether the guess is the label (n,)."""
        return self.guesses == self.labels


@dataclass(frozen=True)
class CalibrationBin:
    """Images whose confidence lies above ``lower`` and not above ``upper``; the means are None where there is none."""

    lower: float
    upper: float
    images: int
    confidence: float | None
    accuracy: float | None


def collect_predictions(outputs: Iterable[tuple[Tensor, Tensor]], subject: str = "the network") -> Predictions:
    """Reduce batches of logits (n, K) and labels (n,) to what the report needs, in float64.

    ``subject`` says in messages whose logits they are.

    Raises:
        UserError: A logit is infinite or not a number.
    """
    return join_predictions([reduce_batch(logits, labels, subject) for logits, labels in outputs])


def join_predictions(parts: Sequence[Predictions]) -> Predictions:
    """Those of all batches, one after the other."""
    names = [field.name for field in fields(Predictions)]
    return Predictions(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def reduce_batch(logits: Tensor, labels: Tensor, subject: str) -> Predictions:
    """``collect_predictions`` of one batch."""
    if count_not_finite(logits):
        raise UserError(
            f"{subject}: some logits are not finite: the weights are damaged, or --precision is too low; try fp32"
        )
    top = logits.topk(min(TOP, logits.shape[1]), dim=1).indices  # the same call that counts top-1 in training
    log_probabilities = logits.double().log_softmax(dim=1)
    confidences = log_probabilities.gather(1, top[:, :1]).exp().squeeze(1)
    losses = -log_probabilities.gather(1, labels[:, None]).squeeze(1)
    hits = (top == labels[:, None]).any(dim=1)
    return Predictions(*(column.cpu().numpy() for column in (labels, top[:, 0], hits, confidences, losses)))


def mean_probabilities(logits: Sequence[Tensor]) -> Tensor:
    """Logarithms of the mean of several networks' probabilities, in float64, from their logits, each (n, K).

    They are logits of that mean: its softmax is they. In logarithms nothing becomes 0 that is not.
    """
    each = torch.stack([network.double().log_softmax(dim=1) for network in logits])
    return each.logsumexp(dim=0) - math.log(len(logits))


def confusion_matrix(predictions: Predictions, num_classes: int) -> np.ndarray:
    """Images (K, K) by true class (row) and guessed class (column)."""
    cells = predictions.labels * num_classes + predictions.guesses
    return np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)


def calibration_bins(predictions: Predictions, bins: int = CALIBRATION_BINS) -> list[CalibrationBin]:
    """Accuracy and mean confidence of the images in bins of equal width over confidence."""
    edges = np.linspace(0.0, 1.0, bins + 1)
    places = np.searchsorted(edges[1:], predictions.confidences)  # each bin has its upper edge, as in Guo et al.
    table = []
    for index in range(bins):
        inside = places == index
        count, confidence, accuracy = int(inside.sum()), None, None
        if count:
            confidence = 100.0 * float(predictions.confidences[inside].mean())
            accuracy = 100.0 * float(predictions.correct[inside].mean())
        table.append(CalibrationBin(100.0 * index / bins, 100.0 * (index + 1) / bins, count, confidence, accuracy))
    return table


def expected_calibration_error(bins: Sequence[CalibrationBin]) -> float:
    """Gap between accuracy and confidence, averaged over images: sum of n_b / n |acc_b - conf_b| over the bins b.

    Guo et al. 2017, "On Calibration of Modern Neural Networks", arXiv 1706.04599, Equation 3.
    """
    images = sum(part.images for part in bins)
    gaps = (
        part.images * abs(part.accuracy - part.confidence)
        for part in bins
        if part.accuracy is not None and part.confidence is not None
    )
    return sum(gaps) / images


def overall_metrics(predictions: Predictions) -> dict[str, float]:
    """The figures of the whole set; ``top1`` and ``top5`` are computed as in training, to the last bit."""
    images = len(predictions)
    return {
        "top1": 100.0 * int(predictions.correct.sum()) / images,
        "top5": 100.0 * int(predictions.in_top5.sum()) / images,
        "mean_confidence": 100.0 * float(predictions.confidences.mean()),
        "expected_calibration_error": expected_calibration_error(calibration_bins(predictions)),
        "negative_log_likelihood": float(predictions.losses.mean()),
    }


def class_table(predictions: Predictions, classes: Sequence[str]) -> list[dict[str, Any]]:
    """One row per class, in the order of ``classes``.

    ``top1`` and ``top5`` are over the images of the class, None if it has none. ``guessed`` counts images of any class
    that were taken for it, ``precision`` is the share of them that is right, None if there are none.
    """
    confusion = confusion_matrix(predictions, len(classes))
    in_top5 = np.bincount(predictions.labels, weights=predictions.in_top5, minlength=len(classes))
    rows = []
    for index, name in enumerate(classes):
        images, guessed = int(confusion[index].sum()), int(confusion[:, index].sum())
        correct = int(confusion[index, index])
        rows.append(
            {
                "class": name,
                "images": images,
                "correct": correct,
                "top1": _share(correct, images),
                "top5": _share(int(in_top5[index]), images),
                "guessed": guessed,
                "precision": _share(correct, guessed),
            }
        )
    return rows


def _share(part: int, whole: int) -> float | None:
    return 100.0 * part / whole if whole else None


def frequent_confusions(confusion: np.ndarray, classes: Sequence[str], count: int) -> list[dict[str, Any]]:
    """The pairs of classes (true, guessed) that are mixed up most, by number of images; pairs without any are left out.

    ``share`` is in percent of the images of the true class.
    """
    return [
        {"true": classes[pair.row], "guessed": classes[pair.column], "images": pair.count, "share": pair.share}
        for pair in frequent_pairs(confusion, count)
    ]
