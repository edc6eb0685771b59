"""A step in several passes: the update of the whole batch, at the learning rates of the protocol's own schedule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.utils.data import Dataset

from backbones.errors import UserError
from transfer.openmmlab.passes import PassesHook, mean_losses, shares_of, split_batch

RATE, IMAGES, BATCH, STEPS = 0.5, 10, 4, 6
EPOCH = 3  # batches: the last one of an epoch has two images


class Numbers(Dataset):
    """Inputs and targets that no batch has alike."""

    def __len__(self) -> int:
        return IMAGES

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(index)
        inputs = torch.randn(3, generator=generator, dtype=torch.float64)
        return {"inputs": inputs, "data_samples": inputs.sin().sum()}


class Line(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(3, 1).double()
        self.sizes: list[int] = []

    def forward(self, inputs: list[Tensor], data_samples: list[Tensor], mode: str = "loss") -> dict[str, Tensor]:
        self.sizes.append(len(inputs))
        error = self.layer(torch.stack(inputs)).squeeze(1) - torch.stack(data_samples)
        return {"loss": error.square().mean()}


class Updates(Hook):
    """The learning rate of each update."""

    def __init__(self) -> None:
        self.rates: list[float] = []

    def before_train(self, runner: Runner) -> None:
        wrapper, update = runner.optim_wrapper, runner.optim_wrapper.step

        def step(**options: Any) -> None:
            self.rates.append(wrapper.get_lr()["lr"][0])
            update(**options)

        wrapper.step = step


def train(folder: Path, passes: int, by_epoch: bool) -> tuple[Runner, list[float]]:
    """The runner, and the learning rate of each update."""
    updates = Updates()
    length = dict(by_epoch=True, max_epochs=STEPS // EPOCH) if by_epoch else dict(by_epoch=False, max_iters=STEPS)
    runner = Runner(
        model=Line(),
        work_dir=str(folder),
        train_dataloader=dict(
            batch_size=BATCH,
            num_workers=0,
            dataset=Numbers(),
            sampler=dict(type="DefaultSampler" if by_epoch else "InfiniteSampler", shuffle=False),
        ),
        train_cfg=length,
        optim_wrapper=dict(optimizer=dict(type="SGD", lr=RATE, momentum=0.9), clip_grad=dict(max_norm=1.0)),
        param_scheduler=[
            dict(type="LinearLR", start_factor=0.5, by_epoch=False, begin=0, end=2),
            dict(type="PolyLR", power=1.0, eta_min=0.0, by_epoch=False, begin=2, end=STEPS),
        ],
        default_hooks=dict(checkpoint=None, logger=None),
        experiment_name=f"{folder.name}-{passes}-{by_epoch}",
        log_level="ERROR",
    )
    runner.register_hook(PassesHook(passes))
    runner.register_hook(updates)
    runner.train()
    return runner, updates.rates


# By hand: a warmup of two updates from half of 0.5; then four on a straight line from 0.5 to 0, both ends included.
HAND_COMPUTED = [0.25, 0.5, 0.5, 0.5 * 2 / 3, 0.5 / 3, 0.0]


@pytest.mark.parametrize("by_epoch", [False, True])
@pytest.mark.parametrize("passes", [1, 2, 3, 4])
def test_updates_and_learning_rates_are_those_of_one_pass(passes: int, by_epoch: bool, tmp_path: Path) -> None:
    runner, rates = train(tmp_path / "parts", passes, by_epoch)
    whole, _ = train(tmp_path / "whole", 1, by_epoch)
    assert rates == pytest.approx(HAND_COMPUTED)
    assert runner.iter == STEPS
    torch.testing.assert_close(runner.model.state_dict(), whole.model.state_dict(), rtol=1e-12, atol=1e-12)
    seen = [BATCH, BATCH, IMAGES % BATCH] * 2 if by_epoch else [BATCH] * STEPS
    assert sum(runner.model.sizes) == sum(seen)
    assert len(runner.model.sizes) == sum(min(passes, count) for count in seen)


def test_parts_cover_the_batch_in_order_and_their_losses_are_weighted() -> None:
    batch = {"inputs": list(range(5)), "data_samples": list("abcde")}
    parts = split_batch(batch, 2)
    assert [part["inputs"] for part in parts] == [[0, 1], [2, 3, 4]]
    assert [part["data_samples"] for part in parts] == [["a", "b"], ["c", "d", "e"]]
    assert shares_of(parts) == pytest.approx([0.4, 0.6])
    assert len(split_batch(batch, 9)) == 5
    losses = mean_losses([{"loss": torch.tensor(1.0)}, {"loss": torch.tensor(2.0)}], [0.4, 0.6])
    assert float(losses["loss"]) == pytest.approx(1.6)


def test_another_mmengine_is_refused_and_not_cut_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transfer.openmmlab.passes.WRITTEN_FOR", "0.10.6")
    with pytest.raises(UserError, match=r"--accumulate 2 needs mmengine 0\.10\.6"):
        PassesHook(2)
    assert PassesHook(1).passes == 1
