"""A VOCdevkit: annotations, lists, photographs, names of classes."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from campaigns.formats.format import Format, digest, used_after_check
from campaigns.formats.pictures import noise
from campaigns.mutators.damage import DAMAGE
from campaigns.mutators.elements import xml_element
from campaigns.mutators.mutation import BYTES, MISSING, VALUE, WORDS
from campaigns.mutators.words import LINES, XML, with_words
from transfer.data.class_names import choose_classes
from transfer.data.voc import VOC_CLASSES, check_voc

_SIDE = 32
_SPLITS = [("VOC2007", "trainval"), ("VOC2007", "test")]
_FREE = (BYTES, VALUE, MISSING, WORDS)  # texts and JPEG files have no checksums
_OBJECT = """  <object><name>{name}</name><difficult>{difficult}</difficult><truncated>0</truncated>
    <bndbox><xmin>{low}</xmin><ymin>{low}</ymin><xmax>{high}</xmax><ymax>{high}</ymax></bndbox></object>
"""


def build_devkit(root: Path) -> None:
    """Four images of two classes."""
    year = root / "VOC2007"
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (year / folder).mkdir(parents=True)
    for number in range(4):
        noise(_SIDE, number).save(year / "JPEGImages" / f"00000{number}.jpg")
        objects = "".join(
            _OBJECT.format(name=name, difficult=difficult, low=3 + number, high=20 + number)
            for name, difficult in (("cat", 0), ("dog", number % 2))
        )
        size = f"<size><width>{_SIDE}</width><height>{_SIDE}</height><depth>3</depth></size>"
        text = f"<annotation><filename>00000{number}.jpg</filename>{size}\n{objects}</annotation>\n"
        (year / "Annotations" / f"00000{number}.xml").write_text(text)
    for split, numbers in (("trainval", (0, 1)), ("test", (2, 3))):
        text = "".join(f"00000{number}\n" for number in numbers)
        (year / "ImageSets" / "Main" / f"{split}.txt").write_text(text)
    (root / "classes.txt").write_text("cat\ndog\n")


def _read(folder: Path) -> Any:
    classes = choose_classes(folder, None, lambda: VOC_CLASSES)
    return used_after_check(
        lambda: [check_voc(folder, [pair], classes) for pair in _SPLITS], lambda: _as_mmdet_reads(folder, classes)
    )


def _as_mmdet_reads(folder: Path, classes: tuple[str, ...]) -> list[Any]:
    """What training gets of the devkit: objects of mmdet's own data set, and pixels as OpenCV decodes them."""
    import cv2

    found = []
    for year, split in _SPLITS:
        data = _voc_dataset()(
            data_root=str(folder),
            ann_file=f"{year}/ImageSets/Main/{split}.txt",
            data_prefix=dict(sub_data_root=f"{year}/"),
            metainfo=dict(classes=classes),
            serialize_data=False,
        )
        for entry in data:
            pixels = cv2.imdecode(np.fromfile(entry["img_path"], np.uint8), cv2.IMREAD_COLOR)
            if pixels is None:
                raise RuntimeError(f"OpenCV decodes no image in {entry['img_path']}")
            if pixels.shape[:2] != (entry["height"], entry["width"]):
                raise RuntimeError(f"mmdet takes {entry['img_path']} to be of another size than OpenCV")
            objects = [[each["bbox"], each["bbox_label"], each["ignore_flag"]] for each in entry["instances"]]
            found.append((Path(entry["img_path"]).name, objects, digest(pixels)))
    return found


@cache
def _voc_dataset() -> Any:
    from transfer.openmmlab import ops_bridge

    ops_bridge.install()  # before mmdet, which cannot be imported without mmcv's ops
    from mmdet.datasets import VOCDataset

    from transfer.openmmlab.reading import read_as_checked

    read_as_checked("mmdet")  # as every transfer does
    return VOCDataset


def _check(folder: Path) -> list[str]:
    return ["tools/prepare_data.py", "check", str(folder)]


def _format(name: str, victim: str, *mutators: Any) -> Format:
    _voc_dataset()
    return Format(name, build_devkit, (victim,), _read, mutators, free=_FREE, command=_check)


def formats() -> tuple[Format, ...]:
    """The files of a devkit. Imports mmdet."""
    xml = with_words(*XML)
    lines = with_words(*LINES)
    return (
        _format("voc-xml", "VOC2007/Annotations/*.xml", *DAMAGE, xml, xml, xml, *[xml_element] * 6),
        _format("voc-list", "VOC2007/ImageSets/Main/*.txt", *DAMAGE, *[lines] * 6),
        _format("voc-jpeg", "VOC2007/JPEGImages/*.jpg", *DAMAGE),
        _format("voc-classes", "classes.txt", *DAMAGE, *[lines] * 6),
    )
