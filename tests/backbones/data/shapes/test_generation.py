"""The made-up data set: equal bytes for equal arguments, all or nothing, made once."""

from __future__ import annotations

import hashlib
import json
import os
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from backbones.data.shapes import LAYOUTS, cached_shapes, difficulty, generation, image_count, make_shapes
from backbones.errors import UserError

IMAGES, SIZE = 60, 48  # of the fixture


# Same bytes


def test_worker_count_and_repetition_change_no_byte(
    shapes: Path, tmp_path: Path, tree_bytes: Callable[[Path], dict[str, bytes]]
) -> None:
    again = make_shapes(tmp_path / "again", IMAGES, SIZE, workers=2)
    assert tree_bytes(again) == tree_bytes(shapes)


def test_another_seed_changes_every_image(
    shapes: Path, tmp_path: Path, tree_bytes: Callable[[Path], dict[str, bytes]]
) -> None:
    other = tree_bytes(make_shapes(tmp_path / "other", IMAGES, SIZE, seed=1, layouts=["detection"]))
    first = tree_bytes(shapes)
    images = [name for name in other if name.endswith(".jpg")]
    assert images
    assert all(other[name] != first[name] for name in images)


def test_no_image_occurs_twice(shapes: Path, tree_bytes: Callable[[Path], dict[str, bytes]]) -> None:
    contents = [content for name, content in tree_bytes(shapes).items() if name.endswith(".jpg")]
    assert len(contents) == image_count(IMAGES) == 3 * (60 + 15)
    assert len(set(contents)) == len(contents)


def test_a_layout_does_not_depend_on_the_others(
    shapes: Path, tmp_path: Path, tree_bytes: Callable[[Path], dict[str, bytes]]
) -> None:
    alone = tree_bytes(make_shapes(tmp_path / "alone", IMAGES, SIZE, layouts=["segmentation"]))
    del alone["shapes.json"]
    assert alone.items() <= tree_bytes(shapes).items()
    assert not (tmp_path / "alone" / "VOCdevkit").exists()


def test_digest_covers_names_and_contents(shapes: Path, tree_bytes: Callable[[Path], dict[str, bytes]]) -> None:
    files = tree_bytes(shapes)
    description = json.loads(files.pop("shapes.json"))
    total = sum(
        int(hashlib.sha256(f"{name}\0{hashlib.sha256(content).hexdigest()}".encode()).hexdigest(), 16)
        for name, content in files.items()
    )
    assert description["sha256"] == f"{total % 2**256:064x}"
    assert description["generator_version"] == generation.GENERATOR_VERSION
    assert description["arguments"] == {"images": IMAGES, "size": SIZE, "seed": 0, "layouts": list(LAYOUTS)}
    assert description["difficulty"]["NOISE"] == difficulty.NOISE


# All or nothing


@pytest.mark.parametrize("workers", [1, 2])
def test_interruption_leaves_nothing(tmp_path: Path, workers: int) -> None:
    seen = []

    def interrupt(count: int) -> None:
        seen.extend(path.name for path in tmp_path.iterdir())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_shapes(tmp_path / "data", 200, 32, workers=workers, progress=interrupt)
    assert len(seen) == 1
    assert seen[0] != "data"  # there was something to clean up, under another name
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_one_clear_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(UserError, match=r"cannot write .*data.*No space left"):
        make_shapes(tmp_path / "data", 10, 32)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_stays_untouched(tmp_path: Path, tree_bytes: Callable[[Path], dict[str, bytes]]) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="folder exists and is not empty"):
        make_shapes(tmp_path / "folder", 10, 32)
    with pytest.raises(UserError, match="file exists and is not a folder"):
        make_shapes(tmp_path / "file", 10, 32)
    assert tree_bytes(tmp_path) == {"folder/mine.txt": b"mine", "file": b"mine"}


