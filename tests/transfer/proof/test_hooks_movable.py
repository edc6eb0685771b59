"""A trunk that cannot learn stops the run before its first update, not after its last."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.optim import OptimWrapper
from torch import nn

from backbones.bundles.ledger import ProofError
from transfer.openmmlab.trunk import bundle_trunk
from transfer.proof.after_training import Held
from transfer.proof.hooks import MovableHook


class Model(nn.Module):
    """A trunk and a head that looks at one of its maps."""

    def __init__(self, stage: int) -> None:
        super().__init__()
        self.backbone = bundle_trunk("random:resnet18_d", out_indices=(2, 3))
        self.stage = stage

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.backbone(images)[self.stage - 2].square().mean()


def runner_of(stage: int) -> Any:
    model = Model(stage)
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    return SimpleNamespace(model=model, optim_wrapper=wrapper, iter=0)


def step(runner: Any) -> None:
    runner.optim_wrapper.update_params(runner.model(torch.randn(2, 3, 64, 64)))


def test_a_trunk_that_learns_passes_and_is_checked_once() -> None:
    runner = runner_of(stage=3)
    before = runner.model.backbone.stem.state_dict()
    before = {name: tensor.clone() for name, tensor in before.items()}
    MovableHook(Held(), trained=True).before_train_iter(runner, 0)
    assert "step" in vars(runner.optim_wrapper)
    step(runner)
    assert "step" not in vars(runner.optim_wrapper)
    after = runner.model.backbone.stem.state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_a_stage_that_the_loss_does_not_reach_stops_the_first_update() -> None:
    runner = runner_of(stage=2)
    before = runner.model.backbone.stem.state_dict()
    weight = {name: tensor.clone() for name, tensor in before.items() if name.endswith("weight")}
    MovableHook(Held(), trained=True).before_train_iter(runner, 0)
    with pytest.raises(ProofError, match="stage4 is to train, but got no gradient from the first loss"):
        step(runner)
    assert all(torch.equal(tensor, runner.model.backbone.stem.state_dict()[name]) for name, tensor in weight.items())


def test_what_is_held_may_go_without() -> None:
    runner = runner_of(stage=2)
    MovableHook(Held(frozen_stages=4), trained=True).before_train_iter(runner, 0)
    step(runner)


def test_a_random_trunk_may_go_without_gradients_but_not_without_a_rate() -> None:
    runner = runner_of(stage=2)
    MovableHook(Held(), trained=False).before_train_iter(runner, 0)
    step(runner)
    for group in runner.optim_wrapper.optimizer.param_groups:
        group["lr"] = 0.0
    with pytest.raises(ProofError, match="have learning rate 0"):
        MovableHook(Held(), trained=False).before_train_iter(runner, 0)


def test_a_resumed_run_was_checked_at_its_start() -> None:
    runner = runner_of(stage=2)
    runner.iter = 5
    MovableHook(Held(), trained=True).before_train_iter(runner, 0)
    step(runner)
