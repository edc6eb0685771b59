"""A data set for classification, in whatever layout: all of it, a part held out, a share trained on."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backbones.data.folders.drawing_lots import HeldOut, draw_share
from backbones.data.folders.image_folder import open_image_folder
from backbones.data.folders.image_split import ImageFolder, ImageSplit, Listed
from backbones.data.folders.part_names import TRAIN, VAL, WHOLE
from backbones.data.folders.recognition import IMAGE_FOLDER, LabelledFolder, recognise_labelled
from backbones.errors import UserError

_SEED = 0  # of a fraction: rows with other seeds train on the same images


def open_parts(root: Path, held_out: HeldOut | None = None, fraction: float | None = None) -> ImageFolder:
    """List the images of a data set, and draw from them what is asked for.

    Args:
        root: The folder; with ``held_out`` it needs no part to measure on.
        held_out: Measure on this share of what is trained on, each class giving its part, and train on the others.
        fraction: Train on this share of what is trained on, from 0 to 1.

    Returns:
        The images. Its fingerprint tells the draw, too.

    Raises:
        UserError: As ``open_images``; or there is a part to measure on, or a class has too few images to give one.
    """
    folder = open_images(root) if held_out is None else _divided(root, held_out)
    if fraction is not None:
        train = folder.train.chosen(_drawn(folder.train, fraction, _SEED))
        folder = replace(folder, train=train)
    if held_out is None and fraction is None:
        return folder
    drawn = f"{folder.fingerprint} {held_out} {fraction}"
    return replace(folder, fingerprint=hashlib.sha256(drawn.encode()).hexdigest()[: len(folder.fingerprint)])


def open_images(root: Path) -> ImageFolder:
    """The images to train and to measure on.

    Raises:
        UserError: The folder is in no layout that is known, or lacks one of the two; see ``open_image_folder`` and
            ``backbones.data.folders.image_table``.
    """
    found = recognise_labelled(root)
    if found is None or (found.what == IMAGE_FOLDER and found.measured is None):
        return open_image_folder(root)  # which says what is missing, and what is there instead
    measured = _require_both(found)
    classes, (train, val), fingerprint = found.read((TRAIN, measured))
    plain = found.what == IMAGE_FOLDER and (train.root.name, val.root.name) == ("train", "val")
    return ImageFolder(root, classes, train, val, fingerprint, "" if plain else found.what, measured)


def listed_images(root: Path) -> Listed:
    """All images that trainings on a folder may use: what is trained on comes first, whether it is divided or not.

    Raises:
        UserError: As ``open_images``, unless all that lacks is a part to measure on.
    """
    found = recognise_labelled(root)
    if found is None or not {TRAIN, WHOLE} & set(found.parts):
        folder = open_images(root)  # which says what is missing
        return Listed(folder.classes, (folder.train, folder.val), folder.fingerprint)
    first = TRAIN if TRAIN in found.parts else WHOLE
    return found.read([first, *([found.measured] if found.measured else [])])


def _require_both(found: LabelledFolder) -> str:
    what = f"{found.root} ({found.what})"
    if TRAIN not in found.parts and WHOLE not in found.parts:
        raise UserError(f"{what} has no part to train on; there is {', '.join(found.parts)}")
    if WHOLE in found.parts:
        raise UserError(f"{what} is not divided into train and val; hold a part out with --split 0.2")
    if found.measured is None:
        raise UserError(
            f"{found.expected} is not there; name the images to measure on in it, or hold a part of train out with "
            "--split 0.2"
        )
    return found.measured


def _divided(root: Path, held_out: HeldOut) -> ImageFolder:
    found = recognise_labelled(root)
    if found is None:
        return open_image_folder(root)  # which says what is missing
    if VAL in found.parts:
        where = found.parts[VAL] if isinstance(found.parts[VAL], Path) else f"{root} has a part val, which"
        raise UserError(f"--split: {where} is there to measure on; leave it out")
    part = TRAIN if TRAIN in found.parts else WHOLE
    classes, (images,), fingerprint = found.read((part,))
    measured = _drawn(images, *held_out)
    for kind, chosen in (("measure on", measured), ("train on", ~measured)):
        absent = np.flatnonzero(np.bincount(images.labels[chosen], minlength=len(classes)) == 0)
        if len(absent):
            raise UserError(
                f"--split {held_out.share:g} leaves no image of {classes[absent[0]]!r} to {kind}; add images, or "
                "divide by hand into train and val"
            )
    train, val = images.chosen(~measured, TRAIN), images.chosen(measured, VAL)
    return ImageFolder(root, classes, train, val, fingerprint, "" if found.what == IMAGE_FOLDER else found.what)


def _drawn(images: ImageSplit, share: float, seed: int) -> NDArray:
    names = [os.fsdecode(bytes(name)) for name in images.files]
    return draw_share(names, images.labels.tolist(), share, seed)
