"""What check says of the shipped protocols is what they read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from transfer.openmmlab import ops_bridge
from transfer.prepare.check import check_folder
from transfer.prepare.layouts import Layout
from transfer.prepare.readiness import NEEDS, ready_for

ROOT = Path(__file__).resolve().parents[3]
PROTOCOLS = [str(path.relative_to(ROOT)) for kind in ("det", "seg") for path in (ROOT / f"{kind}_configs").glob("*.py")]


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
def test_the_needs_of_a_protocol_are_those_of_its_file(protocol: str) -> None:
    """As the data sets of the configuration name them."""
    ops_bridge.install()
    from transfer.protocol.load import load_config
    from transfer.tasks.task import innermost_datasets

    read = set()
    for split, dataset in innermost_datasets(load_config(str(ROOT / protocol), (), imports=False)):
        if split != "val":
            prefix = dict(dataset.get("data_prefix", {}))
            read |= {dataset.ann_file} if dataset.get("ann_file") else set()
            read |= {prefix[key] for key in ("img_path", "seg_map_path") if key in prefix}
    (needs,) = [needs[protocol] for needs in NEEDS.values() if protocol in needs]
    assert set(needs) == read


def devkit_of(tmp_path: Path, year: str, *lists: str) -> Path:
    for name in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (tmp_path / year / name).mkdir(parents=True, exist_ok=True)
    for name in lists:
        (tmp_path / year / "ImageSets/Main" / f"{name}.txt").touch()
    return tmp_path


def test_years_and_lists_of_a_devkit(tmp_path: Path) -> None:
    ready, lines = ready_for(devkit_of(tmp_path, "VOC2007", "trainval", "test"), Layout.DEVKIT)
    assert ready == [name for name in NEEDS[Layout.DEVKIT] if not name.endswith("_voc0712.py")]
    (line,) = lines
    others = [name for name in NEEDS[Layout.DEVKIT] if name.endswith("_voc0712.py")]
    assert line.startswith(f"not for {', '.join(others)}: ")
    assert line.endswith("VOC2012/ImageSets/Main/trainval.txt is missing")
    ready, lines = ready_for(devkit_of(tmp_path, "VOC2012", "trainval"), Layout.DEVKIT)
    assert (ready, lines) == (list(NEEDS[Layout.DEVKIT]), [])


@pytest.mark.parametrize(
    ("year", "lists", "words"),
    [
        (
            "VOC2010",
            ("trainval", "test"),
            "there is VOC2010 with test, trainval; name the folder VOC2007 (such as",
        ),
        ("VOC2012", ("trainval",), "there is VOC2012 with trainval; name the folder VOC2007"),
        (
            "VOC2007",
            ("train", "val"),
            "with train, val; copy train.txt to trainval.txt and val.txt to test.txt",
        ),
        ("VOC2007", ("trainval",), r"Main/test.txt is missing (there is VOC2007 with trainval)"),
    ],
)
def test_what_a_devkit_has_instead_is_told(year: str, lists: tuple[str, ...], words: str, tmp_path: Path) -> None:
    ready, lines = ready_for(devkit_of(tmp_path, year, *lists), Layout.DEVKIT)
    assert ready == []
    assert any(words in line for line in lines)


def test_a_sound_folder_that_no_protocol_takes_is_not_recommended(
    tmp_path: Path, write_files: Any, voc_files: Any
) -> None:
    write_files(tmp_path, voc_files("VOC2007", "train", ["1"]))
    root = write_files(tmp_path, voc_files("VOC2007", "val", ["2"])) / "VOCdevkit"
    report = check_folder(root)
    assert (report.faults, report.ready) == ([], [])
    assert report.verdict() == f"sound, but no shipped protocol takes {root} as it is; see what is missing above"
    write_files(tmp_path, voc_files("VOC2007", "trainval", ["1"]))
    write_files(tmp_path, voc_files("VOC2007", "test", ["2"]))
    report = check_folder(root)
    assert report.verdict() == f"sound; use it with --data {root}"
    assert "det_configs/faster_rcnn_fpn_voc07.py" in report.ready
    assert any(line.startswith("ready for det_configs/") for line in report.lines())
    (root / "VOC2007/JPEGImages/1.jpg").write_bytes(b"")
    assert check_folder(root).ready == []
