"""What a transfer would do, seen from a few real steps; nothing is trained and nothing is written."""

from __future__ import annotations

import math
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from mmengine.config import ConfigDict
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import EpochBasedTrainLoop, Runner, TestLoop
from torch import nn
from tqdm import tqdm

from backbones.machine.distributed import World
from backbones.training.dry_run import FAREWELL, memory_line
from transfer.openmmlab.batch_norm import SharedBuffersHook, check_batch_norm, describe_norms
from transfer.openmmlab.modules.multi_scale import BothProtocolsLoop
from transfer.openmmlab.passes import PassesHook
from transfer.openmmlab.speed.hook import SpeedHook
from transfer.openmmlab.unwrap import unwrap_model
from transfer.proof.announce import describe_proof
from transfer.proof.arrival import prove
from transfer.proof.hooks import ProofHook
from transfer.protocol.total_batch import WITHOUT_END
from transfer.run.hooks import check_loss
from transfer.run.out_of_memory import lack_of_memory_explained
from transfer.run.plan import TransferPlan
from transfer.run.runner import blamed_on_settings, build_runner, set_run

WARM_STEPS, TIMED_STEPS, TEST_BATCHES = 1, 3, 2
ENOUGH_SECONDS = 60.0  # of training; one step is made in any case


def dry_run(plan: TransferPlan) -> None:
    """Build everything, prove, train a few steps, evaluate two batches, and print the plan and its cost.

    Of several processes all must call it; the leading one prints.

    Raises:
        UserError: As in a run, for settings that cannot be built or do not survive a step.
        ProofError: The built model does not hold the bundle's trunk.
    """
    lines: list[str] = []

    def note_proof(model: nn.Module) -> None:
        ledger, proof = prove(model, plan.bundle)
        chosen, images = plan.asked["batch_norm"], plan.asked["training"]["batch_norm_images"]
        norms = check_batch_norm(model, chosen, images)
        lines.append(f"proof     {describe_proof(ledger, proof, 'model')}")
        lines.append(f"norms     {describe_norms(chosen, images, norms)}")

    with tempfile.TemporaryDirectory(prefix="carryover-dry-run-") as folder:
        set_run(plan, Path(folder))
        options = plan.options
        steps = StepTimer(plan.world)
        hooks = [ProofHook(note_proof), SpeedHook(plan.bfloat16_modules), SharedBuffersHook(plan.world), steps]
        hooks.append(PassesHook(plan.batch.accumulate))
        runner = build_runner(plan.config, options.config, options.cfg_options, hooks)
        for hook in [hook for hook in runner.hooks if isinstance(hook, CheckpointHook)]:
            runner.hooks.remove(hook)
        with (
            blamed_on_settings(runner, options.config, options.cfg_options),
            lack_of_memory_explained(plan.batch),
            suppress(_EnoughSeen),
        ):
            runner.train()
        with lack_of_memory_explained(plan.batch):
            evaluation = _time_test(runner)
        runner.visualizer.close()
        if plan.world.leads:
            lines = [*_plan_lines(plan, runner), *lines, *_cost_lines(plan, runner, steps, evaluation), FAREWELL]
            print("\n".join(lines))


class _EnoughSeen(Exception):
    """Ends a training whose first steps were wanted only."""


class StepTimer(Hook):
    """Seconds of each training step, and how many of them it waited for its batch; stops the training after a few."""

    priority = "LOWEST"

    def __init__(self, world: World) -> None:
        self.world = world
        self.seconds: list[float] = []
        self.waits: list[float] = []

    def before_train(self, runner: Runner) -> None:
        self.started = self.mark = time.perf_counter()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        self.waits.append(time.perf_counter() - self.mark)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        check_loss(outputs["loss"].item(), runner)  # and a GPU has finished when its result is here
        now = time.perf_counter()
        self.seconds.append(now - self.mark)
        self.mark = now
        if self.world.any(len(self.seconds) == WARM_STEPS + TIMED_STEPS or now - self.started > ENOUGH_SECONDS):
            raise _EnoughSeen

    def typical(self) -> tuple[float, float]:
        """Median seconds of a step after the first one, and of its wait."""
        kept = slice(min(WARM_STEPS, len(self.seconds) - 1), None)
        return statistics.median(self.seconds[kept]), statistics.median(self.waits[kept])


