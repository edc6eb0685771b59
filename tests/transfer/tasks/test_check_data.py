"""What a transfer refuses and tells of its data before it trains."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from backbones.data.shapes import make_shapes
from backbones.errors import UserError
from transfer.data.class_names import read_classes
from transfer.tasks.detection import check_data as check_detection
from transfer.tasks.segmentation import check_data as check_segmentation

DEVKIT, ADE = "VOCdevkit", "ADEChallengeData2016"
Check = Callable[..., dict[str, Any]]


def detection(root: Path) -> Config:
    """What the check reads of a protocol."""
    year = {"data_root": str(root / DEVKIT), "data_prefix": {"sub_data_root": "VOC2007/"}}
    return loaders(*({**year, "ann_file": f"VOC2007/ImageSets/Main/{name}.txt"} for name in ("trainval", "test")))


def segmentation(root: Path) -> Config:
    """The same, of ADE20K's layout."""
    return loaders(
        *(
            {
                "data_root": str(root / ADE),
                "data_prefix": {"img_path": f"images/{name}", "seg_map_path": f"annotations/{name}"},
                "reduce_zero_label": True,
            }
            for name in ("training", "validation")
        )
    )


def loaders(train: dict[str, Any], test: dict[str, Any]) -> Config:
    return Config({"train_dataloader": {"dataset": train}, "test_dataloader": {"dataset": test}})


TASKS = {"detection": (check_detection, detection, DEVKIT), "segmentation": (check_segmentation, segmentation, ADE)}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CARRYOVER_CACHE", str(tmp_path / "cache"))
    return make_shapes(tmp_path / "data", images=10, size=48, layouts=("detection", "segmentation"))


def checked(task: str, data: Path, allow_shared_images: bool = False) -> dict[str, Any]:
    check, config, folder = TASKS[task]
    return check(config(data), read_classes(data / folder / "classes.txt"), allow_shared_images)


@pytest.mark.parametrize("task", TASKS)
def test_shared_images_are_refused_and_when_allowed_recorded(task: str, data: Path) -> None:
    assert "shared_images" not in checked(task, data)
    assert checked(task, data, allow_shared_images=True)["shared_images"] == 0
    if task == "detection":
        lists = data / DEVKIT / "VOC2007/ImageSets/Main"
        (lists / "test.txt").write_text((lists / "trainval.txt").read_text())
        count = len((lists / "trainval.txt").read_text().split())
    else:
        (image,) = list((data / ADE / "images/validation").iterdir())[:1]
        count = 1
        image.write_bytes(next((data / ADE / "images/training").iterdir()).read_bytes())
    with pytest.raises(UserError, match=f"{count} of the .* images of the test set .* of the training set, too: "):
        checked(task, data)
    assert checked(task, data, allow_shared_images=True)["shared_images"] == count


def test_a_second_class_written_as_ignored_is_no_class(data: Path) -> None:
    """Two classes as 0 and 255: every answer would be right, and the mean IoU 100 %."""
    for path in (data / ADE / "annotations").rglob("*.png"):
        labels = np.asarray(Image.open(path)).copy()
        labels[labels > 1] = 255
        Image.fromarray(labels).save(path)
    with pytest.raises(UserError, match=r"alone of .* classes.*255 names none"):
        checked("segmentation", data)


@pytest.mark.parametrize(("task", "unit"), [("detection", "objects"), ("segmentation", "pixels")])
def test_classes_that_a_split_does_not_hold_are_named(
    task: str, unit: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check, config, folder = TASKS[task]
    check(config(data), (*read_classes(data / folder / "classes.txt"), "unicorn"), False)
    said = capsys.readouterr().out.splitlines()
    assert [line.partition(" has no ")[0] for line in said] == ["note: the training set", "note: the test set"]
    assert all(f" has no {unit} of " in line and line.endswith("unicorn") for line in said)
