"""Average precision as PASCAL VOC defines it (Everingham et al., The PASCAL VOC Challenge, 2010, Section 4.2).

Detections of a class, from the highest score down, are right when they overlap an object by an IoU of at least 0.5 that
no detection before them has claimed. Each goes to the object that it overlaps most, and is wrong when that one is
claimed or overlaps less. When it is a *difficult* object the detection does not count, neither as right nor as wrong,
and difficult objects are not among those to be found. Widths are x2 - x1 + 1, as VOC's own code has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from transfer.evaluation.per_image import EvaluatedImage
from transfer.evaluation.voc_overlap import IOU_THRESHOLD, overlaps

RECALLS = np.arange(0.0, 1.1, 0.1)


class VocPrecision(NamedTuple):
    """Average precision of one class, each from 0 to 1: VOC2007's way, and that of VOC since 2010."""

    eleven_points: float
    area: float


class VocCurve(NamedTuple):
    """Precision and recall of one class among its first 1, 2, … detections, from the highest score down.

    Attributes:
        found: Right detections among them, whole numbers.
        precision: Share of right ones among those that count.
        objects: How many there are to find.
    """

    found: NDArray
    precision: NDArray
    objects: int

    @property
    def recall(self) -> NDArray:
        """Share of the objects that are found."""
        return self.found / self.objects

    @property
    def falling(self) -> NDArray:
        """At each recall the highest precision from there on, which is what the area is measured under."""
        return np.maximum.accumulate(self.precision[::-1])[::-1]

    def average_precision(self) -> VocPrecision:
        """Both averages of the curve."""
        return VocPrecision(eleven_points(self), area(self))


class Judged(NamedTuple):
    """A class's detections from the highest score down.

    Attributes:
        image: Index of the image that each is in.
        right: 1 where it is right, else 0.
        wrong: 1 where it is wrong, else 0; neither where it does not count.
    """

    image: NDArray
    right: NDArray
    wrong: NDArray


def voc_curve(images: Sequence[EvaluatedImage], label: int) -> VocCurve | None:
    """The curve of a class; None when the images hold no object of it that is not difficult."""
    objects = sum(int(np.sum((image.labels == label) & ~image.difficult)) for image in images)
    if not objects:
        return None
    judged = judge_class(images, label)
    found, seen = judged.right.cumsum(), (judged.right + judged.wrong).cumsum()
    return VocCurve(found, found / np.maximum(seen, 1), objects)


def eleven_points(curve: VocCurve) -> float:
    """Mean over the recalls 0, 0.1, …, 1 of the highest precision at that recall or a greater one.

    The recalls are those of ``numpy.arange(0, 1.1, 0.1)``, as in every published evaluation since Fast R-CNN's, and so
    some are not tenths: 3 of 10 objects do not reach 0.30000000000000004, and the average is lower than it should be
    where the number of objects is a multiple of 10. Numbers that are to stand beside published ones must share that.
    """
    return float(np.mean([curve.precision[curve.recall >= recall].max(initial=0) for recall in RECALLS]))


def area(curve: VocCurve) -> float:
    """Area under the precision-recall curve, made to fall."""
    return float(np.sum(np.diff(curve.found, prepend=0) * curve.falling) / curve.objects)


def judge_class(images: Sequence[EvaluatedImage], label: int) -> Judged:
    """All detections of a class from the highest score down; of equal scores the earlier one comes first."""
    places, scores = [np.zeros(0, int)], [np.zeros(0)]
    right: list[NDArray] = [np.zeros(0, int)]
    wrong: list[NDArray] = [np.zeros(0, int)]
    for place, image in enumerate(images):
        mine = image.found_labels == label
        if not mine.any():
            continue
        there = image.labels == label
        hits, misses = judge_image(
            image.found_boxes[mine], image.scores[mine], image.boxes[there], image.difficult[there]
        )
        places.append(np.full(len(hits), place))
        scores.append(image.scores[mine])
        right.append(hits.astype(int))
        wrong.append(misses.astype(int))
    order = np.argsort(-np.concatenate(scores), kind="stable")
    return Judged(*(np.concatenate(column)[order] for column in (places, right, wrong)))


def judge_image(boxes: NDArray, scores: NDArray, objects: NDArray, difficult: NDArray) -> tuple[NDArray, NDArray]:
    """Which detections of a class are right, and which are wrong, in one image, in the order given.

    Args:
        boxes: (n, 4) of the detections, in pixels.
        scores: (n,) theirs; of equal ones the earlier detection chooses first.
        objects: (m, 4) of the class.
        difficult: (m,) whether each is.
    """
    right, wrong = np.zeros(len(boxes), bool), np.zeros(len(boxes), bool)
    if not len(objects):
        return right, ~wrong
    order = np.argsort(difficult, kind="stable")  # of two objects that it overlaps alike it takes the one that counts
    objects, difficult = objects[order], difficult[order]
    shared = overlaps(boxes, objects)
    nearest, free = shared.argmax(axis=1), np.ones(len(objects), bool)
    for place in np.argsort(-scores, kind="stable"):
        chosen = nearest[place]
        if shared[place, chosen] < IOU_THRESHOLD:
            wrong[place] = True
        elif not difficult[chosen]:
            right[place], wrong[place] = free[chosen], not free[chosen]
            free[chosen] = False
    return right, wrong
