"""Surface textures: the stuff classes, and the patterns objects are filled with.

Pixel values come from additions, products, ``floor`` and comparisons alone. Those are exact on every processor, whereas
the last bit of a vectorised sine is not, and equal seeds have to give equal bytes.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np

Texture = Callable[[np.random.Generator, int, int], np.ndarray]


@functools.lru_cache(maxsize=256)
def _grid(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    rows = np.arange(height, dtype=np.float32)[:, None]
    columns = np.arange(width, dtype=np.float32)[None, :]
    return rows, columns


def _wave(position: np.ndarray) -> np.ndarray:
    """Triangle wave of period 1 between -1 and 1."""
    fraction = position - np.floor(position)
    return np.abs(fraction - np.float32(0.5)) * np.float32(4) - np.float32(1)


def _direction(random: np.random.Generator, period: float) -> tuple[np.float32, np.float32]:
    angle = random.uniform(0, 2 * math.pi)
    return np.float32(math.cos(angle) / period), np.float32(math.sin(angle) / period)


def _period(random: np.random.Generator) -> float:
    return random.uniform(4.0, 11.0)  # in pixels: below 4, JPEG and blur wash it out


def stripes(random: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Parallel bands in any direction, soft or sharp."""
    rows, columns = _grid(height, width)
    x, y = _direction(random, _period(random))
    wave = _wave(columns * x + rows * y + np.float32(random.random()))
    return np.clip(wave * np.float32(random.uniform(0.6, 3.0)) + np.float32(0.5), 0, 1)


def checker(random: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Chequerboard in any direction, soft or sharp."""
    rows, columns = _grid(height, width)
    x, y = _direction(random, 1.6 * _period(random))
    one = _wave(columns * x + rows * y + np.float32(random.random()))
    other = _wave(columns * y - rows * x + np.float32(random.random()))
    return np.clip(one * other * np.float32(random.uniform(2.0, 6.0)) + np.float32(0.5), 0, 1)


def speckle(random: np.random.Generator, height: int, width: int) -> np.ndarray:
    """White noise with grains of one to three pixels."""
    grain = int(random.integers(1, 4))
    shape = (-(-height // grain), -(-width // grain))
    grains = random.integers(0, 256, shape, dtype=np.uint8).astype(np.float32) / np.float32(255)
    if grain > 1:
        grains = grains.repeat(grain, axis=0).repeat(grain, axis=1)[:height, :width]
    return grains


def smooth(random: np.random.Generator, height: int, width: int) -> np.ndarray:
    """One slow change of colour across the surface."""
    rows, columns = _grid(height, width)
    x, y = _direction(random, 2.5 * max(height, width))
    return np.clip(np.abs(_wave(columns * x + rows * y + np.float32(random.random()))), 0, 1)


STUFF: dict[str, Texture] = {"stripes": stripes, "checker": checker, "speckle": speckle, "smooth": smooth}

STUFF_CLASSES: tuple[str, ...] = tuple(STUFF)

_TEXTURES = tuple(STUFF.values())


def paint(
    random: np.random.Generator, texture: int, colors: tuple[np.ndarray, np.ndarray], height: int, width: int
) -> np.ndarray:
    """A surface (height, width, 3), 8-bit, that goes between two colours as texture number ``texture`` says."""
    share = _TEXTURES[texture](random, height, width)[..., None]
    first, second = (color.astype(np.float32) for color in colors)
    return (first + (second - first) * share).astype(np.uint8)


# Brightness of red, green and blue, ITU-R BT.601.
_LUMA = np.array([0.299, 0.587, 0.114])


def pick_color(random: np.random.Generator, brightness: tuple[float, float]) -> np.ndarray:
    """A random colour with a brightness in a range on the 0-255 scale; of eight draws outside it, the nearest."""
    draws = random.integers(0, 256, (8, 3))
    outside = np.abs(draws @ _LUMA - np.clip(draws @ _LUMA, *brightness))
    return draws[outside.argmin()]
