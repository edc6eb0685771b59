"""Layouts that other tools write and no protocol reads: named for what they are, and not taken for something else."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

_LOOKED_AT = 500  # entries of a folder; what it holds shows in the first ones
_SPLITS = ("train", "valid", "val", "test")
_IMAGES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")
_CONVERT = "export boxes as COCO's JSON, YOLO's text or Pascal VOC's XML"


class Foreign(NamedTuple):
    """What a folder holds, and what to make of it."""

    what: str
    remedy: str


def foreign_layout(root: Path, may_be_image_folder: bool) -> Foreign | None:
    """What a folder holds if it is in a layout that is known, and not read; None for all others.

    Args:
        root: The folder, in no format of boxes (``transfer.data.scenes``).
        may_be_image_folder: It has ``train`` or ``val``; what lies in there decides, and not what lies beside.
    """
    inner = [root / name for name in _SPLITS if (root / name).is_dir()]
    found = _one_folder(root, inner if may_be_image_folder else [root, *inner])
    return found if found or may_be_image_folder else _json(root)


def suffixes_in(folder: Path) -> set[str]:
    """Of the first few hundred files of a folder, in lower case; none where it cannot be listed."""
    return {os.path.splitext(entry.name)[1].lower() for entry in _entries(folder) if not entry.is_dir()}


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from islice(entries, _LOOKED_AT)
    except OSError:
        return


def _has(folder: Path, pattern: str) -> bool:
    return any(True for _ in islice(folder.glob(pattern), 1))


def _one_folder(root: Path, places: Sequence[Path]) -> Foreign | None:
    """Programs write beside the images; Roboflow has a folder of that kind for each split."""
    for place in places:
        suffixes = suffixes_in(place)
        if not suffixes & set(_IMAGES) or any(entry.is_dir() for entry in _entries(place) if place != root):
            continue
        where = "" if place == root else f" in {place.name}/"
        if ".json" in suffixes:
            return Foreign(f"images with JSON beside them{where} that is neither labelme's nor COCO's", _CONVERT)
        if ".txt" in suffixes and place != root:
            return Foreign(f"images with text beside them{where} that is not YOLO's", _CONVERT)
    return None


def _json(root: Path) -> Foreign | None:
    return (
        Foreign("JSON in annotations/ that is not COCO's", _CONVERT) if _has(root / "annotations", "*.json") else None
    )
