"""The record of a training: losses, speed, ``metrics.jsonl`` and what is shown meanwhile."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from backbones.machine.distributed import ALONE, World
from backbones.monitoring.progress import BatchClock, Effort, Item, Progress
from backbones.monitoring.trackers import Tracker
from backbones.recipes.schedule import Schedule
from backbones.runs.run_folder import RunFolder
from backbones.training.checkpoint import Progression

LOG_STEPS = 50
# Reading a loss waits until the GPU has caught up, so there it is done for several steps at once.
GPU_READ_STEPS = 20


class TrainingLog:
    """Follows a training step by step, and keeps the sums in ``progression`` up to date.

    Losses stay on the device until ``catch_up`` reads them. Of several processes all keep the sums, and the leading one
    writes and shows.
    """

    def __init__(
        self,
        schedule: Schedule,
        steps_per_epoch: int,
        folder: RunFolder,
        progression: Progression,
        device: torch.device,
        trackers: Sequence[Tracker] = (),
        world: World = ALONE,
    ) -> None:
        self._schedule = schedule
        self._steps_per_epoch = steps_per_epoch
        self._folder = folder
        self._progression = progression
        self._read_steps = GPU_READ_STEPS if device.type == "cuda" else 1
        self._unread: list[Tensor] = []
        self._loss = math.nan
        self._trackers = trackers
        self._world = world
        self._progress = Progress(schedule.total_steps, progression.step, quiet=not world.leads)
        self._clock = BatchClock()
        self._caught_up, self._caught_up_at = Effort(), time.perf_counter()
        self._at_last_record = self._at_last_epoch = Effort()

    def close(self) -> None:
        """Put the progress bar away, and let the trackers go."""
        self._progress.close()
        for tracker in self._trackers:
            tracker.close()

    def timed(self, batches: Iterable[Item]) -> Iterator[Item]:
        """The batches; measures how long each takes to come and to be trained on."""
        return self._clock.timed(batches)

    def step_done(self, loss: Tensor, images: int) -> None:
        """Take note of a step; ``progression.step`` already counts it.

        Raises:
            UserError: The loss is not finite.
        """
        self._unread.append(loss)
        step = self._progression.step
        if step % self._read_steps == 0 or step % LOG_STEPS == 0:
            self.catch_up()
        self._clock.batch_done(images)
        if not self._unread:
            self._progress.update(step, self._loss, self._learning_rate(), self._clock.effort)
        if step % LOG_STEPS == 0:
            self._record("step", {"loss": self._loss}, self._clock.effort - self._at_last_record)
            self._at_last_record = self._clock.effort

    def epoch_done(self) -> None:
        """Record and show the epoch that ``progression`` has just been evaluated after; the next one starts at 0."""
        done = self._progression
        effort = self._clock.effort - self._at_last_epoch
        self._at_last_epoch = self._clock.effort
        loss = done.loss_sum / self._steps_per_epoch
        self._record("epoch", {"loss": loss, "top1": done.top1, "top5": done.top5}, effort)
        done.loss_sum = 0.0
        epoch, epochs = done.step // self._steps_per_epoch, self._schedule.total_steps // self._steps_per_epoch
        self._progress.line(
            f"epoch {epoch}/{epochs}: loss {loss:.3f}, top-1 {done.top1:.2f}, top-5 {done.top5:.2f}, "
            f"lr {self._learning_rate():.4g}, {effort.images_per_second:.0f} img/s, "
            f"data wait {effort.data_wait:.0%}, {self._progress.remaining(done.step)} left"
        )

    def catch_up(self) -> None:
        """Read the losses that are still on the device, and add up losses and times in ``progression``.

        Raises:
            UserError: One of them is not finite.
        """
        if self._unread:
            losses = torch.stack(self._unread).tolist()
            self._unread.clear()
            self._check_finite(losses)
            self._progression.loss_sum += math.fsum(losses)
            self._loss = losses[-1]
        now, effort = time.perf_counter(), self._clock.effort
        self._progression.train_seconds += (effort - self._caught_up).seconds
        self._progression.total_seconds += now - self._caught_up_at
        self._caught_up, self._caught_up_at = effort, now

    def _check_finite(self, losses: list[float]) -> None:
        for step, loss in enumerate(losses, start=self._progression.step - len(losses)):
            if not math.isfinite(loss):
                raise self._world.error(
                    f"the loss is {loss} at batch {step + 1} (learning rate {self._schedule.learning_rate(step):g}): "
                    f"training has diverged; start again in a new folder with a smaller --lr"
                )

    def _record(self, kind: str, values: dict[str, float], effort: Effort) -> None:
        step = self._progression.step
        record = {
            "kind": kind,
            "step": step,
            "epoch": step / self._steps_per_epoch,
            **values,
            "learning_rate": self._learning_rate(),
            "images_per_second": effort.images_per_second,
            "data_wait": effort.data_wait,
            "total_seconds": self._progression.total_seconds,
        }
        self._world.on_rank_zero(lambda: self._write(record))

    def _write(self, record: Mapping[str, Any]) -> None:
        self._folder.log(record)
        for tracker in self._trackers:
            tracker.record(record)

    def _learning_rate(self) -> float:
        return self._schedule.learning_rate(self._progression.step - 1)
