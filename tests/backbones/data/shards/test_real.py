"""Real photographs in shards and in tables give what they give in folders of classes."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from backbones.data.decoding import decode_pixels
from backbones.data.folders.folder_parts import open_images
from backbones.data.folders.image_folder import verify_images
from backbones.data.folders.image_split import ImageFolder

pytestmark = pytest.mark.realdata
CLASSES = 3


def paths(tiny_imagenet: Path, part: str) -> list[Path]:
    """Every second image of some classes, in turn."""
    folders = sorted(each for each in (tiny_imagenet / part).iterdir() if each.is_dir())[:CLASSES]
    return [path for group in zip(*(sorted(each.iterdir())[::2] for each in folders), strict=True) for path in group]


def as_folders(root: Path, part: str, images: list[Path]) -> None:
    for path in images:
        folder = root / {"val": "validation"}.get(part, part) / path.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / path.name).write_bytes(path.read_bytes())


def as_shards(root: Path, part: str, images: list[Path]) -> None:
    for shard in range(2):
        with tarfile.open(root / f"tiny-{part}-{shard:06d}.tar", "w") as archive:
            for path in images[shard::2]:
                label = root / f"{path.stem}.cls"
                label.write_text(path.parent.name)
                archive.add(path, f"{path.stem}.JPEG")
                archive.add(label, label.name)
                label.unlink()


def as_metadata(root: Path, part: str, images: list[Path]) -> None:
    (root / part).mkdir()
    lines = []
    for path in images:
        (root / part / path.name).write_bytes(path.read_bytes())
        lines.append(json.dumps({"file_name": path.name, "label": path.parent.name}))
    (root / part / "metadata.jsonl").write_text("\n".join(lines))


def as_table(root: Path, part: str, images: list[Path]) -> None:
    for path in images:
        (root / path.name).write_bytes(path.read_bytes())
    lines = [f"{path.name},{path.parent.name}" for path in images]
    (root / f"{part}.csv").write_text("\n".join(["path,label", *lines]))


def content(data: ImageFolder) -> dict[str, tuple[str, int]]:
    found = {}
    for split in (data.train, data.val):
        for place in range(len(split)):
            pixels = decode_pixels(split.source(place))
            name = f"{split is data.train} {Path(split.path(place)).stem}"
            found[name] = (data.classes[split.labels[place]], int(np.abs(pixels.astype(np.int64)).sum()))
    return found


@pytest.mark.parametrize("write", [as_folders, as_shards, as_metadata, as_table])
def test_tiny_imagenet(write: object, tiny_imagenet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert callable(write)
    monkeypatch.setenv("CARRYOVER_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "data"
    root.mkdir()
    expected = {}
    for part in ("train", "val"):
        images = paths(tiny_imagenet, part)
        write(root, part, images)
        for path in images:
            pixels = decode_pixels(path).astype(np.int64)
            expected[f"{part == 'train'} {path.stem}"] = (path.parent.name, int(pixels.sum()))
    data = open_images(root)
    verify_images(data)
    assert len(expected) == 3 * (75 + 20)
    assert content(data) == expected
