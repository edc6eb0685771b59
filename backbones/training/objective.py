"""What a network is asked to do with a batch: the loss, with the refinements of Section 5 that change it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from backbones.bundles.contract import InputContract
from backbones.data.color import ColorChange
from backbones.data.loader import Batch
from backbones.data.normalisation import network_input
from backbones.training.teacher import Teacher
from backbones.tricks.distillation import distillation_loss
from backbones.tricks.label_smoothing import smooth_targets
from backbones.tricks.low_precision import autocast
from backbones.tricks.mixup import mix

# Weight of the auxiliary head's loss, as in torchvision's training of Inception-V3; the paper uses no such head.
AUXILIARY_WEIGHT = 0.4


@dataclass(frozen=True)
class Objective:
    """The loss of a batch.

    ``label_smoothing`` is epsilon, ``mixup`` alpha, ``temperature`` that of the distillation; each 0 when it is off,
    and ``teacher`` is None without distillation. The tricks stack: targets are smoothed, then mixed, and are the first
    term of the distillation loss.
    """

    classes: int
    contract: InputContract
    label_smoothing: float
    mixup: float
    temperature: float
    teacher: Teacher | None
    precision: str

    def loss(self, model: nn.Module, batch: Batch, change: ColorChange, mix_weight: float) -> Tensor:
        """Mean loss over a batch, float32, with its graph. ``mix_weight`` is the batch's draw for mixup, 1 without."""
        images = network_input(batch.images, change, self.contract)
        targets = smooth_targets(batch.labels, self.classes, self.label_smoothing)
        if self.mixup:
            images, targets = mix(images, targets, mix_weight)
        with autocast(self.precision, images.device):
            outputs = model(images)
        logits, auxiliary = outputs if isinstance(outputs, tuple) else (outputs, None)
        if self.teacher is None:
            loss = F.cross_entropy(logits.float(), targets)
        else:
            teacher_logits = self._teacher_logits(self.teacher, batch, change, targets, mix_weight)
            loss = distillation_loss(logits, teacher_logits, targets, self.temperature)
        if auxiliary is not None:
            loss = loss + AUXILIARY_WEIGHT * F.cross_entropy(auxiliary.float(), targets)
        return loss

    def _teacher_logits(
        self, teacher: Teacher, batch: Batch, change: ColorChange, targets: Tensor, mix_weight: float
    ) -> Tensor:
        """The teacher looks at what the student looks at: same crops, colours and blends, its own normalisation."""
        images = teacher.input(batch.images, change)
        if self.mixup:
            images, _ = mix(images, targets, mix_weight)
        with autocast(self.precision, images.device):
            return teacher.logits(images)
