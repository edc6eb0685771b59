"""Layouts of other tools are named, and those that are read are not taken for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from backbones.errors import UserError
from transfer.data.masks.folder import recognise_masks
from transfer.data.scenes.formats.known import recognise_scenes
from transfer.prepare.layouts import AnotherFolderIsMeant, Layout, recognise


def make(root: Path, *files: str) -> Path:
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


FOREIGN = {
    "JSON of nobody": (("a.jpg", "a.json"), "images with JSON beside them that is neither labelme's nor COCO's"),
    "JSON of nobody in annotations": (
        ("images/a.jpg", "annotations/a.json"),
        "JSON in annotations/ that is not COCO's",
    ),
}

SCENES = {
    "LabelImg": (("a.jpg", "a.xml", "b.jpg", "b.xml", "classes.txt"), "images with VOC's XML beside them"),
    "YOLO in one folder": (("a.jpg", "a.txt", "classes.txt"), "YOLO's images and labels"),
    "XML in annotations": (("images/a.png", "annotations/a.xml"), "images with VOC's XML in a folder of its own"),
    "Roboflow, VOC": (
        ("train/a.jpg", "train/a.xml", "valid/b.jpg", "valid/b.xml", "README.roboflow.txt"),
        "images with VOC's XML beside them",
    ),
    "Roboflow, YOLO": (("train/images/a.jpg", "train/labels/a.txt", "classes.txt"), "YOLO's images and labels"),
    "YOLOv5": (("images/train/a.jpg", "labels/train/a.txt", "classes.txt"), "YOLO's images and labels"),
    "CVAT, VOC": (
        ("JPEGImages/a.jpg", "Annotations/a.xml", "ImageSets/Main/default.txt", "labelmap.txt"),
        "CVAT's export of Pascal VOC",
    ),
    "CVAT, YOLO": (
        ("obj_train_data/a.jpg", "obj_train_data/a.txt", "train.txt", "obj.names"),
        "YOLO's images and labels",
    ),
}


@pytest.mark.parametrize("name", SCENES)
def test_formats_of_boxes_are_read(name: str, tmp_path: Path) -> None:
    files, what = SCENES[name]
    root = make(tmp_path, *files)
    (root / "classes.txt").write_text("cat\n")
    (root / "obj.names").write_text("cat\n")
    assert recognise(root) is Layout.SCENES
    found = recognise_scenes(root)
    assert found is not None
    assert found.what == what


MASKS = {
    "Roboflow, masks": (("train/a.jpg", "train/a_mask.png"), "images and masks of values"),
    "Cityscapes": (
        ("leftImg8bit/train/ulm/a_leftImg8bit.png", "gtFine/train/ulm/a_gtFine_labelIds.png"),
        "Cityscapes",
    ),
    "masks": (("images/train/a.jpg", "masks/train/a.png"), "images and masks of values"),
    "masks and lists": (("images/a.jpg", "masks/a.png", "train.txt", "val.txt"), "images and masks of values"),
    "another suffix": (("images/a.png", "annotations/a.png", "train.txt", "val.txt"), "images and masks of values"),
}


@pytest.mark.parametrize("name", MASKS)
def test_masks_in_other_layouts_are_read(name: str, tmp_path: Path) -> None:
    files, what = MASKS[name]
    root = make(tmp_path, *files)
    (root / "classes.txt").write_text("sky\nroad\n")
    found = recognise_masks(root)
    assert found is not None
    assert found.what == what
    if name != "another suffix":  # which ``--image-suffix`` names, too
        assert recognise(root) is Layout.MASKS


@pytest.mark.parametrize("name", FOREIGN)
def test_named_for_what_it_is(name: str, tmp_path: Path) -> None:
    files, words = FOREIGN[name]
    with pytest.raises(UserError, match=rf"holds .*{words}.*, which no protocol reads; ") as caught:
        recognise(make(tmp_path, *files))
    assert not isinstance(caught.value, AnotherFolderIsMeant)


KNOWN = {
    "plain": (("train/cat/a.jpg", "val/cat/a.jpg"), Layout.IMAGE_FOLDER),
    "with notes and a sample beside": (
        ("train/cat/a.jpg", "val/cat/b.jpg", "sample.png", "x.json"),
        Layout.IMAGE_FOLDER,
    ),
    "an image outside its class": (("train/cat/a.jpg", "train/b.jpg", "train/labels.txt"), Layout.IMAGE_FOLDER),
    "classes called images and labels": (("train/images/a.jpg", "train/labels/b.jpg"), Layout.IMAGE_FOLDER),
    "index PNGs": (("images/a.jpg", "annotations/a.png", "train.txt"), Layout.INDEX_PNG),
    "index PNGs and what they were made of": (
        ("images/a.jpg", "annotations/a.png", "annotations/a.json", "masks/a.png", "labels/a.txt"),
        Layout.INDEX_PNG,
    ),
    "index PNGs, empty": (("images/a.jpg", "annotations/.keep", "train.txt"), Layout.INDEX_PNG),
    "ADE20K": (("images/training/a.jpg", "annotations/training/a.png", "objectInfo150.txt"), Layout.ADE20K),
    "devkit": (("VOC2007/JPEGImages/a.jpg", "VOC2007/Annotations/a.xml", "VOC2007/labelmap.txt"), Layout.DEVKIT),
}


@pytest.mark.parametrize("name", KNOWN)
def test_what_is_read_is_not_taken_for_them(name: str, tmp_path: Path) -> None:
    files, layout = KNOWN[name]
    assert recognise(make(tmp_path, *files)) is layout


def test_a_year_of_a_devkit_is_still_one(tmp_path: Path) -> None:
    make(tmp_path, "VOC2007/JPEGImages/a.jpg", "VOC2007/Annotations/a.xml", "VOC2007/ImageSets/Main/test.txt")
    with pytest.raises(AnotherFolderIsMeant, match="is one year of a VOCdevkit"):
        recognise(tmp_path / "VOC2007")
