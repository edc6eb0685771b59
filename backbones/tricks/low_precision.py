"""Low-precision training (Section 3.2): half the bits where they do not matter, float32 where they do.

Convolutions and matrix products run in 16 bits. Weights, optimizer state, BatchNorm statistics and the loss stay in
float32, so the float32 weights are the master copy that the update is applied to, and what is saved.

=========  ==========================================================================================================
formula    fp16: gradients of (scale * loss), divided by the scale before the update; when one overflows, that update
           is left out and the scale halves. bf16: has the exponent of float32, needs no scaling
default    a property of the machine, the same for every recipe, so that rows differ in their tricks only; see
           ``backbones.machine.precision`` for how it is chosen
cost       none in accuracy (below); memory falls by up to a half
paper      FP16 on V100 is 2 to 3 times faster; ResNet-50 top-1, Table 4: 76.16 -> 76.15 at batch 256, 76.03 -> 76.21 at
           batch 1024
elsewhere  the paper keeps parameters, activations and gradients in FP16 beside a float32 master copy and calls loss
           scaling an option; GluonCV's script has none. Autocast, used here, converts per operation
=========  ==========================================================================================================
"""

from __future__ import annotations

import torch

from backbones.tricks.trick import Trick

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """Context in which convolutions and matrix products run in ``precision`` ("fp32", "bf16" or "fp16")."""
    return torch.autocast(device.type, dtype=DTYPES[precision], enabled=precision != "fp32")


def gradient_scaler(precision: str, device: torch.device) -> torch.amp.GradScaler:
    """Loss scaler for fp16; for the other precisions one that changes nothing."""
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")


TRICK = Trick(field="low_precision")  # no hook: backbones.machine.precision settles it with the machine
