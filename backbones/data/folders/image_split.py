"""Images of a data set for classification, as arrays that processes share."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from backbones.data.source import Source

IMAGE_SUFFIXES = (".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class ImageSplit:
    """Images of ``train`` or ``val``: ``files`` are paths below ``root`` as bytes (n,), ``labels`` class indices (n,).

    ``sizes`` are bytes (n,), ``changed`` the times of the last change (ctime) in ns (n,). Arrays and not lists of
    strings: worker processes share them without copying. ``name`` is needed where the folder is not called so.
    """

    root: Path
    files: np.ndarray
    labels: np.ndarray
    sizes: np.ndarray
    changed: np.ndarray
    name: str = ""

    def __len__(self) -> int:
        return len(self.files)

    @property
    def title(self) -> str:
        """What it is called: ``train`` or ``val``."""
        return self.name or self.root.name

    def path(self, index: int) -> str:
        """Path of one image."""
        return os.path.join(self.root, os.fsdecode(bytes(self.files[index])))

    def source(self, index: int) -> Source:
        """Where the bytes of one image are."""
        return self.path(index)

    def chosen(self, places: np.ndarray, name: str = "") -> ImageSplit:
        """Some of the images: (n,) booleans, or numbers of images. ``name`` where it is another part."""
        columns = {
            each.name: getattr(self, each.name)[places]
            for each in fields(self)
            if isinstance(getattr(self, each.name), np.ndarray)
        }
        return replace(self, name=name or self.name, **columns)


@dataclass(frozen=True)
class ImageFolder:
    """A data set for classification.

    Attributes:
        root: The folder.
        classes: Their names in the order of the labels.
        train: What is trained on.
        val: What is measured on.
        fingerprint: A hash of all relative paths and file sizes, and of labels where those stand elsewhere.
        layout: What the folder was taken for, in words that follow "is"; empty for train/CLASS and val/CLASS.
        measured: Which part is measured on.
    """

    root: Path
    classes: tuple[str, ...]
    train: ImageSplit
    val: ImageSplit
    fingerprint: str
    layout: str = ""
    measured: str = "val"


class Listed(NamedTuple):
    """Classes of a data set, the images of some of its parts, and a hash of all that."""

    classes: tuple[str, ...]
    splits: tuple[ImageSplit, ...]
    fingerprint: str