def test_folder_filled_meanwhile_is_not_overwritten(
    tmp_path: Path, tree_bytes: Callable[[Path], dict[str, bytes]]
) -> None:
    target = tmp_path / "data"

    def intrude(count: int) -> None:
        target.mkdir(exist_ok=True)
        (target / "mine.txt").write_text("mine")

    with pytest.raises(UserError, match="cannot write"):
        make_shapes(target, 10, 32, layouts=["detection"], progress=intrude)
    assert tree_bytes(tmp_path) == {"data/mine.txt": b"mine"}


def test_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    assert make_shapes(tmp_path / "data", 10, 32, layouts=["detection"]) == tmp_path / "data"
    assert (tmp_path / "data" / "shapes.json").is_file()


@pytest.mark.parametrize("cached", [True, False])
def test_what_a_killed_process_left_is_removed_after_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cached: bool
) -> None:
    monkeypatch.setenv("CARRYOVER_CACHE", str(tmp_path))
    target = "shapes-0123456789ab" if cached else "data"
    old, busy, fresh = (tmp_path / f".{target}.{token * 8}.part" for token in "abc")
    others = tmp_path / ".mine.aaaaaaaa.part", tmp_path / f".{target}.long-name.part"
    long_ago = time.time() - 25 * 60 * 60
    for folder in (old, busy, fresh, *others):
        (folder / "inside").mkdir(parents=True)
        (folder / "inside" / "image").write_bytes(b"half")
    for folder in (old, old / "inside", busy, *others):  # in busy, a file was written below a moment ago
        os.utime(folder, (long_ago, long_ago))
    (tmp_path / f".{target}.dddddddd.part").write_text("a file, not ours")
    if cached:
        cached_shapes(10, 32, layouts=["detection"])
    else:
        make_shapes(tmp_path / "data", 10, 32, layouts=["detection"])
    assert not old.exists()
    assert all((folder / "inside" / "image").is_file() for folder in (busy, fresh, *others))
    assert (tmp_path / f".{target}.dddddddd.part").is_file()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": 5}, "images is 5"),
        ({"size": 31}, "size is 31"),
        ({"seed": -1}, "seed is -1"),
        ({"workers": 0}, "workers is 0"),
        ({"layouts": ["detection", "depth"]}, "unknown layout depth; layouts are classification, detection"),
        ({"layouts": []}, "unknown layout"),
    ],
)
def test_arguments_out_of_range(tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_shapes(**{"out": tmp_path / "data", "images": 10, "size": 32, **change})
    assert list(tmp_path.iterdir()) == []


def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path) -> None:
    def peak(images: int) -> int:
        tracemalloc.start()
        make_shapes(tmp_path / str(images), images, 32, layouts=["detection"])
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(20)  # fills the caches
    assert peak(200) < peak(40) + 100_000  # the pixels of 200 more images are 600,000 bytes


# Cache


def test_cache_makes_once_and_tells_arguments_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARRYOVER_CACHE", str(tmp_path))
    first = cached_shapes(10, 32, layouts=["detection"])
    assert first.parent == tmp_path
    assert first.name.startswith("shapes-")
    made = (first / "shapes.json").stat().st_mtime_ns
    assert cached_shapes(10, 32, layouts=["detection"], workers=2) == first
    assert (first / "shapes.json").stat().st_mtime_ns == made
    assert cached_shapes(10, 32, seed=1, layouts=["detection"]) != first
    with monkeypatch.context() as patch:
        patch.setattr(difficulty, "NOISE", difficulty.NOISE + 1)
        assert cached_shapes(10, 32, layouts=["detection"]) != first
    monkeypatch.setattr(generation, "GENERATOR_VERSION", generation.GENERATOR_VERSION + 1)
    assert cached_shapes(10, 32, layouts=["detection"]) != first


def test_cache_takes_what_a_faster_process_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARRYOVER_CACHE", str(tmp_path))

    def overtake(count: int) -> None:
        if not any(tmp_path.glob("shapes-*")):
            cached_shapes(10, 32, layouts=["detection"])

    folder = cached_shapes(10, 32, layouts=["detection"], progress=overtake)
    assert list(tmp_path.iterdir()) == [folder]
    assert (folder / "shapes.json").is_file()
