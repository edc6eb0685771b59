"""Training of classifiers: ours, and the loops that one would write with torchvision and with timm.

Theirs are at their libraries' defaults: float32, NCHW, Pillow images, and the augmentation that the defaults have,
which is less than the paper's: crop and flip with torchvision, with timm also a change of colours. Ours is all of
``run_classification`` with the paper's augmentation.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from backbones.bundles.contract import IMAGENET_MEAN, IMAGENET_STD
from backbones.data.loader import Batch
from backbones.machine.processes import loader_workers
from backbones.training import loop as training
from backbones.training.request import ClassificationRequest
from backbones.training.run import run_classification
from benchmarks.harness.contender import TurnReporter

MEAN, STD = [value / 255 for value in IMAGENET_MEAN], [value / 255 for value in IMAGENET_STD]


@dataclass(frozen=True)
class Classifying:
    """``data`` is an ImageFolder tree; it holds the images of all steps of all turns, so that no epoch ends early."""

    data: Path
    folder: Path
    size: int
    batch: int
    classes: int


def training_folder(root: Path, files: Sequence[Path], count: int, classes: int) -> Path:
    """An ImageFolder tree with ``count`` training images, which are links, and one of each class in ``val``."""
    for split, images in (("train", count), ("val", classes)):
        for label in range(classes):
            (root / split / f"class{label:05d}").mkdir(parents=True)
        for number in range(images):
            link = root / split / f"class{number % classes:05d}" / f"{number:07d}.jpg"
            link.symlink_to(files[number % len(files)].resolve())
    return root


def ours(
    reporter: TurnReporter,
    work: Classifying,
    network: str,
    precision: str = "auto",
    teacher: Path | None = None,
    seed: int = 0,
    workers: int | None = None,
) -> None:
    """``tools/train_cls.py``, with or without a teacher."""
    step = training.training_step

    def reported(job: training.TrainingJob, batch: Batch, number: int) -> Tensor:
        loss = step(job, batch, number)
        reporter.step_done(loss)
        return loss

    request = ClassificationRequest(
        data=work.data,
        network=network,
        recipe="d-distill" if teacher else "d-smooth",
        out=work.folder / f"{network}_{precision}_{seed}{'_taught' if teacher else ''}",
        epochs=1,
        batch_size=work.batch,
        image_size=work.size,
        teacher=teacher,
        seed=seed,
        workers=loader_workers() if workers is None else workers,
        precision=precision,
        allow_shared_images=True,  # both splits link to the same few photographs
    )
    with patch.object(training, "training_step", reported):  # the loop offers no place to count its steps
        run_classification(request)


def ours_in_processes(reporter: TurnReporter, work: Classifying, network: str, processes: int) -> None:
    """The same in several processes with one thread each, which load their images themselves."""
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(_free_port()), WORLD_SIZE=str(processes))
    context = multiprocessing.get_context("spawn")
    for rank in range(1, processes):
        context.Process(target=_other_rank, args=(rank, work, network)).start()
    _train_as_rank(0, reporter, work, network)


def _other_rank(rank: int, work: Classifying, network: str) -> None:
    unheard, _ = multiprocessing.Pipe()
    _train_as_rank(rank, TurnReporter(unheard, sys.maxsize), work, network)


def _train_as_rank(rank: int, reporter: TurnReporter, work: Classifying, network: str) -> None:
    if os.environ["WORLD_SIZE"] != "1":
        os.environ["RANK"] = str(rank)
    torch.set_num_threads(1)
    ours(reporter, replace(work, folder=work.folder / os.environ["WORLD_SIZE"]), network, workers=0)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def torchvision_loop(reporter: TurnReporter, work: Classifying, network: str) -> None:
    """A plain loop around torchvision's model, data set and transforms."""
    loader = torchvision_training_loader(work.data, work.size, work.batch)
    model = torchvision_model(network, work.classes)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    train_one_epoch(loader, model, optimizer, reporter.step_done)


def torchvision_model(network: str, classes: int) -> nn.Module:
    """torchvision's, untrained."""
    from torchvision.models import get_model

    return get_model(network, weights=None, num_classes=classes)


def torchvision_training_loader(data: Path, size: int, batch: int) -> DataLoader:
    """Of ``torchvision_images``, at its defaults."""
    return DataLoader(torchvision_images(data, size), batch, shuffle=True, num_workers=loader_workers())


def torchvision_images(data: Path, size: int) -> Dataset:
    """An ImageFolder tree's ``train``: crop, flip, normalisation."""
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    steps = [transforms.RandomResizedCrop(size), transforms.RandomHorizontalFlip(), transforms.ToTensor()]
    return ImageFolder(str(data / "train"), transforms.Compose([*steps, transforms.Normalize(MEAN, STD)]))


def timm_loop(reporter: TurnReporter, work: Classifying, network: str) -> None:
    """A loop around timm's ``create_model``, ``create_loader`` and ``create_optimizer_v2``."""
    from timm import create_model
    from timm.optim import create_optimizer_v2

    loader = timm_training_loader(work.data, work.size, work.batch)
    model = create_model(network, num_classes=work.classes)
    optimizer = create_optimizer_v2(model, opt="sgd", lr=0.1, momentum=0.9, weight_decay=1e-4)
    train_one_epoch(loader, model, optimizer, reporter.step_done)


def timm_training_loader(data: Path, size: int, batch: int) -> Any:
    """Of an ImageFolder tree's ``train``, at timm's defaults."""
    from timm.data import ImageDataset, create_loader

    return create_loader(
        ImageDataset(str(data / "train")),
        input_size=(3, size, size),
        batch_size=batch,
        is_training=True,
        num_workers=loader_workers(),
        device=torch.device("cpu"),
    )


def train_one_epoch(
    loader: Iterable[tuple[Tensor, Tensor]],
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    step_done: Callable[[float], object],
) -> None:
    """As in a tutorial; ``step_done`` gets each loss."""
    model.train()
    for images, labels in loader:
        loss = functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step_done(loss.item())
