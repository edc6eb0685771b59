"""What a network is asked to do with a batch: the loss, with the refinements of Section 5 that change it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from backbones.bundles.contract import InputContract
from backbones.data.color import ColorChange
from backbones.data.loader import Batch
from backbones.data.normalisation import network_input
from backbones.errors import not_none
from backbones.recipes.recipe import Recipe
from backbones.recipes.switches import trick_with, tricks_with
from backbones.training.teacher import Teacher
from backbones.tricks.label_smoothing import smooth_targets
from backbones.tricks.low_precision import autocast

# Weight of the auxiliary head's loss, as in torchvision's training of Inception-V3; the paper uses no such head.
AUXILIARY_WEIGHT = 0.4


@dataclass(frozen=True)
class Objective:
    """The loss of a batch.

    ``teacher`` is None unless a trick of the recipe needs one; ``fellows`` teach beside it. The tricks stack: targets
    are smoothed, then mixed, and are the first term of the distillation loss.
    """

    classes: int
    contract: InputContract
    recipe: Recipe
    teacher: Teacher | None
    precision: str
    fellows: tuple[Teacher, ...] = ()

    @property
    def teachers(self) -> tuple[Teacher, ...]:
        """All of them."""
        return () if self.teacher is None else (self.teacher, *self.fellows)

    def draw(self, random: np.random.Generator) -> tuple[Any, ...]:
        """What chance decides for an update: a draw of each trick that mixes, one after the other."""
        return tuple(not_none(trick.draw)(value, random) for trick, value in tricks_with(self.recipe, "mix"))

    def loss(self, model: nn.Module, batch: Batch, change: ColorChange, draws: Sequence[Any]) -> Tensor:
        """Mean loss over a batch, float32, with its graph. ``draws`` are those of ``draw``."""
        targets = self._targets(batch.labels)
        images, mixed = self._mix(network_input(batch.images, change, self.contract), targets, draws)
        with autocast(self.precision, images.device):
            outputs = model(images)
        logits, auxiliary = outputs if isinstance(outputs, tuple) else (outputs, None)
        taught = [self.judgement(teacher, batch, change, draws) for teacher in self.teachers]
        loss = self._loss(logits, taught[0] if len(taught) == 1 else torch.stack(taught) if taught else None, mixed)
        if auxiliary is not None:
            loss = loss + AUXILIARY_WEIGHT * F.cross_entropy(auxiliary.float(), mixed)
        return loss

    def judgement(self, teacher: Teacher, batch: Batch, change: ColorChange, draws: Sequence[Any]) -> Tensor:
        """A teacher's logits (n, K) for the student's crops, colours and mixtures, in the teacher's normalisation."""
        seen, _ = self._mix(teacher.input(batch.images, change), self._targets(batch.labels), draws)
        with autocast(self.precision, seen.device):
            return teacher.logits(seen)

    def _targets(self, labels: Tensor) -> Tensor:
        if found := trick_with(self.recipe, "targets"):
            trick, value = found
            return not_none(trick.targets)(labels, self.classes, value)
        return smooth_targets(labels, self.classes, 0.0)

    def _mix(self, images: Tensor, targets: Tensor, draws: Sequence[Any]) -> tuple[Tensor, Tensor]:
        for (trick, _), drawn in zip(tricks_with(self.recipe, "mix"), draws, strict=True):
            images, targets = not_none(trick.mix)(images, targets, drawn)
        return images, targets

    def _loss(self, logits: Tensor, taught: Tensor | None, targets: Tensor) -> Tensor:
        if found := trick_with(self.recipe, "loss"):
            trick, value = found
            return not_none(trick.loss)(logits, taught, targets, value)
        return F.cross_entropy(logits.float(), targets)
