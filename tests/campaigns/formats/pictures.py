"""Pictures of an ImageFolder: JPEG, whose pixels no checksum guards, and PNG, whose are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from backbones.data.decoding import decode_pixels
from backbones.data.folders.image_folder import open_image_folder, verify_images
from campaigns.formats.format import Format, digest, used_after_check
from campaigns.mutators.damage import DAMAGE
from campaigns.mutators.mutation import BYTES

_SIDE = 24


def noise(side: int, seed: int) -> Image.Image:
    """A picture of smooth colours and some noise."""
    draw = np.random.default_rng(seed)
    slope = np.linspace(0, 200, side)[:, None, None] + np.linspace(0, 30, side)[None, :, None]
    return Image.fromarray((slope + draw.integers(0, 25, (side, side, 3))).astype(np.uint8))


def build_image_folder(root: Path, suffix: str) -> None:
    """Two classes with two images in each split, none of them in both."""
    for place, split in enumerate(("train", "val")):
        for label, name in enumerate(("cat", "dog")):
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(2):
                noise(_SIDE + number, 4 * place + 2 * label + number).save(folder / f"{number}.{suffix}")


def _read(folder: Path) -> str:
    data = open_image_folder(folder)

    def decode() -> str:
        images = [decode_pixels(split.path(index)) for split in (data.train, data.val) for index in range(len(split))]
        return digest(*images)

    return used_after_check(lambda: verify_images(data, workers=1), decode)


def _check(folder: Path) -> list[str]:
    return ["tools/prepare_data.py", "check", str(folder)]


JPEG = Format(
    "image-folder-jpeg",
    lambda folder: build_image_folder(folder, "jpg"),
    ("*/*/*.jpg",),
    _read,
    DAMAGE,
    free=(BYTES,),
    command=_check,
)
PNG = Format(
    "image-folder-png",
    lambda folder: build_image_folder(folder, "png"),
    ("*/*/*.png",),
    _read,
    DAMAGE,
    command=_check,
)
