"""The first losses beside those of a random trunk: another number, and nothing that the comparison touches remains."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from backbones.bundles.bundle import Bundle
from backbones.bundles.ledger import ProofError
from transfer.openmmlab.trunk import bundle_stage, bundle_trunk, open_bundle
from transfer.proof.first_loss import compare_losses, losses_with_random_trunk

NETWORK = "random:mobilenet_v1_025"


class Model(BaseModel):
    """A trunk with its last stage apart, dropout, numbers drawn from every generator, and a BatchNorm of its own."""

    def __init__(self, listens: bool = True) -> None:
        super().__init__()
        self.backbone = bundle_trunk(NETWORK, stages=3, out_indices=(2,))
        self.shared = bundle_stage(NETWORK, 3)
        self.head = nn.Sequential(nn.BatchNorm2d(256), nn.Dropout(0.5))
        self.listens = listens

    def forward(self, inputs: Tensor, data_samples: Any = None, mode: str = "tensor") -> dict[str, Tensor]:
        assert mode == "loss"
        features = self.head(self.shared(self.backbone(inputs)[0])).square().mean()
        noise = random.random() + np.random.random() + torch.rand(())
        return {"loss_features": features if self.listens else features * 0, "loss_noise": noise, "accuracy": noise}


@pytest.fixture
def batch() -> dict[str, Any]:
    return {"inputs": torch.randn(2, 3, 64, 64), "data_samples": None}


@pytest.fixture
def bundle() -> Bundle:
    return open_bundle(NETWORK, 0)


def step(model: Model, batch: dict[str, Any]) -> dict[str, float]:
    """The losses of a training step from a known state of the generators."""
    seed()
    _, losses = model.parse_losses(model(**batch, mode="loss"))
    return {name: value.item() for name, value in losses.items() if "loss" in name}


def seed() -> None:
    random.seed(3)
    np.random.seed(3)
    torch.manual_seed(3)


def test_a_random_trunk_has_other_losses_of_the_features_and_the_same_of_the_generators(
    batch: dict[str, Any], bundle: Bundle
) -> None:
    model = Model().train()
    seed()
    reference = losses_with_random_trunk(model, batch, bundle, seed=1)
    mine = step(model, batch)
    assert set(reference) == {"loss", "loss_features", "loss_noise"}
    assert reference["loss_features"] != mine["loss_features"]
    assert reference["loss_noise"] == mine["loss_noise"]
    assert compare_losses(mine, reference) == {"step": mine, "random_trunk": reference}


def test_model_batch_and_generators_are_left_as_they_were(batch: dict[str, Any], bundle: Bundle) -> None:
    model = Model().train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    images = batch["inputs"].clone()
    seed()
    losses_with_random_trunk(model, batch, bundle, seed=1)
    after_comparison = (random.random(), np.random.random(), torch.rand(()))
    seed()
    assert after_comparison == (random.random(), np.random.random(), torch.rand(()))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(batch["inputs"], images)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_model_is_put_back_when_its_loss_fails(bundle: Bundle) -> None:
    model = Model().train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(RuntimeError):
        losses_with_random_trunk(model, {"inputs": torch.zeros(2, 5, 64, 64), "data_samples": None}, bundle, seed=1)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_heads_that_do_not_listen_to_the_trunk_are_refused(batch: dict[str, Any], bundle: Bundle) -> None:
    model = Model(listens=False).train()
    seed()
    reference = losses_with_random_trunk(model, batch, bundle, seed=1)
    with pytest.raises(ProofError, match="does not reach the loss"):
        compare_losses(step(model, batch), reference)


def test_the_same_random_trunk_has_the_same_losses(batch: dict[str, Any], bundle: Bundle) -> None:
    """The control: what differs in the first test is the trunk and nothing else."""
    model = Model().train()
    seed()
    reference = losses_with_random_trunk(model, batch, bundle, seed=0)
    assert reference == step(model, batch)


def test_a_loss_that_is_no_number_is_kept_as_none(batch: dict[str, Any], bundle: Bundle) -> None:
    model = Model().train()
    batch["inputs"] *= math.inf
    assert losses_with_random_trunk(model, batch, bundle, seed=1)["loss"] is None
