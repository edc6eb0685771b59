"""What a classifier has learnt after equal epochs: top-1 in percent on rendered images, by seed.

Ours is `tools/train_cls.py --recipe d-smooth`, in bf16 where the machine is fast at it, and in float32. The other is a
plain loop around torchvision's model, data set and transforms (the loop of the section on the training step of a
classifier, with a cosine schedule, without which it would compare schedules). Batch, learning rate, epochs and images
are the same. The standard deviation over the seeds is the noise that a difference of means has to be seen beside; of
two means it is larger by the square root of two over the number of seeds.
"""

from __future__ import annotations

import torch
from torch.optim.lr_scheduler import CosineAnnealingLR

from backbones.data.shapes import make_shapes
from benchmarks.harness.findings import Findings
from benchmarks.harness.settings import Settings
from benchmarks.subjects.accuracy import ComparedTraining, ours, over_seeds, plain_top1
from benchmarks.subjects.classification_loops import (
    torchvision_model,
    torchvision_training_loader,
    train_one_epoch,
)

TITLE = "Accuracy after equal epochs"
QUICK = False


def measure(settings: Settings) -> Findings:
    """Seed by seed."""
    data = make_shapes(settings.scratch / "data", images=settings.amount(1200, 64), size=48, layouts=["classification"])
    data = data / "classification"
    classes = len(list((data / "train").iterdir()))
    programs = {"ours": ours, "ours in float32": ours_in_float32, "torchvision": plain}
    contenders = {name: (program, data) for name, program in programs.items()}
    return Findings(figures=over_seeds(contenders, settings.scratch, classes, settings.amount(3, 1)))


def ours_in_float32(training: ComparedTraining) -> float:
    """The same without 16 bits."""
    return ours(training, "fp32")


def plain(training: ComparedTraining) -> float:
    """Top-1 of the loop with torchvision, in percent."""
    torch.manual_seed(training.seed)
    loader = torchvision_training_loader(training.data, training.size, training.batch)
    model = torchvision_model("resnet18", training.classes)
    optimizer = torch.optim.SGD(model.parameters(), lr=training.learning_rate, momentum=0.9, weight_decay=1e-4)
    schedule = CosineAnnealingLR(optimizer, training.epochs * len(loader))
    for _ in range(training.epochs):
        train_one_epoch(loader, model, optimizer, lambda _: schedule.step())
    return plain_top1(model, training)
