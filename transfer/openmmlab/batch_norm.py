"""BatchNorm of one process or of all: what a protocol asks for, what a machine can do, and what a built model has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from backbones.bundles.ledger import ProofError
from backbones.machine.distributed import World
from transfer.protocol.total_batch import TotalBatch

LOCAL = "BatchNorm"
SYNCHRONISED = "SyncBatchNorm"
# As configurations name what estimates statistics over a batch.
NORMALISATIONS = ("BN", "BN1d", "BN2d", "BN3d", "SyncBN", "MMSyncBN", "NaiveSyncBN")


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


def images_per_estimate(config: Config, chosen: str, batch: TotalBatch, trunk_has_any: bool = True) -> int | None:
    """Images that BatchNorm takes its statistics from, once per pass; None where it keeps those of the pretraining.

    The trunk's keeps them with ``norm_eval``, in a stage that is a shared head too, if it has any
    (``trunk_has_any``); a head's own, which has none, never does.
    """
    heads = {key: part for key, part in config.model.items() if key != "backbone"}
    keeps = not trunk_has_any or config.model.backbone.get("norm_eval", False)
    if keeps and not _estimates(heads):
        return None
    return batch.images * (batch.processes if chosen == SYNCHRONISED else 1)


def describe_norms(chosen: str, images: int | None, layers: Mapping[str, int]) -> str:
    """What ``choose_batch_norm``, ``images_per_estimate`` and ``check_batch_norm`` found, in words."""
    if not layers:
        return "none in this model"
    over = "with the pretrained statistics" if images is None else f"over {images} images"
    return f"{chosen}, {over}; layers as built: {dict(layers)}"


def _estimates(part: Any) -> bool:
    """Whether a part of a configuration names a BatchNorm of its own."""
    if isinstance(part, (list, tuple)):
        return any(_estimates(each) for each in part)
    if not isinstance(part, dict):
        return False
    return part.get("type") in NORMALISATIONS or any(_estimates(each) for each in part.values())


def check_batch_norm(model: nn.Module, chosen: str, images: int | None) -> dict[str, int]:
    """Count a built model's normalisation layers by class.

    Args:
        model: As it was built.
        chosen: Their kind.
        images: As ``images_per_estimate`` has them.

    Raises:
        ProofError: They are not of the kind that was chosen, or estimate statistics where the configuration says that
            none does, or the other way about.
    """
    if (images is None) == _has_estimating_layers(model):
        raise ProofError(
            f"the built model {'estimates' if images is None else 'keeps'} BatchNorm's statistics, and by its "
            f"configuration it {'keeps' if images is None else 'estimates'} them"
        )
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    layers = Counter(type(module).__name__ for module in norms)
    for module in norms:
        if isinstance(module, nn.SyncBatchNorm) != (chosen == SYNCHRONISED):
            name = type(module).__name__
            raise ProofError(f"the built model has {layers[name]} layers of {name} where {chosen} was chosen")
    return dict(layers)


def _has_estimating_layers(model: nn.Module) -> bool:
    """Whether a BatchNorm takes its statistics from the batch in training mode; the model's modes stay as they are."""
    modes = [(module, module.training) for module in model.modules()]
    model.train()
    found = any(isinstance(module, _BatchNorm) and module.training for module in model.modules())
    for module, mode in modes:
        module.training = mode
    return found


class SharedBuffersHook(Hook):
    """Before an evaluation, all processes take over BatchNorm's running statistics from the leading one.

    Each has estimated its own, on its share of the images; the leading one's are those that checkpoints hold.
    """

    def __init__(self, world: World) -> None:
        self.world = world

    def before_val(self, runner: Runner) -> None:
        self.world.share(runner.model.buffers())

    before_test = before_val
