"""Seconds to a given top-1, evaluations included: on rendered images, by seed.

Ours is `tools/train_cls.py --recipe d-smooth` on ResNet-18-D; the others are torchvision's and timm's loops of the
section on the training step of a classifier, at their defaults, on ResNet-18 and timm's ResNet-18-D, with the same
batch, peak learning rate and a cosine over as many epochs. All evaluate after every epoch; the time is that from the
start of the training, imports left out, to the end of the first evaluation that reaches the aim. A seed that does not
reach it counts with the whole of its training, so its figure is too small. The aim, 20 %, is what torchvision's loop
too reaches in the section on equal epochs. One training after the other: this wants a quiet machine.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR

from backbones.data.shapes import make_shapes
from benchmarks.harness.findings import Findings
from benchmarks.harness.settings import Settings
from benchmarks.subjects import accuracy
from benchmarks.subjects.accuracy import ComparedTraining, each_seed, plain_top1
from benchmarks.subjects.classification_loops import (
    timm_training_loader,
    torchvision_model,
    torchvision_training_loader,
    train_one_epoch,
)

TITLE = "Time to an accuracy"
QUICK = False
AIM = 20.0  # top-1 in percent
SECONDS, REACHED = "seconds to the aim", "seeds that reach it"
Epochs = Iterable[tuple[float, float]]


def measure(settings: Settings) -> Findings:
    """Seed by seed, one after the other."""
    data = make_shapes(settings.scratch / "data", images=settings.amount(1200, 64), size=48, layouts=["classification"])
    data = data / "classification"
    classes = len(list((data / "train").iterdir()))
    programs = {name: (program, data) for name, program in PROGRAMS.items()}
    found = each_seed(programs, settings.scratch, classes, settings.amount(3, 1))
    return Findings(figures={name: line([first_reach(epochs) for epochs in seeds]) for name, seeds in found.items()})


def first_reach(epochs: Epochs) -> tuple[float, bool]:
    """Seconds until the aim was reached, and whether it was; ``epochs`` are seconds so far and top-1."""
    seconds = 0.0
    for seconds, top1 in epochs:
        if top1 >= AIM:
            return seconds, True
    return seconds, False


def line(reached: list[tuple[float, bool]]) -> dict[str, float]:
    """For a table: the mean over the seeds, how many reach the aim, and each."""
    times = [seconds for seconds, _ in reached]
    figures = {SECONDS: sum(times) / len(times), REACHED: float(sum(there for _, there in reached))}
    return figures | {f"seed {seed}": seconds for seed, seconds in enumerate(times)}


def ours(training: ComparedTraining) -> list[tuple[float, float]]:
    """``tools/train_cls.py``, by its own record."""
    accuracy.ours(training)
    records = [json.loads(text) for text in (training.folder / "metrics.jsonl").read_text().splitlines()]
    return [(each["total_seconds"], each["top1"]) for each in records if each["kind"] == "epoch"]


def torchvision(training: ComparedTraining) -> list[tuple[float, float]]:
    """A loop around torchvision's model, data set and transforms."""
    torch.manual_seed(training.seed)
    model = torchvision_model("resnet18", training.classes)
    return _train(training, model, torchvision_training_loader(training.data, training.size, training.batch))


def timm(training: ComparedTraining) -> list[tuple[float, float]]:
    """A loop around timm's model and loader."""
    from timm import create_model

    torch.manual_seed(training.seed)
    model = create_model("resnet18d", num_classes=training.classes)
    return _train(training, model, timm_training_loader(training.data, training.size, training.batch))


def _train(training: ComparedTraining, model: nn.Module, loader: Any) -> list[tuple[float, float]]:
    optimizer = torch.optim.SGD(model.parameters(), lr=training.learning_rate, momentum=0.9, weight_decay=1e-4)
    schedule = CosineAnnealingLR(optimizer, training.epochs * len(loader))
    started, found = time.perf_counter(), []
    for _ in range(training.epochs):
        train_one_epoch(loader, model, optimizer, lambda _: schedule.step())
        top1 = plain_top1(model, training)
        found.append((time.perf_counter() - started, top1))
    return found


PROGRAMS = {"torchvision": torchvision, "timm, D": timm, "ours, D": ours}
