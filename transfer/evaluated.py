"""What a detector's evaluation looks at."""

from __future__ import annotations

from typing import NamedTuple

from numpy.typing import NDArray


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
