"""BatchNorm that takes its statistics from the images of all processes."""

from __future__ import annotations

from typing import TypeVar

from torch import nn

from backbones.models.timm_survey import timm_layers
from backbones.models.timm_trunk import TimmTrunk

Model = TypeVar("Model", bound=nn.Module)


def synchronise_batch_norm(model: Model) -> Model:
    """Put a ``SyncBatchNorm`` in place of each BatchNorm of a model.

    In many of timm's networks a BatchNorm computes the activation, too, which PyTorch's own conversion would drop.
    """
    if any(isinstance(module, TimmTrunk) for module in model.modules()):
        return timm_layers().convert_sync_batchnorm(model)
    return nn.SyncBatchNorm.convert_sync_batchnorm(model)
