"""The segmentation loss of one image at a time, for segmentors on a CPU.

A head's logits are made eight times larger before they meet the labels: at 150 classes and crops of 512 pixels that
is 0.6 GB for four images, once each for enlarged logits, their logarithms and every gradient, in channels_last, which
PyTorch's loss over the second dimension is slowest at. Here an image is enlarged, its loss and the gradient of its
small logits are computed, and it is dropped. The sum is the same up to rounding.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from backbones.machine.versions import is_version

WRITTEN_FOR = "1.2.2"  # of mmsegmentation, whose BaseDecodeHead.loss_by_feat these lines stand in for
_ACCURACY = "acc_seg"


def enlarged_cross_entropy(logits: Tensor, labels: Tensor, ignored: int) -> tuple[Tensor, Tensor]:
    """Cross entropy of logits that are enlarged bilinearly (``align_corners=False``) to the size of the labels.

    Args:
        logits: N x K x h x w.
        labels: N x H x W, int64.
        ignored: The label that has no loss.

    Returns:
        The mean loss over all pixels, in which ignored ones count as zeros, and, without gradient, how many of the
        others have their largest logit at the label.
    """
    return _EnlargedCrossEntropy.apply(logits, labels, ignored)


class _EnlargedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor, ignored: int) -> tuple[Tensor, Tensor]:
        gradient = torch.empty_like(logits)
        loss, correct = logits.new_zeros(()), labels.new_zeros(())
        for image, (each, label) in enumerate(zip(logits, labels, strict=True)):
            loss_sum, correct_count, gradient[image] = _one_image(each, label, ignored)
            loss += loss_sum
            correct += correct_count
        ctx.save_for_backward(gradient / labels.numel())
        ctx.mark_non_differentiable(correct)
        return loss / labels.numel(), correct

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, scale: Tensor, _: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * scale, None, None


def _one_image(logits: Tensor, labels: Tensor, ignored: int) -> tuple[Tensor, Tensor, Tensor]:
    """Summed loss, number of correct pixels, gradient of the sum with respect to the small logits (K x h x w)."""
    # A copy: a view of one image need not have the strides that PyTorch knows channels_last by.
    small = torch.empty_like(logits.unsqueeze(0), memory_format=torch.channels_last).copy_(logits)
    size = list(labels.shape)
    large = functional.interpolate(small, size, mode="bilinear", align_corners=False)
    # Pixels x classes, in the order that they lie in.
    scores, label = large.permute(0, 2, 3, 1).reshape(-1, logits.shape[0]), labels.reshape(-1)
    counted = label != ignored
    label = label.where(counted, 0).unsqueeze(1)
    correct = ((scores.argmax(1) == label.squeeze(1)) & counted).sum()
    logarithms = functional.log_softmax(scores, dim=1)
    loss = -(logarithms.gather(1, label).squeeze(1) * counted).sum()
    by_pixel = logarithms.exp_()  # probabilities; minus one at the label
    by_pixel.scatter_add_(1, label, by_pixel.new_full((), -1.0).expand_as(label))
    by_pixel *= counted.unsqueeze(1)
    gradient = torch.ops.aten.upsample_bilinear2d_backward(
        by_pixel.view(1, *size, -1).permute(0, 3, 1, 2), size, list(small.shape), False
    )
    return loss, correct, gradient.squeeze(0)


def use_per_image_loss(model: nn.Module) -> int:
    """Have the heads of a segmentor of mmsegmentation's compute their loss so; returns how many there were.

    Heads with another loss than plain cross entropy, with a sampler, or with other interpolation stay as they are, and
    so does what is computed on a GPU or in 16 bits.
    """
    heads: list[Any] = [head for head in model.modules() if _is_plain(head)]
    for head in heads:
        head.loss_by_feat = functools.partial(_loss_by_feat, head)
    return len(heads)


def _is_plain(head: Any) -> bool:
    # By name: mmsegmentation is not imported where detectors are trained.
    if type(head).__name__ != "FCNHead" or not is_version("mmsegmentation", WRITTEN_FOR):
        return False
    loss = head.loss_decode
    if type(loss).__name__ != "CrossEntropyLoss" or head.sampler is not None or head.align_corners:
        return False
    plain = not loss.use_sigmoid and not loss.use_mask and not loss.avg_non_ignore and loss.reduction == "mean"
    return plain and loss.class_weight is None


def _loss_by_feat(head: Any, seg_logits: Tensor, batch_data_samples: list[Any]) -> dict[str, Tensor]:
    """In place of ``BaseDecodeHead.loss_by_feat``, which GPUs and half precision go on with; the names are its own."""
    if seg_logits.device.type != "cpu" or seg_logits.dtype not in (torch.float32, torch.float64):
        return type(head).loss_by_feat(head, seg_logits, batch_data_samples)
    labels = head._stack_batch_gt(batch_data_samples).squeeze(1)
    mean, correct = enlarged_cross_entropy(seg_logits, labels, head.ignore_index)
    loss, tiny = head.loss_decode, torch.finfo(torch.float32).eps
    accuracy = (correct + tiny) * (100.0 / ((labels != head.ignore_index).sum() + tiny))
    return {loss.loss_name: loss.loss_weight * mean, _ACCURACY: accuracy.view(1)}
