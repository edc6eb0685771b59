"""What ``check`` takes folders of other programs for, and the command that uses them."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from transfer.prepare.check import check_folder


@pytest.fixture
def image_folder(tmp_path: Path, write_files: Any, jpeg: Any) -> Path:
    names = [f"{split}/{name}/{number}.jpg" for split in ("train", "val") for name in "ab" for number in range(2)]
    return write_files(tmp_path / "folder", {name: jpeg(seed) for seed, name in enumerate(names)})


def shard(path: Path, numbers: Iterable[int]) -> None:
    with tarfile.open(path, "w") as archive:
        for number in numbers:
            stream = io.BytesIO()
            Image.new("RGB", (6, 5), (number, 0, 0)).save(stream, "PNG")
            for ending, content in (("png", stream.getvalue()), ("cls", str(number % 2).encode())):
                member = tarfile.TarInfo(f"{number}.{ending}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))


def test_shards(tmp_path: Path) -> None:
    shard(tmp_path / "train-0000.tar", range(4))
    shard(tmp_path / "val-0000.tar", range(4, 6))
    report = check_folder(tmp_path)
    assert (report.layout, report.faults) == ("WebDataset shards", [])
    assert [(split.name, split.images, split.per_class) for split in report.splits] == [
        ("train", 4, {"0": 2, "1": 2}),
        ("val", 2, {"0": 1, "1": 1}),
    ]
    assert report.command.startswith(f"python tools/train_cls.py --data {tmp_path} --network")
    (tmp_path / "val-0000.tar").unlink()
    assert f"--data {tmp_path} --split 0.2" in check_folder(tmp_path).command
    shard(tmp_path / "val-0000.tar", range(1, 3))
    assert "2 of the 2 images of val are images of train, too" in check_folder(tmp_path).faults[0]
    (tmp_path / "train-0000.tar").write_bytes(b"x" * 2000)
    report = check_folder(tmp_path)
    assert "train-0000.tar is cut short, damaged, or no uncompressed tar" in report.faults[0]
    assert (report.ready, report.command) == ([], "")


@pytest.mark.parametrize("measured", ["validation", "test", None])
def test_classes_as_others_lay_them_out(image_folder: Path, measured: str | None) -> None:
    if measured is None:
        shutil.rmtree(image_folder / "val")
    else:
        (image_folder / "val").rename(image_folder / measured)
    report = check_folder(image_folder)
    assert (report.layout, report.faults) == ("ImageFolder", [])
    assert [split.name for split in report.splits] == ["train", *([measured] if measured else [])]
    assert ("--split 0.2" in report.command) == (measured is None)


def test_an_imagefolder_of_hugging_face(image_folder: Path) -> None:
    for part in ("train", "val"):
        lines = ["file_name,label"]
        for path in sorted((image_folder / part).glob("*/*")):
            lines.append(f"{path.parent.name}{path.name},{path.parent.name}")
            path.rename(image_folder / part / f"{path.parent.name}{path.name}")
        for folder in [each for each in (image_folder / part).iterdir() if each.is_dir()]:
            folder.rmdir()
        (image_folder / part / "metadata.csv").write_text("\n".join(lines))
    report = check_folder(image_folder)
    assert (report.layout, report.faults) == ("an imagefolder with metadata, as Hugging Face exports it", [])
    assert report.ready == ["tools/train_cls.py"]


def test_boxes_whose_folder_has_masks_too(tmp_path: Path) -> None:
    for name, image in (("train", np.zeros((6, 8, 3), np.uint8)), ("val", np.ones((6, 8, 3), np.uint8))):
        labels = np.zeros((6, 8), np.uint8)
        labels[:, 4:] = 1
        for folder, content in ((f"{name}2017", image), (f"annotations/{name}2017", labels)):
            path = tmp_path / folder / "a_labelTrainIds.png"
            path.parent.mkdir(parents=True)
            Image.fromarray(content).save(path.with_name("a.png") if content is image else path)
        document = {
            "images": [{"id": 7, "file_name": "a.png", "width": 8, "height": 6}],
            "annotations": [{"id": 1, "image_id": 7, "category_id": 3, "bbox": [1, 1, 4, 4], "iscrowd": 0}],
            "categories": [{"id": 3, "name": "cat"}],
        }
        (tmp_path / "annotations" / f"instances_{name}2017.json").write_text(json.dumps(document))
    report = check_folder(tmp_path)
    assert (report.layout, report.faults) == ("COCO's JSON", [])
    (told,) = [remark for remark in report.remarks if "masks" in remark]
    assert "are COCO-Stuff in mmsegmentation's layout: python tools/transfer_seg.py seg_configs/" in told


def test_masks_without_a_part_to_measure_on(tmp_path: Path) -> None:
    """Undivided, in two folders or as index PNGs: the command holds a part out, and nothing is a fault."""
    for number in range(4):
        labels = np.zeros((6, 8), np.uint8)
        labels[:, 3:], labels[0, 0] = 1, 255
        for folder, suffix, content in (("images", "jpg", labels + np.uint8(number)), ("masks", "png", labels)):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(content).save(tmp_path / folder / f"{number}.{suffix}")
    (tmp_path / "classes.txt").write_text("left\nright\n")
    for name, listed in (("masks", None), ("annotations", None), ("annotations", "0\n1\n2\n")):
        (tmp_path / "masks").rename(tmp_path / name) if not (tmp_path / name).exists() else None
        if listed:
            (tmp_path / "train.txt").write_text(listed)
        report = check_folder(tmp_path)
        (split,) = report.splits
        assert (report.layout, report.faults) == ("images and masks of values", [])
        assert (split.name, split.images) == (("train", 3) if listed else ("all", 4))
        assert report.command.endswith(f"--data {tmp_path} --split 0.2 --out RUN_ON_IT")
        assert any("--split 0.2 holds a fifth of the images out" in remark for remark in report.remarks)
    (tmp_path / "valid.txt").write_text("3\n")
    assert "val.txt does not exist" in check_folder(tmp_path).faults[0]
