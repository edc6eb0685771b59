"""What the checks accept is what OpenMMLab's data sets then read."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import mmengine
import numpy as np
import pytest
from PIL import Image

from backbones.errors import UserError
from transfer.data.index_png import check_index_png
from transfer.data.voc import check_voc
from transfer.openmmlab import ops_bridge
from transfer.openmmlab.reading import read_as_checked

WIDTH, HEIGHT = 60, 40
BOX = "<bndbox><xmin>2</xmin><ymin>3</ymin><xmax>20</xmax><ymax>12</ymax></bndbox>"
PLAIN = f"<object><name>cat</name><difficult>0</difficult>{BOX}</object>"
# As programs for annotation write it: labelme leaves <difficult> empty, others record a size of 0 x 0.
ODD = (
    "<size><width>0</width><height>0</height></size>"
    f"<object><name> cat\n</name><difficult/>{BOX}</object>"
    f"<object><name>dog</name><difficult> 1 </difficult>{BOX}</object>"
)


@pytest.fixture(autouse=True)
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of its own, and OpenMMLab's own reading at first, whatever ran before; as it was afterwards."""
    monkeypatch.setenv("CARRYOVER_CACHE", str(tmp_path / "cache"))
    ops_bridge.install()
    from mmdet.datasets import xml_style

    monkeypatch.setattr(xml_style, "ET", ElementTree)
    for module in (xml_style, mmengine):
        monkeypatch.setattr(module, "list_from_file", mmengine.fileio.list_from_file)


@pytest.fixture
def devkit(tmp_path: Path) -> Path:
    year = tmp_path / "VOCdevkit" / "VOC2007"
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (year / folder).mkdir(parents=True)
    for name, objects in (("a", PLAIN), ("my photo", ODD)):
        Image.new("RGB", (WIDTH, HEIGHT), (9, 99, 199)).save(year / "JPEGImages" / f"{name}.jpg")
        (year / "Annotations" / f"{name}.xml").write_text(f"<annotation>{objects}</annotation>")
    (year / "ImageSets" / "Main" / "trainval.txt").write_bytes("\ufeffa \r\nmy photo\r\n".encode())
    return year.parent


def of_mmdet(devkit: Path) -> list[dict[str, Any]]:
    """What mmdet makes of the list for training."""
    from mmdet.datasets import VOCDataset

    dataset = VOCDataset(
        data_root=str(devkit),
        ann_file="VOC2007/ImageSets/Main/trainval.txt",
        data_prefix={"sub_data_root": "VOC2007/"},
        metainfo={"classes": ("cat", "dog")},
        filter_cfg={"filter_empty_gt": True, "min_size": 32},
        pipeline=[],
    )
    return [dataset.get_data_info(index) for index in range(len(dataset))]


def test_mmdet_reads_what_the_check_counts(devkit: Path) -> None:
    summary = check_voc(devkit, [("VOC2007", "trainval")], ("cat", "dog"))
    assert (summary.images, summary.objects, summary.difficult) == (2, {"cat": 2, "dog": 1}, {"cat": 0, "dog": 1})
    with pytest.raises((FileNotFoundError, TypeError)):
        of_mmdet(devkit)  # why its own reading will not do
    read_as_checked("mmdet")
    images = of_mmdet(devkit)
    assert [Path(image["img_path"]).name for image in images] == ["a.jpg", "my photo.jpg"]
    found = [(each["bbox_label"], each["ignore_flag"], each["bbox"]) for image in images for each in image["instances"]]
    box = [1, 2, 19, 11]
    assert found == [(0, 0, box), (0, 0, box), (1, 1, box)]
    assert (images[1]["width"], images[1]["height"]) == (WIDTH, HEIGHT)


def test_mmseg_reads_what_the_check_counts(tmp_path: Path) -> None:
    root = tmp_path / "own"
    for folder in ("images", "annotations"):
        (root / folder).mkdir(parents=True)
    for number, name in enumerate(("a", "my photo")):
        Image.new("RGB", (4, 2), (number, 99, 199)).save(root / "images" / f"{name}.jpg")
        Image.fromarray(np.array([[0, 1, 0, 255]] * 2, np.uint8)).save(root / "annotations" / f"{name}.png")
    (root / "train.txt").write_bytes("\ufeffa\nmy photo \n".encode())
    assert check_index_png(root, "images", "annotations", ("sky", "road"), "train.txt", False).images == 2
    from mmseg.datasets import BaseSegDataset

    def paths() -> list[str]:
        prefix = {"img_path": "images", "seg_map_path": "annotations"}
        dataset = BaseSegDataset(
            ann_file="train.txt",
            data_root=str(root),
            data_prefix=prefix,
            metainfo={"classes": ("sky", "road")},
            pipeline=[],
        )
        infos = [dataset.get_data_info(index) for index in range(len(dataset))]
        return [info[key] for info in infos for key in ("img_path", "seg_map_path")]

    assert not all(Path(path).is_file() for path in paths())  # why its own reading will not do
    read_as_checked("mmseg")
    assert len(paths()) == 4
    assert all(Path(path).is_file() for path in paths())


@pytest.mark.parametrize(("framework", "package"), [("mmdet", "mmdet"), ("mmseg", "mmsegmentation")])
def test_another_version_may_read_elsewhere_and_is_refused(
    framework: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transfer.openmmlab.reading.is_version", lambda name, expected: name != package)
    with pytest.raises(UserError, match=rf"^{package} \d+\.\d+\.\d+ is needed: "):
        read_as_checked(framework)
