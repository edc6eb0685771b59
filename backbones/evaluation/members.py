"""Classifiers that are tested together: each sees the images at its own size and in its own normalisation."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from backbones.bundles.contract import InputContract
from backbones.data.folders.image_folder import ImageSplit
from backbones.data.loader import Batch, ImageBatches, ValidationRequests, load_batches
from backbones.errors import UserError
from backbones.evaluation.accuracy import predict
from backbones.evaluation.metrics import Predictions, join_predictions, mean_probabilities, reduce_batch
from backbones.external.classifiers import OpenedClassifier, open_classifier, refuse_twice

OPTION = "--model"


@dataclass(frozen=True)
class Member:
    """A classifier, and the side in pixels of the images that it is tested on."""

    known: OpenedClassifier
    size: int

    @property
    def contract(self) -> InputContract:
        """What its images look like."""
        return self.known.opened.bundle.input_contract

    @property
    def source(self) -> str:
        """What its weights are called in messages."""
        return self.known.opened.bundle.source

    @property
    def protocol(self) -> str:
        """How it is tested, in words."""
        text = f"{self.size} px, one central crop, bilinear"
        trained = self.contract.interpolation
        return text if trained == "bilinear" else f"{text} (its training: {trained})"

    def record(self) -> dict[str, Any]:
        """Which network it is and how it was trained, as far as its bundle says."""
        bundle = self.known.opened.bundle
        known = ("recipe", "seed", "epochs", "dataset", "fingerprint", "top1", "top5")
        return {
            # A bundle's file wherever the report is read, or the word for what no file holds.
            "path": os.path.realpath(self.source) if os.path.exists(self.source) else self.source,
            **self.known.opened.record(),
            "network": bundle.architecture,
            "training": {key: bundle.training.get(key) for key in known},
        }

    def logits(self, batch: Batch, precision: str) -> Tensor:
        """Logits (n, K), the data's classes in the data's order."""
        contract, device = self.contract, batch.images.device
        ((logits, _),) = predict(self.known.model, [batch], contract, device, precision)
        return logits[:, self.known.order]


def open_members(
    words: Sequence[Path], classes: Sequence[str], image_size: int | None, device: torch.device
) -> tuple[Member, ...]:
    """The classifiers that words name. ``image_size`` in pixels; None: what each one's input contract names.

    Raises:
        UserError: No finished run or weights with a head, other classes than the data set's, images too small for one,
            or the same weights twice.
    """
    members = []
    for word in words:
        if os.path.isfile(word / "run.json") and not os.path.isfile(word / "result.json"):
            raise UserError(
                f"{OPTION} {word} is an unfinished run; finish it with --resume, or name one of its bundles"
            )
        known = open_classifier(word, OPTION, classes, device)
        size = image_size or known.opened.bundle.input_contract.eval_size
        if reason := known.model.why_not(size):
            network = known.opened.bundle.architecture
            raise UserError(f"--image-size {size}: {network} {reason}")
        members.append(Member(known, size))
    refuse_twice(OPTION, words, [member.known.opened.sha256 for member in members])
    return tuple(members)


def predict_members(
    members: Sequence[Member],
    split: ImageSplit,
    batch_size: int,
    workers: int,
    precision: str,
    progress: Callable[[int], object],
) -> tuple[list[Predictions], Predictions]:
    """What each says of every image, and what the mean of their probabilities says; one alone is its own mean.

    Args:
        members: They are on one device.
        split: Each image is read once for each size that is asked for.
        batch_size: Images at a time.
        workers: Loader processes for all sizes together.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        progress: Called with the number of images of each batch that is done.

    Raises:
        UserError: An image cannot be read, or a logit is infinite or not a number.
    """
    device = members[0].known.order.device
    sizes = sorted({member.size for member in members})
    alone: list[list[Predictions]] = [[] for _ in members]
    averaged = []
    with ExitStack() as stack:
        share = max(1, workers // len(sizes)) if workers else 0
        streams = [stack.enter_context(closing(_batches(split, size, batch_size, share, device))) for size in sizes]
        for parts in zip(*streams, strict=True):
            batches = dict(zip(sizes, parts, strict=True))
            labels = parts[0].labels
            logits = [member.logits(batches[member.size], precision) for member in members]
            for member, own, collected in zip(members, logits, alone, strict=True):
                collected.append(reduce_batch(own, labels, member.source))
            if len(members) > 1:
                averaged.append(reduce_batch(mean_probabilities(logits), labels, "the mean of their probabilities"))
            progress(len(labels))
    each = [join_predictions(collected) for collected in alone]
    return each, join_predictions(averaged) if averaged else each[0]


def _batches(
    split: ImageSplit, size: int, batch_size: int, workers: int, device: torch.device
) -> Generator[Batch, None, None]:
    """Every image once."""
    return load_batches(ImageBatches(split, size, seed=0), ValidationRequests(len(split), batch_size), workers, device)
