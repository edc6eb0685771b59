"""An ImageFolder of which not every image is used for what its folder says: a part held out, a share trained on."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backbones.data.folders.drawing_lots import HeldOut, draw_share
from backbones.data.folders.image_folder import ImageFolder, ImageSplit, open_image_folder, open_training_images
from backbones.data.folders.image_table import open_image_table
from backbones.data.folders.tables import tables_of
from backbones.errors import UserError

_SEED = 0  # of a fraction: rows with other seeds train on the same images


def open_parts(root: Path, held_out: HeldOut | None = None, fraction: float | None = None) -> ImageFolder:
    """List the images of an ImageFolder, as ``open_image_folder`` does, and draw from them what is asked for.

    Args:
        root: The folder; with ``held_out`` it needs no ``val``.
        held_out: Measure on this share of ``train``, each class giving its part, and train on the others.
        fraction: Train on this share of what is trained on, from 0 to 1.

    Returns:
        The images. Its fingerprint tells the draw, too.

    Raises:
        UserError: As ``open_image_folder``; or there is a ``val``, or a class has too few images to give one.
    """
    folder = open_images(root) if held_out is None else _divided(root, held_out)
    if fraction is not None:
        train = _chosen(folder.train, _drawn(folder.train, fraction, _SEED))
        folder = replace(folder, train=train)
    if held_out is None and fraction is None:
        return folder
    drawn = f"{folder.fingerprint} {held_out} {fraction}"
    return replace(folder, fingerprint=hashlib.sha256(drawn.encode()).hexdigest()[: len(folder.fingerprint)])


def open_images(root: Path) -> ImageFolder:
    """The images of a folder, by its folders of classes or by its tables of labels.

    Raises:
        UserError: As ``open_image_folder`` and ``open_image_table``.
    """
    tables = tables_of(root)
    return open_image_table(root, tables) if tables else open_image_folder(root)


def _divided(root: Path, held_out: HeldOut) -> ImageFolder:
    if (root / "val").exists():
        raise UserError(f"--split: {root / 'val'} is there to measure on; leave it out")
    classes, images, fingerprint = open_training_images(root)
    measured = _drawn(images, *held_out)
    for kind, chosen in (("measure on", measured), ("train on", ~measured)):
        absent = np.flatnonzero(np.bincount(images.labels[chosen], minlength=len(classes)) == 0)
        if len(absent):
            raise UserError(
                f"--split {held_out.share:g} leaves no image of {classes[absent[0]]!r} to {kind}; add images, or "
                "divide by hand into train and val"
            )
    train, val = (
        replace(_chosen(images, chosen), name=name) for name, chosen in (("train", ~measured), ("val", measured))
    )
    return ImageFolder(root, tuple(classes), train, val, fingerprint)


def _drawn(images: ImageSplit, share: float, seed: int) -> NDArray:
    names = [os.fsdecode(bytes(name)) for name in images.files]
    return draw_share(names, images.labels.tolist(), share, seed)


def _chosen(images: ImageSplit, chosen: NDArray) -> ImageSplit:
    columns = {name: getattr(images, name)[chosen] for name in ("files", "labels", "sizes", "changed")}
    return replace(images, **columns)
