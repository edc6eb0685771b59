"""The vocabulary: six classes told apart by their outline, whatever its rotation, reflection, stretch or tilt.

Every outline has area 1 and its centre of mass at the origin, so that neither the number of an object's pixels nor
its place says anything about the class.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

Points = list[tuple[float, float]]
Outline = tuple[np.ndarray, ...]
"""Closed polygons (points, 2): the outer one, then holes."""

_ROUND = 48  # corners of a circle; at the sizes drawn here it shows none


def _circle(radius: float, start: float = 0.0, end: float = 2 * math.pi, center_x: float = 0.0) -> Points:
    angles = [start + (end - start) * step / _ROUND for step in range(_ROUND + 1)]
    return [(center_x + radius * math.cos(angle), radius * math.sin(angle)) for angle in angles]


def _regular(corners: int) -> Points:
    angles = [2 * math.pi * corner / corners for corner in range(corners)]
    return [(math.cos(angle), math.sin(angle)) for angle in angles]


def _star() -> Points:
    radii = (1.0, 0.42)
    corners = [(radii[corner % 2], math.pi * corner / 5) for corner in range(10)]
    return [(radius * math.cos(angle), radius * math.sin(angle)) for radius, angle in corners]


def _cross() -> Points:
    arm = 0.32
    quarter = [(arm, arm), (arm, 1.0), (-arm, 1.0)]
    turns = [(1, 0), (0, 1), (-1, 0), (0, -1)]
    return [(x * cosine - y * sine, x * sine + y * cosine) for cosine, sine in turns for x, y in quarter]


def _unit(*polygons: Sequence[tuple[float, float]]) -> Outline:
    """Scale to area 1, centre of mass to the origin (shoelace formulas); polygons after the first are holes."""
    area, moment = 0.0, np.zeros(2)
    arrays = [np.array(polygon, dtype=np.float64) for polygon in polygons]
    for number, points in enumerate(arrays):
        following = np.roll(points, -1, axis=0)
        cross = points[:, 0] * following[:, 1] - following[:, 0] * points[:, 1]
        sign = math.copysign(1.0, cross.sum()) * (1 if number == 0 else -1)  # whichever way round it is listed
        area += sign * cross.sum() / 2
        moment += sign * ((points + following) * cross[:, None]).sum(axis=0) / 6
    return tuple((points - moment / area) / math.sqrt(area) for points in arrays)


OUTLINES: dict[str, Outline] = {
    "arrow": _unit([(1.0, 0.0), (0.1, 0.75), (0.1, 0.27), (-1.0, 0.27), (-1.0, -0.27), (0.1, -0.27), (0.1, -0.75)]),
    "cross": _unit(_cross()),
    "disc": _unit(_circle(1.0)),
    "ring": _unit(_circle(1.0), _circle(0.55)),
    "star": _unit(_star()),
    "triangle": _unit(_regular(3)),
}

OBJECT_CLASSES: tuple[str, ...] = tuple(OUTLINES)
