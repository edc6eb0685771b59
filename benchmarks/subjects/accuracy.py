"""Trainings that are run for the accuracy they end with, over seeds."""

from __future__ import annotations

import multiprocessing
import statistics
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from backbones.machine.processes import loader_workers
from backbones.training.request import ClassificationRequest
from backbones.training.run import run_classification


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


def over_seeds(
    programs: Mapping[str, tuple[Program, Path]], folder: Path, classes: int, seeds: int
) -> dict[str, dict[str, float]]:
    """Top-1 in percent of each program on its data, by seed: one after the other, each in a process of its own."""
    found: dict[str, list[float]] = {name: [] for name in programs}
    for seed in range(seeds):
        for number, (name, (program, data)) in enumerate(programs.items()):
            found[name].append(_alone(program, ComparedTraining(data, folder / f"{number}_{seed}", classes, seed)))
    return {name: line(accuracies) for name, accuracies in found.items()}


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


def _alone(program: Program, training: ComparedTraining) -> float:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(program, training).result()
