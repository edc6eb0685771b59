"""Mixup (Section 5.4; Zhang et al., "mixup: Beyond Empirical Risk Minimization"): train on blends of two images.

Only blended images are used. Between two images the network is asked for a prediction that changes linearly.

=========  ==========================================================================================================
formula    image = w x_i + (1 - w) x_j and target = w y_i + (1 - w) y_j, with w ~ Beta(alpha, alpha)
shapes     images (N, 3, H, W), targets (N, K): the same go out
default    alpha = 0.2 and 200 epochs instead of 120 in ``d-mixup`` and ``d-distill-mixup``, otherwise off
cost       two thirds more epochs; per batch one flipped copy and one blend on the device
paper      ResNet-50-D top-1, Table 6: 78.31 -> 79.15 (CVPR version: 78.37 -> 79.01, of which 200 epochs without mixup
           give about 0.15); Inception-V3 78.40 -> 78.77; MobileNet 72.93 -> 73.28. Segmentation loses: 38.75 -> 37.99
           mIoU (Table 9); detection gains: 80.71 -> 81.10 mAP (Table 8)
elsewhere  the paper leaves open who is paired with whom, and whether w is drawn per batch or per image. Here: one w per
           batch, partner = the batch reversed, as in GluonCV (there within each GPU's slice of the batch) and in timm,
           which can also draw w per image or per pair; torchvision pairs each image with the one before it
=========  ==========================================================================================================

With alpha = 0.2 most w are close to 0 or 1: half of them keep more than 97 % of one of the two images. In a batch of
odd size the image in the middle is its own partner.

Targets may be smoothed before they are mixed or after: smoothing is affine and the weights sum to 1, so it is the same.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from backbones.tricks.trick import Trick


def draw_mix(alpha: float, random: np.random.Generator) -> float:
    """Weight in [0, 1] of the image itself against its partner; ``alpha`` is positive."""
    return float(random.beta(alpha, alpha))


def mix(images: Tensor, targets: Tensor, weight: float) -> tuple[Tensor, Tensor]:
    """Blend normalised images (N, 3, H, W) and targets (N, K) with those of the reversed batch.

    Returns new tensors, images in the memory format they came in.
    """
    return torch.lerp(images.flip(0), images, weight), torch.lerp(targets.flip(0), targets, weight)


TRICK = Trick(field="mixup", on=0.2, off=0.0, lowest=0, draw=draw_mix, mix=mix)
