"""Names of files and parts, as the formats write them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


def is_image(path: Path) -> bool:
    """Whether a file is called as images are."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def files_in(folder: Path) -> list[Path]:
    """What a folder holds that is not a folder and not hidden, by name; nothing where it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(each.name for each in entries if not each.name.startswith(".") and not each.is_dir())
    except OSError:
        return []
    return [folder / name for name in names]


def files_below(folder: Path) -> list[Path]:
    """The same of a folder and of all folders in it."""
    return [
        Path(place) / name
        for place, folders, names in os.walk(folder)
        if not folders.sort()  # in place: the order in which they are walked
        for name in sorted(names)
        if not name.startswith(".")
    ]


def relative_name(text: object) -> str | None:
    """The POSIX name of a file below some folder; None for what is no such name, or leads elsewhere.

    Programs on Windows write backslashes.
    """
    if not isinstance(text, str) or not text or not text.isprintable():
        return None
    path = PurePosixPath(text.replace("\\", "/"))
    return None if path.is_absolute() or ".." in path.parts or re.match("[A-Za-z]:", text) else path.as_posix()


def best_folder(folders: Iterable[Path], names: list[str]) -> Path | None:
    """The first folder that holds most of the first names, or None where none holds any."""
    candidates = dict.fromkeys(folders)
    hits = {folder: sum((folder / name).exists() for name in names[:50]) for folder in candidates}
    best = max(candidates, key=hits.__getitem__, default=None)
    return best if best is not None and hits[best] else None
