"""What happens inside mmengine's training loop: the proof, resumable checkpoints, one line of progress."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from backbones.errors import UserError
from backbones.machine.distributed import ALONE, World
from backbones.monitoring.progress import Effort, Progress
from backbones.runs.run_folder import RunFolder
from transfer.proof.after_training import FIRST_STEPS


def check_loss(loss: float, runner: Runner) -> None:
    """See that the step just made had a loss.

    Raises:
        UserError: The loss is no number any more.
    """
    if not math.isfinite(loss):
        rate = runner.optim_wrapper.get_lr()["lr"][0]
        raise UserError(
            f"loss is {loss} at iteration {runner.iter + 1} with learning rate {rate:.4g}; lower it with "
            "--cfg-options optim_wrapper.optimizer.lr=… or clip: optim_wrapper.clip_grad=\"{'max_norm': 10}\""
        )


class ClockHook(Hook):
    """Seconds of training over all parts of a run, without evaluations in between.

    A part that was killed counts up to the checkpoint that it left.

    Args:
        started: Begin of this part, as ``time.perf_counter`` tells it.
    """

    def __init__(self, started: float) -> None:
        self.started = started
        self.earlier = 0.0

    @property
    def seconds(self) -> float:
        """So far."""
        return self.earlier + time.perf_counter() - self.started

    def before_val(self, runner: Runner) -> None:
        self.paused = time.perf_counter()

    def after_val(self, runner: Runner) -> None:
        self.started += time.perf_counter() - self.paused

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        checkpoint["meta"]["train_seconds"] = self.seconds

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        self.earlier = checkpoint["meta"].get("train_seconds", 0.0)


class LossesHook(Hook):
    """Fetches a step's losses from the device, and stops the training when the loss is no number any more.

    They come all at once: each one that a hook asks for by itself has to wait until the device has finished.

    Attributes:
        means: Of the last step, each loss by name, over all processes.
    """

    priority = "HIGHEST"  # before mmengine's own, which ask one by one

    def __init__(self, world: World = ALONE) -> None:
        self.world = world
        self.means: dict[str, float] = {}

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        own = torch.stack([value.detach().float().mean() for value in outputs.values()])
        fetched, means = torch.stack([own, self.world.mean(own.clone())]).cpu()
        outputs.update(zip(list(outputs), fetched, strict=True))
        self.means = dict(zip(outputs, means.tolist(), strict=True))
        check_loss(self.means["loss"], runner)


class ProgressHook(Hook):
    """Progress with ETA, and records in ``metrics.jsonl``.

    Args:
        folder: The run's.
        losses: Has fetched those of the step.
        world: The processes that share the training.
    """

    log_every = 20

    def __init__(self, folder: RunFolder, losses: LossesHook, world: World = ALONE) -> None:
        self.folder = folder
        self.losses = losses
        self.world = world

    def before_train(self, runner: Runner) -> None:
        if self.world.leads:
            self.folder.forget_after(runner.iter, runner.iter)
        self.progress = Progress(runner.max_iters, runner.iter, quiet=not self.world.leads)
        self.effort = Effort()
        self.mark = time.perf_counter()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        waited = self._lap()
        self.effort = replace(self.effort, seconds=self.effort.seconds + waited, waiting=self.effort.waiting + waited)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        step = runner.iter + 1
        losses = self.losses.means
        rate = runner.optim_wrapper.get_lr()["lr"][0]
        self.effort = replace(
            self.effort,
            images=self.effort.images + len(data_batch["inputs"]) * self.world.size,
            seconds=self.effort.seconds + self._lap(),
        )
        self.progress.update(step, losses["loss"], rate, self.effort)
        if self.world.leads and (step <= FIRST_STEPS or step % self.log_every == 0 or step == runner.max_iters):
            speed = {"images_per_second": self.effort.images_per_second, "data_wait": self.effort.data_wait}
            steps = {"kind": "step", "step": step, "total_steps": runner.max_iters}
            self.folder.log({**steps, "learning_rate": rate, **losses, **speed})

    def after_val(self, runner: Runner) -> None:
        self._lap()

    def after_train(self, runner: Runner) -> None:
        self.progress.close()

    def tell(self, text: str) -> None:
        """Print a line while it trains."""
        self.progress.line(text)

    def _lap(self) -> float:
        before, self.mark = self.mark, time.perf_counter()
        return self.mark - before
