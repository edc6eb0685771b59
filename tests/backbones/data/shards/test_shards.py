"""Shards hold what class folders held, and a training on them is the same at any stop."""

from __future__ import annotations

import io
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from written_shards import encoded, sample, write

from backbones.data.decoding import decode_pixels
from backbones.data.folders.drawing_lots import HeldOut
from backbones.data.folders.folder_parts import open_images, open_parts
from backbones.data.folders.image_folder import verify_images
from backbones.data.folders.image_split import ImageFolder, ImageSplit
from backbones.data.folders.shared_images import SplitImages, shared_images
from backbones.data.loader import ImageBatches, TrainingRequests, load_batches
from backbones.data.shards import index as shard_index
from backbones.data.shards.split import WHAT
from backbones.errors import UserError


def pixels(split: ImageSplit) -> list[np.ndarray]:
    return [decode_pixels(split.source(place)) for place in range(len(split))]


@settings(max_examples=5, deadline=None)
@given(
    labels=st.lists(st.sampled_from(["cat", "dog", "ein Bär"]), min_size=4, max_size=9),
    how=st.sampled_from(["cls", "json"]),
    tar_format=st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
    folders=st.booleans(),
)
def test_what_is_written_is_read(labels: list[str], how: str, tar_format: int, folders: bool) -> None:
    labels = [*labels, "cat", "dog", "ein Bär"]
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CARRYOVER_CACHE", f"{folder}/cache")
        root = Path(folder) / "data"
        for part, first in (("train", 0), ("val", 100)):
            numbered = list(enumerate(labels, start=first))
            for shard, chosen in enumerate((numbered[:2], numbered[2:])):
                name = f"{part}/{shard:05d}.tar" if folders else f"{part}-{shard:05d}.tar"
                write(
                    root / name, [each for number, label in chosen for each in sample(number, label, how)], tar_format
                )
        for _ in range(2):  # the second time from the cache
            data = open_images(root)
            assert data.classes == ("cat", "dog", "ein Bär")
            assert data.layout == WHAT
            for split, first in ((data.train, 0), (data.val, 100)):
                assert [data.classes[label] for label in split.labels] == labels
                for number, found in enumerate(pixels(split), start=first):
                    image = sample(number, "", "cls")[0][1]
                    with Image.open(io.BytesIO(image)) as expected:
                        np.testing.assert_array_equal(found, np.asarray(expected.convert("RGB")))
        verify_images(data)


def test_classes_are_numbers_in_their_order_unless_they_are_named(root: Path) -> None:
    before = open_images(root)
    assert before.classes == ("8", "9", "10")
    (root / "classes.txt").write_text("\n".join(f"class {number}" for number in range(11)) + "\n")
    assert open_images(root).classes == ("class 8", "class 9", "class 10")
    (root / "classes.txt").write_text("one\ntwo\n")
    with pytest.raises(UserError, match="has 2 lines, and a shard the class 10"):
        open_images(root)


def test_the_index_is_made_once_and_anew_when_a_shard_changes(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = open_images(root)
    scanned: list[Path] = []
    scan = shard_index._scan
    monkeypatch.setattr(shard_index, "_scan", lambda path: scanned.append(path) or scan(path))
    assert open_images(root).fingerprint == before.fingerprint
    assert scanned == []
    changed = root / "imagenet-train-000001.tar"
    write(changed, [each for number in range(40, 46) for each in sample(number, (8, 9, 10)[number % 3])])
    assert open_images(root).fingerprint != before.fingerprint
    assert scanned == [changed]


def test_parts_are_held_out_and_drawn(root: Path) -> None:
    for path in root.glob("*val*"):
        path.unlink()
    with pytest.raises(UserError, match=r"--split 0\.2"):
        open_images(root)
    data = open_parts(root, HeldOut(0.25, 0), 0.5)
    assert (np.bincount(data.val.labels).tolist(), np.bincount(data.train.labels).tolist()) == ([2, 2, 2], [3, 3, 3])
    names = [bytes(name) for split in (data.train, data.val) for name in split.files]
    assert len(set(names)) == 15
    for split in (data.train, data.val):
        for place, found in enumerate(pixels(split)):
            number = int(Path(split.path(place)).stem)
            assert found.shape == (12, 14, 3)
            assert data.classes[split.labels[place]] == str((8, 9, 10)[number % 3])


def test_images_that_two_parts_share_are_found(root: Path) -> None:
    val = [each for number in range(24, 30) for each in sample(number, (8, 9, 10)[number % 3])]
    val[2] = (val[2][0].replace("png", "jpg"), sample(7, 9)[0][1])
    write(root / "imagenet-val-000000.tar", val)
    data = open_images(root)
    found = shared_images(SplitImages.of_folder(data.train), SplitImages.of_folder(data.val))
    assert [Path(one).name for pair in found for one in pair] == ["000007.jpg", Path(val[2][0]).name]


def batches(data: ImageFolder, first: int, last: int, workers: int = 0) -> list[Any]:
    dataset = ImageBatches(data.train, 8, seed=3)
    requests = TrainingRequests(len(data.train), 5, 3, first, last)
    return list(load_batches(dataset, requests, workers, torch.device("cpu")))


def test_batches_go_on_where_they_stopped_and_do_not_depend_on_workers(root: Path) -> None:
    data = open_images(root)
    whole = batches(data, 0, 9)  # two epochs and a bit
    resumed = [*batches(data, 0, 4), *batches(open_images(root), 4, 9, workers=2)]
    for one, other in zip(whole, resumed, strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.labels, other.labels)
    assert not torch.equal(whole[0].labels, whole[4].labels) or not torch.equal(whole[0].images, whole[4].images)


def test_batches_are_those_of_the_same_images_in_files(root: Path, tmp_path: Path) -> None:
    """In the order of the shards, which a table of labels can have, too."""
    data = open_images(root)
    lines: dict[str, list[str]] = {"train": [], "val": []}
    for part, split in (("train", data.train), ("val", data.val)):
        for place in range(len(split)):
            source = split.source(place)
            name = f"{place:03d}_{part}{Path(split.path(place)).suffix}"
            (tmp_path / "files").mkdir(exist_ok=True)
            with open(source.archive, "rb") as stream:
                stream.seek(source.offset)
                (tmp_path / "files" / name).write_bytes(stream.read(source.size))
            lines[part].append(f"{name},{data.classes[split.labels[place]]}")
        (tmp_path / "files" / f"{part}.csv").write_text("\n".join(lines[part]))
    for one, other in zip(batches(data, 0, 5), batches(open_images(tmp_path / "files"), 0, 5), strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.labels, other.labels)


def cut(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share) // 512 * 512 + 100])


def without_end(path: Path) -> None:
    path.write_bytes(path.read_bytes().rstrip(b"\0"))


def bad_header(path: Path) -> None:
    """A header in the middle, as a disk may lose it; tarfile takes it for the end."""
    content = bytearray(path.read_bytes())
    with tarfile.open(path) as archive:
        offset = archive.getmembers()[4].offset
    content[offset : offset + 40] = b"x" * 40
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    "damage", [lambda path: cut(path, 0.5), lambda path: cut(path, 0.02), without_end, bad_header], ids=range(4)
)
def test_a_damaged_shard_is_told_in_one_line(damage: Callable[[Path], None], root: Path) -> None:
    path = root / "imagenet-train-000001.tar"
    damage(path)
    with pytest.raises(
        UserError, match=r"imagenet-train-000001\.tar is cut short, damaged, or no uncompressed tar"
    ) as told:
        open_images(root)
    assert "\n" not in str(told.value)


