"""Which layout does a folder have?"""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from backbones.data.folders.part_names import part_of
from backbones.data.folders.recognition import recognise_labelled
from backbones.data.folders.tables import tables_of
from backbones.errors import UserError
from transfer.data.masks.folder import recognise_masks
from transfer.data.scenes.formats.known import recognise_scenes
from transfer.data.scenes.scene import TEST, VAL
from transfer.prepare.foreign import foreign_layout, suffixes_in


class Layout(Enum):
    """The value is the layout's name for people."""

    IMAGE_FOLDER = "ImageFolder"
    IMAGE_TABLE = "images with tables of labels"
    DEVKIT = "VOCdevkit"
    ADE20K = "ADEChallengeData2016"
    INDEX_PNG = "index PNG"
    MASKS = "masks"  # in several layouts, which ``transfer.data.masks`` names
    SCENES = "a format of boxes"  # of several, which ``transfer.data.scenes`` names


class AnotherFolderIsMeant(UserError):
    """The folder has none of the layouts; the one called ``meant``, beside or inside it, has."""

    def __init__(self, what: str, meant: Path) -> None:
        super().__init__(f"{what}; check {meant}")
        self.what = what
        self.meant = meant


_EXPECTED = (
    "expected ImageFolder (train/CLASS/IMAGE and val/CLASS/IMAGE), VOCdevkit (VOC2007/JPEGImages, Annotations, "
    "ImageSets/Main), ADEChallengeData2016 (images/training, annotations/training, ...) or index PNG (images, "
    "annotations, train.txt, val.txt, classes.txt)"
)


def recognise(root: Path) -> Layout:
    """The layout of a folder, complete or not: one telling part is enough, what lacks is the checks' affair.

    Raises:
        AnotherFolderIsMeant: Its parent is meant, or a folder inside it.
        UserError: It is none; or one that other tools write (``foreign_layout``), which the message names.
    """
    if not root.is_dir():
        raise UserError(f"{root} is not a folder; {_EXPECTED}")
    layout = _layout_of(root)
    if layout in (Layout.ADE20K, Layout.DEVKIT) or (
        layout is Layout.INDEX_PNG and ".png" in suffixes_in(root / "annotations")
    ):
        return layout
    if layout is None and tables_of(root):
        return Layout.IMAGE_TABLE
    if recognise_scenes(root) is not None:
        return Layout.SCENES
    if recognise_masks(root) is not None:
        return Layout.MASKS
    foreign = foreign_layout(root, layout is Layout.IMAGE_FOLDER)
    if foreign is not None:
        raise UserError(f"{root} holds {foreign.what}, which no protocol reads; {foreign.remedy}")
    if layout is not None:
        return layout
    if _is_year(root):
        raise AnotherFolderIsMeant(f"{root} is one year of a VOCdevkit", root.absolute().parent)
    if recognise_labelled(root) is not None:
        return Layout.IMAGE_FOLDER
    inside = [folder for folder in sorted(root.iterdir()) if folder.is_dir() and _layout_of(folder)]
    if inside:
        raise AnotherFolderIsMeant(f"{root} holds {' and '.join(folder.name for folder in inside)}", inside[0])
    raise UserError(f"{root} has none of the layouts; {_EXPECTED}")


def years(devkit: Path) -> list[str]:
    """Names of the year folders of a VOCdevkit, sorted."""
    return sorted(folder.name for folder in devkit.iterdir() if folder.is_dir() and _is_year(folder))


def without_measured_list(root: Path) -> bool:
    """Whether no list of images in a folder is called as one of a validation or test part is."""
    return not any(part_of(path.stem) in (VAL, TEST) for path in root.glob("*.txt"))


def _layout_of(folder: Path) -> Layout | None:
    if any(
        (folder / kind / split).is_dir() for kind in ("images", "annotations") for split in ("training", "validation")
    ):
        return Layout.ADE20K
    if (folder / "annotations").is_dir() and any(
        (folder / name).exists() for name in ("images", "train.txt", "val.txt")
    ):
        return Layout.INDEX_PNG
    if years(folder):
        return Layout.DEVKIT
    if any((folder / split).is_dir() for split in ("train", "val")):
        return Layout.IMAGE_FOLDER
    return None


def _is_year(folder: Path) -> bool:
    return any((folder / name).is_dir() for name in ("JPEGImages", "ImageSets/Main"))
