"""The record of a training: sums that survive an interruption, records at their places, silence where it is due."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from pytest import CaptureFixture, approx, fixture, mark, raises

from backbones.errors import ToldError, UserError
from backbones.machine.distributed import World
from backbones.monitoring.trackers import Tracker
from backbones.recipes.schedule import Schedule
from backbones.runs.run_folder import RunFolder
from backbones.training.checkpoint import Progression
from backbones.training.log import GPU_READ_STEPS, LOG_STEPS, TrainingLog

CPU, GPU = torch.device("cpu"), torch.device("cuda")
PER_EPOCH = 60
SCHEDULE = Schedule(0.4, "step", 2 * PER_EPOCH, 0, (30,))


@fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.open(tmp_path / "run", {"seed": 0}, resume=False)


def log_of(folder: RunFolder, done: Progression, device: torch.device = CPU, **options: Any) -> TrainingLog:
    return TrainingLog(SCHEDULE, PER_EPOCH, folder, done, device, **options)


def follow(log: TrainingLog, done: Progression, losses: list[float]) -> None:
    for _, loss in zip(log.timed(range(len(losses))), losses, strict=True):
        done.step += 1
        log.step_done(torch.tensor(loss), 8)


def records(folder: RunFolder) -> list[dict[str, Any]]:
    return [json.loads(line) for line in folder.metrics.read_text().splitlines()] if folder.metrics.exists() else []


@mark.parametrize("device", [CPU, GPU])
def test_an_epoch_is_recorded_with_its_mean_loss(
    folder: RunFolder, device: torch.device, capsys: CaptureFixture[str]
) -> None:
    done = Progression()
    log = log_of(folder, done, device)
    losses = [float(number) for number in range(PER_EPOCH)]
    follow(log, done, losses)
    log.catch_up()
    assert done.loss_sum == approx(sum(losses))
    done.top1, done.top5 = 50.0, 75.0
    log.epoch_done()
    log.close()
    assert done.loss_sum == 0.0
    step, epoch = records(folder)
    assert (step["kind"], step["step"], step["loss"]) == ("step", LOG_STEPS, LOG_STEPS - 1.0)
    assert step["learning_rate"] == approx(0.04)
    assert step["epoch"] == approx(50 / 60)
    assert (epoch["kind"], epoch["step"], epoch["epoch"]) == ("epoch", PER_EPOCH, 1.0)
    assert (epoch["loss"], epoch["top1"], epoch["top5"]) == (approx(sum(losses) / PER_EPOCH), 50.0, 75.0)
    assert "epoch 1/2: loss 29.500, top-1 50.00, top-5 75.00, lr 0.04" in capsys.readouterr().out
    assert done.total_seconds >= done.train_seconds > 0


def test_a_resumed_epoch_adds_to_what_was_summed_up(folder: RunFolder) -> None:
    done = Progression(step=40, loss_sum=100.0, train_seconds=10.0, total_seconds=20.0)
    log = log_of(folder, done)
    follow(log, done, [1.0] * 20)
    log.epoch_done()
    assert records(folder)[-1]["loss"] == approx(120 / 60)
    assert done.train_seconds > 10.0
    assert done.total_seconds > 20.0
    assert records(folder)[-1]["total_seconds"] >= 20.0


def test_on_a_gpu_losses_are_read_several_at_a_time(folder: RunFolder) -> None:
    done = Progression()
    log = log_of(folder, done, GPU)
    follow(log, done, [1.0] * (GPU_READ_STEPS - 1))
    assert done.loss_sum == 0.0
    follow(log, done, [1.0])
    assert done.loss_sum == GPU_READ_STEPS
    follow(log, done, [1.0] * 3)
    log.catch_up()
    assert done.loss_sum == GPU_READ_STEPS + 3
    log.catch_up()
    assert done.loss_sum == GPU_READ_STEPS + 3


@mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_is_named_with_its_batch(folder: RunFolder, value: float) -> None:
    done = Progression(step=5)
    log = log_of(folder, done, GPU)
    follow(log, done, [1.0, value, 1.0])
    with raises(UserError, match=rf"the loss is {value} at batch 7 \(learning rate 0\.4\).*smaller --lr"):
        log.catch_up()
    assert done.loss_sum == 0.0


def test_trackers_get_every_record_and_are_let_go(folder: RunFolder) -> None:
    seen: list[Mapping[str, Any]] = []
    closed: list[int] = []
    trackers = [Tracker(seen.append, lambda number=number: closed.append(number)) for number in range(2)]
    done = Progression()
    log = log_of(folder, done, trackers=trackers)
    follow(log, done, [1.0] * PER_EPOCH)
    log.epoch_done()
    assert closed == []
    log.close()
    assert closed == [0, 1]
    assert [record["kind"] for record in seen] == ["step", "step", "epoch", "epoch"]
    assert seen[::2] == records(folder)


class Follower(World):
    """One of two processes, whose leader does what there is to do."""

    def on_rank_zero(self, work: Callable[[], Any]) -> None:
        return None


def test_who_does_not_lead_keeps_the_sums_and_nothing_else(folder: RunFolder, capsys: CaptureFixture[str]) -> None:
    done = Progression()
    log = log_of(folder, done, world=Follower(rank=1, size=2))
    follow(log, done, [2.0] * PER_EPOCH)
    assert done.loss_sum == approx(2.0 * PER_EPOCH)
    log.epoch_done()
    log.close()
    assert records(folder) == []
    assert capsys.readouterr() == ("", "")
    assert done.loss_sum == 0.0
    with raises(ToldError, match="the loss is nan"):  # the leading process has the same loss, and tells
        follow(log, done, [math.nan])
