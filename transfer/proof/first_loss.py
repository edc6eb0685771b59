"""Whether the trunk's weights reach the loss: the first training step's, beside that of a random trunk in its place.

The proof shows that the built model holds the bundle's tensors; that its heads look at what they compute, only a loss
can show. Before the first step, the same batch with the same random numbers therefore also goes through the model with
an untrained trunk of the same network, and everything that this touches is put back bit for bit.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import Tensor, nn

from backbones.bundles.bundle import Bundle
from backbones.bundles.ledger import ProofError, load_part
from backbones.models import Trunk
from transfer.openmmlab.passes import mean_losses, shares_of, split_batch
from transfer.openmmlab.random_state import generators_kept
from transfer.openmmlab.trunk import RANDOM_PREFIX, RoIStage, open_bundle
from transfer.openmmlab.unwrap import unwrap_model

# Of the random trunk: none that anybody would have trained from.
RANDOM_SEED = 1812_01187


class FirstLossHook(Hook):
    """Call ``record(facts)`` after the first step, with its losses and the random trunk's.

    Args:
        bundle: The source of the model's trunk, a trained one.
        record: Takes "step" and "random_trunk", each loss by name; None is a loss that is no number.
        passes: Parts that a step cuts its batch into (``transfer.openmmlab.passes``).
    """

    priority = "VERY_LOW"  # its forward pass is nobody's data wait

    def __init__(self, bundle: Bundle, record: Callable[[dict[str, Any]], None], passes: int = 1) -> None:
        self.bundle = bundle
        self.record = record
        self.passes = passes
        self.reference: dict[str, float | None] = {}

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        if runner.iter == 0:
            model = unwrap_model(runner)
            with runner.optim_wrapper.optim_context(model):
                self.reference = losses_with_random_trunk(model, data_batch, self.bundle, self.passes)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        if runner.iter == 0:
            self.record(compare_losses(_plain(outputs), self.reference))


def compare_losses(step: Mapping[str, float | None], reference: Mapping[str, float | None]) -> dict[str, Any]:
    """Both, as the proof keeps them.

    Raises:
        ProofError: They are the same, so what the trunk computes does not reach the loss.
    """
    if step["loss"] == reference["loss"]:
        raise ProofError(
            f"the first loss, {step['loss']}, is to the last bit that of a random trunk: what the trunk computes does "
            "not reach the loss; see that neck and heads of the configuration take its maps"
        )
    return {"step": dict(step), "random_trunk": dict(reference)}


@torch.no_grad()
def losses_with_random_trunk(
    model: BaseModel, batch: Any, bundle: Bundle, passes: int = 1, seed: int = RANDOM_SEED
) -> dict[str, float | None]:
    """The losses that a training step on ``batch`` would have if the model's trunk were untrained.

    Model, batch and random generators are left as they were.
    """
    untrained = open_bundle(RANDOM_PREFIX + bundle.architecture, seed)
    with _state_kept(model), generators_kept():
        for part in model.modules():
            if isinstance(part, (Trunk, RoIStage)):
                load_part(part, untrained)
        parts = split_batch(batch, passes)
        # Preprocessing pads label maps in place, so it gets a batch of its own.
        batches = (model.data_preprocessor(copy.deepcopy(part), training=True) for part in parts)
        steps = [model.parse_losses(model(**data, mode="loss"))[1] for data in batches]
    return _plain(mean_losses(steps, shares_of(parts)))


@contextmanager
def _state_kept(model: nn.Module) -> Iterator[None]:
    """Parameters and buffers get their values back: the trunk's, and statistics that a forward pass gathers."""
    kept = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    try:
        yield
    finally:
        for name, tensor in model.state_dict().items():
            tensor.copy_(kept[name])


def _plain(losses: Mapping[str, Tensor]) -> dict[str, float | None]:
    """Losses as JSON has them, which knows neither infinity nor NaN."""
    values = {name: value.item() for name, value in losses.items() if "loss" in name}
    return {name: value if math.isfinite(value) else None for name, value in values.items()}
