"""The training loop: step, log, save."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grad_norm_
from torch.optim import SGD

from backbones.bundles.bundle import write_bundle
from backbones.data.color import random_color
from backbones.data.folders.image_folder import ImageFolder
from backbones.data.loader import Batch, ImageBatches, TrainingRequests, ValidationRequests, load_batches
from backbones.data.randomness import Purpose, keyed_generator, step_seed
from backbones.evaluation.accuracy import evaluate
from backbones.machine.distributed import ALONE, World
from backbones.machine.signals import StopSignal
from backbones.models import Classifier
from backbones.recipes.schedule import Schedule
from backbones.runs.run_folder import RunFolder
from backbones.training.checkpoint import Progression, save_checkpoint
from backbones.training.ema import WeightAverage
from backbones.training.log import TrainingLog
from backbones.training.objective import Objective
from backbones.training.optimizer import set_learning_rate

SAVE_SECONDS = 600.0  # between checkpoints within an epoch; an epoch of ImageNet on one GPU takes longer


@dataclass(frozen=True)
class TrainingJob:
    """What is trained on what. ``steps_per_epoch`` counts whole batches; sizes are in pixels and images.

    ``facts`` is what a bundle tells about its training besides how far it went. ``color`` is one of
    ``backbones.recipes.recipe.COLORS``.
    ``batch_size`` is that of one update, over all processes and all ``accumulate`` parts. ``replica`` computes what
    ``model`` does, and averages gradients over the processes if there are several. ``clip`` bounds the gradient's norm.
    """

    model: Classifier
    replica: nn.Module
    average: WeightAverage[Classifier] | None
    optimizer: SGD
    scaler: torch.amp.GradScaler
    schedule: Schedule
    objective: Objective
    data: ImageFolder
    batch_size: int
    accumulate: int
    clip: float | None
    steps_per_epoch: int
    seed: int
    color: str
    device: torch.device
    precision: str
    workers: int
    network: str
    facts: Mapping[str, Any]
    world: World = ALONE

    @property
    def trained(self) -> Classifier:
        """The model that is evaluated and saved: with averaged weights, if they are averaged."""
        return self.average.module if self.average else self.model

    def training_batches(self, first_step: int) -> Generator[Batch, None, None]:
        """This process's shares of batches ``first_step``, ``first_step + 1``, ... up to the last one of the run."""
        requests = TrainingRequests(
            len(self.data.train),
            self.batch_size,
            self.seed,
            first_step,
            self.schedule.total_steps,
            shard=self.world.rank,
            shards=self.world.size,
        )
        dataset = ImageBatches(self.data.train, self.objective.contract.train_size, self.seed)
        return load_batches(dataset, requests, self.workers, self.device)

    def validation_batches(self) -> Generator[Batch, None, None]:
        """Every validation image once, over all processes."""
        dataset = ImageBatches(self.data.val, self.objective.contract.eval_size, self.seed)
        size = max(1, self.batch_size // (self.accumulate * self.world.size))
        requests = ValidationRequests(len(self.data.val), size, shard=self.world.rank, shards=self.world.size)
        return load_batches(dataset, requests, self.workers, self.device)

    def write_bundle(self, path: Path, progression: Progression) -> None:
        """Write the model as it is, and how it came about."""
        facts = {
            **self.facts,
            "epochs": progression.step / self.steps_per_epoch,
            "top1": progression.top1,
            "top5": progression.top5,
        }
        write_bundle(path, self.trained, self.network, self.objective.contract, facts)

    def synchronised(self, last_part: bool) -> AbstractContextManager[None]:
        """Context of a backward pass: processes exchange gradients in that of the last part only."""
        if isinstance(self.replica, DistributedDataParallel) and not last_part:
            return self.replica.no_sync()
        return nullcontext()


def train(job: TrainingJob, folder: RunFolder, progression: Progression, log: TrainingLog) -> None:
    """Train from ``progression`` to the end of the schedule; evaluate and save after each epoch.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM; the state after the current batch is saved.
        UserError: An image cannot be read, loss or logits are no longer finite, or a file cannot be written.
    """
    batches = job.training_batches(progression.step)
    saved = time.monotonic()
    with StopSignal(patient=job.world.size > 1) as stop, closing(log), closing(batches):
        if progression.evaluated_step < progression.step and progression.step % job.steps_per_epoch == 0:
            finish_epoch(job, folder, progression, log, stop)  # it was stopped while it evaluated
        for batch in log.timed(batches):
            loss = training_step(job, batch, progression.step)
            progression.step += 1
            log.step_done(loss, len(batch.labels) * job.world.size)
            if progression.step % job.steps_per_epoch == 0:
                finish_epoch(job, folder, progression, log, stop)
                saved = time.monotonic()
            if job.world.any(stop.requested or time.monotonic() - saved > SAVE_SECONDS):
                save(job, folder, progression, log)
                saved = time.monotonic()
                if job.world.any(stop.requested):
                    raise KeyboardInterrupt(f"saved after batch {progression.step}; continue with --resume")


def training_step(job: TrainingJob, batch: Batch, step: int) -> Tensor:
    """One update of the weights; returns the mean loss over the whole batch, still on the device.

    Every random number depends on seed, step and place in the batch only, so a resumed run repeats them, and so does a
    run that cuts the batch into the same parts in another number of processes.
    """
    epoch, number = divmod(step, job.steps_per_epoch)
    change = random_color(job.batch_size, keyed_generator(Purpose.COLOR, job.seed, epoch, number), job.color)
    draws = job.objective.draw(keyed_generator(Purpose.MIXUP, job.seed, step))
    set_learning_rate(job.optimizer, job.schedule.learning_rate(step))
    size = len(batch.labels) // job.accumulate
    losses = []
    for part in range(job.accumulate):
        place = job.world.rank * job.accumulate + part
        torch.manual_seed(step_seed(job.seed, step, place))
        here = slice(part * size, (part + 1) * size)
        images = Batch(batch.images[here], batch.labels[here])
        colors = change.part(place * size, (place + 1) * size)
        with job.synchronised(last_part=part == job.accumulate - 1):
            loss = job.objective.loss(job.replica, images, colors, draws)
            job.scaler.scale(loss / job.accumulate).backward()
        losses.append(loss.detach())
    update(job, step)
    return job.world.mean(torch.stack(losses).mean())


def update(job: TrainingJob, step: int) -> None:
    """Apply the gradients that the backward passes have left behind."""
    if job.clip is not None:
        job.scaler.unscale_(job.optimizer)
        clip_grad_norm_(job.model.parameters(), job.clip)
    job.scaler.step(job.optimizer)
    job.scaler.update()
    job.optimizer.zero_grad()
    if job.average is not None:
        job.average.update(job.model, step + 1)


def finish_epoch(
    job: TrainingJob, folder: RunFolder, progression: Progression, log: TrainingLog, stop: StopSignal
) -> None:
    """Evaluate, log, save. Saved before, too: an evaluation that is cut short is repeated, its epoch is not."""
    save(job, folder, progression, log)
    # BatchNorm's statistics are each process's own; those that are saved, the leading one's, are to be evaluated.
    job.world.share(job.trained.buffers())
    with closing(job.validation_batches()) as batches:
        seen = batches if job.world.size > 1 else stop.watch(batches)  # together, processes finish or none does
        subject = f"after epoch {progression.step // job.steps_per_epoch}"
        accuracy = evaluate(job.trained, seen, job.objective.contract, job.device, "fp32", job.world, subject)
    job.model.train()
    progression.evaluated_step = progression.step
    progression.top1, progression.top5 = accuracy.top1, accuracy.top5
    if progression.best_step == 0 or accuracy.top1 > progression.best_top1:
        progression.best_step, progression.best_top1 = progression.step, accuracy.top1
        job.world.on_rank_zero(lambda: job.write_bundle(folder.best_bundle, progression))
    log.epoch_done()
    save(job, folder, progression, log)


def save(job: TrainingJob, folder: RunFolder, progression: Progression, log: TrainingLog) -> None:
    """Write ``last.pt``, unless a loss that is not finite says that the weights are worthless."""
    log.catch_up()
    state = (job.model, job.average, job.optimizer, job.scaler, progression)
    job.world.on_rank_zero(lambda: save_checkpoint(folder.checkpoint, *state, run=folder.record))
