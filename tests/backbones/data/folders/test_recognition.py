"""Images and labels, written in each layout, are read as what they were."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from backbones.data.folders.drawing_lots import HeldOut
from backbones.data.folders.folder_parts import listed_images, open_images, open_parts
from backbones.data.folders.image_folder import verify_images
from backbones.data.folders.image_split import ImageFolder, ImageSplit
from backbones.data.folders.recognition import recognise_labelled
from backbones.errors import UserError

Labels = dict[str, dict[str, str]]  # class by name of the image, by part
CLASSES = ("cat", "dog", "a fox")


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    number = int(path.stem.removeprefix("i"))
    Image.new("RGB", (6, 5), (number, 255 - number, 7)).save(path)


def class_folders(root: Path, labels: Labels, **called: str) -> None:
    for part, images in labels.items():
        for name, label in images.items():
            picture(root / called.get(part, part) / label / f"{name}.png")


def tfds(root: Path, labels: Labels) -> None:
    class_folders(root, labels, val="test")


def hugging_face(root: Path, labels: Labels) -> None:
    class_folders(root, labels, val="validation")


def table(root: Path, labels: Labels, kind: str = "csv") -> None:
    for part, images in labels.items():
        lines = ["path,label"] * (kind == "csv")
        for name, label in images.items():
            picture(root / "flat" / f"{name}.png")
            lines.append(f"flat/{name}.png,{label}" if kind == "csv" else f"flat/{name}.png {label.replace(' ', '_')}")
        (root / f"{part}.{kind}").write_text("\n".join(lines) + "\n")


def lists(root: Path, labels: Labels) -> None:
    table(root, labels, "txt")


def metadata_beside(root: Path, labels: Labels) -> None:
    for part, images in labels.items():
        folder = root / {"val": "validation"}.get(part, part)
        for name in images:
            picture(folder / f"{name}.png")
        lines = [f"{name}.png,{label},of no use" for name, label in images.items()]
        (folder / "metadata.csv").write_text("\n".join(["file_name,label,text", *lines]))


def metadata_by_line(root: Path, labels: Labels) -> None:
    for part, images in labels.items():
        for name in images:
            picture(root / part / "deep" / f"{name}.png")
        lines = [json.dumps({"label": label, "file_name": f"deep/{name}.png"}) for name, label in images.items()]
        (root / part / "metadata.jsonl").write_text("\n".join(lines) + "\n")


def metadata_of_all(root: Path, labels: Labels) -> None:
    lines = ["file_name,label"]
    for part, images in labels.items():
        for name, label in images.items():
            picture(root / part / f"{name}.png")
            lines.append(f"{part}/{name}.png,{label}")
    (root / "metadata.csv").write_text("\n".join(lines))


def split_column(root: Path, labels: Labels) -> None:
    lines = ["path,label,split"]
    for part, images in labels.items():
        for name, label in images.items():
            picture(root / "images" / f"{name}.png")
            lines.append(f"images/{name}.png,{label},{ {'val': 'validation'}.get(part, part) }")
    (root / "labels.csv").write_text("\n".join(lines))


EXPORTED = "an imagefolder with metadata, as Hugging Face exports it"
TABLES = "images with tables of labels"
LAYOUTS: dict[str, tuple[Callable[[Path, Labels], None], str]] = {
    "ImageFolder": (class_folders, "ImageFolder"),
    "TensorFlow Datasets": (tfds, "ImageFolder"),
    "Hugging Face's folders": (hugging_face, "ImageFolder"),
    "Hugging Face's metadata.csv": (metadata_beside, EXPORTED),
    "Hugging Face's metadata.jsonl": (metadata_by_line, EXPORTED),
    "Hugging Face's metadata.csv of all parts": (metadata_of_all, EXPORTED),
    "tables": (table, TABLES),
    "lists": (lists, TABLES),
    "a column called split": (split_column, TABLES),
}


@st.composite
def labelled(draw: st.DrawFn) -> Labels:
    """Each class in both parts, and some more."""
    numbers = iter(range(100))
    return {
        part: {
            f"i{next(numbers)}": label for label in [*CLASSES, *draw(st.lists(st.sampled_from(CLASSES), max_size=3))]
        }
        for part in ("train", "val")
    }


def content(folder: ImageFolder, split: ImageSplit) -> dict[str, str]:
    return {
        Path(split.path(place)).stem: folder.classes[split.labels[place]].replace("_", " ")
        for place in range(len(split))
    }


@pytest.mark.parametrize("name", LAYOUTS)
def test_what_is_written_is_read(name: str) -> None:
    write, what = LAYOUTS[name]

    @settings(max_examples=3, deadline=None)
    @given(labels=labelled())
    def holds(labels: Labels) -> None:
        with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
            patch.setenv("CARRYOVER_CACHE", f"{folder}/cache")
            root = Path(folder) / "data"
            root.mkdir()
            write(root, labels)
            found = recognise_labelled(root)
            assert found is not None
            assert found.what == what
            data = open_images(root)
            assert content(data, data.train) == labels["train"]
            assert content(data, data.val) == labels["val"]
            assert data.layout == ("" if name == "ImageFolder" else what)
            verify_images(data)

    holds()


LABELS: Labels = {
    "train": {f"i{number}": CLASSES[number % 3] for number in range(12)},
    "val": {f"i{number}": CLASSES[number % 3] for number in range(12, 18)},
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CARRYOVER_CACHE", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def undivided_folders(root: Path) -> None:
    class_folders(root, {"train": LABELS["train"]}, train=".")


def undivided_table(root: Path) -> None:
    table(root, {"labels": LABELS["train"]})


def train_alone(root: Path) -> None:
    table(root, {"train": LABELS["train"]})


def metadata_without_parts(root: Path) -> None:
    table(root, {"metadata": LABELS["train"]})


@pytest.mark.parametrize("write", [undivided_folders, undivided_table, train_alone, metadata_without_parts])
def test_what_has_no_part_to_measure_on_is_divided_when_that_is_asked_for(
    write: Callable[[Path], None], root: Path
) -> None:
    write(root)
    with pytest.raises(UserError, match=r"--split 0\.2"):
        open_images(root)
    assert len(listed_images(root).splits) == 1
    draws = [open_parts(root, HeldOut(*how)) for how in ((0.25, 0), (0.25, 1), (0.5, 0))]
    for data, share in zip(draws, (0.25, 0.25, 0.5), strict=True):
        train, val = content(data, data.train), content(data, data.val)
        assert {**train, **val} == LABELS["train"]
        assert not set(train) & set(val)
        assert np.bincount(data.val.labels).tolist() == [4 * share] * 3
    assert len({data.fingerprint for data in draws}) == 3
    assert content(draws[0], draws[0].val) != content(draws[1], draws[1].val)


@pytest.mark.parametrize("name", ["Hugging Face's folders", "Hugging Face's metadata.csv", "tables", "lists"])
def test_what_has_one_is_not_divided(name: str, root: Path) -> None:
    LAYOUTS[name][0](root, LABELS)
    with pytest.raises(UserError, match=r"--split: .* is there to measure on; leave it out"):
        open_parts(root, HeldOut(0.2, 0))


def test_a_test_part_is_left_alone_by_a_split(root: Path) -> None:
    tfds(root, LABELS)
    assert open_images(root).measured == "test"
    data = open_parts(root, HeldOut(0.25, 0))
    assert {**content(data, data.train), **content(data, data.val)} == LABELS["train"]


def test_class_folders_go_before_metadata_that_say_the_same(root: Path) -> None:
    class_folders(root, LABELS)
    before = open_images(root)
    lines = [f"{label}/{name}.png,{label}" for name, label in LABELS["train"].items()]
    (root / "train" / "metadata.csv").write_text("\n".join(["file_name,label", *lines]))
    assert open_images(root).fingerprint == before.fingerprint
    (root / "train" / "metadata.csv").write_text("file_name,text\ncat/i0.png,a cat\n")
    assert open_images(root).fingerprint == before.fingerprint


def test_metadata_that_say_otherwise_go_before_folders(root: Path) -> None:
    """The folders are where the files happen to lie."""
    for part, images in LABELS.items():
        lines = ["file_name,label"]
        for number, (name, label) in enumerate(images.items()):
            picture(root / part / f"shard{number % 2}" / f"{name}.png")
            lines.append(f"shard{number % 2}/{name}.png,{label}")
        (root / part / "metadata.csv").write_text("\n".join(lines))
    data = open_images(root)
    assert (data.layout, set(data.classes)) == (EXPORTED, set(CLASSES))
    assert content(data, data.train) == LABELS["train"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"file_name": "i1.png"}', "line 2 is .* write file_name, a text, and label"),
        ('{"file_name": "i1.png", "label": [1]}', "line 2 is .* write file_name, a text, and label"),
        ('{"file_name": "i1.png", "label": "cat"', "line 2 is no JSON"),
        ('{"file_name": "../i1.png", "label": "cat"}', "must be a plain path below"),
        ('{"file_name": "gone.png", "label": "cat"}', "'gone.png' is not there"),
    ],
)
def test_a_line_of_metadata_that_is_wrong(line: str, words: str, root: Path) -> None:
    metadata_beside(root, LABELS)
    (root / "train" / "metadata.csv").unlink()
    lines = ['{"file_name": "i0.png", "label": "cat"}', line, '{"file_name": "i2.png", "label": "dog"}']
    (root / "train" / "metadata.jsonl").write_text("\n".join([*lines, '{"file_name": "i3.png", "label": "a fox"}']))
    with pytest.raises(UserError, match=words) as caught:
        open_images(root)
    assert "metadata.jsonl" in str(caught.value)


def test_a_split_of_no_name(root: Path) -> None:
    split_column(root, LABELS)
    text = (root / "labels.csv").read_text()
    (root / "labels.csv").write_text(text.replace("i2.png,a fox,train", "i2.png,a fox,third"))
    with pytest.raises(UserError, match="image 3: 'third' is no split; write train, val or test"):
        open_images(root)
