"""Antialiased masks of objects and clutter, as large as the thing itself, which may reach over the image's edge."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from backbones.data.shapes import difficulty
from backbones.data.shapes.outlines import Outline

_SUPERSAMPLING = 3
_HALF = 128  # a pixel belongs to the thing that covers at least half of it
_BLOB_CORNERS = 36
_BLOB_HARMONICS = (2, 3, 4, 5)


class PixelBox(NamedTuple):
    """First and last column and row that belong to the box, counted from 0."""

    left: int
    top: int
    right: int
    bottom: int


class Stamp(NamedTuple):
    """Coverage ``mask`` (L), its place in the image, and ``crisp``, the pixels (height, width) it covers by half."""

    mask: Image.Image
    left: int
    top: int
    crisp: np.ndarray

    def on_canvas(self, size: int) -> np.ndarray:
        """The covered pixels of the image (size, size)."""
        canvas = np.zeros((size, size), dtype=bool)
        height, width = self.crisp.shape
        top, bottom = max(self.top, 0), min(self.top + height, size)
        left, right = max(self.left, 0), min(self.left + width, size)
        if top < bottom and left < right:
            part = self.crisp[top - self.top : bottom - self.top, left - self.left : right - self.left]
            canvas[top:bottom, left:right] = part
        return canvas


def extent(mask: np.ndarray, left: int = 0, top: int = 0) -> PixelBox | None:
    """Smallest box around the pixels of a mask (height, width) with its corner at ``left``, ``top``; None if empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return PixelBox(left + int(columns[0]), top + int(rows[0]), left + int(columns[-1]), top + int(rows[-1]))


def object_stamp(random: np.random.Generator, outline: Outline, center: tuple[float, float], scale: float) -> Stamp:
    """An outline rotated, reflected, stretched and tilted at random; ``center`` and ``scale`` are in pixels."""
    turn = math.radians(random.uniform(-difficulty.ROTATION, difficulty.ROTATION))
    axis = random.uniform(0, 2 * math.pi)
    stretch = math.sqrt(math.exp(random.uniform(0, math.log(difficulty.ASPECT))))
    tilt_x, tilt_y = random.uniform(-difficulty.PERSPECTIVE, difficulty.PERSPECTIVE, 2)
    mirror = 1 if random.random() < 0.5 else -1
    moved = []
    for points in outline:
        x, y = _rotate(points[:, 0], mirror * points[:, 1], axis)
        x, y = _rotate(x * stretch, y / stretch, turn - axis)
        depth = 1 + tilt_x * x + tilt_y * y
        moved.append(np.stack((center[0] + scale * x / depth, center[1] + scale * y / depth), axis=1))
    return _polygon_stamp(moved)


def blob_stamp(random: np.random.Generator, center: tuple[float, float], scale: float) -> Stamp:
    """A patch with a wavy outline, like none of the classes."""
    angles, waves = _blob_tables()
    amplitude = random.uniform(0.1, 0.24, len(_BLOB_HARMONICS))
    phase = random.uniform(0, 2 * math.pi, len(_BLOB_HARMONICS))
    radius = np.ones(_BLOB_CORNERS)
    for size, shift, (cosine, sine) in zip(amplitude, phase, waves, strict=True):
        radius += size * (cosine * math.cos(shift) - sine * math.sin(shift))
    points = radius[:, None] * angles * (scale / math.sqrt(math.pi)) + np.array(center)
    return _polygon_stamp([points])


def stroke_stamp(random: np.random.Generator, center: tuple[float, float], scale: float) -> Stamp:
    """A bent line with a length of a few ``scale`` and a width of a tenth to a quarter of it."""
    control = random.uniform(-2.0, 2.0, (3, 2)) * scale + np.array(center)
    share = np.linspace(0.0, 1.0, 12)[:, None]
    points = (1 - share) ** 2 * control[0] + 2 * share * (1 - share) * control[1] + share**2 * control[2]
    width = max(1.0, scale * random.uniform(0.1, 0.25))
    drawing, origin = _drawing([points], margin=math.ceil(width))
    line = [tuple(point) for point in (points - origin) * _SUPERSAMPLING]
    ImageDraw.Draw(drawing).line(line, fill=255, width=round(width * _SUPERSAMPLING), joint="curve")
    return _finish(drawing, origin)


def _rotate(x: np.ndarray, y: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    cosine, sine = math.cos(angle), math.sin(angle)
    return x * cosine - y * sine, x * sine + y * cosine


@functools.cache
def _blob_tables() -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    angles = np.arange(_BLOB_CORNERS) * (2 * math.pi / _BLOB_CORNERS)
    waves = [(np.cos(harmonic * angles), np.sin(harmonic * angles)) for harmonic in _BLOB_HARMONICS]
    return np.stack((np.cos(angles), np.sin(angles)), axis=1), waves


def _polygon_stamp(polygons: Sequence[np.ndarray]) -> Stamp:
    drawing, origin = _drawing(polygons, margin=1)
    draw = ImageDraw.Draw(drawing)
    for number, points in enumerate(polygons):
        corners = ((points - origin) * _SUPERSAMPLING - 0.5).ravel().tolist()
        draw.polygon(corners, fill=0 if number else 255)
    return _finish(drawing, origin)


def _drawing(polygons: Sequence[np.ndarray], margin: int) -> tuple[Image.Image, np.ndarray]:
    """An empty supersampled mask around the first polygon, and the image pixel at its corner."""
    low = np.floor(polygons[0].min(axis=0)) - margin
    high = np.ceil(polygons[0].max(axis=0)) + margin
    width, height = ((high - low) * _SUPERSAMPLING).astype(int).tolist()
    return Image.new("L", (width, height)), low


def _finish(drawing: Image.Image, origin: np.ndarray) -> Stamp:
    mask = drawing.reduce(_SUPERSAMPLING)
    return Stamp(mask, int(origin[0]), int(origin[1]), np.asarray(mask) >= _HALF)
