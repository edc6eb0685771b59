"""``pictures/predictions.zip``: which class a segmentor gave the pixels of a few test images, for the report.

A zip archive of PNGs that any viewer opens, each named as its image with ``.png`` behind: one byte per pixel, the class
counted from 0. Maps are made smaller by leaving out pixels, so what is left is what was predicted. They hold nothing of
the images.

Which images is decided by their names alone, so runs on the same data keep the same ones and can be compared.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backbones.errors import UserError
from backbones.files import write_bytes
from backbones.image_files import open_image

FILE = "predictions.zip"
MOST_IMAGES = 32
LONGEST_SIDE = 256
MOST_BYTES = 300_000  # of all PNGs; those of smooth predictions take a third of it
_ENDING = ".png"
_UNREADABLE = (
    *(OSError, EOFError, SyntaxError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error),
    Image.DecompressionBombError,
)


def choose_images(names: Iterable[str]) -> list[str]:
    """Up to ``MOST_IMAGES`` of them: those with the smallest SHA-256, which is as good as drawn by lot."""
    return sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())[:MOST_IMAGES]


def write_predictions(path: Path, names: Iterable[str], predict: Callable[[str], NDArray]) -> None:
    """Predict the chosen images and write the archive, the first of them until ``MOST_BYTES`` are full.

    Args:
        path: The archive.
        names: Of all test images, relative to the data set's folder.
        predict: From a name to the classes (H, W) of the image's pixels, from 0 and below 256.

    Raises:
        UserError: The file cannot be written.
    """
    archive, used = io.BytesIO(), 0
    with zipfile.ZipFile(archive, "w") as members:
        for name in choose_images(names):
            png = _as_png(shrink(predict(name), LONGEST_SIDE))
            used += len(png)
            if used > MOST_BYTES:
                break
            members.writestr(zipfile.ZipInfo(f"{name}{_ENDING}"), png)  # of 1980, so that equal maps make equal files
    write_bytes(path, archive.getvalue())


def read_predictions(path: Path) -> dict[str, NDArray]:
    """From the names of the images to their maps (H, W).

    Raises:
        UserError: The file is missing or damaged.
    """
    try:
        if not path.is_file():
            raise ValueError("it is no file")
        with zipfile.ZipFile(path) as members:
            _check_sizes(members.infolist())
            return {name.removesuffix(_ENDING): _from_png(members.read(name)) for name in members.namelist()}
    except _UNREADABLE as error:
        raise UserError(f"{path} is missing or damaged ({error}); delete it, and the report goes without") from None


def _check_sizes(members: Sequence[zipfile.ZipInfo]) -> None:
    """Before anything is unpacked; ``write_predictions`` makes no larger ones, and packs none."""
    if len(members) > MOST_IMAGES or sum(member.file_size for member in members) > MOST_BYTES:
        raise ValueError(f"more than {MOST_IMAGES} maps or {MOST_BYTES} bytes of them")
    if packed := [member.filename for member in members if member.compress_type != zipfile.ZIP_STORED]:
        raise ValueError(f"{packed[0]!r} is packed")


def shrink(labels: NDArray, longest: int) -> NDArray:
    """A map (H, W) of every so many pixels of another, so that no side is longer; small ones stay as they are."""
    height, width = labels.shape
    scale = min(1.0, longest / max(height, width))
    return resample(labels, max(1, round(height * scale)), max(1, round(width * scale)))


def resample(labels: NDArray, height: int, width: int) -> NDArray:
    """A map of another size by nearest neighbour."""
    rows, columns = (
        ((np.arange(count) + 0.5) * there / count).astype(int)
        for count, there in zip((height, width), labels.shape, strict=True)
    )
    return labels[rows[:, None], columns]


def _as_png(labels: NDArray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(labels.astype(np.uint8)).save(stream, "png", optimize=True)
    return stream.getvalue()


def _from_png(data: bytes) -> NDArray:
    with open_image(io.BytesIO(data), ["PNG"], LONGEST_SIDE**2) as image:
        if image.mode != "L":
            raise ValueError(f"a map in mode {image.mode}")
        return np.asarray(image)