def linked(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        for name in ("a.jpg", "a.cls"):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(member)


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "no class": (lambda path: write(path, sample(1, 8)[:1]), "'deep/000001.jpg' has no class beside it"),
    "no image": (lambda path: write(path, sample(1, 8)[1:]), "'deep/000001' has a class and no image"),
    "twice": (lambda path: write(path, sample(1, 8) * 2), "'deep/000001.jpg' is a second image of 'deep/000001'"),
    "two classes": (
        lambda path: write(path, [*sample(1, 8), sample(1, 9)[1]]),
        r"'deep/000001.cls' is there twice",
    ),
    "large class": (
        lambda path: write(path, [("a.jpg", b""), ("a.cls", bytes(2000))]),
        "has 2000 bytes, more than 1024",
    ),
    "odd class": (lambda path: write(path, [("a.jpg", b""), ("a.cls", b"a\0b")]), "which is no name and no whole"),
    "no text": (lambda path: write(path, [("a.jpg", b""), ("a.cls", b"\xff\xfe")]), "'a.cls' 'utf-8' codec"),
    "no JSON": (lambda path: write(path, [("a.jpg", b""), ("a.json", b"{")]), "'a.json' Expecting"),
    "links": (linked, "'a.jpg' is a link or another thing that is no plain file"),
    "nothing": (lambda path: write(path, [("a.txt", b"x")]), "holds no image with a class"),
    "no tar": (lambda path: path.write_bytes(b"x" * 5000), "cut short, damaged, or no uncompressed tar"),
    "another class": (lambda path: write(path, sample(50, 77)), "no shard of val has the class 77, which train has"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_in_a_shard(name: str, root: Path) -> None:
    spoil, words = WRONG[name]
    spoil(root / "imagenet-train-000001.tar")
    with pytest.raises(UserError, match=words):
        open_images(root)


def test_all_that_is_wrong_in_a_shard_is_told(root: Path) -> None:
    write(root / "imagenet-train-000001.tar", [sample(number, 8)[0] for number in range(13)])
    with pytest.raises(UserError, match=r"000000\.png.*000009\.png.*; and 3 more; write this shard anew"):
        open_images(root)


def test_a_damaged_image_is_named_with_its_shard(root: Path) -> None:
    path = root / "imagenet-train-000002.tar"
    data = open_images(root)
    place = next(place for place in range(len(data.train)) if data.train.source(place).archive == str(path))
    offset, size = data.train.source(place).offset, data.train.source(place).size
    content = bytearray(path.read_bytes())
    content[offset + size // 2 : offset + size] = bytes(size - size // 2)
    path.write_bytes(bytes(content))
    with pytest.raises(UserError, match=r"imagenet-train-000002\.tar/deep/000016\.jpg cannot be read as an image"):
        verify_images(open_images(root))


def test_a_shard_that_is_a_link_to_itself(root: Path) -> None:
    path = root / "imagenet-val-000000.tar"
    path.unlink()
    path.symlink_to(path)
    with pytest.raises(UserError, match=r"imagenet-val-000000\.tar cannot be read \(Too many levels"):
        open_images(root)


def test_compressed_shards_are_refused(root: Path) -> None:
    (root / "imagenet-train-000003.tar.gz").touch()
    with pytest.raises(UserError, match=r"train-000003\.tar\.gz is compressed, .* unpack it to \.tar"):
        open_images(root)


def test_archives_beside_class_folders_are_what_those_came_in(root: Path, write_image_folder: Any) -> None:
    for part in ("train", "val"):
        for number in range(2):
            path = root / part / f"class{number}" / "1.png"
            path.parent.mkdir(parents=True)
            path.write_bytes(encoded(number, "PNG"))
    write(root / "train" / "n01440764.tar", sample(1, 8))
    assert open_images(root).classes == ("class0", "class1")
