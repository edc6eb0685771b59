"""Trainings that are run for the accuracy they end with, over seeds."""

from __future__ import annotations

import multiprocessing
import statistics
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from backbones.machine.processes import loader_workers
from backbones.training.request import ClassificationRequest
from backbones.training.run import run_classification
from benchmarks.subjects.classification_loops import MEAN, STD


@dataclass(frozen=True)
class ComparedTraining:
    """``data`` is an ImageFolder tree; ``size`` in pixels."""

    data: Path
    folder: Path
    classes: int
    seed: int
    size: int = 40
    batch: int = 32
    epochs: int = 8
    learning_rate: float = 0.03


Program = Callable[[ComparedTraining], float]
Result = TypeVar("Result")
MARGIN = 8 / 7  # evaluated images are resized by this, then cropped, as 256 to 224


def over_seeds(
    programs: Mapping[str, tuple[Program, Path]], folder: Path, classes: int, seeds: int
) -> dict[str, dict[str, float]]:
    """Top-1 in percent of each program on its data, by seed."""
    return {name: line(accuracies) for name, accuracies in each_seed(programs, folder, classes, seeds).items()}


def each_seed(
    programs: Mapping[str, tuple[Callable[[ComparedTraining], Result], Path]], folder: Path, classes: int, seeds: int
) -> dict[str, list[Result]]:
    """What each program gives for each seed: one after the other, each in a process of its own."""
    found: dict[str, list[Result]] = {name: [] for name in programs}
    for seed in range(seeds):
        for number, (name, (program, data)) in enumerate(programs.items()):
            found[name].append(_alone(program, ComparedTraining(data, folder / f"{number}_{seed}", classes, seed)))
    return found


def line(accuracies: list[float]) -> dict[str, float]:
    """Mean, noise and single figures of the seeds, for a table."""
    found = {"mean top-1": statistics.fmean(accuracies)}
    if len(accuracies) > 1:
        found["standard deviation"] = statistics.stdev(accuracies)
    return found | {f"seed {seed}": accuracy for seed, accuracy in enumerate(accuracies)}


def ours(training: ComparedTraining, precision: str = "auto") -> float:
    """Top-1 of ``tools/train_cls.py``, in percent."""
    request = ClassificationRequest(
        data=training.data,
        network="resnet18_d",
        recipe="d-smooth",
        out=training.folder,
        epochs=training.epochs,
        batch_size=training.batch,
        learning_rate=training.learning_rate,
        image_size=training.size,
        seed=training.seed,
        workers=loader_workers(),
        precision=precision,
    )
    return run_classification(request)["metrics"]["top1"]


@torch.no_grad()
def plain_top1(model: nn.Module, training: ComparedTraining) -> float:
    """Top-1 in percent of a model of torchvision's or timm's: one central crop of each validation image."""
    steps = [transforms.Resize(round(training.size * MARGIN)), transforms.CenterCrop(training.size)]
    steps += [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    data = ImageFolder(str(training.data / "val"), transforms.Compose(steps))
    model.eval()
    correct = sum(
        (model(images).argmax(1) == labels).sum().item() for images, labels in DataLoader(data, training.batch)
    )
    return 100 * correct / len(data)


def _alone(program: Callable[[ComparedTraining], Result], training: ComparedTraining) -> Result:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(program, training).result()
