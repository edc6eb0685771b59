"""Every image is decoded before anything trains, and only once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
from PIL import Image
from pytest import MonkeyPatch, fixture, mark, raises, warns

from backbones.data import decoding
from backbones.data.decoded_images import KnownImages
from backbones.data.folders import image_folder
from backbones.data.folders.image_folder import ImageFolder, open_image_folder, verify_images
from backbones.data.jpeg import scan as jpeg_scan
from backbones.errors import UserError


@fixture(autouse=True)
def records(tmp_path: Path, monkeypatch: MonkeyPatch) -> Path:
    monkeypatch.setenv("CARRYOVER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "images"


@fixture
def root(make_image_folder: Callable[..., Path]) -> Path:
    return make_image_folder(classes=2, train=4, val=3)


@fixture
def decoded(monkeypatch: MonkeyPatch) -> list[str]:
    """Paths of the images that were decoded, below ``train`` and ``val``."""
    seen = []

    def look(path: str) -> str | None:
        seen.append("/".join(path.split("/")[-3:]))
        return decoding.what_is_wrong(path)

    monkeypatch.setattr(image_folder, "what_is_wrong", look)
    return seen


def everything(folder: ImageFolder) -> list[str]:
    return [
        f"{split.root.name}/{os.fsdecode(name)}"
        for split in (folder.train, folder.val)
        for name in split.files.tolist()
    ]


def test_each_image_is_decoded_once_in_its_life(root: Path, decoded: list[str]) -> None:
    folder = open_image_folder(root)
    verify_images(folder)
    assert decoded == everything(folder)
    assert len(decoded) == 14
    verify_images(open_image_folder(root))
    assert len(decoded) == 14


CHANGED = "train/class1/2.png"


def change(root: Path, how: str) -> str:
    """Change one image, and return what must be looked at again."""
    path = root / CHANGED
    if how == "added":
        shutil.copy(path, path.with_name("1x.png"))
        return "train/class1/1x.png"
    if how == "renamed":
        path.rename(path.with_name("9.png"))
        return "train/class1/9.png"
    status = path.stat()
    content = path.read_bytes()
    if how == "same size and mtime":
        path.unlink()
        path.write_bytes(content)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert path.stat().st_mtime_ns == status.st_mtime_ns
    else:
        path.write_bytes(content + b" ")
    return CHANGED


@mark.parametrize("how", ["added", "renamed", "same size and mtime", "another size"])
def test_only_what_changed_is_decoded_again(root: Path, decoded: list[str], how: str) -> None:
    verify_images(open_image_folder(root))
    decoded.clear()
    again = change(root, how)
    verify_images(open_image_folder(root))
    assert decoded == [again]
    verify_images(open_image_folder(root))
    assert decoded == [again]


def test_a_removed_image_changes_nothing_for_the_others(root: Path, decoded: list[str]) -> None:
    verify_images(open_image_folder(root))
    decoded.clear()
    (root / CHANGED).unlink()
    verify_images(open_image_folder(root))
    assert decoded == []


@mark.parametrize("what", [decoding, jpeg_scan, "Pillow"])
def test_another_decoder_looks_at_everything(
    root: Path, decoded: list[str], monkeypatch: MonkeyPatch, tmp_path: Path, what: ModuleType | str
) -> None:
    verify_images(open_image_folder(root))
    if what == "Pillow":
        monkeypatch.setattr("PIL.__version__", "0.1")
    else:
        source = tmp_path / "changed.py"
        source.write_text(Path(what.__file__).read_text() + "# changed\n")
        monkeypatch.setattr(what, "__file__", str(source))
    verify_images(open_image_folder(root))
    assert len(decoded) == 28


def spoil(root: Path, *names: str) -> list[Path]:
    paths = [root / name for name in names]
    for path in paths:
        path.write_bytes(path.read_bytes()[:-60])
    return paths


def test_one_bad_image_is_named_and_good_ones_are_remembered(root: Path, decoded: list[str]) -> None:
    (bad,) = spoil(root, CHANGED)
    with raises(UserError) as caught:
        verify_images(open_image_folder(root))
    assert str(caught.value).startswith(f"{bad} cannot be read as an image (")
    assert str(caught.value).endswith("; replace or remove it")
    decoded.clear()
    with raises(UserError, match="cannot be read as an image"):
        verify_images(open_image_folder(root))
    assert decoded == [CHANGED]
    bad.unlink()
    verify_images(open_image_folder(root))
    assert decoded == [CHANGED]


def test_several_bad_images_are_one_error(root: Path, records: Path) -> None:
    names = [
        f"{split}/class{label}/{number}.png" for split in ("train", "val") for label in (0, 1) for number in (0, 2)
    ]
    bad = spoil(root, *names[:3])
    with raises(UserError) as caught:
        verify_images(open_image_folder(root))
    assert str(caught.value).startswith(f"{bad[0]} cannot be read as an image (")
    assert str(caught.value).endswith(f"; nor can 2 others: {bad[1]}, {bad[2]}. Replace or remove them")
    bad += spoil(root, *names[3:])
    with raises(UserError) as caught:
        verify_images(open_image_folder(root))
    (listed,) = records.glob("*.txt")
    shown = ", ".join(map(str, bad[1:5]))
    assert f"nor can 7 others: {shown} and 3 more (all are listed in {listed}). Replace" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert listed.read_text().splitlines() == list(map(str, bad))


def test_processes_find_what_one_process_finds(tmp_path: Path) -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8))
    for name in ("train/a", "train/b", "val/a", "val/b"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(80):
            image.save(tmp_path / "data" / name / f"{number:02}.jpg")
    bad = spoil(tmp_path / "data", "train/b/33.jpg", "val/a/79.jpg")
    messages = set()
    for workers in (1, 2):
        with raises(UserError) as caught:
            verify_images(open_image_folder(tmp_path / "data"), workers)
        messages.add(str(caught.value))
        shutil.rmtree(tmp_path / "cache")
    (message,) = messages
    assert message.startswith(str(bad[0]))
    assert f"1 other: {bad[1]}." in message


@mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"\x93NUMPY"])
def test_a_damaged_record_is_no_record(root: Path, decoded: list[str], records: Path, content: bytes) -> None:
    verify_images(open_image_folder(root))
    for record in records.iterdir():
        record.write_bytes(content)
    verify_images(open_image_folder(root))
    assert len(decoded) == 28
    verify_images(open_image_folder(root))
    assert len(decoded) == 28


def test_an_unwritable_cache_only_warns(root: Path, tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CARRYOVER_CACHE", str(tmp_path / "file"))
    with warns(UserWarning, match="will decode .* again"):
        verify_images(open_image_folder(root))


def test_what_is_known_does_not_depend_on_the_order_of_the_record(tmp_path: Path) -> None:
    files = np.array([b"b b/1.png", b"b/1.png", b"a/10.png", b"a/9.png"])
    sizes, changed = np.arange(4), np.arange(4) + 7
    known = KnownImages(tmp_path, tmp_path / "record", files, sizes, changed)
    asked = np.array([b"a/9.png", b"a/nine.png", b"b/1.png", b"zzz/longer than any.png", b"b b/1.png"])
    assert known.contain(asked, np.array([3, 3, 1, 0, 0]), np.array([10, 10, 8, 7, 7])).tolist() == [
        True,
        False,
        True,
        False,
        True,
    ]
    assert not known.contain(files, sizes + 1, changed).any()
    assert not known.contain(files, sizes, changed + 1).any()


def test_an_interrupted_check_goes_on_where_it_was(root: Path, decoded: list[str], monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr(image_folder, "_REMEMBERED_AT_ONCE", 3)
    look = image_folder.what_is_wrong

    def interrupted(path: str) -> str | None:
        if len(decoded) == 7:
            raise KeyboardInterrupt
        return look(path)

    with monkeypatch.context() as patch:
        patch.setattr(image_folder, "what_is_wrong", interrupted)
        with raises(KeyboardInterrupt):
            verify_images(open_image_folder(root))
    folder = open_image_folder(root)
    verify_images(folder)
    assert decoded == everything(folder)[:7] + everything(folder)[6:]
