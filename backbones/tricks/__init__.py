"""The refinements of the paper: one module each. To add one: a module with a ``Trick``, and its name here.

The order is that in which they stack, and in which the name of a switched recipe tells them.
"""

from __future__ import annotations

from backbones.tricks import (
    cosine,
    distillation,
    label_smoothing,
    linear_scaling,
    low_precision,
    mixup,
    no_bias_decay,
    warmup,
    zero_gamma,
)
from backbones.tricks.trick import Trick

TRICKS: dict[str, Trick] = {
    "linear-scaling": linear_scaling.TRICK,
    "warmup": warmup.TRICK,
    "zero-gamma": zero_gamma.TRICK,
    "no-bias-decay": no_bias_decay.TRICK,
    "low-precision": low_precision.TRICK,
    "cosine": cosine.TRICK,
    "label-smoothing": label_smoothing.TRICK,
    "distillation": distillation.TRICK,
    "mixup": mixup.TRICK,
}
