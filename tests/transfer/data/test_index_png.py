from __future__ import annotations

import functools
import io
import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lacking import no_descriptors
from PIL import Image

from backbones.data.folders.verification import stamp
from backbones.errors import MachineError, UserError
from transfer.data import index_png
from transfer.data.class_names import read_classes
from transfer.data.faults import Faults
from transfer.data.index_png import IndexPngSummary, check_index_png
from transfer.data.label_map import LabelCoding, check_label_map

WIDTH, HEIGHT = 12, 8
CLASSES = ("sky", "road", "tree")


@pytest.fixture(autouse=True)
def private_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARRYOVER_CACHE", str(tmp_path / "cache"))


class Folder:
    """Images and label maps under construction."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.images, self.labels = root / "images", root / "annotations"
        self.images.mkdir(parents=True)
        self.labels.mkdir()

    def add(self, name: str, values: Sequence[int], mode: str = "L") -> None:
        """Add an image whose label map holds ``values``, repeated."""
        Image.new("RGB", (WIDTH, HEIGHT), (90, 120, 30)).save(self.images / f"{name}.jpg")
        label = Image.fromarray(np.resize(np.array(values, np.uint8), (HEIGHT, WIDTH)))
        if mode == "P":
            label = label.copy()
            label.putpalette(list(range(256)) * 3)
        label.save(self.labels / f"{name}.png")

    def check(self, **options: Any) -> IndexPngSummary:
        return check_index_png(self.root, "images", "annotations", options.pop("classes", CLASSES), **options)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "data")


def refuses(folder: Folder, message: str, named: Path, **options: Any) -> None:
    with pytest.raises(UserError, match=message) as caught:
        folder.check(**options)
    assert str(named) in str(caught.value)


@pytest.mark.parametrize("mode", ["L", "P"])
def test_counts_with_zero_unlabelled(folder: Folder, mode: str) -> None:
    folder.add("a", [0, 1, 2, 3], mode)
    folder.add("b", [1], mode)
    summary = folder.check()
    assert summary.images == 2
    assert summary.pixels == {"sky": 24 + 96, "road": 24, "tree": 24}
    assert summary.unlabelled_share == pytest.approx(24 / 192)


def test_counts_with_labels_from_zero(folder: Folder) -> None:
    folder.add("a", [0, 1, 2, 255])
    folder.add("other", [9])
    (folder.root / "train.txt").write_text("a\n")
    summary = folder.check(split_file="train.txt", reduce_zero_label=False)
    assert summary.images == 1
    assert summary.pixels == {"sky": 24, "road": 24, "tree": 24}
    assert summary.unlabelled_share == pytest.approx(0.25)


def test_folders_and_split_file_must_exist(folder: Folder, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist; expected images and index PNG"):
        check_index_png(folder.root, "images/training", "annotations", CLASSES)
    with pytest.raises(UserError, match="does not exist; expected images and index PNG"):
        check_index_png(folder.root, "images", "labels", CLASSES)
    refuses(folder, "does not exist; write one image name per line", folder.root / "val.txt", split_file="val.txt")
    refuses(folder, "has no file ending in .jpg", folder.images)
    (folder.images / "train").mkdir()
    with pytest.raises(UserError, match=r"images/training does not exist; .*; beside it there is train"):
        check_index_png(folder.root, "images/training", "annotations", CLASSES)


def test_image_without_annotation_and_the_reverse(folder: Folder) -> None:
    for name in "abc":
        folder.add(name, [1, 2, 3])
    (folder.root / "train.txt").write_text("a\nb\nc\n")
    (folder.labels / "b.png").unlink()
    refuses(folder, "image without annotation", folder.labels / "b.png")
    refuses(folder, "image without annotation", folder.labels / "b.png", split_file="train.txt")
    folder.add("b", [1])
    (folder.images / "c.jpg").rename(folder.images / "c.JPG")
    refuses(folder, "annotation without image.*case-sensitive", folder.images / "c.jpg")
    refuses(folder, "names an image, but", folder.images / "c.jpg", split_file="train.txt")


def test_a_missing_image_is_looked_for_under_other_suffixes(folder: Folder) -> None:
    for name in "ab":
        folder.add(name, [1, 2, 3])
        (folder.images / f"{name}.jpg").rename(folder.images / f"{name}.png")
    (folder.root / "train.txt").write_text("\ufeffa\nb \n")
    message = r"a\.jpg does not exist; there is a\.png: rename it to a\.jpg, or name the suffix .*--image-suffix"
    refuses(folder, message, folder.images / "a.jpg", split_file="train.txt")
    refuses(folder, r"has no file ending in \.jpg; .* most there end in \.png, or name the suffix", folder.images)
    for split_file in (None, "train.txt"):
        assert folder.check(split_file=split_file, image_suffix=".png").images == 2
    refuses(folder, r"val\.txt does not exist; .*; beside it there is train\.txt: ", folder.root, split_file="val.txt")


def test_a_path_that_is_too_long_is_one_line(folder: Folder) -> None:
    (folder.root / "train.txt").write_text("/".join(["x" * 200] * 30) + "\n")
    refuses(folder, "cannot be found .File name too long.", folder.images, split_file="train.txt")


def test_all_faults_are_told_at_once_and_good_files_are_remembered(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abcde":
        folder.add(name, [1, 2, 3])
    folder.add("b", [1, 9, 44])
    Image.new("L", (HEIGHT, WIDTH), 77).save(folder.labels / "c.png")
    (folder.images / "c.jpg").write_bytes(b"")
    (folder.labels / "d.png").unlink()
    with pytest.raises(Faults) as caught:
        folder.check()
    parts = ["d.jpg is an image without", "b.png has label value 9 (32 pixels), and 44;", "c.jpg is empty", "c.png has"]
    assert len(caught.value.texts) == len(parts)
    assert all(part in text for part, text in zip(parts, caught.value.texts, strict=True))
    checked: list[str] = []
    original = index_png.verify_image
    monkeypatch.setattr(index_png, "verify_image", lambda path: (checked.append(path.name), original(path))[1])
    for name in "bcd":
        folder.add(name, [1, 2, 3])
    assert folder.check().images == 5
    assert checked == ["b.jpg", "c.jpg", "d.jpg"]


def test_a_lack_of_descriptors_is_no_fault_of_the_data(folder: Folder) -> None:
    folder.add("a", [1, 2])
    sound = folder.check()
    folder.add("b", [1, 2])
    pair = index_png._Pair(folder.images / "b.jpg", folder.labels / "b.png")
    coding = index_png.LabelCoding(3, True, 255)
    known = index_png.GoodFiles(folder.root, {})
    with no_descriptors():
        with pytest.raises(MachineError, match=r"a?b\.jpg cannot be read: Too many open files; allow more"):
            index_png._check_pair(pair, coding)
        with pytest.raises(MachineError, match=r"b\.png cannot be read: Too many open files; allow more"):
            index_png.check_label_map(pair.label, pair.image, None, coding)
        with pytest.raises(MachineError, match="Too many open files"):  # none of the two is told as a fault
            index_png.check_files(
                functools.partial(index_png._check_pair, coding=coding),
                [pair],
                [[stamp(folder.root, path, "gone") for path in pair]],
                known,
                "checking",
            )
    assert folder.check().images == sound.images + 1


@pytest.mark.parametrize("part", ["images/a.jpg", "annotations/a.png", "train.txt"])
@pytest.mark.parametrize("listed", [False, True])
def test_a_pipe_among_the_files_is_refused_and_not_opened(folder: Folder, part: str, listed: bool) -> None:
    folder.add("a", [1, 2, 3])
    (folder.root / "train.txt").write_text("a\n")
    (folder.root / part).unlink()
    os.mkfifo(folder.root / part)
    if listed or part != "train.txt":
        refuses(folder, "is a named pipe", folder.root / part, split_file="train.txt" if listed else None)
    else:
        assert folder.check().images == 1


def test_subfolders_and_hidden_files_are_listed_as_in_training(folder: Folder) -> None:
    folder.add("a", [1, 3])
    (folder.images / "._a.jpg").write_bytes(b"desktop litter")
    for parent in (folder.images, folder.labels):
        (parent / "town").mkdir()
    folder.add("town/b", [2])
    assert folder.check().images == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no images"),
        ("a\n\n", "line 2 is ''"),
        ("a.jpg\n", "line 1 is 'a.jpg': expected an image name without suffix"),
        ("a\nb\na\n", "line 3: 'a' is already on line 1"),
    ],
)
def test_bad_split_file(folder: Folder, text: str, message: str) -> None:
    folder.add("a", [1])
    (folder.root / "train.txt").write_text(text)
    refuses(folder, message, folder.root / "train.txt", split_file="train.txt")


def test_label_of_another_size(folder: Folder) -> None:
    folder.add("a", [1])
    Image.new("L", (HEIGHT, WIDTH), 1).save(folder.labels / "a.png")
    refuses(folder, "is 8 x 12, but .* is 12 x 8", folder.labels / "a.png")


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "I;16", "1"])
def test_label_of_another_pixel_type(folder: Folder, mode: str) -> None:
    folder.add("a", [1])
    Image.new(mode, (WIDTH, HEIGHT)).save(folder.labels / "a.png")
    refuses(folder, f"has pixel type {mode}", folder.labels / "a.png")


def small_png(bit_depth: int, color_type: int) -> bytes:
    """A 4-bit PNG of 2 x 1 pixels, values 1 and 2."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, bit_depth, color_type, 0, 0, 0))
    palette = chunk(b"PLTE", bytes(48)) if color_type == 3 else b""
    return b"\x89PNG\r\n\x1a\n" + header + palette + chunk(b"IDAT", zlib.compress(b"\0\x12")) + chunk(b"IEND", b"")


