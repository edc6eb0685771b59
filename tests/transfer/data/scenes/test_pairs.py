"""Formats with a file for each image: what is wrong in one is told by its name, line or object, all of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from written_scenes import CLASSES, FORMATS

from backbones.errors import UserError
from transfer.data.faults import Faults
from transfer.data.scenes.check import check_scenes
from transfer.data.scenes.choice import scenes_of
from transfer.data.scenes.formats.known import recognise_scenes
from transfer.data.scenes.scene import Box, Scene, SceneFolder

SCENES = [Scene(f"i{number}", (20, 16), (Box(1, 2, 9, 10, "cat"), Box(2, 3, 8, 9, "dog")), "") for number in range(3)]
VAL = [SCENES[0]._replace(image="v0")]


@pytest.fixture(autouse=True)
def private_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARRYOVER_CACHE", str(tmp_path / "cache"))


def written(name: str, tmp_path: Path) -> Path:
    FORMATS[name][0](tmp_path / "data", {"train": SCENES, "val": VAL})
    return tmp_path / "data"


def taken(root: Path) -> SceneFolder:
    found = recognise_scenes(root)
    assert found is not None
    return found


YOLO, VOC, LABELME, CVAT = "images/train/i0", "train/i0", "train/i0", "annotations"
WRONG = [
    ("YOLO by folders", "labels/train/i0.txt", "0 0.2", "7 0.2", "line 1 is '7 .* from 0 to 2"),
    ("YOLO by folders", "labels/train/i0.txt", "0 0.2", "x 0.2", "must be a number from 0"),
    ("YOLO by folders", "labels/train/i0.txt", "0 0.2", "0 0.2 0.3", "expected CLASS X Y WIDTH HEIGHT"),
    ("YOLO by folders", "labels/train/i0.txt", "0 0.250000000", "0 nan", "must be finite"),
    ("YOLO by folders", "labels/train/i0.txt", "0 0.2", "0 b", "numbers alone"),
    ("YOLO by folders", "labels/train/i0.txt", "0 0.2", "0 120.2", "shares of the image's sides"),
    ("YOLO by folders", "labels/train/i0.txt", "0 0.2", "0 1.2", "outside the image"),
    ("Roboflow, VOC", "train/i0.xml", "<xmin>2<", "<xmin>two<", "<xmin> of <bndbox> must be a number, not 'two'"),
    ("Roboflow, VOC", "train/i0.xml", "<xmin>2<", "<xmin>-30<", "outside the image"),
    ("Roboflow, VOC", "train/i0.xml", "<xmin>2<", "<xmin>10<", "has no area"),
    ("Roboflow, VOC", "train/i0.xml", "<width>20", "<width>21", "records a size of 21 x 16"),
    ("Roboflow, VOC", "train/i0.xml", "<name>cat", "<name>", "it has no <name>"),
    ("Roboflow, VOC", "train/i0.xml", "<difficult>0", "<difficult>maybe", "must be 0 or 1, not 'maybe'"),
    ("Roboflow, VOC", "train/i0.xml", "</annotation>", "", "not readable XML"),
    ("labelme", "train/i0.json", '"rectangle"', '"point"', "a point has no box"),
    ("labelme", "train/i0.json", '"label": "cat"', '"label": ""', "shape 1: it has no label"),
    ("labelme", "train/i0.json", "[[9, 10], [1, 2]]", "[[9, 10]]", "needs 2 points, and it has 1"),
    ("labelme", "train/i0.json", "[[9, 10], [1, 2]]", '[[9, "10"], [1, 2]]', "must be pairs of numbers"),
    ("labelme", "train/i0.json", '"flags": {}, "shapes"', '"flags": {, "shapes"', "cannot be read as JSON"),
    ("CVAT", "annotations.xml", 'xtl="1"', 'xtl="one"', "corners must be numbers, not 'one,2'"),
    ("CVAT", "annotations.xml", 'label="cat" xtl', 'label="cat" rotation="30" xtl', "it is rotated"),
    ("CVAT", "annotations.xml", '<box label="cat"', '<skeleton label="cat"', "not readable XML"),
    ("CVAT", "annotations.xml", 'width="20"', 'width="?"', "must be whole numbers"),
    ("CVAT", "annotations.xml", 'name="i0.png"', 'name="../i0.png"', "must lead into the folder"),
]


@pytest.mark.parametrize(("name", "file", "old", "new", "words"), WRONG)
def test_one_fault_one_line(name: str, file: str, old: str, new: str, words: str, tmp_path: Path) -> None:
    path = written(name, tmp_path) / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(UserError, match=words) as caught:
        check_scenes(taken(tmp_path / "data"), "train", CLASSES)
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["Roboflow, VOC", "YOLO by folders", "labelme"])
def test_faults_of_several_files_are_told_at_once(name: str, tmp_path: Path) -> None:
    root = written(name, tmp_path)
    suffix = {"Roboflow, VOC": ".xml", "YOLO by folders": ".txt", "labelme": ".json"}[name]
    for path in sorted(root.rglob(f"i[01]{suffix}")):
        path.write_text("0 rubbish\n1 rubbish\n")
    (image,) = root.rglob("i2.[jp][pn]g")
    image.write_bytes(image.read_bytes()[:-30])
    with pytest.raises(Faults) as caught:
        check_scenes(taken(root), "train", CLASSES)
    assert len(caught.value.texts) == (5 if suffix == ".txt" else 3)


def test_labels_without_an_image_are_told(tmp_path: Path) -> None:
    root = written("YOLO by folders", tmp_path)
    (root / "labels" / "train" / "lost.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    (remark,) = scenes_of(taken(root), "train").remarks
    assert "1 files of labels have no image" in remark
    assert "labels/train/lost.txt" in remark


@pytest.mark.parametrize("name", ["Roboflow, VOC", "labelme"])
def test_images_without_annotations_are_told(name: str, tmp_path: Path) -> None:
    root = written(name, tmp_path)
    next(root.rglob("i1.xml" if "VOC" in name else "i1.json")).unlink()
    reading = scenes_of(taken(root), "train")
    assert len(reading.scenes) == 2
    assert "1 images in" in reading.remarks[0]


def test_an_annotation_without_its_image_is_a_fault(tmp_path: Path) -> None:
    root = written("Roboflow, VOC", tmp_path)
    (root / "train" / "i1.jpg").unlink()
    with pytest.raises(UserError, match=r"i1\.xml is of .*i1\.jpg, which does not exist"):
        check_scenes(taken(root), "train", CLASSES)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("nc: 3", "nc: 4", "nc is 4, and there are 3 names"),
        ('"dog"', '"cat"', "no two alike"),
        ("../train/images", "../../elsewhere", "which is not in this folder"),
        ("../train/images", "/etc", "which leads out of this folder"),
        ("names:", "names: [", "not readable as YAML"),
    ],
)
def test_a_description_that_is_wrong(old: str, new: str, words: str, tmp_path: Path) -> None:
    path = written("Roboflow, YOLO", tmp_path) / "data.yaml"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(UserError, match=words) as caught:
        taken(tmp_path / "data")
    assert "data.yaml" in str(caught.value)


def test_labels_whose_numbers_nobody_names(tmp_path: Path) -> None:
    root = written("YOLO by folders", tmp_path)
    (root / "classes.txt").unlink()
    with pytest.raises(UserError, match=r"nothing names the classes .*classes\.txt"):
        taken(root)


def test_a_folder_without_parts_is_divided(tmp_path: Path) -> None:
    """LabelImg's single folder."""
    root = written("Roboflow, VOC", tmp_path) / "train"
    with pytest.raises(UserError, match="not divided into training and validation; hold a part out with --split"):
        scenes_of(taken(root), "train")
    assert taken(root).classes == ("cat", "dog")  # named by nobody: in the order of the alphabet


def test_a_pipe_among_the_annotations_is_told(tmp_path: Path) -> None:
    root = written("Roboflow, VOC", tmp_path)
    (root / "train" / "i1.xml").unlink()
    os.mkfifo(root / "train" / "i1.xml")
    with pytest.raises(UserError, match=r"i1\.xml is a named pipe"):
        check_scenes(taken(root), "train", CLASSES)
