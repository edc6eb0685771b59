"""Top-1 and top-5 on a validation set (Section 2.2): one central crop per image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from backbones.bundles.contract import InputContract
from backbones.data.color import identity_color
from backbones.data.loader import Batch
from backbones.data.normalisation import network_input
from backbones.machine.distributed import ALONE, World
from backbones.tricks.low_precision import autocast

TOP = 5


@dataclass(frozen=True)
class Accuracy:
    """Share of images, in percent, whose class is the first guess (``top1``) or among the first five (``top5``)."""

    top1: float
    top5: float


def count_correct(logits: Tensor, labels: Tensor) -> Tensor:
    """How many labels (n,) are the first, and how many among the first five, of logits (n, K); all K if K < 5."""
    guesses = logits.topk(min(TOP, logits.shape[1]), dim=1).indices
    hits = guesses == labels[:, None]
    return torch.stack([hits[:, 0].sum(), hits.sum()])


def count_not_finite(logits: Tensor) -> Tensor:
    """Of how many images the logits (n, K) hold an infinity or a NaN, which every comparison would call smaller."""
    return (~torch.isfinite(logits).all(dim=1)).sum()


@torch.inference_mode()
def evaluate(
    model: nn.Module,
    batches: Iterable[Batch],
    contract: InputContract,
    device: torch.device,
    precision: str = "fp32",
    world: World = ALONE,
    subject: str = "the network",
) -> Accuracy:
    """Accuracy of the model over all batches of all processes; leaves the model in evaluation mode.

    Only in fp32 is it that of the saved weights: logits of 16 bits tie so often that the order of classes decides some.
    ``subject`` says in messages what is evaluated.

    Raises:
        UserError: Logits are not finite, so that their order means nothing.
    """
    counts = torch.zeros(4, dtype=torch.int64, device=device)
    for logits, labels in predict(model, batches, contract, device, precision):
        counts[:2] += count_correct(logits, labels)
        counts[2] += len(labels)
        counts[3] += count_not_finite(logits)
    first, among_five, images, lost = world.sum(counts).tolist()
    if lost:
        raise world.error(
            f"{subject}: the logits of {lost} of {images} images are not finite: the weights are worthless; start "
            "again in a new folder with a smaller --lr"
        )
    return Accuracy(100.0 * first / images, 100.0 * among_five / images)


@torch.inference_mode()
def predict(
    model: nn.Module, batches: Iterable[Batch], contract: InputContract, device: torch.device, precision: str = "fp32"
) -> Iterator[tuple[Tensor, Tensor]]:
    """Logits (n, K) and labels (n,) of every batch; leaves the model in evaluation mode."""
    model.eval()
    for batch in batches:
        pixels = network_input(batch.images, identity_color(len(batch.labels)), contract)
        with autocast(precision, device):
            logits = model(pixels)
        yield logits, batch.labels
