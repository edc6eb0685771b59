"""What an evaluation has looked at, image by image: enough to measure again, on other subsets too."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from transfer.catalogue import DETECTION, SEGMENTATION


class EvaluatedImage(NamedTuple):
    """Objects and detections of one image. Boxes are (x1, y1, x2, y2) in its pixels, labels count classes from 0.

    Attributes:
        boxes: n x 4, all annotated objects.
        labels: n.
        difficult: n, true where VOC's annotators marked an object as hard to recognise.
        found_boxes: m x 4, all detections.
        found_labels: m.
        scores: m.
    """

    boxes: NDArray
    labels: NDArray
    difficult: NDArray
    found_boxes: NDArray
    found_labels: NDArray
    scores: NDArray


class SegmentedImage(NamedTuple):
    """The confusion of one image's labelled pixels, as the cells that are not 0.

    Attributes:
        pairs: n, label x classes + prediction, both counted from 0; ascending.
        pixels: n, how many there are of each.
    """

    pairs: NDArray
    pixels: NDArray


@dataclass(frozen=True)
class DetectionEvaluation:
    """A detector's test: names of classes, files of images, and what each image holds, in the order of the files."""

    task: ClassVar[str] = DETECTION
    classes: tuple[str, ...]
    names: tuple[str, ...]
    images: Sequence[EvaluatedImage]


@dataclass(frozen=True)
class SegmentationEvaluation:
    """A segmentor's test: names of classes, files of images, and the pixels of each, in the order of the files."""

    task: ClassVar[str] = SEGMENTATION
    classes: tuple[str, ...]
    names: tuple[str, ...]
    images: Sequence[SegmentedImage]

    def confusion(self, index: int | None = None) -> NDArray:
        """Pixels (classes, classes) by label (row) and prediction (column), of one image or of all."""
        counts = np.zeros(len(self.classes) ** 2, np.int64)
        for image in self.images if index is None else [self.images[index]]:
            counts[image.pairs] += image.pixels  # each pair is there once
        return counts.reshape(len(self.classes), len(self.classes))


Evaluation = TypeVar("Evaluation", DetectionEvaluation, SegmentationEvaluation)


def seen_from(root: Path, evaluation: Evaluation) -> Evaluation:
    """The same with names relative to a folder: where a data set lies is no part of what was measured on it."""
    return replace(evaluation, names=tuple(relative_name(name, root) for name in evaluation.names))


def relative_name(path: str, root: Path) -> str:
    """The path of an image seen from its data set's folder, with forward slashes."""
    return Path(os.path.relpath(path, root)).as_posix()
