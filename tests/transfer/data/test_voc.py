from __future__ import annotations

import json
import os
import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from backbones.errors import UserError
from transfer.data import voc
from transfer.data.faults import Faults
from transfer.data.voc import VOC_CLASSES, VocSummary, check_voc

WIDTH, HEIGHT = 60, 40
CLASSES = ("cat", "dog")
Corners = tuple[object, object, object, object]
ZERO = "<size><width>0</width><height>0</height></size>"
WHOLE: Corners = (1, 1, WIDTH, HEIGHT)


@pytest.fixture(autouse=True)
def private_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CARRYOVER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "verified"


def xml(
    *boxes: Corners, name: str = "cat", size: str | None = None, difficult: str = "<difficult>0</difficult>"
) -> str:
    size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height></size>" if size is None else size
    objects = ""
    for box in boxes:
        corners = "".join(
            f"<{tag}>{value}</{tag}>" for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
        )
        objects += f"<object><name>{name}</name>{difficult}<bndbox>{corners}</bndbox></object>"
    return f"<annotation>{size}{objects}</annotation>"


class Devkit:
    """A VOCdevkit under construction."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.year = root / "VOC2007"
        for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
            (self.year / folder).mkdir(parents=True)
        pixels = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        self.picture = Image.fromarray(pixels)
        self.split("")

    def split(self, text: str) -> None:
        (self.year / "ImageSets" / "Main" / "train.txt").write_text(text, encoding="utf-8")

    def image(self, identifier: str) -> Path:
        return self.year / "JPEGImages" / f"{identifier}.jpg"

    def annotation(self, identifier: str) -> Path:
        return self.year / "Annotations" / f"{identifier}.xml"

    def add(self, identifier: str, content: str) -> None:
        self.picture.save(self.image(identifier))
        self.annotation(identifier).write_text(content, encoding="utf-8")
        split = self.year / "ImageSets" / "Main" / "train.txt"
        split.write_text(split.read_text() + identifier + "\n")

    def check(self, classes: tuple[str, ...] = CLASSES, split: str = "train") -> VocSummary:
        return check_voc(self.root, [("VOC2007", split)], classes)


@pytest.fixture
def devkit(tmp_path: Path) -> Devkit:
    built = Devkit(tmp_path / "VOCdevkit")
    built.add("a", xml(WHOLE))
    return built


def refuses(devkit: Devkit, message: str, named: Path | None = None) -> None:
    with pytest.raises(UserError, match=message) as caught:
        devkit.check()
    assert named is None or str(named) in str(caught.value)


def test_summary_counts(devkit: Devkit) -> None:
    devkit.add("b", xml((1, 1, 9, 9), (0, 0, 5.5, 7.25), name="dog", difficult="<difficult>1</difficult>"))
    devkit.add("c", xml())
    devkit.add("d", xml((2, 3, 4, 5), size="", difficult=""))
    summary = devkit.check()
    assert summary.images == 4
    assert summary.objects == {"cat": 2, "dog": 2}
    assert summary.difficult == {"cat": 0, "dog": 2}
    assert summary.images_without_objects == 1


def test_missing_parts_of_the_layout(devkit: Devkit, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist; expected DEVKIT/YEAR"):
        check_voc(tmp_path / "nowhere", [("VOC2007", "train")], CLASSES)
    with pytest.raises(UserError, match=r"VOC2012 does not exist; expected DEVKIT/YEAR.*There is VOC2007: .*_voc07"):
        check_voc(devkit.root, [("VOC2012", "train")], CLASSES)
    (tmp_path / "ade" / "annotations").mkdir(parents=True)
    with pytest.raises(UserError, match="looks like data for segmentation"):
        check_voc(tmp_path / "ade", [("VOC2007", "train")], CLASSES)
    for nearby in (devkit.root.parent, devkit.year):
        with pytest.raises(UserError, match=f"give {devkit.root} as the devkit"):
            check_voc(nearby, [("VOC2007", "train")], CLASSES)
    with pytest.raises(UserError, match=r"test\.txt does not exist.*ImageSets/Main/SPLIT\.txt"):
        devkit.check(split="test")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lists no images"),
        ("\n \n", "lists no images"),
        ("a\na\n", "line 2: 'a' is already on line 1"),
        ("a\n\n", "line 2 is ''"),
        ("a 1\n", "line 1 is 'a 1'.*no label column"),
        ("\u200ba\n", r"line 1 is '\\u200ba'.*do not show"),
        ("a.jpg\n", "identifiers go without suffix"),
        ("b\n", r"b\.jpg does not exist"),
    ],
)
def test_bad_split_file(devkit: Devkit, text: str, message: str) -> None:
    devkit.split(text)
    refuses(devkit, message, devkit.year / "ImageSets" / "Main" / "train.txt")


def test_names_with_blanks_and_what_does_not_show(devkit: Devkit) -> None:
    devkit.add("my photo 1", xml(WHOLE, name=" cat\n", difficult="<difficult/>", size=ZERO))
    devkit.split("\ufeffa  \r\nmy photo 1\r\n")
    summary = devkit.check()
    assert (summary.images, summary.objects, summary.difficult) == (2, {"cat": 2, "dog": 0}, {"cat": 0, "dog": 0})
    assert check_voc(devkit.root, [("VOC2007", "train")], ("cat", "dog")).fingerprint == summary.fingerprint


def test_a_name_that_only_looks_like_a_class_is_shown_in_full(devkit: Devkit) -> None:
    devkit.annotation("a").write_text(xml(WHOLE, name="cafe\u0301"), encoding="utf-8")
    with pytest.raises(UserError, match=r"unknown class 'cafe\\u0301', which only looks like 'caf\\xe9'; the classes"):
        devkit.check(("caf\xe9",))
    devkit.annotation("a").write_text(xml(WHOLE, name="ca\u200bt"), encoding="utf-8")
    refuses(devkit, r"unknown class 'ca\\u200bt', which only looks like 'cat'", devkit.annotation("a"))


@pytest.mark.parametrize("there", ["b.png", "b.JPG", "B.jpg", "b.jpeg"])
def test_a_missing_image_is_looked_for_under_other_suffixes(devkit: Devkit, there: str) -> None:
    devkit.add("b", xml(WHOLE))
    devkit.image("b").rename(devkit.year / "JPEGImages" / there)
    refuses(devkit, rf"b\.jpg does not exist; there is {re.escape(there)}: rename it to b\.jpg", devkit.image("b"))


def test_a_missing_list_is_looked_for_under_other_names(devkit: Devkit) -> None:
    (devkit.year / "ImageSets/Main/default.txt").write_text("a\n")
    with pytest.raises(UserError, match=r"test\.txt does not exist, .*; beside it there is default\.txt, train\.txt: "):
        devkit.check(split="test")


def test_identifiers_that_lead_out_of_the_data(devkit: Devkit) -> None:
    devkit.split(f"{devkit.year}/JPEGImages/a\n../JPEGImages/a\n{'x' * 300}\n")
    with pytest.raises(
        UserError, match=r"line 1 is .*leads elsewhere.* \(and 2 more faults, in VOC2007/.*train\.txt; "
    ):
        devkit.check()


def test_a_path_that_is_too_long_is_one_line(devkit: Devkit) -> None:
    devkit.split("/".join(["x" * 200] * 30) + "\n")
    refuses(devkit, "cannot be found .File name too long.; check its name and its folders")


def test_all_faults_are_told_at_once_and_good_files_are_remembered(
    devkit: Devkit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two bad boxes in one annotation, a damaged image, a missing one, a name twice."""
    seen = count_checks(monkeypatch)
    for name in "bcde":
        devkit.add(name, xml(WHOLE))
    devkit.annotation("b").write_text(xml((1, 1, 99, 9), WHOLE, (1, 1, 9, 99), name="cat"))
    devkit.image("c").write_bytes(b"")
    devkit.annotation("c").write_text(xml(WHOLE, name="horse"))
    devkit.image("d").unlink()
    devkit.split("a\nb\nc\nd\ne\na\n")
    with pytest.raises(Faults) as caught:
        devkit.check()
    parts = ["line 6: 'a' is already", "d.jpg does not exist", "b.xml, object 1", "b.xml, object 3", "c.jpg is empty"]
    parts += ["c.xml, object 1 has the unknown class 'horse'"]
    assert len(caught.value.texts) == len(parts)
    assert all(part in text for part, text in zip(parts, caught.value.texts, strict=True))
    assert "\n" not in str(caught.value)
    assert seen == ["a.jpg", "b.jpg", "c.jpg", "e.jpg"]
    seen.clear()
    for name in "bcd":
        devkit.add(name, xml(WHOLE))
    devkit.split("a\nb\nc\nd\ne\n")
    assert devkit.check().objects == {"cat": 5, "dog": 0}
    assert seen == ["b.jpg", "c.jpg", "d.jpg"]


