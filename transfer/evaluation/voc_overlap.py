"""The overlap of boxes as PASCAL VOC's development kit measures it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

IOU_THRESHOLD = 0.5


def overlaps(one: NDArray, other: NDArray) -> NDArray:
    """Intersection over union of every box of one set with every box of another.

    Pixels at both ends belong to a box, so its width is x2 - x1 + 1. Computed in float32, as mmdetection does, so that
    an overlap close to the threshold falls on the same side of it.

    Args:
        one: (n, 4) corners x1, y1, x2, y2, in pixels.
        other: (m, 4).

    Returns:
        (n, m), float32, from 0 to 1.
    """
    one, other = one.astype(np.float32), other.astype(np.float32)
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    sides = np.maximum(high - low + 1, 0)
    shared = sides[..., 0] * sides[..., 1]
    return shared / (_areas(one)[:, None] + _areas(other)[None, :] - shared)


def _areas(boxes: NDArray) -> NDArray:
    return (boxes[:, 2] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 1] + 1)
