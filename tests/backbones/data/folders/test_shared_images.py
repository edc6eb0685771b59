"""Images in two splits: found by their bytes, named, remembered."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backbones.data.folders import shared_images as module
from backbones.data.folders.image_folder import open_image_folder
from backbones.data.folders.shared_images import SplitImages, count_shared, describe_shared, shared_images
from backbones.data.folders.verification import FileStamp
from backbones.errors import UserError

Contents = dict[str, bytes]


@pytest.fixture(autouse=True)
def private_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CARRYOVER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "shared"


def split_of(root: Path, name: str, contents: Contents) -> SplitImages:
    """Files of one split, written."""
    stamps = []
    for file, content in contents.items():
        path = root / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        stamps.append(FileStamp(f"{name}/{file}", len(content), path.stat().st_ctime_ns))
    return SplitImages.of_stamps(name, root, stamps)


def slow_reference(first: Contents, second: Contents) -> Iterator[tuple[str, str]]:
    """Each image of the second with the first equal one of the first, by comparing all with all."""
    for there, content in second.items():
        for here, other in first.items():
            if content == other:
                yield f"train/{here}", f"val/{there}"
                break


# Longer than what is peeked at, with differences at the ends only: equal middles must not be taken for equality.
LONG = st.builds(
    lambda head, tail: head + bytes(6000) + tail, st.sampled_from([b"a", b"b"]), st.sampled_from([b"", b"c"])
)
FILES = st.dictionaries(st.sampled_from("pqrstu"), st.one_of(st.binary(max_size=2), LONG), min_size=1, max_size=6)


@settings(deadline=None, max_examples=60)
@given(first=FILES, second=FILES)
def test_found_as_by_comparing_all_with_all(
    tmp_path_factory: pytest.TempPathFactory, first: Contents, second: Contents
) -> None:
    root = tmp_path_factory.mktemp("splits")
    train, val = split_of(root, "train", first), split_of(root, "val", second)
    assert shared_images(train, val) == list(slow_reference(first, second))


def test_only_files_of_one_size_are_opened_and_then_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, private_cache: Path
) -> None:
    train = split_of(tmp_path, "train", {"a": b"12", "b": b"345", "c": b"6789"})
    val = split_of(tmp_path, "val", {"a": b"67890", "b": b"xyz", "c": b"12"})
    opened: list[str] = []
    peek = module._peek
    monkeypatch.setattr(module, "_peek", lambda path: (opened.append(os.path.relpath(path, tmp_path)), peek(path))[1])
    assert shared_images(train, val) == [("train/a", "val/c")]
    assert sorted(opened) == ["train/a", "train/b", "val/b", "val/c"]
    opened.clear()
    assert shared_images(train, val) == [("train/a", "val/c")]
    assert opened == []
    (record,) = private_cache.iterdir()
    for damage in ("", "{}", '{"shared": [[7, 9]]}', '{"shared": 3}'):
        record.write_text(damage)
        assert shared_images(train, val) == [("train/a", "val/c")]
    again = split_of(tmp_path, "val", {"a": b"67890", "b": b"xyz", "c": b"13"})
    assert shared_images(train, again) == []


def test_ten_are_named_and_the_others_counted(tmp_path: Path) -> None:
    contents = {f"{number:02}": bytes([number]) for number in range(12)}
    train, val = split_of(tmp_path, "train", contents), split_of(tmp_path, "val", contents)
    said = describe_shared(train, val, shared_images(train, val))
    assert said.startswith("12 of the 12 images of val are images of train, too: val/00 (there train/00), val/01 ")
    assert said.endswith("val/09 (there train/09) and 2 more")


def test_refused_unless_allowed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train, val = split_of(tmp_path, "train", {"a": b"1"}), split_of(tmp_path, "val", {"b": b"1", "c": b"2"})
    with pytest.raises(UserError, match=r"1 of the 2 images of val is an image of train, too: .*--allow-shared-images"):
        count_shared(train, val, allowed=False)
    assert count_shared(train, val, allowed=True) == 1
    assert capsys.readouterr().out.startswith(f"note: {tmp_path}: 1 of the 2 images")
    other = split_of(tmp_path, "other", {"a": b"3"})
    assert count_shared(train, other, allowed=False) == 0
    assert capsys.readouterr().out == ""


def test_a_file_that_has_gone(tmp_path: Path) -> None:
    train, val = split_of(tmp_path, "train", {"a": b"1"}), split_of(tmp_path, "val", {"b": b"1"})
    (tmp_path / "val" / "b").unlink()
    with pytest.raises(UserError, match="val/b cannot be read"):
        shared_images(train, val)


def test_those_of_an_image_folder(make_image_folder: Callable[..., Path]) -> None:
    data = make_image_folder(classes=2, train=3, val=2)
    (data / "val/class1/0.png").write_bytes((data / "train/class0/1.png").read_bytes())
    folder = open_image_folder(data)
    found = shared_images(SplitImages.of_folder(folder.train), SplitImages.of_folder(folder.val))
    assert found == [("train/class0/1.png", "val/class1/0.png")]
