"""Reading the ImageFolder layout, and what is wrong with it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from pytest import mark, raises

from backbones.data.folders.image_folder import open_image_folder
from backbones.errors import UserError

MakeFolder = Callable[..., Path]


def test_lists_every_image_with_the_class_of_its_folder(make_image_folder: MakeFolder) -> None:
    root = make_image_folder(classes=3, train=4, val=2)
    folder = open_image_folder(root)
    assert folder.classes == ("class0", "class1", "class2")
    for split, name in ((folder.train, "train"), (folder.val, "val")):
        expected = sorted(path for path in (root / name).rglob("*.png"))
        assert [Path(split.path(index)) for index in range(len(split))] == expected
        assert [folder.classes[label] for label in split.labels] == [path.parent.name for path in expected]


def test_classes_are_sorted_by_name_whatever_the_disk_says(make_image_folder: MakeFolder) -> None:
    root = make_image_folder(classes=3)
    for split in ("train", "val"):
        (root / split / "class0").rename(root / split / "zebra")
    assert open_image_folder(root).classes == ("class1", "class2", "zebra")


def test_names_outside_ascii_work(make_image_folder: MakeFolder) -> None:
    root = make_image_folder(classes=2, train=1)
    for split in ("train", "val"):
        (root / split / "class0").rename(root / split / "Bär")
    (root / "train/Bär/0.png").rename(root / "train/Bär/Größe 1.PNG")
    folder = open_image_folder(root)
    assert Path(folder.train.path(0)) == root / "train/Bär/Größe 1.PNG"


def test_fingerprint_follows_the_images_and_nothing_else(make_image_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_image_folder()
    original = open_image_folder(root).fingerprint
    shutil.copytree(root, tmp_path / "copy")
    assert open_image_folder(tmp_path / "copy").fingerprint == original
    (root / "train/class0/.DS_Store").write_text("hidden files are no images")
    assert open_image_folder(root).fingerprint == original
    (root / "train/class0/0.png").rename(root / "train/class0/9.png")
    renamed = open_image_folder(root).fingerprint
    (root / "val/class1/0.png").write_bytes(b"other content of another size")
    assert len({original, renamed, open_image_folder(root).fingerprint}) == 3


def spoil(root: Path, how: str) -> str:
    """Spoil a good folder, and return the part of the message that must name the culprit."""
    if how == "nothing there":
        shutil.rmtree(root)
        return f"{root} is not a folder"
    if how == "no val":
        shutil.rmtree(root / "val")
        return f"{root / 'val'} is not there"
    if how == "empty class":
        (root / "train/class1/0.png").unlink()
        (root / "train/class1/1.png").unlink()
        return f"{root / 'train/class1'} holds no image"
    if how == "class missing in val":
        shutil.rmtree(root / "val/class2")
        return "class class2 is in train and not in val"
    if how == "class missing in train":
        shutil.copytree(root / "val/class2", root / "val/class3")
        return "class class3 is in val and not in train"
    if how == "one class":
        for name in ("train/class1", "train/class2", "val/class1", "val/class2"):
            shutil.rmtree(root / name)
        return f"{root / 'train'} has 1 class folders"
    if how == "folder in class":
        (root / "train/class0/images").mkdir()
        return f"{root / 'train/class0/images'} is a folder"
    if how == "text in class":
        (root / "train/class0/labels.txt").touch()
        return f"{root / 'train/class0/labels.txt'} is not an image by its name"
    if how == "image outside classes":
        shutil.copy(root / "train/class0/0.png", root / "train/0.png")
        return f"{root / 'train/0.png'} lies outside every class folder"
    if how == "pipe in class":
        os.mkfifo(root / "train/class0/9.png")
        return f"{root / 'train/class0/9.png'} is a named pipe, not a file that can be read"
    os.symlink(root / "nowhere.png", root / "val/class0/9.png")
    return f"{root / 'val/class0/9.png'} is a link to nothing"


@mark.parametrize(
    "how",
    [
        "nothing there",
        "no val",
        "empty class",
        "class missing in val",
        "class missing in train",
        "one class",
        "folder in class",
        "text in class",
        "image outside classes",
        "dangling link",
        "pipe in class",
    ],
)
def test_what_is_wrong_is_named(make_image_folder: MakeFolder, how: str) -> None:
    root = make_image_folder(classes=3, train=2, val=1)
    culprit = spoil(root, how)
    with raises(UserError) as caught:
        open_image_folder(root)
    assert culprit in str(caught.value)


def test_all_that_is_wrong_is_named_at_once(make_image_folder: MakeFolder) -> None:
    root = make_image_folder(classes=3, train=2, val=1)
    for number in range(12):
        (root / f"train/class1/{number:02}.txt").touch()
    (root / "train/class2/sub").mkdir()
    with raises(UserError) as caught:
        open_image_folder(root)
    said = str(caught.value)
    assert "is not an image by its name" in said or "sub is a folder" in said
    assert "(and 12 more like it: " in said
    assert said.endswith(" and 2 more)")
    assert "\n" not in said


def test_all_classes_that_one_split_lacks_are_named_at_once(make_image_folder: MakeFolder) -> None:
    root = make_image_folder(classes=14, train=1, val=1)
    for number in range(2, 14):
        shutil.rmtree(root / f"val/class{number}")
    shutil.copytree(root / "val/class0", root / "val/extra")
    with raises(
        UserError, match=r"classes class10, .* and 2 more are in train and not in val, and class extra is in val"
    ):
        open_image_folder(root)


def test_a_split_of_another_name_is_pointed_at(make_image_folder: MakeFolder) -> None:
    root = make_image_folder(classes=2, train=1, val=1)
    (root / "val").rename(root / "valid")
    with raises(UserError, match=r"val is not there; .*; beside it there is train, valid: rename the one"):
        open_image_folder(root)


def test_a_class_in_another_encoding_is_named(make_image_folder: MakeFolder) -> None:
    root = make_image_folder(classes=2)
    for split in ("train", "val"):
        os.rename(os.fsencode(root / split / "class0"), os.fsencode(root / split) + b"/caf\xe9")
    with raises(UserError, match="caf\udce9 is a class whose name is not in UTF-8, so it cannot be written") as caught:
        open_image_folder(root)
    assert str(root / "train") in str(caught.value)
