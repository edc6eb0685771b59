"""What ``check`` says about each layout, sound and spoilt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from written_scenes import coco

from backbones.errors import UserError
from transfer.data.scenes.scene import Box, Scene
from transfer.prepare.check import check_folder
from transfer.prepare.report import Report, Split
from transfer.prepare.sources import BENCHMARKS

Spoil = Callable[[Path], object]


@pytest.fixture
def image_folder(tmp_path: Path, write_files: Any, jpeg: Any) -> Path:
    names = [f"{split}/{name}/{number}.jpg" for split in ("train", "val") for name in "ab" for number in range(2)]
    return write_files(tmp_path / "folder", {name: jpeg(seed) for seed, name in enumerate(names)})


@pytest.fixture
def devkit(tmp_path: Path, write_files: Any, voc_files: Any) -> Path:
    write_files(tmp_path, voc_files("VOC2007", "trainval", ["1", "2"]))
    return write_files(tmp_path, voc_files("VOC2007", "test", ["3"], "dog")) / "VOCdevkit"


@pytest.fixture
def ade20k(tmp_path: Path, write_files: Any, ade_files: Any) -> Path:
    root = write_files(tmp_path, ade_files()) / "ADEChallengeData2016"
    (root / "classes.txt").write_text("".join(f"class {number}\n" for number in range(1, 151)))
    return root


@pytest.fixture
def own(tmp_path: Path, write_files: Any, jpeg: Any) -> Path:
    root = write_files(tmp_path / "own", {f"images/{name}.jpg": jpeg(seed) for seed, name in enumerate("abc")})
    (root / "annotations").mkdir()
    labels = np.zeros((16, 24), dtype=np.uint8)
    labels[:, 6:] = 1
    labels[:, 18:] = 255
    for name in "abc":
        Image.fromarray(labels).save(root / "annotations" / f"{name}.png")
    for name, text in (("train", "a\nb\n"), ("val", "c\n"), ("classes", "sky\nroad\n")):
        (root / f"{name}.txt").write_text(text)
    return root


def test_image_folder(image_folder: Path) -> None:
    report = check_folder(image_folder)
    assert (report.layout, report.faults, report.remarks) == ("ImageFolder", [], [])
    assert report.splits == [Split(name, 4, "images", {"a": 2, "b": 2}) for name in ("train", "val")]


def test_coco(tmp_path: Path) -> None:
    scenes = [Scene(f"i{number}", (20, 16), (Box(1, 2, 9, 10, "dog"),), "") for number in range(3)]
    coco(tmp_path, {"train": scenes, "val": [scenes[0]._replace(image="v0")]})
    report = check_folder(tmp_path)
    assert (report.layout, report.faults) == ("COCO's JSON", [])
    assert [(split.name, split.images, split.per_class) for split in report.splits] == [
        ("train", 3, {"cat": 0, "dog": 3, "a bird": 0}),
        ("val", 1, {"cat": 0, "dog": 1, "a bird": 0}),
    ]
    assert "det_configs/faster_rcnn_fpn_voc07.py" in report.ready
    assert report.command.split()[1:4:2] == ["tools/transfer_det.py", "--backbone"]
    assert f"train with {report.command}" in report.lines()
    assert "--split" not in report.command
    (tmp_path / "annotations" / "instances_val2017.json").rename(tmp_path / "instances.away")
    report = check_folder(tmp_path)
    assert "--split 0.2" in report.command
    assert any("no part to measure on" in remark for remark in report.remarks)
    (tmp_path / "instances.away").rename(tmp_path / "annotations" / "instances_val2017.json")
    (tmp_path / "train2017" / "batch0" / "i0.png").write_bytes(b"no image")
    (tmp_path / "train2017" / "batch1" / "i1.png").unlink()
    report = check_folder(tmp_path)
    assert len(report.faults) == 2
    assert report.ready == []


def test_tables_of_labels(image_folder: Path) -> None:
    for part in ("train", "val"):
        (image_folder / part).rename(image_folder / f"{part}_images")
        lines = [f"{part}_images/{name}/{number}.jpg,{name}\n" for name in "ab" for number in range(2)]
        (image_folder / f"{part}.csv").write_text("path,label\n" + "".join(lines))
    report = check_folder(image_folder)
    assert (report.layout, report.faults) == ("images with tables of labels", [])
    assert report.splits == [Split(name, 4, "images", {"a": 2, "b": 2}) for name in ("train", "val")]
    assert report.ready == ["tools/train_cls.py"]
    (image_folder / "train_images" / "a" / "0.jpg").unlink()
    assert "'train_images/a/0.jpg' is not there" in check_folder(image_folder).faults[0]


def test_masks_in_colours(tmp_path: Path) -> None:
    for number, name in enumerate(("train/a", "train/b", "val/c")):
        pixels = np.zeros((6, 8, 3), np.uint8)
        pixels[:, 3:] = 255
        pixels[0, 0] = 9, 9, 9
        for folder, content in (("images", pixels + np.uint8(number)), ("masks", pixels)):
            path = tmp_path / folder / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(content).save(path)
    (tmp_path / "colors.txt").write_text("black 0 0 0\nwhite 255 255 255\nvoid 9 9 9\n")
    report = check_folder(tmp_path)
    assert (report.layout, report.faults) == ("images with masks in the colours of colors.txt", [])
    assert [(split.name, split.images, split.per_class) for split in report.splits] == [
        ("train", 2, {"black": 34, "white": 60}),
        ("val", 1, {"black": 17, "white": 30}),
    ]
    assert report.command.startswith("python tools/transfer_seg.py seg_configs/")
    (tmp_path / "colors.txt").write_text("black 0 0 0\nwhite 255 255 255\n")
    report = check_folder(tmp_path)
    assert len(report.faults) == 3
    assert (report.ready, report.command) == ([], "")
    with pytest.raises(UserError, match="--classes is of no use here"):
        check_folder(tmp_path, classes=tmp_path / "colors.txt")


def test_a_devkit_without_a_list_to_measure_on(devkit: Path) -> None:
    (devkit / "VOC2007" / "ImageSets" / "Main" / "test.txt").unlink()
    report = check_folder(devkit)
    assert report.faults == []
    assert report.command.endswith("--split 0.2 --out RUN_ON_IT")


def test_devkit(devkit: Path) -> None:
    report = check_folder(devkit)
    assert (report.layout, report.faults) == ("VOCdevkit", [])
    trainval, test = report.splits
    assert (trainval.name, trainval.images, trainval.per_class["cat"], trainval.per_class["dog"]) == (
        "VOC2007/trainval",
        2,
        2,
        0,
    )
    assert (test.name, test.images, test.per_class["dog"]) == ("VOC2007/test", 1, 1)
    assert "VOC2007/trainval has no objects of 19 classes: aeroplane, bicycle, " in report.remarks[0]
    assert "VOC2007/trainval has 2 of the 5011 published images" in report.remarks


def test_ade20k(ade20k: Path) -> None:
    report = check_folder(ade20k)
    assert (report.layout, report.faults) == ("ADEChallengeData2016", [])
    assert [split.per_class["class 150"] for split in report.splits] == [2 * 14 * 12, 14 * 12]
    assert not any("published" in remark for remark in report.remarks)  # own class names: another data set


def test_own_index_png(own: Path) -> None:
    report = check_folder(own)
    assert (report.layout, report.faults, report.remarks) == ("index PNG", [], [])
    assert report.splits[0].per_class == {"sky": 2 * 6 * 16, "road": 2 * 12 * 16}
    assert report.splits[1].details == {"percent of pixels unlabelled": 25.0}


def test_class_names_from_a_file(own: Path, tmp_path: Path) -> None:
    (own / "classes.txt").unlink()
    with pytest.raises(UserError, match=r"classes\.txt does not exist; .* --classes FILE"):
        check_folder(own)
    (tmp_path / "names.txt").write_text("one\ntwo\nthree\n")
    report = check_folder(own, classes=tmp_path / "names.txt")
    assert list(report.splits[0].per_class) == ["one", "two", "three"]
    assert report.remarks[0] == "train has no pixels of 1 classes: three"


def test_an_image_folder_has_its_own_classes(image_folder: Path) -> None:
    with pytest.raises(UserError, match="--classes is of no use here"):
        check_folder(image_folder, classes=image_folder / "names.txt")


def _rewrite_label(path: Path, value: int) -> None:
    labels = np.array(Image.open(path))
    labels[0, 0] = value
    Image.fromarray(labels).save(path)


@pytest.mark.parametrize(
    ("layout", "spoil", "message"),
    [
        ("image_folder", lambda root: (root / "train/a/0.jpg").write_bytes(b"x"), r"0\.jpg cannot be read as an image"),
        ("image_folder", lambda root: (root / "val/b").rename(root / "val/c"), "class b is in train and not in val"),
        ("devkit", lambda root: (root / "VOC2007/Annotations/2.xml").unlink(), "an image without annotation"),
        ("devkit", lambda root: (root / "VOC2007/JPEGImages/3.jpg").unlink(), r"3\.jpg does not exist"),
        ("devkit", lambda root: (root / "VOC2007/Annotations/3.xml").write_text("<annotation>"), "not readable XML"),
        ("ade20k", lambda root: (root / "images/training/a.jpg").unlink(), "an annotation without image"),
        ("ade20k", lambda root: (root / "annotations/training/a.png").unlink(), "an image without annotation"),
        ("ade20k", lambda root: _rewrite_label(root / "annotations/validation/c.png", 151), "has label value 151"),
        ("own", lambda root: _rewrite_label(root / "annotations/c.png", 2), "has label value 2"),
        ("own", lambda root: (root / "train.txt").unlink(), r"train\.txt does not exist"),
    ],
)
def test_faults_are_explained_and_the_other_split_is_counted(
    layout: str, spoil: Spoil, message: str, request: pytest.FixtureRequest
) -> None:
    root = request.getfixturevalue(layout)
    assert check_folder(root).faults == []
    spoil(root)
    report = check_folder(root)
    assert len(report.faults) == 1
    assert len(report.splits) == (1 if layout != "image_folder" else 0 if "class b" in message else 2)
    with pytest.raises(UserError, match=message):
        report.require_sound()


def _copy(root: Path, source: str, target: str) -> None:
    (root / target).write_bytes((root / source).read_bytes())


@pytest.mark.parametrize(
    ("layout", "share", "message"),
    [
        (
            "image_folder",
            lambda root: _copy(root, "train/a/0.jpg", "val/b/1.jpg"),
            r"1 of the 4 images of val is an image of train, too: val/b/1\.jpg \(there train/a/0\.jpg\);",
        ),
        (
            "devkit",
            lambda root: _copy(root, "VOC2007/ImageSets/Main/trainval.txt", "VOC2007/ImageSets/Main/test.txt"),
            "2 of the 2 images of VOC2007/test are images of VOC2007/trainval, too: VOC2007/JPEGImages/1.jpg, ",
        ),
        (
            "ade20k",
            lambda root: _copy(root, "images/training/a.jpg", "images/validation/c.jpg"),
            "1 of the 1 image",
        ),
        ("own", lambda root: (root / "val.txt").write_text("c\nb\n"), r"val is an image of train, too: images/b\.jpg;"),
    ],
)
def test_images_that_splits_share_are_a_fault_unless_allowed(
    layout: str, share: Spoil, message: str, request: pytest.FixtureRequest
) -> None:
    root = request.getfixturevalue(layout)
    share(root)
    report = check_folder(root)
    assert len(report.faults) == 1
    with pytest.raises(UserError, match=message + r".*measures memory.*--allow-shared-images"):
        report.require_sound()
    allowed = check_folder(root, allow_shared_images=True)
    assert allowed.faults == []
    assert len([remark for remark in allowed.remarks if " too: " in remark]) == 1


def test_lists_that_are_both_trained_on_may_share(tmp_path: Path, write_files: Any, voc_files: Any) -> None:
    """An image of two years' trainval is trained on twice, and no test looks at it."""
    write_files(tmp_path, voc_files("VOC2007", "trainval", ["1", "2"]))
    write_files(tmp_path, voc_files("VOC2007", "test", ["3"]))
    root = write_files(tmp_path, voc_files("VOC2012", "trainval", ["4"])) / "VOCdevkit"
    _copy(root, "VOC2007/JPEGImages/1.jpg", "VOC2012/JPEGImages/4.jpg")
    assert check_folder(root).faults == []
    _copy(root, "VOC2007/JPEGImages/3.jpg", "VOC2012/JPEGImages/4.jpg")
    assert "image of VOC2007/test, too" in check_folder(root).faults[0]


