"""Layouts that other tools write and no protocol reads: named for what they are, and not taken for something else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

_LOOKED_AT = 500  # entries of a folder; what it holds shows in the first ones
_SPLITS = ("train", "valid", "val", "test")
_IMAGES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")
_AS_DEVKIT = (
    "for detection, arrange VOC2007/JPEGImages/ID.jpg, VOC2007/Annotations/ID.xml and "
    "VOC2007/ImageSets/Main/{trainval,test}.txt"
)
_CONVERT = f"export or convert it to Pascal VOC; {_AS_DEVKIT}"
_AS_INDEX_PNG = (
    "for segmentation, write label maps with the class's number in each pixel: images/NAME.jpg, annotations/NAME.png, "
    "train.txt, val.txt, classes.txt"
)


class Foreign(NamedTuple):
    """What a folder holds, and what to make of it."""

    what: str
    remedy: str


def foreign_layout(root: Path, may_be_image_folder: bool) -> Foreign | None:
    """What a folder holds if it is in a layout that is known, and not read; None for all others.

    Args:
        root: The folder.
        may_be_image_folder: It has ``train`` or ``val``; what lies in there decides, and not what lies beside.
    """
    inner = [root / name for name in _SPLITS if (root / name).is_dir()]
    places = inner if may_be_image_folder else [root, *inner]
    looks: list[Callable[[], Foreign | None]] = [partial(_one_folder, root, places), partial(_yolo, places)]
    if not may_be_image_folder:
        looks += [partial(each, root) for each in (_coco, _voc_in_two_folders, _cvat, _masks)]
    return next((found for look in looks if (found := look()) is not None), None)


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
    """LabelImg and labelme write beside the images; Roboflow has a folder of that kind for each split."""
    for place in places:
        suffixes = suffixes_in(place)
        if not suffixes & set(_IMAGES) or any(entry.is_dir() for entry in _entries(place) if place != root):
            continue
        where, flat = ("", "LabelImg writes") if place == root else (f" in {place.name}/", "Roboflow exports")
        if ".xml" in suffixes:
            return Foreign(f"images with VOC's XML beside them{where}, as {flat} them", _AS_DEVKIT)
        if _has(place, "*coco*.json"):
            return Foreign(f"images with COCO's JSON beside them{where}, as {flat} them", _CONVERT)
        if ".json" in suffixes:
            return Foreign(f"images with JSON beside them{where}, as labelme writes them", _CONVERT)
        if _has(place, "*_mask.png"):
            return Foreign(f"images with masks beside them{where}, as {flat} them", _AS_INDEX_PNG)
        if ".txt" in suffixes:
            return Foreign(f"images with text beside them{where}, as YOLO has boxes", _CONVERT)
    return None


def _yolo(places: Sequence[Path]) -> Foreign | None:
    for place in places:
        labels = place / "labels"
        folders = [labels, *(labels / name for name in _SPLITS)]
        if (place / "images").is_dir() and any(".txt" in suffixes_in(folder) for folder in folders):
            return Foreign("YOLO's images and labels", _CONVERT)
        if (place / "obj_train_data").is_dir():
            return Foreign("YOLO's images and labels, as CVAT exports them", _CONVERT)
    return None


def _coco(root: Path) -> Foreign | None:
    return Foreign("COCO's JSON in annotations/", _CONVERT) if _has(root / "annotations", "*.json") else None


def _voc_in_two_folders(root: Path) -> Foreign | None:
    for name in ("annotations", "Annotations", "xml", "labels"):
        if ".xml" in suffixes_in(root / name) and not (root / "JPEGImages").is_dir():
            return Foreign(f"VOC's XML in {name}/, with images in another folder", _AS_DEVKIT)
    return None


def _cvat(root: Path) -> Foreign | None:
    if (root / "annotations.xml").is_file():
        return Foreign("CVAT's own export (annotations.xml)", f"export 'Pascal VOC' there; {_AS_DEVKIT}")
    if not (root / "labelmap.txt").is_file() or not (root / "ImageSets").is_dir():
        return None
    if (root / "SegmentationClass").is_dir() and not (root / "Annotations").is_dir():
        return Foreign("masks in colours, as CVAT's 'Segmentation mask' exports them", _AS_INDEX_PNG)
    return Foreign(
        "CVAT's export of Pascal VOC",
        "move its folders into DIR/VOC2007/, and write trainval.txt and test.txt beside the list in ImageSets/Main",
    )


def _masks(root: Path) -> Foreign | None:
    if (root / "leftImg8bit").is_dir() or (root / "gtFine").is_dir():
        return Foreign("Cityscapes", _AS_INDEX_PNG)
    if (root / "images").is_dir() and (root / "masks").is_dir():
        return Foreign("images and masks in two folders", _AS_INDEX_PNG)
    return None
