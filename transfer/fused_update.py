"""SGD in one pass over each weight, on a CPU.

By default PyTorch's SGD makes a pass over all weights for each of weight decay, momentum and update, with a tensor for
each result. A weight, its gradient and its momentum lie in memory alike, which the fused kernel takes for granted:
autograd gives gradients the layout of their weights, and checkpoints keep layouts.
"""

from __future__ import annotations

import torch
from torch.optim import SGD, Optimizer


def fuse_updates(optimizer: Optimizer) -> bool:
    """Have plain SGD of weights on a CPU update so; returns whether it does. Call it after a checkpoint is loaded.

    Left alone are other optimizers, and SGD that was told how to update.
    """
    groups = optimizer.param_groups
    if type(optimizer) is not SGD or any(group["foreach"] or group["differentiable"] for group in groups):
        return False
    weights = [weight for group in groups for weight in group["params"]]
    if any(weight.device.type != "cpu" or not torch.is_floating_point(weight) for weight in weights):
        return False
    for group in groups:
        group["fused"] = True
    return True