@pytest.mark.parametrize("part", ["image", "annotation"])
def test_a_pipe_among_the_files_is_refused_and_not_opened(devkit: Devkit, part: str) -> None:
    path = getattr(devkit, part)("a")
    path.unlink()
    os.mkfifo(path)
    refuses(devkit, "is a named pipe, not a file that can be read", path)


def test_overlapping_splits(devkit: Devkit) -> None:
    with pytest.raises(UserError, match=r"a\.jpg is in more than one of the splits"):
        check_voc(devkit.root, [("VOC2007", "train")] * 2, CLASSES)


def test_truncated_image_and_image_without_annotation(devkit: Devkit) -> None:
    devkit.image("a").write_bytes(devkit.image("a").read_bytes()[:600])
    refuses(devkit, "truncated", devkit.image("a"))
    devkit.annotation("a").unlink()
    refuses(devkit, "an image without annotation", devkit.annotation("a"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<annotation>", "not readable XML"),
        ("", "not readable XML"),
        ("<root></root>", "its root is <root>"),
        (xml(WHOLE, name="horse"), "object 1 has the unknown class 'horse'; the classes are cat, dog.*--classes"),
        (xml(WHOLE, name="Cat"), "unknown class 'Cat'"),
        (xml(WHOLE).replace("<name>cat</name>", ""), "unknown class None"),
        (xml(WHOLE, difficult="<difficult>yes</difficult>"), "<difficult> must be 0 or 1, not 'yes'"),
        (xml(WHOLE, size="<size><width>40</width><height>60</height></size>"), "records a size of 40 x 60.*60 x 40"),
        (xml(WHOLE, size="<size><width>60</width></size>"), "<size> must hold whole numbers"),
        (xml(("left", 1, 5, 5)), "corners of <bndbox> must be numbers"),
        (xml(("", 1, 5, 5)), "corners of <bndbox> must be numbers"),
        (xml(("nan", 1, 5, 5)), "must be finite"),
        (xml((1, 1, "inf", 5)), "must be finite"),
        (xml(WHOLE).replace("bndbox", "polygon"), "corners of <bndbox> must be numbers"),
        (xml((3.2, 1, 3.9, 5)), "leaves no area"),
        (xml((5, 1, 3, 5)), "leaves no area"),
        (xml((1, 1, 61, 5)), "outside the image, whose x runs from 1 to 60"),
        (xml((1, -1, 5, 5)), "outside the image, whose y runs from 1 to 40"),
        (xml(), "has an annotated object"),
        (xml(WHOLE, difficult="<difficult>1</difficult>"), "has an annotated object"),
    ],
)
def test_bad_annotation(devkit: Devkit, content: str, message: str) -> None:
    devkit.annotation("a").write_text(content)
    refuses(devkit, message, devkit.root if "annotated object" in message else devkit.annotation("a"))


