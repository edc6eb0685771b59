"""Trainings over seeds: each gets its own data, folder and seed; smaller images are the same images."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from pytest import MonkeyPatch, approx

from backbones.data.folders.image_folder import open_image_folder
from backbones.data.shapes import make_shapes
from benchmarks.cases.reading.resize_cache_accuracy import ORIGINAL, SHORT_SIDE, make_smaller
from benchmarks.subjects import accuracy
from benchmarks.subjects.accuracy import ComparedTraining


def test_every_training_has_its_own_data_folder_and_seed(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    trained: list[ComparedTraining] = []

    def at_once(program: accuracy.Program, training: ComparedTraining) -> float:
        trained.append(training)
        return program(training)

    monkeypatch.setattr(accuracy, "_alone", at_once)
    programs = {
        "low": (lambda training: 10.0 + training.seed, tmp_path / "a"),
        "high": (lambda training: 50.0 + training.seed, tmp_path / "b"),
    }
    found = accuracy.over_seeds(programs, tmp_path, classes=6, seeds=3)
    assert found["high"] == approx(
        {"mean top-1": 51, "standard deviation": 1, "seed 0": 50, "seed 1": 51, "seed 2": 52}
    )
    assert found["low"]["mean top-1"] == 11
    assert [(training.data.name, training.seed) for training in trained] == [
        (data, seed) for seed in range(3) for data in ("a", "b")
    ]
    assert len({training.folder for training in trained}) == 6


def test_smaller_images_are_the_same_images(tmp_path: Path) -> None:
    data = make_shapes(tmp_path / "shapes", images=12, size=ORIGINAL, layouts=["classification"]) / "classification"
    originals, smaller = open_image_folder(data), open_image_folder(make_smaller(data, tmp_path / "smaller"))
    assert smaller.classes == originals.classes
    for before, after in ((originals.train, smaller.train), (originals.val, smaller.val)):
        assert [Path(after.path(place)).stem for place in range(len(after))] == [
            Path(before.path(place)).stem for place in range(len(before))
        ]
        for place in range(len(after)):
            with Image.open(before.path(place)) as large, Image.open(after.path(place)) as small:
                assert min(large.size) == ORIGINAL
                assert min(small.size) == SHORT_SIDE
