"""Colours that stay apart, also for people who see some of them alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# After the first two, each was found by a search: as far as can be in CIELAB from those before it, from white and from
# OTHER, in normal vision and in simulations of the three kinds of colour blindness (Machado et al. 2009).
COLORS = (
    *("#0077bb", "#ee7733", "#772211", "#ffdd00", "#66ff99"),
    *("#334455", "#88ccff", "#7700ff", "#aa7755", "#4422aa"),
)
OTHER = "#9a9a9a"
UNLABELLED = "#ffffff"
RIGHT, WRONG = "#0077bb", "#ee7733"


def to_rgb(color: str) -> tuple[int, int, int]:
    """ "#rrggbb" as three whole numbers."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def assign_colors(confusion: NDArray) -> list[str]:
    """A colour for each class of (label, prediction); among more than ten, for the ten with the most pixels there."""
    if len(confusion) <= len(COLORS):
        return list(COLORS[: len(confusion)])
    colors = [OTHER] * len(confusion)
    order = np.argsort(-(confusion.sum(axis=0) + confusion.sum(axis=1)), kind="stable")
    for color, label in zip(COLORS, order[: len(COLORS)], strict=True):
        colors[label] = color
    return colors


def colorize(labels: NDArray, colors: Sequence[str]) -> NDArray:
    """A label map (H, W) as an image (H, W, RGB); values that are no class become ``UNLABELLED``."""
    table = np.array([to_rgb(color) for color in (*colors, UNLABELLED)], np.uint8)
    return table[np.minimum(labels, len(colors))]
