"""The layouts of the made-up data set, read by others and by the checks before a training."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from torchvision.datasets import ImageFolder, VOCDetection

from backbones.data.shapes import OBJECT_CLASSES, STUFF_CLASSES, make_shapes
from transfer.data.class_names import read_classes
from transfer.data.index_png import check_index_png
from transfer.data.voc import check_voc

IMAGES, SIZE = 60, 48  # of the fixture


def test_image_folder_is_balanced(shapes: Path) -> None:
    for split, count in (("train", IMAGES), ("val", IMAGES // 4)):
        data = ImageFolder(str(shapes / "classification" / split))
        assert tuple(data.classes) == tuple(sorted(OBJECT_CLASSES))
        counts = Counter(data.targets)
        assert counts.total() == count
        assert max(counts.values()) - min(counts.values()) <= 1
        assert data[0][0].size == (SIZE, SIZE)


def test_validation_holds_every_class_however_small(tmp_path: Path) -> None:
    root = make_shapes(tmp_path / "small", 10, 32, layouts=["classification"])
    assert set(Counter(ImageFolder(str(root / "classification" / "val")).targets).values()) == {1}


def test_voc_layout_is_read_by_torchvision(shapes: Path) -> None:
    train = VOCDetection(str(shapes), year="2007", image_set="trainval")
    assert len(train) == IMAGES
    image, target = train[3]
    annotation = target["annotation"]
    assert image.size == (int(annotation["size"]["width"]), int(annotation["size"]["height"])) == (SIZE, SIZE)
    assert annotation["filename"] == "000004.jpg"
    assert annotation["object"][0]["name"] == OBJECT_CLASSES[3]


def test_voc_layout_passes_the_check_before_training(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARRYOVER_CACHE", str(tmp_path))
    devkit = shapes / "VOCdevkit"
    classes = read_classes(devkit / "classes.txt")
    assert classes == OBJECT_CLASSES
    for split, count in (("trainval", IMAGES), ("test", IMAGES // 4)):
        summary = check_voc(devkit, [("VOC2007", split)], classes)
        assert summary.images == count
        assert summary.images_without_objects == 0
        assert min(summary.objects.values()) > 0


def test_ade_layout_passes_the_check_before_training(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARRYOVER_CACHE", str(tmp_path))
    root = shapes / "ADEChallengeData2016"
    classes = read_classes(root / "classes.txt")
    assert classes == OBJECT_CLASSES + STUFF_CLASSES
    for split, count in (("training", IMAGES), ("validation", IMAGES // 4)):
        summary = check_index_png(root, f"images/{split}", f"annotations/{split}", classes)
        assert summary.images == count
        assert min(summary.pixels.values()) > 0
        assert 0.01 < summary.unlabelled_share < 0.4