def test_stretched_gray_is_refused_and_small_palette_accepted(folder: Folder) -> None:
    folder.add("a", [1])
    Image.new("RGB", (2, 1)).save(folder.images / "a.jpg")
    (folder.labels / "a.png").write_bytes(small_png(4, 0))
    refuses(folder, "4-bit gray", folder.labels / "a.png")
    stretched = mmcv.imfrombytes(small_png(4, 0), flag="unchanged", backend="pillow")
    assert stretched.max() == 2 * 17  # why: training would read these values
    (folder.labels / "a.png").write_bytes(small_png(4, 3))
    assert folder.check().pixels == {"sky": 1, "road": 1, "tree": 0}


def test_label_that_is_damaged_or_no_png(folder: Folder) -> None:
    folder.add("a", [1, 2, 3])
    path = folder.labels / "a.png"
    whole = path.read_bytes()
    for content in (b"", b"text", whole[:40], whole[: len(whole) // 2 + 10]):
        path.write_bytes(content)
        refuses(folder, "not a readable PNG", path)
    stream = io.BytesIO()
    Image.new("L", (WIDTH, HEIGHT), 1).save(stream, "JPEG")
    path.write_bytes(stream.getvalue())
    refuses(folder, "is a JPEG file", path)


def test_damaged_image(folder: Folder) -> None:
    folder.add("a", [1])
    (folder.images / "a.jpg").write_bytes(b"")
    refuses(folder, "empty", folder.images / "a.jpg")


def test_value_out_of_range_names_the_other_setting(folder: Folder) -> None:
    folder.add("a", [1, 2, 3])
    path = folder.labels / "a.png"
    message = "value 3 .32 pixels.; allowed are 0 to 2 .*255.*reduce_zero_label=True would mean 1 to 3.*which admits 3"
    refuses(folder, message, path, reduce_zero_label=False)
    folder.add("a", [1, 7])
    refuses(folder, "value 7 .*allowed are 1 to 3.*does not admit 7 either", path)


def test_labels_from_zero_under_reduce_zero_label(folder: Folder) -> None:
    """All values are legal, and each pixel would train as the class before its own."""
    folder.add("a", [0, 1, 2, 255])
    refuses(folder, "count classes from 0, so set reduce_zero_label=False", folder.labels)
    folder.add("b", [3])
    assert folder.check().images == 2


@pytest.mark.parametrize(("reduce_zero_label", "values"), [(True, [0]), (True, [255]), (False, [255])])
def test_no_labelled_pixel(folder: Folder, reduce_zero_label: bool, values: list[int]) -> None:
    folder.add("a", values)
    refuses(folder, "has a labelled pixel", folder.labels, reduce_zero_label=reduce_zero_label)


@pytest.mark.parametrize(("reduce_zero_label", "values", "named"), [(False, [0, 255], "sky"), (True, [0, 3], "tree")])
def test_a_split_with_one_labelled_class_is_refused(
    folder: Folder, reduce_zero_label: bool, values: list[int], named: str
) -> None:
    folder.add("a", values)
    folder.add("b", [values[-1]])
    message = f"the label maps of this split \\(2 in .* hold '{named}' alone of 3 classes.*255 names none"
    refuses(folder, message, folder.labels, reduce_zero_label=reduce_zero_label)
    folder.add("b", [1 if reduce_zero_label else 2])
    assert folder.check(reduce_zero_label=reduce_zero_label).images == 2


def test_void_beyond_the_classes_is_not_taken_for_another_coding(folder: Folder) -> None:
    """CamVid's void, 11 beside classes 0 to 10: all classes would be one off if labels were read from 1 on."""
    classes = [f"class {number}" for number in range(11)]
    folder.add("a", range(12))
    message = "value 11 .*If 11 is void, no class of its own, write 255 for it"
    refuses(folder, message, folder.labels / "a.png", classes=classes, reduce_zero_label=False)
    folder.add("a", [*range(11), 255])
    assert folder.check(classes=classes, reduce_zero_label=False).images == 1


@pytest.mark.parametrize(
    ("classes", "options", "message"),
    [
        (0, {}, "0 classes do not fit"),
        (255, {}, "255 classes do not fit"),
        (256, {"reduce_zero_label": False}, "256 classes do not fit"),
        (3, {"reduce_zero_label": False, "ignore_index": 2}, "3 classes do not fit"),
        (3, {"ignore_index": 254}, "ignore_index must be 255, not 254"),
    ],
)
def test_impossible_coding(folder: Folder, classes: int, options: dict[str, Any], message: str) -> None:
    folder.add("a", [1])
    with pytest.raises(UserError, match=message):
        folder.check(classes=[f"class {index}" for index in range(classes)], **options)


def as_mmseg_reads(path: Path, reduce_zero_label: bool) -> np.ndarray:
    """Slow reference: the label map as LoadAnnotations of mmseg makes it, pixel by pixel."""
    raw = mmcv.imfrombytes(path.read_bytes(), flag="unchanged", backend="pillow")
    read = raw.copy()
    for index, value in np.ndenumerate(raw):
        if reduce_zero_label:
            read[index] = 255 if value in (0, 255) else value - 1
    return read


@settings(deadline=None, max_examples=60)
@given(
    count=st.integers(2, 40),
    reduce_zero_label=st.booleans(),
    mode=st.sampled_from(["L", "P"]),
    data=st.data(),
)
def test_counts_agree_with_what_mmseg_reads(
    tmp_path_factory: pytest.TempPathFactory, count: int, reduce_zero_label: bool, mode: str, data: st.DataObject
) -> None:
    first = int(reduce_zero_label)
    legal = st.one_of(st.integers(0, first + count - 1), st.just(255))
    values = [*data.draw(st.lists(legal, min_size=1, max_size=90)), first, first + count - 1]
    folder = Folder(tmp_path_factory.mktemp("labels"))
    folder.add("a", values, mode)
    names = [f"class {index}" for index in range(count)]
    summary = folder.check(classes=names, reduce_zero_label=reduce_zero_label)
    read = as_mmseg_reads(folder.labels / "a.png", reduce_zero_label)
    assert summary.pixels == {name: int((read == index).sum()) for index, name in enumerate(names)}
    assert summary.unlabelled_share == pytest.approx((read == 255).mean())
    wrong = data.draw(st.integers(first + count, 254))
    folder.add("a", [*values, wrong], mode)
    refuses(folder, f"value {wrong} ", folder.labels / "a.png", classes=names, reduce_zero_label=reduce_zero_label)


def test_second_check_reads_no_file_until_one_changes(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.add("a", [1, 3])
    first = folder.check()
    original = index_png._check_pair
    monkeypatch.setattr(index_png, "_check_pair", None)  # calling it would raise
    assert folder.check() == first
    monkeypatch.setattr(index_png, "_check_pair", original)
    folder.add("a", [1, 4])
    refuses(folder, "value 4", folder.labels / "a.png")


@pytest.mark.realdata
def test_stanford_background(stanford_background: Path) -> None:
    classes = read_classes(stanford_background / "classes.txt")
    images = {}
    for split in ("train", "val"):
        summary = check_index_png(stanford_background, "images", "annotations", classes, f"{split}.txt", False)
        images[split] = summary.images
        assert min(summary.pixels.values()) > 0
    assert images == {"train": 572, "val": 143}
    with pytest.raises(UserError, match="set reduce_zero_label=False"):
        check_index_png(stanford_background, "images", "annotations", classes, "train.txt")


@pytest.mark.realdata
@pytest.mark.parametrize(("name", "images"), [("ade20k_samples", 19), ("ade20k_gray", 200)])
def test_ade20k(request: pytest.FixtureRequest, name: str, images: int) -> None:
    root = request.getfixturevalue(name) / "ADEChallengeData2016"
    classes = [f"class {index}" for index in range(150)]
    summaries = [
        check_index_png(root, f"images/{split}", f"annotations/{split}", classes)
        for split in ("training", "validation")
    ]
    assert sum(summary.images for summary in summaries) == images
    assert all(0 < summary.unlabelled_share < 0.5 for summary in summaries)


def test_a_label_map_is_held_to_its_checksums(tmp_path: Path) -> None:
    path = tmp_path / "map.png"
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) % 3).save(path)
    content = path.read_bytes()
    start, end = content.index(b"IDAT") - 4, content.rindex(b"IEND") - 4
    rows = zlib.compress(bytes(range(9)) * 8)
    path.write_bytes(content[:start] + len(rows).to_bytes(4, "big") + b"IDAT" + rows + content[end - 4 :])
    with pytest.raises(UserError, match=r"map\.png is not a readable PNG \(the checksum of its IDAT chunk is wrong\)"):
        check_label_map(path, path, None, LabelCoding(3, False, 255))
