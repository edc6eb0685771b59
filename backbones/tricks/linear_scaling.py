"""Linear scaling of the learning rate (Section 3.1): a k times larger batch takes k times larger steps.

A larger batch lowers the noise of the gradient, so a step may go further in its direction.

=========  ==========================================================================================================
formula    learning rate = 0.1 / 256 * batch size (0.4 at batch 1024)
default    on in the "efficient" recipes, off in ``b-standard``, which keeps 0.1 whatever the batch
cost       none
paper      ResNet-50 top-1, Table 4 (this row alone): 75.87 at batch 256, 75.17 at batch 1024; the rows below it in that
           table (warmup, zero gamma, ...) win the loss back
elsewhere  mmengine ``auto_scale_lr`` (off by default), timm ``--lr-base`` with square-root or linear scaling; GluonCV
           expects the scaled value in ``--lr``
=========  ==========================================================================================================

"Batch size" is the total batch of one update, over all devices.
"""

from __future__ import annotations

from backbones.tricks.trick import Trick

BASE_BATCH_SIZE = 256


def scaled_learning_rate(batch_size: int, base: float = 0.1) -> float:
    """Learning rate for a total batch of ``batch_size`` images, when ``base`` is right for 256."""
    return base / BASE_BATCH_SIZE * batch_size


def scaled_with_reason(base: float, batch_size: int, _: bool) -> tuple[float, str]:
    """The learning rate, and how it comes about."""
    peak = scaled_learning_rate(batch_size, base)
    return peak, f"{base:g} / {BASE_BATCH_SIZE} * {batch_size} = {peak:g} (linear scaling)"


TRICK = Trick(field="linear_scaling", learning_rate=scaled_with_reason)
