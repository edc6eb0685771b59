"""Cosine learning rate decay (Section 5.1): from the initial rate to 0 along half a cosine.

It falls slowly at first, almost linearly in the middle, slowly again at the end, and has no milestones to choose.

=========  ==========================================================================================================
formula    learning rate = 0.5 * (1 + cos(pi * t / T)) * initial learning rate; t and T count batches after the warmup
default    on in ``d-cosine`` and the recipes that build on it, otherwise step decay (0.1 at epochs 30, 60 and 90)
cost       none
paper      ResNet-50-D top-1, Table 6: 77.16 -> 77.91 (mean of 4 runs in the CVPR version: 77.26 -> 77.73); Inception-V3
           77.50 -> 78.19; MobileNet 71.90 -> 72.83
elsewhere  timm and mmengine change the rate once per epoch by default, and timm counts the warmup in T; many keep a
           floor above 0; GluonCV divides by T - 1, which spends the last batch on a rate of exactly 0
=========  ==========================================================================================================

t is the number of batches done, so the first batch after the warmup has the full rate, and 0 is reached as the last
batch ends (its own rate is about (pi / 2T)^2 of the initial one).
"""

from __future__ import annotations

import math

from backbones.tricks.trick import Trick


def cosine_factor(done: int, total: int) -> float:
    """Factor on the learning rate when ``done`` of ``total`` batches after the warmup are over: from 1 to 0."""
    return 0.5 * (1.0 + math.cos(math.pi * done / total))


TRICK = Trick(field="schedule", on="cosine", off="step", decay=cosine_factor)