def _time_test(runner: Runner) -> list[float]:
    """Seconds of one batch of the evaluation, by single scale and, where it has them, by multiple scales."""
    loop = runner.test_loop
    seconds = [_time_protocol(runner, loop)]
    if isinstance(loop, BothProtocolsLoop):
        with loop.averaging() as second:
            seconds.append(_time_protocol(runner, second))
    return seconds


@torch.no_grad()
def _time_protocol(runner: Runner, loop: TestLoop) -> float:
    """Seconds of one batch, whose metrics are computed too, to see that they can be."""
    runner.call_hook("before_test")
    runner.call_hook("before_test_epoch")
    runner.model.eval()
    seconds = []
    mark = time.perf_counter()
    for index, batch in enumerate(islice(loop.dataloader, TEST_BATCHES)):
        loop.run_iter(index, batch)
        seconds.append(time.perf_counter() - mark)
        mark = time.perf_counter()
    loop.evaluator.evaluate(len(loop.dataloader.dataset))
    return min(seconds)


def _plan_lines(plan: TransferPlan, runner: Runner) -> Iterator[str]:
    asked, config, world = plan.asked, plan.config, plan.world
    data, model = asked["data"], unwrap_model(runner)
    count = sum(parameter.numel() for parameter in model.parameters())
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    yield f"network   {asked['network']} ({asked['recipe']}) from {asked['backbone']['path']}"
    yield f"model     {type(model).__name__}, {count:,} parameters, {trained:,} of them train"
    yield f"frozen    {_frozen(config.model.backbone)}"
    yield (
        f"data      {data['root']}: {asked['classes']} classes, {data['train_images']} training and "
        f"{data['test_images']} test images, fingerprint {data['fingerprint']}"
    )
    if "fraction" in data:
        yield f"fraction  {data['fraction']:g} of the training images, for a first look"
    yield f"protocol  {asked['protocol']}, hash {asked['config_hash']}, seed {asked['seed']}"
    yield f"lr        {plan.rate}"
    yield from (f"length    {each}" for each in plan.moved)
    length = asked["training"]["length"]
    yield f"schedule  {_schedule(runner)}; training ends at iteration {runner.max_iters} ({length})"
    yield (
        f"machine   {world.size} x {plan.device}, {plan.precision}, {torch.get_num_threads()} threads, "
        f"{config.train_dataloader.num_workers} workers, ops of {asked['ops']}"
    )


def _frozen(backbone: ConfigDict) -> str:
    stages = backbone.get("frozen_stages", -1)
    parts = ["no stage"] if stages < 0 else ["stem", *(f"stage {number + 1}" for number in range(stages))]
    if backbone.get("norm_eval"):
        parts.append("BatchNorm's statistics")
    if backbone.get("norm_frozen"):
        parts.append("BatchNorm's gamma and beta")
    return ", ".join(parts)


def _schedule(runner: Runner) -> str:
    parts = []
    for scheduler in runner.param_schedulers or []:
        unit = "epoch" if scheduler.by_epoch else "iteration"
        end = "the end" if scheduler.end >= WITHOUT_END else f"{unit} {scheduler.end}"
        parts.append(f"{type(scheduler).__name__} from {unit} {scheduler.begin} to {end}")
    return ", ".join(parts) or "constant"


def _cost_lines(plan: TransferPlan, runner: Runner, steps: StepTimer, evaluation: list[float]) -> Iterator[str]:
    seconds, waiting = steps.typical()
    training = runner.max_iters * seconds
    # Those while it trains are by single scale, and take about as long as the one at the end.
    test = len(runner.test_dataloader) * (sum(evaluation) + _validations(runner) * evaluation[0])
    images = plan.batch.total
    whole = training + test
    yield (
        f"time      {seconds:.3f} s per iteration ({images / seconds:.1f} img/s, data wait {waiting / seconds:.0%}): "
        f"{tqdm.format_interval(training)} for training, {tqdm.format_interval(test)} for evaluation, "
        f"{tqdm.format_interval(whole)} in all at this rate"
    )
    device = "GPU" if plan.device.type == "cuda" else "process"
    yield f"cost      {plan.world.size * whole / 3600:.2f} {device} hours"
    yield memory_line(plan.device, plan.config.train_dataloader.num_workers)


def _validations(runner: Runner) -> int:
    """How many evaluations there are while it trains, the last of them after its last step."""
    if runner.val_loop is None:
        return 0
    loop = runner.train_loop
    length = loop.max_epochs if isinstance(loop, EpochBasedTrainLoop) else loop.max_iters
    return math.ceil(length / loop.val_interval)
