"""A part of an ImageFolder: held out where there is no val, or a share that is trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backbones.data.folders.drawing_lots import HeldOut
from backbones.data.folders.folder_parts import open_parts
from backbones.data.folders.image_folder import ImageFolder, ImageSplit, open_image_folder, verify_images
from backbones.errors import UserError


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CARRYOVER_CACHE", str(tmp_path / "cache"))
    for part, counts in (("train", {"cat": 10, "dog": 5}), ("val", {"cat": 2, "dog": 2})):
        for name, count in counts.items():
            for number in range(count):
                path = tmp_path / "data" / part / name / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (8, 8), (number, count, len(part))).save(path)
    return tmp_path / "data"


def names(split: ImageSplit) -> set[bytes]:
    return set(split.files.tolist())


def per_class(split: ImageSplit) -> list[int]:
    return np.bincount(split.labels, minlength=2).tolist()


def without_val(root: Path) -> Path:
    (root / "val").rename(root / "elsewhere")
    return root


def test_nothing_asked_for_is_the_folder_as_it_is(root: Path) -> None:
    ours, plain = open_parts(root), open_image_folder(root)
    assert ours.fingerprint == plain.fingerprint
    assert names(ours.train) == names(plain.train)


def test_a_part_is_held_out_class_by_class(root: Path) -> None:
    whole = names(open_image_folder(root).train)
    found = open_parts(without_val(root), HeldOut(0.2, 0))
    assert (per_class(found.train), per_class(found.val)) == ([8, 4], [2, 1])
    assert names(found.train) | names(found.val) == whole
    assert not names(found.train) & names(found.val)
    verify_images(found)
    assert all(Path(found.val.path(place)).is_file() for place in range(3))


def test_each_draw_has_its_fingerprint(root: Path) -> None:
    without_val(root)
    folders = [open_parts(root, HeldOut(*how)) for how in ((0.2, 0), (0.2, 1), (0.4, 0))]
    folders.append(open_parts(root, HeldOut(0.2, 0), 0.5))
    assert len({folder.fingerprint for folder in folders}) == 4
    assert {len(folder.fingerprint) for folder in folders} == {16}


def test_a_fraction_is_of_the_training_images_alone(root: Path) -> None:
    found: ImageFolder = open_parts(root, fraction=0.4)
    assert per_class(found.train) == [4, 2]
    assert len(found.val) == 4


def test_a_look_at_a_part_forgets_nothing_of_the_whole(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verify_images(open_image_folder(root))
    verify_images(open_parts(root, fraction=0.4))
    decoded: list[str] = []
    monkeypatch.setattr("backbones.data.folders.image_folder.what_is_wrong", decoded.append)
    verify_images(open_image_folder(root))
    assert decoded == []


def test_a_val_that_is_there_is_used(root: Path) -> None:
    with pytest.raises(UserError, match=r"--split: .*val is there to measure on"):
        open_parts(root, HeldOut(0.2, 0))


def test_a_class_that_would_be_missing(root: Path) -> None:
    with pytest.raises(UserError, match=r"--split 0.1 leaves no image of 'dog' to measure on"):
        open_parts(without_val(root), HeldOut(0.1, 0))


def test_a_folder_without_val_says_how_to_divide_it(root: Path) -> None:
    with pytest.raises(UserError, match=r"--split 0\.2"):
        open_parts(without_val(root))
