"""Label smoothing (Section 5.2): ask for a little less than certainty.

With one-hot targets the loss keeps rewarding a larger gap between the logit of the true class and the others, without
end. Smoothed targets make that gap finite: at best log((K - 1) (1 - eps) / eps), 9.10 for K = 1000 and eps = 0.1.

=========  ==========================================================================================================
formula    target = 1 - eps for the true class, eps / (K - 1) for each of the other K - 1 classes (Equation 4)
shapes     labels (N,) -> targets (N, K)
default    eps = 0.1 in ``d-smooth`` and the recipes that build on it, otherwise 0 (one-hot)
cost       one (N, K) matrix per batch
paper      ResNet-50-D top-1, Table 6: 77.91 -> 78.31 (CVPR version: 77.73 -> 78.37); Inception-V3 78.19 -> 78.40;
           MobileNet 72.83 -> 72.93. Segmentation loses: 39.33 -> 38.75 mIoU (Table 9); detection gains: 79.23 -> 80.71
           mAP (Table 8)
elsewhere  PyTorch's ``label_smoothing=``, timm and GluonCV spread eps over all K classes: 1 - eps + eps / K, eps / K.
           Theirs at eps equals this one at eps * (K - 1) / K: no matter at K = 1000, half of it at K = 2
=========  ==========================================================================================================

The targets are probabilities, so they go into the ordinary cross-entropy and can be mixed (mixup) before that.
"""

from __future__ import annotations

import torch
from torch import Tensor

from backbones.tricks.trick import Trick


def smooth_targets(labels: Tensor, num_classes: int, eps: float) -> Tensor:
    """Target distributions (N, num_classes), float32, for class indices (N,); ``eps = 0`` gives one-hot rows."""
    targets = torch.full((len(labels), num_classes), eps / (num_classes - 1), device=labels.device)
    return targets.scatter_(1, labels[:, None], 1.0 - eps)


TRICK = Trick(field="label_smoothing", on=0.1, off=0.0, lowest=0, highest=1, targets=smooth_targets)