@st.composite
def legal_boxes(draw: st.DrawFn) -> list[float]:
    low = [draw(st.integers(0, limit - 1)) for limit in (WIDTH, HEIGHT)]
    return low + [draw(st.integers(low[axis] + 1, limit)) for axis, limit in enumerate((WIDTH, HEIGHT))]


@settings(deadline=None, max_examples=60)
@given(box=legal_boxes(), decimals=st.tuples(*[st.floats(0, 0.99)] * 2))
def test_legal_boxes_pass_and_any_perturbed_corner_fails(
    tmp_path_factory: pytest.TempPathFactory, box: list[float], decimals: tuple[float, float]
) -> None:
    devkit = Devkit(tmp_path_factory.mktemp("boxes") / "VOCdevkit")
    minimum = [box[0] + decimals[0], box[1] + decimals[1]]  # decimals are cut off, so they keep the box legal
    devkit.add("a", xml((*minimum, box[2], box[3])))
    assert devkit.check().objects["cat"] == 1
    limits = (WIDTH, HEIGHT, WIDTH, HEIGHT)
    for index in range(4):
        for wrong in (-1.0, limits[index] + 1.0, float("nan"), box[(index + 2) % 4] + (0.5 if index < 2 else -0.5)):
            perturbed = list(box)
            perturbed[index] = wrong
            devkit.annotation("a").write_text(xml(tuple(perturbed)))
            with pytest.raises(UserError, match="object 1"):
                devkit.check()


