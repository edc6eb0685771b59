"""The training loop: step, log, save."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim import SGD

from backbones.bundle import InputContract
from backbones.checkpoint import Progression, save_checkpoint
from backbones.data.color import apply_color, color_map, random_color
from backbones.data.image_folder import ImageFolder
from backbones.data.loader import Batch, ImageBatches, TrainingRequests, ValidationRequests, load_batches
from backbones.data.randomness import Purpose, keyed_generator, step_seed
from backbones.evaluation import evaluate
from backbones.interruption import StopSignal
from backbones.models import Classifier
from backbones.optimizer import set_learning_rate
from backbones.run_folder import RunFolder
from backbones.schedule import Schedule
from backbones.training_log import TrainingLog
from backbones.tricks.label_smoothing import smooth_targets
from backbones.tricks.low_precision import autocast


@dataclass(frozen=True)
class TrainingJob:
    """What is trained on what. ``steps_per_epoch`` counts whole batches; sizes are in pixels and images."""

    model: Classifier
    optimizer: SGD
    scaler: torch.amp.GradScaler
    schedule: Schedule
    label_smoothing: float
    data: ImageFolder
    contract: InputContract
    batch_size: int
    steps_per_epoch: int
    seed: int
    device: torch.device
    precision: str
    workers: int

    def training_batches(self, first_step: int) -> Iterator[Batch]:
        """Batches ``first_step``, ``first_step + 1``, ... up to the last one of the run."""
        requests = TrainingRequests(
            len(self.data.train), self.batch_size, self.seed, first_step, self.schedule.total_steps
        )
        dataset = ImageBatches(self.data.train, self.contract.train_size, self.seed)
        return load_batches(dataset, requests, self.workers, self.device)

    def validation_batches(self) -> Iterator[Batch]:
        """Every validation image once."""
        dataset = ImageBatches(self.data.val, self.contract.eval_size, self.seed)
        requests = ValidationRequests(len(self.data.val), self.batch_size)
        return load_batches(dataset, requests, self.workers, self.device)


def train(job: TrainingJob, folder: RunFolder, progression: Progression) -> None:
    """Train from ``progression`` to the end of the schedule; evaluate and save after each epoch.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM; the state after the current batch is saved.
        UserError: An image cannot be read, or the loss is no longer finite.
    """
    batches = job.training_batches(progression.step)
    log = TrainingLog(job.schedule, job.steps_per_epoch, folder, progression, job.device)
    with StopSignal() as stop, closing(log), closing(batches):
        if progression.evaluated_step < progression.step and progression.step % job.steps_per_epoch == 0:
            finish_epoch(job, folder, progression, log, stop)  # it was stopped while it evaluated
        for batch in log.timed(batches):
            loss = training_step(job, batch, progression.step)
            progression.step += 1
            log.step_done(loss, len(batch.labels))
            if progression.step % job.steps_per_epoch == 0:
                finish_epoch(job, folder, progression, log, stop)
            if stop.requested:
                save(job, folder, progression, log)
                raise KeyboardInterrupt(f"saved after batch {progression.step}; continue with --resume")


def training_step(job: TrainingJob, batch: Batch, step: int) -> Tensor:
    """One update of the weights; returns the loss, still on the device.

    Every random number depends on seed and step only, so a resumed run repeats them.
    """
    epoch, number = divmod(step, job.steps_per_epoch)
    torch.manual_seed(step_seed(job.seed, step))
    change = random_color(len(batch.labels), keyed_generator(Purpose.COLOR, job.seed, epoch, number))
    maps = color_map(change, job.contract.mean, job.contract.std).to(job.device, non_blocking=True)
    images = apply_color(batch.images, maps)
    targets = smooth_targets(batch.labels, len(job.data.classes), job.label_smoothing)
    set_learning_rate(job.optimizer, job.schedule.learning_rate(step))
    with autocast(job.precision, job.device):
        logits = job.model(images)
    loss = F.cross_entropy(logits.float(), targets)
    job.optimizer.zero_grad()
    job.scaler.scale(loss).backward()
    job.scaler.step(job.optimizer)
    job.scaler.update()
    return loss.detach()


def finish_epoch(
    job: TrainingJob, folder: RunFolder, progression: Progression, log: TrainingLog, stop: StopSignal
) -> None:
    """Evaluate, log, save. Saved before, too: an evaluation that is cut short is repeated, its epoch is not."""
    save(job, folder, progression, log)
    # On the way speed counts; the last evaluation is the result, and has to be that of the weights as they are saved.
    precision = "fp32" if progression.step == job.schedule.total_steps else job.precision
    with closing(job.validation_batches()) as batches:
        accuracy = evaluate(job.model, stop.watch(batches), job.contract, job.device, precision)
    job.model.train()
    progression.evaluated_step = progression.step
    progression.top1, progression.top5 = accuracy.top1, accuracy.top5
    log.epoch_done()
    save(job, folder, progression, log)


def save(job: TrainingJob, folder: RunFolder, progression: Progression, log: TrainingLog) -> None:
    """Write ``last.pt``, unless a loss that is not finite says that the weights are worthless."""
    log.catch_up()
    save_checkpoint(folder.checkpoint, job.model, job.optimizer, job.scaler, progression)
