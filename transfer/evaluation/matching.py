"""Which detection is of which object, whatever either is called: what a confusion of classes is counted from.

Detections, from the highest score down, each take the object that they overlap most, of those that overlap by an IoU of
at least 0.5 and that no detection before them has taken. A detection that takes one of VOC's *difficult* objects counts
nowhere, and any number of them can take the same. What is left over is a detection of nothing, or a missed object;
difficult objects are never missed. This is one definition of several in use: in it a surer detection of another class
takes an object, and the box of the right class is then a detection of nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from transfer.evaluation.per_image import DetectionEvaluation, EvaluatedImage
from transfer.evaluation.voc_overlap import IOU_THRESHOLD, overlaps

LOWEST_SCORE = 0.05  # what is less sure is never shown; with a hundred boxes per image it would also take long
NOTHING, NOT_COUNTED = -1, -2


class Matches(NamedTuple):
    """What came of one image's detections.

    Attributes:
        shown: Indices of the detections with a sufficient score, the highest first.
        taken: Of each of those the index of the object it takes, ``NOTHING``, or ``NOT_COUNTED``.
        missed: Indices of the objects that nothing takes.
    """

    shown: NDArray
    taken: NDArray
    missed: NDArray

    @property
    def counted(self) -> NDArray:
        """For each shown detection whether it counts."""
        return self.taken != NOT_COUNTED


def match(image: EvaluatedImage, threshold: float = LOWEST_SCORE) -> Matches:
    """Match detections with at least that score to objects, by their boxes."""
    order = np.argsort(-image.scores, kind="stable")
    shown = order[image.scores[order] >= threshold]
    free = np.ones(len(image.boxes), bool)
    taken = np.full(len(shown), NOTHING)
    if free.size and shown.size:
        shared = overlaps(image.found_boxes[shown], image.boxes)
        for place in np.flatnonzero(shared.max(axis=1) >= IOU_THRESHOLD):
            candidate = int(np.argmax(np.where(free, shared[place], -1.0)))
            if free[candidate] and shared[place, candidate] >= IOU_THRESHOLD:
                taken[place] = NOT_COUNTED if image.difficult[candidate] else candidate
                free[candidate] = image.difficult[candidate]
    return Matches(shown, taken, np.flatnonzero(free & ~image.difficult))


def above(threshold: float, image: EvaluatedImage, matched: Matches) -> Matches:
    """What ``match`` gives with a higher threshold: the surest detections choose first, so their matches stay."""
    count = int((image.scores[matched.shown] >= threshold).sum())
    taken = matched.taken[:count]
    missed = np.setdiff1d(np.flatnonzero(~image.difficult), taken)
    return Matches(matched.shown[:count], taken, missed)


def is_right(image: EvaluatedImage, matched: Matches) -> NDArray:
    """For each shown detection whether it takes an object of its own class."""
    annotated = np.append(image.labels, -1)[np.maximum(matched.taken, NOTHING)]
    return (matched.taken >= 0) & (annotated == image.found_labels[matched.shown])


def f1_score(image: EvaluatedImage, matched: Matches) -> float | None:
    """2 x right / (detections + objects) of an image, from 0 to 1; None without objects that are not difficult."""
    objects = int((~image.difficult).sum())
    return 2 * int(is_right(image, matched).sum()) / (int(matched.counted.sum()) + objects) if objects else None


def best_threshold(images: Sequence[EvaluatedImage], matches: Sequence[Matches]) -> float:
    """The score from which on detections give all images together the highest F1, cut to two decimals.

    Any fixed score would show nothing of a detector that is not sure, and clutter of one that is.
    """
    pairs = list(zip(images, matches, strict=True))
    scores = np.concatenate([image.scores[matched.shown] for image, matched in pairs])
    right = np.concatenate([is_right(*pair) for pair in pairs])
    counted = np.concatenate([matched.counted for matched in matches])
    if not right.any():
        return 0.5
    objects = sum(int((~image.difficult).sum()) for image in images)
    order = np.argsort(-scores, kind="stable")
    f1 = 2 * right[order].cumsum() / (counted[order].cumsum() + objects)
    return math.floor(100 * float(scores[order][np.argmax(f1)])) / 100


def count_confusion(evaluation: DetectionEvaluation, matches: Sequence[Matches]) -> NDArray:
    """Objects and detections (classes + 1, classes + 1), by what is annotated (row) and what is detected (column).

    The last row counts detections of nothing, the last column missed objects. Difficult objects count nowhere.
    """
    classes = len(evaluation.classes)
    counts = np.zeros((classes + 1, classes + 1), np.int64)
    for image, matched in zip(evaluation.images, matches, strict=True):
        objects, guesses = matched.taken[matched.counted], image.found_labels[matched.shown[matched.counted]]
        annotated = np.append(image.labels, classes)[objects]  # NOTHING, -1, is the last
        np.add.at(counts, (annotated, guesses), 1)
        np.add.at(counts, (image.labels[matched.missed], classes), 1)
    return counts
