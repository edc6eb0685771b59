"""Images and index PNG masks with lists and names of classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from campaigns.formats.format import Format, digest, used_after_check
from campaigns.formats.pictures import noise
from campaigns.mutators.damage import DAMAGE
from campaigns.mutators.mutation import BYTES, MISSING, VALUE, WORDS
from campaigns.mutators.words import LINES, with_words
from transfer.data.class_names import choose_classes
from transfer.data.index_png import check_index_png

_SIDE = 24
_FREE = (BYTES, VALUE, MISSING, WORDS)  # texts and JPEG files have no checksums


def build_own(root: Path) -> None:
    """Four images of three classes, with an unlabelled margin."""
    for folder in ("images", "annotations"):
        (root / folder).mkdir()
    for number in range(4):
        noise(_SIDE, number).save(root / "images" / f"{number}.jpg")
        labels = np.add.outer(np.arange(_SIDE) // 8, np.arange(_SIDE) // 12).astype(np.uint8) % 3
        labels[:number] = 255
        Image.fromarray(labels).save(root / "annotations" / f"{number}.png")
    (root / "train.txt").write_text("0\n1\n")
    (root / "val.txt").write_text("2\n3\n")
    (root / "classes.txt").write_text("sky\nsea\nsand\n")


def _read(folder: Path) -> Any:
    classes = choose_classes(folder, None, None)

    def check() -> None:
        for split in ("train", "val"):
            arguments = dict(split_file=f"{split}.txt", reduce_zero_label=False)
            check_index_png(folder, "images", "annotations", classes, **arguments)  # type: ignore[arg-type]

    return used_after_check(check, lambda: [classes, *_as_mmseg_reads(folder)])


def _as_mmseg_reads(folder: Path) -> list[Any]:
    """What training gets: names as mmseg reads lists, pixels as OpenCV and masks as Pillow decode them."""
    import cv2

    found = []
    for split in ("train", "val"):
        for name in (line.strip() for line in (folder / f"{split}.txt").open(encoding="utf-8")):
            image = folder / "images" / f"{name}.jpg"
            pixels = cv2.imdecode(np.fromfile(image, np.uint8), cv2.IMREAD_COLOR)
            if pixels is None:
                raise RuntimeError(f"OpenCV decodes no image in {image}")
            with Image.open(folder / "annotations" / f"{name}.png") as mask:
                labels = np.array(mask)
            if labels.shape != pixels.shape[:2]:
                raise RuntimeError(f"{image} and its mask are of different sizes in training")
            found.append((name, digest(pixels), digest(labels)))
    return found


def _check(folder: Path) -> list[str]:
    return ["tools/prepare_data.py", "check", str(folder)]


_LINES = with_words(*LINES)
MASK = Format("index-png-mask", build_own, ("annotations/*.png",), _read, DAMAGE, command=_check)
IMAGE = Format("index-png-jpeg", build_own, ("images/*.jpg",), _read, DAMAGE, free=_FREE, command=_check)
LISTS = Format(
    "index-png-list", build_own, ("train.txt", "val.txt"), _read, (*DAMAGE, *[_LINES] * 6), free=_FREE, command=_check
)
CLASSES = Format(
    "classes.txt", build_own, ("classes.txt",), _read, (*DAMAGE, *[_LINES] * 6), free=_FREE, command=_check
)
