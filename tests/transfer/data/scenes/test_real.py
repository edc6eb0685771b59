"""Real photographs in the formats of other programs give the boxes that their VOCdevkit gives."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from transfer.data.scenes.check import check_scenes
from transfer.data.scenes.choice import scenes_of
from transfer.data.scenes.formats.known import recognise_scenes
from transfer.data.scenes.scene import Part, Scene, SceneFolder
from transfer.data.voc import VOC_CLASSES, check_voc

pytestmark = pytest.mark.realdata


@pytest.fixture(autouse=True)
def private_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARRYOVER_CACHE", str(tmp_path / "cache"))


def taken(root: Path) -> SceneFolder:
    found = recognise_scenes(root)
    assert found is not None
    return found


def as_coco(root: Path, scenes: list[Scene]) -> None:
    images, annotations = [], []
    for scene in scenes:
        images.append({"id": len(images), "file_name": Path(scene.image).name})
        images[-1] |= {"width": scene.size[0], "height": scene.size[1]}
        for x1, y1, x2, y2, name, ignored in scene.boxes:
            box = {"bbox": [x1, y1, x2 - x1, y2 - y1], "iscrowd": int(ignored), "category_id": VOC_CLASSES.index(name)}
            annotations.append({"id": len(annotations), "image_id": len(images) - 1, **box})
    categories = [{"id": number, "name": name} for number, name in enumerate(VOC_CLASSES)]
    text = json.dumps({"images": images, "annotations": annotations, "categories": categories})
    (root / "_annotations.coco.json").write_text(text)


def test_voc_in_folders_as_roboflow_has_them_and_as_coco(voc2007_subset: Path, tmp_path: Path) -> None:
    devkit = voc2007_subset / "VOCdevkit"
    year = devkit / "VOC2007"
    summary = check_voc(devkit, [("VOC2007", "trainval")], VOC_CLASSES)
    for part, listed in (("train", "trainval"), ("valid", "test")):
        for folder in ("flat", "coco"):
            (tmp_path / folder / part).mkdir(parents=True)
        for name in (year / "ImageSets" / "Main" / f"{listed}.txt").read_text().split():
            for source, target in ((f"JPEGImages/{name}.jpg", "flat"), (f"Annotations/{name}.xml", "flat")):
                shutil.copy(year / source, tmp_path / target / part)
            shutil.copy(year / "JPEGImages" / f"{name}.jpg", tmp_path / "coco" / part)
        flat: Part = taken(tmp_path / "flat").parts[{"valid": "val"}.get(part, part)]
        as_coco(tmp_path / "coco" / part, flat.read().scenes)
    for name in ("flat", "coco"):
        folder = taken(tmp_path / name)
        found = check_scenes(folder, "train", VOC_CLASSES)
        assert (found.images, found.objects, found.ignored) == (summary.images, summary.objects, summary.difficult)
        assert len(scenes_of(folder, "val").scenes) == 300
