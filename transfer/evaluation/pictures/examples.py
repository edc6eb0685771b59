"""Which images of an evaluation are shown, and how their files become pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import mmcv
import numpy as np
from numpy.typing import NDArray

MOST_OF_A_KIND = 3


def choose(scores: Sequence[float | None], weights: Sequence[float], names: Sequence[str]) -> dict[str, list[int]]:
    """Indices of the "best", "median" and "worst" images, up to three of each, none of them twice.

    Args:
        scores: Of each image, higher is better; None leaves it out.
        weights: Among images of one score, those with more come first, from the top of "best" and of "worst".
        names: Decide what is then still equal.
    """
    known = {index: score for index, score in enumerate(scores) if score is not None}
    each = min(MOST_OF_A_KIND, max(1, len(known) // 3))
    from_top = sorted(known, key=lambda index: (-known[index], -weights[index], names[index]))
    from_bottom = sorted(known, key=lambda index: (known[index], -weights[index], names[index]))
    best = from_top[:each]
    worst = [index for index in from_bottom if index not in best][:each]
    others = [index for index in from_top if index not in (*best, *worst)]
    middle = (len(others) - each + 1) // 2
    chosen = {"best": best, "median": others[middle : middle + each], "worst": worst}
    return {kind: indices for kind, indices in chosen.items() if indices}


def read_pixels(path: Path) -> NDArray:
    """An image (H, W, RGB) in uint8 as OpenMMLab reads it: of gray ones all channels are equal, alpha is dropped."""
    return mmcv.imread(str(path), flag="color", channel_order="rgb")


def fit(pixels: NDArray, width: int, height: int, smooth: bool = True) -> tuple[NDArray, float]:
    """An image shrunk or enlarged to fit into a rectangle, and by how much; unless ``smooth``, in its own colours."""
    rows, columns = pixels.shape[:2]
    scale = min(width / columns, height / rows)
    size = max(1, round(columns * scale)), max(1, round(rows * scale))
    smoothly = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(pixels, size, interpolation=smoothly if smooth else cv2.INTER_NEAREST), scale


def fade(pixels: NDArray, share: float) -> NDArray:
    """The image with that share of white laid over it: what is drawn on it stands out."""
    return np.rint(pixels + share * (255.0 - pixels)).astype(np.uint8)
