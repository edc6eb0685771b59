"""BatchNorm of one process or of all: what a protocol asks for, what a machine can do, and what a built model has."""

from __future__ import annotations

from collections import Counter

import torch
from mmengine.config import Config
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from backbones.ledger import ProofError

LOCAL = "BatchNorm"
SYNCHRONISED = "SyncBatchNorm"


def choose_batch_norm(config: Config, device: torch.device, processes: int) -> str:
    """Keep mmengine's ``sync_bn`` in a configuration where several GPUs train, and take it out elsewhere.

    PyTorch's ``SyncBatchNorm`` computes on GPUs only, and one process has no one to share statistics with.

    Returns:
        ``SYNCHRONISED``: every BatchNorm that trains takes its statistics from the images of all processes; or
        ``LOCAL``: from its own process's.
    """
    if config.get("sync_bn") and device.type == "cuda" and processes > 1:
        return SYNCHRONISED
    config.pop("sync_bn", None)
    return LOCAL


def check_batch_norm(model: nn.Module, chosen: str) -> dict[str, int]:
    """Count a built model's normalisation layers by class.

    Raises:
        ProofError: They are not of the kind that was chosen.
    """
    layers = Counter(type(module).__name__ for module in model.modules() if isinstance(module, _BatchNorm))
    wrong = [name for name in layers if (name == nn.SyncBatchNorm.__name__) != (chosen == SYNCHRONISED)]
    if wrong:
        raise ProofError(f"the built model has {layers[wrong[0]]} layers of {wrong[0]} where {chosen} was chosen")
    return dict(layers)
