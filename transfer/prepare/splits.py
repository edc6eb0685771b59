"""The splits of each layout: how one is checked and counted, and which images it has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from backbones.data.folders.image_split import ImageSplit
from backbones.data.folders.shared_images import SplitImages
from backbones.data.folders.verification import FileStamp
from transfer.data.index_png import IndexPngSummary, check_index_png, index_png_images
from transfer.data.masks.check import check_masks, mask_images
from transfer.data.masks.folder import MaskFolder
from transfer.data.scenes.check import check_scenes, scene_images
from transfer.data.scenes.scene import TRAIN, SceneFolder
from transfer.data.voc import VocSummary, check_voc, voc_images
from transfer.prepare.report import Split


@dataclass(frozen=True)
class SplitCheck:
    """One split of a data set.

    Attributes:
        trained: Whether it is for training; others are for measuring.
        count: Checks it and counts what it holds, or raises ``UserError``.
        images: Its files, for comparison with those of other splits; ``UserError`` where they are not all there.
    """

    trained: bool
    count: Callable[[], Split]
    images: Callable[[], SplitImages]


def labelled_splits(splits: Sequence[ImageSplit], classes: Sequence[str]) -> list[SplitCheck]:
    """Those of a data set for classification, what is trained on first; their images are not decoded."""
    return [
        SplitCheck(
            place == 0,
            partial(_count_images, split, classes),
            partial(SplitImages.of_folder, split),
        )
        for place, split in enumerate(splits)
    ]


def devkit_splits(root: Path, classes: Sequence[str], chosen: Sequence[str]) -> list[SplitCheck]:
    """Those of the chosen years of a VOCdevkit."""
    return [
        SplitCheck(
            name in ("trainval", "train"),
            partial(_count_objects, root, year, name, classes),
            partial(_voc_images, root, year, name),
        )
        for year in chosen
        for name in _lists_of(root / year)
    ]


def ade20k_splits(root: Path, classes: Sequence[str], image_suffix: str = ".jpg") -> list[SplitCheck]:
    """Training and validation of ADEChallengeData2016."""
    checks = []
    for name in ("training", "validation"):
        folders = (root, f"images/{name}", f"annotations/{name}")
        images = partial(_png_images, root, name, partial(index_png_images, *folders, image_suffix=image_suffix))
        count = partial(_count_pixels, name, partial(check_index_png, *folders, classes, image_suffix=image_suffix))
        checks.append(SplitCheck(name == "training", count, images))
    return checks


def scene_splits(folder: SceneFolder, classes: Sequence[str]) -> list[SplitCheck]:
    """The parts of a folder in a format of boxes."""
    return [
        SplitCheck(
            part == TRAIN,
            partial(_count_boxes, folder, part, classes),
            partial(_scene_images, folder, part),
        )
        for part in folder.parts
    ]


def mask_splits(folder: MaskFolder) -> list[SplitCheck]:
    """The parts of a folder of masks in another layout."""
    return [
        SplitCheck(
            part == TRAIN,
            partial(_count_pixels, part, partial(check_masks, folder, part)),
            partial(_png_images, folder.root, part, partial(mask_images, folder, part)),
        )
        for part in folder.parts
    ]


def index_png_splits(root: Path, classes: Sequence[str], image_suffix: str = ".jpg") -> list[SplitCheck]:
    """Those that ``train.txt`` and ``val.txt`` list."""
    checks = []
    for name in ("train", "val"):
        folders, listed = (root, "images", "annotations"), f"{name}.txt"
        images = partial(_png_images, root, name, partial(index_png_images, *folders, listed, image_suffix))
        check = partial(check_index_png, *folders, classes, listed, False, image_suffix=image_suffix)
        checks.append(SplitCheck(name == "train", partial(_count_pixels, name, check), images))
    return checks


def _lists_of(year: Path) -> list[str]:
    there = [
        name for name in ("trainval", "train", "val", "test") if (year / "ImageSets" / "Main" / f"{name}.txt").exists()
    ]
    if "trainval" in there or not there:
        # trainval is train and val. Without any list, its absence is what the check complains of.
        there = ["trainval", *(name for name in there if name == "test")]
    if year.name == "VOC2012":  # the annotations of its test split were never published
        there = [name for name in there if name != "test"]
    return there


def _count_images(split: ImageSplit, classes: Sequence[str]) -> Split:
    counts = np.bincount(split.labels, minlength=len(classes)).tolist()
    return Split(split.title, len(split), "images", dict(zip(classes, counts, strict=True)))


def _count_objects(root: Path, year: str, name: str, classes: Sequence[str]) -> Split:
    found: VocSummary = check_voc(root, [(year, name)], classes)
    details = {
        "objects": sum(found.objects.values()),
        "of them difficult": sum(found.difficult.values()),
        "images without objects": found.images_without_objects,
    }
    return Split(f"{year}/{name}", found.images, "objects", found.objects, details)


def _count_boxes(folder: SceneFolder, part: str, classes: Sequence[str]) -> Split:
    found = check_scenes(folder, part, classes)
    details = {
        "objects": sum(found.objects.values()),
        "of them ignored": sum(found.ignored.values()),
        "images without objects": found.images_without_objects,
    }
    return Split(part, found.images, "objects", found.objects, details)


def _scene_images(folder: SceneFolder, part: str) -> SplitImages:
    return SplitImages.of_stamps(part, folder.root, scene_images(folder, part))


def _voc_images(root: Path, year: str, name: str) -> SplitImages:
    return SplitImages.of_stamps(f"{year}/{name}", root, voc_images(root, [(year, name)]))


def _count_pixels(name: str, check: Callable[[], IndexPngSummary]) -> Split:
    found = check()
    details = {"percent of pixels unlabelled": round(100 * found.unlabelled_share, 2)}
    return Split(name, found.images, "pixels", found.pixels, details)


def _png_images(root: Path, name: str, images: Callable[[], Sequence[FileStamp]]) -> SplitImages:
    return SplitImages.of_stamps(name, root, images())