def test_all_faults_are_listed_up_to_ten(own: Path) -> None:
    (own / "train.txt").write_text("a\nb\n" + "".join(f"{number}\n" for number in range(14)))
    _rewrite_label(own / "annotations/c.png", 2)
    report = check_folder(own)
    assert len(report.faults) == 15
    listed = [line for line in report.lines() if line.startswith("fault: ")]
    assert len(listed) == 11
    assert "images/0.jpg does not exist" in listed[0]
    assert listed[-1] == "fault: and 5 more; --json has them all"
    assert report.as_json()["faults"] == report.faults
    with pytest.raises(UserError, match=r"\(and 14 more, listed above\)"):
        report.require_sound()


def test_images_of_another_suffix(own: Path, devkit: Path) -> None:
    for path in (own / "images").iterdir():
        path.rename(path.with_suffix(".png"))
    found, named = check_folder(own), check_folder(own, image_suffix=".png")
    assert (found.layout, found.faults) == ("images and masks of values", [])
    assert (named.layout, named.faults) == ("index PNG", [])
    assert found.splits == named.splits
    with pytest.raises(UserError, match="--image-suffix is of no use here"):
        check_folder(devkit, image_suffix=".png")


def test_two_spoilt_splits_are_two_faults(ade20k: Path) -> None:
    for split, name in (("training", "b"), ("validation", "c")):
        (ade20k / "annotations" / split / f"{name}.png").unlink()
    report = check_folder(ade20k)
    assert [any(f"{name}.png" in fault for fault in report.faults) for name in "abc"] == [False, True, True]
    assert len([line for line in report.lines() if line.startswith("fault: ")]) == 2
    with pytest.raises(UserError, match=r"b\.png .*\(and 1 more, listed above\)"):
        report.require_sound()


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        ("", r"VOC2007 is one year of a VOCdevkit; check .*VOCdevkit$"),
        ("JPEGImages", "has none of the layouts; expected ImageFolder"),
    ],
)
def test_a_folder_inside_a_devkit(devkit: Path, inside: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_folder(devkit / "VOC2007" / inside)


def test_a_folder_around_data_sets(devkit: Path, ade20k: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds ADEChallengeData2016 and VOCdevkit; check .*ADEChallengeData2016$"):
        check_folder(tmp_path)


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere is not a folder"):
        check_folder(tmp_path / "nowhere")


def test_voc2012_has_no_annotated_test_split(tmp_path: Path, write_files: Any, voc_files: Any) -> None:
    files = {
        name: content
        for name, content in voc_files("VOC2012", "test", ["9"]).items()
        if not name.endswith(".xml")  # as published
    }
    root = write_files(tmp_path, {**files, **voc_files("VOC2012", "trainval", ["1"])}) / "VOCdevkit"
    report = check_folder(root)
    assert ([split.name for split in report.splits], report.faults) == (["VOC2012/trainval"], [])


def test_train_and_val_lists_stand_in_for_trainval(tmp_path: Path, write_files: Any, voc_files: Any) -> None:
    write_files(tmp_path, voc_files("VOC2007", "train", ["1"]))
    root = write_files(tmp_path, voc_files("VOC2007", "val", ["2"])) / "VOCdevkit"
    report = check_folder(root)
    assert [split.name for split in report.splits] == ["VOC2007/train", "VOC2007/val"]
    assert any("no year has a list of test images" in remark for remark in report.remarks)


def test_published_numbers_are_demanded_of_a_benchmark(devkit: Path) -> None:
    report = check_folder(devkit)
    report.expect_images(BENCHMARKS["voc2007"].images, "fetch it again")
    assert report.faults[0].endswith("VOC2007/trainval has 2 images, 5011 are published; fetch it again")
    assert len(report.faults) == 2
    absent = Report("root", "VOCdevkit")
    absent.expect_images({"VOC2012/trainval": 5}, "fetch it again")
    assert absent.faults == ["root: VOC2012/trainval is not there; fetch it again"]


def test_the_table_has_a_row_per_class() -> None:
    splits = [Split("train", 3, "images", {"cat": 1, "dog": 2}), Split("val", 10, "images", {"cat": 10, "dog": 0})]
    assert Report("root", "ImageFolder", splits).lines() == [
        "root: ImageFolder",
        "class  train (images)  val (images)\ncat                 1            10\ndog                 2             0",
        "train: 3 images, 2 classes",
        "val: 10 images, 2 classes",
    ]


def test_many_classes_are_summed_up() -> None:
    split = Split("train", 0, "images", {f"n{number}": number for number in range(1, 1001)})
    assert "train: from 1 images (n1) to 1000 (n1000) per class" in Report("root", "ImageFolder", [split]).lines()[1]


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.parametrize(
    ("data", "folder", "images"),
    [
        ("voc2007_subset", "VOCdevkit", {"VOC2007/trainval": 500, "VOC2007/test": 300}),
        ("stanford_background", ".", {"train": 572, "val": 143}),
        ("ade20k_samples", "ADEChallengeData2016", {"training": 3, "validation": 16}),
    ],
)
def test_real_images_are_sound(data: str, folder: str, images: dict[str, int], request: pytest.FixtureRequest) -> None:
    report = check_folder(request.getfixturevalue(data) / folder, allow_shared_images=True)
    assert report.faults == []
    shared = [remark for remark in report.remarks if " too: " in remark]
    assert len(shared) == (data == "stanford_background")  # which has a photograph in both, under two names
    assert {split.name: split.images for split in report.splits} == images
