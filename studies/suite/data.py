"""Where the images of a suite are, and which they are."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from backbones.data.folders.folder_parts import listed_images
from backbones.data.folders.image_split import Listed
from backbones.data.folders.verification import FileStamp, content_fingerprint
from backbones.data.shapes import LAYOUTS, cached_shapes, image_count, shapes_folder
from backbones.errors import not_none
from backbones.machine.processes import usable_cpus
from studies.suite.definition import Data, Shapes
from transfer.catalogue import CLASSIFICATION


def data_folder(data: Data, task: str) -> Path:
    """Absolute folder of a task's images, there or not."""
    if data.shapes is None:
        return Path(os.path.abspath(os.path.expanduser(not_none(data.path))))
    shapes = data.shapes
    return shapes_folder(shapes.images, shapes.size, shapes.seed, shapes.layouts) / LAYOUTS[task].root


def data_fingerprint(data: Data, task: str) -> str | None:
    """What tells a task's images from others; None while their folder is missing.

    Of a folder, names and sizes of its files, asked for once per process; of rendered images, what decides their bytes.

    Raises:
        UserError: A folder in no layout that is known, in classification.
    """
    folder = data_folder(data, task)
    if data.shapes is not None:
        return f"{folder.parent.name}/{folder.name}"
    if not folder.is_dir():
        return None
    return _classes_fingerprint(folder) if task == CLASSIFICATION else _files_fingerprint(folder)


def train_images(data: Data) -> int | None:
    """Images that a classifier is trained on; what the suite says of them only while they are not there."""
    folder = data_folder(data, CLASSIFICATION)
    if data.shapes is not None or not folder.is_dir():
        return data.train_images
    return len(_listed(folder).splits[0])


def make_images(shapes: Shapes) -> Path:
    """Render what is not there yet, and say so: it takes seconds in which nothing else can be seen."""
    folder = shapes_folder(shapes.images, shapes.size, shapes.seed, shapes.layouts)
    if not folder.is_dir():
        count = image_count(shapes.images, shapes.layouts)
        print(f"rendering {count} images of {shapes.size} x {shapes.size} pixels into {folder}", flush=True)
    return cached_shapes(shapes.images, shapes.size, shapes.seed, shapes.layouts, workers=usable_cpus())


@cache
def _listed(folder: Path) -> Listed:
    return listed_images(folder)


def _classes_fingerprint(folder: Path) -> str:
    return _listed(folder).fingerprint


@cache
def _files_fingerprint(folder: Path) -> str:
    stamps = []
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            path = Path(place, name)
            if not name.startswith(".") and path.is_file():
                stamps.append(FileStamp(path.relative_to(folder).as_posix(), path.stat().st_size, 0))
    return content_fingerprint(stamps)[:16]
