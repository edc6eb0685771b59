"""Boxes as other programs write them: COCO, CVAT, labelme, YOLO, and VOC's XML outside of a devkit."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from written_scenes import FORMATS

from campaigns.formats.format import Format
from campaigns.mutators.damage import DAMAGE
from campaigns.mutators.elements import xml_element
from campaigns.mutators.fields import json_field, yaml_field
from campaigns.mutators.mutation import BYTES, MISSING, TYPE, VALUE, WORDS, Mutator
from campaigns.mutators.words import JSON, LINES, XML, YAML, with_words
from transfer.data.scenes.check import check_scenes
from transfer.data.scenes.choice import scenes_of
from transfer.data.scenes.formats.known import recognise_scenes
from transfer.data.scenes.scene import Box, Scene

# Texts have no checksums; identifiers of COCO may be numbers or words, YOLO's names as well.
_FREE = (BYTES, VALUE, MISSING, WORDS, TYPE)
_BOXES = (Box(1, 2, 9, 8, "cat"), Box(3, 1, 12, 10, "dog"), Box(0, 0, 5, 5, "a bird"))
_PARTS = {
    part: [Scene(f"{part}{number}", (16, 12 + number), _BOXES[number:], "") for number in range(3)]
    for part in ("train", "val")
}


def _read(folder: Path) -> Any:
    """What a detector is trained on."""
    found = recognise_scenes(folder)
    if found is None:
        return "no folder of scenes"
    checked = [check_scenes(found, part, found.classes) for part in sorted(found.parts)]
    return found.what, found.classes, checked, [scenes_of(found, part).scenes for part in sorted(found.parts)]


def _format(name: str, written: str, victims: str, *mutators: Mutator) -> Format:
    write, _ = FORMATS[written]
    return Format(
        name,
        partial(write, parts=_PARTS),
        (victims,),
        _read,
        (*DAMAGE, *mutators),
        free=_FREE,
        command=lambda folder: ["tools/prepare_data.py", "check", str(folder)],
        named=("classes",),  # where none are left, the list of them is what is missing
    )


_JSON = (*[with_words(*JSON)] * 4, *[json_field] * 10)
_XML = (*[with_words(*XML)] * 4, *[xml_element] * 8)
_LINES = [with_words(*LINES)] * 8
SCENES = (
    _format("coco-json", "COCO", "annotations/*.json", *_JSON),
    _format("labelme-json", "labelme", "*/*.json", *_JSON),
    _format("cvat-xml", "CVAT", "annotations.xml", *_XML),
    _format("scene-xml", "Roboflow, VOC", "*/*.xml", *_XML),
    _format("scene-list", "XML in annotations", "*.txt", *_LINES),
    _format("yolo-labels", "YOLO by folders", "labels/*/*.txt", *_LINES),
    _format("yolo-yaml", "Roboflow, YOLO", "data.yaml", *[with_words(*YAML)] * 4, *[yaml_field] * 6),
    _format("yolo-list", "CVAT, YOLO", "*.txt", *_LINES),
)
