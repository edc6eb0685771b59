"""The loops that one would write with torchvision and with timm, as quick as their own options make them.

Both: the machine's 16-bit format by autocast (timm's ``--amp --amp-dtype bfloat16``, torchvision's ``--amp``),
channels_last (``--channels-last``; torchvision's scripts have no such option, its models take it), workers that stay,
and on a GPU pinned memory and copies that nobody waits for. timm's loader hands over 8-bit images and normalises them
afterwards, as it does by default. ``--torchcompile`` is another matter: it pays on a GPU, and is measured there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from backbones.machine.precision import resolve_precision
from backbones.machine.processes import loader_workers
from backbones.tricks.low_precision import autocast, gradient_scaler
from benchmarks.harness.contender import TurnReporter
from benchmarks.subjects.classification_loops import Classifying, torchvision_images, torchvision_model


def tuned_torchvision_loop(
    reporter: TurnReporter, work: Classifying, network: str, device: str = "cpu", workers: int | None = None
) -> None:
    """torchvision's model, data set and transforms."""
    place = torch.device(device)
    loader = torch.utils.data.DataLoader(
        torchvision_images(work.data, work.size),
        work.batch,
        shuffle=True,
        num_workers=_workers(workers),
        pin_memory=place.type == "cuda",
        persistent_workers=_workers(workers) > 0,
    )
    model = torchvision_model(network, work.classes)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    _train(loader, model, optimizer, place, reporter.step_done)


def tuned_timm_loop(
    reporter: TurnReporter, work: Classifying, network: str, device: str = "cpu", workers: int | None = None
) -> None:
    """timm's ``create_model``, ``create_loader`` and ``create_optimizer_v2``."""
    from timm import create_model
    from timm.data import ImageDataset, create_loader
    from timm.optim import create_optimizer_v2

    place = torch.device(device)
    loader = create_loader(
        ImageDataset(str(work.data / "train")),
        input_size=(3, work.size, work.size),
        batch_size=work.batch,
        is_training=True,
        num_workers=_workers(workers),
        pin_memory=place.type == "cuda",
        persistent_workers=_workers(workers) > 0,
        device=place,
    )

    model = create_model(network, num_classes=work.classes)
    optimizer = create_optimizer_v2(model, opt="sgd", lr=0.1, momentum=0.9, weight_decay=1e-4)
    _train(loader, model, optimizer, place, reporter.step_done)


def _train(
    loader: Iterable[tuple[Tensor, Tensor]],
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    device: torch.device,
    step_done: Callable[[Tensor], object],
) -> None:
    """An epoch. Losses are handed on as they are: to read one is to wait for it."""
    precision = resolve_precision("auto", device)
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch does not declare memory_format
    scaler = gradient_scaler(precision, device)
    model.train()
    for images, labels in loader:
        images = images.to(device, non_blocking=True).contiguous(memory_format=torch.channels_last)
        with autocast(precision, device):
            loss = functional.cross_entropy(model(images), labels.to(device, non_blocking=True))
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        step_done(loss.detach())


def _workers(asked: int | None) -> int:
    return loader_workers() if asked is None else asked
