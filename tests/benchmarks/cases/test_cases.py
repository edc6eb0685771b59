"""Benchmarks on next to nothing: they measure what they say, and write what they found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from pytest import approx, raises

from backbones.errors import UserError
from benchmarks.cases import compare_files
from benchmarks.cases.reading import boxes, index, scaled_decoding
from benchmarks.harness.settings import Settings
from benchmarks.subjects import augmentations as peers
from benchmarks.subjects.photographs import image_folder, photographs, write_made_up
from benchmarks.subjects.trees import box_tree
from studies.comparison.compare import compare_runs

TOOL = Path(__file__).resolve().parents[3] / "tools" / "bench.py"


def test_the_tool_measures_and_keeps_what_it_knew(tmp_path: Path) -> None:
    known = {"format": 1, "benchmarks": {}}
    (tmp_path / "performance.json").write_text(json.dumps(known))
    command = [sys.executable, TOOL, "scaled_decoding", "--quick", "--rounds", "1", "--out", tmp_path]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=True)
    entry = json.loads((tmp_path / "performance.json").read_text())["benchmarks"]["scaled_decoding"]
    assert entry["command"].startswith("python ")
    assert entry["hardware"]["name"] in (tmp_path / "performance.md").read_text()
    assert list(entry["comparisons"][0]["rates"]) == ["whole", "half", "quarter"]
    assert scaled_decoding.TITLE in done.stdout


def test_a_scaled_picture_is_another_one(tmp_path: Path) -> None:
    content = write_made_up(tmp_path / "made", 1)[0].read_bytes()
    assert scaled_decoding._decode(content, 2).shape == (188, 250, 3)
    assert scaled_decoding._error(content, 1) == 0
    assert 0.2 < scaled_decoding._error(content, 2) < 5


def test_the_peers_see_the_papers_augmentation(tmp_path: Path) -> None:
    root = image_folder(tmp_path / "data", write_made_up(tmp_path / "made", 4))
    for dataset in (peers.torchvision_images(root, 48), peers.torchvision_tensors(root, 48)):
        views = np.stack([dataset[number % 4][0].numpy() for number in range(40)])
        assert views.shape == (40, 3, 48, 48)
        assert 0.5 < views.std() < 2.5
        assert abs(views[0] - views[4]).mean() > 0.1  # another crop and colour of the same photograph
    assert peers.timm_images(root, 48)[0][0].shape == (3, 48, 48)


def test_a_thousand_runs_are_a_comparison(tmp_path: Path) -> None:
    compare_files.write_runs(tmp_path, 60)
    comparison = compare_runs(tmp_path)
    assert [row.name for row in comparison.rows] == ["b-standard", "recipe001", "recipe002", "recipe003"]
    assert comparison.rows[1].cells["miou"].n == 5
    assert comparison.rows[1].cells["top1"].mean == approx(70, abs=1)


def test_the_index_is_measured_and_its_tree_removed(tmp_path: Path) -> None:
    figures = index.measure_size(tmp_path, 600, classes=3)
    assert (figures["training images"], figures["validation images"]) == (600, 23)
    assert figures["decoding check on one core, images/s"] > 10
    assert figures["epoch 2: loader worker, proportional, MiB"] < figures["epoch 2: loader worker, resident, MiB"]
    assert not list(tmp_path.iterdir())


def test_boxes_are_read_and_checked_and_their_tree_removed(tmp_path: Path) -> None:
    figures = boxes.measure_size(tmp_path, 100)
    assert figures["boxes"] == 100 * box_tree.BOXES // box_tree.IMAGES
    assert figures["checking every box, s"] > figures["checking again, s"] >= 0
    assert 10 < figures["all of it, memory at its peak, MiB"] < 4000
    assert not list(tmp_path.iterdir())


def test_made_up_annotations_are_as_large_as_those_published(tmp_path: Path) -> None:
    """448 MB for 860,001 boxes; a smaller file would read too fast."""
    count = box_tree.build_tree(tmp_path, 50)
    size = (tmp_path / "annotations" / "instances_train2017.json").stat().st_size
    assert 400e6 < size / count * box_tree.BOXES < 500e6


def test_ones_own_photographs_are_those_of_the_right_size(tmp_path: Path) -> None:
    for number, size in enumerate([(500, 375), (375, 500), (500, 374)]):
        Image.new("RGB", size).save(tmp_path / f"{number}.jpg")
    settings = Settings(tmp_path / "scratch", photographs=tmp_path)
    assert [path.name for path in photographs(settings, 2)] == ["0.jpg", "1.jpg"]
    with raises(UserError, match="has 2 JPEG files of 500 x 375, and 3 are wanted"):
        photographs(settings, 3)
