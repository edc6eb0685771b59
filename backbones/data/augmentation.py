"""Geometry of training and validation images (Sections 2.1 and 2.2): crop, resize, flip; pixels stay 8-bit.

Colour changes are linear, so they happen on the whole batch: see ``backbones.data.color``.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import interpolate

CROP_AREA = (0.08, 1.0)
CROP_RATIO = (3 / 4, 4 / 3)
CROP_TRIES = 10
FLIP_PROBABILITY = 0.5
# Validation resizes the shorter side to size / 0.875: 256 for 224, and 342 for 299 as GluonCV has it.
VALIDATION_CROP = 0.875

Box = tuple[int, int, int, int]


def random_crop_box(width: int, height: int, random: np.random.Generator) -> Box:
    """Left, top, right and bottom of a random crop: 8 % to 100 % of the area, aspect ratio 3/4 to 4/3.

    The paper gives the ranges only. Area and ratio are drawn uniformly, and width and height swapped every other time,
    as GluonCV's data loader does (torchvision and timm draw the logarithm of the ratio). After 10 draws that do not
    fit, which takes an image several times as long as wide, the largest central crop of an allowed ratio is taken, as
    torchvision does. GluonCV's central crop there has as many pixels as the network's image; this one shows more.
    """
    for _ in range(CROP_TRIES):
        area = width * height * random.uniform(*CROP_AREA)
        ratio = random.uniform(*CROP_RATIO)
        swap = random.random() < 0.5
        crop_width, crop_height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if swap:
            crop_width, crop_height = crop_height, crop_width
        if 0 < crop_width <= width and 0 < crop_height <= height:
            left = int(random.integers(width - crop_width + 1))
            top = int(random.integers(height - crop_height + 1))
            return left, top, left + crop_width, top + crop_height
    return _central_box(width, height)


def _central_box(width: int, height: int) -> Box:
    crop_width = min(width, max(1, round(height * CROP_RATIO[1])))
    crop_height = min(height, max(1, round(width / CROP_RATIO[0])))
    left, top = (width - crop_width) // 2, (height - crop_height) // 2
    return left, top, left + crop_width, top + crop_height


class Crop(NamedTuple):
    """Pixels (height, width, 3) of a crop, and whether they are to be flipped."""

    pixels: np.ndarray
    flipped: bool


def random_crop(pixels: np.ndarray, random: np.random.Generator) -> Crop:
    """A crop of (H, W, 3), to be flipped half the time."""
    height, width, _ = pixels.shape
    left, top, right, bottom = random_crop_box(width, height, random)
    # Faster than PyTorch does it. A copy even of the whole image, which may be read-only, as Pillow has it.
    crop = pixels[top:bottom, left:right].copy()
    return Crop(crop, random.random() < FLIP_PROBABILITY)


def resized(crop: Crop, size: int) -> np.ndarray:
    """Resized (bilinear, antialiased) and, if it is to be, flipped: (size, size, 3).

    PyTorch's resize takes a third of the time of Pillow's, from which it differs by one level here and there.
    """
    # Channels last, which PyTorch recognises by the strides: of the axis of one image, too, so it must be PyTorch's.
    images = torch.from_numpy(crop.pixels)[None].permute(0, 3, 1, 2)
    view = interpolate(images, (size, size), mode="bilinear", antialias=True)
    if crop.flipped:
        view = view.flip(3)
    return view[0].permute(1, 2, 0).numpy()


def validation_view(image: Image.Image, size: int) -> np.ndarray:
    """Shorter side resized to ceil(size / 0.875), aspect kept, then the central square: (size, size, 3)."""
    shorter = math.ceil(size / VALIDATION_CROP)
    scale = shorter / min(image.size)
    width, height = (max(shorter, round(side * scale)) for side in image.size)
    left, top = (width - size) // 2, (height - size) // 2
    resized = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized.crop((left, top, left + size, top + size)))
