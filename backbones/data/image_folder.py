"""The ImageFolder layout, ``ROOT/{train,val}/CLASS/IMAGE``, read once per start.

Class indices follow the sorted names of the class folders of ``train``; ``val`` must have the same ones.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backbones.errors import UserError

IMAGE_SUFFIXES = (".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class ImageSplit:
    """Images of ``train`` or ``val``: ``files`` are paths below ``root`` as bytes (n,), ``labels`` class indices (n,).

    Two arrays and not a list of strings: worker processes share them without copying.
    """

    root: Path
    files: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.files)

    def path(self, index: int) -> str:
        """Path of one image."""
        return os.path.join(self.root, os.fsdecode(bytes(self.files[index])))


@dataclass(frozen=True)
class ImageFolder:
    """A data set for classification. ``fingerprint`` is a hash of all relative paths and file sizes."""

    root: Path
    classes: tuple[str, ...]
    train: ImageSplit
    val: ImageSplit
    fingerprint: str


def open_image_folder(root: str | os.PathLike[str]) -> ImageFolder:
    """List the images of both splits; no image is opened.

    Raises:
        UserError: A folder is missing or empty, the splits have different classes, there are fewer than two classes, or
            a class folder holds something that is not an image.
    """
    root = Path(root)
    if not root.is_dir():
        raise UserError(f"{root} is not a folder; --data wants one with train/CLASS/IMAGE and val/CLASS/IMAGE")
    classes = _class_names(root / "train")
    _check_same_classes(root, classes, _class_names(root / "val"))
    digest = hashlib.sha256()
    train = _scan_split(root / "train", classes, digest)
    val = _scan_split(root / "val", classes, digest)
    return ImageFolder(root, tuple(classes), train, val, digest.hexdigest()[:16])


def _class_names(split: Path) -> list[str]:
    if not split.is_dir():
        raise UserError(f"{split} is not there; --data wants a folder with train/CLASS/IMAGE and val/CLASS/IMAGE")
    names = []
    with os.scandir(split) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                names.append(entry.name)
            elif _is_image_name(entry.name):
                raise UserError(f"{entry.path} lies outside every class folder; move it to {split / 'CLASS'}")
    if len(names) < 2:
        raise UserError(f"{split} has {len(names)} class folders; a classifier needs two or more")
    return sorted(names)


def _check_same_classes(root: Path, train: list[str], val: list[str]) -> None:
    for name in sorted(set(train) ^ set(val)):
        there, missing = ("train", "val") if name in train else ("val", "train")
        raise UserError(f"{root}: class {name} is in {there} and not in {missing}; both need the same class folders")


def _scan_split(split: Path, classes: list[str], digest: hashlib._Hash) -> ImageSplit:
    files: list[bytes] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        images = _scan_class(split / name)
        for file, size in images:
            digest.update(b"%s/%s/%s %d\n" % (split.name.encode(), os.fsencode(name), file, size))
            files.append(os.fsencode(name) + b"/" + file)
        labels.extend([label] * len(images))
    return ImageSplit(split, np.array(files), np.array(labels, dtype=np.int64))


def _scan_class(folder: Path) -> list[tuple[bytes, int]]:
    images = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                raise UserError(f"{entry.path} is a folder; images must lie directly in their class folder {folder}")
            if not _is_image_name(entry.name):
                raise UserError(f"{entry.path} is not an image by its name; move it out of {folder}")
            try:
                size = entry.stat().st_size
            except FileNotFoundError:
                raise UserError(f"{entry.path} is a link to nothing; restore its target or remove it") from None
            images.append((os.fsencode(entry.name), size))
    if not images:
        raise UserError(f"{folder} holds no image; add some, or remove the class from train and val")
    return sorted(images)


def _is_image_name(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES
