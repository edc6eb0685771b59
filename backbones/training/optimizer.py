"""Nesterov accelerated gradient, the paper's optimizer (Section 2.1)."""

from __future__ import annotations

from torch import nn
from torch.optim import SGD

from backbones.errors import not_none
from backbones.recipes.recipe import Recipe
from backbones.recipes.switches import trick_with
from backbones.training.fused_update import fuse_updates


def create_optimizer(model: nn.Module, recipe: Recipe, fused: bool = True) -> SGD:
    """SGD with Nesterov momentum; the learning rate is 0 until ``set_learning_rate`` gives each batch its own.

    ``fused`` is one kernel for all weights; do without it under a gradient scaler, which can then skip whole steps.
    """
    if found := trick_with(recipe, "parameter_groups"):
        trick, value = found
        groups = not_none(trick.parameter_groups)(model, recipe.weight_decay, value)
    else:
        groups = [{"params": [parameter for parameter in model.parameters() if parameter.requires_grad]}]
    # fused: on two CPU cores 5 ms for ResNet-18 instead of 100.
    optimizer = SGD(
        groups, lr=0.0, momentum=recipe.momentum, weight_decay=recipe.weight_decay, nesterov=True, fused=fused
    )
    if fused and next(model.parameters()).device.type == "cpu" and not fuse_updates(optimizer):
        for group in optimizer.param_groups:  # the bare kernel takes layouts for granted that nobody has seen to
            group["fused"] = None
    return optimizer


def set_learning_rate(optimizer: SGD, learning_rate: float) -> None:
    """Use ``learning_rate`` in every parameter group from the next update on."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