def count_checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    seen: list[str] = []
    original = voc.verify_image
    monkeypatch.setattr(voc, "verify_image", lambda path: (seen.append(path.name), original(path))[1])
    return seen


def test_second_check_reads_no_file(devkit: Devkit, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = count_checks(monkeypatch)
    first = devkit.check()
    assert devkit.check() == first
    assert seen == ["a.jpg"]


@pytest.mark.parametrize("change", ["annotation", "image", "classes", "mtime"])
def test_any_change_is_checked_again(devkit: Devkit, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    seen = count_checks(monkeypatch)
    devkit.check()
    if change == "annotation":
        devkit.annotation("a").write_text(xml((1, 1, 99, 9)))
        refuses(devkit, "outside the image")
    elif change == "image":
        devkit.image("a").write_bytes(b"")
        refuses(devkit, "empty")
    elif change == "classes":
        devkit.check(("cat", "dog", "cow"))
    else:
        os.utime(devkit.annotation("a"), ns=(1, 1))
        devkit.check()
    assert seen == ["a.jpg", "a.jpg"]


def test_failures_are_not_remembered(devkit: Devkit, private_cache: Path) -> None:
    devkit.annotation("a").write_text(xml())
    refuses(devkit, "annotated object")
    assert not list(private_cache.glob("*"))


OTHER = asdict(VocSummary(images=3, objects={}, difficult={}, images_without_objects=0, fingerprint=""))


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"key": 1}', json.dumps({"key": "x", "summary": OTHER})])
def test_corrupt_cache_is_ignored_and_rewritten(devkit: Devkit, private_cache: Path, content: str) -> None:
    expected = devkit.check()
    (path,) = private_cache.iterdir()
    good = path.read_text()
    path.write_text(content)
    assert devkit.check() == expected
    assert path.read_text() == good


def test_unwritable_cache_only_warns(devkit: Devkit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CARRYOVER_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="cannot be written"):
        assert devkit.check().images == 1


def test_fingerprint_is_the_same_for_a_copy_and_differs_by_content(tmp_path: Path) -> None:
    prints = []
    for folder, box in (("one", WHOLE), ("two", WHOLE), ("three", (1, 1, 5, 5))):
        devkit = Devkit(tmp_path / folder / "VOCdevkit")
        devkit.add("a", xml(box))
        os.utime(devkit.image("a"), ns=(1, 1))
        prints.append(devkit.check().fingerprint)
    assert prints[0] == prints[1]
    assert prints[0] != prints[2]


@pytest.mark.realdata
def test_voc2007(voc2007_subset: Path) -> None:
    devkit = voc2007_subset / "VOCdevkit"
    train, test = (check_voc(devkit, [("VOC2007", split)], VOC_CLASSES) for split in ("trainval", "test"))
    assert (train.images, test.images) == (500, 300)
    assert min(train.objects.values()) > 0
    assert sum(train.difficult.values()) > 0
    assert train.fingerprint != test.fingerprint
