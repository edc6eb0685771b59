"""Top-1 and top-5 on a validation set (Section 2.2): one central crop per image."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from backbones.bundle import InputContract
from backbones.data.color import apply_color, color_map, identity_color
from backbones.data.loader import Batch
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


@torch.inference_mode()
def evaluate(
    model: nn.Module, batches: Iterable[Batch], contract: InputContract, device: torch.device, precision: str = "fp32"
) -> Accuracy:
    """Accuracy of the model over all batches; leaves the model in evaluation mode.

    Only in fp32 is it that of the saved weights: logits of 16 bits tie so often that the order of classes decides some.
    """
    model.eval()
    correct, images = torch.zeros(2, dtype=torch.int64, device=device), 0
    for batch in batches:
        maps = color_map(identity_color(len(batch.labels)), contract.mean, contract.std).to(device)
        pixels = apply_color(batch.images, maps)
        with autocast(precision, device):
            logits = model(pixels)
        correct += count_correct(logits, batch.labels)
        images += len(batch.labels)
    top1, top5 = (100.0 * count / images for count in correct.tolist())
    return Accuracy(top1, top5)
