"""Accuracies are those of the weights, by two ways of training, and tell noise apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pytest import MonkeyPatch, approx
from torch import Tensor, nn

from backbones.data.shapes import make_shapes
from benchmarks.cases.training import equal_epochs
from benchmarks.subjects import accuracy
from benchmarks.subjects import classification_loops as classifying
from benchmarks.subjects.accuracy import ComparedTraining


class Always(nn.Module):
    """Says one class, and keeps what it was shown."""

    def __init__(self, label: int) -> None:
        super().__init__()
        self.label = label
        self.shown: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        self.shown.append(images)
        return nn.functional.one_hot(torch.full((len(images),), self.label), 6).float()


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> ComparedTraining:
    folder = tmp_path_factory.mktemp("equal_epochs")
    data = make_shapes(folder / "data", images=12, size=48, layouts=["classification"])
    return ComparedTraining(data / "classification", folder / "run", classes=6, seed=0, batch=6, epochs=1)


def test_top1_is_the_share_of_images_that_are_right(training: ComparedTraining) -> None:
    counts = [len(list(folder.iterdir())) for folder in sorted((training.data / "val").iterdir())]
    for label, count in enumerate(counts):
        model = Always(label)
        assert equal_epochs.plain_top1(model, training) == approx(100 * count / sum(counts))
        assert sum(map(len, model.shown)) == sum(counts)
        assert {shown.shape[1:] for shown in model.shown} == {(3, training.size, training.size)}
        assert not model.training


def test_both_ways_end_with_an_accuracy(training: ComparedTraining, monkeypatch: MonkeyPatch, tmp_path: Path) -> None:
    for module in (classifying, accuracy):
        monkeypatch.setattr(module, "loader_workers", lambda: 0)
    images = len(list((training.data / "val").rglob("*.jpg")))
    for program in (equal_epochs.plain, equal_epochs.ours):
        right = program(replace(training, folder=tmp_path / program.__name__)) * images / 100
        assert right == approx(round(right), abs=1e-4)
        assert 0 <= right <= images


def test_a_line_has_the_noise_beside_the_mean() -> None:
    assert accuracy.line([80.0, 82.0, 84.0]) == approx(
        {"mean top-1": 82, "standard deviation": 2, "seed 0": 80, "seed 1": 82, "seed 2": 84}
    )
    assert accuracy.line([80.0]) == {"mean top-1": 80, "seed 0": 80}
