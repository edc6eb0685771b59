"""Photographs to decode: 500 x 375 pixels, made up, or the user's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from backbones.errors import UserError
from backbones.image_files import open_image
from benchmarks.harness.settings import Settings

WIDTH, HEIGHT = 500, 375  # what ImageNet and VOC have most
CLASSES = 2


def made_up(random: np.random.Generator, width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """Gradients, blotches and grain, which as JPEG of quality 90 take the bytes per pixel that ImageNet's take."""
    gradient = np.add.outer(np.linspace(0, 130, height), np.linspace(0, 70, width))[..., None]
    blotches = Image.fromarray(random.integers(0, 256, (height // 4, width // 4, 3), dtype=np.uint8))
    pixels = 0.4 * np.asarray(blotches.resize((width, height))) + gradient * random.uniform(0.3, 0.6, 3)
    return Image.fromarray((pixels + random.normal(0, 11, (height, width, 3))).clip(0, 255).astype(np.uint8))


def write_made_up(folder: Path, count: int, scale: int = 1) -> list[Path]:
    """``count`` files, ``scale`` times as wide and high."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    paths = [folder / f"{number}.jpg" for number in range(count)]
    for path in paths:
        made_up(random, WIDTH * scale, HEIGHT * scale).save(path, quality=90)
    return paths


def photographs(settings: Settings, count: int) -> list[Path]:
    """Files of ``--photographs``, else made-up ones.

    Raises:
        UserError: The folder has fewer than ``count`` of that size.
    """
    if settings.photographs is None:
        return write_made_up(settings.scratch / "photographs", count)
    found = []
    for path in sorted(settings.photographs.rglob("*.jp*g")):
        with open_image(path) as image:
            if sorted(image.size) == [HEIGHT, WIDTH]:
                found.append(path)
        if len(found) == count:
            return found
    raise UserError(f"{settings.photographs} has {len(found)} JPEG files of {WIDTH} x {HEIGHT}, and {count} are wanted")


def source(settings: Settings) -> str:
    """Which photographs, in words."""
    return "made-up photographs" if settings.photographs is None else "photographs of --photographs"


def image_folder(root: Path, paths: list[Path]) -> Path:
    """An ImageFolder tree of links to files, ``train`` and ``val`` with the same ones."""
    for split in ("train", "val"):
        for number, path in enumerate(paths):
            folder = root / split / f"class{number % CLASSES}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{number:05d}.jpg").symlink_to(path.resolve())
    return root
