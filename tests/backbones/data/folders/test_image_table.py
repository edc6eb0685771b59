"""Labels in tables: the same images and classes as in folders, and what is wrong with a line is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backbones.data.folders.folder_parts import open_images, open_parts
from backbones.data.folders.image_folder import ImageFolder, verify_images
from backbones.errors import UserError

LABELS = {"a": "cat", "b": "dog", "deep/c": "cat", "d d": "dog", "v": "dog", "w": "cat"}
PARTS = {"train": ("a", "b", "deep/c", "d d"), "val": ("v", "w")}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CARRYOVER_CACHE", str(tmp_path / "cache"))
    for number, name in enumerate(LABELS):
        path = tmp_path / "data" / "images" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number, 0, 0)).save(path)
    return tmp_path / "data"


def write(root: Path, kind: str, heading: str = "path,label", labels: dict[str, str] = LABELS) -> None:
    for part, names in PARTS.items():
        separator = "," if kind == "csv" else " "
        lines = [heading] * (kind == "csv") + [f"images/{name}.png{separator}{labels[name]}" for name in names]
        (root / f"{part}.{kind}").write_text("\ufeff" + "\n".join(lines) + "\n")


def content(folder: ImageFolder) -> dict[str, set[tuple[str, str]]]:
    return {
        split.title: {
            (Path(split.path(place)).relative_to(folder.root).as_posix(), folder.classes[split.labels[place]])
            for place in range(len(split))
        }
        for split in (folder.train, folder.val)
    }


@pytest.mark.parametrize(("kind", "heading"), [("csv", "path,label"), ("csv", "Filename, Class"), ("txt", "")])
def test_tables_say_what_each_image_is(kind: str, heading: str, root: Path) -> None:
    write(root, kind, heading)
    folder = open_images(root)
    wanted = {part: {(f"images/{name}.png", LABELS[name]) for name in names} for part, names in PARTS.items()}
    assert content(folder) == wanted
    assert folder.classes == ("cat", "dog")
    verify_images(folder)


def test_numbers_come_in_their_order(root: Path) -> None:
    write(root, "csv", labels={name: {"cat": "10", "dog": "9"}[label] for name, label in LABELS.items()})
    assert open_images(root).classes == ("9", "10")


def test_both_parts_are_remembered_as_good(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root, "csv")
    verify_images(open_images(root))
    decoded: list[str] = []
    monkeypatch.setattr("backbones.data.folders.image_folder.what_is_wrong", decoded.append)
    verify_images(open_images(root))
    assert decoded == []


def test_another_label_is_other_data(root: Path) -> None:
    write(root, "csv")
    before = open_images(root).fingerprint
    write(root, "csv", labels={**LABELS, "a": "dog"})
    assert open_images(root).fingerprint != before


def test_a_fraction_of_a_table(root: Path) -> None:
    write(root, "csv")
    found = open_parts(root, fraction=0.5)
    assert np.bincount(found.train.labels).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("images/gone.png,cat", "'images/gone.png' is not there"),
        ("../data/images/a.png,cat", "must be a plain path below"),
        ("/etc/passwd.png,cat", "must be a plain path below"),
        ("images/a.png,cat", "'images/a.png' is there twice"),
        ("notes.doc,cat", "no image by its name"),
        ("images", r"train.csv, line 6 is 'images'; write a path and a label"),
        ("images/v.png,bird", "val.csv has no image of bird, which train.csv has"),
    ],
)
def test_a_line_that_is_wrong(line: str, words: str, root: Path) -> None:
    write(root, "csv")
    (root / "train.csv").write_text((root / "train.csv").read_text() + line + "\n")
    with pytest.raises(UserError, match=words):
        open_images(root)


def test_all_lines_that_are_wrong_are_told(root: Path) -> None:
    write(root, "csv")
    lines = "".join(f"images/gone{number}.png,cat\n" for number in range(13))
    (root / "train.csv").write_text((root / "train.csv").read_text() + lines)
    with pytest.raises(UserError, match=r"gone0\.png.*gone9\.png.*and 3 more; correct these lines") as caught:
        open_images(root)
    assert "gone10" not in str(caught.value)


def test_without_a_table_to_measure_on(root: Path) -> None:
    write(root, "txt")
    (root / "val.txt").unlink()
    with pytest.raises(UserError, match=r"val\.txt is not there"):
        open_images(root)


def test_a_heading_that_names_no_columns(root: Path) -> None:
    write(root, "csv", "one,two")
    with pytest.raises(UserError, match="call its columns path and label"):
        open_images(root)
