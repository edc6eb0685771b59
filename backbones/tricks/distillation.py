"""Distillation (Section 5.3; Hinton et al., "Distilling the Knowledge in a Neural Network"): learn from a teacher.

Besides the target, the student is shown the probabilities of a larger network, softened by a temperature so that the
small ones count too: which wrong classes the teacher finds likely says what the image looks like.

=========  ==========================================================================================================
formula    loss = CE(p, softmax(z)) + T^2 CE(softmax(r / T), softmax(z / T)), where CE(a, b) = -sum_k a_k log b_k, z are
           the student's logits, r the teacher's, p the target
shapes     logits (N, K) of each, targets (N, K) -> scalar, the mean over the batch
default    T = 20 in ``d-distill`` and ``d-distill-mixup``, otherwise off. The paper's teacher is a ResNet-152-D trained
           with cosine decay and label smoothing (for ``d-distill-mixup`` with mixup, too), for every student
cost       a forward pass of the teacher per batch: ResNet-152-D takes 11.8 GMACs per image, the three that a training
           step of ResNet-50-D amounts to (one forward, two backward) take 13.0
paper      ResNet-50-D top-1, Table 6: 78.31 -> 78.67 (CVPR version: 78.37 -> 78.63), on top of mixup 79.15 -> 79.29
           (79.01 -> 79.33). Students of another family lose: Inception-V3 78.40 -> 78.26, MobileNet 72.93 -> 71.97.
           Detection: 80.71 -> 80.96 mAP (Table 8); segmentation: 38.75 -> 38.90 mIoU (Table 9)
elsewhere  GluonCV weights the terms with 1/2 each, so its sum is half of this one, which at the same learning rate is
           half the step against the same weight decay; timm has the Kullback-Leibler divergence in the second term and,
           unless told otherwise, T = 1
=========  ==========================================================================================================

With the divergence instead of the cross-entropy the loss is lower by T^2 times the entropy of softmax(r / T), which no
weight of the student changes: the gradients are equal. The loss itself is large for that reason, up to about
T^2 log K = 2763 for K = 1000 and T = 20, and only its changes say something.

Per logit the second term has the gradient T (softmax(z / T) - softmax(r / T)), and softmax(z / T) differs from 1 / K by
about z / (T K): T^2 keeps the gradient's size independent of T.

Several teachers (``--teacher A B C``): in place of softmax(r / T) stands the mean of theirs, the arithmetic mean that
Hinton et al. name for ensembles. Each sees the images in its own normalisation, and costs its own forward pass.

Whether p is smoothed and mixed is left open by the paper. Here the tricks stack: p is what the others make of it, and
the teacher sees the same (mixed) images as the student.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional as F

from backbones.errors import not_none
from backbones.tricks.trick import Trick


def distillation_loss(
    student_logits: Tensor, teacher_logits: Tensor, targets: Tensor, temperature: float = 20.0
) -> Tensor:
    """Loss of the student, a scalar in float32 whatever the logits are in; no gradient reaches the teacher.

    Logits of several teachers are (teachers, N, K): the mean of their softened probabilities is learnt from.
    """
    student, teacher = student_logits.float(), teacher_logits.detach().float()
    soft_targets = (teacher / temperature).softmax(-1)
    if soft_targets.ndim == 3:
        soft_targets = soft_targets.mean(0)
    return F.cross_entropy(student, targets) + temperature**2 * F.cross_entropy(student / temperature, soft_targets)


def _loss(logits: Tensor, taught: Tensor | None, targets: Tensor, temperature: Any) -> Tensor:
    return distillation_loss(logits, not_none(taught), targets, temperature)


TRICK = Trick(field="distillation", on=20.0, off=0.0, lowest=0, loss=_loss, needs_teacher=True, several_teachers=True)
