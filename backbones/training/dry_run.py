"""What a run would do, seen from a few real steps; nothing is trained and nothing is written."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice

import numpy as np
import torch
from tqdm import tqdm

from backbones.data.color import identity_color
from backbones.data.loader import Batch
from backbones.evaluation.accuracy import evaluate
from backbones.monitoring.memory import peak_bytes, peak_host_bytes
from backbones.profiling.cost import count_operations
from backbones.recipes.schedule import STEP, Schedule
from backbones.training.loop import TrainingJob, training_step
from backbones.training.teacher import Teacher

WARM_STEPS, TIMED_STEPS, VALIDATION_BATCHES = 2, 5, 2
FAREWELL = "dry run: nothing was trained, nothing was written"


def dry_run(job: TrainingJob, lines: Sequence[str]) -> None:
    """Print the settled plan, the schedule, the parameter groups, and time and memory as a few steps tell.

    The weights of ``job`` are spoilt. Of several processes all must call it; one prints.
    """
    steps = min(WARM_STEPS + TIMED_STEPS, job.schedule.total_steps)
    seconds, waiting, batch = _time_steps(job, steps)
    teachers = [_teacher_line(job, teacher, batch, seconds) for teacher in job.objective.teachers]
    validation = _time_validation(job)
    if not job.world.leads:
        return
    print("\n".join([*lines, *_schedule_lines(job.schedule, job.steps_per_epoch), *_group_lines(job), *teachers]))
    print("\n".join(_cost_lines(job, seconds, waiting, validation)))


def turning_points(schedule: Schedule) -> list[int]:
    """Steps at which something begins or ends: start, end of the warmup, milestones or quarters, last batch."""
    last = schedule.total_steps - 1
    turns = {0, schedule.warmup_steps, last}
    if schedule.shape != STEP:
        span = schedule.total_steps - schedule.warmup_steps
        turns |= {schedule.warmup_steps + span * quarter // 4 for quarter in (1, 2, 3)}
    else:
        turns |= {turn for milestone in schedule.milestones for turn in (milestone - 1, milestone)}
    return sorted(turn for turn in turns if 0 <= turn <= last)


def _schedule_lines(schedule: Schedule, steps_per_epoch: int) -> Iterator[str]:
    yield "rates     batch (epoch): learning rate"
    for step in turning_points(schedule):
        yield f"          {step + 1:>8} ({step / steps_per_epoch:.2f}): {schedule.learning_rate(step):.6g}"


def _group_lines(job: TrainingJob) -> Iterator[str]:
    for group in job.optimizer.param_groups:
        tensors = group["params"]
        count = sum(tensor.numel() for tensor in tensors)
        yield f"group     {len(tensors)} tensors, {count:,} parameters, weight decay {group['weight_decay']:g}"


def _teacher_line(job: TrainingJob, teacher: Teacher, batch: Batch, step: float) -> str:
    """What a teacher costs: multiply-adds of an image, and its share of the seconds of a step."""
    size = job.objective.contract.train_size
    operations = count_operations(teacher.network, size)["multiply_adds"]
    whole = _judging_seconds(job, teacher, batch)
    return (
        f"teacher   {teacher.network}: {operations / 1e6:,.1f} M multiply-adds for an image of {size} px, "
        f"{whole:.3f} s per batch ({whole / step:.0%} of a step)"
    )


def _judging_seconds(job: TrainingJob, teacher: Teacher, batch: Batch) -> float:
    """Seconds of a teacher's passes over a batch, which it sees in the parts that the student sees."""
    size = len(batch.labels) // job.accumulate
    part = Batch(batch.images[:size], batch.labels[:size])
    change, draws = identity_color(size), job.objective.draw(np.random.default_rng(0))
    seconds = []
    for _ in range(WARM_STEPS + 1):
        started = time.perf_counter()
        job.objective.judgement(teacher, part, change, draws).sum().item()
        seconds.append(time.perf_counter() - started)
    return min(seconds) * job.accumulate


def _time_steps(job: TrainingJob, steps: int) -> tuple[float, float, Batch]:
    """Median seconds of a step after the first ones, how many of them went by waiting for the batch, and a batch."""
    seconds, waits = [], []
    with closing(job.training_batches(0)) as batches:
        asked = time.perf_counter()
        for step, batch in enumerate(islice(batches, steps)):
            waits.append(time.perf_counter() - asked)
            training_step(job, batch, step).item()
            seconds.append(time.perf_counter() - asked)
            asked = time.perf_counter()
    kept = slice(min(WARM_STEPS, steps - 1), None)
    return statistics.median(seconds[kept]), statistics.median(waits[kept]), batch


def _time_validation(job: TrainingJob) -> float:
    """Seconds that one pass over the validation images takes, from its first batches."""
    with closing(job.validation_batches()) as batches:
        next(batches, None)  # workers have started
        seen = 0
        started = time.perf_counter()
        for batch in islice(batches, VALIDATION_BATCHES):
            evaluate(job.trained, [batch], job.objective.contract, job.device)
            seen += len(batch.labels)
        seconds = time.perf_counter() - started
    return seconds * len(job.data.val) / (seen * job.world.size) if seen else 0.0


def _cost_lines(job: TrainingJob, seconds: float, waiting: float, validation: float) -> Iterator[str]:
    epochs = job.schedule.total_steps // job.steps_per_epoch
    whole = job.schedule.total_steps * seconds + epochs * validation
    rate = job.batch_size / seconds
    yield (
        f"time      {seconds:.3f} s per batch ({rate:.0f} img/s, data wait {waiting / seconds:.0%}), validation "
        f"{tqdm.format_interval(validation)}: {tqdm.format_interval(whole)} in all at this rate"
    )
    yield memory_line(job.device, job.workers)
    yield FAREWELL


def memory_line(device: torch.device, workers: int) -> str:
    """What this process has needed at most, so far."""
    line = f"memory    {peak_host_bytes() / 1e9:.1f} GB of main memory at most, without {workers} workers"
    if device.type == "cuda":
        line += f"; {peak_bytes(device) / 1e9:.1f} GB on {device}"
    return line
